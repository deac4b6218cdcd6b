/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_LOOKUP_H
#define STILLPOINT_GUARD_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/guard/guard_wire.h"

/* Path look-ups. A path may lead through a dead network filesystem, where even stat(2) sleeps for
 * ever: the keeper has them done by a helper process, which is killed (and left behind, should it
 * not die) when its time is up. Never used while anything is frozen. */

struct guard_found {
    uint32_t status; /* enum guard_status */
    int32_t os_errno;
    uint32_t dev_major; /* st_dev */
    uint32_t dev_minor;
    uint64_t mnt_id; /* 0 = the kernel does not say */
    uint32_t mode;
    uint32_t reserved;
    uint64_t inode;
    char resolved[GUARD_PATH_BYTES];
};

/* Opens the mount point PATH read-only, if it is a directory or a regular file on the device or
 * (btrfs) on the mount that is named. Does not trigger an automount in the last component. ret_fd
 * owned by the caller; -1 unless found->status is GUARD_OK */
void guard_lookup_open_mount(const char *path, uint32_t dev_major, uint32_t dev_minor,
                             uint64_t mnt_id, struct guard_found *found, int *ret_fd);

/* What is at PATH, after following symbolic links. */
void guard_lookup_stat(const char *path, struct guard_found *found);

/* A look-up under way in its helper. */
struct guard_lookup {
    pid_t pid; /* 0 = none */
    int fd;    /* readable when the answer is there, or the helper is gone; -1 = none */
};

#define GUARD_LOOKUP_INIT                                                                          \
    {                                                                                              \
        .pid = 0, .fd = -1                                                                         \
    }

/* Starts the helper for a DEVICE_OF or ADD_MOUNT request. False: errno. */
bool guard_lookup_start(struct guard_lookup *lookup, const union guard_request *request);
/* Takes the answer once fd is readable; *ret_fd is ADD_MOUNT's mount point, owned by the caller, or
 * -1. A helper that died answers GUARD_SYSCALL_FAILED with EIO. The look-up is over then. */
void guard_lookup_take(struct guard_lookup *lookup, struct guard_found *found, int *ret_fd);
/* Ends it without an answer; nothing happens where none runs. */
void guard_lookup_cancel(struct guard_lookup *lookup);

#endif
