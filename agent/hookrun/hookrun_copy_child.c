/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_signals.h"

enum { DRAIN_READS_MAX = 64, READ_BYTES = 4096, TICK_MS = 1000 };

/* ---- in the child ---- */

static void close_but(int first, int a, int b)
{
    for (int fd = first; fd < 1024; fd++)
        if (fd != a && fd != b)
            (void)close(fd);
}

/* Short of memory, the node's own programs are to come last. A kernel that does not let us is no
 * reason not to work. */
static void be_first_to_go(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, "1000", 4);
    (void)close(fd);
}

static _Noreturn void be_child(copy_child_body *body, void *context, int out_fd, int error_fd,
                               int keep_fd)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), os_errno = 0;

    (void)setsid();
    hookrun_reset_signals();
    (void)umask(022);
    be_first_to_go();
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
        dup2(out_fd, STDERR_FILENO) < 0 || chdir("/") < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        os_errno = errno;
    } else {
        close_but(3, error_fd, keep_fd);
        os_errno = body(context);
    }
    if (os_errno != 0)
        (void)!write(error_fd, &os_errno, sizeof(os_errno)); /* the exit code tells, too */
    _exit(os_errno == 0 ? 0 : 127);
}

int copy_child_become(uid_t uid, gid_t gid)
{
    return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0
               ? 0
               : errno;
}

int copy_child_exec(const char *const *args)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LC_ALL=C",
                home[] = "HOME=/", lvm[] = "LVM_SYSTEM_DIR=" COPY_LVM_FOLDER;
    char *const env[] = {path, lang, home, lvm, NULL};

    (void)execve(args[0], (char *const *)(uintptr_t)args, env);
    return errno;
}

/* ---- of the session ---- */

bool copy_child_start(struct copy_child *child, struct copy_text *text, copy_child_body *body,
                      void *context, int keep_fd)
{
    int out[2] = {-1, -1}, errors[2] = {-1, -1};

    memset(child, 0, sizeof(*child));
    child->out_fd = child->error_fd = -1;
    child->text = text;
    text->bytes = 0;
    if (pipe2(out, O_CLOEXEC) < 0)
        return false;
    if (pipe2(errors, O_CLOEXEC) < 0 || (child->pid = fork()) < 0) {
        int os_errno = errno;
        (void)close(out[0]);
        (void)close(out[1]);
        if (errors[0] >= 0) {
            (void)close(errors[0]);
            (void)close(errors[1]);
        }
        child->pid = 0;
        errno = os_errno;
        return false;
    }
    if (child->pid == 0)
        be_child(body, context, out[1], errors[1], keep_fd);
    (void)close(out[1]);
    (void)close(errors[1]);
    child->out_fd = out[0];
    child->error_fd = errors[0];
    (void)fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
    (void)fcntl(child->error_fd, F_SETFL, O_NONBLOCK);
    return true;
}

/* The last COPY_TEXT_BYTES stay. COUNT is less. */
static void keep(struct copy_text *text, const char *bytes, size_t count)
{
    if (count > sizeof(text->text) - text->bytes) {
        size_t out = count - (sizeof(text->text) - text->bytes);
        memmove(text->text, text->text + out, text->bytes - out);
        text->bytes -= out;
    }
    memcpy(text->text + text->bytes, bytes, count);
    text->bytes += count;
}

void copy_child_drain(struct copy_child *child)
{
    char bytes[READ_BYTES];

    for (int i = 0; i < DRAIN_READS_MAX && child->out_fd >= 0; i++) {
        ssize_t got = read(child->out_fd, bytes, sizeof(bytes));
        if (got > 0) {
            keep(child->text, bytes, (size_t)got);
            for (ssize_t at = 0; at < got; at++)
                child->lines += bytes[at] == '\n';
        } else if (got < 0) {
            return;
        } else {
            (void)close(child->out_fd);
            child->out_fd = -1;
        }
    }
}

