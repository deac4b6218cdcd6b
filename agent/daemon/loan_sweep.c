/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_sweep.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/loan_gate.h"
#include "agent/daemon/loan_return.h"
#include "agent/daemon/loan_status.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "aws/ec2_volumes.h"

/* How long ago the loan was begun, at most: as journal_age_ms. */
static int64_t age_ms(const struct loan *loan, int64_t since_boot_ms)
{
    char boot_id[JOURNAL_BOOT_ID_BYTES];

    journal_boot_id(boot_id);
    if (boot_id[0] != '\0' && strcmp(boot_id, loan->boot_id) == 0)
        since_boot_ms = loan->written_boot_ms;
    return clock_boot_ms() - since_boot_ms;
}

static bool any_unnamed(const struct loan *loan)
{
    bool unnamed = false;

    for (size_t i = 0; i < loan->count; i++)
        unnamed = unnamed || loan->volumes[i].volume_id[0] == '\0';
    return unnamed;
}

/* --- a record ------------------------------------------------------------------------------- */

/* Never by the ids of the record alone: it may be as old as the disk that it lies on, and the
 * volumes somebody else's by now. */
static bool settle_record(struct work *work, const struct loan *loan, int64_t deadline_ms,
                          bool *ret_open, struct err *err)
{
    const char *id = loan->id;
    const struct ec2_filter by_tag = {"tag:" LOAN_TAG, &id, 1};
    size_t seen = 0;

    if (loan->step == LOAN_HANDING)
        return loan_return_keep(work, loan, deadline_ms, err);
    if (!loan_return_found(work, &by_tag, 1, deadline_ms, &work->job->cancel, &seen, err))
        return false;
    if (seen > 0)
        log_event(LOG_LEVEL_NOTICE, "loan_returned", "loan=%s id=%s volumes=%zu", loan->id,
                  loan->backup_id, seen);
    /* The answer to CreateVolume was lost with the daemon: EC2's list may lag behind. */
    *ret_open = seen < loan->count && any_unnamed(loan) &&
                age_ms(loan, work->job->agent->started_boot_ms) < settle_lost_ms();
    return true;
}

static bool sweep_record(struct work *work, const char *id, int64_t deadline_ms, bool *ret_open)
{
    const char *state = work->config->paths.state;
    struct loan loan = {.count = 0};
    struct err err = ERR_INIT;

    *ret_open = false;
    bool ok = loan_record_read(state, id, &loan, &err);
    if (!ok && err.kind == ERR_NOT_FOUND)
        return true; /* its job has ended it */
    if (ok && strcmp(loan.instance, work->identity.document.instance_id) != 0)
        log_event(LOG_LEVEL_NOTICE, "loan_void", "loan=%s of=%s", id, loan.instance);
    else
        ok = ok && settle_record(work, &loan, deadline_ms, ret_open, &err);
    if (ok && !*ret_open)
        ok = loan_record_remove(state, id, &err);
    if (!ok)
        (void)err_wrap(&err, "loan %s", id);
    *ret_open = *ret_open || !ok;
    if (loan_status_note(work->job->agent, id, ok ? NULL : &err))
        log_err(LOG_LEVEL_WARNING, "loan_not_returned", &err);
    loan_free(&loan);
    return ok;
}

static bool sweep_records(struct work *work, int64_t deadline_ms, size_t *ret_open, struct err *err)
{
    struct strs ids = {NULL, 0}, active = {NULL, 0};

    /* The names first: a loan that begins in between is active by then. */
    bool ok = loan_record_list(work->config->paths.state, &ids, err) &&
              loan_gate_list(work->job->agent, &active, err);
    for (size_t i = 0; ok && i < ids.count && !cancel_asked(&work->job->cancel); i++) {
        bool open = false;
        if (!strs_has(&active, ids.items[i]))
            (void)sweep_record(work, ids.items[i], deadline_ms, &open);
        *ret_open += open;
    }
    strs_free(&ids);
    strs_free(&active);
    return ok;
}

