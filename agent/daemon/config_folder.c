/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/daemon/config_file.h"

enum { FILES_MAX = 256 };

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

bool config_folder_beside(const char *path, const char *name, char **ret_path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 1;

    if (asprintf(ret_path, "%.*s/%s", len, slash ? path : ".", name) < 0) {
        *ret_path = NULL;
        return no_memory(err);
    }
    return true;
}

/* Who can write a folder can put a file into it. */
static bool folder_ok(DIR *dir, const char *folder, struct err *err)
{
    struct stat st;

    return fstat(dirfd(dir), &st) == 0 ? config_file_owner_ok(folder, &st, err)
                                       : err_set(err, ERR_CONFIG, errno, "%s", folder);
}

bool config_folder_list(const char *folder, struct strs *ret_names, struct err *err)
{
    DIR *dir = opendir(folder);

    if (dir == NULL && errno == ENOENT)
        return true;
    if (dir == NULL) {
        (void)err_set(err, ERR_CONFIG, errno, "%s", folder);
        return err_suggest(err, "make it a folder that the daemon's user can read, or remove it");
    }
    bool ok = folder_ok(dir, folder, err);
    errno = 0;
    for (struct dirent *entry = readdir(dir); ok && entry != NULL; entry = readdir(dir)) {
        if (ret_names->count >= FILES_MAX)
            ok = err_set(err, ERR_LIMIT, 0, "%s: more than %d files", folder, FILES_MAX);
        else if (entry->d_name[0] != '.')
            ok = strs_add(ret_names, entry->d_name, err);
        errno = 0;
    }
    if (ok && errno != 0)
        ok = err_set(err, ERR_CONFIG, errno, "%s", folder);
    (void)closedir(dir); /* only read from */
    strs_sort(ret_names);
    return ok;
}
