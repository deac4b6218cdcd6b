/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum family {
    BUILD_INFO,
    RUNNING,
    ATTEMPTS,
    FAILURES,
    LAST_ATTEMPT,
    LAST_SUCCESS,
    LAST_END,
    LAST_RESULT,
    LAST_EXIT,
    LAST_STEP,
    LAST_LABEL,
    LAST_BELOW,
    LAST_HOLD,
    LAST_HOLD_PART,
    LAST_BYTES,
    LAST_VOLUME_BYTES,
    SETS,
    SETS_SEEN,
    SET_OLDEST,
    SET_NEWEST,
    VERIFY_RESULT,
    VERIFY_AT,
    LENT,
    LENT_FAILURES,
    LENT_AT,
    LENT_HOLD,
    FAMILY_COUNT
};

static const struct metrics_family families[FAMILY_COUNT + 1] = {
    [BUILD_INFO] = {"stillpoint_build_info", "gauge", "The agent's version; always 1."},
    [RUNNING] = {"stillpoint_backup_running", "gauge",
                 "Backups at work, those that wait for EC2 among them."},
    [ATTEMPTS] = {"stillpoint_backup_attempts_total", "counter",
                  "Backups begun on this node since the record began."},
    [FAILURES] = {"stillpoint_backup_failures_total", "counter",
                  "Backups that ended otherwise than complete and all that was asked."},
    [LAST_ATTEMPT] = {"stillpoint_backup_last_attempt_timestamp_seconds", "gauge",
                      "When the last backup began; 0: never."},
    [LAST_SUCCESS] = {"stillpoint_backup_last_success_timestamp_seconds", "gauge",
                      "The instant of the last backup that became complete and all that was "
                      "asked; 0: never."},
    [LAST_END] = {"stillpoint_backup_last_end_timestamp_seconds", "gauge",
                  "When the backup ended that the result is of; 0: never."},
    [LAST_RESULT] = {"stillpoint_backup_last_result", "gauge",
                     "1 for the result of the last backup that ended."},
    [LAST_EXIT] = {"stillpoint_backup_last_exit_code", "gauge",
                   "Its exit code; absent where the daemon died in it."},
    [LAST_STEP] =
        {"stillpoint_backup_last_step_duration_seconds", "gauge",
         "How long each of its steps took; hold is all tries with what was between them."},
    [LAST_LABEL] = {"stillpoint_backup_last_label", "gauge",
                    "1 for the consistency that the last set was proved to have."},
    [LAST_BELOW] = {"stillpoint_backup_last_label_below_asked", "gauge",
                    "1 where that is less than was asked for."},
    [LAST_HOLD] = {"stillpoint_backup_last_hold_duration_seconds", "gauge",
                   "How long a writer could have waited for the last set."},
    [LAST_HOLD_PART] = {"stillpoint_backup_last_hold_part_duration_seconds", "gauge",
                        "The parts of that."},
    [LAST_BYTES] = {"stillpoint_backup_last_volumes_size_bytes", "gauge",
                    "Size of the volumes in the last set."},
    [LAST_VOLUME_BYTES] = {"stillpoint_backup_last_volume_size_bytes", "gauge",
                           "Size of each volume in the last set."},
    [SETS] = {"stillpoint_sets", "gauge",
              "This node's sets in EC2, when they were last looked at; other: not complete yet, or "
              "failed in verify."},
    [SETS_SEEN] = {"stillpoint_sets_seen_timestamp_seconds", "gauge", "When that was; 0: never."},
    [SET_OLDEST] = {"stillpoint_sets_oldest_good_timestamp_seconds", "gauge",
                    "The instant of the oldest good set; absent where there is none."},
    [SET_NEWEST] = {"stillpoint_sets_newest_good_timestamp_seconds", "gauge",
                    "The instant of the newest good set; absent where there is none."},
    [VERIFY_RESULT] = {"stillpoint_verify_last_result", "gauge",
                       "1 for the last verify's verdict."},
    [VERIFY_AT] = {"stillpoint_verify_last_timestamp_seconds", "gauge",
                   "When the last verify was judged; 0: never."},
    [LENT] = {"stillpoint_lent_holds_total", "counter",
              "Holds for somebody else's snapshots (stillpoint hold), begun or refused."},
    [LENT_FAILURES] = {"stillpoint_lent_hold_failures_total", "counter",
                       "Those that were refused, ended before their release, or did not hold all "
                       "that was to be held; what is left out by choice is none."},
    [LENT_AT] = {"stillpoint_lent_hold_last_timestamp_seconds", "gauge",
                 "When the last of them ended; 0: never."},
    [LENT_HOLD] = {"stillpoint_lent_hold_last_duration_seconds", "gauge",
                   "How long a writer could have waited for it; 0: nothing was held."},
};

