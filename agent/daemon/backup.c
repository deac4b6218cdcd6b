/* SPDX-License-Identifier: BSD-2-Clause */
/* The main job, top to bottom: identify, plan, ready, hold, cut, release, attest, finish. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/base/point.h"
#include "agent/daemon/backup_request.h"
#include "agent/daemon/backup_within.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/cut.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/hold.h"
#include "agent/daemon/last_backup.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/metrics_look.h"
#include "agent/daemon/plan_json.h"
#include "agent/daemon/prune.h"
#include "agent/daemon/proof.h"
#include "agent/daemon/ready.h"
#include "agent/daemon/reuse.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "agent/daemon/work_journal.h"

enum {
    RETRY_LOCK_MS = 2000, /* before a hold that waited for a lock is tried again, and up to… */
    RETRY_LOCK_JITTER_MS = 3000,
    RETRY_SENT_JITTER_MS = 5000,
    RAISE_MS = 60000,
    REUSE_LOOK_MS = 60000,
};

/* --- identify, plan, ready --------------------------------------------------------------- */

/* What a backup needs after its cut, when it would be too late to refuse: the right to watch its
 * snapshots and to make its image, with the tags that a policy may be bound to. */
static bool may_finish(struct work *work, const struct ec2_tags *tags, int64_t deadline_ms,
                       struct err *err)
{
    const struct ec2_dry_run_target target = {.instance_id = work->backup->instance, .tags = tags};
    enum ec2_action image = finish_is_billed(work) ? EC2_CREATE_IMAGE : EC2_REGISTER_IMAGE;

    if (!ec2_dry_run(work->ec2, EC2_DESCRIBE_SNAPSHOTS, &target, deadline_ms, &work->job->cancel,
                     err))
        return false;
    if (!work->options.image ||
        ec2_dry_run(work->ec2, image, &target, deadline_ms, &work->job->cancel, err))
        return true;
    if (err->kind != ERR_AWS)
        return false;
    /* Refused for its parameters before the right was judged: there is no snapshot to name yet. */
    *err = (struct err)ERR_INIT;
    return true;
}

static bool check_rights(struct work *work, int64_t deadline_ms, struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    bool ok =
        catalog_tags_common(work->backup, &tags, err) && may_finish(work, &tags, deadline_ms, err);

    ec2_tags_free(&tags);
    return ok;
}

/* --- the hold ---------------------------------------------------------------------------- */

/* One try: hold, cut, release. The release runs whatever happened before it. */
static bool try_once(struct work *work, struct hold *hold, struct cut *cut, bool last_try,
                     struct err *err)
{
    struct err release_err = ERR_INIT;
    bool held = work->options.asked >= LABEL_FILESYSTEM;

    cut->ok = cut->sent = cut->answered = cut->clock_corrected = false;
    bool ok = hold_take(work, hold, last_try, err);
    if (ok) {
        int64_t deadline_ms = deadline_sooner(held ? hold->deadline_ms : INT64_MAX,
                                              held ? work->config->aws.request_timeout_ms : 60000);
        ok = cut_make(work, cut, held, deadline_ms, err);
        hold_count(hold);
    }
    work->release_failed = !hold_release(work, hold, cut->ok, ok ? "cut" : "failed", &release_err);
    if (work->release_failed)
        job_warn(work->job, release_err.text, release_err.remedy);
    return ok;
}

/* Whether another hold has a chance; how long to wait before it. Never while anything is held. */
static bool worth_retrying(const struct cut *cut, const struct err *err, int64_t *ret_wait_ms)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = (uint32_t)clock_boot_us(); /* only spreads a fleet's retries */
    if (err->kind == ERR_DB_LOCK) {
        *ret_wait_ms = RETRY_LOCK_MS + random % RETRY_LOCK_JITTER_MS;
        return true;
    }
    if ((err->kind == ERR_AWS_THROTTLED && cut->answered) || cut->clock_corrected) {
        *ret_wait_ms = CONFIG_HOLD_RETRY_GAP_MS + random % RETRY_SENT_JITTER_MS;
        return true;
    }
    if (err->kind == ERR_NET && !cut->sent) {
        *ret_wait_ms = RETRY_LOCK_MS; /* the kept connection was gone; nothing was sent */
        return true;
    }
    return false;
}

