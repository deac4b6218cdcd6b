/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_rules.h"

enum { SPARE_BYTES = 1024 * 1024, SPARE_FILES = 8 }; /* for its own tables, and ours */

static enum copy_status failed(struct copy_target_why *why, const char *what)
{
    why->os_errno = errno;
    (void)snprintf(why->text, sizeof(why->text), "%s", what);
    return COPY_FAILED;
}

/* --- the way to it -------------------------------------------------------------------------- */

/* Could somebody else put another folder, or a link, in the place of what is root's in this one? */
static enum copy_status judge_above(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_uid != 0)
        return COPY_ABOVE_OWNER;
    return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0
               ? COPY_ABOVE_WRITABLE
               : COPY_OK;
}

/* Component by component, so that no link is followed; why->text is how far, where it fails.
 *   ret_fd  the folder; on COPY_DEST_PATH the last above it that is there, or -1 */
static enum copy_status walk(const char *path, int *ret_fd, struct copy_target_why *why)
{
    enum copy_status status = COPY_OK;
    char name[256];
    size_t at = 0;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return failed(why, "open /");
    while (status == COPY_OK && path[at] == '/' && path[at + 1] != '\0') {
        size_t length = strcspn(path + at + 1, "/"); /* judged: at most 255 */
        status = judge_above(fd);
        if (status != COPY_OK)
            break;
        memcpy(name, path + at + 1, length);
        name[length] = '\0';
        at += 1 + length;
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            why->os_errno = errno;
            status = COPY_DEST_PATH;
            break;
        }
        (void)close(fd);
        fd = next;
    }
    if (status != COPY_OK)
        (void)snprintf(why->text, sizeof(why->text), "%.*s", at > 0 ? (int)at : 1, path);
    *ret_fd = fd;
    return status;
}

/* --- the folder itself ---------------------------------------------------------------------- */

static bool has_marker(int folder_fd, const char *id)
{
    char text[COPY_ID_BYTES + 1];
    struct stat st;
    int fd = openat(folder_fd, COPY_MARKER_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    size_t length = strlen(id);

    if (fd < 0)
        return false;
    ssize_t got = fstat(fd, &st) == 0 ? read(fd, text, sizeof(text)) : -1;
    (void)close(fd);
    return got == (ssize_t)length + 1 && S_ISREG(st.st_mode) && st.st_uid == 0 &&
           (st.st_mode & 07777) == 0600 && st.st_nlink == 1 && memcmp(text, id, length) == 0 &&
           text[length] == '\n';
}

static enum copy_status look_inside(int folder_fd, struct copy_target_why *why)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum copy_status status = COPY_OK;

    if (folder == NULL) {
        status = failed(why, "reading the destination");
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    while (status == COPY_OK && (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, COPY_MARKER_NAME) != 0 &&
            strcmp(entry->d_name, COPY_PARTIAL_NAME) != 0) {
            (void)snprintf(why->text, sizeof(why->text), "%s", entry->d_name);
            status = COPY_DEST_FULL;
        }
    (void)closedir(folder);
    return status;
}

enum copy_status copy_target_fits(int fd, uint64_t bytes, uint64_t files,
                                  struct copy_target_why *ret_why)
{
    struct copy_progress *room = &ret_why->room;
    struct statvfs fs;

    if (fstatvfs(fd, &fs) < 0)
        return failed(ret_why, "statvfs of the destination");
    if ((fs.f_flag & ST_RDONLY) != 0) {
        errno = EROFS;
        return failed(ret_why, "writing there");
    }
    *room = (struct copy_progress){.bytes_done = (uint64_t)fs.f_bavail * fs.f_frsize,
                                   .bytes_total = bytes + SPARE_BYTES,
                                   .files_done = fs.f_files == 0 ? UINT64_MAX : fs.f_favail,
                                   .files_total = files + SPARE_FILES};
    if (room->bytes_done >= room->bytes_total && room->files_done >= room->files_total)
        return COPY_OK;
    (void)snprintf(ret_why->text, sizeof(ret_why->text), "%s of the destination",
                   room->bytes_done < room->bytes_total ? "bytes" : "files (inodes)");
    return COPY_NO_ROOM;
}

static enum copy_status judge(int fd, const char *id, bool preview, struct copy_target_why *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return failed(why, "stat of the destination");
    if (st.st_uid != 0)
        return COPY_DEST_OWNER;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return COPY_DEST_WRITABLE;
    bool marked = has_marker(fd, id);
    if (!marked && !preview)
        return COPY_DEST_MARKER;
    enum copy_status status = look_inside(fd, why);
    if (!marked) /* what lies in a folder that root has not named is nobody's business */
        why->text[0] = '\0';
    return status == COPY_OK ? copy_target_fits(fd, 0, 0, why) : status;
}

/* --- both ways ------------------------------------------------------------------------------ */

enum copy_status copy_target_ask(const char *path, const char *id, bool preview,
                                 struct copy_target_why *ret_why)
{
    int fd = -1;

    *ret_why = (struct copy_target_why){.os_errno = 0};
    if (!copy_rules_is_plain(path))
        return COPY_DEST_PATH;
    enum copy_status status = walk(path, &fd, ret_why);
    if (status == COPY_OK)
        status = judge(fd, id, preview, ret_why);
    else if (preview && status == COPY_DEST_PATH && ret_why->os_errno == ENOENT &&
             strcmp(ret_why->text, path) == 0)
        status = copy_target_fits(fd, 0, 0, ret_why); /* it will be made */
    if (fd >= 0)
        (void)close(fd);
    return status;
}

enum copy_status copy_target_open(const char *path, const char *id, int *ret_fd,
                                  struct copy_target_why *ret_why)
{
    int fd = -1;

    *ret_why = (struct copy_target_why){.os_errno = 0};
    if (!copy_rules_is_plain(path))
        return COPY_DEST_PATH;
    enum copy_status status = walk(path, &fd, ret_why);
    if (status == COPY_OK)
        status = judge(fd, id, false, ret_why);
    if (status == COPY_OK && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)snprintf(ret_why->text, sizeof(ret_why->text), "another restore at work");
        status = COPY_DEST_FULL;
    }
    if (status == COPY_OK && !copy_target_clear(fd)) {
        (void)snprintf(ret_why->text, sizeof(ret_why->text), "%s", COPY_PARTIAL_NAME);
        status = COPY_DEST_FULL;
    }
    if (status == COPY_OK)
        *ret_fd = fd;
    else if (fd >= 0)
        (void)close(fd);
    return status;
}

bool copy_target_clear(int fd)
{
    static const char *const programs[] = {"/usr/bin/rm", "/bin/rm"};
    char path[64];
    struct stat st;

    if (fstatat(fd, COPY_PARTIAL_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" COPY_PARTIAL_NAME, fd);
    pid_t pid = fork();
    if (pid == 0) {
        const char *args[] = {programs[access(programs[0], X_OK) == 0 ? 0 : 1],
                              "-rf",
                              "--one-file-system",
                              "--",
                              path,
                              NULL};
        (void)fcntl(fd, F_SETFD, 0);
        (void)copy_child_exec(args);
        _exit(127);
    }
    if (pid < 0)
        return false;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return fstatat(fd, COPY_PARTIAL_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}
