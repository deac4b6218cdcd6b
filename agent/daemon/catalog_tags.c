/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog_tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/base/utf8.h"

#define OURS "stillpoint:"

enum { VALUE_BYTES_MAX = 64 * 1024 };

/* --- values --------------------------------------------------------------------------- */

static size_t count_chars(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

bool catalog_tags_put(struct ec2_tags *tags, const char *key, const char *value, struct err *err)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    AUTO_BUF struct buf text = BUF_INIT(4 * VALUE_BYTES_MAX);

    if (!utf8_add_valid(&text, value, strnlen(value, VALUE_BYTES_MAX), err))
        return false;
    if (text.data == NULL)
        return ec2_tags_set(tags, key, "", err);
    for (char *at = text.data; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' '; /* XML has no way to write most of them */
    }
    if (count_chars(text.data) > CATALOG_TAG_CHARS_MAX) {
        parse_cut_utf8(text.data, CATALOG_TAG_CHARS_MAX - 1, SIZE_MAX);
        text.len = strlen(text.data);
        if (!buf_add_text(&text, ellipsis, err))
            return false;
    }
    return ec2_tags_set(tags, key, text.data, err);
}

static bool put_text(struct ec2_tags *tags, const char *key, const char *value, struct err *err)
{
    return value == NULL || *value == '\0' || catalog_tags_put(tags, key, value, err);
}

static bool put_moment(struct ec2_tags *tags, const char *key, int64_t utc_us, struct err *err)
{
    char text[CLOCK_TEXT_BYTES];

    return utc_us == BACKUP_UNKNOWN ||
           catalog_tags_put(tags, key, clock_utc_text(utc_us, text), err);
}

/* What parts the items of a list ('|', ',' or a blank) stands in them as \OOO. */
static bool add_escaped(struct buf *text, const char *item, const char *special, struct err *err)
{
    for (; *item != '\0'; item++) {
        bool plain = *item != '\\' && strchr(special, *item) == NULL;
        bool ok = plain ? buf_add(text, item, 1, err)
                        : buf_printf(text, err, "\\%03o", (unsigned)(unsigned char)*item);
        if (!ok)
            return false;
    }
    return true;
}

static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0';) {
        unsigned value;
        if (at[0] == '\\' && strspn(at + 1, "01234567") >= 3 &&
            sscanf(at + 1, "%3o", &value) == 1) {
            *to++ = (char)(unsigned char)(value & 0xff);
            at += 4;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

/* --- writing: what all carry ---------------------------------------------------------- */

/* BEGIN/END/ERROR: "2026-11-24T08:15:31.206811Z/2026-11-24T08:15:31.507112Z/0.400ms". */
static bool put_window(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    char begin[CLOCK_TEXT_BYTES], end[CLOCK_TEXT_BYTES], error[40] = "", text[160];

    if (backup->window_begin_utc_us == BACKUP_UNKNOWN ||
        backup->window_end_utc_us == BACKUP_UNKNOWN)
        return true;
    if (backup->clock_error_us != BACKUP_UNKNOWN)
        (void)snprintf(error, sizeof(error), "/%" PRId64 ".%03dms", backup->clock_error_us / 1000,
                       (int)(backup->clock_error_us % 1000));
    (void)snprintf(text, sizeof(text), "%s/%s%s",
                   clock_utc_text(backup->window_begin_utc_us, begin),
                   clock_utc_text(backup->window_end_utc_us, end), error);
    return catalog_tags_put(tags, OURS "window", text, err);
}

struct timing_field {
    const char *name;
    size_t offset;
};

static const struct timing_field timing_fields[] = {
    {"hooks_hold", offsetof(struct backup_timing, hooks_hold_us)},
    {"freeze", offsetof(struct backup_timing, freeze_us)},
    {"exchange", offsetof(struct backup_timing, exchange_us)},
    {"thaw", offsetof(struct backup_timing, thaw_us)},
    {"hooks_release", offsetof(struct backup_timing, hooks_release_us)},
    {"hold", offsetof(struct backup_timing, hold_us)},
};
enum { TIMING_FIELDS = sizeof(timing_fields) / sizeof(timing_fields[0]) };

static int64_t *timing_slot(struct backup_timing *timing, size_t field)
{
    return (int64_t *)(void *)((char *)timing + timing_fields[field].offset);
}

/* "freeze=1400us exchange=300200us …", those that are known. */
static bool put_timing(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(CATALOG_TAG_CHARS_MAX);
    struct backup_timing timing = backup->timing;

    for (size_t i = 0; i < TIMING_FIELDS; i++) {
        int64_t value_us = *timing_slot(&timing, i);
        if (value_us != BACKUP_UNKNOWN &&
            !buf_printf(&text, err, "%s%s=%" PRId64 "us", text.len ? " " : "",
                        timing_fields[i].name, value_us))
            return false;
    }
    return put_text(tags, OURS "timing", buf_text(&text), err);
}

/* "SENTENCE|SENTENCE" */
static bool put_sentences(struct ec2_tags *tags, const char *key, const struct strs *list,
                          struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);

    for (size_t i = 0; i < list->count; i++) {
        if ((i > 0 && !buf_add_text(&text, "|", err)) ||
            !add_escaped(&text, list->items[i], "|", err))
            return false;
    }
    return put_text(tags, key, buf_text(&text), err);
}

