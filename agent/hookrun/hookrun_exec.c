/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_signals.h"

#ifndef SYS_close_range /* headers older than Linux 5.9; the number is the same everywhere */
#define SYS_close_range 436
#endif

enum { GRACE_MS_MAX = 200, DRAIN_READS_MAX = 64, KILLED_LOOK_MS = 500 };

static const char *const phase_names[HOOK_PHASE_COUNT] = {
    [HOOK_PREPARE] = "prepare", [HOOK_HOLD] = "hold", [HOOK_RELEASE] = "release",
    [HOOK_FINISH] = "finish",   [HOOK_STOP] = "stop", [HOOK_START] = "start",
};

static bool is_text(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char one = (unsigned char)text[i];
        if (one == '\0')
            return true;
        if (one < ' ' || one == 0x7f)
            return false;
    }
    return false;
}

bool hookrun_exec_check(const struct hook_request *request, size_t bytes)
{
    return bytes == sizeof(*request) && request->version == HOOK_WIRE_VERSION &&
           request->phase >= HOOK_PREPARE && request->phase < HOOK_PHASE_COUNT &&
           is_text(request->path, sizeof(request->path)) &&
           is_text(request->id, sizeof(request->id)) &&
           is_text(request->reason, sizeof(request->reason)) &&
           is_text(request->outcome, sizeof(request->outcome));
}

/* ---- the child ---- */

struct surroundings {
    char id[HOOK_ID_BYTES + 32], reason[HOOK_REASON_BYTES + 32], phase[64], deadline[64];
    char outcome[HOOK_OUTCOME_BYTES + 32];
    char *list[8];
};

static void describe(const struct hook_request *request, struct surroundings *env)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C";
    size_t count = 0;

    (void)snprintf(env->id, sizeof(env->id), "STILLPOINT_ID=%s", request->id);
    (void)snprintf(env->reason, sizeof(env->reason), "STILLPOINT_REASON=%s", request->reason);
    (void)snprintf(env->phase, sizeof(env->phase), "STILLPOINT_PHASE=%s",
                   phase_names[request->phase]);
    (void)snprintf(env->deadline, sizeof(env->deadline), "STILLPOINT_DEADLINE_MS=%lld",
                   (long long)request->deadline_ms);
    (void)snprintf(env->outcome, sizeof(env->outcome), "STILLPOINT_OUTCOME=%s", request->outcome);
    env->list[count++] = path;
    env->list[count++] = lang;
    env->list[count++] = env->id;
    env->list[count++] = env->reason;
    env->list[count++] = env->phase;
    env->list[count++] = env->deadline;
    if (request->phase == HOOK_RELEASE || request->phase == HOOK_FINISH ||
        request->phase == HOOK_START)
        env->list[count++] = env->outcome;
    env->list[count] = NULL;
}

static void reset_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, "0", 1); /* a hook may well be the one to go */
        (void)close(fd);
    }
}

/* Keeps what is below KEEP, which closes itself on exec. */
static void close_from(int first, int keep)
{
    if (keep > first)
        (void)syscall(SYS_close_range, (unsigned)first, (unsigned)keep - 1, 0u);
    if (syscall(SYS_close_range, (unsigned)keep + 1, ~0u, 0u) == 0)
        return;
    for (int fd = first; fd < 1024; fd++) /* before Linux 5.9 */
        if (fd != keep)
            (void)close(fd);
}

static _Noreturn void become_hook(const struct hook_request *request, int output_fd, int errno_fd)
{
    struct surroundings env = {.list = {NULL}};
    char *args[] = {(char *)(uintptr_t)request->path,
                    (char *)(uintptr_t)phase_names[request->phase], NULL};
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    describe(request, &env);
    (void)setsid();
    hookrun_reset_signals();
    reset_oom_score();
    (void)umask(022);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
        dup2(output_fd, STDERR_FILENO) >= 0 && chdir("/") == 0) {
        close_from(3, errno_fd);
        (void)execve(request->path, args, env.list);
    }
    int os_errno = errno;
    (void)!write(errno_fd, &os_errno, sizeof(os_errno)); /* else the end of file tells as little */
    _exit(127);
}

/* ---- the parent ---- */

struct run {
    pid_t pid;
    int output_fd; /* -1 once it has ended */
    int signal_fd;
    int client_fd;
    int64_t term_ms, kill_ms;
    bool is_termed, is_late; /* told to end; by us, for the deadline */
    bool is_killed;
    bool is_dead;
    int status;
    struct hook_reply *reply;
};

/* The last HOOK_OUTPUT_BYTES stay. */
static void keep_output(struct hook_reply *reply, const uint8_t *bytes, size_t count)
{
    size_t room = sizeof(reply->output) - reply->output_bytes;

    if (count > sizeof(reply->output)) {
        reply->output_lost += (uint32_t)(count - sizeof(reply->output));
        bytes += count - sizeof(reply->output);
        count = sizeof(reply->output);
    }
    if (count > room) {
        size_t out = count - room;
        memmove(reply->output, reply->output + out, reply->output_bytes - out);
        reply->output_bytes -= (uint32_t)out;
        reply->output_lost += (uint32_t)out;
    }
    memcpy(reply->output + reply->output_bytes, bytes, count);
    reply->output_bytes += (uint32_t)count;
}

/* What is there; at most so many reads, since a hook that writes without end must not keep us. */
static void drain(struct run *run)
{
    uint8_t bytes[HOOK_OUTPUT_BYTES];

    for (int i = 0; i < DRAIN_READS_MAX && run->output_fd >= 0; i++) {
        ssize_t got = read(run->output_fd, bytes, sizeof(bytes));
        if (got > 0) {
            keep_output(run->reply, bytes, (size_t)got);
        } else if (got == 0) {
            (void)close(run->output_fd);
            run->output_fd = -1;
        } else {
            return;
        }
    }
}

