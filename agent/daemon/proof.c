/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char lost_answer[] = "EC2's answer was lost: the instant can't be placed inside the hold";

static const char *end_cause_text(uint32_t cause)
{
    static const char *const texts[] = {
        [GUARD_END_NONE] = NULL,
        [GUARD_END_TOLD] = NULL,
        [GUARD_END_DEADLINE] = "the hold's deadline came first",
        [GUARD_END_FREEZE_FAILED] = "a filesystem could not be frozen",
        [GUARD_END_OWNER_GONE] = "the daemon's connection to the guard was lost",
        [GUARD_END_FORCED] = "somebody let go by `stillpoint thaw --force`",
        [GUARD_END_SIGNAL] = "the guard was told to stop",
        [GUARD_END_TWIN_GONE] = "one of the guard's processes died",
    };

    return cause < sizeof(texts) / sizeof(texts[0]) ? texts[cause] : NULL;
}

static void judge_mount(const struct work *work, const struct hold *hold, size_t index,
                        struct attest_mount *mount)
{
    const struct plan_mount *planned = &work->plan->mounts[index];
    const struct guard_mount_story *story = &hold->story.mounts[index];

    *mount = (struct attest_mount){.path = planned->path, .use = planned->use};
    if (planned->use == PLAN_FREEZE && index < hold->story.mount_count) {
        mount->until_thaw = hold->story_known && story->until_thaw == 1;
        mount->freeze_end_boot_us = story->freeze_end_boot_us;
        mount->thaw_begin_boot_us = story->thaw_begin_boot_us;
        if (story->state == GUARD_MOUNT_LET_GO)
            mount->why = "somebody else thawed it";
    }
    if (planned->use != PLAN_SYNC_ONLY)
        return;
    size_t found = 0;
    mount->counted = true;
    for (size_t i = 0; i < hold->counter_count; i++) {
        const struct hold_counter *counter = &hold->counters[i];
        if (counter->mount != index)
            continue;
        found++;
        mount->counted = mount->counted && counter->before_ok && counter->after_ok;
        mount->moved = mount->moved || counter->before != counter->after;
    }
    mount->counted = mount->counted && found == planned->stats.count && found > 0;
}

static void judge_hook(const struct work *work, const struct hook_link *link,
                       struct attest_hook *hook)
{
    const struct hook_run *held = &link->runs[HOOK_STEP_HOLD];
    const struct hook_run *prepared = &link->runs[HOOK_STEP_PREPARE];

    *hook = (struct attest_hook){.name = link->hook.name,
                                 .held = link->prepared && held->begin_us != 0 && held->ok,
                                 .kept = link->proof.held};
    if (work->options.asked < LABEL_APPLICATION)
        hook->why = "not asked for";
    else if (!link->prepared)
        hook->why = prepared->err.text;
    else if (!hook->held)
        hook->why = held->err.text;
    else if (!hook->kept)
        hook->why = link->proof.reason;
}

/* Into the record: label, window, the time of each step. */
static bool record(struct work *work, const struct hold *hold, const struct cut *cut,
                   const struct attest_result *result, struct err *err)
{
    struct backup *backup = work->backup;
    struct backup_timing *timing = &backup->timing;

    backup->consistency = result->label;
    strs_free(&backup->shortfall);
    if (!strs_copy(&backup->shortfall, &result->shortfall, err))
        return false;
    if (cut->answered_us > 0)
        timing->exchange_us = cut->answered_us - cut->begun_us;
    backup->clock_error_us = result->clock_error_us >= 0 ? result->clock_error_us : BACKUP_UNKNOWN;
    for (size_t i = 0; i < backup->mount_count && i < work->plan->mount_count; i++) {
        const struct plan_mount *planned = &work->plan->mounts[i];
        struct attest_mount mount;
        judge_mount(work, hold, i, &mount);
        backup->mounts[i].frozen =
            planned->use == PLAN_STILL || (planned->use == PLAN_FREEZE && mount.until_thaw) ||
            (planned->use == PLAN_SYNC_ONLY && mount.counted && !mount.moved);
    }
    if (hold->begin_us == 0)
        return true; /* nothing was held: no window, no hold */
    timing->hooks_hold_us = hold->hooks_held_us - hold->begin_us;
    timing->freeze_us = hold->frozen_us - hold->hooks_held_us; /* the manifest is written in it */
    timing->thaw_us = hold->thawed_us - hold->thaw_begin_us;
    timing->hooks_release_us = hold->end_us - hold->thawed_us;
    timing->hold_us = hold->end_us - hold->begin_us;
    if (hold->story_known && hold->story.whole == 1) {
        const struct guard_reply_lease *story = &hold->story;
        /* Both ends on the clock of the first: it may have been set between them. */
        backup->window_begin_utc_us = story->held_utc_us;
        backup->window_end_utc_us =
            story->held_utc_us + story->thaw_begin_boot_us - story->held_boot_us;
    }
    return true;
}

