/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_table.h"

#define RECORD_FILE "mounts"

enum { TICK_MS = 100, RECORD_LINE_BYTES = 8192 };

/* --- the request ---------------------------------------------------------------------------- */

/* Absolute, without "//", "/./", "/../" and a slash at its end, nothing that can't be printed. */
static bool is_plain(const char *path)
{
    size_t len = strnlen(path, MOUNT_PATH_BYTES);

    if (len == 0 || len == MOUNT_PATH_BYTES || path[0] != '/' || (len > 1 && path[len - 1] == '/'))
        return false;
    for (size_t i = 0; i < len; i++) {
        const char *next = path + i + 1;
        if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
            return false;
        if (path[i] != '/')
            continue;
        size_t dots = strspn(next, ".");
        if (*next == '/' || (dots > 0 && dots < 3 && (next[dots] == '/' || next[dots] == '\0')))
            return false;
    }
    return true;
}

bool hookrun_mount_check(const struct mount_request *request, size_t bytes)
{
    return bytes == sizeof(*request) && request->version == MOUNT_WIRE_VERSION &&
           request->op >= MOUNT_UNMOUNT && request->op < MOUNT_OP_COUNT &&
           (request->op == MOUNT_RELEASED ? request->path[0] == '\0' : is_plain(request->path));
}

static void refuse(struct mount_reply *reply, enum mount_refusal refusal)
{
    reply->result = MOUNT_REFUSED;
    reply->refusal = refusal;
}

static void fail(struct mount_reply *reply, int os_errno)
{
    reply->result = MOUNT_FAILED;
    reply->os_errno = os_errno;
}

/* A little later. False: the deadline has passed. */
static bool wait_tick(int64_t deadline_ms)
{
    const struct timespec tick = {0, TICK_MS * 1000000L};

    return clock_boot_ms() < deadline_ms && nanosleep(&tick, NULL) == 0;
}

static bool same_device(const struct hookrun_mount_entry *entry,
                        const struct mount_request *request)
{
    return entry->dev_major == request->dev_major && entry->dev_minor == request->dev_minor;
}

/* --- what is kept in mind ------------------------------------------------------------------- */

/* RUN/unmounted, which nobody but root can write to, whoever made it. -1: it can't be had. */
static int open_folder(const char *run)
{
    char path[PATH_MAX];
    struct stat st;

    if (run == NULL ||
        (size_t)snprintf(path, sizeof(path), "%s/" MOUNT_RECORD_FOLDER, run) >= sizeof(path))
        return -1;
    (void)mkdir(path, 0700);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != 0 || (st.st_mode & 077) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static FILE *open_record(int folder, const char *name, int flags, const char *mode)
{
    int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, mode) : NULL;

    if (file == NULL && fd >= 0)
        (void)close(fd);
    return file;
}

/* As a line of fstab: in place of the device stands what of the filesystem was mounted. */
static bool keep_in_mind(int folder, const struct hookrun_mount_entry *entry)
{
    const struct mntent line = {.mnt_fsname = (char *)(uintptr_t)entry->root,
                                .mnt_dir = (char *)(uintptr_t)entry->path,
                                .mnt_type = (char *)(uintptr_t)entry->type,
                                .mnt_opts = (char *)(uintptr_t)entry->options};
    FILE *file = open_record(folder, RECORD_FILE, O_WRONLY | O_CREAT | O_APPEND, "a");
    bool ok = file != NULL && addmntent(file, &line) == 0 && fflush(file) == 0;

    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    return ok;
}