static bool hold_and_cut(struct work *work, struct hold *hold, struct cut *cut, int64_t deadline_ms,
                         struct err *err)
{
    int64_t tries = 1 + work->config->backup.retry_holds, wait_ms = 0;

    for (int64_t i = 1;; i++) {
        job_set_step(work->job, "ready");
        point_reach("ready");
        /* Once more after the dry run: what was written meanwhile is little, and quickly out. */
        if (!hold_sync(work, deadline_ms, err) || (i == 1 && !hold_rehearse(work, err)) ||
            !cut_prepare(work, cut, deadline_ms, err) || !survey_stays(work, deadline_ms, err) ||
            !work_journal_note(work, JOURNAL_HOLD, err) || !hold_sync(work, deadline_ms, err))
            return false;
        if (cancel_asked(&work->job->cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled before the hold");
        job_set_step(work->job, "hold");
        *err = (struct err)ERR_INIT;
        if (try_once(work, hold, cut, i == tries, err))
            return true;
        if (i == tries || !worth_retrying(cut, err, &wait_ms) ||
            clock_boot_ms() + wait_ms >= deadline_ms)
            return false;
        ready_tell_retry(work, err, wait_ms);
        struct err nap_err = ERR_INIT;
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, &work->job->cancel, &nap_err)) {
            *err = nap_err;
            return false;
        }
        hold_reset(hold);
        if (work->lease == NULL) {
            (void)err_set(err, ERR_GUARD, 0, "the guard was lost in the hold before");
            return false;
        }
    }
}

static bool take_ids(struct work *work, const struct cut *cut, struct err *err)
{
    for (size_t i = 0; i < cut->set.count; i++) {
        const struct ec2_snapshot *made = &cut->set.list[i];
        struct backup_snapshot *known = backup_snapshot_of(work->backup, made->volume_id);
        if (known == NULL) {
            (void)err_set(err, ERR_PROTOCOL, 0,
                          "EC2 made a snapshot of %s, which was not attached a moment before",
                          made->volume_id);
            return err_suggest(err, "a volume was attached meanwhile; start the backup again");
        }
        if (known->id != NULL) { /* else another volume would be without, and nobody see it */
            (void)err_set(err, ERR_PROTOCOL, 0, "EC2 made more than one snapshot of %s",
                          made->volume_id);
            return err_suggest(err, "start the backup again");
        }
        if (!strs_dup(&known->id, made->id, err) ||
            !strs_dup(&known->state, ec2_snapshot_state_name(made->state), err))
            return false;
    }
    if (cut->set.count == work->backup->snapshot_count)
        return true;
    (void)err_set(err, ERR_PROTOCOL, 0, "EC2 made %zu snapshots for %zu volumes", cut->set.count,
                  work->backup->snapshot_count);
    return err_suggest(err, "a volume was detached meanwhile; start the backup again");
}

/* --- after it ---------------------------------------------------------------------------- */

static void tell_hold(struct work *work, const struct hold *hold, const struct cut *cut)
{
    if (hold->begin_us != 0) {
        job_tell_step(work->job, "cut", cut->begun_utc_us);
        job_tell_step(work->job, "release", hold->thaw_begin_us + hold->clock_offset_before_us);
    }
    if (!work->release_failed) /* else its warning says what is not free */
        job_released(work->job,
                     hold->begin_us ? (double)(hold->end_us - hold->begin_us) / 1000 : 0);
}

static void log_hold_done(const struct work *work, const struct hold *hold, const struct cut *cut)
{
    char request[64];

    (void)snprintf(request, sizeof(request), "%s", ec2_outcome(work->ec2)->request_id);
    log_event(LOG_LEVEL_NOTICE, "cut",
              "id=%s snapshots=%zu hold_us=%lld exchange_us=%lld request_id=%s label=%s",
              work->backup->id, cut->set.count,
              (long long)(hold->begin_us ? hold->end_us - hold->begin_us : 0),
              (long long)(cut->answered_us - cut->begun_us), request,
              label_name(work->backup->consistency));
}

static bool attest(struct work *work, struct hold *hold, struct cut *cut, struct verdict *verdict,
                   struct err *err)
{
    struct attest_result result = {.label = LABEL_UNCONFIRMED};

