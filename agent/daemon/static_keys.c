/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/static_keys.h"

#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/fileio.h"

enum { FILE_BYTES_MAX = 256 * 1024, PASSWD_BYTES = 16 * 1024 };

#define DAEMON_USER  "stillpoint"
#define ITEMS(array) (sizeof(array) / sizeof((array)[0]))

static const char secret_name[] = "aws_secret_access_key"; /* in a profile, or an environment */
static const char file_name[] = "EnvironmentFile";

struct search {
    const char *root;
    struct strs *places;
    struct strs named; /* EnvironmentFile= */
};

/* A name of its own, with a value behind it: "…=x", "Environment=\"…=x\"". */
static bool has_secret(const char *line, size_t len)
{
    const size_t name_len = sizeof(secret_name) - 1;

    for (size_t i = 0; i + name_len < len; i++) {
        if (strncasecmp(line + i, secret_name, name_len) != 0 ||
            (i > 0 && (isalnum((unsigned char)line[i - 1]) || line[i - 1] == '_')))
            continue;
        size_t at = i + name_len;
        while (at < len && (line[at] == ' ' || line[at] == '\t'))
            at++;
        if (at == len || line[at] != '=')
            continue;
        at++;
        while (at < len && strchr(" \t'\"", line[at]) != NULL)
            at++;
        if (at < len)
            return true;
    }
    return false;
}

/* Of "EnvironmentFile=-/x": where the path begins; its end into RET_END. NULL: no such line. */
static const char *named_file(const char *line, size_t len, const char **ret_end)
{
    const char *at = line + sizeof(file_name) - 1, *end = line + len;

    if (len < sizeof(file_name) || strncmp(line, file_name, sizeof(file_name) - 1) != 0)
        return NULL;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end || *at != '=')
        return NULL;
    at++;
    while (at < end && strchr(" \t-", *at) != NULL)
        at++;
    while (end > at && isspace((unsigned char)end[-1]))
        end--;
    *ret_end = end;
    return at;
}

static bool look_at_line(struct search *search, const char *path, size_t number, const char *line,
                         size_t len, struct err *err)
{
    while (len > 0 && isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#' || *line == ';')
        return true;
    const char *end, *name = named_file(line, len, &end);
    if (name != NULL)
        return strs_printf(&search->named, err, "%.*s", (int)(end - name), name);
    return !has_secret(line, len) || strs_printf(search->places, err, "%s:%zu", path, number);
}

static bool look_into(struct search *search, const char *path, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct stat st;
    bool ok = true;

    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO is no file */
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        !fileio_read_fd(fd, path, &text, &ignored))
        return true;
    const char *at = buf_text(&text), *end = at + text.len;
    for (size_t number = 1; ok && at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        ok = look_at_line(search, path, number, at, (size_t)(stop - at), err);
        at = stop + 1;
    }
    buf_wipe(&text);
    return ok;
}

static bool look_at_all(struct search *search, const char *pattern, struct err *err)
{
    char whole[PATH_MAX];
    glob_t found = {.gl_pathc = 0};
    bool ok = true;

    if (snprintf(whole, sizeof(whole), "%s%s", search->root, pattern) >= (int)sizeof(whole))
        return true;
    if (glob(whole, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; ok && i < found.gl_pathc; i++)
            ok = look_into(search, found.gl_pathv[i], err);
    }
    globfree(&found);
    return ok;
}

static bool look_below(struct search *search, const char *folder, const char *names,
                       struct err *err)
{
    char pattern[PATH_MAX];

    return snprintf(pattern, sizeof(pattern), "%s/%s", folder, names) >= (int)sizeof(pattern) ||
           look_at_all(search, pattern, err);
}

static bool look_everywhere(struct search *search, const char *config_folder, const char *home,
                            struct err *err)
{
    /* Not /run: it is not in an image. */
    static const char *const folders[] = {"/etc/systemd", "/usr/local/lib/systemd",
                                          "/usr/lib/systemd"};
    static const char *const names[] = {
        "system/stillpoint*.service",
        "system/stillpoint*.service.d/*.conf",
        "system/service.d/*.conf", /* for every service */
        "system.conf",             /* DefaultEnvironment= */
        "system.conf.d/*.conf",
    };
    static const char *const patterns[] = {"/etc/default/stillpoint*",
                                           "/etc/sysconfig/stillpoint*"};
    bool ok = look_below(search, config_folder, "*", err) &&
              look_below(search, config_folder, "conf.d/*", err);

    for (size_t i = 0; i < ITEMS(folders); i++) {
        for (size_t k = 0; ok && k < ITEMS(names); k++)
            ok = look_below(search, folders[i], names[k], err);
    }
    for (size_t i = 0; ok && i < ITEMS(patterns); i++)
        ok = look_at_all(search, patterns[i], err);
    return ok && (home == NULL || look_below(search, home, ".aws/*", err));
}

/* One that was looked at already is not told again. */
static bool look_at_named(struct search *search, struct err *err)
{
    struct strs places = {NULL, 0};
    struct search second = {.root = search->root, .places = &places};
    bool ok = true;

    for (size_t i = 0; ok && i < search->named.count; i++)
        ok = look_at_all(&second, search->named.items[i], err);
    for (size_t i = 0; ok && i < places.count; i++)
        ok = strs_add_once(search->places, places.items[i], err);
    strs_free(&places);
    strs_free(&second.named);
    return ok;
}

bool static_keys_find(const char *root, const char *config_path, const char *home,
                      struct strs *ret_places, struct err *err)
{
    struct search search = {.root = root, .places = ret_places};
    const char *slash = strrchr(config_path, '/');
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - config_path) : 1,
                   slash ? config_path : ".");
    bool ok = look_everywhere(&search, folder, home, err) && look_at_named(&search, err);
    strs_free(&search.named);
    strs_sort(ret_places);
    return ok;
}

bool static_keys_home(char *home)
{
    AUTO_FREE char *room = malloc(PASSWD_BYTES);
    struct passwd entry, *found = NULL;

    if (room == NULL || getpwnam_r(DAEMON_USER, &entry, room, PASSWD_BYTES, &found) != 0 ||
        found == NULL || found->pw_dir == NULL || strlen(found->pw_dir) >= PATH_MAX)
        return false;
    strcpy(home, found->pw_dir);
    return true;
}
