/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/attest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A hold in which everything went well: frozen from 1.0 s, sent 1.1, answered 1.4, thawed 1.5. */
struct good {
    struct attest_mount mounts[3];
    struct attest_hook hooks[2];
    struct plan_shortfall shortfall;
    char shortfall_why[64];
    struct attest_input input;
    struct attest_result result;
};

enum { FROZEN_US = 1000000, SENT_US = 1100000, ANSWERED_US = 1400000, THAW_US = 1500000 };

static struct attest_mount frozen(const char *path)
{
    return (struct attest_mount){.path = path,
                                 .use = PLAN_FREEZE,
                                 .until_thaw = true,
                                 .freeze_end_boot_us = FROZEN_US,
                                 .thaw_begin_boot_us = THAW_US};
}

static int set_up(void **state)
{
    struct good *good = calloc(1, sizeof(*good));

    assert_non_null(good);
    good->mounts[0] = frozen("/data");
    good->mounts[1] = (struct attest_mount){
        .path = "/boot/efi", .use = PLAN_SYNC_ONLY, .counted = true, .moved = false};
    good->mounts[2] = frozen("/");
    good->hooks[0] = (struct attest_hook){.name = "mysql", .held = true, .kept = true};
    good->hooks[1] = (struct attest_hook){.name = "search", .held = true, .kept = true};
    good->input = (struct attest_input){
        .asked = LABEL_APPLICATION,
        .cut = true,
        .sent_boot_us = SENT_US,
        .answered_boot_us = ANSWERED_US,
        .hold_tried = true,
        .lease_whole = true,
        .mounts = good->mounts,
        .mount_count = 3,
        .hooks = good->hooks,
        .hook_count = 2,
        .clock_error_us = 400,
    };
    *state = good;
    return 0;
}

static int tear_down(void **state)
{
    struct good *good = *state;

    attest_result_free(&good->result);
    free(good);
    return 0;
}

static void judge(struct good *good)
{
    struct err err = ERR_INIT;

    attest_result_free(&good->result);
    assert_true(attest_judge(&good->input, &good->result, &err));
}

