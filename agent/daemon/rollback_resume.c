/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/rollback_cloud.h"
#include "agent/daemon/rollback_go.h"
#include "agent/daemon/survey.h"

enum {
    LOOK_MS = 60000,
    FIRST_WAIT_MS = 500,
    WAIT_MAX_MS = 20000,
    GIVE_UP_MS = 24 * 3600 * 1000, /* a node without EC2 for a day: the next start looks again */
};

/* --- what is told of it --------------------------------------------------------------------- */

static json_t *volumes_json(const struct rollback *rollback, enum rollback_role role)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role == role)
            (void)json_array_append_new(list,
                                        json_pack("{s:o,s:o}", "volume", control_text(volume->id),
                                                  "device", control_text(volume->part.device)));
    }
    return list;
}

json_t *rollback_json(const struct rollback *rollback)
{
    const struct rollback_state *state = &rollback->state;

    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "id", state->id, "set", state->set, "mode",
                     rollback_mode_name(state->mode), "step", rollback_step_name(state->step),
                     "backup", state->fresh[0] ? json_string(state->fresh) : json_null(), "kept",
                     volumes_json(rollback, ROLLBACK_KEPT), "made",
                     volumes_json(rollback, ROLLBACK_MADE));
}

void rollback_note(struct agent *agent, json_t *take_json)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *was = agent->rollback;
    agent->rollback = take_json;
    (void)pthread_mutex_unlock(&agent->mutex);
    json_decref(was);
}

json_t *rollback_status_json(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *object = agent->rollback ? json_deep_copy(agent->rollback) : json_null();
    (void)pthread_mutex_unlock(&agent->mutex);
    return object;
}

bool rollback_allows_backup(const struct ec2_tags *tags, struct err *err)
{
    const char *value = ec2_tags_get(tags, ROLLBACK_TAG);
    struct rollback_state state;

    if (value == NULL)
        return true;
    if (!rollback_state_parse(value, &state, err))
        return err->kind != ERR_PRECONDITION; /* what is nobody's value stops nobody */
    if (!rollback_is_under_way(state.step))
        return true;
    (void)err_set(err, ERR_BUSY, 0, "a rollback to %s is under way, at step %s", state.set,
                  rollback_step_name(state.step));
    return err_suggest(err, "stillpoint rollback says how far it is, and how to end it");
}

/* --- going on ------------------------------------------------------------------------------- */

void rollback_want(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    agent->rollback_wanted = true;
    (void)pthread_mutex_unlock(&agent->mutex);
    agent->wake(agent);
}

/* The backup that was taken before it: the journal that was to bring it to its end has gone with
 * the root volume. An entry as of after its cut is made anew. */
static bool adopt_fresh(struct rollback *rollback, struct err *err)
{
    struct agent *agent = rollback->job->agent;
    const char *id = rollback->state.fresh;
    struct gather gather = {.id = id};
    struct journal_entry entry = {.step = JOURNAL_RAISE, .keep = true};

    if (id[0] == '\0' || resume_knows(agent, id))
        return true;
    bool ok = gather_catalog(rollback->work, &gather, clock_boot_ms() + LOOK_MS, err);
    if (ok && gather.catalog.count == 1 && gather.catalog.items[0]->state != BACKUP_COMPLETE) {
        entry.backup = gather.catalog.items[0];
        entry.written_boot_ms = clock_boot_ms();
        entry.written_utc_us = clock_utc_us();
        journal_boot_id(entry.boot_id);
        ok = journal_write(agent->config->paths.state, &entry, err);
        if (ok)
            resume_want(agent);
    }
    gather_free(&gather);
    return ok;
}

static bool is_after_boot(enum rollback_step step)
{
    return step == ROLLBACK_ROOT || step == ROLLBACK_UNDO_ROOT;
}

