/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESTORE_SET_H
#define STILLPOINT_RESTORE_SET_H

#include <stdbool.h>

#include "agent/daemon/gather.h"
#include "aws/ec2_images.h"

/* The set that something is to be made of, found and judged. Worker thread. */
struct restore_set {
    struct gather gather;
    const struct backup *backup; /* borrowed from gather */
    struct ec2_image *image;
};

/* Finds it by ID (gather_find) and sees whether it can be restored from.
 *   set    {0} at first; restore_set_free in any case
 *   false  ERR_NOT_FOUND, ERR_USAGE as gather_find; ERR_PRECONDITION: it is broken, not complete
 *          yet, or in the archive tier */
bool restore_set_find(struct work *work, const char *id, struct restore_set *set,
                      int64_t deadline_ms, struct err *err);
/* Its image, which must show the set's snapshots and no others.
 *   false  ERR_PRECONDITION: it has none, or none that can be launched from */
bool restore_set_image(struct work *work, struct restore_set *set, int64_t deadline_ms,
                       struct err *err);
/* An image by CreateImage: its root is an instant of its own, newer than the set. */
bool restore_set_root_is_newer(const struct restore_set *set);
void restore_set_free(struct restore_set *set); /* idempotent */

#endif
