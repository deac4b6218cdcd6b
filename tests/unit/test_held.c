/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/hold_record.h"
#include "agent/daemon/journal.h"
#include "tests/unit/tree.h"

#define ID    "sp-20261124T081530Z-k3f9x"
#define OTHER "sp-20261124T081530Z-aaaaa"

enum { SOON_MS = 60000, AT_US = 1000000 };

struct scene {
    struct tree tree;
    struct config config;
    struct agent agent;
    struct cancel ask, cancel;
    struct backup *backup;
    struct err err;
};

static struct agent new_agent(struct scene *scene)
{
    return (struct agent){.config = &scene->config, .mutex = PTHREAD_MUTEX_INITIALIZER};
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    tree_make(&scene->tree, "held");
    scene->config.paths.state = scene->tree.root;
    scene->agent = new_agent(scene);
    scene->ask = scene->cancel = (struct cancel)CANCEL_INIT;
    assert_true(cancel_open(&scene->ask, &scene->err));
    assert_true(cancel_open(&scene->cancel, &scene->err));
    scene->backup = backup_new();
    assert_non_null(scene->backup);
    assert_true(strs_dup(&scene->backup->id, ID, &scene->err));
    assert_true(strs_dup(&scene->backup->instance, "i-0123456789abcdef0", &scene->err));
    *state = scene;
    return 0;
}

static void forget(struct agent *agent)
{
    json_decref(agent->held.now);
    json_decref(agent->held.last);
    json_decref(agent->held.missed);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    forget(&scene->agent);
    backup_free(scene->backup);
    cancel_close(&scene->ask);
    cancel_close(&scene->cancel);
    tree_remove(&scene->tree);
    free(scene);
    return 0;
}

static struct hold_facts facts(enum label expected)
{
    return (struct hold_facts){ID, expected, AT_US, 2 * AT_US, NULL, 0};
}

static json_t *held(struct scene *scene)
{
    const struct hold_facts its = facts(LABEL_APPLICATION);

    return hold_record_held(scene->backup, &its);
}

static json_t *ended(struct scene *scene, const char *why)
{
    json_t *record = held(scene);

    hold_record_end(record, why);
    return record;
}

static const char *text_of(const json_t *record, const char *key)
{
    return json_string_value(json_object_get(record, key));
}

/* --- the record ----------------------------------------------------------------------------- */

static void what_is_held_claims_nothing_yet(void **state)
{
    json_t *record = held(*state);

    assert_string_equal(text_of(record, "state"), "held");
    assert_string_equal(text_of(record, "expected"), "application");
    assert_true(json_is_null(json_object_get(record, "consistency")));
    assert_true(json_is_null(json_object_get(record, "whole")));
    assert_string_equal(text_of(record, "until"), "1970-01-01T00:00:02.000000Z");
    assert_null(json_object_get(record, "snapshots"));
    json_decref(record);
}

static void a_hold_is_whole_where_all_that_was_held_was_proved(void **state)
{
    struct scene *scene = *state;
    const struct hold_facts less = facts(LABEL_FILESYSTEM), all = facts(LABEL_APPLICATION);

    scene->backup->consistency = LABEL_FILESYSTEM;
    json_t *as_held = hold_record_released(scene->backup, &less);
    json_t *lost = hold_record_released(scene->backup, &all);

    assert_true(json_is_true(json_object_get(as_held, "whole")));
    assert_true(json_is_false(json_object_get(lost, "whole")));
    assert_string_equal(text_of(lost, "consistency"), "filesystem");
    json_decref(as_held);
    json_decref(lost);
}

/* A mount is left out: the label says no more of the rest. */
static void what_is_lost_of_less_is_seen_all_the_same(void **state)
{
    struct scene *scene = *state;
    struct strs foretold = {NULL, 0};
    struct hold_facts less = facts(LABEL_CRASH);

    scene->backup->consistency = LABEL_CRASH;
    less.shortfall = &foretold;
    assert_true(strs_add(&foretold, "/ was not frozen: it was to be left out", &scene->err));
    assert_true(strs_copy(&scene->backup->shortfall, &foretold, &scene->err));
    json_t *as_held = hold_record_released(scene->backup, &less);
    assert_true(strs_add(&scene->backup->shortfall, "mysql went away", &scene->err));
    json_t *lost = hold_record_released(scene->backup, &less);

    assert_true(json_is_true(json_object_get(as_held, "whole")));
    assert_true(json_is_false(json_object_get(lost, "whole")));
    json_decref(as_held);
    json_decref(lost);
    strs_free(&foretold);
}