static void kill_group(const struct run *run, int number)
{
    if (!run->is_dead) /* afterwards the number may be another's */
        (void)kill(-run->pid, number);
}

static void check_clock(struct run *run)
{
    int64_t now_ms = clock_boot_ms();

    if (now_ms >= run->kill_ms) {
        run->is_late = run->is_killed = true;
        kill_group(run, SIGKILL);
    } else if (now_ms >= run->term_ms && !run->is_termed) {
        run->is_termed = run->is_late = true;
        kill_group(run, SIGTERM);
    }
}

static int next_timeout(const struct run *run)
{
    int64_t at_ms = run->is_termed ? run->kill_ms : run->term_ms;
    int64_t left_ms = at_ms - clock_boot_ms();

    if (run->is_killed) /* it may sit in the kernel for long; its end wakes us */
        return KILLED_LOOK_MS;
    return left_ms < 1 ? 1 : (int)left_ms; /* the cap on a deadline keeps it an int */
}

static void hear_signals(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo != SIGCHLD)
            kill_group(run, SIGKILL); /* we are to go; it goes first */
    siginfo_t end;
    memset(&end, 0, sizeof(end));
    if (waitid(P_PID, (id_t)run->pid, &end, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        end.si_pid != run->pid)
        return;
    if (run->is_late) /* its children may have heard SIGTERM and stayed; the number is still its own
                       */
        kill_group(run, SIGKILL);
    (void)waitpid(run->pid, &run->status, 0);
    run->is_dead = true;
}

static void wait_for(struct run *run)
{
    while (!run->is_dead) {
        struct pollfd polls[3] = {
            {run->output_fd, POLLIN, 0}, {run->signal_fd, POLLIN, 0}, {run->client_fd, 0, 0}};
        (void)poll(polls, 3, next_timeout(run));
        drain(run);
        if ((polls[2].revents & (POLLHUP | POLLERR)) != 0) {
            kill_group(run, SIGKILL); /* nobody waits for it any more */
            run->client_fd = -1;
        }
        check_clock(run);
        hear_signals(run);
    }
    drain(run);
}

static void conclude(const struct run *run)
{
    struct hook_reply *reply = run->reply;

    if (run->is_late) {
        reply->result = HOOK_DEADLINE;
        reply->code = WIFSIGNALED(run->status) ? WTERMSIG(run->status) : 0;
    } else if (WIFSIGNALED(run->status)) {
        reply->result = HOOK_SIGNALLED;
        reply->code = WTERMSIG(run->status);
    } else {
        reply->result = HOOK_EXITED;
        reply->code = WEXITSTATUS(run->status);
    }
}

static void fail(struct hook_reply *reply, int os_errno)
{
    reply->result = HOOK_FAILED;
    reply->os_errno = os_errno;
}

static void start(const struct hook_request *request, struct run *run)
{
    int output[2] = {-1, -1}, errors[2] = {-1, -1}, os_errno = 0;

    if (run->signal_fd < 0 || pipe2(output, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0 ||
        (run->pid = fork()) < 0) {
        fail(run->reply, errno);
        run->is_dead = true;
    } else if (run->pid == 0) {
        become_hook(request, output[1], errors[1]);
    } else {
        (void)close(output[1]);
        (void)close(errors[1]);
        output[1] = errors[1] = -1;
        run->output_fd = output[0];
        (void)fcntl(run->output_fd, F_SETFL, O_NONBLOCK);
        if (read(errors[0], &os_errno, sizeof(os_errno)) == (ssize_t)sizeof(os_errno)) {
            fail(run->reply, os_errno); /* else closed by the exec: it runs */
            (void)waitpid(run->pid, &run->status, 0);
            run->is_dead = true;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (output[i] >= 0 && output[i] != run->output_fd)
            (void)close(output[i]);
        if (errors[i] >= 0)
            (void)close(errors[i]);
    }
}

void hookrun_exec(const struct hook_request *request, int client_fd, struct hook_reply *ret_reply)
{
    int64_t begin_us = clock_boot_us(), now_ms = begin_us / 1000;
    struct run run;

    memset(ret_reply, 0, sizeof(*ret_reply));
    memset(&run, 0, sizeof(run));
    ret_reply->version = HOOK_WIRE_VERSION;
    if (request->deadline_ms <= now_ms) {
        ret_reply->result = HOOK_REFUSED;
        ret_reply->refusal = HOOK_REFUSAL_DEADLINE;
        return;
    }
    run.kill_ms = request->deadline_ms > now_ms + HOOK_DEADLINE_MS_MAX
                      ? now_ms + HOOK_DEADLINE_MS_MAX
                      : request->deadline_ms;
    int64_t grace_ms = (run.kill_ms - now_ms) / 4;
    run.term_ms = run.kill_ms - (grace_ms < GRACE_MS_MAX ? grace_ms : GRACE_MS_MAX);
    run.client_fd = client_fd;
    run.output_fd = -1;
    run.reply = ret_reply;
    run.signal_fd = hookrun_watch_signals();
    start(request, &run);
    if (!run.is_dead) {
        wait_for(&run);
        conclude(&run);
    }
    if (run.output_fd >= 0)
        (void)close(run.output_fd);
    if (run.signal_fd >= 0)
        (void)close(run.signal_fd);
    ret_reply->took_us = clock_boot_us() - begin_us;
}
