/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_copy_child.h"
#include "agent/hookrun/hookrun_copy_files.h"
#include "agent/hookrun/hookrun_copy_groups.h"
#include "agent/hookrun/hookrun_copy_mount.h"
#include "agent/hookrun/hookrun_copy_probe.h"
#include "agent/hookrun/hookrun_copy_programs.h"
#include "agent/hookrun/hookrun_copy_server.h"
#include "agent/hookrun/hookrun_signals.h"

enum { POLL_MS_MAX = 60 * 1000, SEND_MS = 10000 };

_Noreturn void copy_session_leave(void)
{
    _exit(0); /* process 1: the kernel kills the rest and takes the namespaces down */
}

/* ---- replies ---- */

static void begin_reply(struct copy_session *session)
{
    memset(&session->reply, 0, COPY_REPLY_HEAD_BYTES);
    session->reply.version = COPY_WIRE_VERSION;
    session->reply.op = session->request.head.op;
    session->reply.serial = session->request.head.serial;
}

enum copy_status copy_session_say(struct copy_session *session, enum copy_status status,
                                  int os_errno, const char *fmt, ...)
{
    struct copy_reply *reply = &session->reply;
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(reply->data.text, sizeof(reply->data.text), fmt, args);
    va_end(args);
    reply->status = status;
    reply->os_errno = os_errno;
    reply->data_bytes = length > 0 ? (uint32_t)length : 0;
    if (reply->data_bytes >= sizeof(reply->data.text))
        reply->data_bytes = sizeof(reply->data.text) - 1;
    return status;
}

enum copy_status copy_session_tell(struct copy_session *session, enum copy_status status,
                                   const struct copy_child *child)
{
    struct copy_reply *reply = &session->reply;

    _Static_assert(sizeof(child->text->text) <= sizeof(reply->data.text), "fits");
    reply->status = status;
    reply->os_errno = child->os_errno;
    reply->code = WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1;
    reply->signal = WIFSIGNALED(child->status) ? WTERMSIG(child->status) : 0;
    memcpy(reply->data.text, child->text->text, child->text->bytes);
    reply->data_bytes = (uint32_t)child->text->bytes;
    return status;
}

enum copy_status copy_session_tell_target(struct copy_session *session, enum copy_status status,
                                          const struct copy_target_why *why)
{
    if (status == COPY_OK)
        return COPY_OK;
    session->reply.progress = why->room;
    return copy_session_say(session, status, why->os_errno, "%s", why->text);
}

