/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_swap.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/rollback_cloud.h"
#include "aws/ec2_launch.h"
#include "aws/ec2_volumes.h"

enum { LOOK_TICK_MS = 500, WAIT_MAX_MS = 4000 };

/* One device: what is to be done next, by what is. False: EC2 refused.
 *   ret_done  the coming one is attached there */
static bool swap_device(struct rollback *rollback, const struct rollback_volume *leaving,
                        const struct rollback_volume *coming, int64_t deadline_ms, bool *ret_done,
                        struct err *err)
{
    struct ec2 *ec2 = rollback->work->ec2;
    const char *device = coming->part.device;

    *ret_done = coming->attached && strcmp(coming->attach_status, "attached") == 0 &&
                strcmp(coming->attached_as, device) == 0;
    if (*ret_done || coming->attached)
        return true; /* attaching */
    if (coming->elsewhere) {
        (void)err_set(err, ERR_PRECONDITION, 0, "%s is attached to another instance", coming->id);
        return err_suggest(err, "detach it there: it is needed here as %s", device);
    }
    if (leaving->attached) {
        if (strcmp(leaving->attach_status, "attached") != 0)
            return true; /* attaching, detaching, or busy */
        log_event(LOG_LEVEL_NOTICE, "rollback_detach", "id=%s volume=%s device=%s",
                  rollback->state.id, leaving->id, device);
        bool ok = ec2_detach_volume(ec2, leaving->id, rollback_instance(rollback), device, false,
                                    deadline_ms, NULL, err);
        point_reach("rollback-detached");
        return ok;
    }
    if (strcmp(coming->state, "available") != 0)
        return true; /* it was detached a moment ago */
    log_event(LOG_LEVEL_NOTICE, "rollback_attach", "id=%s volume=%s device=%s", rollback->state.id,
              coming->id, device);
    bool ok = ec2_attach_volume(ec2, coming->id, rollback_instance(rollback), device, deadline_ms,
                                NULL, err);
    point_reach("rollback-attached");
    return ok;
}

/* A passing trouble is no reason to turn round in the middle: nor is a volume that EC2 is just
 * about to attach or detach. */
static bool passes(const struct rollback *rollback, const struct err *err)
{
    const char *code = ec2_outcome(rollback->work->ec2)->error.code;

    return finish_passes(rollback->work, err) ||
           (err->kind == ERR_AWS &&
            (strcmp(code, "IncorrectState") == 0 || strcmp(code, "VolumeInUse") == 0));
}

/*   ret_left  how many are not there yet */
static bool swap_round(struct rollback *rollback, enum rollback_role leaving, int64_t deadline_ms,
                       size_t *ret_left, size_t *ret_total, struct err *err)
{
    enum rollback_role coming = leaving == ROLLBACK_KEPT ? ROLLBACK_MADE : ROLLBACK_KEPT;

    *ret_left = *ret_total = 0;
    for (size_t i = 0; i < rollback->count; i++) {
        struct rollback_volume *out = &rollback->volumes[i];
        bool done = false;
        if (out->part.role != leaving || rollback_is_root(rollback, out))
            continue;
        struct rollback_volume *in = rollback_find(rollback, coming, out->part.device);
        (*ret_total)++;
        if (in != NULL && !swap_device(rollback, out, in, deadline_ms, &done, err))
            return false;
        *ret_left += !done; /* without a partner EC2's list lags behind */
    }
    return true;
}

static bool set_terminations(struct rollback *rollback, enum rollback_role coming,
                             int64_t deadline_ms, struct err *err)
{
    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role == coming && volume->attached &&
            !ec2_set_delete_on_termination(rollback->work->ec2, rollback_instance(rollback),
                                           volume->part.device, volume->part.delete_on_termination,
                                           deadline_ms, NULL, err))
            return err_wrap(err, "whether %s goes with the instance", volume->id);
    }
    return true;
}

bool rollback_swap(struct rollback *rollback, enum rollback_role leaving, int64_t deadline_ms,
                   struct err *err)
{
    enum rollback_role coming = leaving == ROLLBACK_KEPT ? ROLLBACK_MADE : ROLLBACK_KEPT;
    int64_t wait_ms = LOOK_TICK_MS;
    size_t left = 0, total = 0;
    char text[80];

    for (;;) {
        struct err why = ERR_INIT;
        bool ok = rollback_look(rollback, deadline_ms, &why) &&
                  swap_round(rollback, leaving, deadline_ms, &left, &total, &why);
        if (!ok && !passes(rollback, &why)) {
            *err = why;
            return err_wrap(err, "exchanging the data volumes");
        }
        if (ok && left == 0)
            break;
        (void)snprintf(text, sizeof(text), "%zu of %zu volumes exchanged", total - left, total);
        job_progress(rollback->job, rollback_step_name(rollback->state.step),
                     (int64_t)(total - left), (int64_t)total, text);
        /* Its client comes too late by now: a cancel is the daemon's end. */
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, &rollback->job->cancel, err)) {
            if (!ok)
                *err = why;
            return err_wrap(err, "exchanging the data volumes");
        }
        wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms * 3 / 2 : wait_ms;
    }
    /* Only a wish of the operator's: what runs, runs. */
    struct err why = ERR_INIT;
    if (!set_terminations(rollback, coming, deadline_ms, &why))
        rollback_warn(rollback, why.text, why.remedy);
    return true;
}
