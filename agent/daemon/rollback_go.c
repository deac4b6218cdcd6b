/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_go.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/rollback_cloud.h"
#include "agent/daemon/rollback_make.h"
#include "agent/daemon/rollback_node.h"
#include "agent/daemon/rollback_root.h"
#include "agent/daemon/rollback_survey.h"
#include "agent/daemon/rollback_swap.h"

enum {
    MINUTE_MS = 60 * 1000,
    STOP_MS = 20 * MINUTE_MS,
    UNMOUNT_MS = 10 * 1000,
    RELEASED_MS = 5 * 1000,
    SWAP_MS = 10 * MINUTE_MS,
    ROOT_MS = 30 * MINUTE_MS,
    MOUNT_MS = 2 * MINUTE_MS,
    CLOUD_MS = 2 * MINUTE_MS,
    LAG_MS = 20 * 1000, /* in which EC2 lists what it has made */
    LAG_TICK_MS = 1000,
    PLACES_MAX = EC2_DEVICES_MAX * ROLLBACK_MOUNTS_MAX,
};

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

/* --- what both ways do ---------------------------------------------------------------------- */

bool rollback_quiesce(struct rollback *rollback, const struct rollback_plan_mount *mounts,
                      size_t count, const char *const *volumes, size_t volume_count,
                      struct err *err)
{
    if (!rollback_stop_services(rollback, in_ms(STOP_MS), err))
        return false;
    point_reach("rollback-stopped");
    for (size_t i = 0; i < count; i++) {
        if (!rollback_unmount(rollback, &mounts[i], in_ms(UNMOUNT_MS), err))
            return false;
        point_reach("rollback-unmounted");
    }
    for (size_t i = 0; i < volume_count; i++) {
        if (!rollback_disk_is_free(rollback, volumes[i], in_ms(RELEASED_MS), err))
            return false;
    }
    return true;
}

static enum rollback_role other(enum rollback_role role)
{
    return role == ROLLBACK_KEPT ? ROLLBACK_MADE : ROLLBACK_KEPT;
}

/* What was unmounted of the twin that has gone, or of the volume itself. */
static const struct rollback_volume *told_mounts(const struct rollback *rollback,
                                                 const struct rollback_volume *volume)
{
    const struct rollback_volume *twin =
        rollback_find(rollback, other(volume->part.role), volume->part.device);

    return twin != NULL && twin->mount_count > 0 ? twin : volume;
}

/* Of every volume of ROLE that is attached, what is to be mounted. */
static bool mount_role(struct rollback *rollback, enum rollback_role role, struct err *err)
{
    struct rollback_place *places = calloc(PLACES_MAX, sizeof(*places));
    size_t count = 0;

    if (places == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role != role || !volume->attached)
            continue;
        const struct rollback_volume *told = told_mounts(rollback, volume);
        for (size_t k = 0; k < told->mount_count && count < PLACES_MAX; k++)
            places[count++] = (struct rollback_place){volume->id, told->mounts[k]};
    }
    bool ok = rollback_mount_all(rollback, places, count, in_ms(MOUNT_MS), err);
    free(places);
    return ok;
}

/* --- back, before anything was exchanged ---------------------------------------------------- */

static size_t count_role(const struct rollback *rollback, enum rollback_role role)
{
    const char *root = rollback->work->instance->root_device_name;
    size_t count = 0;

    for (size_t i = 0; i < rollback->count; i++)
        count += rollback->volumes[i].part.role == role &&
                 strcmp(rollback->volumes[i].part.device, root) != 0;
    return count;
}

/* All that was made, also what EC2's list doesn't have at once. */
static bool look_for_made(struct rollback *rollback, bool unsure, struct err *err)
{
    int64_t until_ms = in_ms(LAG_MS);

    for (;;) {
        struct err nap = ERR_INIT;
        if (!rollback_look(rollback, in_ms(CLOUD_MS), err))
            return false;
        if (!unsure || count_role(rollback, ROLLBACK_MADE) >= count_role(rollback, ROLLBACK_KEPT) ||
            !deadline_sleep(in_ms(LAG_TICK_MS), until_ms, NULL, &nap))
            return true;
    }
}

