/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/fileio.h"
#include "agent/daemon/catalog.h"

enum { RECORD_VERSION = 1, RECORD_BYTES_MAX = 256 * 1024 };

static const char *const purpose_names[] = {"verify", "files", "restore"};
static const char *const step_names[] = {"lent", "handing"};

const char *loan_purpose_name(enum loan_purpose purpose)
{
    return purpose_names[purpose];
}

/* --- ids ---------------------------------------------------------------------------------- */

bool loan_id_new(int64_t now_utc_us, char *id, struct err *err)
{
    if (!catalog_id_new(now_utc_us, id, err))
        return false;
    id[0] = 'l';
    id[1] = 'n';
    return true;
}

bool loan_is_id(const char *text)
{
    char like[LOAN_ID_BYTES];

    if (strncmp(text, "ln-", 3) != 0 || strlen(text) >= sizeof(like))
        return false;
    (void)snprintf(like, sizeof(like), "sp-%s", text + 3);
    return catalog_is_id(like);
}

void loan_free(struct loan *loan)
{
    free(loan->volumes);
    *loan = (struct loan){.count = 0};
}

/* --- the folder --------------------------------------------------------------------------- */

static bool make_path(char *path, const char *state_dir, const char *name, struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/loans%s%s%s", state_dir, *name ? "/" : "", name,
                 *name ? ".json" : "") >= PATH_MAX)
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
    return true;
}

bool loan_record_remove(const char *state_dir, const char *id, struct err *err)
{
    char path[PATH_MAX];

    if (!make_path(path, state_dir, id, err))
        return false;
    return unlink(path) == 0 || errno == ENOENT || err_set(err, ERR_SYS, errno, "remove %s", path);
}

/* One name of the folder: an entry's id is taken, half a write is removed. */
static bool take_name(int folder_fd, const char *name, struct strs *ret_ids, struct err *err)
{
    char id[LOAN_ID_BYTES];
    size_t len = strcspn(name, ".");

    if (len >= sizeof(id))
        return true;
    memcpy(id, name, len);
    id[len] = '\0';
    if (strcmp(name + len, ".json.new") == 0)
        (void)unlinkat(folder_fd, name, 0); /* else the next start does */
    return strcmp(name + len, ".json") != 0 || !loan_is_id(id) || strs_add(ret_ids, id, err);
}

bool loan_record_list(const char *state_dir, struct strs *ret_ids, struct err *err)
{
    const struct dirent *item;
    char path[PATH_MAX];
    bool ok = true;

    if (!make_path(path, state_dir, "", err))
        return false;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT || err_set(err, ERR_SYS, errno, "%s", path);
    while (ok && (item = readdir(dir)) != NULL)
        ok = take_name(dirfd(dir), item->d_name, ret_ids, err);
    (void)closedir(dir);
    if (ok)
        strs_sort(ret_ids);
    return ok;
}

/* --- writing ------------------------------------------------------------------------------ */

static json_t *volumes_json(const struct loan *loan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < loan->count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s}", "snapshot", loan->volumes[i].snapshot_id, "source",
                            loan->volumes[i].source_id, "volume", loan->volumes[i].volume_id));
    return list;
}

bool loan_record_write(const char *state_dir, const struct loan *loan, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    json_t *object = json_pack(
        "{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:o}", "version", RECORD_VERSION, "id", loan->id,
        "backup", loan->backup_id, "instance", loan->instance, "purpose",
        loan_purpose_name(loan->purpose), "step", step_names[loan->step], "boot_id", loan->boot_id,
        "written_boot_ms", (json_int_t)loan->written_boot_ms, "written_utc_us",
        (json_int_t)loan->written_utc_us, "volumes", volumes_json(loan));
    char *text = object ? json_dumps(object, JSON_INDENT(1)) : NULL;
    bool ok = false;

    json_decref(object);
    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (make_path(path, state_dir, loan->id, err) && make_path(folder, state_dir, "", err))
        ok = (fileio_mkdir(folder, 0700, err) &&
              fileio_replace(path, text, strlen(text), 0600, err)) ||
             fileio_suggest_room(state_dir, err);
    free(text);
    return ok || err_wrap(err, "the record of volumes on loan");
}

/* --- reading ------------------------------------------------------------------------------ */

/* False: KEY is missing, no text, or too long for its place. */
static bool read_text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (text == NULL || strlen(text) >= size)
        return false;
    strcpy(to, text);
    return true;
}

static bool read_word(const json_t *object, const char *key, const char *const *words, size_t count,
                      size_t *ret_index)
{
    const char *text = json_string_value(json_object_get(object, key));

    for (size_t i = 0; text != NULL && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool read_volumes(const json_t *list, struct loan *loan, struct err *err)
{
    size_t count = json_array_size(list);

    if (count == 0 || count > LOAN_VOLUMES_MAX)
        return err_set(err, ERR_PROTOCOL, 0, "%zu volumes", count);
    loan->volumes = calloc(count, sizeof(*loan->volumes));
    if (loan->volumes == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    loan->count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        struct loan_volume *volume = &loan->volumes[i];
        volume->size_gib = BACKUP_UNKNOWN;
        volume->asked = true;
        if (!read_text(item, "snapshot", volume->snapshot_id, sizeof(volume->snapshot_id)) ||
            !read_text(item, "source", volume->source_id, sizeof(volume->source_id)) ||
            !read_text(item, "volume", volume->volume_id, sizeof(volume->volume_id)))
            return err_set(err, ERR_PROTOCOL, 0, "volume %zu is none", i);
    }
    return true;
}

static bool read_object(const json_t *object, struct loan *loan, struct err *err)
{
    size_t purpose, step;

    if (json_integer_value(json_object_get(object, "version")) != RECORD_VERSION ||
        !read_text(object, "id", loan->id, sizeof(loan->id)) ||
        !read_text(object, "backup", loan->backup_id, sizeof(loan->backup_id)) ||
        !read_text(object, "instance", loan->instance, sizeof(loan->instance)) ||
        !read_text(object, "boot_id", loan->boot_id, sizeof(loan->boot_id)) ||
        !read_word(object, "purpose", purpose_names, 3, &purpose) ||
        !read_word(object, "step", step_names, 2, &step))
        return err_set(err, ERR_PROTOCOL, 0, "not an entry that this version can read");
    loan->purpose = (enum loan_purpose)purpose;
    loan->step = (enum loan_step)step;
    loan->written_boot_ms = json_integer_value(json_object_get(object, "written_boot_ms"));
    loan->written_utc_us = json_integer_value(json_object_get(object, "written_utc_us"));
    return read_volumes(json_object_get(object, "volumes"), loan, err);
}

bool loan_record_read(const char *state_dir, const char *id, struct loan *ret_loan, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(RECORD_BYTES_MAX);
    struct loan loan = {.count = 0};
    char path[PATH_MAX];
    json_error_t where;

    if (!make_path(path, state_dir, id, err) || !fileio_read(path, &text, err))
        return false;
    json_t *object = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    bool ok = object != NULL ? read_object(object, &loan, err)
                             : err_set(err, ERR_PROTOCOL, 0, "not JSON: %s", where.text);
    json_decref(object);
    if (ok && strcmp(loan.id, id) != 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "it is not about %s", id);
    if (!ok) {
        loan_free(&loan);
        return err_wrap(err, "%s", path);
    }
    *ret_loan = loan;
    return true;
}