const struct metrics_family *metrics_families(void)
{
    return families;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct writer {
    struct buf *text;
    struct err *err;
    bool ok;
};

#define PUT(writer, ...)                                                                           \
    (writer)->ok = (writer)->ok && buf_printf((writer)->text, (writer)->err, __VA_ARGS__)

static void head(struct writer *writer, enum family family)
{
    const struct metrics_family *is = &families[family];

    PUT(writer, "# HELP %s %s\n# TYPE %s %s\n", is->name, is->help, is->name, is->type);
}

/* A label's value: backslash, quote and line end are escaped, and nothing else is special. */
static void put_value(struct writer *writer, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            PUT(writer, "\\n");
        else if (*value == '"' || *value == '\\')
            PUT(writer, "\\%c", *value);
        else
            PUT(writer, "%c", *value);
    }
}

static void number(struct writer *writer, enum family family, int64_t value)
{
    head(writer, family);
    PUT(writer, "%s %" PRId64 "\n", families[family].name, value);
}

/* Seconds with as many digits as a microsecond has. */
static void seconds(struct writer *writer, int64_t us)
{
    bool below = us < 0;
    int64_t size_us = below ? -us : us;

    PUT(writer, " %s%" PRId64 ".%06" PRId64 "\n", below ? "-" : "", size_us / 1000000,
        size_us % 1000000);
}

static void moment(struct writer *writer, enum family family, int64_t utc_us)
{
    head(writer, family);
    PUT(writer, "%s", families[family].name);
    seconds(writer, utc_us);
}

static void labelled(struct writer *writer, enum family family, const char *label,
                     const char *value)
{
    PUT(writer, "%s{%s=\"", families[family].name, label);
    put_value(writer, value);
    PUT(writer, "\"}");
}

/* One of a fixed number of states: 1 for the one that holds, 0 for the others. */
static void state(struct writer *writer, enum family family, const char *label, const char *value,
                  bool holds)
{
    labelled(writer, family, label, value);
    PUT(writer, " %d\n", holds);
}

/* --- what there is -----------------------------------------------------------------------------
 */

static void put_attempts(struct writer *writer, const struct metrics_record *record)
{
    number(writer, RUNNING, (int64_t)record->running_count);
    number(writer, ATTEMPTS, record->attempts);
    number(writer, FAILURES, record->failures);
    moment(writer, LAST_ATTEMPT, record->last.begun_utc_us);
    moment(writer, LAST_SUCCESS, record->success_utc_us);
    moment(writer, LAST_END, record->ended_utc_us);
    head(writer, LAST_RESULT);
    for (int i = METRICS_SUCCESS; i <= METRICS_OPEN; i++)
        state(writer, LAST_RESULT, "result", metrics_result_name((enum metrics_result)i),
              (int)record->result == i);
    if (record->result != METRICS_NONE && record->exit_code >= 0)
        number(writer, LAST_EXIT, record->exit_code);
    if (record->step_count > 0)
        head(writer, LAST_STEP);
    for (size_t i = 0; i < record->step_count; i++) {
        labelled(writer, LAST_STEP, "step", record->steps[i].name);
        seconds(writer, record->steps[i].took_ms * 1000);
    }
}

static void put_hold(struct writer *writer, const struct metrics_set *set)
{
    struct backup_timing slots = set->timing;
    int64_t hold_us = slots.hold_us;

    if (hold_us == BACKUP_UNKNOWN)
        return;
    moment(writer, LAST_HOLD, hold_us);
    head(writer, LAST_HOLD_PART);
    for (size_t i = 0; i < BACKUP_TIMINGS; i++) {
        int64_t took_us = *backup_timing_slot(&slots, i);
        if (took_us == BACKUP_UNKNOWN || strcmp(backup_timing_names[i], "hold") == 0)
            continue;
        labelled(writer, LAST_HOLD_PART, "part", backup_timing_names[i]);
        seconds(writer, took_us);
    }
}

