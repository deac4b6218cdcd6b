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
#include <sys/wait.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_rules.h"

/* Component by component, so that no link is followed. -1: errno. */
static int open_folder(const char *path)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[256];

    while (fd >= 0 && *path == '/' && path[1] != '\0') {
        size_t length = strcspn(path + 1, "/"); /* judged: at most 255 */
        memcpy(name, path + 1, length);
        name[length] = '\0';
        path += 1 + length;
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int os_errno = errno;
        (void)close(fd);
        errno = os_errno;
        fd = next;
    }
    return fd;
}

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

static enum copy_status look_inside(int folder_fd, char *ret_other, size_t other_bytes)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum copy_status status = COPY_OK;

    if (folder == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return COPY_FAILED;
    }
    while (status == COPY_OK && (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, COPY_MARKER_NAME) != 0 &&
            strcmp(entry->d_name, COPY_PARTIAL_NAME) != 0) {
            (void)snprintf(ret_other, other_bytes, "%s", entry->d_name);
            status = COPY_DEST_FULL;
        }
    (void)closedir(folder);
    return status;
}

enum copy_status copy_target_open(const char *path, const char *id, int *ret_fd, char *ret_other,
                                  size_t other_bytes)
{
    struct stat st;

    if (!copy_rules_is_plain(path))
        return COPY_DEST_PATH;
    int fd = open_folder(path);
    if (fd < 0)
        return COPY_DEST_PATH;
    enum copy_status status = COPY_OK;
    if (fstat(fd, &st) < 0)
        status = COPY_FAILED;
    else if (st.st_uid != 0)
        status = COPY_DEST_OWNER;
    else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        status = COPY_DEST_WRITABLE;
    else if (!has_marker(fd, id))
        status = COPY_DEST_MARKER;
    else
        status = look_inside(fd, ret_other, other_bytes);
    if (status == COPY_OK && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)snprintf(ret_other, other_bytes, "another restore at work");
        status = COPY_DEST_FULL;
    }
    if (status == COPY_OK && !copy_target_clear(fd)) {
        (void)snprintf(ret_other, other_bytes, "%s", COPY_PARTIAL_NAME);
        status = COPY_DEST_FULL;
    }
    if (status != COPY_OK)
        (void)close(fd);
    else
        *ret_fd = fd;
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