    job_set_step(work->job, "attest");
    point_reach("attest");
    if (!take_ids(work, cut, err))
        return settle_discard(work, cut, verdict);
    bool ok = ready_look_again(work, err) && proof_judge(work, hold, cut, &result, err);
    bool as_asked = ok && work->backup->consistency >= work->options.asked;
    attest_result_free(&result);
    if (ok && !as_asked && work->config->backup.on_shortfall == CONFIG_SHORTFALL_DISCARD) {
        (void)err_set(err, ERR_LEASE, 0, "only %s consistency was reached: %s",
                      label_name(work->backup->consistency),
                      work->backup->shortfall.count ? work->backup->shortfall.items[0] : "?");
        (void)err_suggest(err, "to keep such backups, with their label: on_shortfall = keep");
        return settle_discard(work, cut, verdict);
    }
    verdict->exit_code = as_asked && !work->release_failed ? 0 : 3;
    log_hold_done(work, hold, cut);
    if (ok) /* what was proved is on record before the tags say it */
        work_journal_try(work, JOURNAL_RAISE);
    return ok || settle_end_open(work, verdict, 1, "; the set is in EC2, unconfirmed");
}

/* A set whose tags can never say what it is, is no backup: it goes. */
static bool raise_label(struct work *work, struct cut *cut, struct verdict *verdict,
                        struct err *err)
{
    point_reach("tagging");
    if (finish_raise(work, &cut->tags, clock_boot_ms() + RAISE_MS, err))
        return true;
    if (err->kind == ERR_AWS_DENIED)
        return settle_discard(work, cut, verdict);
    return settle_end_open(work, verdict, 6, "; the set is in EC2, its label still unconfirmed");
}

/* The set is good and in EC2; its end was not seen. Gives false. */
static bool end_unfinished(struct work *work, struct verdict *verdict, struct err *err)
{
    char now[SETTLE_NOW_BYTES];

    if (err->kind == ERR_CANCELLED) { /* past the cut only the daemon's end does that */
        verdict->goes_on = true;
        (void)err_set(err, ERR_CANCELLED, 0, "EC2 still copies the set");
        (void)err_suggest(err,
                          "nothing: EC2 goes on by itself, and stillpointd, once it runs again, "
                          "with the rest");
    }
    (void)snprintf(now, sizeof(now), "; the set is in EC2: `stillpoint show %s`", work->backup->id);
    return settle_end_open(work, verdict, 6, now);
}

static bool finish(struct work *work, struct cut *cut, struct verdict *verdict, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + work->config->backup.finish_timeout_ms;
    bool failed = false;

    job_set_step(work->job, "finish");
    point_reach("waiting");
    if (!finish_wait(work, deadline_ms, &failed, err)) {
        if (failed) /* only then: that EC2 refuses to tell is no reason to delete a good set */
            return settle_discard(work, cut, verdict);
        return end_unfinished(work, verdict, err);
    }
    if (work->options.image && !finish_image(work, deadline_ms, err)) {
        if (err->kind == ERR_CANCELLED || err->kind == ERR_DEADLINE)
            return end_unfinished(work, verdict, err);
        /* The set is whole and stays; what was asked for is not all there. */
        (void)err_suggest(err, "the snapshots are all there; without an image: --no-image");
        job_warn(work->job, err->text, err->remedy);
        verdict->exit_code = 3;
    }
    if (!finish_complete(work, deadline_ms, err))
        return end_unfinished(work, verdict, err);
    prune_after_backup(work);
    return true;
}

/* --- the straight line -------------------------------------------------------------------- */

static bool run_dry(struct work *work, struct verdict *verdict, struct err *err)
{
    struct cut cut = {.ok = false};
    int64_t deadline_ms = clock_boot_ms() + 30000;

    bool ok = ready_tell_shortfalls(work, err) && cut_prepare(work, &cut, deadline_ms, err);
    cut_free(&cut);
    if (!ok)
        return settle_end(verdict, work_exit_code(err), "nothing was done");
    bool as_asked = work->plan->at_most >= work->options.asked;
    for (size_t i = 0; i < work->hooks.count; i++)
        as_asked = as_asked && work->hooks.links[i].prepared;
    job_result(work->job, as_asked ? 0 : 3, plan_json(work));
    return true;
}

