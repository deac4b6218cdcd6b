/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_return.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/grow.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/loan.h"
#include "agent/daemon/loan_gate.h"
#include "agent/daemon/loan_names.h"
#include "agent/daemon/resume.h"
#include "aws/ec2_snapshots.h"
#include "aws/ec2_volumes.h"

enum {
    END_MS = 10 * 60 * 1000, /* with a backup that has the node meanwhile */
    END_STOPPED_MS = 20000,  /* where the daemon ends: systemd's patience */
    FIRST_WAIT_MS = 50,      /* grows by half each time */
    WAIT_MAX_MS = 3000,
};

struct found {
    char id[EC2_ID_BYTES];
    char state[EC2_ID_BYTES];
    char attachment[EC2_ID_BYTES]; /* its status; "": it is not attached */
};

struct returning {
    struct work *work;
    const struct ec2_filter *filters;
    size_t filter_count;
    int64_t deadline_ms;
    const struct cancel *cancel;
    struct strs gone; /* deleted by us: EC2's list may still show them */
    struct found *list;
    size_t count;
    bool gate;      /* a move has begun */
    struct err why; /* the last refusal that may pass by itself */
};

static bool take(void *self, const struct ec2_volume *volume, struct err *err)
{
    struct returning *returning = self;

    if (strcmp(volume->state, "deleting") == 0 || strcmp(volume->state, "deleted") == 0 ||
        strs_has(&returning->gone, volume->id))
        return true;
    struct found *found = grow_by_one(&returning->list, &returning->count, sizeof(*found));
    if (found == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    (void)snprintf(found->id, sizeof(found->id), "%s", volume->id);
    (void)snprintf(found->state, sizeof(found->state), "%s", volume->state);
    if (volume->attachment_count > 0 && strcmp(volume->attachments[0].status, "detached") != 0)
        (void)snprintf(found->attachment, sizeof(found->attachment), "%s",
                       volume->attachments[0].status);
    return true;
}

static bool look(struct returning *returning, struct err *err)
{
    free(returning->list);
    returning->list = NULL;
    returning->count = 0;
    return ec2_list_volumes(returning->work->ec2, NULL, 0, returning->filters,
                            returning->filter_count, returning->deadline_ms, returning->cancel,
                            take, returning, err);
}

/* A refusal that may pass is kept; the next look sees what came of it. */
static bool bear(struct returning *returning, bool ok, const struct err *why, struct err *err)
{
    if (ok)
        return true;
    if (why->kind == ERR_AWS || finish_passes(returning->work, why)) {
        returning->why = *why;
        return true;
    }
    *err = *why;
    return false;
}

static bool detach_one(struct returning *returning, const struct found *found, struct err *err)
{
    struct err why = ERR_INIT;

    if (!returning->gate && !loan_gate_enter(returning->work->job->agent, returning->deadline_ms,
                                             returning->cancel, NULL, err))
        return false;
    returning->gate = true;
    if (strcmp(found->attachment, "detaching") == 0)
        return true;
    bool ok = ec2_detach_volume(returning->work->ec2, found->id, NULL, NULL, false,
                                returning->deadline_ms, returning->cancel, &why);
    return bear(returning, ok, &why, err);
}

static bool delete_one(struct returning *returning, const struct found *found, struct err *err)
{
    struct err why = ERR_INIT;

    bool ok = ec2_delete_volume(returning->work->ec2, found->id, returning->deadline_ms,
                                returning->cancel, &why);
    if (!ok)
        return bear(returning, false, &why, err);
    log_event(LOG_LEVEL_INFO, "volume_deleted", "volume=%s", found->id);
    loan_gate_remove(returning->work->job->agent, found->id);
    return strs_add(&returning->gone, found->id, err);
}

/* One round: what is attached is detached first, all of it, so that the gate is soon free. */
static bool act(struct returning *returning, struct err *err)
{
    size_t attached = 0;

    for (size_t i = 0; i < returning->count; i++) {
        if (returning->list[i].attachment[0] == '\0')
            continue;
        attached++;
        if (!detach_one(returning, &returning->list[i], err))
            return false;
    }
    if (attached > 0)
        return true;
    if (returning->gate)
        loan_gate_leave(returning->work->job->agent);
    returning->gate = false;
    for (size_t i = 0; i < returning->count; i++) {
        if (!delete_one(returning, &returning->list[i], err))
            return false;
    }
    return true;
}

static bool return_all(struct returning *returning, size_t *ret_seen, struct err *err)
{
    int64_t wait_ms = FIRST_WAIT_MS;

    for (;;) {
        struct err why = ERR_INIT, nap_err = ERR_INIT;
        bool looked = look(returning, &why);
        if (!bear(returning, looked, &why, err))
            return false;
        if (looked && returning->count + returning->gone.count > *ret_seen)
            *ret_seen = returning->count + returning->gone.count;
        if (looked && !act(returning, err))
            return false;
        if (looked && returning->count == 0)
            return true;
        /* What was just deleted needs no other look. */
        size_t left = 0;
        for (size_t i = 0; i < returning->count; i++)
            left += !strs_has(&returning->gone, returning->list[i].id);
        if (looked && left == 0)
            return true;
        if (!deadline_sleep(clock_boot_ms() + wait_ms, returning->deadline_ms, returning->cancel,
                            &nap_err)) {
            *err = returning->why.kind != ERR_NONE ? returning->why : nap_err;
            return err_wrap(err, "%zu volumes are not gone yet", left);
        }
        wait_ms = wait_ms * 3 / 2 < WAIT_MAX_MS ? wait_ms * 3 / 2 : WAIT_MAX_MS;
    }
}

bool loan_return_found(struct work *work, const struct ec2_filter *filters, size_t filter_count,
                       int64_t deadline_ms, const struct cancel *cancel, size_t *ret_seen,
                       struct err *err)
{
    struct returning returning = {.work = work,
                                  .filters = filters,
                                  .filter_count = filter_count,
                                  .deadline_ms = deadline_ms,
                                  .cancel = cancel,
                                  .why = ERR_INIT};

    *ret_seen = 0;
    bool ok = return_all(&returning, ret_seen, err);
    if (returning.gate)
        loan_gate_leave(work->job->agent);
    free(returning.list);
    strs_free(&returning.gone);
    return ok || err_suggest(err, "the daemon goes on with it: see `stillpoint status`");
}

/* --- the end of one loan ------------------------------------------------------------------ */

/* By the ids that are known; where one may exist that is not, by the tag that all have. */
static bool return_loan(struct work *work, const struct loan *loan, int64_t deadline_ms,
                        bool *ret_unknown, struct err *err)
{
    const char *ids[LOAN_VOLUMES_MAX], *id = loan->id;
    size_t known = 0, seen = 0;

    *ret_unknown = false;
    for (size_t i = 0; i < loan->count; i++) {
        if (loan->volumes[i].volume_id[0] != '\0')
            ids[known++] = loan->volumes[i].volume_id;
        else
            *ret_unknown = *ret_unknown || loan->volumes[i].asked;
    }
    const struct ec2_filter by_id = {"volume-id", ids, known};
    const struct ec2_filter by_tag = {"tag:" LOAN_TAG, &id, 1};
    if (known > 0 && !loan_return_found(work, &by_id, 1, deadline_ms, NULL, &seen, err))
        return false;
    return !*ret_unknown || (loan_return_found(work, &by_tag, 1, deadline_ms, NULL, &seen, err) &&
                             (seen == 0 || (*ret_unknown = false, true)));
}

static void forget(struct work *work, const struct loan *loan)
{
    for (size_t i = 0; i < loan->count; i++)
        loan_gate_remove(work->job->agent, loan->volumes[i].volume_id);
    loan_gate_remove(work->job->agent, loan->id);
}

static bool is_stopped(struct job *job)
{
    (void)pthread_mutex_lock(&job->mutex);
    bool stopped = job->stopped;
    (void)pthread_mutex_unlock(&job->mutex);
    return stopped;
}

bool loan_end(struct work *work, struct loan *loan, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + (is_stopped(work->job) ? END_STOPPED_MS : END_MS);
    bool unknown = false;

    if (loan->id[0] == '\0')
        return true;
    point_reach("loan-end");
    bool ok = return_loan(work, loan, deadline_ms, &unknown, err);
    if (ok && unknown) {
        ok = err_set(err, ERR_SENT, 0, "whether EC2 made another volume is not known");
        (void)err_suggest(err, "the daemon looks for it: tag " LOAN_TAG "=%s", loan->id);
    }
    if (ok)
        ok = loan_record_remove(work->config->paths.state, loan->id, err);
    /* From here the sweep may have it: what it has on loan is no longer this job's. */
    forget(work, loan);
    if (!ok)
        resume_want(work->job->agent);
    loan->id[0] = '\0';
    return ok || err_wrap(err, "the volumes of loan %s", loan->backup_id);
}

/* --- kept ----------------------------------------------------------------------------------- */

static bool take_id(void *self, const struct ec2_volume *volume, struct err *err)
{
    return strs_add(self, volume->id, err);
}

static bool keep(struct work *work, const struct strs *ids, const struct ec2_tags *tags,
                 int64_t deadline_ms, struct err *err)
{
    static const char *const keys[] = {LOAN_TAG};
    const char *const *list = (const char *const *)ids->items;

    return ids->count == 0 ||
           ((tags == NULL || tags->count == 0 ||
             ec2_create_tags(work->ec2, list, ids->count, tags, deadline_ms, NULL, err)) &&
            ec2_delete_tags(work->ec2, list, ids->count, keys, 1, deadline_ms, NULL, err));
}

bool loan_return_keep(struct work *work, const struct loan *loan, int64_t deadline_ms,
                      struct err *err)
{
    const char *id = loan->id;
    const struct ec2_filter by_tag = {"tag:" LOAN_TAG, &id, 1};
    struct strs ids = {NULL, 0};

    bool ok =
        ec2_list_volumes(work->ec2, NULL, 0, &by_tag, 1, deadline_ms, NULL, take_id, &ids, err) &&
        keep(work, &ids, NULL, deadline_ms, err);
    strs_free(&ids);
    return ok;
}

bool loan_hand_over(struct work *work, struct loan *loan, const struct ec2_tags *tags,
                    struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + END_MS;
    struct strs ids = {NULL, 0};

    loan->step = LOAN_HANDING;
    bool ok = loan_record_write(work->config->paths.state, loan, err);
    for (size_t i = 0; ok && i < loan->count; i++)
        ok = strs_add(&ids, loan->volumes[i].volume_id, err);
    point_reach("loan-handing");
    ok = ok && keep(work, &ids, tags, deadline_ms, err) &&
         loan_record_remove(work->config->paths.state, loan->id, err);
    strs_free(&ids);
    forget(work, loan);
    if (!ok)
        resume_want(work->job->agent);
    loan->id[0] = '\0';
    return ok;
}

void loan_close(struct work *work, struct loan *loan)
{
    loan_names_leave(work->job->agent, work->job);
    loan_free(loan);
}
