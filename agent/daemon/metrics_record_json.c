/* SPDX-License-Identifier: BSD-2-Clause */
/* The record as STATE/metrics.json. What is not there, or makes no sense, is as if it had never
 * been: a restored disk may have any version's. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/metrics_record.h"

#define NUMBER_MAX (INT64_C(1) << 53)

enum { FORMAT = 1 };

/* --- writing -----------------------------------------------------------------------------------
 */

static json_t *attempt_json(const struct metrics_attempt *attempt)
{
    return json_pack("{s:s,s:I}", "id", attempt->id, "begun", (json_int_t)attempt->begun_utc_us);
}

static json_t *running_json(const struct metrics_record *record)
{
    json_t *list = json_array();

    for (size_t i = 0; i < record->running_count; i++)
        (void)json_array_append_new(list, attempt_json(&record->running[i]));
    return list;
}

static json_t *steps_json(const struct metrics_record *record)
{
    json_t *list = json_array();

    for (size_t i = 0; i < record->step_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s,s:I}", "step", record->steps[i].name,
                                                    "ms", (json_int_t)record->steps[i].took_ms));
    return list;
}

static json_t *set_json(const struct metrics_set *set)
{
    json_t *timing = json_object(), *volumes = json_array();
    struct backup_timing slots = set->timing;

    for (size_t i = 0; i < BACKUP_TIMINGS; i++) {
        int64_t took_us = *backup_timing_slot(&slots, i);
        if (took_us != BACKUP_UNKNOWN)
            (void)json_object_set_new(timing, backup_timing_names[i], json_integer(took_us));
    }
    for (size_t i = 0; i < set->volume_count; i++)
        (void)json_array_append_new(volumes,
                                    json_pack("{s:s,s:o,s:I}", "id", set->volumes[i].id, "device",
                                              control_text(set->volumes[i].device), "bytes",
                                              (json_int_t)set->volumes[i].size_bytes));
    return json_pack("{s:s,s:s,s:s,s:I,s:o,s:o}", "id", set->id, "label", label_name(set->label),
                     "asked", label_name(set->asked), "instant", (json_int_t)set->instant_utc_us,
                     "timing_us", timing, "volumes", volumes);
}

static bool text_of(json_t *take_json, struct buf *ret_json, struct err *err)
{
    AUTO_FREE char *text = take_json ? json_dumps(take_json, JSON_INDENT(1)) : NULL;

    json_decref(take_json);
    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return buf_add_text(ret_json, text, err) && buf_add_text(ret_json, "\n", err);
}

bool metrics_record_write(const struct metrics_record *record, struct buf *ret_json,
                          struct err *err)
{
    json_t *sets =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "seen", (json_int_t)record->seen_utc_us, "good",
                  (json_int_t)record->good, "broken", (json_int_t)record->broken, "other",
                  (json_int_t)record->other, "oldest", (json_int_t)record->oldest_good_utc_us,
                  "newest", (json_int_t)record->newest_good_utc_us);
    json_t *verify = json_pack("{s:s,s:s,s:I}", "id", record->verify_id, "result",
                               verify_result_name(record->verify_result), "at",
                               (json_int_t)record->verify_utc_us);

    json_t *lent = json_pack("{s:I,s:I,s:I,s:I}", "all", (json_int_t)record->lent, "failures",
                             (json_int_t)record->lent_failures, "at",
                             (json_int_t)record->lent_utc_us, "us", (json_int_t)record->lent_us);

    return text_of(
        json_pack("{s:i,s:s,s:s,s:o,s:o,s:o,s:s,s:i,s:b,s:I,s:o,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o}",
                  "format", FORMAT, "instance", record->instance, "boot", record->boot, "running",
                  running_json(record), "last", attempt_json(&record->last), "ended",
                  attempt_json(&record->ended), "result", metrics_result_name(record->result),
                  "exit", record->exit_code, "waits", record->waits, "ended_at",
                  (json_int_t)record->ended_utc_us, "why", control_text(record->why), "success",
                  (json_int_t)record->success_utc_us, "attempts", (json_int_t)record->attempts,
                  "failures", (json_int_t)record->failures, "steps", steps_json(record), "set",
                  set_json(&record->set), "sets", sets, "verify", verify, "lent", lent),
        ret_json, err);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void get_text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    /* What is too long is none of ours; cut, it might be no UTF-8 any more. */
    (void)snprintf(to, size, "%s", text && strlen(text) < size ? text : "");
}

/* Never less than LEAST, nor so much that it can't be counted with any more. */
static int64_t get_number(const json_t *object, const char *key, int64_t least)
{
    const json_t *number = json_object_get(object, key);
    int64_t value = json_is_integer(number) ? json_integer_value(number) : least;

    if (value > NUMBER_MAX)
        return NUMBER_MAX;
    return value < least ? least : value;
}

static void get_attempt(const json_t *object, struct metrics_attempt *attempt)
{
    get_text(object, "id", attempt->id, sizeof(attempt->id));
    attempt->begun_utc_us = get_number(object, "begun", 0);
}

