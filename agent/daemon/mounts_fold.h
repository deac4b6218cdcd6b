/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_MOUNTS_FOLD_H
#define STILLPOINT_MOUNTS_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/mounts.h"

/* The mount table with one entry a superblock: what a freeze has to do with. Pure. */

enum mount_class {
    MOUNT_BLOCK,   /* on a block device (btrfs, bcachefs, zfs too, whose number does not say) */
    MOUNT_NETWORK, /* nfs, cifs, … */
    MOUNT_MEMORY,  /* tmpfs and what the kernel makes up: proc, sysfs, cgroup */
    MOUNT_STACKED, /* overlay, fuse: its writes land on another filesystem, or elsewhere */
    MOUNT_AUTOFS   /* a trigger; never touched */
};

enum mount_freeze {
    MOUNT_FREEZE_YES, /* the kernel's driver has it: ext2/3/4, xfs, btrfs, f2fs, … */
    MOUNT_FREEZE_NO,  /* unknown, or known not to */
    MOUNT_FREEZE_SYNC /* can't be frozen, is small and rarely written: vfat. syncfs and counters */
};

/* One superblock, by the mount through which it is best reached: not hidden, the whole filesystem
 * rather than a folder of it, writable, shortest path. */
struct mount_pick {
    const struct mount *mount; /* into struct mounts, which must live on */
    enum mount_class class;
    enum mount_freeze freeze;
    size_t mount_count; /* how many mounts show it */
};

struct mount_list {
    struct mount_pick *items; /* in the order of the text */
    size_t count;
};

/* One entry a superblock (a bind mount, a container's or a snap's view of the same one is folded).
 *   false  ERR_INTERNAL */
bool mounts_fold(const struct mounts *mounts, struct mount_list *ret_list, struct err *err);
void mounts_list_free(struct mount_list *list); /* idempotent */

/* The pick of LIST that shows the superblock of mount MNT_ID of MOUNTS, else of MAJOR:MINOR; NULL.
 * MNT_ID 0: unknown. */
const struct mount_pick *mounts_find(const struct mounts *mounts, const struct mount_list *list,
                                     uint64_t mnt_id, uint32_t major, uint32_t minor);
/* The pick on whose superblock the absolute, resolved PATH lies; NULL where none shows it. */
const struct mount_pick *mounts_holding(const struct mounts *mounts, const struct mount_list *list,
                                        const char *path);

#endif
