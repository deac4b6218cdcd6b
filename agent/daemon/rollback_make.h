/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_MAKE_H
#define STILLPOINT_ROLLBACK_MAKE_H

#include "agent/daemon/rollback.h"

/* Tags the volumes that are attached now (role, and what is mounted of them), and the snapshots of
 * the set as being in use; then has the new volumes made, and waits until they are available.
 *   false  what was made is found by its tags: rollback_delete_made */
bool rollback_make_volumes(struct rollback *rollback, const struct rollback_plan *plan,
                           const struct backup *set, int64_t deadline_ms, struct err *err);
/* What is mounted of a volume now, into its tags, in place of what stood there. */
bool rollback_tag_mounts(struct rollback *rollback, const char *volume_id,
                         const struct rollback_plan_mount *mounts, size_t count,
                         int64_t deadline_ms, struct err *err);
#endif
