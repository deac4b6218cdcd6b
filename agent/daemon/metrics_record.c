/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_record.h"

#include <stdio.h>
#include <string.h>

#include "agent/daemon/catalog.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GIB          (INT64_C(1) << 30)

static const char *const results[] = {"none",   "success",     "degraded",
                                      "failed", "interrupted", "open"};

const char *metrics_result_name(enum metrics_result result)
{
    return (size_t)result < COUNT(results) ? results[result] : "none";
}

/* Cut between characters: one broken one, and node_exporter takes nothing of the file. */
static void copy(char *to, size_t size, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (len >= size)
        len = size - 1;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    (void)snprintf(to, size, "%.*s", (int)len, text ? text : "");
}

/* --- attempts --------------------------------------------------------------------------------- */

/* What is on record began before what begins now, whatever a clock that was set back says. */
static void set_before(struct metrics_attempt *attempt, int64_t now_utc_us)
{
    if (attempt->begun_utc_us >= now_utc_us)
        attempt->begun_utc_us = now_utc_us - 1;
}

void metrics_record_begin(struct metrics_record *record, const char *id, int64_t now_utc_us)
{
    struct metrics_attempt attempt = {.begun_utc_us = now_utc_us};

    copy(attempt.id, sizeof(attempt.id), id);
    set_before(&record->ended, now_utc_us);
    for (size_t i = 0; i < record->running_count; i++)
        set_before(&record->running[i], now_utc_us);
    record->attempts++;
    record->last = attempt;
    if (record->running_count < METRICS_RUNNING_MAX)
        record->running[record->running_count++] = attempt;
}

void metrics_record_cut(struct metrics_record *record, const struct backup *backup)
{
    struct metrics_set *set = &record->set;

    memset(set, 0, sizeof(*set));
    copy(set->id, sizeof(set->id), backup->id);
    set->label = backup->consistency;
    set->asked = backup->asked;
    set->timing = backup->timing;
    set->instant_utc_us =
        backup->window_begin_utc_us != BACKUP_UNKNOWN ? backup->window_begin_utc_us : 0;
    for (size_t i = 0; i < backup->snapshot_count && i < METRICS_VOLUMES_MAX; i++) {
        const struct backup_snapshot *snapshot = &backup->snapshots[i];
        struct metrics_volume *volume = &set->volumes[set->volume_count++];
        copy(volume->id, sizeof(volume->id), snapshot->volume);
        copy(volume->device, sizeof(volume->device), snapshot->device);
        volume->size_bytes = snapshot->size_gib != BACKUP_UNKNOWN ? snapshot->size_gib * GIB : -1;
    }
}

/* Takes it out of those that run; without one (more than there is room for) it began now. */
static struct metrics_attempt take_running(struct metrics_record *record, const char *id,
                                           int64_t now_utc_us)
{
    struct metrics_attempt found = {.begun_utc_us = now_utc_us};

    copy(found.id, sizeof(found.id), id);
    for (size_t i = 0; i < record->running_count; i++) {
        if (strcmp(record->running[i].id, id) != 0)
            continue;
        found = record->running[i];
        record->running_count--;
        memmove(&record->running[i], &record->running[i + 1],
                (record->running_count - i) * sizeof(record->running[0]));
        break;
    }
    return found;
}

static enum metrics_result result_of(const struct metrics_ending *ending)
{
    if (ending->exit_code == 6)
        return METRICS_OPEN;
    if (ending->exit_code != 0 && ending->exit_code != 3)
        return METRICS_FAILED;
    if (ending->unfinished)
        return METRICS_OPEN;
    return ending->exit_code == 0 ? METRICS_SUCCESS : METRICS_DEGRADED;
}

/* One of before the clock was set back lies ahead: it gives way, or none would be the last. */
static void take_success(struct metrics_record *record, int64_t at_us, int64_t now_utc_us)
{
    if (at_us > record->success_utc_us || record->success_utc_us > now_utc_us)
        record->success_utc_us = at_us;
}

/* Data is as old as its cut, however long EC2 copied it. */
static void note_success(struct metrics_record *record, const struct metrics_attempt *attempt,
                         int64_t now_utc_us)
{
    int64_t at_us = attempt->begun_utc_us;

    if (strcmp(record->set.id, attempt->id) == 0 && record->set.instant_utc_us > 0)
        at_us = record->set.instant_utc_us;
    take_success(record, at_us, now_utc_us);
}

static bool is_failure(enum metrics_result result)
{
    return result != METRICS_SUCCESS && result != METRICS_NONE;
}

static bool note_end(struct metrics_record *record, const struct metrics_attempt *attempt,
                     enum metrics_result result, int exit_code, bool waits, int64_t now_utc_us)
{
    bool later = attempt->begun_utc_us >= record->ended.begun_utc_us;

    record->failures += is_failure(result) && !waits;
    if (result == METRICS_SUCCESS)
        note_success(record, attempt, now_utc_us);
    if (!later && (!is_failure(result) || is_failure(record->result)))
        return false;
    record->ended = *attempt;
    record->result = result;
    record->exit_code = exit_code;
    record->waits = waits;
    record->ended_utc_us = now_utc_us;
    record->why[0] = '\0';
    return true;
}

