/* SPDX-License-Identifier: BSD-2-Clause */
/* rollback ID, --commit, --undo: this node back to the instant of a set. */
#include "agent/daemon/rollback.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/daemon/backup_within.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/rollback_cloud.h"
#include "agent/daemon/rollback_go.h"
#include "agent/daemon/rollback_goal.h"
#include "agent/daemon/rollback_lost.h"
#include "agent/daemon/rollback_make.h"
#include "agent/daemon/rollback_node.h"
#include "agent/daemon/rollback_preview.h"
#include "agent/daemon/rollback_resume.h"
#include "agent/daemon/rollback_root.h"
#include "agent/daemon/rollback_survey.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "aws/ec2_snapshots.h"

enum { LOOK_MS = 2 * 60 * 1000, MAKE_MS = 60 * 60 * 1000, REASON_BYTES = 80 };

struct request {
    const char *id; /* "": none */
    bool data_only, no_backup, commit, undo, dry_run;
};

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static bool read_request(const json_t *args, struct request *request, struct err *err)
{
    static const char *const keys[] = {"id",   "data_only", "no_backup", "commit",
                                       "undo", "dry_run",   NULL};

    *request = (struct request){.id = ""};
    if (!control_only_keys(args, keys, err) || !control_opt_string(args, "id", &request->id, err) ||
        !control_opt_bool(args, "data_only", &request->data_only, err) ||
        !control_opt_bool(args, "no_backup", &request->no_backup, err) ||
        !control_opt_bool(args, "commit", &request->commit, err) ||
        !control_opt_bool(args, "undo", &request->undo, err) ||
        !control_opt_bool(args, "dry_run", &request->dry_run, err)) {
        err->kind = ERR_USAGE;
        return false;
    }
    if ((request->id[0] != '\0') + request->commit + request->undo <= 1)
        return true;
    return err_set(err, ERR_USAGE, 0, "an id, commit and undo exclude each other");
}

static void tell_preview(struct rollback *rollback, const struct request *request,
                         const struct rollback_goal *goal)
{
    const struct backup *set = goal->set.backup;

    assert(set != NULL);
    struct rollback_preview preview = {
        .config = rollback->work->config,
        .set = set,
        .plan = &goal->plan,
        .instance = rollback->work->instance,
        .mode = rollback->state.mode,
        .backup = !request->no_backup,
        .take_lost = rollback_lost_json(rollback->work, set, in_ms(LOOK_MS)),
    };

    job_set_id(rollback->job, set->id);
    job_result(rollback->job, goal->plan.missing.count > 0 ? 3 : 0,
               rollback_preview_json(&preview));
}

/* --- to a set ------------------------------------------------------------------------------- */

static bool take_fresh(struct rollback *rollback, struct verdict *verdict, struct err *err)
{
    char reason[REASON_BYTES], now[SETTLE_NOW_BYTES] = "";
    bool as_asked = false;

    (void)snprintf(reason, sizeof(reason), "before rollback to %s", rollback->state.set);
    if (!backup_within(rollback->job, reason, rollback->state.fresh, &as_asked, now, err)) {
        rollback->state.fresh[0] = '\0';
        (void)err_wrap(err, "the backup before the rollback");
        (void)err_suggest(err,
                          "without one: --no-backup (the volumes of now are kept all the same)");
        return settle_end(verdict, err->kind == ERR_CANCELLED ? 1 : 5, now);
    }
    if (!as_asked)
        job_warn(rollback->job,
                 "the backup before the rollback is less consistent than it could be", NULL);
    return true;
}

/* Everything is as before, or is going to be. Gives false. */
static bool go_back(struct rollback *rollback, const struct err *cause, struct verdict *verdict,
                    struct err *err)
{
    bool unsure = cause->kind != ERR_AWS && cause->kind != ERR_AWS_DENIED;
    struct err why = ERR_INIT;

