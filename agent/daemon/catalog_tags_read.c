/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog_tags_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/daemon/catalog_tags.h"

static bool read_number(const char *text, int64_t *ret_value)
{
    struct err ignored = ERR_INIT; /* what can't be read is absent */

    return parse_int64(text, 0, INT64_MAX, ret_value, &ignored);
}

static bool take_text(const struct ec2_tags *tags, const char *key, char **slot, struct err *err)
{
    const char *value = *slot == NULL ? ec2_tags_get(tags, key) : NULL;

    return value == NULL || strs_dup(slot, value, err);
}

/* "0.400ms"; TEXT is cut up. */
static bool read_milliseconds(char *text, int64_t *ret_us)
{
    size_t len = strlen(text);
    char *point = strchr(text, '.');
    int64_t ms, us;

    if (point == NULL || len != (size_t)(point - text) + 6 || strcmp(text + len - 2, "ms") != 0)
        return false;
    text[len - 2] = '\0';
    *point = '\0';
    if (!read_number(text, &ms) || !read_number(point + 1, &us) || ms > INT64_MAX / 1001)
        return false;
    *ret_us = ms * 1000 + us;
    return true;
}

static void read_window(const char *text, struct backup *backup)
{
    char copy[160], *rest = copy;
    int64_t begin, end;

    if (text == NULL || strlen(text) >= sizeof(copy))
        return;
    memcpy(copy, text, strlen(text) + 1);
    const char *first = strsep(&rest, "/"), *second = strsep(&rest, "/");
    if (second == NULL || !clock_utc_parse(first, &begin) || !clock_utc_parse(second, &end) ||
        end < begin)
        return;
    backup->window_begin_utc_us = begin;
    backup->window_end_utc_us = end;
    if (rest == NULL || !read_milliseconds(rest, &backup->clock_error_us))
        backup->clock_error_us = BACKUP_UNKNOWN;
}

/* "freeze=1400us exchange=300200us …" */
static bool read_timing(const char *text, struct backup_timing *timing, struct err *err)
{
    AUTO_FREE char *copy = text ? strdup(text) : NULL;
    char *rest = copy;

    if (text != NULL && copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        char *value = strchr(word, '=');
        size_t len = strlen(word);
        if (value == NULL || len < 2 || strcmp(word + len - 2, "us") != 0)
            continue;
        word[len - 2] = '\0';
        *value++ = '\0';
        for (size_t i = 0; i < BACKUP_TIMINGS; i++) {
            if (strcmp(word, backup_timing_names[i]) == 0)
                (void)read_number(value, backup_timing_slot(timing, i)); /* else absent */
        }
    }
    return true;
}

static bool read_sentences(const char *text, struct strs *ret_list, struct err *err)
{
    AUTO_FREE char *copy = text ? strdup(text) : NULL;
    char *rest = copy;

    if (text == NULL || *text == '\0')
        return true;
    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (char *item = strsep(&rest, "|"); item != NULL; item = strsep(&rest, "|")) {
        parse_unescape(item);
        if (!strs_add(ret_list, item, err))
            return false;
    }
    return true;
}

static bool read_left_out(const char *text, struct backup *backup, struct err *err)
{
    struct strs list = {NULL, 0};
    bool ok = read_sentences(text, &list, err);

    for (size_t i = 0; ok && i + 1 < list.count; i += 2)
        ok = backup_add_left_out(backup, list.items[i], list.items[i + 1], err);
    const char *more = list.count % 2 ? list.items[list.count - 1] : "";
    if (more[0] == '+' && !read_number(more + 1, &backup->left_out_more))
        backup->left_out_more = 0;
    strs_free(&list);
    return ok;
}

/* "FILE:POS" in the first LEN bytes. */
static bool read_place(const char *text, size_t len, char **ret_file, int64_t *ret_pos,
                       struct err *err)
{
    AUTO_FREE char *copy = strndup(text, len);

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    char *colon = strrchr(copy, ':');
    if (colon == NULL || colon == copy || !read_number(colon + 1, ret_pos))
        return true;
    *colon = '\0';
    return strs_dup(ret_file, copy, err);
}

