/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/facts.h"
#include "agent/daemon/manifest.h"
#include "agent/daemon/metrics.h"
#include "hooks/hook_mysql.h"

enum {
    SYNC_SHORT_US = 50000, /* freeze.md: then the freeze itself takes about a millisecond */
    SYNC_TRIES = 5,
    HOOKS_RELEASE_MS = 30000,
    ATTEST_MS = 5000,
};

static int64_t clock_offset_us(void)
{
    return clock_utc_us() - clock_boot_us();
}

/* --- before ------------------------------------------------------------------------------ */

/* The plan puts the still ones last. Without any the guard has nothing to do, and refuses to. */
static bool has_mounts(const struct work *work)
{
    return work->plan->mount_count > 0 && work->plan->mounts[0].use != PLAN_STILL;
}

/* not reached: for what can only be synced (vfat), which the tests' kernel has not; proof.c's part
 * has its unit test */
static bool open_counters(const struct plan_mount *mount, size_t index, struct hold *hold)
{
    for (size_t i = 0; i < mount->stats.count; i++) {
        int fd = open(mount->stats.items[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || hold->counter_count == HOLD_COUNTERS_MAX) {
            if (fd >= 0)
                (void)close(fd);
            return false; /* not counted: the label falls */
        }
        hold->counters[hold->counter_count++] = (struct hold_counter){.mount = index, .fd = fd};
    }
    return true;
}

static bool sync_mount(struct work *work, unsigned index, int64_t deadline_ms, struct err *err)
{
    int64_t took_us = 0;

    for (int i = 0; i < SYNC_TRIES; i++) {
        if (!lease_sync(work->lease, index, deadline_ms, &took_us, err))
            return err_wrap(err, "%s", work->plan->mounts[index].path);
        if (took_us < SYNC_SHORT_US)
            break;
    }
    if (took_us >= SYNC_SHORT_US)
        /* not reached: a disk that is busy five times in a row */
        log_event(LOG_LEVEL_NOTICE, "busy_disk", "mount=%s sync_ms=%lld",
                  work->plan->mounts[index].path, (long long)(took_us / 1000));
    return true;
}

bool hold_prepare(struct work *work, struct hold *hold, int64_t deadline_ms, struct err *err)
{
    unsigned added = 0;

    if (work->options.asked < LABEL_FILESYSTEM)
        return true;
    for (size_t i = 0; i < work->plan->mount_count; i++) {
        const struct plan_mount *mount = &work->plan->mounts[i];
        if (mount->use == PLAN_STILL)
            continue; /* not reached: no node of the lab has a volume mounted read-only */
        if (!lease_add_mount(work->lease, mount->path, mount->dev_major, mount->dev_minor,
                             mount->mnt_id,
                             (mount->use == PLAN_SYNC_ONLY ? GUARD_ADD_SYNC_ONLY : 0) |
                                 (mount->together ? GUARD_ADD_TOGETHER : 0),
                             deadline_ms, err))
            return false; /* not reached: it goes between plan and here */
        if (added++ != i) /* the plan puts the still ones last: the guard's index is the plan's */
            /* not reached: the plan does, test_plan sees to it */
            return err_set(err, ERR_INTERNAL, 0, "the plan's order of mounts is broken");
        if (mount->use == PLAN_SYNC_ONLY)
            (void)open_counters(mount, i, hold); /* not reached: vfat, as above */
    }
    return true;
}

bool hold_sync(struct work *work, int64_t deadline_ms, struct err *err)
{
    if (work->options.asked < LABEL_FILESYSTEM)
        return true;
    for (size_t i = 0; i < work->plan->mount_count; i++) {
        if (work->plan->mounts[i].use != PLAN_STILL &&
            !sync_mount(work, (unsigned)i, deadline_ms, err))
            return false;
    }
    return true;
}

bool hold_rehearse(struct work *work, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + work->config->backup.hold_deadline_ms;
    struct guard_reply_lease story;
    struct err thaw_err = ERR_INIT;

    if (work->options.asked < LABEL_FILESYSTEM || !has_mounts(work))
        return true;
    log_hold();
    bool ok = lease_freeze(work->lease, deadline_ms, &story, err);
    bool thawed = lease_thaw(work->lease, &story, &thaw_err);
    log_release();
    if (thawed && (!ok || lease_all_loose(work->lease, &story, err)))
        return ok;
    if (thawed)
        return false;         /* not reached: a disk that fails at its thaw */
    lease_close(work->lease); /* at which the guard lets go, if it lives */
    work->lease = NULL;
    work->release_failed = true;
    if (ok)
        *err = thaw_err; /* not reached: a guard that dies between the two calls */
    return false;
}

/* --- the hold ---------------------------------------------------------------------------- */

/* sysfs answers from memory: no disk is touched, frozen or not.
 * not reached: vfat, as open_counters */
static bool read_counter(int fd, uint64_t *ret_writes)
{
    char text[512];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

    if (got <= 0)
        return false;
    text[got] = '\0';
    return devices_stat_writes(text, ret_writes);
}

static bool write_manifest(struct work *work, struct hold *hold, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_BYTES_MAX);

    point_reach("manifest");
    return manifest_text(work->backup, clock_utc_us(), &text, err) &&
           lease_write_manifest(work->lease, text.data, text.len, hold->deadline_ms,
                                hold->manifest_errnos, err);
}

