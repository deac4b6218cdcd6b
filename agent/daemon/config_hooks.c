/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/auto.h"
#include "agent/daemon/config_folder.h"
#include "agent/daemon/config_sections.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* hooks.d next to the file, absolute and without links on the way: stillpoint-hook takes no other
 * path. Where the folder is not there (then there is no file either) it stays as it was written. */
bool config_hooks_dir(const char *path, char **ret_path, struct err *err)
{
    AUTO_FREE char *folder = NULL;

    if (!config_folder_beside(path, ".", &folder, err))
        return false;
    AUTO_FREE char *real = realpath(folder, NULL);
    if (real == NULL)
        return config_folder_beside(path, "hooks.d", ret_path, err);
    if (asprintf(ret_path, "%s/hooks.d", strcmp(real, "/") == 0 ? "" : real) < 0) {
        *ret_path = NULL;
        return no_memory(err);
    }
    return true;
}

/* What a package manager or an editor leaves beside a file that it replaces: the hook's own older
 * or newer version, which must not run beside it. */
static bool is_leftover(const char *name)
{
    static const char *const ends[] = {".rpmnew", ".rpmsave", ".rpmorig", "~"};
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && strcmp(name + len - end, ends[i]) == 0)
            return true;
    }
    return strstr(name, ".dpkg-") != NULL || strstr(name, ".ucf-") != NULL;
}

/* Executables of hooks.d that no section names run too, with defaults. */
bool config_hooks_find(struct config *config, struct err *err)
{
    struct strs names = {NULL, 0};
    bool ok = config_folder_list(config->hooks_dir, &names, err);

    for (size_t i = 0; ok && i < names.count; i++) {
        AUTO_FREE char *path = NULL;
        const char *name = names.items[i];
        struct stat st;
        bool named = config_section_struct(config, CONFIG_HOOK, name) != NULL;
        if (asprintf(&path, "%s/%s", config->hooks_dir, name) < 0) {
            path = NULL;
            ok = no_memory(err);
            break;
        }
        for (size_t k = 0; k < config->hook_count; k++)
            named = named || strcmp(config->hooks[k].exec, path) == 0;
        /* What is not executable is a README or the like. */
        if (named || is_leftover(name) || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
            (st.st_mode & S_IXUSR) == 0)
            continue;
        ok = config_name_check("hook", name, err) || err_wrap(err, "%s", path);
        ok = ok &&
             config_section_set(config, CONFIG_HOOK, name, config_key_by_name(CONFIG_HOOK, "exec"),
                                path, config->hooks_dir, err);
    }
    strs_free(&names);
    return ok;
}

bool config_hooks_fill(struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->hook_count; i++) {
        struct config_hook *hook = &config->hooks[i];
        AUTO_FREE char *path = NULL;
        if (*hook->exec != '\0')
            continue;
        if (asprintf(&path, "%s/%s", config->hooks_dir, hook->name) < 0) {
            path = NULL;
            return no_memory(err);
        }
        if (!config_section_set(config, CONFIG_HOOK, hook->name,
                                config_key_by_name(CONFIG_HOOK, "exec"), path, "default", err))
            return err_wrap(err, "[hook %s]", hook->name);
    }
    return true;
}