void copy_child_forget(struct copy_child *child)
{
    if (child->out_fd >= 0)
        (void)close(child->out_fd);
    if (child->error_fd >= 0)
        (void)close(child->error_fd);
    child->out_fd = child->error_fd = -1;
}

static void note_end(struct copy_child *child, int status)
{
    child->dead = true;
    child->status = status;
    copy_child_drain(child);
    if (read(child->error_fd, &child->os_errno, sizeof(int)) != (ssize_t)sizeof(int))
        child->os_errno = 0;
    copy_child_forget(child);
}

void copy_child_reap(struct copy_session *session)
{
    int status = 0;
    pid_t pid;

    /* Process 1 is everybody's parent in the end. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == session->tool.pid)
            note_end(&session->tool, status);
        else if (pid == session->server.pid)
            note_end(&session->server, status);
    }
}

enum copy_status copy_child_watch(struct copy_session *session, copy_child_body *body,
                                  void *context, void (*tick)(struct copy_session *),
                                  int64_t deadline_ms)
{
    struct copy_child *tool = &session->tool;
    bool late = false;

    if (!copy_child_start(tool, &session->tool_text, body, context, session->target_fd))
        return copy_session_say(session, COPY_FAILED, errno, "fork");
    while (!tool->dead) {
        int64_t now_ms = clock_boot_ms(), wake_ms = now_ms + TICK_MS;
        if (now_ms >= deadline_ms) {
            late = true; /* it may sit in the kernel for long; the client may go meanwhile */
            (void)kill(-tool->pid, SIGKILL);
            (void)kill(tool->pid, SIGKILL); /* its own session may be yet to come */
        } else if (tick == NULL || deadline_ms < wake_ms) {
            wake_ms = deadline_ms;
        }
        copy_session_pump(session, wake_ms);
        if (tick != NULL && !tool->dead && !late && clock_boot_ms() >= wake_ms)
            tick(session);
    }
    tool->pid = 0;
    return late ? copy_session_say(session, COPY_DEADLINE, 0, "%s", "") : COPY_OK;
}

enum copy_status copy_child_call(struct copy_session *session, copy_child_body *body, void *context,
                                 int64_t deadline_ms)
{
    return copy_child_watch(session, body, context, NULL, deadline_ms);
}

static int exec_body(void *context)
{
    return copy_child_exec(context);
}

static int exec_powerless(void *context)
{
    int os_errno = copy_child_become(COPY_READER, COPY_READER);

    return os_errno != 0 ? os_errno : copy_child_exec(context);
}

static enum copy_status run(struct copy_session *session, copy_child_body *body,
                            const char *const *args, int64_t deadline_ms)
{
    enum copy_status status = copy_child_call(session, body, (void *)(uintptr_t)args, deadline_ms);

    if (status == COPY_OK && session->tool.os_errno != 0)
        return copy_session_say(session, COPY_FAILED, session->tool.os_errno, "%s", args[0]);
    return status;
}

enum copy_status copy_child_run(struct copy_session *session, const char *const *args,
                                int64_t deadline_ms)
{
    return run(session, exec_body, args, deadline_ms);
}

enum copy_status copy_child_read(struct copy_session *session, const char *const *args,
                                 int64_t deadline_ms)
{
    return run(session, exec_powerless, args, deadline_ms);
}

void copy_child_end_all(struct copy_session *session)
{
    siginfo_t info;

    if (getpid() == 1) /* all means all in its namespace then */
        (void)kill(-1, SIGKILL);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        copy_session_pump(session, clock_boot_ms() + TICK_MS);
}

bool copy_child_succeeded(const struct copy_child *child)
{
    return WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
}

const char *copy_child_find(struct copy_session *session, const char *name, char *path,
                            size_t bytes)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(path, bytes, "%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
    }
    (void)copy_session_say(session, COPY_NO_TOOL, 0, "%s", name);
    return NULL;
}