/* How far off the window may be. Where nobody keeps the clock in step the 16 s that the kernel
 * states are its highest number, and no bound; what EC2's clock differs by, to the second, is one.
 */
static int64_t clock_bound_us(const struct work *work, const struct hold *hold)
{
    int64_t known_us = hold->clock_synced ? hold->clock_error_us : -1;
    int64_t ahead_s = work->ec2 != NULL ? ec2_clock_ahead_s(work->ec2) : 0;

    if (ahead_s == 0)
        return known_us;
    return ((ahead_s < 0 ? -ahead_s : ahead_s) + 1) * 1000000 + (known_us > 0 ? known_us : 0);
}

bool proof_judge(struct work *work, const struct hold *hold, const struct cut *cut,
                 struct attest_result *ret_result, struct err *err)
{
    struct attest_mount mounts[GUARD_MOUNTS_MAX];
    struct attest_hook hooks[HOOK_CHAIN_MAX];
    struct plan_shortfall *shortfalls =
        calloc(work->plan->shortfall_count + work->appeared.count + 1, sizeof(*shortfalls));
    size_t shortfall_count = work->plan->shortfall_count;

    if (shortfalls == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (shortfall_count > 0)
        memcpy(shortfalls, work->plan->shortfalls, shortfall_count * sizeof(*shortfalls));
    if (cut->adopted)
        shortfalls[shortfall_count++] = (struct plan_shortfall){LABEL_CRASH, lost_answer};
    for (size_t i = 0; i < work->appeared.count; i++)
        shortfalls[shortfall_count++] =
            (struct plan_shortfall){LABEL_CRASH, work->appeared.items[i]};
    size_t mount_count = work->plan->mount_count;
    if (mount_count > GUARD_MOUNTS_MAX)
        mount_count = GUARD_MOUNTS_MAX; /* not reached: the plan refuses more */
    for (size_t i = 0; i < mount_count; i++)
        judge_mount(work, hold, i, &mounts[i]);
    for (size_t i = 0; i < work->hooks.count; i++)
        judge_hook(work, &work->hooks.links[i], &hooks[i]);
    const struct attest_input input = {
        .asked = work->options.asked,
        .lent = work->options.lease_ms > 0,
        .cut = cut->ok,
        .sent_boot_us = cut->begun_us,
        .answered_boot_us = cut->answered_us,
        .hold_tried = hold->begin_us != 0,
        .lease_whole = hold->story_known && hold->story.whole == 1,
        .lease_why = hold->story_known ? end_cause_text(hold->story.end_cause)
                                       : "the guard did not tell how the hold ended",
        .mounts = mounts,
        .mount_count = mount_count,
        .hooks = hooks,
        .hook_count = work->hooks.count,
        .shortfalls = shortfalls,
        .shortfall_count = shortfall_count,
        .clock_step_us = hold->clock_offset_after_us - hold->clock_offset_before_us,
        .clock_error_us = clock_bound_us(work, hold),
    };
    bool ok = attest_judge(&input, ret_result, err) && record(work, hold, cut, ret_result, err);
    free(shortfalls);
    return ok;
}
