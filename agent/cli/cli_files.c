/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/cli/cli_client.h"
#include "agent/cli/cli_table.h"
#include "agent/cli/cli_talk.h"
#include "agent/hookrun/copy_wire.h"

enum {
    SHOW_TIMEOUT_MS = 150000,
    MARKER_TRIES = 10, /* each lost to one that ends just then */
    MARKER_PATH_BYTES = PATH_MAX + sizeof(COPY_MARKER_NAME) + 1,
};

#define EMPTY_FOLDER_REMEDY "name a folder that is not there yet, or is empty"

/* --- which backup ----------------------------------------------------------------------------- */

/* The marker has the whole id, whatever was typed.
 *   ret_exit  of the failure */
static bool ask_id(const struct cli *cli, const char *socket_path, char *id, size_t size,
                   int *ret_exit, struct err *err)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    struct cli_client client = CLI_CLIENT_INIT;
    json_t *event = NULL;
    bool found = false;

    *ret_exit = CLI_EXIT_PRECONDITION;
    client.group = cli->group;
    bool ok = cli_client_open(&client, socket_path, err) &&
              control_add_request(&line, "show",
                                  json_pack("{s:o}", "id", control_text(cli->options->id)), err) &&
              cli_client_send(&client, &line, err);
    while (ok && !found && (ok = cli_client_next(&client, -1, SHOW_TIMEOUT_MS, &event, err))) {
        const char *name = cli_str(event, "event");
        const char *whole = cli_str(json_object_get(event, "data"), "id");
        if (strcmp(name, "result") == 0 && whole != NULL && strlen(whole) < size) {
            strcpy(id, whole);
            found = true;
        } else if (strcmp(name, "error") == 0 || strcmp(name, "result") == 0) {
            const char *text = cli_str(event, "text"), *remedy = cli_str(event, "remedy");
            int code = (int)json_integer_value(json_object_get(event, "exit"));
            *ret_exit = code != 0 ? code : CLI_EXIT_PRECONDITION;
            ok = err_set(err, err_kind_named(cli_str(event, "kind")), 0, "%s",
                         text ? text : "stillpointd gave no reason");
            if (remedy != NULL)
                (void)err_suggest(err, "%s", remedy);
        }
        json_decref(event);
    }
    cli_client_close(&client);
    return ok;
}

/* --- the folder ------------------------------------------------------------------------------- */

