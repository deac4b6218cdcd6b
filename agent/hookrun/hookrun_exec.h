/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_EXEC_H
#define STILLPOINT_HOOKRUN_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/hookrun/hook_wire.h"

/* Is the request one that can be run? Pure: version, phase, strings that end inside their arrays
 * and hold no control characters. */
bool hookrun_exec_check(const struct hook_request *request, size_t bytes);

/* Runs the program of a checked and allowed request with one argument, the phase, and waits for its
 * end:
 *   - own session and process group, its signals and OOM score as new, no descriptor but 0, 1 and
 *     2, stdin /dev/null, in "/", environment: PATH, LANG=C, STILLPOINT_ID, _REASON, _PHASE,
 *     _DEADLINE_MS (absolute, as /proc/uptime counts), and in release, finish and start _OUTCOME
 *   - SIGTERM to its group shortly before deadline_ms (a quarter of the time, at most 200 ms),
 *     SIGKILL at it
 *   - SIGKILL at once where CLIENT_FD is closed by its other end, or SIGTERM or SIGINT is sent to
 *     us
 * What it leaves running in the background keeps running. *ret_reply is whole in every case.
 * Blocks SIGCHLD, SIGTERM and SIGINT in this process. */
void hookrun_exec(const struct hook_request *request, int client_fd, struct hook_reply *ret_reply);

#endif
