/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_LAST_H
#define STILLPOINT_ROLLBACK_LAST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/rollback_state.h"

/* How the last rollback of this node ended, in STATE/rollback.json: its tags are gone then. Written
 * before the instance's tag goes, and for one that is going back as soon as that is certain, so
 * that a daemon that goes on with it knows the reason. What another instance wrote (the disk of a
 * restored node) is passed over. */

enum rollback_outcome {
    ROLLBACK_OUTCOME_NONE, /* not known yet */
    ROLLBACK_COMMITTED,
    ROLLBACK_UNDONE,     /* --undo */
    ROLLBACK_TAKEN_BACK, /* by the daemon: why says what was in its way */
    ROLLBACK_OUTCOME_COUNT
};

struct rollback_last {
    char id[ROLLBACK_ID_BYTES];
    char set[BACKUP_ID_BYTES];
    enum rollback_outcome outcome;
    int64_t at_utc_us;
    bool over;                /* false: on its way there, for a daemon that goes on with it */
    char why[ERR_TEXT_BYTES]; /* "" but for ROLLBACK_TAKEN_BACK */
};

/*   instance  this node's
 *   false     ERR_SYS with the remedy; the file of before stands */
bool rollback_last_write(const char *state_dir, const char *instance,
                         const struct rollback_last *last, struct err *err);
/* False: there is none that INSTANCE wrote. */
bool rollback_last_read(const char *state_dir, const char *instance,
                        struct rollback_last *ret_last);

/* For `status` and `rollback`: {"id", "set", "outcome": "committed", "undone" or "taken back",
 * "at", "why"}; null: none is known of, or the one that is under way. Given to the caller. Any
 * thread. */
json_t *rollback_last_json(struct agent *agent);

#endif