static bool make_absolute(const char *path, char *absolute, struct err *err)
{
    char folder[PATH_MAX] = "";

    if (path[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
        return err_set(err, ERR_SYS, errno, "where we are");
    int len = snprintf(absolute, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", path);
    if (len < 0 || len >= COPY_PATH_BYTES) {
        (void)err_set(err, ERR_USAGE, 0, "--to: longer than %d bytes", COPY_PATH_BYTES);
        return err_suggest(err, "name a shorter path");
    }
    while (len > 1 && absolute[len - 1] == '/')
        absolute[--len] = '\0';
    return true;
}

/* By errno. */
static bool not_usable(const char *what, const char *path, struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, errno, "%s %s", what, path);
    if (err->os_errno == ENOENT)
        return err_suggest(err, "make the folder above it first");
    return err_suggest(err, "name a folder that root can write to");
}

/* A marker alone was left by one of us that was killed. */
static bool check_empty(const char *path, struct err *err)
{
    const struct dirent *item;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return not_usable("--to", path, err);
    while ((item = readdir(dir)) != NULL) {
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0 &&
            strcmp(item->d_name, COPY_MARKER_NAME) != 0)
            break;
    }
    if (item != NULL)
        (void)err_set(err, ERR_PRECONDITION, 0, "--to %s: it is not empty, there is %.100s", path,
                      item->d_name);
    (void)closedir(dir);
    return item == NULL || err_suggest(err, EMPTY_FOLDER_REMEDY);
}

/*   ret_made  it was not there before */
static bool take_folder(const char *path, bool dry_run, bool *ret_made, struct err *err)
{
    struct stat status;

    *ret_made = false;
    bool there = lstat(path, &status) == 0;
    if (there && S_ISDIR(status.st_mode))
        return check_empty(path, err);
    if (there) {
        (void)err_set(err, ERR_PRECONDITION, 0, "--to %s: not a folder", path);
        return err_suggest(err, EMPTY_FOLDER_REMEDY);
    }
    if (errno != ENOENT)
        return not_usable("--to", path, err);
    if (dry_run)
        return true;
    if (mkdir(path, 0700) < 0)
        return not_usable("make", path, err);
    return *ret_made = true;
}

static bool is_ours(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_uid == 0 && status->st_nlink == 1;
}

/* Whether PATH is still what FD is: who ends takes its marker away. */
static bool is_at(int fd, const char *path)
{
    struct stat held, found;

    return fstat(fd, &held) == 0 && lstat(path, &found) == 0 && held.st_dev == found.st_dev &&
           held.st_ino == found.st_ino;
}

static void marker_path(const char *folder, char path[MARKER_PATH_BYTES])
{
    (void)snprintf(path, MARKER_PATH_BYTES, "%s/%s", folder, COPY_MARKER_NAME);
}

static bool lock(int fd, const char *folder, const char *path, struct err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return not_usable("lock", path, err);
    (void)err_set(err, ERR_BUSY, 0, "--to %s: another restore works in it", folder);
    return err_suggest(err, "wait until that one is done, or name another folder");
}

/* The folder for this run alone, for as long as the marker is open: locked before a byte of it is
 * changed. (The folder's own lock is stillpoint-hook's.)
 *   ret_fd  of the marker, empty or an older one's */
static bool take_marker(const char *folder, int *ret_fd, struct err *err)
{
    char path[MARKER_PATH_BYTES];
    struct stat status;

    marker_path(folder, path);
    for (int tried = 0; tried < MARKER_TRIES; tried++) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0 && errno != ELOOP)
            return not_usable("write", path, err);
        if (fd >= 0 && !lock(fd, folder, path, err)) {
            (void)close(fd);
            return false;
        }
        if (fd >= 0 && fstat(fd, &status) == 0 && is_ours(&status) && is_at(fd, path)) {
            *ret_fd = fd;
            return true;
        }
        if (fd >= 0)
            (void)close(fd);
        if (lstat(path, &status) == 0 && !is_ours(&status))
            (void)unlink(path); /* if it can't go, open says why */
    }
    (void)err_set(err, ERR_PRECONDITION, 0, "write %s: something else comes in its place", path);
    return err_suggest(err, EMPTY_FOLDER_REMEDY);
}

static bool write_marker(int fd, const char *folder, const char *id, struct err *err)
{
    if (ftruncate(fd, 0) == 0 && fchmod(fd, 0600) == 0 && dprintf(fd, "%s\n", id) > 0)
        return true;
    return not_usable("write " COPY_MARKER_NAME " in", folder, err);
}

/* Once: the next restore may have the folder then. Root's part may have taken it away before. */
static void drop_marker(const char *folder, int fd)
{
    char path[MARKER_PATH_BYTES];

    marker_path(folder, path);
    if (is_at(fd, path))
        (void)unlink(path);
    (void)close(fd);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* What it comes to once the folder is ours, and marked. */
static int restore_into(const struct cli *cli, const char *socket_path, const char *to, int marker)
{
    struct cli_options options = *cli->options;
    struct cli with = *cli;
    char id[COPY_ID_BYTES];
    struct err err = ERR_INIT;
    int exit_code = CLI_EXIT_PRECONDITION;

    with.options = &options;
    options.to = to;
    if (options.dry_run)
        return cli_talk(&with, socket_path);
    if (!ask_id(cli, socket_path, id, sizeof(id), &exit_code, &err) ||
        !write_marker(marker, to, id, &err))
        return cli_fail(cli, exit_code, &err, "nothing was made");
    options.id = id;
    return cli_talk(&with, socket_path);
}

static int restore(const struct cli *cli, const char *socket_path, const char *to)
{
    bool dry_run = cli->options->dry_run, made = false;
    struct err err = ERR_INIT;
    int exit_code, marker = -1;

    if (take_folder(to, dry_run, &made, &err) && (dry_run || take_marker(to, &marker, &err)))
        exit_code = restore_into(cli, socket_path, to, marker);
    else
        exit_code = cli_fail(cli, cli_exit_of(err.kind), &err, "nothing was made");
    if (marker >= 0)
        drop_marker(to, marker);
    if (made && exit_code != 0)
        (void)rmdir(to); /* stays where something is in it */
    return exit_code;
}

int cli_files(const struct cli *cli, const char *socket_path)
{
    char to[PATH_MAX];
    struct err err = ERR_INIT;

    if (!make_absolute(cli->options->to, to, &err))
        return cli_fail(cli, cli_exit_of(err.kind), &err, "nothing was made");
    if (geteuid() != 0) { /* --dry-run, too: it says what would come of it */
        (void)err_set(&err, ERR_PRECONDITION, 0, "only root can have files restored");
        (void)err_suggest(&err, "sudo stillpoint restore files …");
        return cli_fail(cli, CLI_EXIT_PRECONDITION, &err, "nothing was made");
    }
    return restore(cli, socket_path, to);
}

/* --- showing ---------------------------------------------------------------------------------- */

static void show_files(struct cli_page *page, bool dry_run, const json_t *data)
{
    int64_t files = 0, bytes = 0, volumes = 0;

    (void)cli_int(data, "files", &files);
    (void)cli_int(data, "bytes", &bytes);
    (void)cli_int(data, "volumes", &volumes);
    if (dry_run) {
        cli_page_text(page, "would make, attach and remove again ");
        cli_page_count(page, volumes, "volume");
    } else {
        cli_page_count(page, files, "file");
        cli_page_printf(page, ", %.1f MiB", (double)bytes / (1 << 20));
    }
    cli_page_text(page, " of ");
    cli_page_clean(page, cli_str(data, "id"));
    cli_page_text(page, dry_run ? ", and copy files into " : " are in ");
    cli_page_clean(page, cli_str(data, "to"));
    cli_page_text(page, "\n");
}

static void show_mounts(struct cli_table *table, const json_t *mounts)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    struct err ignored = ERR_INIT; /* no memory: the table says so */
    const json_t *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        const char *path = json_string_value(mount);
        (void)buf_printf(&text, &ignored, "%s%s", i > 0 ? " " : "", path ? path : "-");
    }
    cli_table_add(table, buf_text(&text));
}