/* The last line of FILE (closed here, NULL is none) for PATH; the words live in ROOM. */
static bool find_line(FILE *file, const char *path, struct mntent *ret_line, char *room)
{
    static char text[RECORD_LINE_BYTES];
    struct mntent line;
    bool found = false;

    while (file != NULL && getmntent_r(file, &line, text, sizeof(text)) != NULL) {
        if (strcmp(line.mnt_dir, path) != 0)
            continue;
        memcpy(room, text, sizeof(text));
        *ret_line = (struct mntent){.mnt_fsname = room + (line.mnt_fsname - text),
                                    .mnt_type = room + (line.mnt_type - text),
                                    .mnt_opts = room + (line.mnt_opts - text)};
        found = true;
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* It is mounted again: whoever asks for it once more is told that nothing is known of it. */
static void forget(int folder, const char *path)
{
    FILE *from = open_record(folder, RECORD_FILE, O_RDONLY, "r");
    FILE *to = open_record(folder, RECORD_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC, "w");
    static char text[RECORD_LINE_BYTES];
    struct mntent line;
    bool ok = from != NULL && to != NULL;

    while (ok && getmntent_r(from, &line, text, sizeof(text)) != NULL)
        ok = strcmp(line.mnt_dir, path) == 0 || addmntent(to, &line) == 0;
    if (from != NULL)
        (void)fclose(from);
    if (to != NULL)
        ok = fclose(to) == 0 && ok;
    if (ok) /* else one line too many stays, of a mount that was there */
        (void)renameat(folder, RECORD_FILE ".new", folder, RECORD_FILE);
}

/* --- options -------------------------------------------------------------------------------- */

struct how {
    unsigned long flags;
    bool bind;
    char data[HOOKRUN_OPTIONS_BYTES];
};

static const struct {
    const char *name;
    unsigned long flag;
} flag_options[] = {
    {"ro", MS_RDONLY},         {"nosuid", MS_NOSUID},           {"nodev", MS_NODEV},
    {"noexec", MS_NOEXEC},     {"sync", MS_SYNCHRONOUS},        {"dirsync", MS_DIRSYNC},
    {"noatime", MS_NOATIME},   {"nodiratime", MS_NODIRATIME},   {"relatime", MS_RELATIME},
    {"lazytime", MS_LAZYTIME}, {"strictatime", MS_STRICTATIME},
};

/* What no filesystem's driver knows: mount(8)'s and systemd's words, SELinux's remark. */
static bool is_no_option(const char *word)
{
    static const char *const words[] = {"rw",     "defaults", "auto",  "noauto", "nofail",   "user",
                                        "nouser", "users",    "owner", "group",  "_netdev",  "suid",
                                        "dev",    "exec",     "async", "atime",  "seclabel", NULL};

    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return word[0] == '\0' || strncmp(word, "x-", 2) == 0 || strncmp(word, "comment=", 8) == 0;
}

/* False: more than fits. */
static bool read_options(char *options, struct how *ret_how)
{
    size_t len = 0;

    *ret_how = (struct how){.flags = 0};
    for (char *word; (word = strsep(&options, ",")) != NULL;) {
        bool known = is_no_option(word);
        for (size_t i = 0; i < sizeof(flag_options) / sizeof(flag_options[0]); i++) {
            if (strcmp(flag_options[i].name, word) != 0)
                continue;
            ret_how->flags |= flag_options[i].flag;
            known = true;
        }
        if (strcmp(word, "bind") == 0 || strcmp(word, "rbind") == 0)
            ret_how->bind = known = true;
        if (known)
            continue;
        int added = snprintf(ret_how->data + len, sizeof(ret_how->data) - len, "%s%s",
                             len > 0 ? "," : "", word);
        if (added < 0 || (size_t)added >= sizeof(ret_how->data) - len)
            return false;
        len += (size_t)added;
    }
    return true;
}

/* --- mount ---------------------------------------------------------------------------------- */

/* The node of a block device, by the kernel's own name for it. */
static bool find_node(const struct mount_request *request, char path[PATH_MAX])
{
    char name[80], line[300];
    struct stat st;
    bool found = false;

    (void)snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/uevent", request->dev_major,
                   request->dev_minor);
    FILE *file = fopen(name, "re");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "DEVNAME=", 8) == 0;
    }
    if (file != NULL)
        (void)fclose(file);
    if (!found)
        return false;
    (void)snprintf(path, PATH_MAX, "/dev/%s", line + 8);
    return stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
           st.st_rdev == makedev(request->dev_major, request->dev_minor);
}

static int bind_from(const char *source, const char *path, const struct how *how)
{
    if (mount(source, path, NULL, MS_BIND, NULL) != 0)
        return errno;
    if (how->flags != 0 && mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | how->flags, NULL) != 0) {
        int os_errno = errno;
        (void)umount2(path, UMOUNT_NOFOLLOW);
        return os_errno;
    }
    return 0;
}

/* A folder of the filesystem: from where the whole of it is mounted.
 *   returns  0, an errno, or -1: it is mounted nowhere */
static int bind_part(const struct mount_request *request, const char *root, const struct how *how)
{
    static struct hookrun_mount_entry whole;
    char source[2 * MOUNT_PATH_BYTES];

    if (!hookrun_table_showing(request->dev_major, request->dev_minor, root, &whole))
        return -1;
    size_t skip = strcmp(whole.root, "/") == 0 ? 0 : strlen(whole.root);
    (void)snprintf(source, sizeof(source), "%s%s", whole.path, root + skip);
    return bind_from(source, request->path, how);
}

/* By the line of the record, or of fstab. */
static void mount_by(const struct mount_request *request, const struct mntent *line, bool ours,
                     struct mount_reply *reply)
{
    static struct hookrun_mount_entry entry;
    char node[PATH_MAX];
    struct how how;
    int failed;