static bool freeze(struct work *work, struct hold *hold, struct err *err)
{
    bool any = has_mounts(work);

    if (any && !write_manifest(work, hold, err))
        return false;
    hold->lease_called = true;
    bool ok = !any || lease_freeze(work->lease, hold->deadline_ms, &hold->story, err);
    hold->frozen_us = clock_boot_us();
    for (size_t i = 0; ok && i < hold->counter_count; i++) /* not reached: as open_counters */
        hold->counters[i].before_ok = read_counter(hold->counters[i].fd, &hold->counters[i].before);
    return ok;
}

static const char *what_ends(const struct work *work)
{
    return work->options.lease_ms > 0 ? "the lease" : "hold_deadline";
}

/* A hook that may be passed over has taken all the time there was: its error says what to do. */
static bool used_up(const struct work *work, struct err *err)
{
    for (size_t i = 0; i < work->hooks.count; i++) {
        const struct hook_run *run = &work->hooks.links[i].runs[HOOK_STEP_HOLD];
        if (run->begin_us == 0 || run->ok)
            continue;
        *err = run->err;
        return err_wrap(err, "nothing of %s is left for the freeze", what_ends(work));
    }
    /* not reached: a machine that stands still for all of hold_deadline */
    return err_set(err, ERR_DEADLINE, 0, "nothing of %s is left for the freeze", what_ends(work));
}

static int64_t length_ms(const struct work *work)
{
    return work->options.lease_ms > 0 ? work->options.lease_ms
                                      : work->config->backup.hold_deadline_ms;
}

bool hold_take(struct work *work, struct hold *hold, bool last_try, struct err *err)
{
    const struct cancel *cancel = &work->job->cancel;
    enum label asked = work->options.asked;

    if (asked < LABEL_FILESYSTEM)
        return true;
    work->held = true;
    metrics_hold(work->job->agent->metrics);
    hold->quiet = true;
    log_hold();
    hold->begin_us = clock_boot_us();
    hold->clock_offset_before_us = clock_offset_us();
    hold->deadline_ms = hold->begin_us / 1000 + length_ms(work);
    if (asked == LABEL_APPLICATION) {
        hold->hooks_called = true;
        if (!hook_chain_hold(&work->hooks, last_try, hold->deadline_ms, cancel, err))
            return err_wrap(err, "hold");
    }
    hold->hooks_held_us = clock_boot_us();
    if (hold->hooks_held_us / 1000 >= hold->deadline_ms)
        return used_up(work, err) || err_wrap(err, "hold");
    return (facts_positions(work, err) && freeze(work, hold, err)) || err_wrap(err, "hold");
}

void hold_count(struct hold *hold)
{
    for (size_t i = 0; i < hold->counter_count; i++) /* not reached: as open_counters */
        hold->counters[i].after_ok = read_counter(hold->counters[i].fd, &hold->counters[i].after);
}

/* --- the release ------------------------------------------------------------------------- */

static bool thaw(struct work *work, struct hold *hold, struct err *err)
{
    if (!hold->lease_called)
        return true;
    hold->lease_called = false;
    point_reach("thaw");
    hold->thaw_begin_us = clock_boot_us();
    bool ok = !has_mounts(work) || lease_thaw(work->lease, &hold->story, err);
    hold->thawed_us = clock_boot_us();
    hold->story_known = ok && has_mounts(work);
    if (!ok) {
        lease_close(work->lease); /* at which the guard lets go, if it lives */
        work->lease = NULL;
        err->remedy[0] = '\0'; /* this one is nearer than that of a lost guard */
        (void)err_suggest(err,
                          "its restart thaws what is frozen; `stillpoint thaw -n` shows what is "
                          "now, `stillpoint thaw --force` is the last resort");
    }
    return ok && lease_all_loose(work->lease, &hold->story, err);
}

bool hold_release(struct work *work, struct hold *hold, bool attest, const char *outcome,
                  struct err *err)
{
    struct err hooks_err = ERR_INIT;

    bool ok = thaw(work, hold, err);
    if (attest) /* before the hooks, which may take their time: a cancel comes too late by now */
        (void)job_set_past_cut(work->job);
    if (hold->hooks_called) {
        int64_t now_ms = clock_boot_ms();
        if (attest)
            (void)hook_chain_attest(&work->hooks, now_ms + ATTEST_MS);
        bool released =
            hook_chain_release(&work->hooks, outcome, now_ms + HOOKS_RELEASE_MS, &hooks_err);
        if (!released && ok)
            *err = hooks_err;
        ok = ok && released;
        hold->hooks_called = false;
    }
    if (hold->begin_us != 0 && hold->end_us == 0) {
        hold->end_us = clock_boot_us();
        hold->clock_offset_after_us = clock_offset_us();
        /* Where the kernel does not say it stays "not synced". */
        (void)clock_error_us(&hold->clock_error_us, &hold->clock_synced);
    }
    log_release();
    if (hold->quiet)
        metrics_release(work->job->agent->metrics);
    hold->quiet = false;
    return ok;
}

void hold_reset(struct hold *hold)
{
    struct hold fresh = {.counter_count = hold->counter_count};

    memcpy(fresh.counters, hold->counters, sizeof(fresh.counters));
    *hold = fresh;
}

void hold_close(struct hold *hold)
{
    for (size_t i = 0; i < hold->counter_count; i++) /* not reached: as open_counters */
        (void)close(hold->counters[i].fd);
    hold->counter_count = 0;
}
