/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_seal_places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/cli/cli_sweep.h"
#include "agent/cli/cli_upgrade.h"
#include "agent/daemon/metrics_record.h"
#include "agent/daemon/mounts.h"
#include "agent/guard/guard_wire.h"
#include "agent/hookrun/hook_wire.h"
#include "agent/hookrun/mount_wire.h"

const struct cli_seal_machine cli_seal_this_machine = {
    .root = "", .mount_table = "/proc/self/mountinfo", .timers = "/var/lib/systemd/timers"};

enum { TMPFS_MAGIC_NUMBER = 0x01021994, RAMFS_MAGIC_NUMBER = (int)0x858458f6 };

/* What the programs write into STATE: whoever adds to it adds it here, or a sealed image says that
 * it is not sealed. */
static const struct trace {
    const char *name;
    bool is_folder;
    const char *what;
} state_traces[] = {
    {"identity.json", false, "which instance this was"},
    {"identity.json.new", false, "which instance this was"},
    {METRICS_RECORD_NAME, false, "what monitoring was told of its backups"},
    {METRICS_RECORD_NAME ".new", false, "what monitoring was told of its backups"},
    {"rollback.json", false, "how its last rollback ended"},
    {"rollback.json.new", false, "how its last rollback ended"},
    {"hold.json", false, "its last hold"},
    {"hold.json.new", false, "its last hold"},
    {"journal", true, "its journal of backups"},
    {"loans", true, "its volumes on loan"},
    {"removing", true, "the sets that it was removing"},
};

/* In RUN, where that is on a disk. */
static const struct trace run_traces[] = {
    {GUARD_RECORD_NAME, false, "the record of a guard that has ended"},
    {GUARD_SOCKET_NAME, false, "a socket that nobody listens at"},
    {HOOK_SOCKET_NAME, false, "a socket that nobody listens at"},
    {CONTROL_SOCKET_NAME, false, "a socket that nobody listens at"},
    {MOUNT_RECORD_FOLDER, true, "what a rollback had unmounted"},
};

/* Where the manuals put monitoring's file: left there once [metrics] textfile is another, or none.
 */
#define METRICS_FOLDER "metrics"
static const struct trace prom_traces[] = {
    {"stillpoint.prom", false, "what monitoring read of its backups"},
    {"stillpoint.prom.new", false, "what monitoring read of its backups"},
};

static const struct trace manifest_traces[] = {
    {GUARD_MANIFEST_NAME, false, "the manifest of a backup"},
    {GUARD_MANIFEST_NAME ".new", false, "the manifest of a backup"},
};

/* --- the story -------------------------------------------------------------------------------- */

static bool add(json_t *list, json_t *take_item, struct err *err)
{
    return (take_item != NULL && json_array_append_new(list, take_item) == 0) ||
           err_set(err, ERR_INTERNAL, 0, "out of memory");
}

static bool tell_left(struct cli_seal_places *places, const char *path, const struct err *why,
                      struct err *err)
{
    return add(places->left,
               json_pack("{s:o,s:o,s:o}", "path", control_text(path), "why",
                         control_text(why->text), "remedy",
                         why->remedy[0] ? control_text(why->remedy) : json_null()),
               err);
}

