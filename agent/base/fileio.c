/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"

bool fileio_read_fd(int fd, const char *name, struct buf *ret_buf, struct err *err)
{
    char chunk[4096];

    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0)
            return true;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_SYS, errno, "read %s", name);
        if (!buf_add(ret_buf, chunk, (size_t)got, err))
            return err_wrap(err, "%s", name);
    }
}

bool fileio_read(const char *path, struct buf *ret_buf, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYS, errno, "open %s", path);
    return fileio_read_fd(fd, path, ret_buf, err);
}

bool fileio_write_all(int fd, const void *bytes, size_t len, struct err *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(err, ERR_SYS, errno, "write");
        at += put;
        len -= (size_t)put;
    }
    return true;
}

static bool sync_folder(const char *path, struct err *err)
{
    char folder[PATH_MAX];

    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    AUTO_CLOSE int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_set(err, ERR_SYS, errno, "fsync %s", folder);
    return true;
}

bool fileio_replace(const char *path, const void *bytes, size_t len, unsigned mode, struct err *err)
{
    char beside[PATH_MAX];

    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", path);
    (void)unlink(beside); /* of an earlier write that was cut off; O_EXCL below says what matters */
    AUTO_CLOSE int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "create %s", beside);
    bool ok = fchmod(fd, mode) == 0 || err_set(err, ERR_SYS, errno, "chmod %s", beside);
    ok = ok && (fileio_write_all(fd, bytes, len, err) ||
                err_wrap(err, "%s", beside)); /* err_wrap is false */
    if (ok && fsync(fd) != 0)
        ok = err_set(err, ERR_SYS, errno, "fsync %s", beside);
    if (ok && rename(beside, path) != 0)
        ok = err_set(err, ERR_SYS, errno, "rename %s to %s", beside, path);
    if (!ok) {
        (void)unlink(beside); /* the error in hand says more than this one's could */
        return false;
    }
    return sync_folder(path, err);
}

bool fileio_suggest_room(const char *folder, struct err *err)
{
    switch (err->os_errno) {
    case ENOSPC:
    case EDQUOT:
        return err_suggest(err, "make room in %s", folder);
    case EACCES:
    case EPERM:
        return err_suggest(err,
                           "the daemon's user must be able to write in %s: see whose it and the "
                           "folders above it are",
                           folder);
    case EROFS: /* the unit's ProtectSystem=strict makes it so, too */
        return err_suggest(err,
                           "%s is on a filesystem that is read-only here: mount it read-write, or "
                           "name the folder in ReadWritePaths= of stillpointd.service",
                           folder);
    case EISDIR:
        return err_suggest(err, "a folder has this name: move it away, or name a file");
    case ENOTDIR:
        return err_suggest(err,
                           "%s, or what it lies in, is not a folder: move it away, or name a "
                           "file in a folder",
                           folder);
    case ENOENT:
        return err_suggest(err, "make the folder %s; it must belong to the daemon's user", folder);
    default:
        return err_suggest(err, "see that %s is a folder that the daemon's user can write in",
                           folder);
    }
}

bool fileio_mkdir(const char *path, unsigned mode, struct err *err)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "make directory %s", path);
    return true;
}