    *err = *cause;
    rollback_ends_as(rollback, ROLLBACK_TAKEN_BACK, cause->text);
    if (rollback_go_back(rollback, unsure, &why))
        return settle_end(verdict, cause->kind == ERR_CANCELLED ? 1 : 5,
                          rollback->state.step == ROLLBACK_STOP
                              ? "the services run again, nothing was exchanged"
                              : "nothing was exchanged");
    job_warn(rollback->job, why.text, why.remedy);
    rollback_want(rollback->job->agent);
    return settle_end(verdict, 6,
                      "nothing was exchanged; stillpointd goes on with putting back "
                      "what it made: stillpoint rollback");
}

static bool quiesce(struct rollback *rollback, const struct rollback_goal *goal, struct err *err)
{
    struct rollback_plan_mount *mounts = NULL;
    const char *volumes[EC2_DEVICES_MAX];
    size_t count = 0, volume_count = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < goal->plan.count; i++) {
        const struct rollback_plan_volume *volume = &goal->plan.volumes[i];
        struct rollback_plan_mount *more =
            reallocarray(mounts, count + volume->mount_count + 1, sizeof(*mounts));
        ok = more != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
        if (!ok)
            break;
        mounts = more;
        if (volume->mount_count > 0)
            memcpy(mounts + count, volume->mounts, volume->mount_count * sizeof(*mounts));
        count += volume->mount_count;
        if (!volume->root && volume_count < EC2_DEVICES_MAX)
            volumes[volume_count++] = volume->old->id;
    }
    ok = ok && rollback_quiesce(rollback, mounts, count, volumes, volume_count, err);
    free(mounts);
    return ok;
}

/* From the first tag to the last point at which it can be gone back from. */
static bool prepare(struct rollback *rollback, const struct rollback_goal *goal, struct err *err)
{
    if (!rollback_make_volumes(rollback, &goal->plan, goal->set.backup, in_ms(MAKE_MS), err) ||
        !rollback_goal_may_swap(rollback, err) || !rollback_enter(rollback, ROLLBACK_STOP, err) ||
        !quiesce(rollback, goal, err))
        return false;
    if (!job_set_past_cut(rollback->job))
        return err_set(err, ERR_CANCELLED, 0, "cancelled before the volumes were exchanged");
    return rollback_enter(rollback, ROLLBACK_SWAP, err);
}

static bool end_open(struct rollback *rollback, enum rollback_end end, struct verdict *verdict)
{
    if (end == ROLLBACK_WENT_BACK)
        return settle_end(verdict, 1,
                          "the volumes are back in their places, the services run again");
    if (rollback->job->stopped && rollback->state.mode == ROLLBACK_FULL)
        return settle_end(verdict, 6,
                          "EC2 replaces the root volume and reboots this node: afterwards "
                          "see `stillpoint status'");
    rollback_want(rollback->job->agent);
    return settle_end(verdict, 6,
                      "the rollback is in the middle and goes on in stillpointd: "
                      "stillpoint rollback says how far; --undo takes it back");
}

static bool run_steps(struct rollback *rollback, const struct rollback_goal *goal,
                      struct verdict *verdict, struct err *err)
{
    enum rollback_end end = ROLLBACK_OPEN;
    struct err cause = ERR_INIT;

    if (!rollback_id_new(clock_utc_us(), rollback->state.id, err))
        return settle_end(verdict, 1, "nothing was done");
    job_set_id(rollback->job, rollback->state.id);
    if (rollback->state.fresh[0] != '\0')
        resume_want(rollback->job->agent);
    if (!rollback_enter(rollback, ROLLBACK_VOLUMES, err))
        return settle_end(verdict, 5, "nothing was exchanged");
    if (!prepare(rollback, goal, &cause))
        return go_back(rollback, &cause, verdict, err);
    if (!rollback_go_on(rollback, &end, err))
        return end_open(rollback, end, verdict);
    if (!rollback_look(rollback, in_ms(LOOK_MS), &cause))
        log_err(LOG_LEVEL_WARNING, "rollback_not_seen", &cause); /* what is told may be older */
    job_result(rollback->job, rollback->less ? 3 : 0, rollback_json(rollback));
    return true;
}

static bool run_to_set(struct rollback *rollback, const struct request *request,
                       struct verdict *verdict, struct err *err)
{
    struct rollback_goal goal = {.set = NULL};