static void show_number(struct cli_page *page, const json_t *data, const char *key,
                        const char *before, const char *unit)
{
    char text[80];
    int64_t number;

    if (!cli_int(data, key, &number))
        return;
    (void)snprintf(text, sizeof(text), ", %s%lld %s", before, (long long)number, unit);
    cli_page_text(page, text);
}

/* What was asked for of each; the rest is as EC2 has it. */
static void show_kind(struct cli_page *page, const json_t *data)
{
    const char *key = cli_str(data, "kms_key");

    cli_page_text(page, "  each ");
    cli_page_clean(page, cli_str(data, "type"));
    show_number(page, data, "iops", "", "IOPS");
    show_number(page, data, "throughput_mibs", "", "MiB/s");
    show_number(page, data, "initialization_rate_mibs", "filled beforehand at ", "MiB/s");
    if (key != NULL) {
        cli_page_text(page, ", encrypted with ");
        cli_page_clean(page, key);
    } else if (json_is_true(json_object_get(data, "encrypted"))) {
        cli_page_text(page, ", encrypted with the account's key");
    }
    cli_page_text(page, "\n");
}

static void show_volumes(struct cli_page *page, bool dry_run, const json_t *data)
{
    static const char *const titles[] = {"VOLUME", "OF", "WAS", "MOUNTS", "DEVICE", NULL};
    const char *attached = cli_str(data, "attached");
    struct cli_table table;
    const json_t *volume;
    size_t i;

    cli_page_text(page, dry_run ? "would make volumes of " : "volumes of ");
    cli_page_clean(page, cli_str(data, "id"));
    cli_page_text(page, " in ");
    cli_page_clean(page, cli_str(data, "zone"));
    if (attached != NULL) {
        cli_page_text(page, dry_run ? ", and attach them to " : ", attached to ");
        cli_page_clean(page, attached);
    }
    cli_page_text(page, ":\n");
    show_kind(page, data);
    cli_table_begin(&table, page, titles);
    json_array_foreach(json_object_get(data, "volumes"), i, volume)
    {
        cli_table_add(&table, cli_str(volume, "volume"));
        cli_table_add(&table, cli_str(volume, "snapshot"));
        cli_table_add(&table, cli_str(volume, "source_device"));
        show_mounts(&table, json_object_get(volume, "mounts"));
        cli_table_add(&table, cli_str(volume, "device"));
    }
    cli_table_end(&table, 2);
}

void cli_files_show(struct cli_page *page, const struct cli_options *options, const json_t *data)
{
    if (strcmp(options->kind, "files") == 0)
        show_files(page, options->dry_run, data);
    else
        show_volumes(page, options->dry_run, data);
}
