/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A      "sp-20261124T081530Z-aaaaa"
#define B      "sp-20261124T091530Z-bbbbb"
#define T0     1795508130000000LL /* 2026-11-24T08:15:30Z */
#define SECOND 1000000LL

static struct metrics_record record;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    memset(&record, 0, sizeof(record));
    record.exit_code = -1;
    err = (struct err)ERR_INIT;
    return 0;
}

static bool end(const char *id, int exit_code, int64_t at_us)
{
    const struct metrics_ending ending = {.id = id, .exit_code = exit_code, .why = "for a reason"};

    return metrics_record_end(&record, &ending, at_us);
}

static struct backup *set_of(const char *id, enum label label, int64_t instant_us)
{
    struct backup *backup = backup_new();

    assert_non_null(backup);
    assert_true(strs_set(&backup->id, id, &err));
    backup->asked = LABEL_APPLICATION;
    backup->consistency = label;
    backup->window_begin_utc_us = instant_us;
    struct backup_snapshot *snapshot = backup_add_snapshot(backup);
    assert_non_null(snapshot);
    assert_true(strs_set(&snapshot->volume, "vol-1", &err));
    assert_true(strs_set(&snapshot->device, "/dev/sd\"f\\", &err));
    snapshot->size_gib = 20;
    return backup;
}

static void cut(const char *id, enum label label, int64_t instant_us)
{
    struct backup *backup = set_of(id, label, instant_us);

    metrics_record_cut(&record, backup);
    backup_free(backup);
}

static bool settle(const char *id, bool complete, bool as_asked)
{
    struct backup *backup = set_of(id, LABEL_APPLICATION, T0);

    bool shown = metrics_record_settle(&record, backup, complete, as_asked, T0 + 90 * SECOND);
    backup_free(backup);
    return shown;
}

/* --- results -----------------------------------------------------------------------------------
 */

static void a_success_is_as_old_as_its_cut(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    cut(A, LABEL_APPLICATION, T0 + 5 * SECOND);

    assert_true(end(A, 0, T0 + 3600 * SECOND));

    assert_int_equal(record.result, METRICS_SUCCESS);
    assert_int_equal(record.success_utc_us, T0 + 5 * SECOND);
    assert_int_equal(record.running_count, 0);
    assert_string_equal(record.why, "");
}

static void only_exit_code_0_is_a_success(void **state)
{
    static const enum metrics_result wanted[] = {METRICS_SUCCESS,  METRICS_FAILED, METRICS_FAILED,
                                                 METRICS_DEGRADED, METRICS_FAILED, METRICS_FAILED,
                                                 METRICS_OPEN,     METRICS_FAILED};

    for (int code = 0; code < 8; code++) {
        (void)set_up(state);
        metrics_record_begin(&record, A, T0);
        (void)end(A, code, T0 + SECOND);
        assert_int_equal(record.result, wanted[code]);
        assert_int_equal(record.exit_code, code);
        assert_int_equal(record.success_utc_us != 0, code == 0);
        assert_int_equal(record.failures, code != 0);
    }
}

static void a_failure_keeps_the_time_of_the_last_success(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    (void)end(A, 0, T0 + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);

    (void)end(B, 5, T0 + 61 * SECOND);

    assert_int_equal(record.result, METRICS_FAILED);
    assert_int_equal(record.success_utc_us, T0);
    assert_int_equal(record.last.begun_utc_us, T0 + 60 * SECOND);
    assert_string_equal(record.why, "for a reason");
}

static void an_older_success_does_not_hide_a_later_failure(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    (void)end(B, 1, T0 + 61 * SECOND);

    assert_false(end(A, 0, T0 + 3600 * SECOND)); /* EC2 copied it for an hour */

    assert_int_equal(record.result, METRICS_FAILED);
    assert_string_equal(record.ended.id, B);
    assert_int_equal(record.success_utc_us, T0);
}

