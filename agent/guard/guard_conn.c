/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/guard/guard_pass.h"

static bool is_welcome(const struct guard_conn *conn, int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return false; /* not reached: the kernel knows the peer of every connection */
    return peer.uid == 0 || (conn->has_user && peer.uid == conn->user_uid);
}

void guard_conn_accept(struct guard_conn *conn)
{
    int fd = accept4(conn->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return; /* not reached: poll has seen it; gone again, or no descriptor is left */
    for (int i = 0; is_welcome(conn, fd) && i < GUARD_CLIENTS_MAX; i++) {
        if (conn->clients[i].fd >= 0)
            continue;
        conn->clients[i].fd = fd;
        conn->clients[i].pending_op = 0;
        conn->clients[i].breached = false;
        return;
    }
    (void)close(fd);
}

size_t guard_conn_polls(const struct guard_conn *conn, struct pollfd *polls)
{
    polls[0].fd = conn->listen_fd;
    polls[0].events = POLLIN;
    for (int i = 0; i < GUARD_CLIENTS_MAX; i++) {
        polls[1 + i].fd = conn->clients[i].fd; /* poll passes over -1 */
        polls[1 + i].events = conn->clients[i].pending_op == 0 ? POLLIN : 0;
    }
    return 1 + GUARD_CLIENTS_MAX;
}

static enum guard_relation relation_of(const struct guard_conn *conn, int i)
{
    return conn->owner < 0 ? GUARD_NOBODYS : conn->owner == i ? GUARD_OWN : GUARD_ANOTHERS;
}

static void send_reply(const struct guard_client *client, union guard_reply *reply, size_t bytes,
                       int fd)
{
    if (!guard_pass_send(client->fd, reply, bytes, fd, MSG_DONTWAIT))
        (void)shutdown(client->fd, SHUT_RDWR);
}

void guard_conn_answer(struct guard_conn *conn, int i, union guard_reply *reply,
                       enum guard_state state, int fd)
{
    struct guard_client *client = &conn->clients[i];

    if (client->fd < 0 || client->pending_op == 0)
        return; /* not reached: who goes is dropped from what waits for him */
    reply->head.version = GUARD_WIRE_VERSION;
    reply->head.op = client->pending_op;
    reply->head.serial = client->pending_serial;
    reply->head.state = state;
    send_reply(client, reply, guard_rules_reply_bytes(client->pending_op), fd);
    client->pending_op = 0;
}

/* A refusal needs no more than a head: the rest of the operation's reply is zero. */
static void refuse(const struct guard_client *client, uint32_t op, uint64_t serial,
                   enum guard_status status, enum guard_state state)
{
    static union guard_reply reply;

    memset(&reply, 0, sizeof(reply));
    reply.head.version = GUARD_WIRE_VERSION;
    reply.head.op = op;
    reply.head.serial = serial;
    reply.head.status = status;
    reply.head.index = -1;
    reply.head.state = state;
    send_reply(client, &reply, guard_rules_reply_bytes(op), -1);
}

enum guard_heard guard_conn_hear(struct guard_conn *conn, int i, short revents,
                                 enum guard_state state, union guard_request *request)
{
    struct guard_client *client = &conn->clients[i];
    struct iovec part = {request, sizeof(*request)};
    struct msghdr msg;

    if (client->fd < 0 || revents == 0)
        return GUARD_HEARD_NOTHING;
    if ((revents & POLLIN) == 0)
        return (revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 ? GUARD_HEARD_CLOSED
                                                               : GUARD_HEARD_NOTHING;
    memset(&msg, 0, sizeof(msg)); /* no room for descriptors: the kernel drops what is sent along */
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    ssize_t got = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) /* not reached: poll has seen a message */
        return errno == EAGAIN || errno == EINTR ? GUARD_HEARD_NOTHING : GUARD_HEARD_CLOSED;
    if (got == 0) /* the end; an empty message is no message either */
        return GUARD_HEARD_CLOSED;

    enum guard_status status = guard_rules_judge(request, (size_t)got, state, relation_of(conn, i));
    if (status == GUARD_BAD_MESSAGE) {
        client->breached = true;
        client->pending_serial = (size_t)got >= sizeof(request->head) ? request->head.serial : 0;
        return GUARD_HEARD_BREACH;
    }
    if (status != GUARD_OK) {
        refuse(client, request->head.op, request->head.serial, status, state);
        return GUARD_HEARD_REFUSED;
    }
    client->pending_op = request->head.op;
    client->pending_serial = request->head.serial;
    if (guard_rules_claims(request->head.op) && conn->owner < 0)
        conn->owner = i;
    return GUARD_HEARD_REQUEST;
}

void guard_conn_drop(struct guard_conn *conn, int i, enum guard_state state)
{
    const struct guard_client *client = &conn->clients[i];

    if (client->fd >= 0 && client->breached)
        refuse(client, 0, client->pending_serial, GUARD_BAD_MESSAGE, state);
    if (client->fd >= 0)
        (void)close(client->fd);
    conn->clients[i].fd = -1;
    conn->clients[i].pending_op = 0;
    if (conn->owner == i)
        conn->owner = -1;
}
