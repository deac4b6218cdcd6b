/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_MOUNTS_H
#define STILLPOINT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* From the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)) to one mount a superblock, in the
 * order of freezing. Pure: no file is opened, no path looked up. */

enum { MOUNTS_MAX = 32768, MOUNTS_TEXT_BYTES_MAX = 16 << 20 };

struct mount {
    uint64_t id, parent_id;
    uint32_t major, minor; /* of the superblock */
    char *root;            /* what of the filesystem is mounted: "/", a folder of a bind mount */
    char *path;            /* mount point, unescaped */
    char *fs;
    char *source; /* "/dev/nvme1n1", "tmpfs"; "" where the kernel says none */
    char *options;
    char *super_options;
    bool read_only;       /* this mount */
    bool super_read_only; /* the filesystem itself: nobody can write to it */
    bool hidden;          /* its path leads to another mount that lies over it */
};

struct mounts {
    struct mount *items; /* in the order of the text */
    size_t count;
};

/*   ret_mounts  given to the caller (mounts_free)
 *   false       ERR_PROTOCOL names the line; ERR_LIMIT, ERR_INTERNAL */
bool mounts_parse(const char *text, size_t len, struct mounts *ret_mounts, struct err *err);
void mounts_free(struct mounts *mounts); /* idempotent */

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

/* "mount A before mount B" by index. */
struct mount_rule {
    size_t before, after;
    bool wanted_only; /* dropped where the rest forbids it; else it wins over nesting and root-last
                       */
    bool met;         /* set by mounts_order */
};

enum { MOUNTS_ORDER_MAX = 256 };

/* The order of freezing COUNT mounts: firm rules (a loop device's filesystem before the one that
 * its file lies on), then what is mounted below before what holds it, the root last, wanted rules
 * where they fit, and for the rest the deepest first, then by path.
 *   ret_order  COUNT indexes
 *   false      ERR_LIMIT: more than MOUNTS_ORDER_MAX; ERR_PRECONDITION: firm rules go in a circle
 */
bool mounts_order(const struct mount *const *mounts, size_t count, struct mount_rule *rules,
                  size_t rule_count, size_t *ret_order, struct err *err);

/* PATH is BASE or lies below it. */
bool mounts_path_below(const char *path, const char *base);

#endif
