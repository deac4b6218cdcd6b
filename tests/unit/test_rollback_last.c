/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_last.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

#define RB    "rb-20261124T081530Z-k3f9x"
#define SET   "sp-20261123T081530Z-aaaaa"
#define NODE  "i-0123456789abcdef0"
#define OTHER "i-0fedcba9876543210"
#define AT_US INT64_C(1795508130000000) /* 2026-11-24T08:15:30Z */

static struct err err;
static struct config config;
static struct agent agent;

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree == NULL)
        return 1;
    tree_make(tree, "rollback-last");
    err = (struct err)ERR_INIT;
    config.paths.state = tree->root;
    agent = (struct agent){.config = &config, .mutex = PTHREAD_MUTEX_INITIALIZER};
    strcpy(agent.identity.document.instance_id, NODE);
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

static void write_last(const struct rollback_last *last)
{
    assert_true(rollback_last_write(config.paths.state, NODE, last, &err));
}

static void how_it_ended_is_told(void **state)
{
    struct rollback_last last = {RB, SET, ROLLBACK_TAKEN_BACK, AT_US, true, "EC2 \"refused\""};

    (void)state;
    write_last(&last);
    json_t *told = rollback_last_json(&agent);

    assert_string_equal(json_string_value(json_object_get(told, "id")), RB);
    assert_string_equal(json_string_value(json_object_get(told, "set")), SET);
    assert_string_equal(json_string_value(json_object_get(told, "outcome")), "taken back");
    assert_string_equal(json_string_value(json_object_get(told, "why")), "EC2 \"refused\"");
    assert_memory_equal(json_string_value(json_object_get(told, "at")), "2026-11-24T08:15:30", 19);
    json_decref(told);

    last.outcome = ROLLBACK_COMMITTED;
    last.why[0] = '\0';
    write_last(&last);
    told = rollback_last_json(&agent);
    assert_string_equal(json_string_value(json_object_get(told, "outcome")), "committed");
    assert_true(json_is_null(json_object_get(told, "why")));
    json_decref(told);
}

static void one_that_is_under_way_has_not_ended(void **state)
{
    struct rollback_last last = {RB, SET, ROLLBACK_TAKEN_BACK, AT_US, false, "why"}, read;

    (void)state;
    write_last(&last);
    assert_true(json_is_null(rollback_last_json(&agent)));
    assert_true(rollback_last_read(config.paths.state, NODE, &read)); /* for who goes on with it */
    assert_int_equal(read.outcome, ROLLBACK_TAKEN_BACK);
    assert_string_equal(read.why, "why");

    last.over = true;
    write_last(&last);
    agent.rollback = json_pack("{s:s}", "id", RB);
    assert_true(json_is_null(rollback_last_json(&agent)));
    json_decref(agent.rollback);
}

static void another_instances_or_a_damaged_one_is_passed_over(void **state)
{
    struct rollback_last last = {RB, SET, ROLLBACK_UNDONE, AT_US, true, ""};

    assert_false(rollback_last_read(config.paths.state, NODE, &last));
    assert_true(rollback_last_write(config.paths.state, OTHER, &last, &err));
    assert_false(rollback_last_read(config.paths.state, NODE, &last));
    assert_true(json_is_null(rollback_last_json(&agent)));
    tree_write(*state, "rollback.json", "{\"version\": 1, \"inst");
    assert_false(rollback_last_read(config.paths.state, NODE, &last));
    tree_write(*state, "rollback.json",
               "{\"version\":1,\"instance\":\"" NODE "\",\"id\":\"" RB "\",\"set\":\"" SET
               "\",\"outcome\":\"lost\",\"at\":\"2026-11-24T08:15:30Z\"}");
    assert_false(rollback_last_read(config.paths.state, NODE, &last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(how_it_ended_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_under_way_has_not_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_instances_or_a_damaged_one_is_passed_over, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
