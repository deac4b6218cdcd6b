/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked and changes nothing: show, status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/inventory_json.h"
#include "agent/daemon/last_backup.h"
#include "agent/daemon/loan_status.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/rollback_last.h"
#include "agent/daemon/rollback_resume.h"
#include "agent/daemon/survey.h"

enum { QUERY_MS = 120000, GUARD_ANSWER_MS = 2000 };

static void fail(struct job *job, const struct err *err)
{
    job_fail(job, work_exit_code(err), err, "nothing was changed");
}

/* A daemon that was killed, or stopped, in mid-backup does not take it up again. */
static void tell_abandoned(struct job *job, const struct work *work, const struct backup *backup)
{
    const char *instance = work->identity.document.instance_id;

    if (backup->state == BACKUP_COMPLETE || backup->state == BACKUP_FAILED ||
        backup->instance == NULL || strcmp(backup->instance, instance) != 0 ||
        job_works_on(job->agent, backup->id))
        return;
    if (resume_knows(job->agent, backup->id))
        job_warn(job, "it is being settled: see `unsettled` in `stillpoint status`", NULL);
    else if (backup->consistency == LABEL_UNCONFIRMED)
        job_warn(job, "nothing works on it any more, and what it is was never proved",
                 "take another; once no snapshot of it is pending, delete them");
    else
        job_warn(job,
                 "nothing works on it any more: EC2 completes its snapshots by itself, the "
                 "label stands, no image is made",
                 "restore from its snapshots, or take another");
}

/* The backup, its state as its tags say it, and what is wrong with it. NULL: no memory. */
static json_t *show_json(const struct gather *gather, const struct backup *backup)
{
    json_t *object = catalog_json(backup);
    json_t *why = gather->set ? inventory_why_json(&gather->inventory, gather->set) : json_array();
    enum backup_state tagged = gather->set ? gather->set->tagged : backup->state;

    if (object != NULL && json_object_set_new(object, "broken", why) == 0 &&
        json_object_set_new(object, "tagged", json_string(backup_state_name(tagged))) == 0)
        return object;
    json_decref(object);
    return NULL;
}

void show_command(struct job *job)
{
    static const char *const keys[] = {"id", NULL};
    struct gather gather = {.id = NULL};
    const struct backup *backup = NULL;
    const char *text = NULL;
    struct err err = ERR_INIT;
    struct work work;

    work_open(&work, job);
    bool ok = control_only_keys(job->args, keys, &err) &&
              control_get_string(job->args, "id", &text, &err);
    if (!ok)
        err.kind = ERR_USAGE;
    ok = ok && gather_find(&work, text, &gather, clock_boot_ms() + QUERY_MS, &backup, &err);
    if (ok) {
        tell_abandoned(job, &work, backup);
        job_result(job, 0, show_json(&gather, backup));
    } else {
        fail(job, &err);
    }
    gather_free(&gather);
    work_close(&work);
}

/* --- status ------------------------------------------------------------------------------ */

static json_t *guard_json(const struct config *config)
{
    static const char *const states[GUARD_STATE_COUNT] = {
        [GUARD_IDLE] = "idle", [GUARD_LOADED] = "loaded",     [GUARD_FREEZING] = "freezing",
        [GUARD_HELD] = "held", [GUARD_CLEARING] = "clearing", [GUARD_ENDED] = "ended",
    };
    int64_t deadline_ms = clock_boot_ms() + GUARD_ANSWER_MS;
    struct guard_reply_hello hello;
    struct lease *lease = NULL;
    struct err err = ERR_INIT;

    if (!lease_open(config->guard_socket, deadline_ms, NULL, &lease, &err) ||
        !lease_hello(lease, deadline_ms, &hello, &err)) {
        lease_close(lease);
        return json_pack("{s:b,s:o,s:n,s:n}", "reachable", 0, "why", control_text(err.text),
                         "state", "pid");
    }
    uint32_t state = hello.head.state;
    lease_close(lease);
    return json_pack("{s:b,s:s,s:I,s:I}", "reachable", 1, "state",
                     state < GUARD_STATE_COUNT ? states[state] : "?", "pid",
                     (json_int_t)hello.keeper_pid, "recovered", (json_int_t)hello.recovered_count);
}

