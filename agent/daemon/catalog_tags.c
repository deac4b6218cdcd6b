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

enum { VALUE_BYTES_MAX = 64 * 1024, LEFT_OUT_MORE_CHARS = 8 /* "|+" and a number */ };

/* --- values --------------------------------------------------------------------------- */

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
    if (utf8_count(text.data) > TAG_VALUE_CHARS_MAX) {
        parse_cut_utf8(text.data, TAG_VALUE_CHARS_MAX - 1, SIZE_MAX);
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
    return catalog_tags_put(tags, CATALOG_OURS "window", text, err);
}

/* "freeze=1400us exchange=300200us …", those that are known. */
static bool put_timing(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TAG_VALUE_CHARS_MAX);
    struct backup_timing timing = backup->timing;

    for (size_t i = 0; i < BACKUP_TIMINGS; i++) {
        int64_t value_us = *backup_timing_slot(&timing, i);
        if (value_us != BACKUP_UNKNOWN &&
            !buf_printf(&text, err, "%s%s=%" PRId64 "us", text.len ? " " : "",
                        backup_timing_names[i], value_us))
            return false;
    }
    return put_text(tags, CATALOG_OURS "timing", buf_text(&text), err);
}

static bool add_sentence(struct buf *text, const char *sentence, struct err *err)
{
    return (text->len == 0 || buf_add_text(text, "|", err)) &&
           add_escaped(text, sentence, "|", err);
}

/* "SENTENCE|SENTENCE" */
static bool put_sentences(struct ec2_tags *tags, const char *key, const struct strs *list,
                          struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);

    for (size_t i = 0; i < list->count; i++) {
        if (!add_sentence(&text, list->items[i], err))
            return false;
    }
    return put_text(tags, key, buf_text(&text), err);
}

/* "PATH|WHY|PATH|WHY", and where a tag has no room for all "+N" for those that are missing. */
static bool put_left_out(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);
    size_t fits_bytes = 0, fits = 0;

    for (size_t i = 0; i < backup->left_out_count; i++) {
        if (!add_sentence(&text, backup->left_out[i].path, err) ||
            !add_sentence(&text, backup->left_out[i].why, err))
            return false;
        bool all = i + 1 == backup->left_out_count && backup->left_out_more == 0;
        size_t room = all ? 0 : LEFT_OUT_MORE_CHARS;
        if (fits == i && utf8_count(text.data) + room <= TAG_VALUE_CHARS_MAX) {
            fits = i + 1;
            fits_bytes = text.len;
        }
    }
    int64_t more = backup->left_out_more + (int64_t)(backup->left_out_count - fits);
    buf_cut(&text, fits_bytes);
    if (more > 0 && !buf_printf(&text, err, "%s+%" PRId64, fits ? "|" : "", more))
        return false;
    return put_text(tags, CATALOG_OURS "left-out", buf_text(&text), err);
}

static bool put_database_tag(struct ec2_tags *tags, const char *key, const char *suffix,
                             const char *value, struct err *err)
{
    char name[128];

    (void)snprintf(name, sizeof(name), CATALOG_OURS "%s%s%s", key, suffix ? ":" : "",
                   suffix ? suffix : "");
    return put_text(tags, name, value, err);
}

static const char *word_or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

/* What a server needs to find its files, the most needed first. */
static const char *const needed_settings[] = {
    "log_bin",
    "log_bin_index",
    "innodb_data_home_dir",
    "innodb_log_group_home_dir",
    "innodb_undo_directory",
    "innodb_doublewrite_dir",
    "aria_log_dir_path",
    "innodb_data_file_path",
    "innodb_page_size",
    "innodb_undo_tablespaces",
    "lower_case_table_names",
    "innodb_checksum_algorithm",
    "innodb_log_file_size",
    "innodb_log_files_in_group",
    "innodb_redo_log_capacity",
    "gtid_mode",
    "enforce_gtid_consistency",
};

/* What a server does without being told. */
static bool is_usual(const struct backup_database *database, const char *setting)
{
    static const char *const usual[] = {"innodb_data_file_path=ibdata1:12M:autoextend",
                                        "innodb_page_size=16384", "lower_case_table_names=0"};
    const char *value = strchr(setting, '=') + 1;

    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (strcmp(setting, usual[i]) == 0)
            return true;
    }
    return strcmp(value, database->datadir) == 0;
}

static const char *setting_named(const struct backup_database *database, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < database->settings.count; i++) {
        const char *setting = database->settings.items[i];
        if (strncmp(setting, name, len) == 0 && setting[len] == '=')
            return setting;
    }
    return NULL;
}