static enum label get_label(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    enum label label = LABEL_UNCONFIRMED;

    return text != NULL && label_parse(text, &label) ? label : LABEL_UNCONFIRMED;
}

static void get_set(const json_t *object, struct metrics_set *set)
{
    const json_t *timing = json_object_get(object, "timing_us"), *item;
    size_t i;

    get_text(object, "id", set->id, sizeof(set->id));
    set->label = get_label(object, "label");
    set->asked = get_label(object, "asked");
    set->instant_utc_us = get_number(object, "instant", 0);
    for (i = 0; i < BACKUP_TIMINGS; i++)
        *backup_timing_slot(&set->timing, i) =
            get_number(timing, backup_timing_names[i], BACKUP_UNKNOWN);
    json_array_foreach(json_object_get(object, "volumes"), i, item)
    {
        if (i >= METRICS_VOLUMES_MAX)
            break;
        struct metrics_volume *volume = &set->volumes[set->volume_count++];
        get_text(item, "id", volume->id, sizeof(volume->id));
        get_text(item, "device", volume->device, sizeof(volume->device));
        volume->size_bytes = get_number(item, "bytes", -1);
    }
}

static void get_lists(const json_t *object, struct metrics_record *record)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(object, "running"), i, item)
    {
        if (i < METRICS_RUNNING_MAX)
            get_attempt(item, &record->running[record->running_count++]);
    }
    json_array_foreach(json_object_get(object, "steps"), i, item)
    {
        if (i >= METRICS_STEPS_MAX)
            break;
        struct metrics_step *step = &record->steps[record->step_count++];
        get_text(item, "step", step->name, sizeof(step->name));
        step->took_ms = get_number(item, "ms", 0);
    }
}

/* A word of a later version's is no success. */
static enum metrics_result get_result(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "result"));

    for (int i = METRICS_NONE; text != NULL && i <= METRICS_OPEN; i++) {
        if (strcmp(text, metrics_result_name((enum metrics_result)i)) == 0)
            return (enum metrics_result)i;
    }
    return METRICS_FAILED;
}

static void get_sets(const json_t *sets, struct metrics_record *record)
{
    record->seen_utc_us = get_number(sets, "seen", 0);
    record->good = get_number(sets, "good", 0);
    record->broken = get_number(sets, "broken", 0);
    record->other = get_number(sets, "other", 0);
    record->oldest_good_utc_us = get_number(sets, "oldest", 0);
    record->newest_good_utc_us = get_number(sets, "newest", 0);
}

static void get_lent(const json_t *lent, struct metrics_record *record)
{
    record->lent = get_number(lent, "all", 0);
    record->lent_failures = get_number(lent, "failures", 0);
    record->lent_utc_us = get_number(lent, "at", 0);
    record->lent_us = get_number(lent, "us", 0);
}

static void get_verify(const json_t *verify, struct metrics_record *record)
{
    const char *text = json_string_value(json_object_get(verify, "result"));

    get_text(verify, "id", record->verify_id, sizeof(record->verify_id));
    record->verify_utc_us = get_number(verify, "at", 0);
    record->verify_result = VERIFY_FAILED;
    for (int i = VERIFY_OK; text != NULL && i <= VERIFY_FAILED; i++) {
        if (strcmp(text, verify_result_name((enum verify_result)i)) == 0)
            record->verify_result = (enum verify_result)i;
    }
}

bool metrics_record_read(const char *text, size_t len, struct metrics_record *ret_record,
                         struct err *err)
{
    AUTO_FREE struct metrics_record *record = calloc(1, sizeof(*record));
    json_error_t where;

    if (record == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object) || get_number(object, "format", 0) != FORMAT) {
        json_decref(object);
        return err_set(err, ERR_PROTOCOL, 0, METRICS_RECORD_NAME " is not one of ours");
    }
    get_text(object, "instance", record->instance, sizeof(record->instance));
    get_text(object, "boot", record->boot, sizeof(record->boot));
    get_lists(object, record);
    get_attempt(json_object_get(object, "last"), &record->last);
    get_attempt(json_object_get(object, "ended"), &record->ended);
    record->result = get_result(object);
    record->exit_code = (int)get_number(object, "exit", -1);
    record->waits =
        record->result == METRICS_OPEN && json_is_true(json_object_get(object, "waits"));
    record->ended_utc_us = get_number(object, "ended_at", 0);
    get_text(object, "why", record->why, sizeof(record->why));
    record->success_utc_us = get_number(object, "success", 0);
    record->attempts = get_number(object, "attempts", 0);
    record->failures = get_number(object, "failures", 0);
    get_set(json_object_get(object, "set"), &record->set);
    get_sets(json_object_get(object, "sets"), record);
    get_verify(json_object_get(object, "verify"), record);
    get_lent(json_object_get(object, "lent"), record);
    json_decref(object);
    *ret_record = *record;
    return true;
}
