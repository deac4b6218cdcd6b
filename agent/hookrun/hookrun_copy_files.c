/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_path.h"
#include "agent/hookrun/hookrun_copy_target.h"

enum {
    REAL_BYTES = 128 * 1024, /* of all paths, links followed */
    ARGS_BEFORE = 8,
};

struct job {
    const char *found[COPY_PATHS_MAX]; /* relative to the copy's tree, without links */
    size_t count;
    char text[REAL_BYTES];
    size_t text_bytes;
    char program[PATH_MAX];
    const char *args[ARGS_BEFORE + COPY_PATHS_MAX + 2];
    int target_fd;
};

/* ---- what is asked for ---- */

static enum copy_status find_paths(struct copy_session *session, struct job *job,
                                   int64_t deadline_ms)
{
    static char real[PATH_MAX];
    const struct copy_msg_files *files = &session->request.files;

    job->count = job->text_bytes = 0;
    for (size_t at = 0; at < files->paths_bytes; at += strlen(files->paths + at) + 1) {
        if (job->count == COPY_PATHS_MAX)
            return copy_session_say(session, COPY_FULL, 0, "more than %d paths", COPY_PATHS_MAX);
        enum copy_status status =
            copy_path_find(session, files->paths + at, real, sizeof(real), deadline_ms);
        if (status != COPY_OK)
            return status;
        const char *relative = real[1] == '\0' ? "." : real + 1;
        size_t bytes = strlen(relative) + 1;
        if (bytes > sizeof(job->text) - job->text_bytes)
            return copy_session_say(session, COPY_FULL, 0, "paths of more than %d bytes",
                                    REAL_BYTES);
        memcpy(job->text + job->text_bytes, relative, bytes);
        job->found[job->count++] = job->text + job->text_bytes;
        job->text_bytes += bytes;
    }
    return COPY_OK;
}

/* Program, OPTIONS (NULL at their end), the paths, LAST. */
static enum copy_status compose(struct copy_session *session, struct job *job, const char *name,
                                const char *const *options, const char *last)
{
    size_t count = 0;

    if (copy_child_find(session, name, job->program, sizeof(job->program)) == NULL)
        return COPY_NO_TOOL;
    job->args[count++] = job->program;
    for (; *options != NULL; options++)
        job->args[count++] = *options;
    memcpy(job->args + count, job->found, job->count * sizeof(job->found[0]));
    count += job->count;
    job->args[count++] = last;
    job->args[count] = NULL;
    return COPY_OK;
}

/* In the child: the tree is where the paths begin, and the destination is kept open. */
static int run_in_tree(void *context)
{
    const struct job *job = context;

    if (chdir(COPY_TREE) < 0 || fcntl(job->target_fd, F_SETFD, 0) < 0)
        return errno;
    return copy_child_exec(job->args);
}

static enum copy_status run(struct copy_session *session, struct job *job,
                            void (*tick)(struct copy_session *), int64_t deadline_ms)
{
    enum copy_status status = copy_child_watch(session, run_in_tree, job, tick, deadline_ms);

    if (status != COPY_OK)
        return status;
    if (session->tool.os_errno != 0)
        return copy_session_say(session, COPY_FAILED, session->tool.os_errno, "%s", job->program);
    return copy_child_succeeded(&session->tool)
               ? COPY_OK
               : copy_session_tell(session, COPY_TOOL_FAILED, &session->tool);
}

/* ---- is there room? ---- */

/* The number in front of the last line, which is the total. */
static enum copy_status sum(struct copy_session *session, struct job *job, const char *unit,
                            uint64_t *ret_sum, int64_t deadline_ms)
{
    const char *options[] = {"-s", "-c", unit, "--", NULL};
    struct copy_text *text = &session->tool_text;
    enum copy_status status = compose(session, job, "du", options, NULL);

    if (status == COPY_OK)
        status = run(session, job, NULL, deadline_ms);
    if (status != COPY_OK)
        return status;
    text->text[text->bytes < sizeof(text->text) ? text->bytes : sizeof(text->text) - 1] = '\0';
    char *line = text->text;
    for (char *next; (next = strchr(line, '\n')) != NULL && next[1] != '\0';)
        line = next + 1;
    errno = 0;
    char *end = line;
    *ret_sum = strtoull(line, &end, 10);
    return end != line && errno == 0 && *end == '\t'
               ? COPY_OK
               : copy_session_tell(session, COPY_TOOL_FAILED, &session->tool);
}

