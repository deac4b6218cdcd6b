/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog_json.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/utf8.h"

enum { TEXT_BYTES_MAX = 64 * 1024 };

/* --- writing ----------------------------------------------------------------------------- */

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

/* A moment that was chosen, not measured, has whole seconds. */
static json_t *second_or_null(int64_t utc_us)
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

static json_t *timing_json(const struct backup_timing *timing)
{
    struct writer writer = {json_object(), true};

    put(&writer, "hooks_hold", ms_or_null(timing->hooks_hold_us));
    put(&writer, "freeze", ms_or_null(timing->freeze_us));
    put(&writer, "exchange", ms_or_null(timing->exchange_us));
    put(&writer, "thaw", ms_or_null(timing->thaw_us));
    put(&writer, "hooks_release", ms_or_null(timing->hooks_release_us));
    put(&writer, "hold", ms_or_null(timing->hold_us));
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

static json_t *label_or_null(enum label label)
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
    put(&writer, "asked", label_or_null(backup->asked));
    put(&writer, "consistency", json_string(label_name(backup->consistency)));
    put(&writer, "shortfall", list_of_texts(&backup->shortfall));
    put(&writer, "window", window_json(backup));
    put(&writer, "timing_ms", timing_json(&backup->timing));
    put(&writer, "mounts", list_of(backup, backup->mount_count, mount_json));
    put(&writer, "left_out", list_of(backup, backup->left_out_count, left_out_json));
    put(&writer, "databases", list_of(backup, backup->database_count, database_json));
    put(&writer, "snapshots", list_of(backup, backup->snapshot_count, snapshot_json));
    put(&writer, "image", image_json(&backup->image));
    put(&writer, "kaltura", kaltura_json(backup));
    put(&writer, "expires", second_or_null(backup->expires_utc_us));
    put(&writer, "pinned", json_boolean(backup->pinned));
    put(&writer, "verified", text_or_null(backup->verified));
    put(&writer, "policy", text_or_null(backup->policy));
    put(&writer, "group", text_or_null(backup->group));
    put(&writer, "members", number_or_null(backup->member_count));
    put(&writer, "version", text_or_null(backup->version));
    put(&writer, "tags", object_of_pairs(&backup->tags));
    return finish(&writer);
}

/* --- reading -------------------------------------------------------------------------- */

struct reader {
    const json_t *object;
    struct err *err;
};

static bool wrong(struct reader *reader, const char *key)
{
    return err_set(reader->err, ERR_PROTOCOL, 0, "\"%s\" is missing or not what it should be", key);
}

/* The value of KEY; NULL where it is null. Missing is null too: an older version's. */
static const json_t *value_of(struct reader *reader, const char *key)
{
    const json_t *value = json_object_get(reader->object, key);

    return json_is_null(value) ? NULL : value;
}

static bool get_text(struct reader *reader, const char *key, char **slot)
{
    const json_t *value = value_of(reader, key);

    if (value != NULL && !json_is_string(value))
        return wrong(reader, key);
    return strs_dup(slot, json_string_value(value), reader->err);
}

static bool get_number(struct reader *reader, const char *key, int64_t *slot)
{
    const json_t *value = value_of(reader, key);

    if (value != NULL && !json_is_integer(value))
        return wrong(reader, key);
    *slot = value ? json_integer_value(value) : BACKUP_UNKNOWN;
    return true;
}

static bool get_ms(struct reader *reader, const char *key, int64_t *slot_us)
{
    const json_t *value = value_of(reader, key);
    double ms = json_number_value(value);

    if (value != NULL && (!json_is_number(value) || !(ms > -1e15 && ms < 1e15)))
        return wrong(reader, key);
    *slot_us = value ? (int64_t)(ms * 1000.0 + (ms < 0 ? -0.5 : 0.5)) : BACKUP_UNKNOWN;
    return true;
}

static bool get_moment(struct reader *reader, const char *key, int64_t *slot)
{
    const json_t *value = value_of(reader, key);

    *slot = BACKUP_UNKNOWN;
    return value == NULL ||
           (json_is_string(value) && clock_utc_parse(json_string_value(value), slot)) ||
           wrong(reader, key);
}

