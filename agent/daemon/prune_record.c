/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/prune_record.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/fileio.h"
#include "agent/daemon/journal.h"

enum { RECORD_VERSION = 1, RECORD_BYTES_MAX = 1024 };

static bool make_path(char *path, const char *state_dir, const char *id, struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/removing%s%s%s", state_dir, id[0] ? "/" : "", id,
                 id[0] ? ".json" : "") >= PATH_MAX)
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
    return true;
}

bool prune_record_write(const char *state_dir, const char *id, const char *instance,
                        struct err *err)
{
    char folder[PATH_MAX], path[PATH_MAX], text[256];

    if (!make_path(folder, state_dir, "", err) || !make_path(path, state_dir, id, err))
        return false;
    int len = snprintf(text, sizeof(text), "{\"version\": %d, \"instance\": \"%.100s\"}\n",
                       RECORD_VERSION, instance);
    return (fileio_mkdir(folder, 0700, err) &&
            fileio_replace(path, text, (size_t)len, 0600, err)) ||
           fileio_suggest_room(state_dir, err);
}

bool prune_record_remove(const char *state_dir, const char *id, struct err *err)
{
    char path[PATH_MAX];

    if (!make_path(path, state_dir, id, err))
        return false;
    return unlink(path) == 0 || errno == ENOENT || err_set(err, ERR_SYS, errno, "remove %s", path);
}

bool prune_record_list(const char *state_dir, struct strs *ret_ids, struct err *err)
{
    char path[PATH_MAX];

    return make_path(path, state_dir, "", err) && journal_list_in(path, ret_ids, err);
}

bool prune_record_is(const char *state_dir, const char *id, const char *instance)
{
    AUTO_BUF struct buf text = BUF_INIT(RECORD_BYTES_MAX);
    struct err ignored = ERR_INIT;
    json_error_t where;
    char path[PATH_MAX];

    if (!make_path(path, state_dir, id, &ignored) || !fileio_read(path, &text, &ignored))
        return false;
    json_t *object = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    const char *wrote = json_string_value(json_object_get(object, "instance"));
    bool is_ours = json_integer_value(json_object_get(object, "version")) == RECORD_VERSION &&
                   wrote != NULL && strcmp(wrote, instance) == 0;
    json_decref(object);
    return is_ours;
}
