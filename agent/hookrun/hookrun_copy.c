/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hookrun_copy_groups.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_copy_session.h"
#include "agent/hookrun/hookrun_copy_target.h"
#include "agent/hookrun/hookrun_signals.h"

enum { LEAVE_MS = 2000, LOOK_MS = 60 * 1000 };

static void send_head(int client_fd, const struct copy_reply *reply)
{
    (void)send(client_fd, reply, COPY_REPLY_HEAD_BYTES + reply->data_bytes, MSG_NOSIGNAL);
}

void hookrun_copy_refuse(int client_fd, enum copy_status status)
{
    static struct copy_reply reply;

    reply.version = COPY_WIRE_VERSION;
    reply.status = status;
    send_head(client_fd, &reply);
}

/* ---- the session's process ---- */

/* Dies with its starter, which it can't see: another namespace. */
static _Noreturn void be_session(struct copy_session *session)
{
    const char *what = "";

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd one = {session->outer_fd, 0, 0};
    if (poll(&one, 1, 0) != 0) /* it has ended before that */
        copy_session_leave();
    if (!copy_room_enter(&what)) {
        (void)copy_session_say(session, COPY_FAILED, errno, "%s", what);
        copy_session_send(session);
        copy_session_leave();
    }
    copy_session_run(session);
}

/* ---- its starter ---- */

/* Until the session's process has ended. It leaves by itself when the client goes; one that does
 * not (stopped, or stuck) is killed. */
static void see_it_out(pid_t pid, int client_fd, int signal_fd, int64_t end_ms)
{
    int64_t kill_ms = end_ms + LEAVE_MS;

    while (waitpid(pid, NULL, WNOHANG) == 0) {
        struct signalfd_siginfo info;
        struct pollfd polls[2] = {{signal_fd, POLLIN, 0}, {client_fd, 0, 0}};
        int64_t now_ms = clock_boot_ms(), left_ms = kill_ms - now_ms;

        if (left_ms <= 0) {
            (void)kill(pid, SIGKILL);
            left_ms = LEAVE_MS;
        }
        (void)poll(polls, 2, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS));
        while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            if (info.ssi_signo != SIGCHLD)
                kill_ms = clock_boot_ms();
        if (client_fd >= 0 && (polls[1].revents & (POLLHUP | POLLERR)) != 0) {
            client_fd = -1;
            if (kill_ms > clock_boot_ms() + LEAVE_MS)
                kill_ms = clock_boot_ms() + LEAVE_MS;
        }
    }
}

static enum copy_status answer_question(struct copy_session *session)
{
    const struct copy_msg_open *ask = &session->request.open;
    struct copy_target_why why;

    if (ask->destination[0] == '\0')
        return COPY_OK;
    enum copy_status status =
        copy_target_ask(ask->destination, ask->id, ask->flags == COPY_PREVIEW, &why);
    return copy_session_tell_target(session, status, &why);
}

/* OPEN's own part, while the node's folders are the node's. */
static enum copy_status open_session(struct copy_session *session)
{
    const struct copy_msg_open *open = &session->request.open;
    int64_t now_ms = clock_boot_ms();
    struct copy_target_why why;

    if (open->head.deadline_ms <= now_ms)
        return COPY_DEADLINE;
    session->end_ms = open->head.deadline_ms - now_ms > COPY_SESSION_MS_MAX
                          ? now_ms + COPY_SESSION_MS_MAX
                          : open->head.deadline_ms;
    session->purpose = (enum copy_purpose)open->purpose;
    memcpy(session->id, open->id, sizeof(session->id));
    if (open->purpose != COPY_FILES)
        return COPY_OK;
    enum copy_status status =
        copy_target_open(open->destination, open->id, &session->target_fd, &why);
    return copy_session_tell_target(session, status, &why);
}

static enum copy_status run_session(struct copy_session *session, int signal_fd)
{
    int ends[2] = {-1, -1};

    if (signal_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return copy_session_say(session, COPY_FAILED, errno, "pipe");
    session->outer_fd = ends[0];
    session->starter = getpid();
    copy_groups_sweep(0); /* of those that were killed */
    /* Not unshare: who asked for one can't fork any more when its process 1 has ended. */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | (unsigned long)SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        (void)close(ends[1]);
        (void)close(signal_fd);
        be_session(session);
    }
    if (pid < 0)
        return copy_session_say(session, COPY_FAILED, errno, "clone");
    (void)close(ends[0]);
    see_it_out(pid, session->client_fd, signal_fd, session->end_ms);
    copy_groups_sweep(session->starter);
    if (session->target_fd >= 0)
        (void)copy_target_clear(session->target_fd); /* what stays the next one tells of */
    return COPY_OK;
}

void hookrun_copy(int client_fd, const void *first, size_t bytes)
{
    static struct copy_session session;
    struct ucred peer;
    socklen_t peer_bytes = sizeof(peer);
    int signal_fd = hookrun_watch_signals();

    session.client_fd = client_fd;
    session.target_fd = -1;
    memcpy(&session.request, first,
           bytes < sizeof(session.request) ? bytes : sizeof(session.request));
    session.reply.version = COPY_WIRE_VERSION;
    session.reply.op = bytes >= sizeof(session.request.head) ? session.request.head.op : 0;
    session.reply.serial = bytes >= sizeof(session.request.head) ? session.request.head.serial : 0;
    if (getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) == 0)
        session.peer_gid = peer.gid;
    enum copy_status status = copy_rules_judge(&session.request, bytes, COPY_NEW, COPY_VERIFY);
    bool asks = session.request.head.op == COPY_OP_ASK;
    if (status == COPY_OK)
        status = asks ? answer_question(&session) : open_session(&session);
    if (status == COPY_OK && !asks)
        status = run_session(&session, signal_fd);
    if (status != COPY_OK || asks) {
        session.reply.status = status;
        send_head(client_fd, &session.reply);
    }
}