static bool get_bool(struct reader *reader, const char *key, bool *slot)
{
    const json_t *value = value_of(reader, key);

    *slot = json_is_true(value);
    return value == NULL || json_is_boolean(value) || wrong(reader, key);
}

static bool get_label(struct reader *reader, const char *key, enum label *slot)
{
    const json_t *value = value_of(reader, key);

    return value == NULL ||
           (json_is_string(value) && label_parse(json_string_value(value), slot)) ||
           wrong(reader, key);
}

static bool get_texts(struct reader *reader, const char *key, struct strs *slot)
{
    const json_t *list = value_of(reader, key);

    if (list != NULL && !json_is_array(list))
        return wrong(reader, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            return wrong(reader, key);
        if (!strs_add(slot, text, reader->err))
            return false;
    }
    return true;
}

static bool get_pairs(struct reader *reader, const char *key, struct strs *slot)
{
    json_t *object = json_object_get(reader->object, key); /* the iterator wants it writable */
    const char *name;
    json_t *value;

    if (object == NULL || json_is_null(object))
        return true;
    if (!json_is_object(object))
        return wrong(reader, key);
    json_object_foreach(object, name, value)
    {
        if (!json_is_string(value))
            return wrong(reader, key);
        if (!strs_printf(slot, reader->err, "%s=%s", name, json_string_value(value)))
            return false;
    }
    return true;
}

/* Runs EACH for every object of a list. */
static bool get_list(struct reader *reader, const char *key, struct backup *backup,
                     bool (*each)(struct reader *reader, struct backup *backup))
{
    const json_t *list = value_of(reader, key);

    if (list != NULL && !json_is_array(list))
        return wrong(reader, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct reader item = {json_array_get(list, i), reader->err};
        if (!json_is_object(item.object))
            return wrong(reader, key);
        if (!each(&item, backup))
            return err_wrap(reader->err, "%s", key);
    }
    return true;
}

static bool no_memory(struct reader *reader)
{
    return err_set(reader->err, ERR_INTERNAL, 0, "out of memory");
}

static bool read_mount(struct reader *reader, struct backup *backup)
{
    struct backup_mount *mount = backup_add_mount(backup);

    if (mount == NULL)
        return no_memory(reader);
    return get_text(reader, "path", &mount->path) && get_text(reader, "fs", &mount->fs) &&
           get_texts(reader, "volumes", &mount->volumes) &&
           get_bool(reader, "frozen", &mount->frozen);
}

static bool read_left_out(struct reader *reader, struct backup *backup)
{
    const char *path = json_string_value(value_of(reader, "path"));
    const char *why = json_string_value(value_of(reader, "why"));

    if (path == NULL || why == NULL)
        return wrong(reader, path ? "why" : "path");
    return backup_add_left_out(backup, path, why, reader->err);
}

static bool read_database(struct reader *reader, struct backup *backup)
{
    struct backup_database *database = backup_add_database(backup);

    if (database == NULL)
        return no_memory(reader);
    return get_text(reader, "server", &database->server) &&
           get_text(reader, "method", &database->method) &&
           get_text(reader, "binlog_file", &database->binlog_file) &&
           get_number(reader, "binlog_pos", &database->binlog_pos) &&
           get_bool(reader, "binlog_exact", &database->binlog_exact) &&
           get_text(reader, "gtid", &database->gtid) && get_text(reader, "name", &database->name) &&
           get_text(reader, "source_file", &database->source_file) &&
           get_number(reader, "source_pos", &database->source_pos);
}

static bool read_snapshot(struct reader *reader, struct backup *backup)
{
    struct backup_snapshot *snapshot = backup_add_snapshot(backup);

    if (snapshot == NULL)
        return no_memory(reader);
    return get_text(reader, "id", &snapshot->id) && get_text(reader, "volume", &snapshot->volume) &&
           get_text(reader, "device", &snapshot->device) &&
           get_number(reader, "size_gib", &snapshot->size_gib) &&
           get_text(reader, "state", &snapshot->state);
}