static bool take_word(char **rest, char **slot, struct err *err)
{
    const char *word = *rest ? strsep(rest, " ") : NULL;

    return word == NULL || strcmp(word, "-") == 0 || strs_dup(slot, word, err);
}

/* SUFFIX: "" or ":NAME". */
static const char *database_tag(const struct ec2_tags *tags, const char *key, const char *suffix)
{
    char name[400];

    (void)snprintf(name, sizeof(name), CATALOG_OURS "%s%s", key, suffix);
    return ec2_tags_get(tags, name);
}

/* "DATADIR|NAME=VALUE|…" */
static bool read_files(const char *text, struct backup_database *database, struct err *err)
{
    struct strs list = {NULL, 0};
    bool ok = read_sentences(text, &list, err) &&
              (list.count == 0 || strs_dup(&database->datadir, list.items[0], err));

    for (size_t i = 1; ok && i < list.count; i++)
        ok = strs_add(&database->settings, list.items[i], err);
    strs_free(&list);
    return ok;
}

static bool read_database(const struct ec2_tags *tags, const char *suffix, struct backup *backup,
                          struct err *err)
{
    const char *who = database_tag(tags, "database", suffix);
    const char *where = database_tag(tags, "binlog", suffix);
    const char *source = database_tag(tags, "source", suffix);
    AUTO_FREE char *words = who ? strdup(who) : NULL;
    char *rest = words;

    struct backup_database *database = backup_add_database(backup);
    if (database == NULL || (who != NULL && words == NULL))
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (!take_word(&rest, &database->name, err) || !take_word(&rest, &database->server, err) ||
        !take_word(&rest, &database->method, err) ||
        !strs_dup(&database->gtid, database_tag(tags, "gtid", suffix), err) ||
        !read_files(database_tag(tags, "files", suffix), database, err))
        return false;
    if (where != NULL) {
        const char *blank = strrchr(where, ' ');
        size_t len = blank ? (size_t)(blank - where) : strlen(where);
        database->binlog_exact = blank != NULL && strcmp(blank + 1, "exact") == 0;
        if (!read_place(where, len, &database->binlog_file, &database->binlog_pos, err))
            return false;
    }
    return source == NULL ||
           read_place(source, strlen(source), &database->source_file, &database->source_pos, err);
}

static bool read_databases(const struct ec2_tags *tags, struct backup *backup, struct err *err)
{
    static const char more[] = CATALOG_OURS "database:";

    if (backup->database_count > 0)
        return true;
    if ((ec2_tags_get(tags, CATALOG_OURS "database") != NULL ||
         ec2_tags_get(tags, CATALOG_OURS "binlog")) &&
        !read_database(tags, "", backup, err))
        return false;
    for (size_t i = 0; i < tags->count; i++) {
        const char *key = tags->list[i].key;
        if (strncmp(key, more, sizeof(more) - 1) == 0 &&
            !read_database(tags, key + sizeof(more) - 2, backup, err))
            return false;
    }
    return true;
}

