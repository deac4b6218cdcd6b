/* SPDX-License-Identifier: BSD-2-Clause */
/* From what guard, hooks and clocks said to label, window and times of the record. */
#include "agent/daemon/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A hold as it should be: two mounts frozen from 1000 to 301000 us, the request between. */
struct scene {
    struct job job;
    struct work work;
    struct plan plan;
    struct plan_mount mounts[2];
    struct hold hold;
    struct cut cut;
    struct attest_result result;
    struct err err;
};

static bool no_attest(void *self, const char *outcome, int64_t deadline_ms, struct err *err)
{
    (void)self, (void)outcome, (void)deadline_ms, (void)err;
    return true;
}

static void scene_open(struct scene *scene)
{
    static char root[] = "/", data[] = "/data", ext4[] = "ext4";

    memset(scene, 0, sizeof(*scene));
    scene->mounts[0] = (struct plan_mount){.path = data, .fs = ext4, .use = PLAN_FREEZE};
    scene->mounts[1] = (struct plan_mount){.path = root, .fs = ext4, .use = PLAN_FREEZE};
    scene->plan = (struct plan){
        .mounts = scene->mounts, .mount_count = 2, .freeze_count = 2, .at_most = LABEL_APPLICATION};
    scene->work.job = &scene->job;
    scene->work.plan = &scene->plan;
    scene->work.options.asked = LABEL_APPLICATION;
    scene->work.backup = backup_new();
    assert_non_null(backup_add_mount(scene->work.backup));
    assert_non_null(backup_add_mount(scene->work.backup));
    struct hook_link *link = &scene->work.hooks.links[0];
    scene->work.hooks.count = 1;
    link->hook = (struct hook){.name = "mysql", .release = no_attest};
    link->prepared = true;
    link->runs[HOOK_STEP_HOLD] = (struct hook_run){.begin_us = 100, .end_us = 900, .ok = true};
    link->proof.held = true;
    struct hold *hold = &scene->hold;
    *hold = (struct hold){.story_known = true,
                          .begin_us = 100,
                          .hooks_held_us = 900,
                          .frozen_us = 2000,
                          .thaw_begin_us = 303000,
                          .thawed_us = 304000,
                          .end_us = 305000,
                          .clock_synced = true,
                          .clock_error_us = 400};
    hold->story = (struct guard_reply_lease){.mount_count = 2,
                                             .whole = 1,
                                             .end_cause = GUARD_END_TOLD,
                                             .held_boot_us = 2000,
                                             .held_utc_us = 1000002000,
                                             .thaw_begin_boot_us = 303000,
                                             .thaw_begin_utc_us = 1000303000};
    for (size_t i = 0; i < 2; i++)
        hold->story.mounts[i] = (struct guard_mount_story){.freeze_end_boot_us = 1500,
                                                           .thaw_begin_boot_us = 303000,
                                                           .state = GUARD_MOUNT_THAWED,
                                                           .until_thaw = 1};
    scene->cut = (struct cut){.ok = true, .begun_us = 2100, .answered_us = 302000};
}

static enum label judge(struct scene *scene)
{
    if (!proof_judge(&scene->work, &scene->hold, &scene->cut, &scene->result, &scene->err))
        fail_msg("%s", scene->err.text);
    return scene->work.backup->consistency;
}

static void scene_close(struct scene *scene)
{
    attest_result_free(&scene->result);
    backup_free(scene->work.backup);
}

static void a_whole_hold_is_application_with_window_and_times(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    assert_int_equal(judge(&scene), LABEL_APPLICATION);
    assert_int_equal(scene.work.backup->window_begin_utc_us, 1000002000);
    assert_int_equal(scene.work.backup->window_end_utc_us, 1000303000);
    assert_int_equal(scene.work.backup->clock_error_us, 400);
    assert_int_equal(scene.work.backup->timing.hold_us, 304900);
    assert_int_equal(scene.work.backup->timing.exchange_us, 299900);
    assert_int_equal(scene.work.backup->shortfall.count, 0);
    assert_true(scene.work.backup->mounts[0].frozen);
    scene_close(&scene);
}

static void a_lease_that_ended_early_has_no_window_and_is_crash(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.story.whole = 0;
    scene.hold.story.end_cause = GUARD_END_DEADLINE;
    scene.hold.story.mounts[0].until_thaw = scene.hold.story.mounts[1].until_thaw = 0;
    assert_int_equal(judge(&scene), LABEL_CRASH);
    assert_int_equal(scene.work.backup->window_begin_utc_us, BACKUP_UNKNOWN);
    assert_true(scene.work.backup->shortfall.count > 0);
    assert_false(scene.work.backup->mounts[0].frozen);
    scene_close(&scene);
}

