/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/comment.h"

#define DEFAULT_CONFIG "/etc/stillpoint/stillpoint.conf"
#define DEFAULT_RUN    "/run/stillpoint"

enum { CONFIG_BYTES_MAX = 256 * 1024 };

const char guard_options_help[] =
    "stillpoint-guard: holds filesystems frozen under a lease, and thaws them whatever happens\n"
    "\n"
    "usage: stillpoint-guard [options]          serve, in the foreground, as root\n"
    "       stillpoint-guard [options] --thaw   let go of what an earlier one left frozen\n"
    "       stillpoint-guard [options] --watch  do so whenever all of a guard is killed\n"
    "\n"
    "  --config FILE         read [paths] run there (default " DEFAULT_CONFIG ")\n"
    "  --socket PATH         default RUN/" GUARD_SOCKET_NAME "\n"
    "  --record PATH         the lease's record, on a tmpfs; default RUN/" GUARD_RECORD_NAME "\n"
    "  --user NAME           who may connect besides root (default stillpoint)\n"
    "  --rcu-expedited FILE  default /sys/kernel/rcu_expedited\n"
    "  --version, --help\n";

static char *trim(char *text)
{
    char *last;

    while (*text == ' ' || *text == '\t')
        text++;
    last = text + strlen(text);
    while (last > text && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
        *--last = '\0';
    return text;
}

/* One trimmed line. 1 it names run, -1 it names it badly, 0 it is something else. */
static int read_line(char *line, bool *is_in_paths, char *ret_run, size_t bytes)
{
    static const char paths[] = "[paths]";

    if (line[0] == '[') { /* behind it is a comment, or the others refuse the file */
        *is_in_paths = strncmp(line, paths, sizeof(paths) - 1) == 0;
        return 0;
    }
    char *equals = line + strcspn(line, "=:");
    if (!*is_in_paths || line[0] == '#' || line[0] == ';' || *equals == '\0')
        return 0;
    *equals = '\0';
    if (strcmp(trim(line), "run") != 0)
        return 0;
    char *value = equals + 1;
    comment_cut(value);
    value = trim(value);
    if (value[0] != '/' || strlen(value) >= bytes)
        return -1;
    memcpy(ret_run, value, strlen(value) + 1);
    return 1;
}

int guard_options_find_run(const char *text, char *ret_run, size_t bytes)
{
    char line[GUARD_PATH_BYTES];
    bool is_in_paths = false;
    int found = 0;

    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* the others take a byte order mark, too */
        text += 3;
    for (int number = 1; *text != '\0'; number++) {
        size_t length = strcspn(text, "\n");
        if (length < sizeof(line)) { /* a longer one can't be ours: run would not fit */
            memcpy(line, text, length);
            line[length] = '\0';
            int one = read_line(trim(line), &is_in_paths, ret_run, bytes);
            if (one < 0)
                return -number;
            found |= one;
        }
        text += length + (text[length] == '\n');
    }
    return found;
}

/* Nobody but root (or whom we run as) may say where root makes folders. */
static bool is_ours(const struct stat *st)
{
    return (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 && (st->st_uid == 0 || st->st_uid == geteuid());
}

/* No fault of a file is a reason to leave something frozen. */
static bool is_lenient(const struct guard_options *options)
{
    return options->thaw || options->watch;
}

static bool refuse(const char *path, const char *why, char *ret_error)
{
    (void)snprintf(ret_error, GUARD_PATH_BYTES, "%.*s: %.200s", GUARD_PATH_BYTES - 204, path, why);
    return false;
}

static bool read_config(const char *path, bool must_exist, struct guard_options *options,
                        char *ret_error)
{
    static char text[CONFIG_BYTES_MAX];
    struct stat st;
    size_t length = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && (errno == ENOENT ? !must_exist : is_lenient(options)))
        return true;
    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse(path, strerror(errno), ret_error);
    if (!S_ISREG(st.st_mode) || (!is_ours(&st) && !is_lenient(options))) {
        (void)close(fd);
        return is_lenient(options) ||
               refuse(path, "is writable by others than root, or no file", ret_error);
    }
    while (length < sizeof(text) - 1 &&
           (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    (void)close(fd);
    if (got < 0 && !is_lenient(options))
        return refuse(path, strerror(errno), ret_error); /* not reached: a disk that fails */
    int found = guard_options_find_run(text, options->run, GUARD_SOCKET_PATH_BYTES - 16);
    if (found < 0 && !is_lenient(options)) {
        (void)snprintf(ret_error, GUARD_PATH_BYTES,
                       "%.*s:%d: [paths] run: not an absolute path, or too long",
                       GUARD_PATH_BYTES - 80, path, -found);
        return false;
    }
    return true;
}

static int is_conf(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* FILE, then conf.d/ *.conf beside it in the order of names; later values win. */
static bool read_configs(const char *file, bool must_exist, struct guard_options *options,
                         char *ret_error)
{
    char folder[GUARD_PATH_BYTES], path[GUARD_PATH_BYTES];
    const char *slash = strrchr(file, '/');
    struct dirent **entries = NULL;
    struct stat st;
    bool ok = read_config(file, must_exist, options, ret_error);

    if (!ok)
        return false;
    int length = slash == NULL
                     ? snprintf(folder, sizeof(folder), "conf.d")
                     : snprintf(folder, sizeof(folder), "%.*s/conf.d", (int)(slash - file), file);
    if (length < 0 || (size_t)length >= sizeof(folder))
        return true; /* not reached: a file of that path could not be read */
    if (stat(folder, &st) == 0 && !is_lenient(options) && (!is_ours(&st) || !S_ISDIR(st.st_mode)))
        return refuse(folder, "is writable by others than root, or no folder", ret_error);
    int count = scandir(folder, &entries, is_conf, alphasort);
    for (int i = 0; i < count; i++) {
        length = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        ok = ok && length > 0 && (size_t)length < sizeof(path) &&
             read_config(path, !is_lenient(options), options, ret_error);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static bool take_value(int argc, char **argv, int *at, const char *name, const char **ret_value)
{
    size_t length = strlen(name);

    if (strncmp(argv[*at], name, length) != 0)
        return false;
    if (argv[*at][length] == '=') {
        *ret_value = argv[*at] + length + 1;
        return true;
    }
    if (argv[*at][length] != '\0' || *at + 1 >= argc)
        return false;
    *ret_value = argv[++*at];
    return true;
}

static bool set_path(char *path, const char *value, const char *folder, const char *name,
                     size_t bytes)
{
    int length = value != NULL ? snprintf(path, GUARD_PATH_BYTES, "%s", value)
                               : snprintf(path, GUARD_PATH_BYTES, "%s/%s", folder, name);

    return length > 0 && (size_t)length < bytes && path[0] == '/';
}

bool guard_options_read(int argc, char **argv, struct guard_options *ret_options,
                        char ret_error[GUARD_PATH_BYTES])
{
    struct guard_options *options = ret_options;
    const char *config = NULL, *socket = NULL, *record = NULL;

    memset(options, 0, sizeof(*options));
    memcpy(options->run, DEFAULT_RUN, sizeof(DEFAULT_RUN));
    options->user = "stillpoint";
    options->rcu_path = "/sys/kernel/rcu_expedited";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--thaw") == 0)
            options->thaw = true;
        else if (strcmp(argv[i], "--watch") == 0)
            options->watch = true;
        else if (strcmp(argv[i], "--version") == 0)
            options->version = true;
        else if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (take_value(argc, argv, &i, "--user", &options->user))
            options->is_user_named = true;
        else if (!take_value(argc, argv, &i, "--config", &config) &&
                 !take_value(argc, argv, &i, "--socket", &socket) &&
                 !take_value(argc, argv, &i, "--record", &record) &&
                 !take_value(argc, argv, &i, "--rcu-expedited", &options->rcu_path)) {
            (void)snprintf(ret_error, GUARD_PATH_BYTES, "%s: unknown, or its value is missing",
                           argv[i]);
            return false;
        }
    }
    if (options->thaw && options->watch) {
        (void)snprintf(ret_error, GUARD_PATH_BYTES, "--thaw or --watch, not both");
        return false;
    }
    if (options->version || options->help)
        return true;
    if (!read_configs(config != NULL ? config : DEFAULT_CONFIG, config != NULL, options, ret_error))
        return false;
    if (!set_path(options->socket, socket, options->run, GUARD_SOCKET_NAME,
                  GUARD_SOCKET_PATH_BYTES) ||
        !set_path(options->record, record, options->run, GUARD_RECORD_NAME, GUARD_PATH_BYTES - 8)) {
        (void)snprintf(ret_error, GUARD_PATH_BYTES,
                       "the paths of socket and record must be absolute, and the socket's shorter "
                       "than %d characters",
                       GUARD_SOCKET_PATH_BYTES);
        return false;
    }
    return true;
}