/* A volume that is only being made can't be deleted yet. */
static bool delete_made(struct rollback *rollback, struct err *err)
{
    int64_t wait_ms = FINISH_POLL_MS, until_ms = in_ms(CLOUD_MS);
    size_t count = 0;

    for (;;) {
        struct err why = ERR_INIT;
        if (rollback_delete(rollback, ROLLBACK_MADE, until_ms, &count, &why))
            return true;
        bool early = why.kind == ERR_AWS &&
                     strcmp(ec2_outcome(rollback->work->ec2)->error.code, "IncorrectState") == 0;
        if ((!early && !finish_passes(rollback->work, &why)) ||
            !finish_nap(rollback->work, &wait_ms, until_ms, err)) {
            *err = why;
            return false;
        }
        if (!rollback_look(rollback, until_ms, err))
            return false;
    }
}

bool rollback_go_back(struct rollback *rollback, bool unsure, struct err *err)
{
    struct err mount_err = ERR_INIT, start_err = ERR_INIT;
    bool stopped = rollback->state.step == ROLLBACK_STOP;

    /* The services first, by what is known if need be: what is left in EC2 only costs. */
    bool looked = rollback_look(rollback, in_ms(LAG_MS), err);
    if (!looked && rollback->count == 0)
        return false;
    bool mounted = !stopped || mount_role(rollback, ROLLBACK_KEPT, &mount_err);
    if (!mounted)
        rollback_warn(rollback, mount_err.text, mount_err.remedy);
    if (stopped && !rollback_start_services(rollback, "failed", &start_err))
        rollback_warn(rollback, start_err.text, start_err.remedy);
    if (!mounted) { /* the tags tell what is to be mounted: they stay until it is */
        *err = mount_err;
        return false;
    }
    return looked && look_for_made(rollback, unsure, err) && delete_made(rollback, err) &&
           rollback_untag(rollback, ROLLBACK_KEPT, in_ms(CLOUD_MS), err) &&
           rollback_untag_set(rollback, in_ms(CLOUD_MS), err) && rollback_leave(rollback, err);
}

/* --- what is mounted of the made ones ------------------------------------------------------- */

struct held {
    struct rollback_plan_mount *mounts; /* of all of them, deepest first */
    size_t count;
    const char *volumes[EC2_DEVICES_MAX]; /* borrowed from rollback->volumes */
    size_t volume_count;
};

static void held_free(struct held *held)
{
    free(held->mounts);
    held->mounts = NULL;
}

static int deepest_first(const void *a, const void *b)
{
    const struct rollback_plan_mount *one = a, *another = b;
    size_t len = strlen(one->mount.path), other_len = strlen(another->mount.path);

    return (len < other_len) - (len > other_len);
}

static bool add_held(struct rollback *rollback, const struct rollback_plan_input *input,
                     const struct rollback_volume *volume, bool tag, struct held *held,
                     struct err *err)
{
    struct rollback_plan_mount *mounts = NULL;
    size_t count = 0;

    if (!rollback_plan_mounts(input, volume->id, &mounts, &count, err))
        return false;
    bool ok =
        !tag || rollback_tag_mounts(rollback, volume->id, mounts, count, in_ms(CLOUD_MS), err);
    struct rollback_plan_mount *all =
        ok ? reallocarray(held->mounts, held->count + count + 1, sizeof(*all)) : NULL;
    if (all != NULL) {
        if (count > 0)
            memcpy(all + held->count, mounts, count * sizeof(*mounts));
        held->mounts = all;
        held->count += count;
        held->volumes[held->volume_count++] = volume->id;
    } else if (ok) {
        ok = err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    free(mounts);
    return ok;
}

/* TAG: what is mounted goes into the tags, to be mounted again. */
static bool find_held(struct rollback *rollback, bool tag, struct held *held, struct err *err)
{
    struct rollback_plan_input input;

    *held = (struct held){.count = 0};
    if (!rollback_survey(rollback, in_ms(CLOUD_MS), &input, err) ||
        !rollback_look(rollback, in_ms(CLOUD_MS), err))
        return false;
    const char *root = rollback->work->instance->root_device_name;
    bool ok = true;
    for (size_t i = 0; ok && i < rollback->count && held->volume_count < EC2_DEVICES_MAX; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role == ROLLBACK_MADE && volume->attached &&
            strcmp(volume->part.device, root) != 0)
            ok = add_held(rollback, &input, volume, tag, held, err);
    }
    rollback_survey_free(&input);
    if (ok && held->count > 0)
        qsort(held->mounts, held->count, sizeof(*held->mounts), deepest_first);
    if (!ok)
        held_free(held);
    return ok;
}

/* --- back again ----------------------------------------------------------------------------- */

