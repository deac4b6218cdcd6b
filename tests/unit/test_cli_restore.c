/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_restore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

static json_t *json_of(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *value = json_loads(copy, 0, NULL);
    free(copy);
    assert_non_null(value);
    return value;
}

static void args_are(const struct cli_options *options, const char *want)
{
    json_t *args = json_object(), *expected = json_of(want);
    struct err err = ERR_INIT;

    assert_true(cli_restore_args(options, args, &err));
    assert_true(json_equal(args, expected));
    json_decref(args);
    json_decref(expected);
}

static void what_was_given_is_what_is_asked(void **state)
{
    const struct cli_options nothing = {.id = "x"};
    const struct cli_options all = {.type = "t3.small",
                                    .subnet = "subnet-1",
                                    .zone = "z",
                                    .private_ip = "10.0.0.9",
                                    .key = "k",
                                    .profile = "p",
                                    .name = "n",
                                    .security_groups = {"sg-1", "sg-2"},
                                    .security_group_count = 2,
                                    .replace = true,
                                    .another = true};
    (void)state;

    args_are(&nothing, "{}");
    args_are(&all, "{'type':'t3.small','subnet':'subnet-1','zone':'z','private_ip':'10.0.0.9',"
                   "'key':'k','profile':'p','name':'n','security_groups':['sg-1','sg-2'],"
                   "'replace':true,'another':true}");
}

static void user_data_is_read_here_and_sent_as_base64(void **state)
{
    char path[TREE_PATH_BYTES];
    struct tree tree;
    (void)state;

    tree_make(&tree, "restore");
    tree_write(&tree, "script", "#!/bin/sh\n");
    struct cli_options options = {.user_data_path = tree_path(&tree, "script", path)};
    args_are(&options, "{'user_data':'IyEvYmluL3NoCg=='}");
    options.user_data_path = "/dev/null";
    args_are(&options, "{'user_data':''}");
    tree_remove(&tree);
}

static void user_data_that_ec2_would_not_take_is_refused(void **state)
{
    static char large[17 * 1024];
    char path[TREE_PATH_BYTES];
    struct tree tree;
    json_t *args = json_object();
    struct err err = ERR_INIT;
    (void)state;

    tree_make(&tree, "restore");
    memset(large, 'x', sizeof(large) - 1);
    tree_write(&tree, "large", large);
    struct cli_options options = {.user_data_path = tree_path(&tree, "large", path)};
    assert_false(cli_restore_args(&options, args, &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.remedy, "16 KiB"));

    err = (struct err)ERR_INIT;
    options.user_data_path = "/nowhere/at-all";
    assert_false(cli_restore_args(&options, args, &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.text, "--user-data: "));
    assert_non_null(strstr(err.text, "/nowhere/at-all"));
    json_decref(args);
    tree_remove(&tree);
}

static void shows(bool dry_run, const char *data, const char *want)
{
    struct cli_page page = CLI_PAGE_INIT(((struct cli_look){.columns = 80}));
    const struct cli_options options = {.dry_run = dry_run};
    json_t *value = json_of(data);

    cli_restore_show(&page, &options, value);
    assert_string_equal(buf_text(&page.text), want);
    cli_page_free(&page);
    json_decref(value);
}

#define PLAN                                                                                       \
    "'backup':'sp-1','image':'ami-1','name':'db\\u0007','type':'m5.large','subnet':'subnet-1',"    \
    "'security_groups':['sg-1','sg-2'],'key':null,'profile':'node','user_data':true"

static void a_plan_shows_what_would_be_launched(void **state)
{
    (void)state;
    shows(true,
          "{" PLAN ",'address':null,'instance':null,'root_is_newer':true,'volumes':["
          "{'device':'/dev/xvda','snapshot':null,'size_gib':8},"
          "{'device':'/dev/sdf','snapshot':'snap-2','size_gib':20}]}",
          "Would launch an instance from ami-1:\n\n"
          "  backup       sp-1\n"
          "  name         db\\x07\n"
          "  image        ami-1\n"
          "  type         m5.large\n"
          "  subnet       subnet-1\n"
          "  groups       sg-1, sg-2\n"
          "  profile      node\n"
          "  user data    yes\n"
          "  volumes      /dev/xvda, 8 GiB, the image's own\n"
          "               /dev/sdf, 20 GiB, of snap-2\n"
          "  root         newer than the backup: an image of its own instant\n");
}

static void a_launch_of_before_is_said_to_be_one(void **state)
{
    (void)state;
    shows(true, "{" PLAN ",'instance':'i-1','volumes':[]}",
          "The same command has launched i-1 before: it would wait for that one.\n\n"
          "  backup       sp-1\n"
          "  name         db\\x07\n"
          "  image        ami-1\n"
          "  type         m5.large\n"
          "  subnet       subnet-1\n"
          "  groups       sg-1, sg-2\n"
          "  profile      node\n"
          "  user data    yes\n");
}

static void a_new_node_is_shown_with_how_to_go_on(void **state)
{
    (void)state;
    shows(false,
          "{" PLAN ",'instance':'i-1','state':'running','zone':'eu-west-1a','existed':false,"
          "'address':'10.0.0.9','volumes':[{'id':'vol-1','device':'/dev/xvda','snapshot':'snap-1',"
          "'size_gib':8}]}",
          "i-1 is running\n\n"
          "  backup       sp-1\n"
          "  name         db\\x07\n"
          "  image        ami-1\n"
          "  type         m5.large\n"
          "  zone         eu-west-1a\n"
          "  subnet       subnet-1\n"
          "  address      10.0.0.9\n"
          "  groups       sg-1, sg-2\n"
          "  profile      node\n"
          "  user data    yes\n"
          "  volumes      /dev/xvda, 8 GiB, vol-1, of snap-1\n"
          "\nThe agent there sees that it is another node: its list is empty, and this backup "
          "stays\nits parent's. On it: stillpoint doctor, then stillpoint backup. It answers at "
          "10.0.0.9.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_given_is_what_is_asked),
        cmocka_unit_test(user_data_is_read_here_and_sent_as_base64),
        cmocka_unit_test(user_data_that_ec2_would_not_take_is_refused),
        cmocka_unit_test(a_plan_shows_what_would_be_launched),
        cmocka_unit_test(a_launch_of_before_is_said_to_be_one),
        cmocka_unit_test(a_new_node_is_shown_with_how_to_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
