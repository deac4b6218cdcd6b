/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_session.h"

/* Where the new root lies until it is the root: hides what is there from us alone. */
#define STAGE "/run"
#define OLD   "/.node"

/* ---- the node's folders ---- */

/* Made anew, or nothing that a program needs: a copy's server, as whose user whoever made the copy
 * liked, has no business with the node's own data. */
static bool is_hidden(const char *name)
{
    static const char *const hidden[] = {"proc",       "sys",  "dev",  "run",   "tmp",
                                         "lost+found", "boot", "home", "media", "mnt",
                                         "root",       "srv",  "var"};

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (strcmp(name, hidden[i]) == 0)
            return true;
    return name[0] == '.';
}

/* Its header is the kernel's or glibc's, by version, and never both. */
struct attributes {
    uint64_t set, clear, propagation, user_namespace;
};

enum { ATTRIBUTE_RDONLY = 1, ATTRIBUTE_NOSUID = 2, RECURSIVE = 0x8000, CALL_SETATTR = 442 };

/* A bind mount is made read-only by a second call; RECURSE takes those below along (Linux 5.12). */
static bool close_for_writing(const char *path, bool recurse)
{
    struct attributes attr = {.set = ATTRIBUTE_RDONLY | ATTRIBUTE_NOSUID};

    if (recurse && syscall(CALL_SETATTR, AT_FDCWD, path, RECURSIVE, &attr, sizeof(attr)) == 0)
        return true;
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) == 0;
}

static bool show_folder(const char *from, const char *to)
{
    bool recurse = strcmp(to, "/usr") == 0;

    return mkdir(to, 0755) == 0 &&
           mount(from, to, NULL, MS_BIND | (recurse ? MS_REC : 0ul), NULL) == 0 &&
           close_for_writing(to, recurse);
}

/* What is no folder and no link is not needed. */
static bool show_one(const char *name)
{
    char from[PATH_MAX], to[PATH_MAX], target[PATH_MAX];
    struct stat st;

    (void)snprintf(from, sizeof(from), OLD "/%s", name);
    (void)snprintf(to, sizeof(to), "/%s", name);
    if (lstat(from, &st) < 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return show_folder(from, to);
    if (!S_ISLNK(st.st_mode))
        return true;
    ssize_t length = readlink(from, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    return symlink(target, to) == 0;
}

static bool show_node(void)
{
    DIR *folder = opendir(OLD);
    bool shown = folder != NULL;

    while (shown) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            shown = errno == 0;
            break;
        }
        shown = is_hidden(entry->d_name) || show_one(entry->d_name);
    }
    int os_errno = errno;
    if (folder != NULL)
        (void)closedir(folder);
    errno = os_errno;
    return shown;
}

/* ---- what is made anew ---- */

static bool make_node(const char *name, mode_t type, dev_t dev)
{
    char path[PATH_MAX];
    mode_t old = umask(0);

    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    (void)unlink(path); /* of a device that had the name before */
    bool made = mknod(path, type | (type == S_IFCHR ? 0666 : 0600), dev) == 0;
    int os_errno = errno;
    (void)umask(old);
    errno = os_errno;
    return made;
}

static bool is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* PATH, right below /. A link may be there in a copy's tree, and lead, by /proc, out of it. */
static bool make_folder(const char *path)
{
    if (mkdir(path, 0755) == 0)
        return true;
    if (errno == EEXIST && is_link(path))
        errno = ELOOP;
    return errno == EEXIST;
}

static bool fill_dev(void)
{
    static const struct {
        const char *name;
        unsigned dev_minor;
    } all[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!make_node(all[i].name, S_IFCHR, makedev(1, all[i].dev_minor)))
            return false;
    return symlink("/proc/self/fd", "/dev/fd") == 0;
}

static bool mount_dev(void)
{
    return make_folder("/dev") &&
           mount("stillpoint", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m") == 0;
}

static bool mount_at(const char *path, const char *type, unsigned long flags, const char *data)
{
    return make_folder(path) &&
           mount("stillpoint", path, type, flags | MS_NOSUID | MS_NODEV, data) == 0;
}

static bool mount_proc(void)
{
    return mount_at("/proc", "proc", MS_NOEXEC, NULL);
}

static bool mount_tmp(void)
{
    return mount_at("/tmp", "tmpfs", MS_NOEXEC, "mode=1777,size=512m");
}

int copy_room_add_device(const char *name, unsigned dev_major, unsigned dev_minor)
{
    char path[PATH_MAX];

    if (!make_node(name, S_IFBLK, makedev(dev_major, dev_minor)))
        return errno;
    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    return copy_room_let_read(path);
}

int copy_room_let_read(const char *path)
{
    return chown(path, 0, COPY_READER) == 0 && chmod(path, 0640) == 0 ? 0 : errno;
}

/* ---- in a copy's tree ---- */

static bool mount_run(void)
{
    return mount_at("/run", "tmpfs", MS_NOEXEC, "mode=755,size=16m");
}

static const struct {
    const char *path;
    bool (*mount)(void);
    bool (*fill)(void);
    bool may_be_link; /* then its server uses what is there */
} furniture[COPY_ROOM_PLACES] = {
    {"/proc", mount_proc, NULL, false},
    {"/dev", mount_dev, fill_dev, false},
    {"/tmp", mount_tmp, NULL, true},
    {"/run", mount_run, NULL, false},
};

int copy_room_furnish(void)
{
    for (size_t i = 0; i < COPY_ROOM_PLACES; i++) {
        const char mark = (char)('0' + i);
        if (furniture[i].may_be_link && is_link(furniture[i].path))
            continue;
        if (!furniture[i].mount() || write(STDOUT_FILENO, &mark, 1) != 1 ||
            (furniture[i].fill != NULL && !furniture[i].fill()))
            return errno;
    }
    return 0;
}

void copy_room_unfurnish(const char *marks, size_t count)
{
    while (count-- > 0) /* that of / tells what stays */
        (void)umount2(furniture[marks[count] - '0'].path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* ---- all of it ---- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        *ret_what = #call;                                                                         \
        if (!(call))                                                                               \
            return false;                                                                          \
    } while (0)

/* What a test stands on, or systemd, may still be seen by others: not before this. */
static bool be_alone(const char **ret_what)
{
    TRY(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0);
    TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    return true;
}

bool copy_room_enter(const char **ret_what)
{
    if (!be_alone(ret_what))
        return false;
    TRY(mount("stillpoint", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m") == 0);
    TRY(mkdir(STAGE OLD, 0700) == 0);
    TRY(syscall(SYS_pivot_root, STAGE, STAGE OLD) == 0);
    TRY(chdir("/") == 0);
    TRY(show_node());
    TRY(mount_proc());
    TRY(mount_at("/sys", "sysfs", MS_NOEXEC | MS_RDONLY, NULL));
    TRY(mount_dev());
    TRY(fill_dev());
    TRY(mount_tmp());
    TRY(mkdir("/run", 0755) == 0);
    TRY(mkdir(COPY_TREE, 0755) == 0);
    TRY(umount2(OLD, MNT_DETACH) == 0);
    TRY(rmdir(OLD) == 0);
    return true;
}
