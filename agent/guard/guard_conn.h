/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_CONN_H
#define STILLPOINT_GUARD_CONN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/guard/guard_rules.h"
#include "agent/guard/guard_wire.h"

/* The socket's clients: accepted, judged, answered. Never blocks, never allocates: runs while
 * frozen. */

enum { GUARD_CLIENTS_MAX = 16 };

struct guard_client {
    int fd; /* -1 = free */
    uint32_t
        pending_op; /* enum guard_op that is not answered yet, 0 = none: nothing more is read */
    uint64_t pending_serial;
    bool breached; /* broke the protocol: told so when it is dropped */
};

struct guard_conn {
    int listen_fd;
    bool has_user;
    uid_t user_uid; /* who may connect besides root */
    int owner;      /* index of the client that owns the lease, -1 = nobody */
    struct guard_client clients[GUARD_CLIENTS_MAX];
};

/* Takes one connection; refuses strangers and a crowd by closing it at once. */
void guard_conn_accept(struct guard_conn *conn);

/* Fills POLLS for the listening socket and every client; returns how many (1 + GUARD_CLIENTS_MAX):
 * entry 0 is the listener, entry 1 + i client i. A client that waits for its answer is watched for
 * its end only. */
size_t guard_conn_polls(const struct guard_conn *conn, struct pollfd *polls);

enum guard_heard {
    GUARD_HEARD_NOTHING, /* no whole message after all */
    GUARD_HEARD_CLOSED,  /* the client is gone */
    GUARD_HEARD_BREACH,  /* not to be answered by a handler: GUARD_BAD_MESSAGE and the end of the
                            connection */
    GUARD_HEARD_REFUSED, /* was answered (not the owner, not now, bad argument) */
    GUARD_HEARD_REQUEST, /* judged good: to be handled; pending_op is set */
};

/* Receives from client I (REVENTS as polled) and judges. *request holds the message then. Whoever
 * calls ends the lease first and drops the client then, on CLOSED and BREACH. */
enum guard_heard guard_conn_hear(struct guard_conn *conn, int i, short revents,
                                 enum guard_state state, union guard_request *request);

/* Answers client I's pending request, with the head filled in from it, and carries FD along (-1 =
 * none). Nothing where none is pending. A client that can't take its answer is shut down: its end
 * is heard next. */
void guard_conn_answer(struct guard_conn *conn, int i, union guard_reply *reply,
                       enum guard_state state, int fd);

/* Closes client I, after telling it GUARD_BAD_MESSAGE if it broke the protocol; it owns nothing
 * afterwards. */
void guard_conn_drop(struct guard_conn *conn, int i, enum guard_state state);

#endif
