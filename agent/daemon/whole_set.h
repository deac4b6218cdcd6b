/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_WHOLE_SET_H
#define STILLPOINT_WHOLE_SET_H

#include "agent/daemon/gather.h"
#include "agent/daemon/work.h"
#include "aws/ec2_snapshots.h"

/* The one set that is to be verified or restored from: found, and judged whole. */
struct whole_set {
    struct gather gather;
    const struct backup *backup; /* borrowed from GATHER */
    struct ec2_snapshot *facts;  /* EC2's of each of its snapshots, without their tags */
    size_t fact_count;
};

/* ID: a whole one, a unique prefix, or "latest": this node's, where there is a node. Of all nodes
 * of the account and region. Worker thread; WORK's ec2 is opened where it is not.
 *   to_verify  a member that EC2 took at another time is no reason to refuse: verify says so
 *   ret_set    whole_set_free, also after false
 *   false      ERR_PRECONDITION: there is none here by that id; it is broken, or not complete yet;
 *            some of it is in the archive (how long a recall takes). ERR_USAGE: several begin so */
bool whole_set_find(struct work *work, const char *id, bool to_verify, int64_t deadline_ms,
                    struct whole_set *ret_set, struct err *err);
void whole_set_free(struct whole_set *set); /* idempotent; {0} is an empty one */

#endif
