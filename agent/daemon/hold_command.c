/* SPDX-License-Identifier: BSD-2-Clause */
/* hold: as a backup up to its cut, which somebody else makes. Ends by `release`, or by itself. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/backup_request.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/cut.h"
#include "agent/daemon/held.h"
#include "agent/daemon/hold.h"
#include "agent/daemon/hold_record.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/plan_json.h"
#include "agent/daemon/proof.h"
#include "agent/daemon/ready.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "agent/daemon/work_journal.h"
#include "hooks/hook_mysql.h"

enum {
    LEASE_MIN_MS = 2000, /* a session's time-out has whole seconds: db.h */
    RETRY_LOCK_MS = 3000,
    DATABASE_EARLIER_MS = 1000,
    EXIT_LESS = 3,
    EXIT_ENDED = 1,
};

#define NOTHING_HELD "nothing is held or frozen"

/* What there is to tell of it. */
struct lent {
    struct work *work;
    struct hold hold;
    enum label expected;
    struct strs shortfall;
    bool hook_missing; /* one that was to hold does not */
    struct err left;   /* what its release did not let go of */
    int64_t told_us;   /* clock_boot_us: from here somebody may count on it */
};

/* --- what is asked for ---------------------------------------------------------------------- */

static bool check_lease(int64_t lease_ms, struct err *err)
{
    if (lease_ms >= LEASE_MIN_MS && lease_ms <= GUARD_LEASE_MS_MAX)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "a lease of %lld ms", (long long)lease_ms);
    return err_suggest(err,
                       "from %d to %d seconds: longer nothing is held on a node, whatever "
                       "happens to whoever asked for it",
                       LEASE_MIN_MS / 1000, GUARD_LEASE_MS_MAX / 1000);
}

static bool read_leave_out(const json_t *list, struct strs *ret_paths, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *path = json_string_value(json_array_get(list, i));
        if (path == NULL || path[0] != '/') {
            (void)err_set(err, ERR_USAGE, 0, "what is to be left out is no mount point");
            return err_suggest(err, "name each by its absolute path");
        }
        if (!strs_add_once(ret_paths, path, err))
            return false;
    }
    return true;
}

static bool read_request(struct job *job, struct work_options *options, const struct config *config,
                         struct err *err)
{
    static const char *const keys[] = {"lease_ms",    "leave_out", "reason",
                                       "consistency", "dry_run",   NULL};
    json_t *rest = json_deep_copy(job->args);
    const json_t *leave_out = json_object_get(job->args, "leave_out");

    if (!control_only_keys(job->args, keys, err) ||
        !control_get_int(job->args, "lease_ms", 0, INT64_MAX, &options->lease_ms, err))
        err->kind = ERR_USAGE;
    (void)json_object_del(rest, "lease_ms");
    (void)json_object_del(rest, "leave_out");
    bool ok = err->kind == ERR_NONE && check_lease(options->lease_ms, err) &&
              read_leave_out(leave_out, &options->leave_out, err) &&
              backup_request_read(rest, config, options, err);
    json_decref(rest);
    if (!ok || options->asked > LABEL_CRASH)
        return ok;
    (void)err_set(err, ERR_USAGE, 0, "at crash consistency there is nothing to hold");
    return err_suggest(err, "take the snapshots, or ask for --consistency filesystem");
}

/* --- held ----------------------------------------------------------------------------------- */

static bool note_hook(struct lent *lent, const struct hook_link *link, struct err *err)
{
    const struct hook_run *run = &link->runs[link->prepared ? HOOK_STEP_HOLD : HOOK_STEP_PREPARE];

    lent->hook_missing = true;
    lent->expected = label_lower(lent->expected, LABEL_FILESYSTEM);
    return strs_printf(&lent->shortfall, err, "%s is not held: %s", link->hook.name, run->err.text);
}