/* FOLDER may be "/". */
static void join(char *path, const char *folder, const char *name)
{
    (void)snprintf(path, PATH_MAX, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
}

static bool sweep(struct cli_seal_places *places, int fd, const char *folder,
                  const struct trace *trace, struct err *err)
{
    char path[PATH_MAX];
    struct err why = ERR_INIT;

    join(path, folder, trace->name);
    switch (trace->is_folder ? cli_sweep_folder(fd, trace->name, places->dry_run, &why)
                             : cli_sweep_file(fd, trace->name, places->dry_run, &why)) {
    case CLI_SWEPT_ABSENT:
        return true;
    case CLI_SWEPT_GONE:
        return add(places->removed,
                   json_pack("{s:o,s:s}", "path", control_text(path), "what", trace->what), err);
    default:
        return tell_left(places, path, &why, err);
    }
}

/* -1 and true: there is no such folder, or that it can't be gone into was told. */
static bool open_place(struct cli_seal_places *places, const char *path, int *ret_fd,
                       struct err *err)
{
    struct err why = ERR_INIT;

    return cli_sweep_open(path, ret_fd, &why) || why.kind == ERR_NOT_FOUND ||
           tell_left(places, path, &why, err);
}

/* --- the state directory ---------------------------------------------------------------------- */

struct place {
    const char *folder, *remedy;
    const struct trace *traces;
    size_t count;
    const char *other; /* one name more that is known there */
};

static bool is_known(const struct place *place, const char *name)
{
    const char *const others[] = {".", "..", "lost+found", place->other};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(name, others[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof(manifest_traces) / sizeof(manifest_traces[0]); i++) {
        if (strcmp(name, manifest_traces[i].name) == 0)
            return true; /* the folder can be a mount: that is looked at as one */
    }
    for (size_t i = 0; i < place->count; i++) {
        if (strcmp(name, place->traces[i].name) == 0)
            return true;
    }
    return false;
}

static bool tell_strangers(struct cli_seal_places *places, int fd, const struct place *place,
                           struct err *err)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again >= 0 ? fdopendir(again) : NULL;
    const struct dirent *item;
    char path[PATH_MAX];
    bool ok = true;

    if (dir == NULL && again >= 0)
        (void)close(again);
    while (ok && dir != NULL && (item = readdir(dir)) != NULL) {
        struct err why = ERR_INIT;
        if (is_known(place, item->d_name))
            continue;
        join(path, place->folder, item->d_name);
        (void)err_set(&why, ERR_PRECONDITION, 0, "is none of Stillpoint's files");
        (void)err_suggest(&why, "%s", place->remedy);
        ok = tell_left(places, path, &why, err);
    }
    if (dir != NULL)
        (void)closedir(dir);
    return ok;
}

static bool sweep_state(struct cli_seal_places *places, struct err *err)
{
    const char *folder = places->config->paths.state;
    /* It is also the home of the daemon's user, whose .aws is configuration; keys in it are warned
     * of. */
    const struct place place = {
        folder, "remove it, or move it out of the state directory, and run it again", state_traces,
        sizeof(state_traces) / sizeof(state_traces[0]), ".aws"};
    AUTO_CLOSE int fd = -1;
    bool ok = open_place(places, folder, &fd, err);

    if (!ok || fd < 0)
        return ok;
    for (size_t i = 0; ok && i < sizeof(state_traces) / sizeof(state_traces[0]); i++)
        ok = sweep(places, fd, folder, &state_traces[i], err);
    ok = ok && tell_strangers(places, fd, &place, err);
    if (!places->dry_run)
        (void)fsync(fd); /* what was removed would only come back */
    return ok;
}

/* --- the run directory ------------------------------------------------------------------------ */

static bool is_served(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    bool served = false;

    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    for (size_t i = 0; !served && i < sizeof(types) / sizeof(types[0]); i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        served = fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
                             errno == EAGAIN);
        if (fd >= 0)
            (void)close(fd);
    }
    return served;
}

/* Then it is in no image. */
static bool is_in_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC_NUMBER || (int)fs.f_type == RAMFS_MAGIC_NUMBER);
}

/* What is to be said after an upgrade lies beside the folder. */
static bool sweep_record(struct cli_seal_places *places, struct err *err)
{
    const char *run = places->config->paths.run, *slash = strrchr(run, '/');
    char folder[PATH_MAX], name[NAME_MAX + 16];
    AUTO_CLOSE int fd = -1;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == run ? 1 : (int)(slash - run), run);
    (void)snprintf(name, sizeof(name), "%s" CLI_UPGRADE_RECORD, slash + 1);
    const struct trace trace = {name, false, "what was to be said after an upgrade"};
    bool ok = open_place(places, folder, &fd, err);
    return ok && (fd < 0 || is_in_memory(fd) || sweep(places, fd, folder, &trace, err));
}

static bool sweep_metrics(struct cli_seal_places *places, struct err *err)
{
    char folder[PATH_MAX];
    AUTO_CLOSE int fd = -1;

    join(folder, places->config->paths.run, METRICS_FOLDER);
    bool ok = open_place(places, folder, &fd, err);
    for (size_t i = 0; ok && fd >= 0 && i < sizeof(prom_traces) / sizeof(prom_traces[0]); i++)
        ok = sweep(places, fd, folder, &prom_traces[i], err);
    return ok;
}

/* That of a living guard has to stay. */
static bool sweep_run(struct cli_seal_places *places, struct err *err)
{
    const char *folder = places->config->paths.run;
    const struct place place = {
        folder, "remove it, or move it out of that folder, and run it again", run_traces,
        sizeof(run_traces) / sizeof(run_traces[0]), METRICS_FOLDER};
    AUTO_CLOSE int fd = -1;
    bool ok = open_place(places, folder, &fd, err);

    if (!ok || fd < 0 || is_in_memory(fd))
        return ok;
    bool guard = is_served(places->config->guard_socket);
    bool hook = is_served(places->config->hook_socket);
    for (size_t i = 0; ok && i < sizeof(run_traces) / sizeof(run_traces[0]); i++) {
        const char *name = run_traces[i].name;
        bool is_in_use = strcmp(name, HOOK_SOCKET_NAME) == 0 ? hook : guard;
        struct err why = ERR_INIT;
        if (is_in_use && strcmp(name, MOUNT_RECORD_FOLDER) != 0 &&
            strcmp(name, CONTROL_SOCKET_NAME) != 0) {
            char path[PATH_MAX];
            join(path, folder, name);
            (void)err_set(&why, ERR_BUSY, 0, "somebody listens there");
            (void)err_suggest(&why, "stop it: systemctl stop stillpoint-guard stillpoint-hook."
                                    "socket, and run it again");
            ok = tell_left(places, path, &why, err);
        } else {
            ok = sweep(places, fd, folder, &run_traces[i], err);
        }
    }
    ok = ok && sweep_metrics(places, err);
    /* A folder of the system's that it is by mistake is not ours to clear. */
    return ok && (strchr(folder + 1, '/') == NULL || tell_strangers(places, fd, &place, err));
}

