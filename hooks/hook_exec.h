/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_EXEC_H
#define STILLPOINT_HOOK_EXEC_H

#include <stddef.h>

#include "agent/hookrun/hook_wire.h"
#include "hooks/hook.h"

/* An operator's program behind hook.h, run as root by stillpoint-hook: each phase is one connection
 * to its socket, one request, one reply. We close the connection when our own patience ends, which
 * kills the program there. */

struct hook_exec_config {
    const char *name;
    const char *path;   /* absolute; stillpoint-hook checks owners and modes */
    const char *socket; /* of stillpoint-hook: RUN/HOOK_SOCKET_NAME */
    unsigned phases;    /* HOOK_EXEC_BIT(HOOK_PREPARE) | …: those it wants to be called for */
    int64_t prepare_timeout_ms, hold_timeout_ms, release_timeout_ms, finish_timeout_ms;
    int64_t stop_timeout_ms, start_timeout_ms;
    bool required;
};

#define HOOK_EXEC_BIT(phase) (1u << (unsigned)(phase))
#define HOOK_EXEC_ALL                                                                              \
    (HOOK_EXEC_BIT(HOOK_PREPARE) | HOOK_EXEC_BIT(HOOK_HOLD) | HOOK_EXEC_BIT(HOOK_RELEASE) |        \
     HOOK_EXEC_BIT(HOOK_FINISH))

/* Copies CONFIG; connects to nothing.
 *   false  ERR_CONFIG: a path that is too long or not absolute; ERR_INTERNAL */
bool hook_exec_new(const struct hook_exec_config *config, struct hook *ret_hook, struct err *err);

bool hook_is_exec(const struct hook *hook);

/* One phase of a rollback, HOOK_STOP or HOOK_START; one that the hook does not want is done.
 *   hook     hook_is_exec
 *   outcome  for HOOK_START; "" for HOOK_STOP
 *   false    as hook.h's steps; ERR_CANCELLED: the program was killed */
bool hook_exec_run(const struct hook *hook, enum hook_phase phase, const struct hook_job *job,
                   const char *outcome, int64_t deadline_ms, const struct cancel *cancel,
                   struct err *err);

/* What the program wrote in its last run of PHASE (the end of it, bytes not to be trusted), for the
 * log; len 0 where it did not run. Borrowed until that phase runs again. */
const char *hook_exec_output(const struct hook *hook, enum hook_phase phase, size_t *ret_len);

#endif
