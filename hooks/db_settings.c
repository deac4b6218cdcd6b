/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "hooks/db_server.h"

enum { SETTINGS_BYTES_MAX = 8 * 1024 };

static bool is_directory(const char *name)
{
    static const char *const names[] = {"aria_log_dir_path", "innodb_data_home_dir",
                                        "innodb_doublewrite_dir", "innodb_log_group_home_dir",
                                        "innodb_undo_directory"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* "innodb_undo_directory=./" as a path that means the same to a server started elsewhere. */
static bool add_directory(struct buf *text, const char *datadir, const char *name,
                          const char *value, struct err *err)
{
    char file[PATH_MAX], path[PATH_MAX];

    (void)snprintf(file, sizeof(file), "%s/", value);
    return !db_path_directory(datadir, file, path) || buf_printf(text, err, "%s=%s\n", name, path);
}

/* "log_bin.index", below the datadir where it is no path. */
static bool add_file(struct buf *text, const char *datadir, const char *name, const char *value,
                     struct err *err)
{
    const char *slash = strrchr(value, '/');
    char path[PATH_MAX];

    if (!db_path_directory(datadir, value, path))
        return true;
    return buf_printf(text, err, "%s=%s/%s\n", name, path, slash ? slash + 1 : value);
}

/* What is asked for to know the above, or has another name as a setting. */
static bool is_helper(const char *name)
{
    static const char *const wanted = DB_SETTINGS_NAMES;
    char quoted[80];

    (void)snprintf(quoted, sizeof(quoted), "'%s'", name);
    return strcasestr(wanted, quoted) == NULL || strcasecmp(name, "log_bin") == 0;
}

static const char *find(const struct db_rows *variables, const char *wanted)
{
    for (size_t i = 0; i < variables->row_count; i++) {
        const char *name = db_rows_get(variables, i, "Variable_name");
        const char *value = db_rows_get(variables, i, "Value");
        if (name != NULL && value != NULL && strcasecmp(name, wanted) == 0)
            return value;
    }
    return "";
}

static bool add(struct buf *text, const char *datadir, const char *name, const char *value,
                bool binlog, struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_.:,;/+-";

    if (is_helper(name) || value[0] == '\0')
        return true;
    if (strcasecmp(name, "log_bin_basename") == 0)
        return !binlog || add_file(text, datadir, "log_bin", value, err);
    if (strcasecmp(name, "log_bin_index") == 0)
        return !binlog || add_file(text, datadir, name, value, err);
    if (is_directory(name))
        return add_directory(text, datadir, name, value, err);
    /* What is no plain word can't be passed on. */
    return value[strspn(value, plain)] != '\0' || buf_printf(text, err, "%s=%s\n", name, value);
}

bool db_settings_text(const char *datadir, const struct db_rows *variables, char **ret_text,
                      struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(SETTINGS_BYTES_MAX);
    const char *log_bin = find(variables, "log_bin");
    bool binlog = strcasecmp(log_bin, "ON") == 0 || strcmp(log_bin, "1") == 0;

    for (size_t i = 0; i < variables->row_count; i++) {
        const char *name = db_rows_get(variables, i, "Variable_name");
        const char *value = db_rows_get(variables, i, "Value");
        if (name != NULL && value != NULL && !add(&text, datadir, name, value, binlog, err))
            return err_wrap(err, "the server's settings");
    }
    *ret_text = strdup(buf_text(&text));
    return *ret_text != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
}