static enum copy_status refuse_too_much(struct copy_session *session, struct job *job,
                                        struct copy_progress *total, int64_t deadline_ms)
{
    struct copy_target_why why = {.os_errno = 0};
    enum copy_status status = sum(session, job, "-B1", &total->bytes_total, deadline_ms);

    if (status == COPY_OK)
        status = sum(session, job, "--inodes", &total->files_total, deadline_ms);
    if (status != COPY_OK)
        return status;
    status = copy_target_fits(session->target_fd, total->bytes_total, total->files_total, &why);
    return status == COPY_OK ? COPY_OK : copy_session_tell_target(session, status, &why);
}

/* ---- copying ---- */

/* What cp has written, by the kernel's own account of it. */
static uint64_t written_by(pid_t pid)
{
    char path[64], text[512];

    (void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, "wchar: ");
    return line == NULL ? 0 : strtoull(line + strlen("wchar: "), NULL, 10);
}

static void tell_progress(struct copy_session *session)
{
    struct copy_progress *progress = &session->reply.progress;
    uint64_t bytes = written_by(session->tool.pid);

    if (bytes > progress->bytes_done)
        progress->bytes_done = bytes < progress->bytes_total ? bytes : progress->bytes_total;
    session->reply.status = COPY_MORE;
    session->reply.data_bytes = 0;
    copy_session_send(session);
}

static int sync_target(void *context)
{
    return syncfs(*(const int *)context) == 0 ? 0 : errno;
}

/* Each to its place. A name that is there by now is root's doing: nothing is put over it. */
static int move_in(int target_fd)
{
    int fd = openat(target_fd, COPY_PARTIAL_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    int os_errno = folder == NULL ? errno : 0;

    while (folder != NULL && os_errno == 0 && (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            renameat2(fd, entry->d_name, target_fd, entry->d_name, RENAME_NOREPLACE) < 0)
            os_errno = errno;
    if (folder != NULL)
        (void)closedir(folder);
    if (os_errno == 0 && unlinkat(target_fd, COPY_PARTIAL_NAME, AT_REMOVEDIR) < 0)
        os_errno = errno;
    return os_errno;
}

static enum copy_status copy_all(struct copy_session *session, struct job *job, int64_t deadline_ms)
{
    static const char *const options[] = {"-a", "--sparse=auto", "--parents", "--", NULL};
    char into[64];
    int fd = session->target_fd;

    (void)snprintf(into, sizeof(into), "/proc/self/fd/%d/" COPY_PARTIAL_NAME, fd);
    if (mkdirat(fd, COPY_PARTIAL_NAME, 0700) < 0)
        return copy_session_say(session, COPY_FAILED, errno, "mkdir " COPY_PARTIAL_NAME);
    enum copy_status status = compose(session, job, "cp", options, into);
    if (status == COPY_OK)
        status = run(session, job, tell_progress, deadline_ms);
    if (status == COPY_OK)
        status = copy_child_call(session, sync_target, &fd, deadline_ms);
    if (status == COPY_OK && session->tool.os_errno != 0)
        status = copy_session_say(session, COPY_FAILED, session->tool.os_errno, "syncfs");
    return status;
}

static int remove_partial(void *context)
{
    return copy_target_clear(*(const int *)context) ? 0 : EBUSY;
}

enum copy_status copy_files_run(struct copy_session *session, int64_t deadline_ms)
{
    static struct job job;
    struct copy_progress total = {0, 0, 0, 0};
    enum copy_status status;

    if (session->target_fd < 0)
        return copy_session_say(session, COPY_BAD_STATE, 0, "it was done before");
    job.target_fd = session->target_fd;
    status = find_paths(session, &job, deadline_ms);
    if (status == COPY_OK)
        status = refuse_too_much(session, &job, &total, deadline_ms);
    if (status != COPY_OK)
        return status;
    session->reply.progress = total;
    status = copy_all(session, &job, deadline_ms);
    if (status != COPY_OK) {
        /* The starter tries again when we are gone; the reply says what went wrong before. */
        static struct copy_reply kept;
        kept = session->reply;
        (void)copy_child_call(session, remove_partial, &job.target_fd, session->end_ms);
        session->reply = kept;
        return status;
    }
    (void)unlinkat(job.target_fd, COPY_MARKER_NAME, 0); /* has done its duty */
    int os_errno = move_in(job.target_fd);
    if (os_errno != 0)
        return copy_session_say(session, COPY_FAILED, os_errno, "renaming in the destination");
    session->reply.progress.bytes_done = total.bytes_total;
    session->reply.progress.files_done = total.files_total;
    session->reply.data_bytes = 0;
    (void)close(session->target_fd);
    session->target_fd = -1;
    return COPY_OK;
}
