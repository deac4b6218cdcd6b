/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_MOUNTS_H
#define STILLPOINT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* The text of /proc/PID/mountinfo (proc_pid_mountinfo(5)) as structs, and which of the mounts can
 * be reached by their paths. Pure: no file is opened, no path looked up. */

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

/* PATH is BASE or lies below it. */
bool mounts_path_below(const char *path, const char *base);

#endif