/* --- what the tags say ---------------------------------------------------------------------- */

static bool take_loan(void *self, const struct ec2_volume *volume, struct err *err)
{
    const char *loan = ec2_tags_get(&volume->tags, LOAN_TAG);

    if (strcmp(volume->state, "deleting") == 0 || strcmp(volume->state, "deleted") == 0)
        return true; /* on its way, and shown for a while */
    return loan == NULL || loan[0] == '\0' || strs_add_once(self, loan, err);
}

static bool sweep_one_tag(struct work *work, const char *loan, int64_t deadline_ms, struct err *err)
{
    const char *instance = work->identity.document.instance_id;
    const struct ec2_filter filters[] = {{"tag:" LOAN_TAG, &loan, 1},
                                         {"tag:stillpoint:instance", &instance, 1}};
    size_t seen = 0;

    if (!loan_return_found(work, filters, 2, deadline_ms, &work->job->cancel, &seen, err))
        return err_wrap(err, "loan %.60s", loan);
    log_event(LOG_LEVEL_NOTICE, "loan_returned", "loan=%.60s volumes=%zu", loan, seen);
    return true;
}

static bool sweep_tags(struct work *work, int64_t deadline_ms, struct err *err)
{
    static const char *const key = LOAN_TAG;
    const char *instance = work->identity.document.instance_id;
    const struct ec2_filter filters[] = {{"tag-key", &key, 1},
                                         {"tag:stillpoint:instance", &instance, 1}};
    struct strs loans = {NULL, 0}, active = {NULL, 0}, records = {NULL, 0};

    /* The volumes first: what was made meanwhile belongs to a loan that is active by then. */
    bool ok = ec2_list_volumes(work->ec2, NULL, 0, filters, 2, deadline_ms, &work->job->cancel,
                               take_loan, &loans, err) &&
              loan_gate_list(work->job->agent, &active, err) &&
              loan_record_list(work->config->paths.state, &records, err);
    for (size_t i = 0; ok && i < loans.count && !cancel_asked(&work->job->cancel); i++) {
        const char *loan = loans.items[i];
        if (!strs_has(&active, loan) && !strs_has(&records, loan))
            ok = sweep_one_tag(work, loan, deadline_ms, err);
    }
    strs_free(&loans);
    strs_free(&active);
    strs_free(&records);
    return ok && !cancel_asked(&work->job->cancel);
}

/* --- all of it ------------------------------------------------------------------------------ */

static bool sweep(struct work *work, int64_t deadline_ms, size_t *ret_open, struct err *err)
{
    struct agent *agent = work->job->agent;
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;
    struct strs ids = {NULL, 0};

    (void)pthread_mutex_lock(&agent->mutex);
    bool by_tags = node && !agent->loans_swept;
    (void)pthread_mutex_unlock(&agent->mutex);
    bool ok = loan_record_list(work->config->paths.state, &ids, err);
    bool nothing = ids.count == 0 && !by_tags;
    strs_free(&ids);
    if (!ok || nothing)
        return ok;
    ok = node ? survey_node(work, deadline_ms, err)
              : work_ec2(work->config, NULL, agent->credentials, &work->ec2, err);
    ok = ok && sweep_records(work, deadline_ms, ret_open, err) &&
         (!by_tags || sweep_tags(work, deadline_ms, err));
    (void)pthread_mutex_lock(&agent->mutex);
    agent->loans_swept = agent->loans_swept || (ok && by_tags);
    (void)pthread_mutex_unlock(&agent->mutex);
    return ok;
}

bool loan_sweep(struct job *job, int64_t deadline_ms, size_t *ret_open, struct err *err)
{
    struct work work;

    *ret_open = 0;
    work_open(&work, job);
    bool ok = sweep(&work, deadline_ms, ret_open, err);
    work_close(&work);
    return ok;
}