static void an_older_failure_is_seen_after_a_later_success(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    (void)end(B, 0, T0 + 61 * SECOND);

    assert_true(end(A, 1, T0 + 3600 * SECOND));

    assert_int_equal(record.result, METRICS_FAILED);
    assert_string_equal(record.ended.id, A);
    assert_int_equal(record.success_utc_us, T0 + 60 * SECOND);
}

#define AHEAD (2 * 86400 * SECOND) /* of a clock that is put right in between */

static void a_clock_that_was_set_back_hides_no_success(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0 + AHEAD);
    (void)end(A, 1, T0 + AHEAD + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);

    assert_true(end(B, 0, T0 + 61 * SECOND));

    assert_int_equal(record.result, METRICS_SUCCESS);
    assert_string_equal(record.ended.id, B);
}

static void nor_does_one_that_ended_ahead_of_it_stay_the_last_success(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0 + AHEAD);
    (void)end(A, 0, T0 + AHEAD + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);

    (void)end(B, 0, T0 + 61 * SECOND);

    assert_int_equal(record.success_utc_us, T0 + 60 * SECOND);
}

/* Which of two began first is not asked of the clock. */
static void one_that_ran_when_the_clock_was_set_back_is_still_the_older(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0 + AHEAD);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    (void)end(B, 1, T0 + 61 * SECOND);

    (void)end(A, 0, T0 + 62 * SECOND);

    assert_int_equal(record.result, METRICS_FAILED);
    assert_string_equal(record.ended.id, B);
}

static void what_runs_when_the_record_is_read_has_died(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    (void)end(A, 0, T0 + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);

    assert_true(metrics_record_interrupt(&record, T0 + 70 * SECOND));

    assert_int_equal(record.result, METRICS_INTERRUPTED);
    assert_int_equal(record.exit_code, -1);
    assert_int_equal(record.success_utc_us, T0);
    assert_int_equal(record.running_count, 0);
    assert_false(metrics_record_interrupt(&record, T0 + 80 * SECOND));
}

static void one_that_somebody_else_ends_is_open_until_it_is_settled(void **state)
{
    const struct metrics_ending ending = {.id = A, .exit_code = 0, .unfinished = true};

    (void)state;
    metrics_record_begin(&record, A, T0);
    assert_true(metrics_record_end(&record, &ending, T0 + SECOND));
    assert_int_equal(record.result, METRICS_OPEN);
    assert_int_equal(record.success_utc_us, 0);

    assert_true(settle(A, true, true));

    assert_int_equal(record.result, METRICS_SUCCESS);
    assert_int_equal(record.success_utc_us, T0);
    assert_false(settle(A, false, false)); /* it is not open any more */
    assert_int_equal(record.result, METRICS_SUCCESS);
    assert_int_equal(record.failures, 0);
}

/* The daemon was told to end while EC2 copied. */
static void one_that_goes_on_is_counted_as_what_it_becomes(void **state)
{
    const struct metrics_ending ending = {
        .id = A, .exit_code = 6, .unfinished = true, .goes_on = true};

    for (int good = 0; good < 2; good++) {
        struct buf text = BUF_INIT(METRICS_BYTES_MAX);
        (void)set_up(state);
        metrics_record_begin(&record, A, T0);
        assert_true(metrics_record_end(&record, &ending, T0 + SECOND));
        assert_int_equal(record.result, METRICS_OPEN);
        assert_true(record.waits);
        assert_int_equal(record.failures, 0);

        assert_true(metrics_record_write(&record, &text, &err)); /* the next daemon's */
        assert_true(metrics_record_read(text.data, text.len, &record, &err));
        buf_free(&text);
        assert_true(settle(A, good, good));

        assert_false(record.waits);
        assert_int_equal(record.failures, !good);
    }
}

static void settled_as_gone_or_as_less_is_no_success(void **state)
{
    metrics_record_begin(&record, A, T0);
    (void)end(A, 6, T0 + SECOND);
    assert_true(settle(A, false, false));
    assert_int_equal(record.result, METRICS_FAILED);
    assert_int_equal(record.success_utc_us, 0);

    (void)set_up(state);
    metrics_record_begin(&record, A, T0);
    (void)metrics_record_interrupt(&record, T0 + SECOND);
    assert_true(settle(A, true, false));
    assert_int_equal(record.result, METRICS_DEGRADED);
    assert_int_equal(record.success_utc_us, 0);
}