void copy_session_send(struct copy_session *session)
{
    struct copy_reply *reply = &session->reply;
    struct pollfd one = {session->client_fd, POLLOUT, 0};
    size_t bytes = COPY_REPLY_HEAD_BYTES + reply->data_bytes;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {reply, bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int passed_fd = -1;

    if (reply->op == COPY_OP_SERVE && reply->status == COPY_OK) {
        passed_fd = copy_server_open_folder(session);
        memset(&control, 0, sizeof(control));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &passed_fd, sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    /* A client that does not read for so long is none. */
    if (poll(&one, 1, SEND_MS) <= 0 ||
        sendmsg(session->client_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)bytes)
        copy_session_leave();
    if (passed_fd >= 0)
        (void)close(passed_fd);
}

/* ---- waiting ---- */

static void hear_signals(struct copy_session *session)
{
    struct signalfd_siginfo info;

    while (read(session->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo != SIGCHLD)
            copy_session_leave();
    copy_child_reap(session);
}

/* CLIENT_EVENTS: what of the client is of interest beside its going. Is one of them there? */
static bool wait_for(struct copy_session *session, short client_events, int64_t wake_ms)
{
    int64_t left_ms = wake_ms - clock_boot_ms();
    struct pollfd polls[5] = {{session->client_fd, client_events, 0},
                              {session->outer_fd, 0, 0},
                              {session->signal_fd, POLLIN, 0},
                              {session->tool.out_fd, POLLIN, 0},
                              {session->server.out_fd, POLLIN, 0}};

    if (session->end_ms <= clock_boot_ms())
        copy_session_leave();
    left_ms = left_ms < 0 ? 0 : left_ms > POLL_MS_MAX ? POLL_MS_MAX : left_ms;
    (void)poll(polls, 5, (int)left_ms);
    if ((polls[0].revents & (POLLHUP | POLLERR)) != 0 ||
        (polls[1].revents & (POLLHUP | POLLERR)) != 0)
        copy_session_leave();
    copy_child_drain(&session->tool);
    copy_child_drain(&session->server);
    hear_signals(session);
    return (polls[0].revents & POLLIN) != 0;
}

void copy_session_pump(struct copy_session *session, int64_t wake_ms)
{
    (void)wait_for(session, 0, wake_ms);
}

/* ---- requests ---- */

static enum copy_status close_all(struct copy_session *session, int64_t deadline_ms)
{
    (void)copy_server_stop(session, deadline_ms);
    session->reply.data_bytes = 0; /* its log is nobody's any more */
    enum copy_status mounts = copy_mount_end(session, deadline_ms);
    enum copy_status groups = copy_groups_end(session, deadline_ms);
    return mounts != COPY_OK ? mounts : groups;
}

static enum copy_status dispatch(struct copy_session *session, int64_t deadline_ms)
{
    switch ((enum copy_op)session->request.head.op) {
    case COPY_OP_ADD:
        return copy_probe_add(session, deadline_ms);
    case COPY_OP_GROUPS:
        return copy_groups_find(session, deadline_ms);
    case COPY_OP_LOOK:
        return copy_mount_look(session, deadline_ms);
    case COPY_OP_CHECK:
        return copy_mount_check(session, deadline_ms);
    case COPY_OP_MOUNT:
        return copy_mount_add(session, deadline_ms);
    case COPY_OP_PROGRAMS:
        return copy_programs_list(session, deadline_ms);
    case COPY_OP_SERVE:
        return copy_server_start(session, deadline_ms);
    case COPY_OP_STOP:
        return copy_server_stop(session, deadline_ms);
    case COPY_OP_FILES:
        return copy_files_run(session, deadline_ms);
    case COPY_OP_CLOSE:
        return close_all(session, deadline_ms);
    case COPY_OP_OPEN:
    case COPY_OP_ASK:
    case COPY_OP_COUNT:
        break;
    }
    return COPY_BAD_STATE; /* not reached: judged */
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* One request and its reply. */
static void answer(struct copy_session *session, size_t bytes)
{
    int64_t begin_us = clock_boot_us(), deadline_ms = 0;
    enum copy_status status =
        copy_rules_judge(&session->request, bytes, session->state, session->purpose);

    if (bytes < sizeof(session->request.head))
        memset(&session->request.head, 0, sizeof(session->request.head));
    begin_reply(session);
    if (status == COPY_OK) {
        deadline_ms = sooner(session->request.head.deadline_ms, session->end_ms);
        status = deadline_ms <= clock_boot_ms() && session->request.head.op != COPY_OP_CLOSE
                     ? COPY_DEADLINE
                     : dispatch(session, deadline_ms);
    }
    session->reply.status = status;
    if (session->reply.took_us == 0)
        session->reply.took_us = clock_boot_us() - begin_us;
    copy_session_send(session);
    if (status == COPY_BAD_MESSAGE || session->request.head.op == COPY_OP_CLOSE)
        copy_session_leave();
}

_Noreturn void copy_session_run(struct copy_session *session)
{
    session->signal_fd = hookrun_watch_signals();
    session->tool.out_fd = session->server.out_fd = -1;
    if (session->signal_fd < 0)
        copy_session_leave();
    session->state = COPY_IDLE;
    begin_reply(session);
    copy_session_send(session);
    for (;;) {
        if (!wait_for(session, POLLIN, session->end_ms))
            continue;
        ssize_t got = recv(session->client_fd, &session->request, sizeof(session->request),
                           MSG_TRUNC | MSG_DONTWAIT);
        if (got == 0)
            copy_session_leave();
        if (got > 0)
            answer(session, (size_t)got);
    }
}