/* "DATADIR|NAME=VALUE|…", as many as a tag has room for. */
static bool put_files(const struct backup_database *database, const char *suffix,
                      struct ec2_tags *tags, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);

    if (database->datadir == NULL)
        return true;
    if (!add_escaped(&text, database->datadir, "|", err))
        return false;
    if (utf8_count(buf_text(&text)) > TAG_VALUE_CHARS_MAX)
        return true; /* half a path leads nowhere */
    for (size_t i = 0; i < sizeof(needed_settings) / sizeof(needed_settings[0]); i++) {
        const char *setting = setting_named(database, needed_settings[i]);
        size_t fits_bytes = text.len;
        if (setting == NULL || is_usual(database, setting))
            continue;
        if (!add_sentence(&text, setting, err))
            return false;
        if (utf8_count(text.data) > TAG_VALUE_CHARS_MAX)
            buf_cut(&text, fits_bytes);
    }
    return put_database_tag(tags, "files", suffix, buf_text(&text), err);
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
           put_database_tag(tags, "gtid", suffix, database->gtid, err) &&
           (database->method != NULL || put_files(database, suffix, tags, err));
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
    if (backup->tags.count > TAG_OWN_MAX) {
        (void)err_set(err, ERR_LIMIT, 0, "%zu tags of your own", backup->tags.count);
        return err_suggest(err, "at most %d fit beside ours", TAG_OWN_MAX);
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

static bool put_name(const struct backup *backup, const char *device, struct ec2_tags *tags,
                     struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VALUE_BYTES_MAX);
    const char *node = backup->node ? backup->node : backup->instance;

    return buf_printf(&text, err, "%s%s%s%s%s", node ? node : "", node ? " " : "",
                      device ? device : "", device ? " " : "", backup->id ? backup->id : "") &&
           put_text(tags, "Name", buf_text(&text), err);
}

static bool put_facts(const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    char members[32];

    (void)snprintf(members, sizeof(members), "%" PRId64, backup->member_count);
    return put_text(tags, CATALOG_OURS "id", backup->id, err) &&
           put_text(tags, CATALOG_OURS "instance", backup->instance, err) &&
           put_text(tags, CATALOG_OURS "node", backup->node, err) &&
           put_text(tags, CATALOG_OURS "policy", backup->policy, err) &&
           put_text(tags, CATALOG_OURS "reason", backup->reason, err) &&
           put_text(tags, CATALOG_OURS "group", backup->group, err) &&
           put_text(tags, CATALOG_OURS "state", backup_state_name(backup->state), err) &&
           (backup->asked == LABEL_UNCONFIRMED ||
            put_text(tags, CATALOG_OURS "asked", label_name(backup->asked), err)) &&
           put_text(tags, CATALOG_OURS "consistency", label_name(backup->consistency), err) &&
           (backup->member_count == BACKUP_UNKNOWN ||
            put_text(tags, CATALOG_OURS "members", members, err)) &&
           put_moment(tags, CATALOG_OURS "expires", backup->expires_utc_us, err) &&
           put_text(tags, CATALOG_OURS "pinned", backup->pinned ? "yes" : "no", err) &&
           put_text(tags, CATALOG_OURS "verified", backup->verified, err) &&
           put_text(tags, CATALOG_OURS "version", backup->version, err) &&
           put_text(tags, CATALOG_OURS "launch", backup->launch, err) &&
           put_text(tags, CATALOG_OURS "image", backup->image.method, err);
}

bool catalog_tags_common(const struct backup *backup, struct ec2_tags *ret_tags, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    if (!put_own(backup, &tags, err) || !put_name(backup, NULL, &tags, err) ||
        !put_facts(backup, &tags, err) || !put_window(backup, &tags, err) ||
        !put_timing(backup, &tags, err) ||
        !put_sentences(&tags, CATALOG_OURS "shortfall", &backup->shortfall, err) ||
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
    return put_text(tags, CATALOG_OURS "mounts", buf_text(&text), err);
}

bool catalog_tags_of_volume(const struct backup *backup, const char *volume,
                            struct ec2_tags *ret_tags, struct err *err)
{
    const struct backup_snapshot *snapshot = backup_snapshot_of(backup, volume);
    const char *device = snapshot ? snapshot->device : NULL;
    struct ec2_tags tags = {.count = 0};

    if (!put_text(&tags, CATALOG_OURS "device", device, err) ||
        !put_mounts(backup, volume, &tags, err) || !put_name(backup, device, &tags, err)) {
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
