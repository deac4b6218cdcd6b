/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"

static bool explain_connect(const char *path, const char *group, int os_errno, struct err *err)
{
    switch (os_errno) {
    case ENOENT:
    case ENOTDIR:
        (void)err_set(err, ERR_PRECONDITION, 0, "stillpointd does not run: no %s", path);
        return err_suggest(err, "start it: systemctl start stillpointd; why it ended: systemctl "
                                "status stillpointd");
    case ECONNREFUSED:
        (void)err_set(err, ERR_PRECONDITION, 0, "stillpointd does not run: nobody listens at %s",
                      path);
        return err_suggest(err, "start it: systemctl start stillpointd; why it ended: systemctl "
                                "status stillpointd");
    case EACCES:
    case EPERM:
        (void)err_set(err, ERR_PRECONDITION, os_errno, "stillpointd can't be asked at %s", path);
        return err_suggest(err,
                           "run it as root, or join the group %s and log in again (where you are "
                           "in it, `sudo stillpoint doctor` says why that is not enough)",
                           group ? group : "of [daemon] group");
    case EAGAIN:
        (void)err_set(err, ERR_PRECONDITION, 0, "stillpointd takes no connections at %s", path);
        return err_suggest(err, "see what it does: systemctl status stillpointd");
    default:
        (void)err_set(err, ERR_PRECONDITION, os_errno, "stillpointd can't be reached at %s", path);
        return err_suggest(err, "see systemctl status stillpointd");
    }
}

bool cli_client_open(struct cli_client *client, const char *socket_path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval wait = {client->send_timeout_ms / 1000,
                                 client->send_timeout_ms % 1000 * 1000};

    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        (void)err_set(err, ERR_PRECONDITION, 0, "the control socket's path is too long: %s",
                      socket_path);
        return err_suggest(err, "shorten [paths] run");
    }
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The time-out holds for connect too, which else waits for ever where the queue is full. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return err_set(err, ERR_SYS, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return explain_connect(socket_path, client->group, errno, err);
    client->fd = auto_take_fd(&fd);
    return true;
}

void cli_client_close(struct cli_client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd); /* nothing can be done about a failing close of what we drop */
    client->fd = -1;
    control_lines_free(&client->lines);
}

bool cli_client_send(struct cli_client *client, const struct buf *lines, struct err *err)
{
    const char *at = buf_text(lines);
    size_t left = lines->len;

    while (left > 0) {
        ssize_t put = send(client->fd, at, left, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && (errno == EPIPE || errno == ECONNRESET))
            return true;
        if (put < 0 && errno == EAGAIN)
            return err_set(err, ERR_SENT, 0, "stillpointd does not read what it is asked");
        if (put < 0)
            return err_set(err, ERR_SENT, errno, "stillpointd can't be asked");
        at += put;
        left -= (size_t)put;
    }
    return true;
}

static bool pop_event(struct cli_client *client, json_t **ret_event, struct err *err)
{
    const char *line = NULL, *name = NULL;
    json_t *event = NULL;
    size_t len = 0;

    if (!control_lines_pop(&client->lines, &line, &len, err))
        return err_wrap(err, "stillpointd sent");
    if (line == NULL)
        return true;
    if (!control_parse(line, len, &event, err) || !control_get_string(event, "event", &name, err)) {
        json_decref(event);
        return err_wrap(err, "stillpointd sent what makes no sense");
    }
    *ret_event = event;
    return true;
}

static bool receive(struct cli_client *client, struct err *err)
{
    char chunk[16 * 1024];
    ssize_t got = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got > 0)
        return control_lines_push(&client->lines, chunk, (size_t)got, err);
    if (got < 0 && errno != ECONNRESET)
        return err_set(err, ERR_NET, errno, "stillpointd can't be heard");
    return err_set(err, ERR_NET, 0, "stillpointd closed the connection%s",
                   control_lines_rest(&client->lines) > 0 ? " in the middle of a line" : "");
}

/* One signal, if there is one. */
static bool took_signal(int signal_fd)
{
    struct signalfd_siginfo info;

    return read(signal_fd, &info, sizeof(info)) > 0;
}

bool cli_client_next(struct cli_client *client, int signal_fd, int timeout_ms, json_t **ret_event,
                     struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + timeout_ms;
    struct pollfd polled[2] = {{.fd = signal_fd, .events = POLLIN},
                               {.fd = client->fd, .events = POLLIN}};
    struct err passed_over = ERR_INIT;
    json_t *event = NULL;

    for (;;) {
        /* Looked for at each event, so that no flood drowns it; what had come before it is heard
         * first, since that says which backup it is about. */
        if (!client->interrupted && signal_fd >= 0 && poll(polled, 1, 0) == 1 &&
            took_signal(signal_fd)) {
            client->interrupted = true;
            (void)receive(client, &passed_over); /* an end that has closed says so again */
        }
        if (!pop_event(client, &event, err))
            return false;
        if (event != NULL) {
            *ret_event = event;
            return true;
        }
        if (client->interrupted) {
            client->interrupted = false;
            return err_set(err, ERR_CANCELLED, 0, "interrupted");
        }
        int64_t left_ms = timeout_ms < 0 ? -1 : deadline_ms - clock_boot_ms();
        if (timeout_ms >= 0 && left_ms < 0)
            left_ms = 0; /* -1 would be for ever */
        int ready = poll(polled, 2, (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return err_set(err, ERR_SYS, errno, "poll");
        if (ready == 0)
            return err_set(err, ERR_DEADLINE, 0, "stillpointd said nothing for %d s",
                           timeout_ms / 1000);
        if (ready > 0 && polled[1].revents != 0 && !receive(client, err))
            return false;
    }
}
