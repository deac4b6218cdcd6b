/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/journal.h"

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
#include "agent/daemon/catalog_json_read.h"

enum { JOURNAL_VERSION = 1 };

/* --- the folder -------------------------------------------------------------------------- */

static bool make_path(char *path, const char *state_dir, const char *name, const char *suffix,
                      struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/journal%s%s%s", state_dir, name[0] ? "/" : "", name, suffix) >=
        PATH_MAX)
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
    return true;
}

static bool suggest(const char *state_dir, struct err *err)
{
    return fileio_suggest_room(state_dir, err);
}

/* NULL: errno says why. */
static DIR *open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && dir == NULL)
        (void)close(fd);
    return dir;
}

/* What a daemon was about to write when it was killed (fileio_replace). */
static void sweep(const char *folder)
{
    DIR *dir = open_folder(folder);
    const struct dirent *item;

    while (dir != NULL && (item = readdir(dir)) != NULL) {
        size_t len = strlen(item->d_name);
        if (len > 9 && strcmp(item->d_name + len - 9, ".json.new") == 0)
            (void)unlinkat(dirfd(dir), item->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

bool journal_open(const char *state_dir, struct err *err)
{
    char path[PATH_MAX];

    if (!make_path(path, state_dir, "", "", err))
        return false;
    if (!fileio_mkdir(path, 0700, err))
        return suggest(state_dir, err);
    sweep(state_dir);
    sweep(path);
    return true;
}

bool journal_list_in(const char *folder, struct strs *ret_ids, struct err *err)
{
    char id[BACKUP_ID_BYTES];
    const struct dirent *item;
    bool ok = true;

    DIR *dir = open_folder(folder);
    if (dir == NULL)
        return errno == ENOENT || err_set(err, ERR_SYS, errno, "%s", folder);
    while (ok && (item = readdir(dir)) != NULL) {
        size_t len = strcspn(item->d_name, ".");
        if (len >= sizeof(id) || strcmp(item->d_name + len, ".json") != 0)
            continue;
        memcpy(id, item->d_name, len);
        id[len] = '\0';
        if (catalog_is_id(id))
            ok = strs_add(ret_ids, id, err);
    }
    (void)closedir(dir);
    if (ok)
        strs_sort(ret_ids);
    return ok;
}

bool journal_list(const char *state_dir, struct strs *ret_ids, struct err *err)
{
    char path[PATH_MAX];

    return make_path(path, state_dir, "", "", err) && journal_list_in(path, ret_ids, err);
}

bool journal_remove(const char *state_dir, const char *id, struct err *err)
{
    char path[PATH_MAX];

    if (!make_path(path, state_dir, id, ".json", err))
        return false;
    return unlink(path) == 0 || errno == ENOENT || err_set(err, ERR_SYS, errno, "remove %s", path);
}

/* --- writing ----------------------------------------------------------------------------- */

static json_t *texts_json(const struct strs *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, json_string(texts->items[i]));
    return list;
}

bool journal_write(const char *state_dir, const struct journal_entry *entry, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    json_t *object =
        json_pack("{s:i,s:s,s:s,s:I,s:I,s:b,s:b,s:o,s:o}", "version", JOURNAL_VERSION, "step",
                  journal_step_name(entry->step), "boot_id", entry->boot_id, "written_boot_ms",
                  (json_int_t)entry->written_boot_ms, "written_utc_us",
                  (json_int_t)entry->written_utc_us, "image", entry->image, "keep", entry->keep,
                  "hooks", texts_json(&entry->hooks), "backup", catalog_json(entry->backup));
    char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) : NULL;
    bool ok = false;

    json_decref(object);
    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    /* The folder too: somebody may have removed it since the start. */
    if (make_path(path, state_dir, entry->backup->id, ".json", err) &&
        make_path(folder, state_dir, "", "", err))
        ok = (fileio_mkdir(folder, 0700, err) &&
              fileio_replace(path, text, strlen(text), 0600, err)) ||
             suggest(state_dir, err);
    free(text);
    return ok || err_wrap(err, "the journal");
}

/* --- reading ----------------------------------------------------------------------------- */

static bool read_step(const json_t *object, enum journal_step *ret_step)
{
    const char *name = json_string_value(json_object_get(object, "step"));

    for (size_t i = 0; name != NULL && i < JOURNAL_STEP_COUNT; i++) {
        if (strcmp(name, journal_step_name((enum journal_step)i)) == 0) {
            *ret_step = (enum journal_step)i;
            return true;
        }
    }
    return false;
}

static bool read_hooks(const json_t *object, struct strs *hooks, struct err *err)
{
    const json_t *list = json_object_get(object, "hooks");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name != NULL && !strs_add(hooks, name, err))
            return false;
    }
    return true;
}