static void put_sizes(struct writer *writer, const struct metrics_set *set)
{
    int64_t all_bytes = 0;

    for (size_t i = 0; i < set->volume_count; i++) {
        if (set->volumes[i].size_bytes < 0)
            return; /* a sum that lacks one would be a lie */
        all_bytes += set->volumes[i].size_bytes;
    }
    number(writer, LAST_BYTES, all_bytes);
    if (set->volume_count > 0)
        head(writer, LAST_VOLUME_BYTES);
    for (size_t i = 0; i < set->volume_count; i++) {
        const struct metrics_volume *volume = &set->volumes[i];
        PUT(writer, "%s{volume=\"", families[LAST_VOLUME_BYTES].name);
        put_value(writer, volume->id);
        PUT(writer, "\",device=\"");
        put_value(writer, volume->device);
        PUT(writer, "\"} %" PRId64 "\n", volume->size_bytes);
    }
}

static void put_set(struct writer *writer, const struct metrics_set *set)
{
    if (set->id[0] == '\0')
        return;
    head(writer, LAST_LABEL);
    for (int i = LABEL_APPLICATION; i >= LABEL_UNCONFIRMED; i--)
        state(writer, LAST_LABEL, "label", label_name((enum label)i), (int)set->label == i);
    number(writer, LAST_BELOW, set->label < set->asked);
    put_hold(writer, set);
    put_sizes(writer, set);
}

static void put_sets(struct writer *writer, const struct metrics_record *record)
{
    moment(writer, SETS_SEEN, record->seen_utc_us);
    if (record->seen_utc_us == 0)
        return;
    head(writer, SETS);
    labelled(writer, SETS, "state", "good");
    PUT(writer, " %" PRId64 "\n", record->good);
    labelled(writer, SETS, "state", "broken");
    PUT(writer, " %" PRId64 "\n", record->broken);
    labelled(writer, SETS, "state", "other");
    PUT(writer, " %" PRId64 "\n", record->other);
    if (record->good == 0)
        return;
    moment(writer, SET_OLDEST, record->oldest_good_utc_us);
    moment(writer, SET_NEWEST, record->newest_good_utc_us);
}

static void put_verify(struct writer *writer, const struct metrics_record *record)
{
    moment(writer, VERIFY_AT, record->verify_utc_us);
    if (record->verify_utc_us == 0)
        return;
    head(writer, VERIFY_RESULT);
    for (int i = VERIFY_OK; i <= VERIFY_FAILED; i++)
        state(writer, VERIFY_RESULT, "result", verify_result_name((enum verify_result)i),
              (int)record->verify_result == i);
}

static void put_lent(struct writer *writer, const struct metrics_record *record)
{
    number(writer, LENT, record->lent);
    number(writer, LENT_FAILURES, record->lent_failures);
    moment(writer, LENT_AT, record->lent_utc_us);
    if (record->lent_utc_us != 0)
        moment(writer, LENT_HOLD, record->lent_us);
}

bool metrics_text(const struct metrics_record *record, struct buf *ret_text, struct err *err)
{
    struct writer writer = {ret_text, err, true};

    head(&writer, BUILD_INFO);
    PUT(&writer, "%s{version=\"%s\"} 1\n", families[BUILD_INFO].name, STILLPOINT_VERSION);
    put_attempts(&writer, record);
    put_set(&writer, &record->set);
    put_sets(&writer, record);
    put_verify(&writer, record);
    put_lent(&writer, record);
    return writer.ok;
}

void metrics_text_ended(const struct metrics_record *record, enum label label, const char *host,
                        char *text, size_t size)
{
    char code[32] = "";

    if (record->exit_code >= 0)
        (void)snprintf(code, sizeof(code), ", exit code %d", record->exit_code);
    (void)snprintf(text, size, "%s on %s %s: %s%s\nconsistency: %s\n%s%s", record->ended.id, host,
                   record->instance, metrics_result_name(record->result), code,
                   label != LABEL_UNCONFIRMED ? label_name(label) : "none", record->why,
                   record->why[0] ? "\n" : "");
}
