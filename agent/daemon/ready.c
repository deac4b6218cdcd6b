/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/ready.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/facts.h"
#include "agent/daemon/hook_output.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/rollback_resume.h"
#include "agent/daemon/survey.h"
#include "agent/daemon/work_journal.h"
#include "hooks/hook_exec.h"

enum { HOOKS_FINISH_MS = 30000, LOOK_AGAIN_MS = 5000, SETTLE_EARLIER_MS = 20000 };

/* --- before the hold ---------------------------------------------------------------------- */

static void warn_of_clock(struct work *work)
{
    int64_t ahead_s = ec2_clock_ahead_s(work->ec2);
    char text[160];

    if (ahead_s == 0)
        return;
    (void)snprintf(text, sizeof(text), "this node's clock is %lld s %s EC2's",
                   (long long)(ahead_s < 0 ? -ahead_s : ahead_s),
                   ahead_s < 0 ? "ahead of" : "behind");
    job_warn(work->job, text, "set it: chronyd or systemd-timesyncd should be running");
}

/* What an earlier backup left, one look; a trouble with it is no reason to have no new one. */
static void settle_earlier(struct work *work, int64_t deadline_ms)
{
    struct err err = ERR_INIT;
    size_t open = 0;

    if (work->options.dry_run)
        return;
    if (!resume_pass(work->job, deadline_sooner(deadline_ms, SETTLE_EARLIER_MS), &open, &err))
        log_err(LOG_LEVEL_WARNING, "not_settled", &err);
    if (open > 0)
        resume_want(work->job->agent);
}

/* On record before the first of them is prepared: whoever comes after us tells them of the end. */
static bool list_hooks(struct work *work, struct err *err)
{
    /* A dry run runs nobody's programs. */
    if (!survey_hooks(work, !work->options.dry_run, err))
        return false;
    for (size_t i = 0; i < work->hooks.count; i++) {
        if (hook_is_exec(&work->hooks.links[i].hook))
            return work_journal_note(work, JOURNAL_PREPARE, err);
    }
    return true;
}

bool ready_plan(struct work *work, ready_rights *rights, int64_t deadline_ms, struct err *err)
{
    bool hooks = work->options.asked == LABEL_APPLICATION;

    job_set_step(work->job, "identify");
    point_reach("identify");
    if (!survey_identity(work, deadline_ms, err))
        return false;
    settle_earlier(work, deadline_ms);
    job_set_step(work->job, "plan");
    point_reach("plan");
    if (!survey_cloud(work, deadline_ms, err) ||
        !rollback_allows_backup(&work->instance->tags, err) ||
        !survey_stays(work, deadline_ms, err) || !survey_devices(work, deadline_ms, err))
        return false;
    warn_of_clock(work);
    if (hooks &&
        (!list_hooks(work, err) ||
         !hook_chain_prepare(&work->hooks, &work->hook_job, deadline_ms, &work->job->cancel, err)))
        return false;
    if (!survey_plan(work, deadline_ms, err) || !facts_begin(work, err) ||
        (!hooks && !survey_databases(work, deadline_ms, err)) ||
        (rights != NULL && !rights(work, deadline_ms, err)))
        return false;
    for (size_t i = 0; i < work->plan->warnings.count; i++)
        job_warn(work->job, work->plan->warnings.items[i], NULL);
    return true;
}

/* A hook that could not be prepared is known before anybody waits: say so, or refuse. */
bool ready_tell_shortfalls(struct work *work, struct err *err)
{
    for (size_t i = 0; i < work->hooks.count; i++) {
        const struct hook_link *link = &work->hooks.links[i];
        if (link->prepared || work->options.asked < LABEL_APPLICATION)
            continue;
        const struct err *why = &link->runs[HOOK_STEP_PREPARE].err;
        if (work->config->backup.on_shortfall == CONFIG_SHORTFALL_DISCARD) {
            *err = *why;
            err->kind = ERR_PRECONDITION;
            return err_wrap(err, "application consistency can't be had");
        }
        job_warn(work->job, why->text, why->remedy);
    }
    for (size_t i = 0; i < work->plan->shortfall_count; i++)
        job_warn(
            work->job, work->plan->shortfalls[i].why,
            i + 1 < work->plan->shortfall_count ? NULL
            : work->options.lease_ms > 0
                ? "see `stillpoint doctor`"
                : "see `stillpoint doctor`; where less is enough, ask for --consistency crash");
    return true;
}

void ready_tell_retry(struct work *work, const struct err *err, int64_t wait_ms)
{
    char text[ERR_TEXT_BYTES + 80];

    (void)snprintf(text, sizeof(text), "%s; everything is let go, next try in %lld s", err->text,
                   (long long)((wait_ms + 999) / 1000));
    job_warn(work->job, text, err->remedy);
}

/* --- after it ---------------------------------------------------------------------------- */

/* A copy without its manifest is as good, but says less of itself. */
void ready_tell_manifests(struct work *work, const struct hold *hold)
{
    for (size_t i = 0; i < work->plan->freeze_count; i++) {
        int32_t os_errno = hold->manifest_errnos[i];
        char text[PATH_MAX + 128];
        if (os_errno == 0 || guard_manifest_passed_over(os_errno) ||
            work->plan->mounts[i].use == PLAN_SYNC_ONLY) /* there none is written, on purpose */
            continue;
        (void)snprintf(text, sizeof(text), "%s/%s could not be written: %s",
                       work->plan->mounts[i].path, GUARD_MANIFEST_NAME, strerror(os_errno));
        job_warn(work->job, text,
                 os_errno == ENOSPC || os_errno == EDQUOT
                     ? "make room there; the copy is whole, without this description of itself"
                     : "the copy is whole, without this description of itself");
    }
}

/* The plan is as old as the hold: what was mounted since was not frozen. */
bool ready_look_again(struct work *work, struct err *err)
{
    struct err why = ERR_INIT;

    if (work->options.asked < LABEL_FILESYSTEM ||
        survey_appeared(work, clock_boot_ms() + LOOK_AGAIN_MS, &why))
        return true;
    return strs_printf(&work->appeared, err,
                       "whether something was mounted meanwhile is unknown: %s", why.text);
}

void ready_end(struct work *work, const char *outcome)
{
    struct err err = ERR_INIT;

    if (!work->job->node)
        return;
    if (!hook_chain_finish(&work->hooks, outcome, clock_boot_ms() + HOOKS_FINISH_MS, &err))
        job_warn(work->job, err.text, err.remedy);
    hook_output_log(&work->hooks, work->job->id);
    if (work->hooks.count > 0 && work->journal.written &&
        (work->journal.stays || work->journal.step == JOURNAL_RAISE)) /* they have been told */
        work_journal_try(work, work->journal.step);
    hook_chain_free(&work->hooks); /* no connection to a server stays open for hours */
    lease_close(work->lease);
    work->lease = NULL;
}

void ready_leave_node(struct work *work, const char *outcome)
{
    ready_end(work, outcome);
    if (work->job->node && !work->options.within)
        job_leave_node(work->job);
}
