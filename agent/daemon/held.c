/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/held.h"

#include <limits.h>
#include <poll.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/hold_record.h"
#include "agent/daemon/journal.h"

enum { LOOK_MS = 10, EXIT_ENDED = 1, MISSED_MAX = 16 };

static void lock(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
}

static void unlock(struct agent *agent)
{
    (void)pthread_mutex_unlock(&agent->mutex);
}

/* A hold is over, whatever becomes of the note of it. */
void held_keep(struct agent *agent, const json_t *last)
{
    struct err err = ERR_INIT;

    if (last != NULL && !hold_record_write(agent->config->paths.state, last, &err))
        log_err(LOG_LEVEL_WARNING, "hold_not_noted", &err);
}

/* A daemon that died in a hold left its entry in the journal (resume.h lets go of the hooks). */
static json_t *broken_off(const struct journal_entry *entry)
{
    const struct hold_facts facts = {.id = entry->backup->id,
                                     .expected = LABEL_UNCONFIRMED,
                                     .since_utc_us = entry->written_utc_us,
                                     .until_utc_us = BACKUP_UNKNOWN};
    json_t *record = hold_record_held(entry->backup, &facts);

    if (record != NULL)
        hold_record_end(record, "stillpointd ended while it held");
    return record;
}

static void find_broken_off(struct agent *agent)
{
    const char *state = agent->config->paths.state;
    struct strs ids = {NULL, 0};
    struct err passed_over = ERR_INIT; /* what is wrong with the journal, its own pass tells */

    (void)journal_list(state, &ids, &passed_over);
    for (size_t i = 0; i < ids.count; i++) {
        struct journal_entry entry = {.step = JOURNAL_HOLD};
        if (!journal_read(state, ids.items[i], &entry, &passed_over))
            continue;
        /* One that had ended is on record before its entry goes. */
        if (entry.step == JOURNAL_LENT &&
            strcmp(entry.backup->id, hold_record_id(agent->held.last)) != 0) {
            json_t *last = broken_off(&entry);
            held_keep(agent, last);
            held_end(agent, last, EXIT_ENDED);
        }
        journal_entry_free(&entry);
    }
    strs_free(&ids);
}

void held_open(struct agent *agent)
{
    struct err err = ERR_INIT;

    agent->held.last_exit = EXIT_ENDED;
    if (!hold_record_read(agent->config->paths.state, &agent->held.last, &err) &&
        err.kind != ERR_NOT_FOUND)
        log_err(LOG_LEVEL_WARNING, "hold_not_read", &err);
    find_broken_off(agent);
}

void held_begin(struct agent *agent, struct cancel *ask, int64_t end_boot_ms, json_t *take_now)
{
    lock(agent);
    agent->held.ask = ask;
    agent->held.end_boot_ms = end_boot_ms;
    agent->held.asked_boot_us = 0;
    agent->held.now = take_now;
    unlock(agent);
}

int64_t held_close(struct agent *agent)
{
    lock(agent);
    agent->held.ask = NULL;
    int64_t asked_us = agent->held.asked_boot_us;
    unlock(agent);
    return asked_us;
}

/* With the mutex. Whoever held before may still ask, once another has come and gone. */
static void keep_missed(struct held_state *held, json_t *take_record)
{
    if (held->missed == NULL)
        held->missed = json_array();
    (void)json_array_append_new(held->missed, take_record);
    if (json_array_size(held->missed) > MISSED_MAX)
        (void)json_array_remove(held->missed, 0);
}

/* With the mutex. NULL: none of that id. */
static json_t *take_missed(struct held_state *held, const char *id)
{
    for (size_t i = 0; i < json_array_size(held->missed); i++) {
        const json_t *record = json_array_get(held->missed, i);
        if (strcmp(hold_record_id(record), id) != 0)
            continue;
        json_t *copy = json_deep_copy(record);
        (void)json_array_remove(held->missed, i);
        return copy;
    }
    return NULL;
}