static void what_is_settled_after_the_next_one_began_hides_nothing(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    (void)end(A, 6, T0 + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    (void)end(B, 1, T0 + 61 * SECOND);

    assert_false(settle(A, true, true));

    assert_int_equal(record.result, METRICS_FAILED);
    assert_string_equal(record.ended.id, B);
    assert_int_equal(record.success_utc_us, T0); /* but that there is a good one */
}

static void what_is_settled_after_a_later_set_is_not_the_last_one(void **state)
{
    (void)state;
    metrics_record_begin(&record, A, T0);
    (void)end(A, 6, T0 + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    cut(B, LABEL_CRASH, T0 + 61 * SECOND);
    (void)end(B, 3, T0 + 62 * SECOND);

    (void)settle(A, true, true);

    assert_string_equal(record.set.id, B);
    assert_int_equal(record.set.label, LABEL_CRASH);
}

static void more_at_once_than_there_is_room_for_are_counted(void **state)
{
    char id[BACKUP_ID_BYTES] = A;

    (void)state;
    for (int i = 0; i < METRICS_RUNNING_MAX + 3; i++) {
        id[20] = (char)('a' + i);
        metrics_record_begin(&record, id, T0 + i);
    }
    assert_int_equal(record.running_count, METRICS_RUNNING_MAX);
    assert_int_equal(record.attempts, METRICS_RUNNING_MAX + 3);
    assert_true(end(id, 0, T0 + SECOND)); /* the last, which found no room */
    assert_int_equal(record.running_count, METRICS_RUNNING_MAX);
}

/* --- whose it is, and the file ------------------------------------------------------------------
 */

static void another_instances_record_is_dropped(void **state)
{
    (void)state;
    assert_true(metrics_record_own(&record, "i-origin"));
    metrics_record_begin(&record, A, T0);
    (void)end(A, 0, T0 + SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND); /* here, before it was known who we are */
    assert_false(metrics_record_own(&record, "i-origin"));

    assert_true(metrics_record_own(&record, "i-clone"));

    assert_int_equal(record.success_utc_us, 0);
    assert_int_equal(record.result, METRICS_NONE);
    assert_int_equal(record.running_count, 1);
    assert_string_equal(record.last.id, B);
    assert_string_equal(record.instance, "i-clone");
}

static void what_is_written_is_read(void **state)
{
    struct buf text = BUF_INIT(METRICS_BYTES_MAX);
    static struct metrics_record again;
    const struct metrics_step steps[] = {{"plan", 40}, {"finish", 9000}};
    const struct metrics_ending ending = {
        .id = A, .exit_code = 3, .why = "only \"crash\"\n\xff", .steps = steps, .step_count = 2};
    const struct verify_verdict verdict = {.result = VERIFY_PARTLY, .at_utc_us = T0 + 7};

    (void)state;
    (void)metrics_record_own(&record, "i-1");
    metrics_record_begin(&record, A, T0);
    cut(A, LABEL_CRASH, T0 + SECOND);
    (void)metrics_record_end(&record, &ending, T0 + 9 * SECOND);
    metrics_record_begin(&record, B, T0 + 60 * SECOND);
    metrics_record_verified(&record, A, &verdict);
    record.good = 4;
    metrics_record_lent(&record, true, 5, T0 + 8);
    metrics_record_lent(&record, false, 7, T0 + 9);

    assert_true(metrics_record_write(&record, &text, &err));
    assert_true(metrics_record_read(text.data, text.len, &again, &err));

    assert_string_equal(again.instance, "i-1");
    assert_int_equal(again.result, METRICS_DEGRADED);
    assert_int_equal(again.exit_code, 3);
    assert_int_equal(again.running_count, 1);
    assert_string_equal(again.running[0].id, B);
    assert_int_equal(again.step_count, 2);
    assert_string_equal(again.steps[1].name, "finish");
    assert_int_equal(again.steps[1].took_ms, 9000);
    assert_int_equal(again.set.label, LABEL_CRASH);
    assert_int_equal(again.set.asked, LABEL_APPLICATION);
    assert_string_equal(again.set.volumes[0].device, "/dev/sd\"f\\");
    assert_int_equal(again.set.volumes[0].size_bytes, 20LL << 30);
    assert_int_equal(again.set.timing.hold_us, BACKUP_UNKNOWN);
    assert_int_equal(again.verify_result, VERIFY_PARTLY);
    assert_int_equal(again.good, 4);
    assert_int_equal(again.lent, 2);
    assert_int_equal(again.lent_failures, 1);
    assert_int_equal(again.lent_utc_us, T0 + 9);
    assert_int_equal(again.lent_us, 7);
    buf_free(&text);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    char why[METRICS_WHY_BYTES + 10] = "";
    const struct metrics_ending ending = {.id = A, .exit_code = 1, .why = why};

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(why); i += 2)
        memcpy(why + i, "\xc3\xa4", 3); /* a-umlaut: 399 bytes would end in half of one */
    metrics_record_begin(&record, A, T0);

    (void)metrics_record_end(&record, &ending, T0 + SECOND);

    assert_int_equal(strlen(record.why), METRICS_WHY_BYTES - 2);
}

static void what_is_none_of_ours_is_refused_and_what_is_odd_is_no_success(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{}", "{\"format\": 2}", "{\"format\": \"1\"}"};
    static const char odd[] = "{\"format\": 1, \"result\": \"splendid\", \"running\": [1, {}], "
                              "\"success\": -5, \"verify\": {\"result\": 7}}";
    static struct metrics_record read;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(metrics_record_read(bad[i], strlen(bad[i]), &read, &err));
    assert_true(metrics_record_read(odd, strlen(odd), &read, &err));
    assert_int_equal(read.result, METRICS_FAILED);
    assert_int_equal(read.success_utc_us, 0);
    assert_int_equal(read.running_count, 2);
    assert_int_equal(read.verify_result, VERIFY_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_success_is_as_old_as_its_cut, set_up),
        cmocka_unit_test_setup(only_exit_code_0_is_a_success, set_up),
        cmocka_unit_test_setup(a_failure_keeps_the_time_of_the_last_success, set_up),
        cmocka_unit_test_setup(an_older_success_does_not_hide_a_later_failure, set_up),
        cmocka_unit_test_setup(an_older_failure_is_seen_after_a_later_success, set_up),
        cmocka_unit_test_setup(a_clock_that_was_set_back_hides_no_success, set_up),
        cmocka_unit_test_setup(nor_does_one_that_ended_ahead_of_it_stay_the_last_success, set_up),
        cmocka_unit_test_setup(one_that_ran_when_the_clock_was_set_back_is_still_the_older, set_up),
        cmocka_unit_test_setup(what_runs_when_the_record_is_read_has_died, set_up),
        cmocka_unit_test_setup(one_that_somebody_else_ends_is_open_until_it_is_settled, set_up),
        cmocka_unit_test_setup(settled_as_gone_or_as_less_is_no_success, set_up),
        cmocka_unit_test_setup(what_is_settled_after_the_next_one_began_hides_nothing, set_up),
        cmocka_unit_test_setup(one_that_goes_on_is_counted_as_what_it_becomes, set_up),
        cmocka_unit_test_setup(what_is_settled_after_a_later_set_is_not_the_last_one, set_up),
        cmocka_unit_test_setup(more_at_once_than_there_is_room_for_are_counted, set_up),
        cmocka_unit_test_setup(another_instances_record_is_dropped, set_up),
        cmocka_unit_test_setup(what_is_written_is_read, set_up),
        cmocka_unit_test_setup(a_long_reason_is_cut_between_characters, set_up),
        cmocka_unit_test_setup(what_is_none_of_ours_is_refused_and_what_is_odd_is_no_success,
                               set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
