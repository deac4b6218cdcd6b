/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/resume.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/daemon/catalog_json.h"
#include "agent/daemon/last_backup.h"
#include "agent/daemon/loan_sweep.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/metrics_look.h"
#include "agent/daemon/resume_left.h"
#include "agent/daemon/survey.h"

enum {
    PASS_MS = 60000,
    WHO_MS = 15000,
    FIRST_WAIT_MS = 500,
    WAIT_MAX_MS = 20000,
    GIVE_UP_MS = 24 * 3600 * 1000, /* a node without EC2 for a day: the next start looks again */
};

/* --- what `status` tells ------------------------------------------------------------------ */

/*   true  WHY is another than before */
static bool note_open(struct agent *agent, const char *id, const char *why)
{
    (void)pthread_mutex_lock(&agent->mutex);
    if (agent->unsettled_whys == NULL)
        agent->unsettled_whys = json_object();
    const char *was = json_string_value(json_object_get(agent->unsettled_whys, id));
    bool other = why != NULL && (was == NULL || strcmp(was, why) != 0);
    if (why != NULL)
        (void)json_object_set_new(agent->unsettled_whys, id, control_text(why));
    else
        (void)json_object_del(agent->unsettled_whys, id);
    (void)pthread_mutex_unlock(&agent->mutex);
    return other;
}

static void note_trouble(struct agent *agent, const char *id, const char *why)
{
    char quoted[LOG_QUOTE_BYTES];

    if (note_open(agent, id, why))
        log_event(LOG_LEVEL_WARNING, "unsettled", "id=%s why=%s", id, log_quote(why, quoted));
}

/* What can't be read can't be settled: a person has to look, and is told what of it is in EC2. */
static void note_unreadable(struct agent *agent, const char *id, const struct err *err)
{
    char why[ERR_TEXT_BYTES + 160];

    (void)snprintf(why, sizeof(why),
                   "%s (`stillpoint show %s` says what EC2 has of it; then remove the file)",
                   err->text, id);
    note_trouble(agent, id, why);
}

static void note_settled(struct agent *agent, const char *id, const struct left_note *note)
{
    char at[CLOCK_TEXT_BYTES];
    json_t *item = json_pack("{s:s,s:s,s:o,s:s}", "id", id, "outcome", note->outcome, "text",
                             control_text(note->text), "at", clock_utc_text(clock_utc_us(), at));

    (void)pthread_mutex_lock(&agent->mutex);
    if (agent->settled == NULL)
        agent->settled = json_array();
    (void)json_array_append_new(agent->settled, item);
    if (json_array_size(agent->settled) > RESUME_NOTES_MAX)
        (void)json_array_remove(agent->settled, 0);
    (void)pthread_mutex_unlock(&agent->mutex);
}

/* The last backup may be one that was left to be settled, by a rollback say: then this is what
 * became of it. */
static void note_last(struct agent *agent, const struct backup *backup, const char *outcome)
{
    static const char *const keys[] = {"consistency", "shortfall", "image", "snapshots"};
    bool complete = strcmp(outcome, "finished") == 0 || strcmp(outcome, "adopted") == 0;
    bool gone = strcmp(outcome, "removed") == 0 || strcmp(outcome, "failed") == 0 ||
                strcmp(outcome, "nothing") == 0;
    json_t *now = complete || gone ? catalog_json(backup) : NULL;

    if (now == NULL)
        return;
    json_t *facts =
        json_pack("{s:s}", "state", backup_state_name(complete ? BACKUP_COMPLETE : BACKUP_FAILED));
    for (size_t i = 0; complete && i < sizeof(keys) / sizeof(keys[0]); i++)
        (void)json_object_set(facts, keys[i], json_object_get(now, keys[i]));
    last_backup_update(agent, backup->id, facts);
    json_decref(now);
}