static bool take_root_back(struct rollback *rollback, bool *ret_booted, struct err *err)
{
    bool begun = rollback->state.step == ROLLBACK_UNDO_ROOT, is_back;

    is_back = rollback->state.mode != ROLLBACK_FULL || rollback_root_is(rollback, ROLLBACK_KEPT);
    *ret_booted = begun || !is_back;
    if (is_back)
        return true;
    if (!begun && !rollback_enter(rollback, ROLLBACK_UNDO_ROOT, err))
        return false;
    return rollback_root_replace(rollback, true, in_ms(ROOT_MS), err);
}

bool rollback_take_back(struct rollback *rollback, const char *outcome, struct err *err)
{
    struct err why = ERR_INIT;
    bool after_boot = false;
    enum rollback_step from = rollback->state.step;

    if (from <= ROLLBACK_UNDO_SWAP && !rollback_swap(rollback, ROLLBACK_MADE, in_ms(SWAP_MS), err))
        return false;
    if (from <= ROLLBACK_UNDO_ROOT && !take_root_back(rollback, &after_boot, err))
        return false;
    if (from < ROLLBACK_UNDO_CLEAN) {
        if (from != ROLLBACK_UNDO_START && !rollback_enter(rollback, ROLLBACK_UNDO_START, err))
            return false;
        if (!mount_role(rollback, ROLLBACK_KEPT, err))
            return false;
        if (!after_boot && !rollback_start_services(rollback, outcome, &why))
            rollback_warn(rollback, why.text, why.remedy);
        if (!rollback_enter(rollback, ROLLBACK_UNDO_CLEAN, err))
            return false;
    }
    return rollback_look(rollback, in_ms(CLOUD_MS), err) && delete_made(rollback, err) &&
           rollback_untag(rollback, ROLLBACK_KEPT, in_ms(CLOUD_MS), err) &&
           rollback_untag_set(rollback, in_ms(CLOUD_MS), err) && rollback_leave(rollback, err);
}

bool rollback_undo_back(struct rollback *rollback, struct err *err)
{
    struct err why = ERR_INIT;

    if (!rollback_look(rollback, in_ms(CLOUD_MS), err) || !mount_role(rollback, ROLLBACK_MADE, err))
        return false;
    if (!rollback_start_services(rollback, "failed", &why))
        rollback_warn(rollback, why.text, why.remedy);
    return rollback_enter(rollback, ROLLBACK_DONE, err);
}

/* The node doesn't let go: as it was before. */
static bool give_undo_up(struct rollback *rollback, enum rollback_end *ret_end)
{
    struct err why = ERR_INIT;

    *ret_end = ROLLBACK_WENT_BACK;
    if (rollback_undo_back(rollback, &why))
        return false;
    rollback_warn(rollback, why.text, why.remedy);
    *ret_end = ROLLBACK_OPEN;
    return false;
}

bool rollback_undo(struct rollback *rollback, enum rollback_end *ret_end, struct err *err)
{
    struct held held;

    *ret_end = ROLLBACK_WENT_BACK;
    if (!find_held(rollback, true, &held, err))
        return false; /* still in the step before */
    bool ok = rollback_enter(rollback, ROLLBACK_UNDO_STOP, err);
    if (!ok) {
        held_free(&held);
        return false;
    }
    ok = rollback_quiesce(rollback, held.mounts, held.count, held.volumes, held.volume_count, err);
    held_free(&held);
    if (ok && !job_set_past_cut(rollback->job))
        ok = err_set(err, ERR_CANCELLED, 0, "cancelled before the volumes were exchanged");
    if (ok)
        ok = rollback_enter(rollback, ROLLBACK_UNDO_SWAP, err);
    if (!ok)
        return give_undo_up(rollback, ret_end);
    ok = rollback_take_back(rollback, "undone", err);
    *ret_end = ok ? ROLLBACK_ENDS : ROLLBACK_OPEN;
    return ok;
}

/* --- forward -------------------------------------------------------------------------------- */

/* What does not pass by itself: a refusal, a file system that can't be mounted. */
static bool is_final(const struct rollback *rollback, const struct err *err)
{
    return err->kind != ERR_CANCELLED && err->kind != ERR_NOT_FOUND && err->kind != ERR_DEADLINE &&
           err->kind != ERR_INTERNAL && err->kind != ERR_GUARD && err->kind != ERR_HOOK &&
           !finish_passes(rollback->work, err);
}