/* The label, and one sentence that has WORDS (NULL: no sentence). */
static void assert_label(struct good *good, enum label label, const char *words)
{
    judge(good);
    assert_int_equal(good->result.label, label);
    assert_int_equal(good->result.as_asked, label >= good->input.asked);
    assert_int_equal(good->result.shortfall.count, words ? 1 : 0);
    if (words != NULL && strstr(good->result.shortfall.items[0], words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", good->result.shortfall.items[0], words);
}

static void all_proofs_together_make_application(void **state)
{
    struct good *good = *state;

    assert_label(good, LABEL_APPLICATION, NULL);
    assert_int_equal(good->result.notes.count, 0);
    assert_int_equal(good->result.clock_error_us, 400);
}

static void without_hooks_the_frozen_mounts_are_all_that_was_configured(void **state)
{
    struct good *good = *state;

    good->input.hook_count = 0;
    assert_label(good, LABEL_APPLICATION, NULL);
}

static void without_a_cut_nothing_is_claimed(void **state)
{
    struct good *good = *state;

    good->input.cut = false;
    judge(good);
    assert_int_equal(good->result.label, LABEL_UNCONFIRMED);
    assert_false(good->result.as_asked);
}

static void the_label_is_never_more_than_was_asked(void **state)
{
    struct good *good = *state;

    good->input.asked = LABEL_FILESYSTEM;
    assert_label(good, LABEL_FILESYSTEM, NULL);
    good->input.asked = LABEL_CRASH;
    good->input.hold_tried = false;
    assert_label(good, LABEL_CRASH, NULL);
    good->input.asked = LABEL_UNCONFIRMED;
    judge(good);
    assert_int_equal(good->result.label, LABEL_CRASH);
}

static void a_hold_that_was_not_tried_is_crash(void **state)
{
    struct good *good = *state;

    good->input.hold_tried = false;
    assert_label(good, LABEL_CRASH, "nothing was held or frozen");
}

static void a_hook_that_did_not_hold_lowers_to_filesystem(void **state)
{
    struct good *good = *state;

    good->hooks[1].held = false;
    good->hooks[1].why = "exit code 3";
    assert_label(good, LABEL_FILESYSTEM, "search was not held: exit code 3");
}

static void a_hook_that_lost_its_hold_lowers_to_filesystem(void **state)
{
    struct good *good = *state;

    good->hooks[0].kept = false;
    good->hooks[0].why = "the connection was lost";
    assert_label(good, LABEL_FILESYSTEM,
                 "mysql was held, but not proved to be until the end: the "
                 "connection was lost");
}

static void a_hook_that_nobody_asked_for_is_not_missed(void **state)
{
    struct good *good = *state;

    good->input.asked = LABEL_FILESYSTEM;
    good->hooks[0].held = false;
    assert_label(good, LABEL_FILESYSTEM, NULL);
}

static void a_mount_frozen_after_the_request_left_lowers_to_crash(void **state)
{
    struct good *good = *state;

    good->mounts[2].freeze_end_boot_us = SENT_US;
    assert_label(good, LABEL_APPLICATION, NULL);
    good->mounts[2].freeze_end_boot_us = SENT_US + 1;
    assert_label(good, LABEL_CRASH, "/ was frozen only after the request was sent");
}

static void a_mount_thawed_before_the_answer_lowers_to_crash(void **state)
{
    struct good *good = *state;

    good->mounts[0].thaw_begin_boot_us = ANSWERED_US;
    assert_label(good, LABEL_APPLICATION, NULL);
    good->mounts[0].thaw_begin_boot_us = ANSWERED_US - 1;
    assert_label(good, LABEL_CRASH, "/data was let go 1 ms before EC2 answered");
}

static void a_mount_that_never_froze_or_was_let_go_lowers_to_crash(void **state)
{
    struct good *good = *state;

    good->mounts[0].freeze_end_boot_us = 0;
    good->mounts[0].why = "somebody else has it frozen";
    assert_label(good, LABEL_CRASH, "/data was not frozen: somebody else");
    good->mounts[0] = frozen("/data");
    good->mounts[0].until_thaw = false;
    assert_label(good, LABEL_CRASH, "/data is not proved to have stayed frozen");
    good->mounts[0] = frozen("/data");
    good->mounts[0].thaw_begin_boot_us = 0;
    assert_label(good, LABEL_CRASH, "/data is not proved to have stayed frozen");
}

static void a_lease_with_a_gap_lowers_to_crash(void **state)
{
    struct good *good = *state;

    good->input.lease_whole = false;
    good->input.lease_why = "the deadline came first";
    assert_label(good, LABEL_CRASH, "the freeze had a gap: the deadline came first");
}

static void without_a_mount_to_freeze_the_lease_proves_nothing_and_need_not(void **state)
{
    struct good *good = *state;

    good->input.lease_whole = false;
    good->mounts[0].use = good->mounts[2].use = PLAN_STILL;
    assert_label(good, LABEL_APPLICATION, NULL);
}

static void a_vfat_that_was_written_to_or_not_counted_lowers_to_crash(void **state)
{
    struct good *good = *state;

    good->mounts[1].moved = true;
    assert_label(good, LABEL_CRASH, "/boot/efi can't be frozen, and it was written to");
    good->mounts[1].moved = false;
    good->mounts[1].counted = false;
    assert_label(good, LABEL_CRASH, "could not be counted");
}

static void times_that_are_not_known_lower_to_crash(void **state)
{
    struct good *good = *state;

    good->input.sent_boot_us = 0;
    assert_label(good, LABEL_CRASH, "times of request and answer");
    good->input.sent_boot_us = ANSWERED_US + 1;
    assert_label(good, LABEL_CRASH, "times of request and answer");
}

static void what_the_plan_could_not_promise_is_not_promised(void **state)
{
    struct good *good = *state;

    (void)snprintf(good->shortfall_why, sizeof(good->shortfall_why), "the datadir is on NFS");
    good->shortfall = (struct plan_shortfall){LABEL_FILESYSTEM, good->shortfall_why};
    good->input.shortfalls = &good->shortfall;
    good->input.shortfall_count = 1;
    assert_label(good, LABEL_FILESYSTEM, "the datadir is on NFS");
    good->input.asked = LABEL_FILESYSTEM;
    assert_label(good, LABEL_FILESYSTEM, NULL);
}

static void every_reason_is_told_once_and_the_worst_decides(void **state)
{
    struct good *good = *state;

    good->hooks[0].held = false;
    good->hooks[1] = good->hooks[0];
    good->mounts[1].moved = true;
    judge(good);
    assert_int_equal(good->result.label, LABEL_CRASH);
    assert_int_equal(good->result.shortfall.count, 2);
}

static void a_clock_that_was_set_widens_the_error_and_is_noted(void **state)
{
    struct good *good = *state;

    good->input.clock_step_us = -250000;
    assert_label(good, LABEL_APPLICATION, NULL);
    assert_int_equal(good->result.notes.count, 1);
    assert_non_null(strstr(good->result.notes.items[0], "-250 ms"));
    assert_int_equal(good->result.clock_error_us, 250400);
    good->input.clock_error_us = -1;
    judge(good);
    assert_int_equal(good->result.clock_error_us, -1);
    good->input.clock_step_us = ATTEST_CLOCK_STEP_US;
    judge(good);
    assert_int_equal(good->result.notes.count, 0);
}

static void labels_have_an_order_and_names_that_read_back(void **state)
{
    static const enum label all[] = {LABEL_UNCONFIRMED, LABEL_CRASH, LABEL_FILESYSTEM,
                                     LABEL_APPLICATION};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        enum label label = LABEL_CRASH;
        assert_true(label_parse(label_name(all[i]), &label));
        assert_int_equal(label, all[i]);
        assert_int_equal(label_lower(all[i], LABEL_FILESYSTEM), i < 2 ? all[i] : LABEL_FILESYSTEM);
    }
    enum label kept = LABEL_FILESYSTEM;
    assert_false(label_parse("Application", &kept));
    assert_int_equal(kept, LABEL_FILESYSTEM);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_proofs_together_make_application),
        T(without_hooks_the_frozen_mounts_are_all_that_was_configured),
        T(without_a_cut_nothing_is_claimed),
        T(the_label_is_never_more_than_was_asked),
        T(a_hold_that_was_not_tried_is_crash),
        T(a_hook_that_did_not_hold_lowers_to_filesystem),
        T(a_hook_that_lost_its_hold_lowers_to_filesystem),
        T(a_hook_that_nobody_asked_for_is_not_missed),
        T(a_mount_frozen_after_the_request_left_lowers_to_crash),
        T(a_mount_thawed_before_the_answer_lowers_to_crash),
        T(a_mount_that_never_froze_or_was_let_go_lowers_to_crash),
        T(a_lease_with_a_gap_lowers_to_crash),
        T(without_a_mount_to_freeze_the_lease_proves_nothing_and_need_not),
        T(a_vfat_that_was_written_to_or_not_counted_lowers_to_crash),
        T(times_that_are_not_known_lower_to_crash),
        T(what_the_plan_could_not_promise_is_not_promised),
        T(every_reason_is_told_once_and_the_worst_decides),
        T(a_clock_that_was_set_widens_the_error_and_is_noted),
        T(labels_have_an_order_and_names_that_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