static void tell(struct agent *agent, const char *id, enum left_fate fate,
                 const struct left_note *note)
{
    char quoted[LOG_QUOTE_BYTES];

    if (fate == LEFT_OPEN && note->trouble)
        note_trouble(agent, id, note->text);
    else
        (void)note_open(agent, id, fate == LEFT_OPEN ? note->text : NULL);
    if (fate == LEFT_OPEN)
        return;
    log_event(strcmp(note->outcome, "failed") == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE, "settled",
              "id=%s outcome=%s text=%s", id, note->outcome, log_quote(note->text, quoted));
    note_settled(agent, id, note);
}

json_t *resume_settled_json(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    json_t *list = agent->settled ? json_deep_copy(agent->settled) : json_array();
    (void)pthread_mutex_unlock(&agent->mutex);
    return list;
}

/* ENTRY: NULL where it can't be read. */
static json_t *one_open_json(struct agent *agent, const char *id, const struct journal_entry *entry)
{
    char since[CLOCK_TEXT_BYTES];
    const char *step = entry != NULL ? journal_step_name(entry->step) : NULL;
    const char *at = entry != NULL ? clock_utc_text(entry->written_utc_us, since) : NULL;

    (void)pthread_mutex_lock(&agent->mutex);
    /* A copy: jansson's last decref synchronises with nobody, so what the agent frees under its
     * mutex is never read without it. */
    json_t *why = json_deep_copy(json_object_get(agent->unsettled_whys, id));
    json_t *object = json_pack("{s:s,s:s?,s:s?,s:o}", "id", id, "step", step, "since", at, "why",
                               why ? why : json_null());
    (void)pthread_mutex_unlock(&agent->mutex);
    return object;
}

/* One that was looked for long enough is no news, once it was looked for since the start. */
static void add_open(struct agent *agent, const char *id, json_t *list)
{
    struct journal_entry entry = {.step = JOURNAL_HOLD};
    struct err err = ERR_INIT;

    if (!journal_read(agent->config->paths.state, id, &entry, &err)) {
        if (err.kind != ERR_NOT_FOUND) { /* else it is settled by now */
            note_unreadable(agent, id, &err);
            (void)json_array_append_new(list, one_open_json(agent, id, NULL));
        }
        return;
    }
    (void)pthread_mutex_lock(&agent->mutex);
    bool looked = agent->resume_looked;
    (void)pthread_mutex_unlock(&agent->mutex);
    if (entry.step != JOURNAL_ABSENT || !looked)
        (void)json_array_append_new(list, one_open_json(agent, id, &entry));
    journal_entry_free(&entry);
}

/* Ids of entries that no job works on. */
static bool list_left(struct agent *agent, struct strs *ret_ids, struct err *err)
{
    struct strs all = {NULL, 0};

    bool ok = journal_list(agent->config->paths.state, &all, err);
    for (size_t i = 0; ok && i < all.count; i++)
        ok = job_works_on(agent, all.items[i]) || strs_add(ret_ids, all.items[i], err);
    strs_free(&all);
    return ok;
}

json_t *resume_unsettled_json(struct agent *agent)
{
    struct strs ids = {NULL, 0};
    struct err err = ERR_INIT;
    json_t *list = json_array();

    if (!list_left(agent, &ids, &err)) { /* what it has is not known: that is told, too */
        note_trouble(agent, "-", err.text);
        (void)json_array_append_new(list, one_open_json(agent, "-", NULL));
    }
    for (size_t i = 0; i < ids.count; i++)
        add_open(agent, ids.items[i], list);
    strs_free(&ids);
    return list;
}

bool resume_knows(struct agent *agent, const char *id)
{
    struct journal_entry entry = {.step = JOURNAL_HOLD};
    struct err ignored = ERR_INIT;

    bool known = journal_read(agent->config->paths.state, id, &entry, &ignored);
    journal_entry_free(&entry);
    return known;
}

/* --- a pass -------------------------------------------------------------------------------- */

