/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GATHER_H
#define STILLPOINT_GATHER_H

#include "agent/daemon/catalog.h"
#include "agent/daemon/work.h"

/* The backups that EC2's tags tell of. */
struct gather {
    bool all_nodes;    /* else this instance's; without identity all there are */
    const char *group; /* NULL: any */
    const char *id;    /* NULL: any; a whole id */
    struct catalog catalog;
    struct catalog_resource *resources;
    size_t count;
};

/* Asks for snapshots and images, page by page, and groups them. Worker thread.
 *   work  its ec2 is opened where it is not */
bool gather_catalog(struct work *work, struct gather *gather, int64_t deadline_ms, struct err *err);
void gather_free(struct gather *gather);

#endif