/* What may be claimed of it at the most, and why it is not more. */
static bool look_at(struct lent *lent, struct err *err)
{
    const struct work *work = lent->work;

    lent->hook_missing = false;
    lent->expected = work->options.asked;
    for (size_t i = 0; i < work->plan->shortfall_count; i++) {
        const struct plan_shortfall *one = &work->plan->shortfalls[i];
        lent->expected = label_lower(lent->expected, one->at_most);
        if (one->at_most < work->options.asked && !strs_add_once(&lent->shortfall, one->why, err))
            return false;
    }
    for (size_t i = 0; work->options.asked == LABEL_APPLICATION && i < work->hooks.count; i++) {
        if (!work->hooks.links[i].held && !note_hook(lent, &work->hooks.links[i], err))
            return false;
    }
    for (size_t i = 0; i < work->backup->mount_count; i++)
        work->backup->mounts[i].frozen = work->plan->mounts[i].use != PLAN_SYNC_ONLY;
    return true;
}

/* A server lets go by itself when its session's time-out is over, which has whole seconds. */
static bool holds_database(const struct work *work)
{
    bool holds = false;

    for (size_t i = 0; i < work->hooks.count; i++)
        holds = holds || (work->hooks.links[i].held && hook_is_mysql(&work->hooks.links[i].hook));
    return holds;
}

static struct hold_facts facts_of(const struct lent *lent)
{
    const struct hold *hold = &lent->hold;
    int64_t end_us = hold->deadline_ms * 1000 + hold->clock_offset_before_us;

    if (holds_database(lent->work))
        end_us -= (int64_t)DATABASE_EARLIER_MS * 1000;
    return (struct hold_facts){.id = lent->work->backup->id,
                               .expected = lent->expected,
                               .since_utc_us = hold->begin_us + hold->clock_offset_before_us,
                               .until_utc_us = end_us,
                               .shortfall = &lent->shortfall,
                               .appeared = lent->work->appeared.count};
}

/* Held, but less than asked for, and such backups are not wanted: nor is such a hold. */
static bool is_wanted(const struct lent *lent, struct err *err)
{
    const struct work *work = lent->work;

    if (lent->expected >= work->options.asked ||
        work->config->backup.on_shortfall != CONFIG_SHORTFALL_DISCARD)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "only %s consistency can be had: %s",
                  label_name(lent->expected),
                  lent->shortfall.count ? lent->shortfall.items[0] : "?");
    return err_suggest(err, "where less is enough: on_shortfall = keep, or --consistency");
}

/* A daemon that stood still meanwhile has nothing to tell of. */
static bool lasts(const struct lent *lent, struct err *err)
{
    return clock_boot_ms() < lent->hold.deadline_ms ||
           err_set(err, ERR_DEADLINE, 0, "the lease was over before all was held");
}

/* --- one try -------------------------------------------------------------------------------- */

static bool let_go(struct lent *lent, bool attest, const char *outcome)
{
    struct work *work = lent->work;

    lent->left = (struct err)ERR_INIT;
    work->release_failed = !hold_release(work, &lent->hold, attest, outcome, &lent->left);
    if (work->release_failed)
        job_warn(work->job, lent->left.text, lent->left.remedy);
    return !work->release_failed;
}

/* False: all is let go of again, as far as it can be. */
static bool take_once(struct lent *lent, bool last_try, struct err *err)
{
    bool ok = hold_take(lent->work, &lent->hold, last_try, err) && look_at(lent, err) &&
              is_wanted(lent, err) && lasts(lent, err);

    if (!ok)
        (void)let_go(lent, false, "failed");
    return ok;
}

static bool ready_once(struct lent *lent, bool first, int64_t deadline_ms, struct err *err)
{
    struct work *work = lent->work;

    job_set_step(work->job, "ready");
    point_reach("ready");
    if (!hold_sync(work, deadline_ms, err) || (first && !hold_rehearse(work, err)) ||
        !survey_stays(work, deadline_ms, err) || !work_journal_note(work, JOURNAL_LENT, err) ||
        !hold_sync(work, deadline_ms, err))
        return false;
    if (cancel_asked(&work->job->cancel))
        return err_set(err, ERR_CANCELLED, 0, "cancelled before the hold");
    job_set_step(work->job, "hold");
    return true;
}