/* "PATH|WHY|PATH|WHY" */
static bool put_left_out(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    struct strs list = {NULL, 0};
    bool ok = true;

    for (size_t i = 0; ok && i < backup->left_out_count && i < STRS_MAX / 2; i++)
        ok = strs_add(&list, backup->left_out[i].path, err) &&
             strs_add(&list, backup->left_out[i].why, err);
    ok = ok && put_sentences(tags, OURS "left-out", &list, err);
    strs_free(&list);
    return ok;
}

static bool put_database_tag(struct ec2_tags *tags, const char *key, const char *suffix,
                             const char *value, struct err *err)
{
    char name[128];

    (void)snprintf(name, sizeof(name), OURS "%s%s%s", key, suffix ? ":" : "", suffix ? suffix : "");
    return put_text(tags, name, value, err);
}

static const char *word_or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

/* SUFFIX is NULL for the first one. */
static bool put_database(const struct backup_database *database, const char *suffix,
                         struct ec2_tags *tags, struct err *err)
{
    AUTO_BUF struct buf who = BUF_INIT(VALUE_BYTES_MAX);
    AUTO_BUF struct buf where = BUF_INIT(VALUE_BYTES_MAX);
    AUTO_BUF struct buf source = BUF_INIT(VALUE_BYTES_MAX);

    if (!buf_printf(&who, err, "%s %s %s", word_or_dash(database->name),
                    word_or_dash(database->server), word_or_dash(database->method)))
        return false;
    if (database->binlog_file != NULL && database->binlog_pos != BACKUP_UNKNOWN &&
        !buf_printf(&where, err, "%s:%" PRId64 " %s", database->binlog_file, database->binlog_pos,
                    database->binlog_exact ? "exact" : "at-least"))
        return false;
    if (database->source_file != NULL && database->source_pos != BACKUP_UNKNOWN &&
        !buf_printf(&source, err, "%s:%" PRId64, database->source_file, database->source_pos))
        return false;
    return put_database_tag(tags, "database", suffix, buf_text(&who), err) &&
           put_database_tag(tags, "binlog", suffix, buf_text(&where), err) &&
           put_database_tag(tags, "source", suffix, buf_text(&source), err) &&
           put_database_tag(tags, "gtid", suffix, database->gtid, err);
}

static bool put_databases(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    for (size_t i = 0; i < backup->database_count && i < CATALOG_DATABASES_MAX; i++) {
        if (!put_database(&backup->databases[i], i > 0 ? backup->databases[i].name : NULL, tags,
                          err))
            return false;
    }
    return true;
}

static bool put_own(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    if (backup->tags.count > CATALOG_USER_TAGS_MAX) {
        (void)err_set(err, ERR_LIMIT, 0, "%zu tags of your own", backup->tags.count);
        return err_suggest(err, "at most %d fit beside ours", CATALOG_USER_TAGS_MAX);
    }
    for (size_t i = 0; i < backup->tags.count; i++) {
        AUTO_FREE char *key = NULL;
        AUTO_FREE char *value = NULL;
        if (!parse_key_value(backup->tags.items[i], &key, &value, err) ||
            !catalog_tags_put(tags, key, value, err))
            return false;
    }
    return true;
}

static bool own_name(const struct backup *backup)
{
    for (size_t i = 0; i < backup->tags.count; i++) {
        if (strncmp(backup->tags.items[i], "Name=", 5) == 0)
            return true;
    }
    return false;
}