static void what_was_not_let_go_of_is_on_record(void **state)
{
    struct scene *scene = *state;
    const struct hold_facts its = facts(LABEL_APPLICATION);
    struct err err = ERR_INIT;

    json_t *record = hold_record_released(scene->backup, &its);
    assert_true(json_is_null(json_object_get(record, "why")));
    (void)err_set(&err, ERR_HOOK, 0, "pause: release: exit code 3");
    (void)err_suggest(&err, "see its output");
    hold_record_left(record, &err);

    assert_string_equal(text_of(record, "state"), "released");
    assert_string_equal(text_of(record, "why"), "pause: release: exit code 3");
    assert_string_equal(text_of(record, "remedy"), "see its output");
    json_decref(record);
}

static void one_that_ended_by_itself_is_news_until_it_is_told(void **state)
{
    json_t *record = ended(*state, "why");

    assert_true(hold_record_is_news(record));
    hold_record_tell(record);
    assert_false(hold_record_is_news(record));
    json_decref(record);
}

static void a_file_that_is_no_record_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"id\":\"sp-1\",\"state\":\"ended\"}",
        "{\"id\":\"" ID "\"}",
        "{\"id\":\"" ID "\",\"state\":\"held\"}",
        "{\"id\":\"" ID "\",\"state\":\"ended\",\"state\":\"ended\"}",
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *record = NULL;
        scene->err = (struct err)ERR_INIT;
        tree_write(&scene->tree, "hold.json", bad[i]);
        assert_false(hold_record_read(scene->tree.root, &record, &scene->err));
        assert_int_equal(scene->err.kind, ERR_PROTOCOL);
    }
}

/* --- who asks ------------------------------------------------------------------------------- */

static void begin(struct scene *scene, int64_t lease_ms)
{
    held_begin(&scene->agent, &scene->ask, clock_boot_ms() + lease_ms, held(scene));
}

static void the_first_release_in_time_is_the_one(void **state)
{
    struct scene *scene = *state;
    unsigned number;

    assert_int_equal(held_ask(&scene->agent, NULL, &number), HELD_NOTHING);
    begin(scene, SOON_MS);
    assert_int_equal(held_ask(&scene->agent, OTHER, &number), HELD_OTHER);
    assert_false(cancel_asked(&scene->ask));
    int64_t before_us = clock_boot_us();
    assert_int_equal(held_ask(&scene->agent, ID, &number), HELD_ASKED);
    assert_true(cancel_asked(&scene->ask));
    assert_int_equal(held_ask(&scene->agent, NULL, &number), HELD_ENDING);
    assert_in_range(held_close(&scene->agent), before_us, clock_boot_us());
    assert_int_equal(held_ask(&scene->agent, NULL, &number), HELD_ENDING);
    held_end(&scene->agent, ended(scene, "x"), 1);
    held_wait_end(&scene->agent, number);
    assert_int_equal(held_ask(&scene->agent, NULL, &number), HELD_NOTHING);
}

static void a_release_past_the_lease_comes_too_late_though_nobody_has_let_go(void **state)
{
    struct scene *scene = *state;
    unsigned number;

    begin(scene, 0);
    assert_int_equal(held_ask(&scene->agent, NULL, &number), HELD_ENDING);
    assert_int_equal(held_close(&scene->agent), 0);
}

static void what_is_over_is_over_whoever_asks_just_then(void **state)
{
    struct scene *scene = *state;
    int64_t later_ms = clock_boot_ms() + SOON_MS;
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(held_wait(&scene->ask, &scene->cancel, pipe_fds[0], clock_boot_ms() + 20),
                     HELD_END_LEASE);
    cancel_ask(&scene->ask);
    assert_int_equal(held_wait(&scene->ask, &scene->cancel, pipe_fds[0], later_ms),
                     HELD_END_RELEASED);
    cancel_ask(&scene->cancel);
    assert_int_equal(held_wait(&scene->ask, &scene->cancel, pipe_fds[0], later_ms),
                     HELD_END_CANCELLED);
    assert_int_equal(close(pipe_fds[1]), 0);
    assert_int_equal(held_wait(&scene->ask, &scene->cancel, pipe_fds[0], later_ms), HELD_END_GUARD);
    assert_int_equal(held_wait(&scene->ask, &scene->cancel, pipe_fds[0], clock_boot_ms()),
                     HELD_END_LEASE);
    assert_int_equal(close(pipe_fds[0]), 0);
}

/* --- what is told --------------------------------------------------------------------------- */

