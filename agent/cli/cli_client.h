/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_CLIENT_H
#define STILLPOINT_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/control_wire.h"
#include "agent/base/err.h"

/* One connection to the daemon: one request, and events until the last. */
enum { CLI_CLIENT_SEND_TIMEOUT_MS = 10000 };

struct cli_client {
    int fd; /* -1: not connected */
    struct control_lines lines;
    const char *group;   /* [daemon] group, for the remedy; NULL: not known */
    bool interrupted;    /* a signal came: told as soon as what was here before it is */
    int send_timeout_ms; /* of connecting and of sending */
};

#define CLI_CLIENT_INIT                                                                            \
    {                                                                                              \
        -1, CONTROL_LINES_INIT(CONTROL_ANSWER_BYTES_MAX), NULL, false, CLI_CLIENT_SEND_TIMEOUT_MS  \
    }

/*   false  ERR_PRECONDITION with the remedy: no socket, nobody listens, not permitted, queue full
 *          for all of client->send_timeout_ms */
bool cli_client_open(struct cli_client *client, const char *socket_path, struct err *err);
void cli_client_close(struct cli_client *client); /* idempotent */

/* Sends whole lines, waiting at most client->send_timeout_ms.
 *   false  ERR_SENT: it may have arrived in part. An end that has closed is no failure: what it
 *          said before is there to read, and cli_client_next tells the rest */
bool cli_client_send(struct cli_client *client, const struct buf *lines, struct err *err);

/* The next event.
 *   signal_fd   a signalfd, or -1: one signal is read from it, and told after the events
 *               that were here before it
 *   timeout_ms  -1: no end
 *   ret_event   an object with "event" a text; given to the caller
 *   false       ERR_CANCELLED a signal came; ERR_DEADLINE silence for TIMEOUT_MS; ERR_NET the
 *               daemon's end closed; ERR_PROTOCOL, ERR_LIMIT no event, or no end to it */
bool cli_client_next(struct cli_client *client, int signal_fd, int timeout_ms, json_t **ret_event,
                     struct err *err);

#endif