void held_end(struct agent *agent, json_t *take_last, int exit_code)
{
    lock(agent);
    json_t *now = agent->held.now, *before = agent->held.last;
    agent->held.now = NULL;
    agent->held.last = take_last;
    agent->held.last_exit = exit_code;
    agent->held.ended++;
    if (before != NULL && hold_record_is_news(before)) {
        keep_missed(&agent->held, before);
        before = NULL;
    }
    unlock(agent);
    json_decref(now);
    json_decref(before);
}

enum held_answer held_ask(struct agent *agent, const char *id, unsigned *ret_ended)
{
    enum held_answer answer = HELD_NOTHING;

    lock(agent);
    struct held_state *held = &agent->held;
    *ret_ended = held->ended;
    if (held->now != NULL && id != NULL && strcmp(hold_record_id(held->now), id) != 0) {
        answer = HELD_OTHER;
    } else if (held->now != NULL) {
        /* A daemon that was stopped past the lease's end may hear of it before the holder wakes. */
        bool in_time =
            held->ask != NULL && held->asked_boot_us == 0 && clock_boot_ms() < held->end_boot_ms;
        answer = in_time ? HELD_ASKED : HELD_ENDING;
        if (in_time) {
            held->asked_boot_us = clock_boot_us();
            cancel_ask(held->ask);
        }
    }
    unlock(agent);
    return answer;
}

void held_wait_end(struct agent *agent, unsigned ended)
{
    for (;;) {
        struct err passed_over = ERR_INIT;
        lock(agent);
        bool over = agent->held.ended != ended;
        unlock(agent);
        if (over)
            return;
        (void)deadline_sleep(clock_boot_ms() + LOOK_MS, INT64_MAX, NULL, &passed_over);
    }
}

json_t *held_take_last(struct agent *agent, const char *id, int *ret_exit, bool *ret_news)
{
    lock(agent);
    json_t *last = json_deep_copy(agent->held.last);
    *ret_exit = agent->held.last_exit;
    *ret_news = last != NULL && hold_record_is_news(last) &&
                (id == NULL || strcmp(id, hold_record_id(last)) == 0);
    json_t *missed = *ret_news || id == NULL ? NULL : take_missed(&agent->held, id);
    if (*ret_news)
        hold_record_tell(agent->held.last);
    unlock(agent);
    if (missed != NULL) {
        json_decref(last);
        *ret_exit = EXIT_ENDED;
        *ret_news = true;
        return missed;
    }
    if (*ret_news) {
        hold_record_tell(last);
        held_keep(agent, last);
    }
    return last != NULL ? last : json_null();
}

json_t *held_now_json(struct agent *agent)
{
    lock(agent);
    json_t *now = json_deep_copy(agent->held.now);
    unlock(agent);
    return now != NULL ? now : json_null();
}

json_t *held_last_json(struct agent *agent)
{
    lock(agent);
    json_t *last = json_deep_copy(agent->held.last);
    unlock(agent);
    return last != NULL ? last : json_null();
}

enum held_end held_wait(const struct cancel *ask, const struct cancel *cancel, int guard_fd,
                        int64_t end_boot_ms)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = ask->event_fd, .events = POLLIN},
                               {.fd = cancel->event_fd, .events = POLLIN},
                               {.fd = guard_fd, .events = POLLIN}};
        int64_t left_ms = end_boot_ms - clock_boot_ms();
        int found = left_ms > 0 ? poll(fds, 3, (int)(left_ms < INT_MAX ? left_ms : INT_MAX)) : 0;
        /* In this order: what is over is over, whoever asks for it just then. */
        if (clock_boot_ms() >= end_boot_ms)
            return HELD_END_LEASE;
        if (found > 0 && fds[2].revents != 0)
            return HELD_END_GUARD;
        if (cancel_asked(cancel))
            return HELD_END_CANCELLED;
        if (cancel_asked(ask))
            return HELD_END_RELEASED;
    }
}
