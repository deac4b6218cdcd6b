/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"

enum { STEP_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* Nobody but root could have put the link there. */
static bool is_roots(int folder_fd, const struct stat *link)
{
    struct stat folder;

    return link->st_uid == 0 && fstat(folder_fd, &folder) == 0 && folder.st_uid == 0 &&
           (folder.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool no_folder(const char *path, struct err *err)
{
    bool other = errno == ENOTDIR;

    (void)err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYS, errno, "no folder at %s", path);
    return other ? err_suggest(err, "remove what is there, or name another folder in [paths]")
                 : false;
}

/* From the folder into NAME, on the way to PATH. */
static bool step_into(int folder_fd, const char *name, const char *path, int *ret_fd,
                      struct err *err)
{
    struct stat st;
    bool follow = false;

    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return no_folder(path, err);
    if (S_ISLNK(st.st_mode)) {
        follow = is_roots(folder_fd, &st);
        if (!follow) {
            (void)err_set(err, ERR_PRECONDITION, 0,
                          "%s: %s is a symbolic link that others than root could have made", path,
                          name);
            return err_suggest(err, "name the folder that is meant in [paths]");
        }
    }
    *ret_fd = openat(folder_fd, name, STEP_FLAGS | (follow ? 0 : O_NOFOLLOW));
    return *ret_fd >= 0 || no_folder(path, err);
}

bool cli_sweep_open(const char *path, int *ret_fd, struct err *err)
{
    AUTO_CLOSE int fd = open("/", STEP_FLAGS);
    char name[NAME_MAX + 1];

    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "/");
    for (const char *at = path; *(at += strspn(at, "/")) != '\0'; at += strcspn(at, "/")) {
        size_t len = strcspn(at, "/");
        if (len >= sizeof(name))
            return err_set(err, ERR_SYS, ENAMETOOLONG, "%s", path);
        memcpy(name, at, len);
        name[len] = '\0';
        int next = -1;
        if (!step_into(fd, name, path, &next, err))
            return false;
        (void)close(fd);
        fd = next;
    }
    int whole = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (whole < 0)
        return err_set(err, ERR_SYS, errno, "%s", path);
    *ret_fd = whole;
    return true;
}

static enum cli_swept left(const char *name, struct err *err)
{
    int os_errno = errno;

    if (os_errno == ENOENT)
        return CLI_SWEPT_ABSENT;
    (void)err_set(err, ERR_SYS, os_errno, "%s", name);
    if (os_errno == EROFS)
        (void)err_suggest(err, "mount it for writing, and run it again");
    else if (os_errno == EPERM)
        (void)err_suggest(err, "see whether it is immutable (lsattr), and run it again");
    return CLI_SWEPT_LEFT;
}

static enum cli_swept left_folder(const char *name, struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is a folder, and none of Stillpoint's", name);
    (void)err_suggest(err, "move it away, or remove it, and run it again");
    return CLI_SWEPT_LEFT;
}

enum cli_swept cli_sweep_file(int folder_fd, const char *name, bool dry_run, struct err *err)
{
    struct stat st;

    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return left(name, err);
    if (S_ISDIR(st.st_mode))
        return left_folder(name, err);
    if (!dry_run && unlinkat(folder_fd, name, 0) != 0)
        return left(name, err);
    return CLI_SWEPT_GONE;
}

/* The files of the open folder; false: one stays. */
static bool empty(DIR *dir, bool dry_run, struct err *err)
{
    const struct dirent *item;
    bool ok = true;

    while ((item = readdir(dir)) != NULL) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        struct err why = ERR_INIT;
        if (cli_sweep_file(dirfd(dir), item->d_name, dry_run, &why) == CLI_SWEPT_LEFT && ok) {
            *err = why;
            ok = false;
        }
    }
    return ok;
}

enum cli_swept cli_sweep_folder(int folder_fd, const char *name, bool dry_run, struct err *err)
{
    struct stat above, st;
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 &&
        (errno == ENOTDIR || errno == ELOOP)) /* a link, say: it goes, not what it names */
        return cli_sweep_file(folder_fd, name, dry_run, err);
    if (fd < 0)
        return left(name, err);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return left(name, err);
    }
    bool same = fstat(fd, &st) == 0 && fstat(folder_fd, &above) == 0 && st.st_dev == above.st_dev;
    if (!same) {
        (void)err_set(err, ERR_PRECONDITION, 0, "%s: something is mounted there", name);
        (void)err_suggest(err, "unmount it, and run it again");
    }
    bool ok = same && empty(dir, dry_run, err);
    (void)closedir(dir);
    if (!ok) {
        if (err->kind != ERR_PRECONDITION || same)
            (void)err_wrap(err, "%s", name);
        return CLI_SWEPT_LEFT;
    }
    if (!dry_run && unlinkat(folder_fd, name, AT_REMOVEDIR) != 0)
        return left(name, err);
    return CLI_SWEPT_GONE;
}