static bool put_name(const struct backup *backup, const char *device, struct ec2_tags *tags,
                     struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);
    const char *node = backup->node ? backup->node : backup->instance;

    if (own_name(backup))
        return true; /* the operator's stays */
    return buf_printf(&text, err, "%s%s%s%s%s", node ? node : "", node ? " " : "",
                      device ? device : "", device ? " " : "", backup->id ? backup->id : "") &&
           put_text(tags, "Name", buf_text(&text), err);
}

static bool put_facts(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    char members[32];

    (void)snprintf(members, sizeof(members), "%" PRId64, backup->member_count);
    return put_text(tags, OURS "id", backup->id, err) &&
           put_text(tags, OURS "instance", backup->instance, err) &&
           put_text(tags, OURS "node", backup->node, err) &&
           put_text(tags, OURS "policy", backup->policy, err) &&
           put_text(tags, OURS "reason", backup->reason, err) &&
           put_text(tags, OURS "group", backup->group, err) &&
           put_text(tags, OURS "state", backup_state_name(backup->state), err) &&
           (backup->asked == LABEL_UNCONFIRMED ||
            put_text(tags, OURS "asked", label_name(backup->asked), err)) &&
           put_text(tags, OURS "consistency", label_name(backup->consistency), err) &&
           (backup->member_count == BACKUP_UNKNOWN ||
            put_text(tags, OURS "members", members, err)) &&
           put_moment(tags, OURS "expires", backup->expires_utc_us, err) &&
           put_text(tags, OURS "pinned", backup->pinned ? "yes" : "no", err) &&
           put_text(tags, OURS "verified", backup->verified, err) &&
           put_text(tags, OURS "version", backup->version, err) &&
           put_text(tags, OURS "image", backup->image.method, err);
}

bool catalog_tags_common(const struct backup *backup, struct ec2_tags *ret_tags, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    if (!put_own(backup, &tags, err) || !put_name(backup, NULL, &tags, err) ||
        !put_facts(backup, &tags, err) || !put_window(backup, &tags, err) ||
        !put_timing(backup, &tags, err) ||
        !put_sentences(&tags, OURS "shortfall", &backup->shortfall, err) ||
        !put_left_out(backup, &tags, err) || !put_databases(backup, &tags, err)) {
        ec2_tags_free(&tags);
        return err_wrap(err, "tags");
    }
    ec2_tags_free(ret_tags);
    *ret_tags = tags;
    return true;
}

/* --- writing: what is a volume's own -------------------------------------------------- */

/* "PATH,FS,frozen PATH,FS,moving" */
static bool put_mounts(const struct backup *backup, const char *volume, struct ec2_tags *tags,
                       struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);

    for (size_t i = 0; i < backup->mount_count; i++) {
        const struct backup_mount *mount = &backup->mounts[i];
        if (!strs_has(&mount->volumes, volume))
            continue;
        if ((text.len > 0 && !buf_add_text(&text, " ", err)) ||
            !add_escaped(&text, mount->path, " ,|", err) ||
            !buf_printf(&text, err, ",%s,%s", word_or_dash(mount->fs),
                        mount->frozen ? "frozen" : "moving"))
            return false;
    }
    return put_text(tags, OURS "mounts", buf_text(&text), err);
}

bool catalog_tags_of_volume(const struct backup *backup, const char *volume,
                            struct ec2_tags *ret_tags, struct err *err)
{
    const struct backup_snapshot *snapshot = backup_snapshot_of(backup, volume);
    const char *device = snapshot ? snapshot->device : NULL;
    struct ec2_tags tags = {.count = 0};

    if (!put_text(&tags, OURS "device", device, err) || !put_mounts(backup, volume, &tags, err) ||
        !put_name(backup, device, &tags, err)) {
        ec2_tags_free(&tags);
        return err_wrap(err, "tags of %s", volume);
    }
    ec2_tags_free(ret_tags);
    *ret_tags = tags;
    return true;
}

bool catalog_tags_changed(const struct ec2_tags *was, const struct ec2_tags *now,
                          struct ec2_tags *ret_tags, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    for (size_t i = 0; i < now->count; i++) {
        const char *before = ec2_tags_get(was, now->list[i].key);
        if (before != NULL && strcmp(before, now->list[i].value) == 0)
            continue;
        if (!ec2_tags_set(&tags, now->list[i].key, now->list[i].value, err)) {
            ec2_tags_free(&tags);
            return false;
        }
    }
    ec2_tags_free(ret_tags);
    *ret_tags = tags;
    return true;
}