/* Until the set's tags say what it is. */
static bool take_and_prove(struct work *work, struct hold *hold, struct cut *cut,
                           int64_t deadline_ms, struct verdict *verdict, struct err *err)
{
    struct err cause = ERR_INIT;

    bool ok = ready_tell_shortfalls(work, err) && hold_prepare(work, hold, deadline_ms, err);
    if (!ok) {
        (void)settle_end(verdict, work_exit_code(err),
                         "nothing was held or frozen, no snapshot was made");
    } else if (!hold_and_cut(work, hold, cut, deadline_ms, &cause)) {
        ok = settle_cut(work, cut, &cause, verdict, err);
    }
    if (ok && !job_set_past_cut(work->job)) {
        (void)err_set(err, ERR_CANCELLED, 0, "cancelled during the cut");
        ok = settle_discard(work, cut, verdict);
    }
    if (!ok)
        return false;
    tell_hold(work, hold, cut);
    ready_tell_manifests(work, hold);
    return attest(work, hold, cut, verdict, err) && raise_label(work, cut, verdict, err);
}

static bool run_past_plan(struct work *work, int64_t deadline_ms, struct verdict *verdict,
                          struct err *err)
{
    struct hold hold = {.counter_count = 0};
    struct cut cut = {.ok = false};
    bool told = false;

    bool ok = take_and_prove(work, &hold, &cut, deadline_ms, verdict, err);
    if (ok) {
        last_backup_proved(work->job->agent, catalog_json(work->backup));
        metrics_cut(work->job->agent->metrics, work->backup);
        ready_leave_node(work, "complete");
        if (work->options.within) { /* resume.h brings it to its end */
            work->journal.stays = true;
            hold_close(&hold);
            cut_free(&cut);
            return true;
        }
        if (!work->options.wait_complete) {
            job_result(work->job, verdict->exit_code, catalog_json(work->backup));
            told = true;
        }
        ok = finish(work, &cut, verdict, err);
        last_backup_set(work->job->agent, catalog_json(work->backup));
    }
    hold_close(&hold);
    cut_free(&cut);
    if (ok && !told)
        job_result(work->job, verdict->exit_code, catalog_json(work->backup));
    if (!ok && told) {
        log_err(LOG_LEVEL_ERROR, "finish_failed", err);
        ok = true; /* the client has had its last word */
    }
    return ok;
}

/* What monitoring is told of the end, whatever it was. */
static void tell_metrics(struct work *work, const char *id, const struct verdict *verdict,
                         const struct err *err)
{
    struct metrics_step steps[METRICS_STEPS_MAX];
    struct job *job = work->job;
    struct metrics_ending ending = {.id = id,
                                    .exit_code = verdict->exit_code,
                                    .unfinished = work->journal.stays,
                                    .goes_on = verdict->goes_on,
                                    .label = work->backup != NULL ? work->backup->consistency
                                                                  : LABEL_UNCONFIRMED,
                                    .why = err->kind != ERR_NONE ? err->text : NULL,
                                    .steps = steps};

    job_time_end(job);
    for (size_t i = 0; i < job->time_count && i < METRICS_STEPS_MAX; i++) {
        struct metrics_step *step = &steps[ending.step_count++];
        (void)snprintf(step->name, sizeof(step->name), "%s", job->times[i].step);
        step->took_ms = job->times[i].took_ms;
    }
    metrics_end(job->agent->metrics, &ending);
}

bool backup_within(struct job *job, const char *reason, char *ret_id, bool *ret_as_asked,
                   char *ret_now, struct err *err)
{
    struct verdict verdict = {.exit_code = 1};
    json_t *args = json_pack("{s:s,s:s,s:s,s:b}", "reason", reason, "wait", "cut", "consistency",
                             label_name(LABEL_APPLICATION), "image", 0);
    struct work work;

    work_open(&work, job);
    work.options.within = true;
    bool begun = false;
    int64_t deadline_ms = clock_boot_ms() + work.config->backup.job_timeout_ms;
    bool ok = args != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
    ok = ok && backup_request_read(args, work.config, &work.options, err) &&
         catalog_id_new(clock_utc_us(), ret_id, err);
    (void)settle_end(&verdict, 1, "nothing was done");
    if (ok) {
        job_set_id(job, ret_id);
        metrics_begin(job->agent->metrics, ret_id);
        begun = true;
        ok = ready_plan(&work, check_rights, deadline_ms, err) &&
             run_past_plan(&work, deadline_ms, &verdict, err);
        ready_leave_node(&work, ok ? "complete" : "failed");
    }
    work_journal_end(&work);
    if (begun)
        tell_metrics(&work, ret_id, &verdict, err);
    *ret_as_asked = ok && verdict.exit_code == 0;
    (void)snprintf(ret_now, SETTLE_NOW_BYTES, "%s", verdict.now);
    work_close(&work);
    json_decref(args);
    job_clear_past_cut(job);
    return ok;
}

