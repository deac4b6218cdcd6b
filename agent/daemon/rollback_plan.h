/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_PLAN_H
#define STILLPOINT_ROLLBACK_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/devices.h"
#include "agent/daemon/mounts_fold.h"
#include "agent/daemon/rollback_state.h"
#include "agent/daemon/strs.h"
#include "aws/ec2_describe.h"

/* Which volumes of this node a rollback exchanges, and what is mounted of them. Pure. */

enum { ROLLBACK_PART_STACKED = -1 }; /* LVM, RAID, encryption between file system and disk */

struct rollback_plan_input {
    const struct backup *set; /* found whole (whole_set.h) */
    const struct ec2_instance *instance;
    const struct ec2_volumes *volumes; /* that are attached to it */
    const struct mounts *mounts;
    const struct mount_list *list;     /* mounts_fold of them */
    const struct device_trace *traces; /* devices_trace_all of the list */
    const int
        *parts; /* of each of the list: its partition's number, 0 the whole disk, or STACKED */
    enum rollback_mode mode;
};

struct rollback_plan_mount {
    struct rollback_mount mount;
    uint32_t dev_major, dev_minor;
};

struct rollback_plan_volume {
    const struct backup_snapshot *snapshot; /* of the input's set */
    const struct ec2_volume *old;           /* of the input's volumes */
    char device[EC2_NAME_BYTES];
    bool root;
    bool delete_on_termination;
    int64_t size_gib;                   /* of the new one: none gets smaller */
    struct rollback_plan_mount *mounts; /* deepest first; none of the root */
    size_t mount_count;
};

struct rollback_plan {
    struct rollback_plan_volume *volumes; /* the root last, where it is replaced */
    size_t count;
    struct strs stays;   /* sentences: what is attached and not in the set, or not asked for */
    struct strs missing; /* sentences: what is in the set and not attached */
    struct strs warnings;
};

/*   ret_plan  given to the caller (rollback_plan_free); borrows from INPUT
 *   false     ERR_PRECONDITION with the remedy: the set is another instance's, or not complete;
 *             there is nothing to exchange; something lies on a volume in a way that can't be
 *             exchanged. ERR_INTERNAL */
bool rollback_plan_make(const struct rollback_plan_input *input, struct rollback_plan *ret_plan,
                        struct err *err);
/* What is mounted of one volume that is attached, deepest first: of the input all but set and mode.
 *   ret_mounts  given to the caller (free) */
bool rollback_plan_mounts(const struct rollback_plan_input *input, const char *volume_id,
                          struct rollback_plan_mount **ret_mounts, size_t *ret_count,
                          struct err *err);
void rollback_plan_free(struct rollback_plan *plan); /* idempotent */

#endif