bool metrics_record_end(struct metrics_record *record, const struct metrics_ending *ending,
                        int64_t now_utc_us)
{
    struct metrics_attempt attempt = take_running(record, ending->id, now_utc_us);
    enum metrics_result result = result_of(ending);
    bool waits =
        result == METRICS_OPEN && ending->unfinished && (ending->exit_code != 6 || ending->goes_on);

    if (!note_end(record, &attempt, result, ending->exit_code, waits, now_utc_us))
        return false;
    if (record->result != METRICS_SUCCESS)
        copy(record->why, sizeof(record->why), ending->why);
    record->step_count = 0;
    for (size_t i = 0; i < ending->step_count && i < METRICS_STEPS_MAX; i++)
        record->steps[record->step_count++] = ending->steps[i];
    return true;
}

/* A set that is settled after a later one was made is not the last one. An id begins with its time;
 * what is known of the window after a crash may be nothing. */
static bool is_latest(const struct metrics_record *record, const struct backup *backup)
{
    return strcmp(backup->id, record->set.id) >= 0;
}

static void note_settled(struct metrics_record *record, const struct backup *backup,
                         int64_t now_utc_us)
{
    int64_t at_us = backup->window_begin_utc_us;

    if (at_us <= 0 && !catalog_id_moment(backup->id, &at_us))
        return;
    take_success(record, at_us, now_utc_us);
}

bool metrics_record_settle(struct metrics_record *record, const struct backup *backup,
                           bool complete, bool as_asked, int64_t now_utc_us)
{
    bool open = record->result == METRICS_OPEN || record->result == METRICS_INTERRUPTED;
    bool shown = open && strcmp(record->ended.id, backup->id) == 0;

    if (complete && is_latest(record, backup))
        metrics_record_cut(record, backup);
    if (complete && as_asked) /* also where a later one is shown: it may be the last that is good */
        note_settled(record, backup, now_utc_us);
    if (!shown)
        return false;
    record->result = !complete ? METRICS_FAILED : as_asked ? METRICS_SUCCESS : METRICS_DEGRADED;
    record->exit_code = !complete ? 1 : as_asked ? 0 : 3;
    record->ended_utc_us = now_utc_us;
    copy(record->why, sizeof(record->why),
         !complete  ? "it was settled later: nothing of it is left"
         : as_asked ? ""
                    : "it was settled later, and is less than was asked");
    record->failures += record->waits && record->result != METRICS_SUCCESS;
    record->waits = false;
    return true;
}

bool metrics_record_interrupt(struct metrics_record *record, int64_t now_utc_us)
{
    bool any = record->running_count > 0;

    while (record->running_count > 0) {
        struct metrics_attempt attempt = take_running(record, record->running[0].id, now_utc_us);
        if (!note_end(record, &attempt, METRICS_INTERRUPTED, -1, false, now_utc_us))
            continue;
        record->step_count = 0;
        copy(record->why, sizeof(record->why), "stillpointd ended in the middle of it");
    }
    return any;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

void metrics_record_lent(struct metrics_record *record, bool lasted, int64_t hold_us,
                         int64_t now_utc_us)
{
    record->lent++;
    record->lent_failures += !lasted;
    record->lent_utc_us = now_utc_us;
    record->lent_us = hold_us;
}

void metrics_record_verified(struct metrics_record *record, const char *id,
                             const struct verify_verdict *verdict)
{
    copy(record->verify_id, sizeof(record->verify_id), id);
    record->verify_result = verdict->result;
    record->verify_utc_us = verdict->at_utc_us;
}

void metrics_record_sets(struct metrics_record *record, const struct inventory *inventory,
                         int64_t now_utc_us)
{
    record->seen_utc_us = now_utc_us;
    record->good = record->broken = record->other = 0;
    record->oldest_good_utc_us = record->newest_good_utc_us = 0;
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        int64_t taken_us = inventory_taken_us(set);
        struct verify_verdict verdict;
        if (verify_verdict_parse(set->verified, &verdict) &&
            verdict.at_utc_us > record->verify_utc_us)
            metrics_record_verified(record, set->id, &verdict);
        if (!inventory_is_good(set)) {
            *(inventory_is_broken(set) ? &record->broken : &record->other) += 1;
            continue;
        }
        if (record->good == 0 || taken_us < record->oldest_good_utc_us)
            record->oldest_good_utc_us = taken_us;
        if (record->good == 0 || taken_us > record->newest_good_utc_us)
            record->newest_good_utc_us = taken_us;
        record->good++;
    }
}

bool metrics_record_own(struct metrics_record *record, const char *instance)
{
    bool other = record->instance[0] != '\0' && strcmp(record->instance, instance) != 0;
    struct metrics_record fresh = {.exit_code = -1};

    if (strcmp(record->instance, instance) == 0 || instance[0] == '\0')
        return false;
    if (other) {
        fresh.running_count = record->running_count;
        memcpy(fresh.running, record->running, sizeof(fresh.running));
        fresh.attempts = (int64_t)record->running_count;
        if (record->running_count > 0)
            fresh.last = record->last;
        *record = fresh;
    }
    copy(record->instance, sizeof(record->instance), instance);
    return true;
}