/* Only for a lock that it did not get in time another try has a chance. */
static bool take(struct lent *lent, int64_t deadline_ms, struct err *err)
{
    struct work *work = lent->work;
    int64_t tries = 1 + work->config->backup.retry_holds;

    for (int64_t i = 1;; i++) {
        struct err nap_err = ERR_INIT;
        if (!ready_once(lent, i == 1, deadline_ms, err))
            return false;
        *err = (struct err)ERR_INIT;
        if (take_once(lent, i == tries, err))
            return true;
        if (i == tries || err->kind != ERR_DB_LOCK || work->lease == NULL)
            return false;
        ready_tell_retry(work, err, RETRY_LOCK_MS);
        if (!deadline_sleep(clock_boot_ms() + RETRY_LOCK_MS, deadline_ms, &work->job->cancel,
                            &nap_err)) {
            *err = nap_err;
            return false;
        }
        hold_reset(&lent->hold);
        strs_free(&lent->shortfall);
    }
}

/* --- the end of it -------------------------------------------------------------------------- */

static const char *end_text(struct job *job, enum held_end end)
{
    switch (end) {
    case HELD_END_LEASE:
        return "its lease was over before anybody released it";
    case HELD_END_GUARD:
        return "the guard was lost, and with it the freeze";
    case HELD_END_CANCELLED:
        return job_was_stopped(job) ? "stillpointd was told to end"
                                    : "the command that asked for it was interrupted";
    case HELD_END_RELEASED:
        break;
    }
    return NULL; /* not reached: that one is judged */
}

/* What was held when somebody was told so, and until somebody asked for its release. */
static bool judge(struct lent *lent, int64_t asked_us, struct err *err)
{
    const struct cut window = {.ok = true, .begun_us = lent->told_us, .answered_us = asked_us};
    struct attest_result result = {.label = LABEL_UNCONFIRMED};
    struct work *work = lent->work;

    bool ok = ready_look_again(work, err) && proof_judge(work, &lent->hold, &window, &result, err);
    for (size_t i = 0; ok && i < result.notes.count; i++)
        job_warn(work->job, result.notes.items[i], NULL);
    attest_result_free(&result);
    return ok;
}

static json_t *ended_json(struct lent *lent, const char *why)
{
    const struct hold_facts facts = facts_of(lent);
    json_t *record = hold_record_held(lent->work->backup, &facts);

    if (record != NULL)
        hold_record_end(record, why);
    return record;
}

/* How it went for monitoring. What the plan leaves out is less by choice, and no failure. */
static bool went_well(const struct lent *lent, const json_t *last)
{
    return json_is_true(json_object_get(last, "whole")) && !lent->hook_missing &&
           !lent->work->release_failed;
}

static json_t *released_json(const struct lent *lent, const struct hold_facts *facts)
{
    json_t *record = hold_record_released(lent->work->backup, facts);

    if (record != NULL && lent->work->release_failed)
        hold_record_left(record, &lent->left);
    return record;
}

/* Lets go, judges, and tells whoever waits for it. */
static void finish(struct lent *lent, enum held_end end, int64_t asked_us)
{
    struct work *work = lent->work;
    const char *why = end_text(work->job, end);
    struct err err = ERR_INIT;
    int exit_code = EXIT_ENDED;

    hold_count(&lent->hold);
    lease_forget_cancel(work->lease); /* the daemon's end takes nothing back that was proved */
    (void)let_go(lent, why == NULL, why == NULL ? "cut" : "failed");
    if (why == NULL && !judge(lent, asked_us, &err))
        why = err.text; /* not reached: no memory */
    const struct hold_facts facts = facts_of(lent);
    if (why == NULL)
        exit_code = work->backup->consistency >= work->options.asked && !work->release_failed
                        ? 0
                        : EXIT_LESS;
    log_event(LOG_LEVEL_NOTICE, "lent", "id=%s hold_us=%lld label=%s end=%s", work->backup->id,
              (long long)(lent->hold.end_us - lent->hold.begin_us),
              label_name(work->backup->consistency), why == NULL ? "released" : why);
    ready_tell_manifests(work, &lent->hold);
    ready_end(work, why == NULL ? "complete" : "failed");
    json_t *last = why == NULL ? released_json(lent, &facts) : ended_json(lent, why);
    held_keep(work->job->agent, last);
    work_journal_end(work);
    metrics_lent(work->job->agent->metrics, went_well(lent, last),
                 lent->hold.end_us - lent->hold.begin_us);
    /* Until here the next hold waits: its place in agent->held is this one's. */
    job_leave_node(work->job);
    held_end(work->job->agent, last, exit_code);
}

