/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_WHOLE_SET_H
#define STILLPOINT_WHOLE_SET_H

#include "agent/daemon/gather.h"
#include "agent/daemon/work.h"
#include "aws/ec2_images.h"

/* The one set that is to be verified or restored from: found, and judged whole. Worker thread. */
struct whole_set {
    struct gather gather;
    const struct backup *backup; /* borrowed from GATHER */
    struct ec2_image *image;     /* whole_set_image; NULL before */
};

/* ID: a whole one, a unique prefix, or "latest": this node's, where there is a node. Of all nodes
 * of the account and region. WORK's ec2 is opened where it is not. Until its end WORK's job works
 * on it (set_use.h).
 *   to_verify  a member that EC2 took at another time is no reason to refuse: verify says so. Else
 *              the client is warned of one whose verify failed: it is restored all the same
 *   set        {0} at first; whole_set_free in any case
 *   false      ERR_NOT_FOUND, ERR_USAGE as gather_find; ERR_BUSY: it is being removed;
 *              ERR_PRECONDITION: it is broken, not complete yet, or in the archive (how long a
 *              recall takes) */
bool whole_set_find(struct work *work, const char *id, bool to_verify, int64_t deadline_ms,
                    struct whole_set *set, struct err *err);
/* Its image, which must show the set's snapshots and no others.
 *   false  ERR_PRECONDITION: it has none, or none that can be launched from */
bool whole_set_image(struct work *work, struct whole_set *set, int64_t deadline_ms,
                     struct err *err);
/* An image by CreateImage: its root is an instant of its own, newer than the set. */
bool whole_set_root_is_newer(const struct whole_set *set);
void whole_set_free(struct whole_set *set); /* idempotent; {0} is an empty one */

#endif
