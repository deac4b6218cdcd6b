/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/hold_record.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/daemon/catalog.h"

enum { RECORD_BYTES_MAX = 1024 * 1024 };

/* What only a backup has. */
static const char *const of_backups[] = {
    "state", "consistency", "snapshots", "image", "expires", "pinned",    "policy",
    "group", "members",     "verified",  "tags",  "launch",  "timing_ms",
};

static bool set(json_t *object, const char *key, json_t *take_value)
{
    return json_object_set_new(object, key, take_value) == 0;
}

static json_t *moment(int64_t utc_us)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us != BACKUP_UNKNOWN ? json_string(clock_utc_text(utc_us, text)) : json_null();
}

static json_t *texts(const struct strs *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(array, control_text(list->items[i]));
    return array;
}

static json_t *make(const struct backup *backup, const struct hold_facts *facts, const char *state)
{
    json_t *record = catalog_json(backup);

    for (size_t i = 0; i < sizeof(of_backups) / sizeof(of_backups[0]); i++)
        (void)json_object_del(record, of_backups[i]);
    if (record != NULL && set(record, "id", control_text(facts->id)) &&
        set(record, "state", json_string(state)) &&
        set(record, "expected", catalog_json_label(facts->expected)) &&
        set(record, "consistency", json_null()) && set(record, "whole", json_null()) &&
        set(record, "since", moment(facts->since_utc_us)) &&
        set(record, "until", moment(facts->until_utc_us)) && set(record, "held_ms", json_null()) &&
        set(record, "why", json_null()) && set(record, "remedy", json_null()) &&
        set(record, "told", json_false()))
        return record;
    json_decref(record); /* not reached: no memory */
    return NULL;
}

json_t *hold_record_held(const struct backup *backup, const struct hold_facts *facts)
{
    json_t *record = make(backup, facts, "held");

    if (record != NULL && facts->shortfall != NULL)
        (void)set(record, "shortfall", texts(facts->shortfall));
    return record;
}

/* Its label may be as low as what was left out, whatever became of the rest: each part that was
 * lost has its sentence. */
static bool is_whole(const struct backup *backup, const struct hold_facts *facts)
{
    size_t foretold = facts->shortfall != NULL ? facts->shortfall->count : 0;

    return backup->consistency >= facts->expected &&
           backup->shortfall.count <= foretold + facts->appeared;
}

json_t *hold_record_released(const struct backup *backup, const struct hold_facts *facts)
{
    json_t *record = make(backup, facts, "released");

    if (record == NULL)
        return NULL; /* not reached: no memory */
    (void)set(record, "consistency", catalog_json_label(backup->consistency));
    (void)set(record, "whole", json_boolean(is_whole(backup, facts)));
    if (backup->timing.hold_us != BACKUP_UNKNOWN)
        (void)set(record, "held_ms", json_real((double)backup->timing.hold_us / 1000));
    hold_record_tell(record);
    return record;
}

void hold_record_left(json_t *record, const struct err *err)
{
    (void)set(record, "why", control_text(err->text));
    if (err->remedy[0] != '\0')
        (void)set(record, "remedy", control_text(err->remedy));
}

void hold_record_end(json_t *record, const char *why)
{
    (void)set(record, "state", json_string("ended"));
    (void)set(record, "why", control_text(why));
    (void)set(record, "told", json_false());
}

void hold_record_tell(json_t *record)
{
    (void)set(record, "told", json_true());
}

const char *hold_record_id(const json_t *record)
{
    const char *id = json_string_value(json_object_get(record, "id"));

    return id != NULL ? id : "";
}

static bool has_state(const json_t *record, const char *state)
{
    const char *its = json_string_value(json_object_get(record, "state"));

    return its != NULL && strcmp(its, state) == 0;
}

bool hold_record_is_news(const json_t *record)
{
    return has_state(record, "ended") && !json_is_true(json_object_get(record, "told"));
}

/* --- the file ----------------------------------------------------------------------------- */

static bool make_path(char *path, const char *state_dir, struct err *err)
{
    return snprintf(path, PATH_MAX, "%s/hold.json", state_dir) < PATH_MAX ||
           err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
}

bool hold_record_write(const char *state_dir, const json_t *record, struct err *err)
{
    AUTO_FREE char *text = json_dumps(record, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    char path[PATH_MAX];

    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return make_path(path, state_dir, err) &&
           (fileio_replace(path, text, strlen(text), 0600, err) ||
            fileio_suggest_room(state_dir, err));
}

bool hold_record_read(const char *state_dir, json_t **ret_record, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(RECORD_BYTES_MAX);
    char path[PATH_MAX];
    json_error_t where;

    if (!make_path(path, state_dir, err) || !fileio_read(path, &text, err))
        return false;
    json_t *record = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    if (record != NULL && catalog_is_id(hold_record_id(record)) &&
        (has_state(record, "released") || has_state(record, "ended"))) {
        *ret_record = record;
        return true;
    }
    json_decref(record);
    return err_set(err, ERR_PROTOCOL, 0, "%s is no record of a hold", path);
}