/* Held: tells so, and holds until it ends. */
static void lend(struct lent *lent, struct cancel *ask)
{
    struct work *work = lent->work;
    struct job *job = work->job;
    const struct hold_facts facts = facts_of(lent);
    json_t *record = hold_record_held(work->backup, &facts);

    held_begin(job->agent, ask, lent->hold.deadline_ms, json_deep_copy(record));
    point_reach("held");
    lent->told_us = clock_boot_us();
    job_set_step(job, "held");
    job_result(job, lent->expected >= work->options.asked ? 0 : EXIT_LESS, record);
    enum held_end end = held_wait(ask, &job->cancel, lease_fd(work->lease), lent->hold.deadline_ms);
    job_unbind_client(job); /* who was not told by now is told that it is over */
    int64_t asked_us = held_close(job->agent);
    finish(lent, end, asked_us);
}

/* --- the command ---------------------------------------------------------------------------- */

static bool run_dry(struct work *work, struct err *err)
{
    if (!ready_tell_shortfalls(work, err))
        return false;
    bool as_asked = work->plan->at_most >= work->options.asked;
    for (size_t i = 0; i < work->hooks.count; i++)
        as_asked = as_asked && work->hooks.links[i].prepared;
    job_result(work->job, as_asked ? 0 : EXIT_LESS, plan_json(work));
    return true;
}

/* What nobody has named a remedy for passes by itself, as far as we know. */
static void suggest_again(struct err *err)
{
    if (err->kind == ERR_DEADLINE)
        (void)err_suggest(err, "hold again, with a longer --lease; see what is slow (`stillpoint "
                               "doctor`)");
    else if (err->kind != ERR_CANCELLED)
        (void)err_suggest(err, "hold again; if it stays so, see `stillpoint doctor`");
}

static bool run(struct work *work, int64_t deadline_ms, const char **ret_now, struct err *err)
{
    struct lent lent = {.work = work};
    struct cancel ask = CANCEL_INIT;

    bool ok = ready_tell_shortfalls(work, err) && cancel_open(&ask, err) &&
              hold_prepare(work, &lent.hold, deadline_ms, err) && take(&lent, deadline_ms, err);
    if (!ok && work->held)
        suggest_again(err);
    if (ok)
        lend(&lent, &ask);
    else if (work->release_failed)
        *ret_now = "what may still be held, `stillpoint thaw -n` shows";
    hold_close(&lent.hold);
    cancel_close(&ask);
    strs_free(&lent.shortfall);
    return ok;
}

void hold_command(struct job *job)
{
    const char *now = NOTHING_HELD;
    struct err err = ERR_INIT;
    char id[BACKUP_ID_BYTES];
    struct work work;
    bool begun = false;

    work_open(&work, job);
    work.options.image = false;
    job_bind_client(job);
    int64_t deadline_ms = clock_boot_ms() + work.config->backup.job_timeout_ms;
    bool ok = read_request(job, &work.options, work.config, &err) &&
              catalog_id_new(clock_utc_us(), id, &err) && job_take_node(job, &err);
    if (ok) {
        job_set_id(job, id);
        begun = !work.options.dry_run;
        if (work.options.reason_cut)
            job_warn(job, "the reason is too long for a tag: its end is left off", NULL);
        ok = ready_plan(&work, NULL, deadline_ms, &err) &&
             (work.options.dry_run ? run_dry(&work, &err) : run(&work, deadline_ms, &now, &err));
        ready_leave_node(&work, ok ? "complete" : "failed");
    }
    work_journal_end(&work);
    if (!ok && begun)
        metrics_lent(job->agent->metrics, false, 0);
    if (!ok)
        job_fail(job, work.held ? EXIT_ENDED : work_begin_exit_code(&err), &err, now);
    work_close(&work);
}
