/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hookrun_verdict refuse(enum hook_refusal refusal, int os_errno, size_t bytes)
{
    return (struct hookrun_verdict){refusal, os_errno, (uint32_t)bytes};
}

/* The component that ends at BYTES, open as FD. */
static struct hookrun_verdict judge_one(int fd, uid_t owner, bool is_last, size_t bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return refuse(HOOK_REFUSAL_MISSING, errno, bytes);
    if (S_ISLNK(st.st_mode))
        return refuse(HOOK_REFUSAL_SYMLINK, 0, bytes);
    if (st.st_uid != owner && st.st_uid != 0)
        return refuse(HOOK_REFUSAL_OWNER, 0, bytes);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse(HOOK_REFUSAL_WRITABLE, 0, bytes);
    if (is_last && (!S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0))
        return refuse(HOOK_REFUSAL_NOT_FILE, 0, bytes);
    return refuse(HOOK_REFUSAL_NONE, 0, 0);
}

static bool is_plain_name(const char *name, size_t length)
{
    return length > 0 && length <= 255 && !(length == 1 && name[0] == '.') &&
           !(length == 2 && name[0] == '.' && name[1] == '.');
}

struct hookrun_verdict hookrun_path_judge(const char *path, uid_t owner)
{
    char name[256];
    size_t at = 1;

    if (path[0] != '/' || path[1] == '\0')
        return refuse(HOOK_REFUSAL_NOT_ABSOLUTE, 0, 0);
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct hookrun_verdict verdict =
        fd < 0 ? refuse(HOOK_REFUSAL_MISSING, errno, 1) : judge_one(fd, owner, false, 1);

    while (verdict.refusal == HOOK_REFUSAL_NONE && path[at] != '\0') {
        size_t length = strcspn(path + at, "/");
        if (!is_plain_name(path + at, length)) {
            verdict = refuse(HOOK_REFUSAL_NOT_ABSOLUTE, 0, at + length);
            break;
        }
        memcpy(name, path + at, length);
        name[length] = '\0';
        at += length;
        int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            verdict = refuse(HOOK_REFUSAL_MISSING, errno, at);
            break;
        }
        (void)close(fd);
        fd = next;
        bool is_last = path[at] == '\0';
        verdict = judge_one(fd, owner, is_last, at);
        if (!is_last && path[++at] == '\0') /* a slash at the end names a folder */
            verdict = refuse(HOOK_REFUSAL_NOT_FILE, 0, at);
    }
    if (fd >= 0)
        (void)close(fd);
    return verdict;
}
