/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"

bool copy_path_seen(const struct copy_session *session, const char *path, char *ret_path,
                    size_t bytes)
{
    int length = snprintf(ret_path, bytes, "%s%s", session->tree ? COPY_TREE : "",
                          session->tree && path[1] == '\0' ? "" : path);

    return length > 0 && (size_t)length < bytes;
}

const struct copy_mounted *copy_path_mount(const struct copy_session *session, const char *path)
{
    const struct copy_mounted *best = NULL;
    size_t best_length = 0;

    for (uint32_t i = 0; i < session->mount_count; i++) {
        const char *at = session->mounts[i].at;
        size_t length = strlen(at);
        if (length == 1 ||
            (strncmp(path, at, length) == 0 && (path[length] == '/' || path[length] == '\0'))) {
            if (best == NULL || length >= best_length) {
                best = &session->mounts[i];
                best_length = length;
            }
        }
    }
    return best;
}

struct walk {
    const char *root, *path;
};

/* The root folder is the limit of every link then. */
static int walk(void *context)
{
    const struct walk *job = context;
    char real[PATH_MAX];

    if (chroot(job->root) < 0 || chdir("/") < 0 || realpath(job->path, real) == NULL)
        return errno;
    return write(STDOUT_FILENO, real, strlen(real)) < 0 ? errno : 0;
}

enum copy_status copy_path_follow(struct copy_session *session, const char *path, char *ret_path,
                                  size_t bytes, int64_t deadline_ms)
{
    struct walk job = {session->tree ? COPY_TREE : "/", path};
    const struct copy_text *text = &session->tool_text;
    enum copy_status status = copy_child_call(session, walk, &job, deadline_ms);

    if (status != COPY_OK)
        return status;
    if (session->tool.os_errno != 0)
        return copy_session_say(session, COPY_FAILED, session->tool.os_errno, "%s", path);
    if (text->bytes == 0 || text->bytes >= bytes)
        return copy_session_say(session, COPY_FAILED, ENAMETOOLONG, "%s", path);
    memcpy(ret_path, text->text, text->bytes);
    ret_path[text->bytes] = '\0';
    return COPY_OK;
}

enum copy_status copy_path_resolve(struct copy_session *session, const char *path, bool writable,
                                   char *ret_path, size_t bytes, int64_t deadline_ms)
{
    enum copy_status status = copy_path_follow(session, path, ret_path, bytes, deadline_ms);

    if (status == COPY_FAILED &&
        (session->reply.os_errno == ENOENT || session->reply.os_errno == ENOTDIR))
        return copy_session_say(session, COPY_NO_FILE, 0, "%s", path);
    if (status != COPY_OK)
        return status;
    const struct copy_mounted *on = copy_path_mount(session, ret_path);
    if (on == NULL || (writable && !on->writable))
        return copy_session_say(session, COPY_OUTSIDE, 0, "%s", path);
    return COPY_OK;
}

/* Is PATH, or anything below it, on the copy? */
static bool has_of_copy(const struct copy_session *session, const char *path)
{
    size_t length = path[1] == '\0' ? 0 : strlen(path);

    if (copy_path_mount(session, path) != NULL)
        return true;
    for (uint32_t i = 0; i < session->mount_count; i++)
        if (strncmp(session->mounts[i].at, path, length) == 0 &&
            session->mounts[i].at[length] == '/')
            return true;
    return false;
}

enum copy_status copy_path_find(struct copy_session *session, const char *path, char *ret_path,
                                size_t bytes, int64_t deadline_ms)
{
    static char parent[COPY_PATHS_BYTES], seen[PATH_MAX];
    const char *name = strrchr(path, '/') + 1;
    struct stat st;

    (void)snprintf(parent, sizeof(parent), "%.*s", name - path == 1 ? 1 : (int)(name - path - 1),
                   path);
    enum copy_status status = copy_path_follow(session, parent, ret_path, bytes, deadline_ms);
    if (status == COPY_FAILED &&
        (session->reply.os_errno == ENOENT || session->reply.os_errno == ENOTDIR))
        return copy_session_say(session, COPY_NO_FILE, 0, "%s", path);
    if (status != COPY_OK)
        return status;
    size_t length = ret_path[1] == '\0' ? 0 : strlen(ret_path);
    if (name[0] != '\0' &&
        (size_t)snprintf(ret_path + length, bytes - length, "/%s", name) >= bytes - length)
        return copy_session_say(session, COPY_FAILED, ENAMETOOLONG, "%s", path);
    if (!copy_path_seen(session, ret_path, seen, sizeof(seen)) || lstat(seen, &st) < 0)
        return copy_session_say(session, COPY_NO_FILE, 0, "%s", path);
    return has_of_copy(session, ret_path) ? COPY_OK
                                          : copy_session_say(session, COPY_OUTSIDE, 0, "%s", path);
}