    rollback->state.mode = request->data_only ? ROLLBACK_DATA_ONLY : ROLLBACK_FULL;
    bool ok = rollback_goal_set(rollback, request->id, &goal, err) ||
              settle_end(verdict, work_begin_exit_code(err), "nothing was done");
    if (ok && request->dry_run) {
        tell_preview(rollback, request, &goal);
    } else if (ok) {
        for (size_t i = 0; i < goal.plan.warnings.count; i++)
            job_warn(rollback->job, goal.plan.warnings.items[i], NULL);
        for (size_t i = 0; i < goal.plan.missing.count; i++)
            rollback_warn(rollback, goal.plan.missing.items[i], NULL);
        ok = (request->no_backup || take_fresh(rollback, verdict, err)) &&
             run_steps(rollback, &goal, verdict, err);
    }
    rollback_goal_free(&goal);
    return ok;
}

/* --- what is there -------------------------------------------------------------------------- */

static bool read_there(struct rollback *rollback, struct err *err)
{
    bool there = false;

    if (!rollback_read(rollback, in_ms(LOOK_MS), &there, err))
        return false;
    if (there)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "this node has no rollback to commit or undo");
    return err_suggest(err, "stillpoint rollback ID begins one");
}

static bool run_show(struct rollback *rollback, struct verdict *verdict, struct err *err)
{
    bool there = false;

    if (!rollback_read(rollback, in_ms(LOOK_MS), &there, err))
        return settle_end(verdict, work_exit_code(err), "nothing was changed");
    json_t *last = rollback_last_json(rollback->job->agent);
    json_t *shown = there ? rollback_json(rollback) : json_pack("{s:n}", "id");
    if (shown == NULL || json_object_set_new(shown, "last", last) != 0) {
        json_decref(shown);
        shown = NULL;
    }
    job_result(rollback->job, 0, shown);
    return true;
}

/* What is to go must not be what the node runs on. */
static bool check_commit(struct rollback *rollback, struct err *err)
{
    enum rollback_step step = rollback->state.step;

    if (step != ROLLBACK_DONE && step != ROLLBACK_COMMIT) {
        (void)err_set(err, ERR_PRECONDITION, 0, "the rollback to %s is not done: it is at step %s",
                      rollback->state.set, rollback_step_name(step));
        return err_suggest(err, "stillpointd goes on with it; --undo takes it back");
    }
    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        const struct rollback_volume *made =
            rollback_find(rollback, ROLLBACK_MADE, volume->part.device);
        bool is_root = strcmp(volume->part.device, rollback->work->instance->root_device_name) == 0;
        if (volume->part.role != ROLLBACK_KEPT || (made != NULL && made->attached) ||
            (is_root && rollback_root_is(rollback, ROLLBACK_MADE)))
            continue;
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "%s of the rollback is not attached as %s: %s is all that there is",
                      made ? made->id : "the volume", volume->part.device, volume->id);
        return err_suggest(err, "attach it, or --undo");
    }
    return true;
}

static bool run_commit(struct rollback *rollback, const struct request *request,
                       struct verdict *verdict, struct err *err)
{
    size_t count = 0;

    if (!read_there(rollback, err) || !check_commit(rollback, err))
        return settle_end(verdict, work_exit_code(err), "nothing was done");
    job_set_id(rollback->job, request->dry_run ? rollback->state.set : rollback->state.id);
    if (request->dry_run) {
        job_result(rollback->job, 0, rollback_preview_commit(rollback));
        return true;
    }
    if (!rollback_commit(rollback, &count, err)) {
        if (rollback->state.step == ROLLBACK_COMMIT)
            rollback_want(rollback->job->agent);
        return settle_end(verdict, 1,
                          "not all of it is gone: stillpoint rollback shows what is left");
    }
    job_result(rollback->job, 0,
               json_pack("{s:s,s:s,s:s,s:I}", "id", rollback->state.id, "set", rollback->state.set,
                         "step", "committed", "deleted", (json_int_t)count));
    return true;
}

