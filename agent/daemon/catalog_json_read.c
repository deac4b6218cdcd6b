/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog_json_read.h"

#include "agent/base/clock.h"
#include "agent/daemon/strs.h"

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

/* One that is absent is none. */
static bool get_count(struct reader *reader, const char *key, int64_t *slot)
{
    bool ok = get_number(reader, key, slot);

    if (*slot == BACKUP_UNKNOWN)
        *slot = 0;
    return ok;
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
           get_text(reader, "place", &mount->place) &&
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
           get_number(reader, "source_pos", &database->source_pos) &&
           get_text(reader, "datadir", &database->datadir) &&
           get_pairs(reader, "settings", &database->settings);
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
    for (size_t i = 0; i < BACKUP_TIMINGS; i++) {
        if (!get_ms(reader, backup_timing_names[i], backup_timing_slot(&backup->timing, i)))
            return false;
    }
    return true;
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
           get_count(reader, "left_out_more", &backup->left_out_more) &&
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
           get_text(reader, "launch", &backup->launch) && get_pairs(reader, "tags", &backup->tags);
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
