/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog_json.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/utf8.h"

enum { TEXT_BYTES_MAX = 64 * 1024 };

/* jansson takes a NULL (no memory) for a failure, so that one flag gathers them all. */
struct writer {
    json_t *object;
    bool ok;
};

static void put(struct writer *writer, const char *key, json_t *take_value)
{
    writer->ok = json_object_set_new(writer->object, key, take_value) == 0 && writer->ok;
}

/* A path may have bytes that are no UTF-8, which JSON can't carry. */
static json_t *text_or_null(const char *text)
{
    AUTO_BUF struct buf valid = BUF_INIT(4 * TEXT_BYTES_MAX);
    struct err err = ERR_INIT; /* no memory: NULL says so */

    if (text == NULL)
        return json_null();
    if (!utf8_add_valid(&valid, text, strnlen(text, TEXT_BYTES_MAX), &err))
        return NULL;
    return json_string(buf_text(&valid));
}

static json_t *number_or_null(int64_t value)
{
    return value == BACKUP_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *moment_or_null(int64_t utc_us)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us == BACKUP_UNKNOWN ? json_null() : json_string(clock_utc_text(utc_us, text));
}

json_t *catalog_json_second(int64_t utc_us)
{
    char text[CLOCK_TEXT_BYTES];

    if (utc_us == BACKUP_UNKNOWN)
        return json_null();
    (void)clock_utc_text(utc_us, text);
    char *dot = strchr(text, '.');
    if (dot != NULL && utc_us % 1000000 == 0)
        memcpy(dot, "Z", 2);
    return json_string(text);
}

static json_t *ms_or_null(int64_t us)
{
    return us == BACKUP_UNKNOWN ? json_null() : json_real((double)us / 1000.0);
}