/* From wherever it is. */
static bool undo_from(struct rollback *rollback, enum rollback_end *ret_end, struct err *err)
{
    *ret_end = ROLLBACK_OPEN;
    switch (rollback->state.step) {
    case ROLLBACK_DONE:
        return rollback_undo(rollback, ret_end, err);
    case ROLLBACK_VOLUMES:
    case ROLLBACK_STOP:
        if (rollback->last.outcome == ROLLBACK_OUTCOME_NONE) /* else it went back by itself */
            rollback_ends_as(rollback, ROLLBACK_UNDONE, "");
        return rollback_go_back(rollback, true, err);
    case ROLLBACK_SWAP:
    case ROLLBACK_START:
        return rollback_turn_back(rollback, NULL, ret_end, err);
    case ROLLBACK_UNDO_SWAP:
    case ROLLBACK_UNDO_ROOT:
    case ROLLBACK_UNDO_START:
    case ROLLBACK_UNDO_CLEAN:
        return rollback_take_back(rollback, "undone", err);
    case ROLLBACK_UNDO_STOP:
        return rollback_undo_back(rollback, err) && rollback_undo(rollback, ret_end, err);
    case ROLLBACK_ROOT:
    case ROLLBACK_COMMIT:
    case ROLLBACK_STEP_COUNT:
        break;
    }
    *ret_end = ROLLBACK_WENT_BACK;
    (void)err_set(err, ERR_PRECONDITION, 0, "it can't be undone at step %s",
                  rollback_step_name(rollback->state.step));
    return err_suggest(err, rollback->state.step == ROLLBACK_ROOT
                                ? "wait until EC2 has replaced the root volume"
                                : "volumes of before are deleted already: stillpoint rollback ID");
}

static bool run_undo(struct rollback *rollback, const struct request *request,
                     struct verdict *verdict, struct err *err)
{
    enum rollback_end end = ROLLBACK_OPEN;

    if (!read_there(rollback, err) || !rollback_goal_may_undo(rollback, err))
        return settle_end(verdict, work_exit_code(err), "nothing was done");
    job_set_id(rollback->job, request->dry_run ? rollback->state.set : rollback->state.id);
    if (request->dry_run) {
        job_result(rollback->job, 0, rollback_preview_undo(rollback));
        return true;
    }
    if (!undo_from(rollback, &end, err)) {
        if (end == ROLLBACK_WENT_BACK)
            return settle_end(verdict, work_exit_code(err), "the rollback stands as it was");
        return end_open(rollback, end, verdict);
    }
    job_result(rollback->job, rollback->less ? 3 : 0,
               json_pack("{s:s,s:s,s:s}", "id", rollback->state.id, "set", rollback->state.set,
                         "step", "undone"));
    return true;
}

/* --- the command ---------------------------------------------------------------------------- */

static bool run(struct rollback *rollback, const struct request *request, struct verdict *verdict,
                struct err *err)
{
    if (request->id[0] != '\0')
        return run_to_set(rollback, request, verdict, err);
    if (request->commit)
        return run_commit(rollback, request, verdict, err);
    if (request->undo)
        return run_undo(rollback, request, verdict, err);
    return run_show(rollback, verdict, err);
}

void rollback_command(struct job *job)
{
    struct verdict verdict = {.exit_code = 1};
    struct err err = ERR_INIT;
    struct request request;
    struct work work;
    struct rollback rollback = {.job = job, .work = &work, .ordered = true};

    work_open(&work, job);
    bool ok = read_request(job->args, &request, &err);
    bool changes = ok && !request.dry_run && (request.id[0] || request.commit || request.undo);
    if (ok && changes && !job_take_node(job, &err))
        ok = settle_end(&verdict, 4, "nothing was done");
    else if (!ok)
        (void)settle_end(&verdict, work_exit_code(&err), "nothing was done");
    if (ok) {
        job_set_step(job, "identify");
        ok = changes ? survey_identity(&work, in_ms(LOOK_MS), &err)
                     : survey_node(&work, in_ms(LOOK_MS), &err);
        if (!ok)
            (void)settle_end(&verdict, work_exit_code(&err), "nothing was done");
        ok = ok && run(&rollback, &request, &verdict, &err);
    }
    if (job->node)
        job_leave_node(job);
    if (!ok)
        job_fail(job, verdict.exit_code, &err, verdict.now);
    free(rollback.volumes);
    work_close(&work);
}