/* The volumes go back to their places. Services may run on the new ones, if only since a reboot. */
bool rollback_turn_back(struct rollback *rollback, const struct err *cause,
                        enum rollback_end *ret_end, struct err *err)
{
    struct held held;

    *ret_end = ROLLBACK_OPEN;
    if (!find_held(rollback, false, &held, err))
        return false;
    bool ok =
        rollback_quiesce(rollback, held.mounts, held.count, held.volumes, held.volume_count, err);
    held_free(&held);
    ok = ok && rollback_enter(rollback, ROLLBACK_UNDO_SWAP, err);
    if (ok && cause != NULL) /* not before: until then it may still go to its end */
        rollback_ends_as(rollback, ROLLBACK_TAKEN_BACK, cause->text);
    ok = ok && rollback_take_back(rollback, "failed", err);
    if (ok)
        *ret_end = ROLLBACK_WENT_BACK;
    return ok;
}

/* Gives false. */
static bool give_up(struct rollback *rollback, const struct err *cause, enum rollback_end *ret_end,
                    struct err *err)
{
    struct err why = ERR_INIT;

    *ret_end = ROLLBACK_OPEN;
    *err = *cause;
    if (!is_final(rollback, cause))
        return false;
    log_err(LOG_LEVEL_ERROR, "rollback_turns_back", cause);
    (void)err_suggest(err, "put right what was refused, then begin again: the set stands");
    if (!rollback_turn_back(rollback, cause, ret_end, &why))
        rollback_warn(rollback, why.text, why.remedy);
    return false;
}

/*   ret_booted  the node has come up with it */
static bool replace_root(struct rollback *rollback, bool *ret_booted, struct err *err)
{
    if (rollback->state.step != ROLLBACK_ROOT && !rollback_enter(rollback, ROLLBACK_ROOT, err))
        return false;
    if (rollback_root_is(rollback, ROLLBACK_KEPT) &&
        !rollback_root_replace(rollback, false, in_ms(ROOT_MS), err))
        return false;
    *ret_booted = true;
    return rollback_root_settle(rollback, in_ms(CLOUD_MS), err);
}

static bool start_again(struct rollback *rollback, bool after_boot, struct err *err)
{
    struct err why = ERR_INIT;

    if (!mount_role(rollback, ROLLBACK_MADE, err))
        return false;
    point_reach("rollback-mounted");
    if (!after_boot && !rollback_start_services(rollback, "complete", &why))
        rollback_warn(rollback, why.text, why.remedy);
    return true;
}

bool rollback_go_on(struct rollback *rollback, enum rollback_end *ret_end, struct err *err)
{
    enum rollback_step from = rollback->state.step;
    struct err why = ERR_INIT;
    bool after_boot = rollback->state.mode == ROLLBACK_FULL && from == ROLLBACK_START;

    if (from == ROLLBACK_SWAP && !rollback_swap(rollback, ROLLBACK_KEPT, in_ms(SWAP_MS), &why))
        return give_up(rollback, &why, ret_end, err);
    bool ok =
        from == ROLLBACK_START ||
        ((rollback->state.mode != ROLLBACK_FULL || replace_root(rollback, &after_boot, &why)) &&
         rollback_enter(rollback, ROLLBACK_START, &why));
    ok = ok && start_again(rollback, after_boot, &why);
    if (!ok && !after_boot)
        return give_up(rollback, &why, ret_end, err);
    *ret_end = ROLLBACK_OPEN;
    if (!ok) { /* past a reboot there is no way back but --undo, with another */
        *err = why;
        return false;
    }
    if (!rollback_untag_set(rollback, in_ms(CLOUD_MS), err) ||
        !rollback_enter(rollback, ROLLBACK_DONE, err))
        return false;
    *ret_end = ROLLBACK_ENDS;
    return true;
}

/* --- for good ------------------------------------------------------------------------------- */

bool rollback_commit(struct rollback *rollback, size_t *ret_count, struct err *err)
{
    if (rollback->state.step != ROLLBACK_COMMIT && !rollback_enter(rollback, ROLLBACK_COMMIT, err))
        return false;
    rollback_ends_as(rollback, ROLLBACK_COMMITTED, "");
    return rollback_look(rollback, in_ms(CLOUD_MS), err) &&
           rollback_delete(rollback, ROLLBACK_KEPT, in_ms(CLOUD_MS), ret_count, err) &&
           rollback_untag(rollback, ROLLBACK_MADE, in_ms(CLOUD_MS), err) &&
           rollback_leave(rollback, err);
}