static void a_guard_that_did_not_tell_proves_nothing(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.story_known = false;
    assert_int_equal(judge(&scene), LABEL_CRASH);
    scene_close(&scene);
}

static void a_lock_that_was_lost_is_filesystem(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.work.hooks.links[0].proof.held = false;
    strcpy(scene.work.hooks.links[0].proof.reason, "the connection was lost");
    assert_int_equal(judge(&scene), LABEL_FILESYSTEM);
    assert_non_null(strstr(scene.work.backup->shortfall.items[0], "the connection was lost"));
    scene_close(&scene);
}

static void a_thaw_before_the_answer_is_crash(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.story.mounts[1].thaw_begin_boot_us = 301000; /* the answer came at 302000 */
    assert_int_equal(judge(&scene), LABEL_CRASH);
    scene_close(&scene);
}

static void a_freeze_after_the_request_is_crash(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.story.mounts[0].freeze_end_boot_us = 2200; /* sent at 2100 */
    assert_int_equal(judge(&scene), LABEL_CRASH);
    scene_close(&scene);
}

static void an_adopted_set_is_crash_and_says_why(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.cut.adopted = true;
    scene.cut.answered_us = 0;
    assert_int_equal(judge(&scene), LABEL_CRASH);
    assert_int_equal(scene.work.backup->timing.exchange_us, BACKUP_UNKNOWN);
    bool said = false;
    for (size_t i = 0; i < scene.work.backup->shortfall.count; i++)
        said = said || strstr(scene.work.backup->shortfall.items[i], "answer was lost") != NULL;
    assert_true(said);
    scene_close(&scene);
}

static void a_vfat_that_was_written_is_crash(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    static char stat[] = "/sys/x/stat";
    char *stats[] = {stat};
    scene.mounts[1].use = PLAN_SYNC_ONLY;
    scene.mounts[1].stats = (struct strs){stats, 1};
    scene.hold.counter_count = 1;
    scene.hold.counters[0] = (struct hold_counter){
        .mount = 1, .fd = -1, .before = 7, .after = 7, .before_ok = true, .after_ok = true};
    assert_int_equal(judge(&scene), LABEL_APPLICATION);
    attest_result_free(&scene.result);
    scene.hold.counters[0].after = 8;
    assert_int_equal(judge(&scene), LABEL_CRASH);
    attest_result_free(&scene.result);
    scene.hold.counters[0].after_ok = false;
    assert_int_equal(judge(&scene), LABEL_CRASH);
    scene_close(&scene);
}

static void a_clock_that_was_set_in_the_hold_widens_the_error(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.clock_offset_after_us = scene.hold.clock_offset_before_us - 5000000;
    scene.hold.story.thaw_begin_utc_us -= 5000000;
    assert_int_equal(judge(&scene), LABEL_APPLICATION);
    assert_int_equal(scene.work.backup->clock_error_us, 5000400);
    assert_int_equal(scene.work.backup->window_begin_utc_us, 1000002000);
    assert_int_equal(scene.work.backup->window_end_utc_us, 1000303000);
    scene_close(&scene);
}

static void a_clock_that_nobody_keeps_in_step_has_no_bound(void **state)
{
    struct scene scene;
    (void)state;

    scene_open(&scene);
    scene.hold.clock_synced = false;
    scene.hold.clock_error_us = 16000000; /* what the kernel then says */
    assert_int_equal(judge(&scene), LABEL_APPLICATION);
    assert_int_equal(scene.work.backup->clock_error_us, BACKUP_UNKNOWN);
    assert_int_equal(scene.work.backup->window_begin_utc_us, 1000002000);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_hold_is_application_with_window_and_times),
        cmocka_unit_test(a_lease_that_ended_early_has_no_window_and_is_crash),
        cmocka_unit_test(a_guard_that_did_not_tell_proves_nothing),
        cmocka_unit_test(a_lock_that_was_lost_is_filesystem),
        cmocka_unit_test(a_thaw_before_the_answer_is_crash),
        cmocka_unit_test(a_freeze_after_the_request_is_crash),
        cmocka_unit_test(an_adopted_set_is_crash_and_says_why),
        cmocka_unit_test(a_vfat_that_was_written_is_crash),
        cmocka_unit_test(a_clock_that_was_set_in_the_hold_widens_the_error),
        cmocka_unit_test(a_clock_that_nobody_keeps_in_step_has_no_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
