/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mounts_fold.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

static bool one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(text, *list) == 0)
            return true;
    }
    return false;
}

static enum mount_class class_of(const struct mount *mount)
{
    static const char *const network[] = {
        "nfs",         "nfs4",          "cifs",      "smb3",           "smbfs",     "ceph",
        "9p",          "virtiofs",      "afs",       "lustre",         "coda",      "ncpfs",
        "orangefs",    "fuse.sshfs",    "fuse.s3fs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone",
        "fuse.goofys", "fuse.mount-s3", NULL};
    static const char *const stacked[] = {"overlay", "aufs", "ecryptfs", "fuse", NULL};
    static const char *const pooled[] = {"btrfs", "zfs", "bcachefs", NULL};

    if (strcmp(mount->fs, "autofs") == 0)
        return MOUNT_AUTOFS;
    if (one_of(mount->fs, network))
        return MOUNT_NETWORK;
    if (mount->major != 0 || one_of(mount->fs, pooled))
        return MOUNT_BLOCK;
    if (one_of(mount->fs, stacked) || strncmp(mount->fs, "fuse.", 5) == 0)
        return MOUNT_STACKED;
    return MOUNT_MEMORY;
}

/* Kernel drivers with a freeze_fs or freeze_super; ioctl_fsfreeze() in fs/ioctl.c refuses the rest
 * with EOPNOTSUPP. */
static enum mount_freeze freeze_of(const struct mount *mount)
{
    static const char *const yes[] = {"ext2",   "ext3", "ext4",     "xfs",      "btrfs", "f2fs",
                                      "nilfs2", "jfs",  "reiserfs", "bcachefs", "gfs2",  NULL};
    static const char *const sync[] = {"vfat", "msdos", "exfat", NULL};

    if (one_of(mount->fs, yes))
        return MOUNT_FREEZE_YES;
    return one_of(mount->fs, sync) ? MOUNT_FREEZE_SYNC : MOUNT_FREEZE_NO;
}

/* Whether A is the better way to the same superblock; of equal ones the earlier stays. */
static bool better(const struct mount *a, const struct mount *b)
{
    bool a_whole = strcmp(a->root, "/") == 0, b_whole = strcmp(b->root, "/") == 0;

    if (a->hidden != b->hidden)
        return b->hidden;
    if (a_whole != b_whole)
        return a_whole;
    if (a->read_only != b->read_only)
        return b->read_only;
    return strlen(a->path) < strlen(b->path);
}

static int compare_device(const void *a, const void *b)
{
    const struct mount *x = *(const struct mount *const *)a, *y = *(const struct mount *const *)b;

    if (x->major != y->major)
        return x->major < y->major ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    return x < y ? -1 : x > y; /* one array: its order is the text's */
}

static int compare_pick(const void *a, const void *b)
{
    const struct mount_pick *x = a, *y = b;

    return x->mount < y->mount ? -1 : x->mount > y->mount;
}

static bool same_device(const struct mount *a, const struct mount *b)
{
    return a->major == b->major && a->minor == b->minor;
}

bool mounts_fold(const struct mounts *mounts, struct mount_list *ret_list, struct err *err)
{
    AUTO_FREE const struct mount **sorted = malloc((mounts->count + 1) * sizeof(*sorted));
    struct mount_pick *picks = calloc(mounts->count + 1, sizeof(*picks));
    size_t count = 0;

    if (sorted == NULL || picks == NULL) {
        free(picks);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    for (size_t i = 0; i < mounts->count; i++)
        sorted[i] = &mounts->items[i];
    qsort(sorted, mounts->count, sizeof(*sorted), compare_device);
    for (size_t i = 0; i < mounts->count; i++) {
        if (i == 0 || !same_device(sorted[i], sorted[i - 1]))
            picks[count++] = (struct mount_pick){.mount = sorted[i]};
        struct mount_pick *pick = &picks[count - 1];
        pick->mount_count++;
        if (better(sorted[i], pick->mount))
            pick->mount = sorted[i];
        pick->class = class_of(pick->mount);
        pick->freeze = freeze_of(pick->mount);
    }
    qsort(picks, count, sizeof(*picks), compare_pick);
    *ret_list = (struct mount_list){picks, count};
    return true;
}

void mounts_list_free(struct mount_list *list)
{
    free(list->items);
    *list = (struct mount_list){NULL, 0};
}

const struct mount_pick *mounts_find(const struct mounts *mounts, const struct mount_list *list,
                                     uint64_t mnt_id, uint32_t major, uint32_t minor)
{
    struct mount wanted = {.major = major, .minor = minor};

    for (size_t i = 0; mnt_id != 0 && i < mounts->count; i++) {
        if (mounts->items[i].id == mnt_id) {
            wanted = mounts->items[i];
            break;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        if (same_device(list->items[i].mount, &wanted))
            return &list->items[i];
    }
    return NULL;
}

const struct mount_pick *mounts_holding(const struct mounts *mounts, const struct mount_list *list,
                                        const char *path)
{
    const struct mount *best = NULL;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        if (mount->hidden || !mounts_path_below(path, mount->path))
            continue;
        if (best == NULL || strlen(mount->path) > strlen(best->path))
            best = mount;
    }
    return best ? mounts_find(mounts, list, best->id, best->major, best->minor) : NULL;
}
