/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/launch_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/tag.h"
#include "agent/base/utf8.h"

static struct ec2_instance *an_instance(void)
{
    static struct ec2_instance instance;
    static char key[] = "Name", name[] = "kaltura db1\\x";

    memset(&instance, 0, sizeof(instance));
    strcpy(instance.type, "m5.large");
    strcpy(instance.subnet_id, "subnet-0a1");
    strcpy(instance.availability_zone, "eu-west-1a");
    strcpy(instance.key_name, "ops");
    strcpy(instance.iam_profile_arn, "arn:aws:iam::123456789012:instance-profile/path/node");
    strcpy(instance.private_ip, "10.0.0.9");
    strcpy(instance.tenancy, "default");
    strcpy(instance.http_tokens, "required");
    strcpy(instance.http_endpoint, "enabled");
    strcpy(instance.http_protocol_ipv6, "disabled");
    strcpy(instance.instance_metadata_tags, "disabled");
    instance.http_hop_limit = 2;
    strcpy(instance.security_groups[0], "sg-1");
    strcpy(instance.security_groups[1], "sg-2");
    instance.security_group_count = 2;
    instance.tags.list[0] = (struct ec2_tag){key, name};
    instance.tags.count = 1;
    return &instance;
}

static char *text_of(const struct launch_facts *facts)
{
    struct err err = ERR_INIT;
    char *text = NULL;

    assert_true(launch_facts_text(facts, &text, &err));
    return text;
}

static void an_instance_goes_into_one_tag_and_comes_back(void **state)
{
    struct launch_facts facts = {.type = ""}, back = {.type = ""};
    (void)state;

    launch_facts_of(an_instance(), &facts);
    char *text = text_of(&facts);
    launch_facts_read(text, &back);

    assert_string_equal(text, "type=m5.large subnet=subnet-0a1 sg=sg-1,sg-2 "
                              "imds=required/2/on/off/off profile=node key=ops ip=10.0.0.9 "
                              "zone=eu-west-1a name=kaltura\\040db1\\134x");
    assert_string_equal(back.profile, "node");
    strcpy(back.profile, facts.profile);
    assert_memory_equal(&back, &facts, sizeof(back));
    free(text);
}

static void what_is_known_is_never_replaced(void **state)
{
    struct launch_facts facts = {.type = "t3.small", .security_group_count = 1};
    (void)state;

    strcpy(facts.security_groups[0], "sg-9");
    launch_facts_read("type=m5.large sg=sg-1,sg-2 key=ops", &facts);
    launch_facts_of(an_instance(), &facts);

    assert_string_equal(facts.type, "t3.small");
    assert_int_equal(facts.security_group_count, 1);
    assert_string_equal(facts.key_name, "ops");
    assert_string_equal(facts.subnet, "subnet-0a1");
}

static void a_terminated_instance_adds_nothing_that_it_lost(void **state)
{
    struct ec2_instance gone = {.type = "m5.large", .state = "terminated"};
    struct launch_facts facts = {.type = ""};
    (void)state;

    launch_facts_of(&gone, &facts);
    launch_facts_read("type=t3.small subnet=subnet-1 tenancy=dedicated", &facts);

    assert_string_equal(facts.type, "m5.large");
    assert_string_equal(facts.subnet, "subnet-1");
    assert_string_equal(facts.tenancy, "dedicated");
}

static void what_has_no_room_is_left_out_whole_and_named(void **state)
{
    struct launch_facts facts = {.type = ""}, back = {.type = ""};
    (void)state;

    launch_facts_of(an_instance(), &facts);
    memset(facts.key_name, 'k', 255);
    memset(facts.name, 'n', 200);
    facts.name[200] = '\0';
    char *text = text_of(&facts);
    launch_facts_read(text, &back);

    assert_true(utf8_count(text) <= TAG_VALUE_CHARS_MAX);
    assert_string_equal(back.lost, "key,name");
    assert_string_equal(back.key_name, "");
    assert_string_equal(back.name, "");
    assert_string_equal(back.private_ip, "10.0.0.9");
    free(text);
}

static void however_much_there_is_the_tag_has_room(void **state)
{
    struct launch_facts facts = {.type = ""};
    (void)state;

    launch_facts_of(an_instance(), &facts);
    for (size_t i = 0; i < EC2_SECURITY_GROUPS_MAX; i++)
        strcpy(facts.security_groups[i], "sg-0123456789abcdef0");
    facts.security_group_count = EC2_SECURITY_GROUPS_MAX;
    memset(facts.profile, 'p', sizeof(facts.profile) - 1);
    memset(facts.type, ' ', sizeof(facts.type) - 1);
    memset(facts.subnet, '\\', sizeof(facts.subnet) - 1);
    memset(facts.name, 'n', sizeof(facts.name) - 1);
    char *text = text_of(&facts);

    assert_true(utf8_count(text) <= TAG_VALUE_CHARS_MAX);
    free(text);
}

static void a_tag_that_makes_no_sense_is_no_fact(void **state)
{
    static const char *const odd[] = {
        "",    " ",      "=", "type", "type=",      "imds=", "imds=maybe",
        "sg=", "sg=,,,", "+", "x=y",  "imds=/9/on", "\\",    "ip=\\000x"};
    const struct launch_facts nothing = {.type = ""};
    (void)state;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct launch_facts facts = {.type = ""};
        launch_facts_read(odd[i], &facts);
        assert_memory_equal(&facts, &nothing, sizeof(facts));
    }
    struct launch_facts facts = {.type = ""};
    launch_facts_read("imds=required/900/yes/on type=m5.large", &facts);
    assert_string_equal(facts.http_tokens, "required");
    assert_int_equal(facts.http_hop_limit, 0);
    assert_string_equal(facts.http_endpoint, "");
    assert_string_equal(facts.http_protocol_ipv6, "enabled");
    assert_string_equal(facts.type, "m5.large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_goes_into_one_tag_and_comes_back),
        cmocka_unit_test(what_is_known_is_never_replaced),
        cmocka_unit_test(a_terminated_instance_adds_nothing_that_it_lost),
        cmocka_unit_test(what_has_no_room_is_left_out_whole_and_named),
        cmocka_unit_test(however_much_there_is_the_tag_has_room),
        cmocka_unit_test(a_tag_that_makes_no_sense_is_no_fact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
