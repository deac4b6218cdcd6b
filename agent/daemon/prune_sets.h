/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PRUNE_SETS_H
#define STILLPOINT_PRUNE_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/pool.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/retention.h"

/* From an inventory to what retention judges: which volumes a set is of, what kind of set it is.
 * Pure. Of the tags it believes only what the header of retention.h says may be believed. */

struct prune_sets {
    const struct inventory *inventory; /* borrowed, settled */
    /* Of each set, in the inventory's order, then of each orphan. */
    struct retention_set *list;
    size_t count;
    uint32_t *numbers; /* what the volumes of all of list point into */
    struct pool_index volumes, nodes;
    const char **instances; /* those that sets name, by the number of their node; [0] is NULL */
    size_t instance_count;
};

/* How long a set may be `pending`, longer than any [backup] finish_timeout. */
enum { PRUNE_UNFINISHED_DAYS = 15 };

/*   mine         the instance whose sets this is about, sets of others are foreign; NULL: all
 *   now_utc_us   by EC2's clock
 *   ret_sets     the caller's, {0} at first; prune_sets_free in any case; borrows INVENTORY */
bool prune_sets_make(const struct inventory *inventory, const char *mine, int64_t now_utc_us,
                     struct prune_sets *ret_sets, struct err *err);
void prune_sets_free(struct prune_sets *sets); /* idempotent */

/* EC2 says that these volumes are attached to INSTANCE now: marks the sets that say they are of it
 * and have a snapshot of one. Of an instance that no set names nothing comes. */
bool prune_sets_prove(struct prune_sets *sets, const char *instance, const char *const *volumes,
                      size_t count, struct err *err);

#endif