    if (!read_options(line->mnt_opts, &how)) {
        fail(reply, ENAMETOOLONG);
        return;
    }
    if (!find_node(request, node)) {
        refuse(reply, MOUNT_REFUSAL_NO_DEVICE);
        return;
    }
    /* btrfs shows its subvolume as the root, and takes it as an option. */
    if (ours && strcmp(line->mnt_fsname, "/") != 0 && strcmp(line->mnt_type, "btrfs") != 0)
        failed = bind_part(request, line->mnt_fsname, &how);
    else if (!ours && how.bind)
        failed = bind_from(line->mnt_fsname, request->path, &how);
    else
        failed = mount(node, request->path, line->mnt_type, how.flags, how.data) != 0 ? errno : 0;
    if (failed < 0) {
        refuse(reply, MOUNT_REFUSAL_NO_WHOLE);
    } else if (failed > 0) {
        fail(reply, failed);
    } else if (how.bind &&
               !(hookrun_table_at(request->path, &entry) && same_device(&entry, request))) {
        (void)umount2(request->path, UMOUNT_NOFOLLOW);
        refuse(reply, MOUNT_REFUSAL_NO_WHOLE);
    } else {
        reply->result = MOUNT_DONE;
    }
}

static void do_mount(const struct mount_request *request, const char *run, const char *fstab,
                     struct mount_reply *reply)
{
    static struct hookrun_mount_entry entry;
    static char room[RECORD_LINE_BYTES];
    struct mntent line;

    if (hookrun_table_at(request->path, &entry)) {
        if (same_device(&entry, request))
            reply->result = MOUNT_DONE;
        else
            refuse(reply, MOUNT_REFUSAL_OCCUPIED);
        return;
    }
    int folder = open_folder(run);
    bool ours = folder >= 0 && find_line(open_record(folder, RECORD_FILE, O_RDONLY, "r"),
                                         request->path, &line, room);
    if (ours || find_line(setmntent(fstab, "re"), request->path, &line, room))
        mount_by(request, &line, ours, reply);
    else
        refuse(reply, folder < 0 ? MOUNT_REFUSAL_FOLDER : MOUNT_REFUSAL_UNKNOWN);
    if (ours && reply->result == MOUNT_DONE)
        forget(folder, request->path);
    if (folder >= 0)
        (void)close(folder);
}

/* --- unmount -------------------------------------------------------------------------------- */

static void do_unmount(const struct mount_request *request, int64_t deadline_ms, const char *run,
                       struct mount_reply *reply)
{
    static struct hookrun_mount_entry root, entry;

    if (strcmp(request->path, "/") == 0 || !hookrun_table_at("/", &root) ||
        same_device(&root, request)) {
        refuse(reply, MOUNT_REFUSAL_ROOT);
        return;
    }
    if (!hookrun_table_at(request->path, &entry) || !same_device(&entry, request)) {
        refuse(reply, MOUNT_REFUSAL_NOT_MOUNTED);
        return;
    }
    if (request->dev_major == 0) { /* tmpfs, proc, nfs, …: of no block device */
        refuse(reply, MOUNT_REFUSAL_NO_DEVICE);
        return;
    }
    int folder = open_folder(run);
    bool kept = folder >= 0 && keep_in_mind(folder, &entry);
    if (folder >= 0)
        (void)close(folder);
    if (!kept) {
        refuse(reply, MOUNT_REFUSAL_FOLDER);
        return;
    }
    while (umount2(request->path, UMOUNT_NOFOLLOW) != 0) {
        fail(reply, errno);
        if (reply->os_errno == EBUSY && wait_tick(deadline_ms))
            continue;
        if (reply->os_errno == EBUSY) {
            reply->result = MOUNT_BUSY;
            hookrun_table_users(request->path, reply);
        }
        return;
    }
    reply->result = MOUNT_DONE;
}

/* To open a disk for oneself alone fails while anybody holds it, or a partition of it, wherever. */
static void do_released(const struct mount_request *request, int64_t deadline_ms,
                        struct mount_reply *reply)
{
    char node[PATH_MAX];
    int fd;

    if (!find_node(request, node)) {
        refuse(reply, MOUNT_REFUSAL_NO_DEVICE);
        return;
    }
    while ((fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC)) < 0) {
        fail(reply, errno);
        if (reply->os_errno == EBUSY && wait_tick(deadline_ms))
            continue;
        if (reply->os_errno == EBUSY) {
            reply->result = MOUNT_BUSY;
            hookrun_table_keepers(request->dev_major, request->dev_minor, reply);
        }
        return;
    }
    (void)close(fd);
    reply->result = MOUNT_DONE;
}

void hookrun_mount(const struct mount_request *request, const char *run, const char *fstab,
                   struct mount_reply *ret_reply)
{
    int64_t cap_ms = clock_boot_ms() + MOUNT_DEADLINE_MS_MAX;
    int64_t deadline_ms = request->deadline_ms < cap_ms ? request->deadline_ms : cap_ms;

    memset(ret_reply, 0, sizeof(*ret_reply));
    ret_reply->version = MOUNT_WIRE_VERSION;
    if (request->op == MOUNT_UNMOUNT)
        do_unmount(request, deadline_ms, run, ret_reply);
    else if (request->op == MOUNT_MOUNT)
        do_mount(request, run, fstab, ret_reply);
    else
        do_released(request, deadline_ms, ret_reply);
}