/* One object within, or null. */
static bool get_object(struct reader *reader, const char *key, struct backup *backup,
                       bool (*read)(struct reader *reader, struct backup *backup))
{
    struct reader inner = {value_of(reader, key), reader->err};

    if (inner.object == NULL)
        return true;
    if (!json_is_object(inner.object))
        return wrong(reader, key);
    return read(&inner, backup) || err_wrap(reader->err, "%s", key);
}

static bool read_window(struct reader *reader, struct backup *backup)
{
    return get_moment(reader, "begin", &backup->window_begin_utc_us) &&
           get_moment(reader, "end", &backup->window_end_utc_us) &&
           get_ms(reader, "clock_error_ms", &backup->clock_error_us);
}

static bool read_timing(struct reader *reader, struct backup *backup)
{
    struct backup_timing *timing = &backup->timing;

    return get_ms(reader, "hooks_hold", &timing->hooks_hold_us) &&
           get_ms(reader, "freeze", &timing->freeze_us) &&
           get_ms(reader, "exchange", &timing->exchange_us) &&
           get_ms(reader, "thaw", &timing->thaw_us) &&
           get_ms(reader, "hooks_release", &timing->hooks_release_us) &&
           get_ms(reader, "hold", &timing->hold_us);
}

static bool read_image(struct reader *reader, struct backup *backup)
{
    return get_text(reader, "id", &backup->image.id) &&
           get_text(reader, "state", &backup->image.state) &&
           get_text(reader, "method", &backup->image.method);
}

static bool read_kaltura(struct reader *reader, struct backup *backup)
{
    return get_texts(reader, "roles", &backup->roles) &&
           get_pairs(reader, "versions", &backup->versions);
}

static bool get_state(struct reader *reader, enum backup_state *slot)
{
    const char *text = json_string_value(value_of(reader, "state"));

    return (text != NULL && backup_state_parse(text, slot)) || wrong(reader, "state");
}

static bool read_backup(struct reader *reader, struct backup *backup)
{
    return (json_is_string(value_of(reader, "id")) || wrong(reader, "id")) &&
           get_text(reader, "id", &backup->id) && get_text(reader, "instance", &backup->instance) &&
           get_text(reader, "node", &backup->node) && get_text(reader, "region", &backup->region) &&
           get_text(reader, "reason", &backup->reason) && get_state(reader, &backup->state) &&
           get_label(reader, "asked", &backup->asked) &&
           get_label(reader, "consistency", &backup->consistency) &&
           get_texts(reader, "shortfall", &backup->shortfall) &&
           get_object(reader, "window", backup, read_window) &&
           get_object(reader, "timing_ms", backup, read_timing) &&
           get_list(reader, "mounts", backup, read_mount) &&
           get_list(reader, "left_out", backup, read_left_out) &&
           get_list(reader, "databases", backup, read_database) &&
           get_list(reader, "snapshots", backup, read_snapshot) &&
           get_object(reader, "image", backup, read_image) &&
           get_object(reader, "kaltura", backup, read_kaltura) &&
           get_moment(reader, "expires", &backup->expires_utc_us) &&
           get_bool(reader, "pinned", &backup->pinned) &&
           get_text(reader, "verified", &backup->verified) &&
           get_text(reader, "policy", &backup->policy) &&
           get_text(reader, "group", &backup->group) &&
           get_number(reader, "members", &backup->member_count) &&
           get_text(reader, "version", &backup->version) &&
           get_pairs(reader, "tags", &backup->tags);
}

bool catalog_from_json(const json_t *json, struct backup **ret_backup, struct err *err)
{
    struct reader reader = {json, err};
    struct backup *backup = backup_new();

    if (backup == NULL)
        return no_memory(&reader);
    if (!json_is_object(json) || !read_backup(&reader, backup)) {
        if (!json_is_object(json))
            (void)err_set(err, ERR_PROTOCOL, 0, "not a JSON object");
        backup_free(backup);
        return err_wrap(err, "a backup in JSON");
    }
    *ret_backup = backup;
    return true;
}
