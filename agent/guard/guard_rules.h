/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_RULES_H
#define STILLPOINT_GUARD_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/guard/guard_wire.h"

/* The one judge of every message, before a handler sees it. Pure: safe in both processes, also
 * while frozen. */

enum guard_relation {
    GUARD_NOBODYS,  /* the lease has no owner */
    GUARD_OWN,      /* the connection that asks is the owner */
    GUARD_ANOTHERS, /* another connection is */
};

/* May this message run now?
 *   request  as received: BYTES are valid, which may be more or less than any message has
 *   returns  GUARD_OK: exact size, every field in its range, every string ended, legal in STATE for
 * RELATION; GUARD_BAD_MESSAGE: a breach, the connection is to be dropped; GUARD_NOT_OWNER,
 * GUARD_BAD_STATE, GUARD_BAD_ARGUMENT: answered, nothing changes */
enum guard_status guard_rules_judge(const union guard_request *request, size_t bytes,
                                    enum guard_state state, enum guard_relation relation);

/* The exact size of the reply to OP; of the plain one for what is no operation. */
size_t guard_rules_reply_bytes(uint32_t op);

/* True where OP, when it may run and nobody owns the lease, makes its connection the owner. */
bool guard_rules_claims(uint32_t op);

#endif