static bool settle_one(struct work *work, const char *id, int64_t deadline_ms)
{
    struct agent *agent = work->job->agent;
    struct journal_entry entry = {.step = JOURNAL_HOLD};
    enum left_fate fate = LEFT_QUIET;
    struct left_note note;
    struct err err = ERR_INIT;

    if (journal_read(agent->config->paths.state, id, &entry, &err)) {
        bool told = entry.step == JOURNAL_ABSENT;
        fate = left_settle(work, &entry, deadline_ms, &note);
        if (fate == LEFT_SETTLED) {
            note_last(agent, entry.backup, note.outcome);
            metrics_settled(agent->metrics, entry.backup, note.outcome, entry.image);
        }
        if (fate != LEFT_QUIET || !told)
            tell(agent, id, fate, &note);
    } else if (err.kind != ERR_NOT_FOUND) { /* else another has settled it */
        note_unreadable(agent, id, &err);
    }
    journal_entry_free(&entry);
    return fate == LEFT_OPEN;
}

bool resume_pass(struct job *job, int64_t deadline_ms, size_t *ret_open, struct err *err)
{
    struct agent *agent = job->agent;
    struct strs ids = {NULL, 0};
    struct work work;

    *ret_open = 0;
    if (agent->config->aws.identity == CONFIG_IDENTITY_NONE ||
        pthread_mutex_trylock(&agent->resume_mutex) != 0)
        return true;
    work_open(&work, job);
    bool ok =
        list_left(agent, &ids, err) && (ids.count == 0 || survey_node(&work, deadline_ms, err));
    for (size_t i = 0; ok && i < ids.count && !cancel_asked(&job->cancel); i++) {
        if (!job_works_on(agent, ids.items[i]))
            *ret_open += settle_one(&work, ids.items[i], deadline_ms);
    }
    for (size_t i = 0; !ok && i < ids.count; i++)
        (void)note_open(agent, ids.items[i], err->text);
    if (!ok)
        *ret_open = ids.count;
    (void)pthread_mutex_lock(&agent->mutex);
    agent->resume_looked = agent->resume_looked || (ok && !cancel_asked(&job->cancel));
    (void)pthread_mutex_unlock(&agent->mutex);
    strs_free(&ids);
    work_close(&work);
    (void)pthread_mutex_unlock(&agent->resume_mutex);
    return ok;
}

/* --- the job -------------------------------------------------------------------------------- */

void resume_want(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    agent->resume_wanted = true;
    (void)pthread_mutex_unlock(&agent->mutex);
    agent->wake(agent);
}

/* Whether the state directory is another instance's, which came here with a copy of its disks: one
 * look, so that the copy says who it is from its first start on. What can't be known now the next
 * backup asks again. */
static void know_the_node(struct job *job)
{
    struct err err = ERR_INIT;
    struct work work;

    if (job->agent->config->aws.identity == CONFIG_IDENTITY_NONE)
        return;
    work_open(&work, job);
    if (!survey_identity(&work, clock_boot_ms() + WHO_MS, &err) && err.kind != ERR_CANCELLED)
        log_err(LOG_LEVEL_NOTICE, "identity_unknown", &err);
    work_close(&work);
}

void resume_command(struct job *job)
{
    int64_t until_ms = clock_boot_ms() + GIVE_UP_MS, wait_ms = FIRST_WAIT_MS;
    bool told = false;

    know_the_node(job);
    for (size_t round = 0;; round++) {
        struct err err = ERR_INIT, nap_err = ERR_INIT;
        size_t open = 0, lent = 0;
        bool ok = resume_pass(job, clock_boot_ms() + PASS_MS, &open, &err);
        ok = ok && loan_sweep(job, clock_boot_ms() + PASS_MS, &lent, &err);
        if (!ok && !told)
            log_err(LOG_LEVEL_WARNING, "not_settled", &err);
        told = !ok;
        if (round == 0 || open + lent == 0)
            metrics_look(job);
        if ((ok && open + lent == 0) ||
            !deadline_sleep(clock_boot_ms() + wait_ms, until_ms, &job->cancel, &nap_err))
            return;
        wait_ms = wait_ms * 3 / 2 < WAIT_MAX_MS ? wait_ms * 3 / 2 : WAIT_MAX_MS;
    }
}