static json_t *one_job_json(struct job *job)
{
    char since[CLOCK_TEXT_BYTES];

    (void)pthread_mutex_lock(&job->mutex);
    json_t *object = json_pack("{s:s,s:s,s:s}", "id", job->id, "step", job->step, "since",
                               clock_utc_text(job->step_since_utc_us, since));
    (void)pthread_mutex_unlock(&job->mutex);
    return object;
}

static json_t *job_json(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *object = agent->node_holder ? one_job_json(agent->node_holder) : NULL;
    (void)pthread_mutex_unlock(&agent->mutex);
    return object ? object : json_null();
}

/* Backups that have left the node, and still wait for EC2. */
static json_t *finishing_json(struct agent *agent)
{
    json_t *list = json_array();

    (void)pthread_mutex_lock(&agent->mutex);
    for (struct job *job = agent->jobs; job != NULL; job = job->next) {
        (void)pthread_mutex_lock(&job->mutex);
        bool waits = job != agent->node_holder && !job->ended && job->past_cut;
        (void)pthread_mutex_unlock(&job->mutex);
        if (waits)
            (void)json_array_append_new(list, one_job_json(job));
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    return list;
}

/* A prune or a delete; that of a backup is part of its finish. */
static json_t *removing_json(struct agent *agent)
{
    json_t *object = NULL;

    (void)pthread_mutex_lock(&agent->mutex);
    struct job *job = agent->remover;
    if (job != NULL && strcmp(job->cmd, "backup") != 0)
        object = one_job_json(job);
    if (object != NULL)
        (void)json_object_set_new(object, "cmd", json_string(job->cmd));
    (void)pthread_mutex_unlock(&agent->mutex);
    return object ? object : json_null();
}

static json_t *identity_json(struct agent *agent)
{
    json_t *object = json_null();

    (void)pthread_mutex_lock(&agent->mutex);
    const struct imds_document *document = &agent->identity.document;
    if (document->instance_id[0] != '\0')
        object = json_pack("{s:s,s:s,s:s,s:s,s:b}", "instance", document->instance_id, "region",
                           document->region, "az", document->availability_zone, "account",
                           document->account_id, "billed",
                           document->billing_product_count > 0 || document->product_code_count > 0);
    (void)pthread_mutex_unlock(&agent->mutex);
    return object;
}

/* Who we are may not have been asked yet: a short look, whose failure is a null. */
static void refresh_identity(struct agent *agent)
{
    struct identity identity;
    struct err ignored = ERR_INIT;

    if (agent->config->aws.identity == CONFIG_IDENTITY_NONE ||
        !identity_read(agent->config, clock_boot_ms() + GUARD_ANSWER_MS, NULL, &identity, &ignored))
        return;
    (void)pthread_mutex_lock(&agent->mutex);
    agent->identity = identity;
    (void)pthread_mutex_unlock(&agent->mutex);
}

void status_command(struct job *job)
{
    static const char *const keys[] = {NULL};
    struct agent *agent = job->agent;
    struct err err = ERR_INIT;

    if (!control_only_keys(job->args, keys, &err)) {
        err.kind = ERR_USAGE;
        fail(job, &err);
        return;
    }
    refresh_identity(agent);
    job_result(
        job, 0,
        json_pack("{s:{s:s,s:I,s:I,s:o},s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
                  "daemon", "version", STILLPOINT_VERSION, "pid", (json_int_t)getpid(), "uptime_s",
                  (json_int_t)((clock_boot_ms() - agent->started_boot_ms) / 1000), "config",
                  control_text(agent->config_source->path), "guard", guard_json(agent->config),
                  "identity", identity_json(agent), "job", job_json(agent), "hold",
                  held_now_json(agent), "hold_last", held_last_json(agent), "finishing",
                  finishing_json(agent), "removing", removing_json(agent), "unsettled",
                  resume_unsettled_json(agent), "settled", resume_settled_json(agent), "loans",
                  loan_status_json(agent), "last", last_backup_json(agent), "rollback",
                  rollback_status_json(agent), "rollback_last", rollback_last_json(agent),
                  "metrics", metrics_json(agent->metrics)));
}
