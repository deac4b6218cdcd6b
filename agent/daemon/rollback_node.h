/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_NODE_H
#define STILLPOINT_ROLLBACK_NODE_H

#include "agent/daemon/rollback.h"
#include "agent/hookrun/mount_wire.h"

/* What a rollback does on the node itself: services by their hooks, mounts by stillpoint-hook. */

/* Has every hook with the phase `stop` stop, in their order, until one fails.
 *   false  some may be stopped: rollback_start_services is due */
bool rollback_stop_services(struct rollback *rollback, int64_t deadline_ms, struct err *err);
/* Has them start, in reverse, all of them, whatever fails.
 *   outcome  "complete", "failed", "undone"
 *   false    the first failure; the others are warned of */
bool rollback_start_services(struct rollback *rollback, const char *outcome, struct err *err);

/* One mount. A path where it is not mounted (any more) is unmounted.
 *   false  ERR_BUSY: in use until the deadline, names by whom */
bool rollback_unmount(struct rollback *rollback, const struct rollback_plan_mount *mount,
                      int64_t deadline_ms, struct err *err);
/* Whether nobody holds VOLUME's disk any more: it may be detached.
 *   false  ERR_BUSY: names by whom; true also where the kernel doesn't show it (any more) */
bool rollback_disk_is_free(struct rollback *rollback, const char *volume_id, int64_t deadline_ms,
                           struct err *err);

/* A volume's part at a path, to be mounted there. */
struct rollback_place {
    const char *volume_id;
    struct rollback_mount mount;
};
/* All of them, what holds others first, each once its disk shows. What is mounted there already is
 * fine.
 *   false  the first that could not be; the others are tried all the same */
bool rollback_mount_all(struct rollback *rollback, struct rollback_place *places, size_t count,
                        int64_t deadline_ms, struct err *err);

/* The words for a reply to a request about PATH; true where it was done. Pure. */
bool rollback_judge_reply(const struct mount_reply *reply, enum mount_op op, const char *path,
                          struct err *err);

#endif
