/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/fileio.h"
#include "tests/unit/fake_http.h"

#define DOCUMENT                                                                                   \
    "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"eu-west-1\","                            \
    "\"availabilityZone\":\"eu-west-1a\",\"accountId\":\"123456789012\","                          \
    "\"architecture\":\"x86_64\",\"imageId\":\"ami-0123456789abcdef0\","                           \
    "\"instanceType\":\"m5.large\",\"privateIp\":\"10.0.0.4\","                                    \
    "\"pendingTime\":\"2026-11-24T08:00:00Z\",\"billingProducts\":null,"                           \
    "\"marketplaceProductCodes\":null,\"devpayProductCodes\":null,"                                \
    "\"kernelId\":null,\"ramdiskId\":null,\"version\":\"2017-09-30\"}"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/stillpoint-identity.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/identity.json", folder);
    (void)unlink(path);
    return rmdir(folder);
}

static struct identity named(const char *instance)
{
    struct identity identity;

    memset(&identity, 0, sizeof(identity));
    strcpy(identity.document.instance_id, instance);
    strcpy(identity.document.region, "eu-west-1");
    return identity;
}

static void the_first_identity_is_remembered(void **state)
{
    struct identity identity = named("i-1");
    char was[IMDS_ID_BYTES] = "x";
    struct err err = ERR_INIT;
    (void)state;

    assert_true(identity_remember(&identity, folder, was, &err));
    assert_string_equal(was, "");
    assert_true(identity_remember(&identity, folder, was, &err));
    assert_string_equal(was, "");
}

static void a_clone_is_noticed_once(void **state)
{
    struct identity parent = named("i-1"), clone = named("i-2");
    char was[IMDS_ID_BYTES];
    struct err err = ERR_INIT;
    (void)state;

    assert_true(identity_remember(&parent, folder, was, &err));
    assert_true(identity_remember(&clone, folder, was, &err));
    assert_string_equal(was, "i-1");
    assert_true(identity_remember(&clone, folder, was, &err));
    assert_string_equal(was, "");
}

static void whose_disk_it_was_stays_known(void **state)
{
    struct identity parent = named("i-1"), clone = named("i-2"), heir = named("i-3");
    char was[IMDS_ID_BYTES];
    struct err err = ERR_INIT;
    (void)state;

    identity_came_from(folder, "i-1", was);
    assert_string_equal(was, "");
    assert_true(identity_remember(&parent, folder, was, &err));
    identity_came_from(folder, "i-1", was);
    assert_string_equal(was, "");
    assert_true(identity_remember(&clone, folder, was, &err));
    assert_true(identity_remember(&clone, folder, was, &err)); /* its next start */
    identity_came_from(folder, "i-2", was);
    assert_string_equal(was, "i-1");
    identity_came_from(folder, "i-3", was); /* that has not looked yet */
    assert_string_equal(was, "");
    assert_true(identity_remember(&heir, folder, was, &err));
    identity_came_from(folder, "i-3", was);
    assert_string_equal(was, "i-2");
}

static void a_broken_file_counts_as_none(void **state)
{
    struct identity identity = named("i-1");
    char was[IMDS_ID_BYTES], path[128];
    struct err err = ERR_INIT;
    (void)state;

    (void)snprintf(path, sizeof(path), "%s/identity.json", folder);
    assert_true(fileio_replace(path, "{\"instance\": [", 14, 0600, &err));
    assert_true(identity_remember(&identity, folder, was, &err));
    assert_string_equal(was, "");
}

static void a_state_directory_that_is_not_there_is_named(void **state)
{
    struct identity identity = named("i-1");
    char was[IMDS_ID_BYTES];
    struct err err = ERR_INIT;
    (void)state;

    assert_false(identity_remember(&identity, "/nonexistent/state", was, &err));
    assert_non_null(strstr(err.text, "/nonexistent/state"));
    assert_true(err.remedy[0] != '\0');
}

static void a_daemon_without_identity_says_so(void **state)
{
    struct config config;
    struct identity identity;
    struct err err = ERR_INIT;
    (void)state;

    memset(&config, 0, sizeof(config));
    config.aws.identity = CONFIG_IDENTITY_NONE;
    assert_false(identity_read(&config, clock_boot_ms() + 1000, NULL, &identity, &err));
    assert_int_equal(err.kind, ERR_PRECONDITION);
}

static void the_document_makes_the_identity(void **state)
{
    char *document = fake_http_answer("200 OK", "", DOCUMENT);
    char *token = fake_http_answer("200 OK", "", "TOKEN");
    char *suffix = fake_http_answer("200 OK", "", "amazonaws.com.cn");
    struct fake_step steps[] = {
        {token, FAKE_KEEP, 0, 0}, {document, FAKE_KEEP, 0, 0}, {suffix, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(false, steps, 3);
    char *endpoint = strdup(fake_http_url(fake));
    struct config config;
    struct identity identity;
    struct err err = ERR_INIT;
    (void)state;

    memset(&config, 0, sizeof(config));
    config.aws.identity = CONFIG_IDENTITY_IMDS;
    config.aws.endpoint_imds = endpoint;
    bool ok = identity_read(&config, clock_boot_ms() + 5000, NULL, &identity, &err);

    assert_string_equal(err.text, "");
    assert_true(ok);
    assert_string_equal(identity.document.instance_id, "i-0123456789abcdef0");
    assert_string_equal(identity.dns_suffix, "amazonaws.com.cn");
    assert_true(identity.hostname[0] != '\0');
    fake_http_stop(fake);
    free(document);
    free(token);
    free(suffix);
    free(endpoint);
}

static bool stays_with(const char *status, const char *notice, struct err *err)
{
    char *token = fake_http_answer("200 OK", "", "TOKEN");
    char *answer = fake_http_answer(status, "", notice);
    struct fake_step steps[] = {{token, FAKE_KEEP, 0, 0}, {answer, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(false, steps, 2);
    char *endpoint = strdup(fake_http_url(fake));
    struct config config;

    memset(&config, 0, sizeof(config));
    config.aws.endpoint_imds = endpoint;
    *err = (struct err)ERR_INIT;
    bool stays = identity_stays(&config, clock_boot_ms() + 5000, NULL, err);
    assert_non_null(strstr(fake_http_request(fake, 1), "/latest/meta-data/spot/instance-action"));
    fake_http_stop(fake);
    free(token);
    free(answer);
    free(endpoint);
    return stays;
}

static void a_spot_notice_to_terminate_is_an_end(void **state)
{
    struct err err;
    (void)state;

    assert_true(stays_with("404 Not Found", "", &err));
    assert_true(stays_with("200 OK", "{\"action\": \"stop\"}", &err));
    assert_true(stays_with("200 OK", "[\"action\"", &err));
    assert_true(stays_with("200 OK", "{\"action\": 7}", &err));
    assert_string_equal(err.text, "");
    assert_false(stays_with(
        "200 OK", "{\"action\": \"terminate\", \"time\": \"2026-11-29T08:22:00Z\"}", &err));
    assert_int_equal(err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(err.text, "2026-11-29T08:22:00Z"));
    assert_true(err.remedy[0] != '\0');
    assert_false(stays_with("200 OK", "{\"action\": \"terminate\"}", &err));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_identity_is_remembered),
        CASE(whose_disk_it_was_stays_known),
        CASE(a_clone_is_noticed_once),
        CASE(a_broken_file_counts_as_none),
        CASE(a_state_directory_that_is_not_there_is_named),
        CASE(a_daemon_without_identity_says_so),
        CASE(the_document_makes_the_identity),
        CASE(a_spot_notice_to_terminate_is_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
