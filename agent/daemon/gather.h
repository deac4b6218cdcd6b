/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GATHER_H
#define STILLPOINT_GATHER_H

#include "agent/daemon/catalog.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/work.h"

/* One backup with all that EC2's tags tell of it. ({.id = …} at first.) Of many: inventory.h. */
struct gather {
    const char *id;         /* a whole one */
    struct catalog catalog; /* one backup or none; its state is judged */
    struct catalog_resource *resources;
    size_t count;
    struct inventory inventory;
    const struct inventory_set *set; /* the same backup, with what is wrong with it; NULL: none */
    char found_id[BACKUP_ID_BYTES];
    bool use; /* gather_find: the job works on it from then on (set_use.h) */
};

/* Asks for the snapshots and images of gather->id, of whatever node, and groups them; that there
 * are none is no failure. Worker thread.
 *   work  its ec2 is opened where it is not */
bool gather_catalog(struct work *work, struct gather *gather, int64_t deadline_ms, struct err *err);
/* The backup that TEXT means: an id of any node, a unique prefix of one, or "latest", which is this
 * node's where there is a node.
 *   ret_backup  borrowed from GATHER, as gather->set is
 *   false       ERR_NOT_FOUND, ERR_USAGE (ambiguous), ERR_BUSY (gather->use, and it is being
 *               removed), and what the calls say */
bool gather_find(struct work *work, const char *text, struct gather *gather, int64_t deadline_ms,
                 const struct backup **ret_backup, struct err *err);
void gather_free(struct gather *gather);

#endif