static bool go_on(struct rollback *rollback, struct err *err)
{
    enum rollback_end end = ROLLBACK_OPEN;
    bool booted = is_after_boot(rollback->state.step);
    char why[120];
    size_t count = 0;
    bool ok = false;

    switch (rollback->state.step) {
    case ROLLBACK_VOLUMES:
    case ROLLBACK_STOP:
        if (rollback->last.outcome == ROLLBACK_OUTCOME_NONE) {
            (void)snprintf(why, sizeof(why), "stillpointd ended in the midst of it, at step %s",
                           rollback_step_name(rollback->state.step));
            rollback_ends_as(rollback, ROLLBACK_TAKEN_BACK, why);
        }
        return rollback_go_back(rollback, true, err);
    case ROLLBACK_SWAP:
    case ROLLBACK_ROOT:
    case ROLLBACK_START:
        ok = rollback_go_on(rollback, &end, err);
        if (ok && booted && !adopt_fresh(rollback, err))
            log_err(LOG_LEVEL_WARNING, "fresh_backup_not_adopted", err);
        return ok || end == ROLLBACK_WENT_BACK;
    case ROLLBACK_DONE:
    case ROLLBACK_STEP_COUNT:
        return true;
    case ROLLBACK_COMMIT:
        return rollback_commit(rollback, &count, err);
    case ROLLBACK_UNDO_STOP:
        return rollback_undo_back(rollback, err);
    case ROLLBACK_UNDO_SWAP:
    case ROLLBACK_UNDO_ROOT:
    case ROLLBACK_UNDO_START:
    case ROLLBACK_UNDO_CLEAN:
        return rollback_take_back(rollback, "undone", err);
    }
    return true;
}

static bool is_at_rest(const struct rollback *rollback)
{
    return rollback->state.step == ROLLBACK_DONE;
}

/* One pass. False: to be tried again; true: nothing is left to be done.
 *   ret_hopeless  a node that may not look, or has a later version's tag, won't be able to soon */
static bool pass(struct job *job, bool *ret_hopeless, struct err *err)
{
    struct work work;
    struct rollback rollback = {.job = job, .work = &work};
    bool there = false, ok;

    work_open(&work, job);
    rollback.cancel = &job->cancel;
    ok = survey_node(&work, clock_boot_ms() + LOOK_MS, err) &&
         rollback_read(&rollback, clock_boot_ms() + LOOK_MS, &there, err);
    rollback.cancel = NULL;
    *ret_hopeless = !ok && (err->kind == ERR_AWS_DENIED || err->kind == ERR_PROTOCOL ||
                            err->kind == ERR_PRECONDITION);
    if (ok && there && !is_at_rest(&rollback)) {
        ok = job_take_node(job, err);
        /* Whoever had it may have gone on with the rollback meanwhile. */
        if (ok)
            ok = rollback_read(&rollback, clock_boot_ms() + LOOK_MS, &there, err);
        if (ok && there && !is_at_rest(&rollback)) {
            job_set_id(job, rollback.state.id);
            log_event(LOG_LEVEL_NOTICE, "rollback_goes_on", "id=%s set=%s step=%s",
                      rollback.state.id, rollback.state.set,
                      rollback_step_name(rollback.state.step));
            ok = go_on(&rollback, err);
        }
        if (job->node)
            job_leave_node(job);
    }
    free(rollback.volumes);
    work_close(&work);
    return ok;
}

void rollback_resume(struct job *job)
{
    int64_t until_ms = clock_boot_ms() + GIVE_UP_MS, wait_ms = FIRST_WAIT_MS;
    char told[ERR_TEXT_BYTES] = "";

    if (job->agent->config->aws.identity == CONFIG_IDENTITY_NONE)
        return;
    for (;;) {
        struct err err = ERR_INIT, nap_err = ERR_INIT;
        bool hopeless = false;
        if (pass(job, &hopeless, &err))
            return;
        if (strcmp(told, err.text) != 0 && err.kind != ERR_CANCELLED)
            log_err(LOG_LEVEL_WARNING, "rollback_waits", &err);
        (void)snprintf(told, sizeof(told), "%s", err.text);
        if (hopeless ||
            !deadline_sleep(clock_boot_ms() + wait_ms, until_ms, &job->cancel, &nap_err))
            return;
        wait_ms = wait_ms * 3 / 2 < WAIT_MAX_MS ? wait_ms * 3 / 2 : WAIT_MAX_MS;
    }
}
