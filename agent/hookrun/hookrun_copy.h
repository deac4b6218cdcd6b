/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_H
#define STILLPOINT_HOOKRUN_COPY_H

#include <stddef.h>

#include "agent/hookrun/copy_wire.h"

/* Serves a whole copy session on CLIENT_FD, of a welcome peer, whose first message is FIRST, BYTES
 * long as received. Returns when it is over: the session's processes have ended, with them its
 * mounts are gone, and so is all else that it made.
 *   - the session itself is a child of ours, process 1 of a PID namespace: its death kills all that
 *     it started, and ours kills it
 *   - SIGTERM and SIGINT end it, as the client's closing does; at COPY_SESSION_MS_MAX at the latest
 * Blocks SIGCHLD, SIGTERM and SIGINT in this process. */
void hookrun_copy(int client_fd, const void *first, size_t bytes);

/* Tells a peer that is not welcome. */
void hookrun_copy_refuse(int client_fd, enum copy_status status);

#endif
