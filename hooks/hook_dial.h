/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_DIAL_H
#define STILLPOINT_HOOK_DIAL_H

#include <stdbool.h>

#include "agent/base/err.h"

/* Connects to stillpoint-hook, which starts a process for it.
 *   path    of the socket: RUN/HOOK_SOCKET_NAME
 *   ret_fd  given to the caller; non-blocking
 *   false   ERR_HOOK: nobody listens, or we may not connect, with the remedy; ERR_CONFIG: the
 *           path is too long */
bool hook_dial(const char *path, int *ret_fd, struct err *err);

#endif