static bool read_object(const json_t *object, struct journal_entry *entry, struct err *err)
{
    const char *boot_id = json_string_value(json_object_get(object, "boot_id"));

    if (json_integer_value(json_object_get(object, "version")) != JOURNAL_VERSION ||
        !read_step(object, &entry->step) || boot_id == NULL ||
        strlen(boot_id) >= sizeof(entry->boot_id))
        return err_set(err, ERR_PROTOCOL, 0, "not an entry that this version can read");
    strcpy(entry->boot_id, boot_id);
    entry->written_boot_ms = json_integer_value(json_object_get(object, "written_boot_ms"));
    entry->written_utc_us = json_integer_value(json_object_get(object, "written_utc_us"));
    entry->image = json_is_true(json_object_get(object, "image"));
    entry->keep = json_is_true(json_object_get(object, "keep"));
    return read_hooks(object, &entry->hooks, err) &&
           catalog_from_json(json_object_get(object, "backup"), &entry->backup, err);
}

bool journal_read(const char *state_dir, const char *id, struct journal_entry *ret_entry,
                  struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(JOURNAL_BYTES_MAX);
    struct journal_entry entry = {.step = JOURNAL_HOLD};
    char path[PATH_MAX];
    json_error_t where;

    if (!make_path(path, state_dir, id, ".json", err) || !fileio_read(path, &text, err))
        return false;
    json_t *object = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    bool ok = object != NULL ? read_object(object, &entry, err)
                             : err_set(err, ERR_PROTOCOL, 0, "not JSON: %s", where.text);
    json_decref(object);
    if (ok && (entry.backup->id == NULL || strcmp(entry.backup->id, id) != 0 ||
               entry.backup->instance == NULL))
        ok = err_set(err, ERR_PROTOCOL, 0, "it is not about %s", id);
    if (!ok) {
        journal_entry_free(&entry);
        return err_wrap(err, "%s", path);
    }
    *ret_entry = entry;
    return true;
}

void journal_entry_free(struct journal_entry *entry)
{
    strs_free(&entry->hooks);
    backup_free(entry->backup);
    entry->backup = NULL;
}

/* --- time -------------------------------------------------------------------------------- */

void journal_boot_id(char *boot_id)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct err ignored = ERR_INIT;

    boot_id[0] = '\0';
    if (!fileio_read("/proc/sys/kernel/random/boot_id", &text, &ignored))
        return;
    size_t len = strcspn(buf_text(&text), "\n");
    if (len < JOURNAL_BOOT_ID_BYTES) {
        memcpy(boot_id, buf_text(&text), len);
        boot_id[len] = '\0';
    }
}

int64_t journal_age_ms(const struct journal_entry *entry, int64_t since_boot_ms)
{
    char boot_id[JOURNAL_BOOT_ID_BYTES];

    journal_boot_id(boot_id);
    if (boot_id[0] != '\0' && strcmp(boot_id, entry->boot_id) == 0)
        since_boot_ms = entry->written_boot_ms;
    return clock_boot_ms() - since_boot_ms;
}