static json_t *list_of_texts(const struct strs *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < texts->count; i++) {
        if (json_array_append_new(list, text_or_null(texts->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* "K=V" as {"K": "V"}. */
static json_t *object_of_pairs(const struct strs *pairs)
{
    struct writer writer = {json_object(), true};

    for (size_t i = 0; i < pairs->count; i++) {
        const char *equals = strchr(pairs->items[i], '=');
        AUTO_FREE char *key =
            equals ? strndup(pairs->items[i], (size_t)(equals - pairs->items[i])) : NULL;
        if (key != NULL)
            put(&writer, key, text_or_null(equals + 1));
        else
            writer.ok = writer.ok && equals == NULL;
    }
    if (writer.ok)
        return writer.object;
    json_decref(writer.object);
    return NULL;
}

static json_t *finish(struct writer *writer)
{
    if (writer->ok)
        return writer->object;
    json_decref(writer->object);
    return NULL;
}

static json_t *window_json(const struct backup *backup)
{
    struct writer writer = {json_object(), true};

    if (backup->window_begin_utc_us == BACKUP_UNKNOWN) {
        json_decref(writer.object);
        return json_null();
    }
    put(&writer, "begin", moment_or_null(backup->window_begin_utc_us));
    put(&writer, "end", moment_or_null(backup->window_end_utc_us));
    put(&writer, "clock_error_ms", ms_or_null(backup->clock_error_us));
    return finish(&writer);
}

static json_t *timing_json(const struct backup *backup)
{
    struct writer writer = {json_object(), true};
    struct backup_timing timing = backup->timing;

    for (size_t i = 0; i < BACKUP_TIMINGS; i++)
        put(&writer, backup_timing_names[i], ms_or_null(*backup_timing_slot(&timing, i)));
    return finish(&writer);
}

static json_t *mount_json(const struct backup *backup, size_t index)
{
    const struct backup_mount *mount = &backup->mounts[index];
    struct writer writer = {json_object(), true};

    put(&writer, "path", text_or_null(mount->path));
    put(&writer, "fs", text_or_null(mount->fs));
    put(&writer, "volumes", list_of_texts(&mount->volumes));
    put(&writer, "frozen", json_boolean(mount->frozen));
    put(&writer, "place", text_or_null(mount->place));
    return finish(&writer);
}

static json_t *left_out_json(const struct backup *backup, size_t index)
{
    struct writer writer = {json_object(), true};

    put(&writer, "path", text_or_null(backup->left_out[index].path));
    put(&writer, "why", text_or_null(backup->left_out[index].why));
    return finish(&writer);
}

static json_t *database_json(const struct backup *backup, size_t index)
{
    const struct backup_database *database = &backup->databases[index];
    struct writer writer = {json_object(), true};
    bool placed = database->binlog_file != NULL;

    put(&writer, "server", text_or_null(database->server));
    put(&writer, "method", text_or_null(database->method));
    put(&writer, "binlog_file", text_or_null(database->binlog_file));
    put(&writer, "binlog_pos", number_or_null(database->binlog_pos));
    put(&writer, "binlog_exact", placed ? json_boolean(database->binlog_exact) : json_null());
    put(&writer, "gtid", text_or_null(database->gtid));
    put(&writer, "name", text_or_null(database->name));
    put(&writer, "source_file", text_or_null(database->source_file));
    put(&writer, "source_pos", number_or_null(database->source_pos));
    put(&writer, "datadir", text_or_null(database->datadir));
    put(&writer, "settings",
        database->settings.count > 0 ? object_of_pairs(&database->settings) : json_null());
    return finish(&writer);
}

static json_t *snapshot_json(const struct backup *backup, size_t index)
{
    const struct backup_snapshot *snapshot = &backup->snapshots[index];
    struct writer writer = {json_object(), true};

    put(&writer, "id", text_or_null(snapshot->id));
    put(&writer, "volume", text_or_null(snapshot->volume));
    put(&writer, "device", text_or_null(snapshot->device));
    put(&writer, "size_gib", number_or_null(snapshot->size_gib));
    put(&writer, "state", text_or_null(snapshot->state));
    return finish(&writer);
}

static json_t *list_of(const struct backup *backup, size_t count,
                       json_t *(*make)(const struct backup *backup, size_t index))
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < count; i++) {
        if (json_array_append_new(list, make(backup, i)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *image_json(const struct backup_image *image)
{
    struct writer writer = {json_object(), true};

    if (image->id == NULL) {
        json_decref(writer.object);
        return json_null();
    }
    put(&writer, "id", text_or_null(image->id));
    put(&writer, "state", text_or_null(image->state));
    put(&writer, "method", text_or_null(image->method));
    return finish(&writer);
}

static json_t *kaltura_json(const struct backup *backup)
{
    struct writer writer = {json_object(), true};

    if (backup->roles.count == 0 && backup->versions.count == 0) {
        json_decref(writer.object);
        return json_null();
    }
    put(&writer, "roles", list_of_texts(&backup->roles));
    put(&writer, "versions", object_of_pairs(&backup->versions));
    return finish(&writer);
}

json_t *catalog_json_label(enum label label)
{
    return label == LABEL_UNCONFIRMED ? json_null() : json_string(label_name(label));
}

json_t *catalog_json(const struct backup *backup)
{
    struct writer writer = {json_object(), true};

    put(&writer, "id", text_or_null(backup->id));
    put(&writer, "instance", text_or_null(backup->instance));
    put(&writer, "node", text_or_null(backup->node));
    put(&writer, "region", text_or_null(backup->region));
    put(&writer, "reason", text_or_null(backup->reason));
    put(&writer, "state", json_string(backup_state_name(backup->state)));
    put(&writer, "asked", catalog_json_label(backup->asked));
    put(&writer, "consistency", json_string(label_name(backup->consistency)));
    put(&writer, "shortfall", list_of_texts(&backup->shortfall));
    put(&writer, "window", window_json(backup));
    put(&writer, "timing_ms", timing_json(backup));
    put(&writer, "mounts", list_of(backup, backup->mount_count, mount_json));
    put(&writer, "left_out", list_of(backup, backup->left_out_count, left_out_json));
    put(&writer, "databases", list_of(backup, backup->database_count, database_json));
    put(&writer, "snapshots", list_of(backup, backup->snapshot_count, snapshot_json));
    put(&writer, "image", image_json(&backup->image));
    put(&writer, "kaltura", kaltura_json(backup));
    put(&writer, "expires", catalog_json_second(backup->expires_utc_us));
    put(&writer, "pinned", json_boolean(backup->pinned));
    put(&writer, "verified", text_or_null(backup->verified));
    put(&writer, "policy", text_or_null(backup->policy));
    put(&writer, "group", text_or_null(backup->group));
    put(&writer, "members", number_or_null(backup->member_count));
    put(&writer, "version", text_or_null(backup->version));
    put(&writer, "launch", text_or_null(backup->launch));
    put(&writer, "tags", object_of_pairs(&backup->tags));
    put(&writer, "left_out_more", json_integer(backup->left_out_more));
    return finish(&writer);
}
