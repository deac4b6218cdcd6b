/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_goal.h"

#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/daemon/hook_ready.h"
#include "agent/daemon/rollback_cloud.h"
#include "agent/daemon/rollback_survey.h"
#include "agent/daemon/survey.h"

enum { LOOK_MS = 2 * 60 * 1000 };

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static bool check_none(struct rollback *rollback, struct err *err)
{
    bool there = false;

    if (!rollback_read(rollback, in_ms(LOOK_MS), &there, err))
        return false;
    if (!there)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "the rollback to %s is not over: it is at step %s",
                  rollback->state.set, rollback_step_name(rollback->state.step));
    return err_suggest(err, "stillpoint rollback --commit keeps what it brought, --undo takes it "
                            "back");
}

/* Only a refusal counts: EC2 judges some parameters before the right. */
static bool may(struct rollback *rollback, enum ec2_action action,
                const struct ec2_dry_run_target *target, struct err *err)
{
    struct err why = ERR_INIT;

    if (ec2_dry_run(rollback->work->ec2, action, target, in_ms(LOOK_MS), &rollback->job->cancel,
                    &why) ||
        (why.kind != ERR_AWS_DENIED && why.kind != ERR_CANCELLED))
        return true;
    *err = why;
    return false;
}

/* What is asked for before anything is made. */
static bool check_rights(struct rollback *rollback, const struct rollback_goal *goal,
                         struct err *err)
{
    const struct ec2_instance *instance = rollback->work->instance;
    struct ec2_tags tags = {.count = 0}; /* by which a policy knows what is the node's own */
    struct ec2_dry_run_target target = {
        .instance_id = instance->id, .zone = instance->availability_zone, .tags = &tags};

    bool ok = ec2_tags_set(&tags, ROLLBACK_OWNER_TAG, instance->id, err);
    for (size_t i = 0; ok && i < goal->plan.count; i++) {
        const struct rollback_plan_volume *volume = &goal->plan.volumes[i];
        target.snapshot_id = volume->snapshot->id;
        ok = may(rollback, volume->root ? EC2_CREATE_REPLACE_ROOT_VOLUME_TASK : EC2_CREATE_VOLUME,
                 &target, err);
    }
    ec2_tags_free(&tags);
    return ok;
}

/* Data volumes are unmounted, and mounted again, and services stopped by stillpoint-hook; a root
 * volume alone is EC2's to replace. */
static bool check_hook_program(struct rollback *rollback, bool data, struct err *err)
{
    return (!data && !survey_has_service_hooks(rollback->work->config)) ||
           hook_ready(rollback->work, err);
}

static bool plan_has_data(const struct rollback_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->volumes[i].root)
            return true;
    }
    return false;
}

static bool has_data(const struct rollback *rollback)
{
    for (size_t i = 0; i < rollback->count; i++) {
        if (!rollback_is_root(rollback, &rollback->volumes[i]))
            return true;
    }
    return false;
}

bool rollback_goal_may_undo(struct rollback *rollback, struct err *err)
{
    return rollback->state.step != ROLLBACK_DONE ||
           check_hook_program(rollback, has_data(rollback), err);
}

bool rollback_goal_may_swap(struct rollback *rollback, struct err *err)
{
    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        const struct ec2_dry_run_target target = {.instance_id = rollback->work->instance->id,
                                                  .volume_id = volume->id};
        bool made = volume->part.role == ROLLBACK_MADE;
        if (!may(rollback, made ? EC2_ATTACH_VOLUME : EC2_DETACH_VOLUME, &target, err) ||
            !may(rollback, EC2_DELETE_VOLUME, &target, err))
            return false;
    }
    return true;
}

bool rollback_goal_set(struct rollback *rollback, const char *id, struct rollback_goal *goal,
                       struct err *err)
{
    struct work *work = rollback->work;

    job_set_step(rollback->job, "plan");
    if (!check_none(rollback, err) || !survey_stays(work, in_ms(LOOK_MS), err) ||
        !whole_set_find(work, id, false, in_ms(LOOK_MS), &goal->set, err) ||
        !rollback_survey(rollback, in_ms(LOOK_MS), &goal->input, err))
        return false;
    goal->input.set = goal->set.backup;
    (void)snprintf(rollback->state.set, sizeof(rollback->state.set), "%s", goal->input.set->id);
    goal->input.mode = rollback->state.mode;
    return rollback_plan_make(&goal->input, &goal->plan, err) &&
           check_hook_program(rollback, plan_has_data(&goal->plan), err) &&
           check_rights(rollback, goal, err);
}

void rollback_goal_free(struct rollback_goal *goal)
{
    rollback_plan_free(&goal->plan);
    rollback_survey_free(&goal->input);
    whole_set_free(&goal->set);
}
