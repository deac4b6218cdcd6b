/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_PASS_H
#define STILLPOINT_GUARD_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One message of a fixed size, and a descriptor along with it (SCM_RIGHTS, unix(7)). Runs while
 * something is frozen. */

/* Sends BYTES of MESSAGE and a copy of FD, where that is not -1.
 *   flags  MSG_DONTWAIT, or 0; MSG_NOSIGNAL is added
 *   false  it was not taken whole */
bool guard_pass_send(int socket, const void *message, size_t bytes, int fd, int flags);
/* As recv(2), passing over signals. *ret_fd: what came along, close-on-exec and the caller's, or
 * -1. */
ssize_t guard_pass_receive(int socket, void *message, size_t bytes, int *ret_fd, int flags);

#endif
