/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_RULES_H
#define STILLPOINT_HOOKRUN_COPY_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/hookrun/copy_wire.h"

/* The one judge of every message of a copy session, before a handler sees it. Pure. */

enum copy_state {
    COPY_NEW = 0,     /* nothing but OPEN */
    COPY_IDLE = 1,    /* open; no server runs */
    COPY_SERVING = 2, /* a server was started and not yet asked to stop */
    COPY_STATE_COUNT
};

/* May this message run now?
 *   request  as received: BYTES are valid, which may be more or less than any message has
 *   purpose  what the session was opened for; not looked at in COPY_NEW
 *   returns  COPY_OK: exact size, every string ended and plain, every number in its range, legal in
 *            STATE; COPY_BAD_MESSAGE: a breach, the connection is to be dropped; COPY_BAD_STATE,
 *            COPY_BAD_ARGUMENT: answered, nothing changes */
enum copy_status copy_rules_judge(const union copy_request *request, size_t bytes,
                                  enum copy_state state, enum copy_purpose purpose);

/* Is the first message, of which BYTES came, one of this protocol (and not hook_wire.h's)? */
bool copy_rules_is_ours(const void *message, size_t bytes);

/* Absolute, without //, . and .. in it, and without a slash at its end but in "/". */
bool copy_rules_is_plain(const char *path);

#endif
