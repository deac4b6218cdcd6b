/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_INVENTORY_GATHER_H
#define STILLPOINT_INVENTORY_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/work.h"

/* Which sets are asked for. All texts are borrowed and matched whole; NULL: any. */
struct inventory_query {
    bool
        all_nodes; /* else this instance's; without identity (a laptop, the pruner) all there are */
    const char *instance, *node, *group, *id;
    bool orphans;     /* what has tags of ours but no id, too, and what CreateImage made */
    const char *step; /* told as the step of the progress; NULL: no progress is told */
};

/* A client in work->ec2 where there is none yet: the node's, or without identity that of [aws]. */
bool inventory_open_ec2(struct work *work, int64_t deadline_ms, struct err *err);

/* Asks EC2 for snapshots and images, page by page, and settles the inventory. Worker thread.
 *   work  its ec2 is opened where it is not, and with a node its identity is read
 *   ret_inventory  the caller's, {0} at first; inventory_free in any case
 *   false  nothing that was not told: missing rights are an error, not an empty list */
bool inventory_gather(struct work *work, const struct inventory_query *query, int64_t deadline_ms,
                      struct inventory *ret_inventory, struct err *err);

#endif
