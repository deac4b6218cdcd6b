/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PRUNE_ROLLBACK_H
#define STILLPOINT_PRUNE_ROLLBACK_H

#include "agent/daemon/prune.h"

/* A set that a rollback needs, by its tag: whether there is still a node that could commit it or
 * take it back. Worker thread. */

/* Looks for the rollback's instances, by the set's tags and those of the rollback's volumes. Where
 * EC2 has none of them any more, or shows them as terminated, the set is nobody's: LOOK has it as
 * given up, and a warning says which volumes of the rollback stay, and how to delete them.
 *   false  ERR_BUSY: names the instance that is there, and what to do; what the calls say */
bool prune_rollback_give_up(struct prune_look *look, size_t index, int64_t deadline_ms,
                            struct err *err);

/* Refuses INDEX for its rollback. Always false, ERR_BUSY. */
bool prune_rollback_refuse(const struct prune_look *look, size_t index, struct err *err);

#endif