/* --- reading -------------------------------------------------------------------------- */

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

/* "0.400ms" */
static bool read_milliseconds(const char *text, int64_t *ret_us)
{
    int64_t whole_ms;
    int us, used = 0;

    if (sscanf(text, "%15" SCNd64 ".%3dms%n", &whole_ms, &us, &used) != 2 || used == 0 ||
        text[used] != '\0' || whole_ms < 0 || us < 0)
        return false;
    *ret_us = whole_ms * 1000 + us;
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

static void read_timing(const char *text, struct backup_timing *timing)
{
    for (size_t i = 0; text != NULL && i < TIMING_FIELDS; i++) {
        char name[40];
        int64_t value_us;
        (void)snprintf(name, sizeof(name), "%s=", timing_fields[i].name);
        for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
            int used = 0;
            if (at != text && at[-1] != ' ')
                continue; /* the end of a longer name */
            if (sscanf(at + strlen(name), "%18" SCNd64 "us%n", &value_us, &used) == 1 && used > 0 &&
                value_us >= 0)
                *timing_slot(timing, i) = value_us;
        }
    }
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
        unescape(item);
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

    (void)snprintf(name, sizeof(name), OURS "%s%s", key, suffix);
    return ec2_tags_get(tags, name);
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
        !strs_dup(&database->gtid, database_tag(tags, "gtid", suffix), err))
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
    static const char more[] = OURS "database:";

    if (backup->database_count > 0)
        return true;
    if ((ec2_tags_get(tags, OURS "database") != NULL || ec2_tags_get(tags, OURS "binlog")) &&
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
    unescape(path);
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
        if (strncmp(tag->key, OURS, sizeof(OURS) - 1) == 0 || strncmp(tag->key, "aws:", 4) == 0 ||
            strcmp(tag->key, "Name") == 0)
            continue;
        if (!strs_printf(&backup->tags, err, "%s=%s", tag->key, tag->value))
            return false;
    }
    return true;
}

static void read_plain(const struct ec2_tags *tags, struct backup *backup)
{
    const char *asked = ec2_tags_get(tags, OURS "asked");
    const char *members = ec2_tags_get(tags, OURS "members");
    const char *expires = ec2_tags_get(tags, OURS "expires");
    const char *pinned = ec2_tags_get(tags, OURS "pinned");

    if (asked != NULL && backup->asked == LABEL_UNCONFIRMED)
        (void)label_parse(asked, &backup->asked);
    if (members != NULL && backup->member_count == BACKUP_UNKNOWN)
        (void)read_number(members, &backup->member_count);
    if (expires != NULL && backup->expires_utc_us == BACKUP_UNKNOWN)
        (void)clock_utc_parse(expires, &backup->expires_utc_us);
    /* One pin is enough: it can only keep. */
    backup->pinned = backup->pinned || (pinned != NULL && strcmp(pinned, "yes") == 0);
    if (backup->window_begin_utc_us == BACKUP_UNKNOWN)
        read_window(ec2_tags_get(tags, OURS "window"), backup);
    if (backup->timing.hold_us == BACKUP_UNKNOWN)
        read_timing(ec2_tags_get(tags, OURS "timing"), &backup->timing);
}

bool catalog_tags_read(const struct ec2_tags *tags, const char *volume, struct backup *backup,
                       struct err *err)
{
    read_plain(tags, backup);
    return take_text(tags, OURS "id", &backup->id, err) &&
           take_text(tags, OURS "instance", &backup->instance, err) &&
           take_text(tags, OURS "node", &backup->node, err) &&
           take_text(tags, OURS "policy", &backup->policy, err) &&
           take_text(tags, OURS "reason", &backup->reason, err) &&
           take_text(tags, OURS "group", &backup->group, err) &&
           take_text(tags, OURS "verified", &backup->verified, err) &&
           take_text(tags, OURS "version", &backup->version, err) &&
           take_text(tags, OURS "image", &backup->image.method, err) &&
           (backup->shortfall.count > 0 ||
            read_sentences(ec2_tags_get(tags, OURS "shortfall"), &backup->shortfall, err)) &&
           (backup->left_out_count > 0 ||
            read_left_out(ec2_tags_get(tags, OURS "left-out"), backup, err)) &&
           read_databases(tags, backup, err) && read_own(tags, backup, err) &&
           (volume == NULL || read_mounts(ec2_tags_get(tags, OURS "mounts"), volume, backup, err));
}