static bool is_as_asked(const struct work *work, const json_t *backup)
{
    const char *name = json_string_value(json_object_get(backup, "consistency"));
    enum label label;

    return name != NULL && label_parse(name, &label) && label >= work->options.asked;
}

/* Before anything of the node is taken: one that is there already may do (--max-age), and is told
 * as one that was made. One too many is better than none: where it can't be known, one is made.
 *   false  cancelled meanwhile */
static bool reuse_one(struct work *work, bool *ret_reused, struct err *err)
{
    json_t *backup = NULL;
    struct err why = ERR_INIT;

    *ret_reused = false;
    if (work->options.max_age_ms == 0 || work->config->aws.identity == CONFIG_IDENTITY_NONE)
        return true; /* without a node the plan says so */
    job_set_step(work->job, "look");
    if (reuse_find(work->job, &work->options, clock_boot_ms() + REUSE_LOOK_MS, &backup, &why)) {
        *ret_reused = backup != NULL;
        if (backup != NULL)
            job_result(work->job, is_as_asked(work, backup) ? 0 : 3, backup);
        return true;
    }
    if (cancel_asked(&work->job->cancel)) {
        *err = why;
        return false;
    }
    (void)err_wrap(&why, "whether there is a recent backup is not known");
    job_warn(work->job, why.text, why.remedy);
    return true;
}

/* The node, or one that does instead: also one that was not there yet when it was looked for, and
 * whose end is why the node is free.
 *   false  cancelled; ERR_BUSY */
static bool reuse_or_take_node(struct work *work, bool *ret_reused, struct err *err)
{
    char id[JOB_ID_BYTES];
    enum label label;

    for (;;) {
        int64_t begin_ms = clock_boot_ms();
        if (!reuse_one(work, ret_reused, err))
            return false;
        if (*ret_reused)
            return true;
        if (!job_take_node(work->job, err))
            return false;
        if (work->options.max_age_ms == 0 ||
            !last_backup_since(work->job->agent, begin_ms, id, &label))
            return true;
        job_leave_node(work->job);
    }
}

void backup_command(struct job *job)
{
    struct verdict verdict = {.exit_code = 1};
    struct err err = ERR_INIT;
    char id[BACKUP_ID_BYTES];
    struct work work;
    bool reused = false, begun = false;

    work_open(&work, job);
    int64_t deadline_ms = clock_boot_ms() + work.config->backup.job_timeout_ms;
    bool ok = backup_request_read(job->args, work.config, &work.options, &err) &&
              catalog_id_new(clock_utc_us(), id, &err) && reuse_or_take_node(&work, &reused, &err);
    if (!ok)
        (void)settle_end(&verdict, work_begin_exit_code(&err), "nothing was done");
    if (ok && !reused) {
        job_set_id(job, id);
        begun = !work.options.dry_run;
        if (begun)
            metrics_begin(job->agent->metrics, id);
        if (work.options.reason_cut)
            job_warn(job, "the reason is too long for a tag: its end is left off", NULL);
        ok = ready_plan(&work, check_rights, deadline_ms, &err);
        if (!ok)
            (void)settle_end(&verdict, work_exit_code(&err),
                             "nothing was held or frozen, no snapshot was made");
        else
            ok = work.options.dry_run ? run_dry(&work, &verdict, &err)
                                      : run_past_plan(&work, deadline_ms, &verdict, &err);
        ready_leave_node(&work, ok ? "complete" : "failed");
    }
    work_journal_end(&work);
    if (begun)
        tell_metrics(&work, id, &verdict, &err);
    if (!ok)
        job_fail(job, verdict.exit_code, &err, verdict.now);
    work_close(&work);
    if (begun)
        metrics_look(job);
}
