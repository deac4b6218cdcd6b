/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_READY_H
#define STILLPOINT_HOOK_READY_H

#include "agent/daemon/work.h"

/* The one question that stands before all work that needs stillpoint-hook (verify, restore files,
 * rollback), and before anything is made for it in EC2: their previews ask it, too. Worker thread.
 *
 * It is a real exchange, not only a connection: a socket that systemd listens at takes one also
 * when nothing can be started for it. What is found here may be otherwise later: whoever uses
 * stillpoint-hook then still has to cope. */

/* Whether stillpoint-hook is there and does what this daemon asks.
 *   false  ERR_PRECONDITION with cause (which socket) and remedy; ERR_CANCELLED, ERR_CONFIG,
 *          ERR_INTERNAL */
bool hook_ready(struct work *work, struct err *err);

/* And would write files of BACKUP into the folder TO.
 *   preview  root's command line has not made or marked it yet */
bool hook_ready_to_write(struct work *work, const char *backup, const char *to, bool preview,
                         struct err *err);

#endif
