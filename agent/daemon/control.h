/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONTROL_H
#define STILLPOINT_CONTROL_H

#include <stdbool.h>
#include <uv.h>

#include "agent/base/err.h"
#include "agent/daemon/agent.h"

/* The control socket: RUN/control.sock, JSON lines (control_wire.h). Loop thread only.
 *
 * Peers (SO_PEERCRED, SO_PEERGROUPS): root, our own user, and members of [daemon] group. A client
 * has 10 s to say what it wants, may be connected CLIENT_COUNT_MAX at once, and is dropped where
 * it does not read for a minute; a job does not wait for its client. */
struct control;

/* Binds and listens. A socket file that nobody listens on is replaced.
 *   false  ERR_BUSY: another daemon listens there; ERR_SYS. The loop must turn once more: it frees
 *          what was begun */
bool control_open(uv_loop_t *loop, struct agent *agent, struct control **ret_control,
                  struct err *err);
/* Passes on what jobs have told, frees those that ended. */
void control_pump(struct control *control);
/* Stops listening and closes every client; they are freed as the loop turns. */
void control_close(struct control *control);
void control_free(struct control *control); /* after the loop has ended */

#endif