/* --- monitoring ------------------------------------------------------------------------------- */

/* On a disk it would tell of this machine's backups in another's name, until the daemon there knows
 * who it is. */
static bool sweep_textfile(struct cli_seal_places *places, struct err *err)
{
    const char *path = places->config->metrics.textfile, *slash = strrchr(path, '/');
    char folder[PATH_MAX], beside[NAME_MAX + 8];
    AUTO_CLOSE int fd = -1;

    if (slash == NULL)
        return true;
    (void)snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    (void)snprintf(beside, sizeof(beside), "%s.new", slash + 1);
    const struct trace traces[] = {{slash + 1, false, "what monitoring reads of its backups"},
                                   {beside, false, "what monitoring reads of its backups"}};
    bool ok = open_place(places, folder, &fd, err);
    for (size_t i = 0; ok && fd >= 0 && i < 2; i++)
        ok = sweep(places, fd, folder, &traces[i], err);
    return ok;
}

/* --- manifests -------------------------------------------------------------------------------- */

/* On a disk that may be a volume: the rest the guard never wrote onto, and some of it hangs. */
static bool may_have_manifest(const struct mount *mount)
{
    return !mount->hidden &&
           (mount->major != 0 || strcmp(mount->fs, "btrfs") == 0 || strcmp(mount->path, "/") == 0);
}

/* Whoever owns a folder above can have put another in the mount's place. */
static bool is_that_mount(int fd, const struct mount *mount)
{
    struct stat st;

    return mount->major == 0 || (fstat(fd, &st) == 0 && major(st.st_dev) == mount->major &&
                                 minor(st.st_dev) == mount->minor);
}

static bool sweep_manifest(struct cli_seal_places *places, const struct mount *mount,
                           struct err *err)
{
    AUTO_CLOSE int fd = -1;
    struct stat st;

    if (lstat(mount->path, &st) == 0 && !S_ISDIR(st.st_mode))
        return true; /* a container's /etc/resolv.conf */
    bool ok = open_place(places, mount->path, &fd, err);
    if (!ok || fd < 0 || !is_that_mount(fd, mount))
        return ok;
    for (size_t i = 0; ok && i < sizeof(manifest_traces) / sizeof(manifest_traces[0]); i++)
        ok = sweep(places, fd, mount->path, &manifest_traces[i], err);
    return ok;
}

/* Without a mount table (a chroot without /proc) there is the root. */
static bool sweep_manifests(struct cli_seal_places *places, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MOUNTS_TEXT_BYTES_MAX);
    const struct mount root = {.path = "/", .fs = ""};
    struct mounts mounts = {NULL, 0};
    struct err why = ERR_INIT;
    bool has_root = false;

    if (!fileio_read(places->machine->mount_table, &text, &why) ||
        !mounts_parse(buf_text(&text), text.len, &mounts, &why)) {
        (void)err_suggest(&why, "mount /proc in here, and run it again: only / was looked at");
        return tell_left(places, places->machine->mount_table, &why, err) &&
               sweep_manifest(places, &root, err);
    }
    bool ok = true;
    for (size_t i = 0; ok && i < mounts.count; i++) {
        has_root = has_root || strcmp(mounts.items[i].path, "/") == 0;
        if (may_have_manifest(&mounts.items[i]))
            ok = sweep_manifest(places, &mounts.items[i], err);
    }
    mounts_free(&mounts);
    return ok && (has_root || sweep_manifest(places, &root, err)); /* a chroot's is not in there */
}

/* --- timers ----------------------------------------------------------------------------------- */

/* When this machine's backups last ran: another's timers would go by it. */
static bool sweep_stamps(struct cli_seal_places *places, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    bool ok = open_place(places, places->machine->timers, &fd, err);
    DIR *dir = NULL;
    const struct dirent *item;

    if (!ok || fd < 0)
        return ok;
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again >= 0 && (dir = fdopendir(again)) == NULL)
        (void)close(again);
    while (ok && dir != NULL && (item = readdir(dir)) != NULL) {
        if (strncmp(item->d_name, "stamp-stillpoint-", 17) == 0) {
            const struct trace trace = {item->d_name, false, "when its timer last ran"};
            ok = sweep(places, fd, places->machine->timers, &trace, err);
        }
    }
    if (dir != NULL)
        (void)closedir(dir);
    return ok;
}

bool cli_seal_places(struct cli_seal_places *places, struct err *err)
{
    return sweep_state(places, err) && sweep_run(places, err) && sweep_record(places, err) &&
           sweep_textfile(places, err) && sweep_manifests(places, err) && sweep_stamps(places, err);
}