static bool read_mount(char *item, const char *volume, struct backup *backup, struct err *err)
{
    char *rest = item;
    char *path = strsep(&rest, ","), *fs = rest ? strsep(&rest, ",") : NULL;

    if (rest == NULL || *path == '\0')
        return true; /* cut in the middle */
    bool frozen = strcmp(rest, "frozen") == 0;
    if (!frozen && strcmp(rest, "moving") != 0)
        return true;
    parse_unescape(path);
    struct backup_mount *mount = backup_mount_at(backup, path);
    if (mount == NULL) {
        mount = backup_add_mount(backup);
        if (mount == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        mount->frozen = true;
        if (!strs_dup(&mount->path, path, err) || !strs_dup(&mount->fs, fs, err))
            return false;
    }
    mount->frozen = mount->frozen && frozen;
    return strs_add_once(&mount->volumes, volume, err);
}

static bool read_mounts(const char *text, const char *volume, struct backup *backup,
                        struct err *err)
{
    AUTO_FREE char *copy = text ? strdup(text) : NULL;
    char *rest = copy;

    if (text != NULL && copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (char *item = strsep(&rest, " "); item != NULL; item = strsep(&rest, " ")) {
        if (!read_mount(item, volume, backup, err))
            return false;
    }
    return true;
}

static bool read_own(const struct ec2_tags *tags, struct backup *backup, struct err *err)
{
    if (backup->tags.count > 0)
        return true;
    for (size_t i = 0; i < tags->count; i++) {
        const struct ec2_tag *tag = &tags->list[i];
        if (strncmp(tag->key, CATALOG_OURS, sizeof(CATALOG_OURS) - 1) == 0 ||
            strncmp(tag->key, "aws:", 4) == 0 || strcmp(tag->key, "Name") == 0)
            continue;
        if (!strs_printf(&backup->tags, err, "%s=%s", tag->key, tag->value))
            return false;
    }
    return true;
}

static void read_plain(const struct ec2_tags *tags, struct backup *backup)
{
    const char *asked = ec2_tags_get(tags, CATALOG_OURS "asked");
    const char *members = ec2_tags_get(tags, CATALOG_OURS "members");
    const char *expires = ec2_tags_get(tags, CATALOG_OURS "expires");
    const char *pinned = ec2_tags_get(tags, CATALOG_OURS "pinned");

    if (asked != NULL && backup->asked == LABEL_UNCONFIRMED)
        (void)label_parse(asked, &backup->asked);
    if (members != NULL && backup->member_count == BACKUP_UNKNOWN)
        (void)read_number(members, &backup->member_count);
    if (expires != NULL && backup->expires_utc_us == BACKUP_UNKNOWN)
        (void)clock_utc_parse(expires, &backup->expires_utc_us);
    /* One pin is enough: it can only keep. */
    backup->pinned = backup->pinned || (pinned != NULL && strcmp(pinned, "yes") == 0);
    if (backup->window_begin_utc_us == BACKUP_UNKNOWN)
        read_window(ec2_tags_get(tags, CATALOG_OURS "window"), backup);
}

bool catalog_tags_read(const struct ec2_tags *tags, const char *volume, struct backup *backup,
                       struct err *err)
{
    read_plain(tags, backup);
    return (backup->timing.hold_us != BACKUP_UNKNOWN ||
            read_timing(ec2_tags_get(tags, CATALOG_OURS "timing"), &backup->timing, err)) &&
           take_text(tags, CATALOG_OURS "id", &backup->id, err) &&
           take_text(tags, CATALOG_OURS "instance", &backup->instance, err) &&
           take_text(tags, CATALOG_OURS "node", &backup->node, err) &&
           take_text(tags, CATALOG_OURS "policy", &backup->policy, err) &&
           take_text(tags, CATALOG_OURS "reason", &backup->reason, err) &&
           take_text(tags, CATALOG_OURS "group", &backup->group, err) &&
           take_text(tags, CATALOG_OURS "verified", &backup->verified, err) &&
           take_text(tags, CATALOG_OURS "version", &backup->version, err) &&
           take_text(tags, CATALOG_OURS "launch", &backup->launch, err) &&
           take_text(tags, CATALOG_OURS "image", &backup->image.method, err) &&
           (backup->shortfall.count > 0 ||
            read_sentences(ec2_tags_get(tags, CATALOG_OURS "shortfall"), &backup->shortfall,
                           err)) &&
           (backup->left_out_count > 0 ||
            read_left_out(ec2_tags_get(tags, CATALOG_OURS "left-out"), backup, err)) &&
           read_databases(tags, backup, err) && read_own(tags, backup, err) &&
           (volume == NULL ||
            read_mounts(ec2_tags_get(tags, CATALOG_OURS "mounts"), volume, backup, err));
}
