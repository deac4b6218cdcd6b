/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PRUNE_RUN_H
#define STILLPOINT_PRUNE_RUN_H

#include <jansson.h>

#include "agent/daemon/prune.h"

/* All that goes by a look's verdicts, one after the other, told to the job's client. */

struct prune_sum {
    size_t sets, kept, gone, stuck; /* of sets; stuck: was to go, and did not */
    size_t orphans, orphans_kept, orphans_gone, orphans_stuck;
    int64_t snapshots, images, size_gib; /* of what went, or would */
    bool touched;                        /* a set is half removed */
};

/* Removes what goes, one row each; with DRY_RUN only says so, and with WITH_KEPT of what stays,
 * too. What something keeps by the time of its turn stays, and has a row that says so; of what was
 * asked for by name it is a warning. What is in somebody else's use (ERR_PRECONDITION) is a
 * warning, and the rest goes on; anything else ends it.
 *   ret_sum  what was done, also on false
 *   false    ERR_CANCELLED between two; see prune_remove */
bool prune_run(struct prune_look *look, bool dry_run, bool with_kept, struct prune_sum *ret_sum,
               struct err *err);
/* Takes away the records (prune_record.h) of sets of which EC2 has nothing any more, whoever
 * removed the last of it. What can't be asked for just then keeps its record. */
void prune_forget(const struct prune_look *look, int64_t deadline_ms);
/* Warns of what only a person can judge: disputed sets, expiries beyond what can be asked for. */
void prune_warn(const struct prune_look *look);
json_t *prune_sum_json(const struct prune_sum *sum, bool dry_run);
/* Exit code and words for a run that failed: whether anything went is what counts. */
int prune_exit_code(const struct prune_sum *sum, const struct err *err);
char *prune_now(const struct prune_sum *sum, char *text, size_t size);

/* This job is to be the only one that removes sets, until prune_leave_turn; `status` shows it.
 *   false  ERR_BUSY */
bool prune_take_turn(struct job *job, struct err *err);
void prune_leave_turn(struct job *job); /* nothing where it is not its */

#endif