static void how_a_hold_ended_is_told_once_also_by_the_next_daemon(void **state)
{
    struct scene *scene = *state;
    struct agent next = new_agent(scene), third = new_agent(scene);
    int exit_code = 0;
    bool news = false;

    json_t *over = ended(scene, "its lease was over");
    held_keep(&scene->agent, over);
    held_end(&scene->agent, over, 1);
    held_open(&next);
    json_decref(held_take_last(&next, OTHER, &exit_code, &news));
    assert_false(news);
    json_t *last = held_take_last(&next, NULL, &exit_code, &news);
    assert_true(news);
    assert_int_equal(exit_code, 1);
    assert_string_equal(text_of(last, "why"), "its lease was over");
    json_decref(last);
    json_decref(held_take_last(&next, NULL, &exit_code, &news));
    assert_false(news);
    held_open(&third);
    json_decref(held_take_last(&third, NULL, &exit_code, &news));
    assert_false(news);
    forget(&next);
    forget(&third);
}

static void a_daemon_that_died_in_a_hold_is_known_by_its_journal(void **state)
{
    struct scene *scene = *state;
    struct journal_entry entry = {
        .step = JOURNAL_LENT, .written_utc_us = AT_US, .backup = scene->backup};
    struct agent next = new_agent(scene);
    int exit_code = 0;
    bool news = false;

    assert_true(journal_open(scene->tree.root, &scene->err));
    assert_true(journal_write(scene->tree.root, &entry, &scene->err));
    held_open(&next);
    json_t *last = held_take_last(&next, ID, &exit_code, &news);

    assert_true(news);
    assert_int_equal(exit_code, 1);
    assert_string_equal(text_of(last, "state"), "ended");
    assert_string_equal(text_of(last, "why"), "stillpointd ended while it held");
    assert_true(json_is_null(json_object_get(last, "until")));
    json_decref(last);
    forget(&next);
}

/* Whoever holds asks late: another has come and gone. */
static void one_that_ended_before_the_last_is_news_to_its_holder(void **state)
{
    struct scene *scene = *state;
    struct hold_facts its = facts(LABEL_APPLICATION);
    int exit_code = 0;
    bool news = false;

    held_end(&scene->agent, ended(scene, "its lease was over"), 1);
    its.id = OTHER;
    held_end(&scene->agent, hold_record_released(scene->backup, &its), 0);

    json_decref(held_take_last(&scene->agent, "sp-20261124T081530Z-bbbbb", &exit_code, &news));
    assert_false(news);
    json_t *missed = held_take_last(&scene->agent, ID, &exit_code, &news);
    assert_true(news);
    assert_int_equal(exit_code, 1);
    assert_string_equal(text_of(missed, "why"), "its lease was over");
    json_decref(missed);
    json_decref(held_take_last(&scene->agent, ID, &exit_code, &news));
    assert_false(news); /* once */
}

/* It died between the record of the end and the removal of the entry. */
static void a_hold_whose_end_is_on_record_was_not_broken_off(void **state)
{
    const struct hold_facts its = facts(LABEL_APPLICATION);
    struct scene *scene = *state;
    struct journal_entry entry = {
        .step = JOURNAL_LENT, .written_utc_us = AT_US, .backup = scene->backup};
    struct agent next = new_agent(scene);
    int exit_code = 0;
    bool news = false;

    assert_true(journal_open(scene->tree.root, &scene->err));
    assert_true(journal_write(scene->tree.root, &entry, &scene->err));
    json_t *released = hold_record_released(scene->backup, &its);
    held_keep(&scene->agent, released);
    json_decref(released);
    held_open(&next);
    json_t *last = held_take_last(&next, ID, &exit_code, &news);

    assert_false(news);
    assert_string_equal(text_of(last, "state"), "released");
    json_decref(last);
    forget(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_is_held_claims_nothing_yet),
        TEST(a_hold_is_whole_where_all_that_was_held_was_proved),
        TEST(what_is_lost_of_less_is_seen_all_the_same),
        TEST(what_was_not_let_go_of_is_on_record),
        TEST(one_that_ended_by_itself_is_news_until_it_is_told),
        TEST(a_file_that_is_no_record_is_refused),
        TEST(the_first_release_in_time_is_the_one),
        TEST(a_release_past_the_lease_comes_too_late_though_nobody_has_let_go),
        TEST(what_is_over_is_over_whoever_asks_just_then),
        TEST(how_a_hold_ended_is_told_once_also_by_the_next_daemon),
        TEST(a_daemon_that_died_in_a_hold_is_known_by_its_journal),
        TEST(one_that_ended_before_the_last_is_news_to_its_holder),
        TEST(a_hold_whose_end_is_on_record_was_not_broken_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
