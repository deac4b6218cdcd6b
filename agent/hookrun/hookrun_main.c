/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpoint-hook: one connection, and one thing to do as root: an exec hook for one phase, a copy
 * session, an unmount or a mount; then it is gone. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/hookrun/hook_wire.h"
#include "agent/hookrun/hookrun_copy.h"
#include "agent/hookrun/hookrun_copy_rules.h"
#include "agent/hookrun/hookrun_exec.h"
#include "agent/hookrun/hookrun_mount.h"
#include "agent/hookrun/hookrun_path.h"

#ifndef STILLPOINT_VERSION
#define STILLPOINT_VERSION "unknown"
#endif

enum { REQUEST_WAIT_MS = 10000 };

static const char help[] =
    "stillpoint-hook: runs one exec hook for one phase; or mounts, serves and copies out of a\n"
    "backup's copy for verify and restore files; or unmounts and mounts one of the node's own\n"
    "filesystems for a rollback; as root, started by its socket\n"
    "\n"
    "usage: stillpoint-hook [--user NAME]   the connection is descriptor 3 (socket activation) or "
    "0\n"
    "\n"
    "  --user NAME    who may connect besides root (default stillpoint)\n"
    "  --config FILE  accepted like in the other programs; nothing in it is needed here\n"
    "  --version, --help\n";

static int say(int fd, const char *text, int code)
{
    return write(fd, text, strlen(text)) < 0 ? 1 : code;
}

/* systemd's sd_listen_fds(3), Accept=yes: one descriptor, the connection. */
static int find_connection(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    bool ours = pid != NULL && count != NULL && strtol(pid, NULL, 10) == (long)getpid() &&
                strcmp(count, "1") == 0;

    return ours ? 3 : STDIN_FILENO;
}

static bool is_welcome(int fd, const char *user)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return false;
    if (peer.uid == 0)
        return true;
    const struct passwd *named = getpwnam(user);
    if (named == NULL && user[0] >= '0' && user[0] <= '9')
        return peer.uid == (uid_t)strtoul(user, NULL, 10);
    return named != NULL && peer.uid == named->pw_uid;
}

/* The first word tells which it is. */
union request {
    uint32_t version;
    struct hook_request hook;
    struct mount_request mount;
    union copy_request copy;
};

/* Receives the request. The length is the message's own, also of one that is too long. */
static ssize_t receive(int fd, union request *request)
{
    struct pollfd one = {fd, POLLIN, 0};

    if (poll(&one, 1, REQUEST_WAIT_MS) <= 0)
        return 0;
    return recv(fd, request, sizeof(*request), MSG_TRUNC);
}

static void serve_copy(int fd, const union request *request, size_t got, bool welcome)
{
    if (welcome)
        hookrun_copy(fd, request, got);
    else
        hookrun_copy_refuse(fd, COPY_PEER);
}

/* A client that has gone needs no answer. */
static void answer(int fd, const void *reply, size_t bytes)
{
    (void)send(fd, reply, bytes, MSG_NOSIGNAL);
}

static void serve_hook(int fd, const struct hook_request *request, size_t got, bool welcome)
{
    static struct hook_reply reply;

    reply.version = HOOK_WIRE_VERSION;
    reply.result = HOOK_REFUSED;
    if (!welcome) {
        reply.refusal = HOOK_REFUSAL_PEER;
    } else if (!hookrun_exec_check(request, got)) {
        reply.refusal = HOOK_REFUSAL_MESSAGE;
    } else {
        struct hookrun_verdict verdict = hookrun_path_judge(request->path, 0);
        reply.refusal = verdict.refusal;
        reply.os_errno = verdict.os_errno;
        reply.component_bytes = verdict.component_bytes;
        if (verdict.refusal == HOOK_REFUSAL_NONE)
            hookrun_exec(request, fd, &reply);
    }
    answer(fd, &reply, sizeof(reply));
}

/* The folder of the socket that we were reached through. NULL: it has no name. */
static const char *find_run(int fd, struct sockaddr_un *address)
{
    socklen_t bytes = sizeof(*address);
    char *slash = NULL;

    memset(address, 0, sizeof(*address));
    if (getsockname(fd, (struct sockaddr *)address, &bytes) == 0 && bytes < sizeof(*address) &&
        address->sun_path[0] == '/')
        slash = strrchr(address->sun_path, '/');
    if (slash == NULL || slash == address->sun_path)
        return NULL;
    *slash = '\0';
    return address->sun_path;
}

static void serve_mount(int fd, const struct mount_request *request, size_t got, bool welcome)
{
    static struct mount_reply reply;
    struct sockaddr_un address;

    reply.version = MOUNT_WIRE_VERSION;
    reply.result = MOUNT_REFUSED;
    if (!welcome)
        reply.refusal = MOUNT_REFUSAL_PEER;
    else if (!hookrun_mount_check(request, got))
        reply.refusal = MOUNT_REFUSAL_MESSAGE;
    else
        hookrun_mount(request, find_run(fd, &address), "/etc/fstab", &reply);
    answer(fd, &reply, sizeof(reply));
}

static void serve(int fd, const char *user)
{
    static union request request;

    ssize_t got = receive(fd, &request);
    if (got <= 0)
        return; /* nobody is there to be answered */
    if (request.version == MOUNT_WIRE_VERSION)
        serve_mount(fd, &request.mount, (size_t)got, is_welcome(fd, user));
    else if (copy_rules_is_ours(&request, (size_t)got))
        serve_copy(fd, &request, (size_t)got, is_welcome(fd, user));
    else
        serve_hook(fd, &request.hook, (size_t)got, is_welcome(fd, user));
}

int main(int argc, char **argv)
{
    const char *user = "stillpoint";
    int type = 0;
    socklen_t bytes = sizeof(type);

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0)
            return say(STDOUT_FILENO, "stillpoint-hook " STILLPOINT_VERSION "\n", 0);
        if (strcmp(argv[i], "--help") == 0)
            return say(STDOUT_FILENO, help, 0);
        if (strcmp(argv[i], "--user") == 0 && i + 1 < argc)
            user = argv[++i];
        else if (strncmp(argv[i], "--user=", 7) == 0)
            user = argv[i] + 7;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            i++;
        else if (strcmp(argv[i], "--user") == 0 || strcmp(argv[i], "--config") == 0)
            return say(STDERR_FILENO, "stillpoint-hook: that option needs a value (see --help)\n",
                       2);
        else if (strncmp(argv[i], "--config=", 9) != 0)
            return say(STDERR_FILENO, "stillpoint-hook: unknown option (see --help)\n", 2);
    }
    int fd = find_connection();
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 || type != SOCK_SEQPACKET)
        return say(STDERR_FILENO,
                   "stillpoint-hook: no connection: it is started by stillpoint-hook.socket\n", 2);
    serve(fd, user);
    return 0;
}
