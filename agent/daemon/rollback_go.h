/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_GO_H
#define STILLPOINT_ROLLBACK_GO_H

#include "agent/daemon/rollback.h"

/* The ways through a rollback, from whichever of their steps it is in (rollback->state.step): for
 * the command that has begun it, and for the daemon that finds it begun. The job has the node.
 * Worker thread. */

enum rollback_end {
    ROLLBACK_ENDS,      /* as it was meant to */
    ROLLBACK_WENT_BACK, /* the node is as before, and nothing of it is left */
    ROLLBACK_OPEN,      /* in the middle: to be gone on with */
};

/* Services stopped, MOUNTS unmounted in their order, the disks of VOLUMES held by nobody.
 *   false  part of it may be done */
bool rollback_quiesce(struct rollback *rollback, const struct rollback_plan_mount *mounts,
                      size_t count, const char *const *volumes, size_t volume_count,
                      struct err *err);

/* From ROLLBACK_VOLUMES and ROLLBACK_STOP: what was unmounted is mounted again, services started,
 * what was made is deleted, the tags go.
 *   unsure  a volume may have been made that EC2 doesn't list yet: it is waited for
 *   false   it is still in that step */
bool rollback_go_back(struct rollback *rollback, bool unsure, struct err *err);

/* From ROLLBACK_SWAP, _ROOT and _START to _DONE. Where EC2 or the node refuses it is taken back.
 *   ret_end  set always; ROLLBACK_ENDS on true only */
bool rollback_go_on(struct rollback *rollback, enum rollback_end *ret_end, struct err *err);

/* From ROLLBACK_DONE (or _UNDO_STOP): stopped and unmounted, then as rollback_take_back.
 *   ret_end  ROLLBACK_WENT_BACK: it is ROLLBACK_DONE again */
bool rollback_undo(struct rollback *rollback, enum rollback_end *ret_end, struct err *err);
/* From ROLLBACK_SWAP and _START, where it goes on no more: back, as rollback_take_back.
 *   cause    what was in its way; NULL: a person wants it so
 *   ret_end  ROLLBACK_WENT_BACK on true */
bool rollback_turn_back(struct rollback *rollback, const struct err *cause,
                        enum rollback_end *ret_end, struct err *err);
/* From ROLLBACK_UNDO_STOP of a daemon that died: to _DONE. */
bool rollback_undo_back(struct rollback *rollback, struct err *err);
/* From ROLLBACK_UNDO_SWAP on to the end: the kept volumes back in their places, the made ones
 * deleted, no tag left.
 *   outcome  for the start hooks
 *   false    it is in the middle */
bool rollback_take_back(struct rollback *rollback, const char *outcome, struct err *err);

/* From ROLLBACK_DONE and _COMMIT: the kept volumes deleted, no tag left. */
bool rollback_commit(struct rollback *rollback, size_t *ret_count, struct err *err);

#endif
