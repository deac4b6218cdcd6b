/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_lenient.h"

#include <glob.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/comment.h"
#include "agent/daemon/config_file.h"

enum { VALUE_BYTES = 8192 };

struct search {
    const char *section, *key;
    bool only_ours;
    char value[VALUE_BYTES];
    bool found;
    bool found_here; /* in this file: what comes then goes on with it */
};

static int take(void *user, const char *section, const char *name, const char *value)
{
    struct search *search = user;
    size_t len = search->found_here ? strlen(search->value) : 0;

    if (strcmp(section, search->section) != 0 || strcmp(name, search->key) != 0)
        return 1; /* what else is wrong is no matter here */
    if (len > 0 && search->value[len - 1] != ',')
        len += (size_t)snprintf(search->value + len, VALUE_BYTES - len, ", ");
    if (len + strlen(value) < VALUE_BYTES) {
        strcpy(search->value + len, value);
        comment_cut(search->value + len);
    }
    search->found = search->found_here = true;
    return 1;
}

static void look_into(const char *path, struct search *search)
{
    AUTO_BUF struct buf text = BUF_INIT(CONFIG_FILE_BYTES_MAX);
    struct err passed_over = ERR_INIT;
    bool read = search->only_ours ? config_file_text(path, &text, &passed_over)
                                  : config_file_text_of_anyone(path, &text, &passed_over);

    if (!read)
        return;
    search->found_here = false;
    (void)ini_parse_string(buf_text(&text), take, search);
}

/* Whoever can put a file there could say what root does. */
static bool is_folder_ours(const char *folder)
{
    struct err passed_over = ERR_INIT;
    struct stat st;

    return stat(folder, &st) != 0 || config_file_owner_ok(folder, &st, &passed_over);
}

bool cli_lenient_get(const char *path, bool only_ours, const char *section, const char *key,
                     char *ret_value, size_t size)
{
    struct search search = {.section = section, .key = key, .only_ours = only_ours};
    char folder[PATH_MAX], pattern[PATH_MAX + sizeof("/*.conf")];
    const char *slash = strrchr(path, '/');
    glob_t found = {.gl_pathc = 0};

    look_into(path, &search);
    (void)snprintf(folder, sizeof(folder), "%.*sconf.d",
                   slash != NULL ? (int)(slash - path) + 1 : 0, path);
    (void)snprintf(pattern, sizeof(pattern), "%s/*.conf", folder);
    if ((!only_ours || is_folder_ours(folder)) && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            look_into(found.gl_pathv[i], &search);
    }
    globfree(&found);
    if (search.found && strlen(search.value) < size)
        strcpy(ret_value, search.value);
    return search.found;
}
