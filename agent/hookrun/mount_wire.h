/* SPDX-License-Identifier: BSD-2-Clause */
/* The second protocol of stillpoint-hook, on the same socket as hook_wire.h: a rollback has what
 * lies on the node's own data volumes unmounted, and mounted again from other volumes.
 *
 * One connection, one struct mount_request, one struct mount_reply. The first word tells it from
 * the other protocols. Native byte order. Peers: as hook_wire.h says; others get MOUNT_REFUSED.
 *
 * Who asks names a path and the number of a device, no more: how a filesystem is mounted (type,
 * options, which part of it) stillpoint-hook itself has kept from the time when it unmounted it, in
 * RUN/MOUNT_RECORD_FOLDER, or reads in /etc/fstab. So nothing gets mounted where nothing was. */
#ifndef STILLPOINT_MOUNT_WIRE_H
#define STILLPOINT_MOUNT_WIRE_H

#include <stdint.h>

enum {
    MOUNT_WIRE_VERSION = 0x6d6e7401, /* "mnt", 1 */
    MOUNT_PATH_BYTES = 1024,
    MOUNT_NAME_BYTES = 32,
    MOUNT_HOLDERS_MAX = 8,
    MOUNT_DEADLINE_MS_MAX = 2 * 60 * 1000, /* own cap on a deadline, counted from the request */
};

#define MOUNT_RECORD_FOLDER "unmounted" /* in the folder of the socket; root's alone */

enum mount_op {
    MOUNT_UNMOUNT = 1,  /* PATH, where a filesystem of DEVICE is mounted */
    MOUNT_MOUNT = 2,    /* DEVICE at PATH; one that is there already is fine */
    MOUNT_RELEASED = 3, /* does nobody hold the disk DEVICE? no mount namespace, no swap, no LVM */
    MOUNT_OP_COUNT
};

enum mount_result {
    MOUNT_DONE = 1,
    MOUNT_BUSY = 2,    /* until the deadline; holders says who, as far as that can be seen */
    MOUNT_REFUSED = 3, /* nothing was done: refusal says why */
    MOUNT_FAILED = 4,  /* os_errno */
};

enum mount_refusal {
    MOUNT_REFUSAL_NONE = 0,
    MOUNT_REFUSAL_MESSAGE = 1,     /* version, size, op, a path that is not plain and absolute */
    MOUNT_REFUSAL_PEER = 2,        /* neither root nor the user named */
    MOUNT_REFUSAL_ROOT = 3,        /* "/", or the device that lies there */
    MOUNT_REFUSAL_NOT_MOUNTED = 4, /* DEVICE is not what is mounted at PATH */
    MOUNT_REFUSAL_OCCUPIED = 5,    /* another device is mounted at PATH */
    MOUNT_REFUSAL_NO_DEVICE = 6,   /* there is no such block device, or DEVICE is none */
    MOUNT_REFUSAL_UNKNOWN = 7,     /* neither kept in mind nor in /etc/fstab */
    MOUNT_REFUSAL_NO_WHOLE = 8,    /* a folder of it was mounted there, and the whole is nowhere */
    MOUNT_REFUSAL_FOLDER = 9,      /* RUN/MOUNT_RECORD_FOLDER can't be had, or is not root's */
};

struct mount_request {
    uint32_t version;
    uint32_t op;                   /* enum mount_op */
    int64_t deadline_ms;           /* absolute, CLOCK_BOOTTIME: until then a busy one is tried */
    uint32_t dev_major, dev_minor; /* as /proc/self/mountinfo has it; MOUNT_RELEASED: of the disk */
    char path[MOUNT_PATH_BYTES];   /* ends inside its array; "" for MOUNT_RELEASED */
};

struct mount_holder {
    int32_t pid; /* 0: the kernel itself, for what name says: "loop3", "dm-0", "swap" */
    char name[MOUNT_NAME_BYTES];
};

struct mount_reply {
    uint32_t version;
    uint32_t result;  /* enum mount_result */
    uint32_t refusal; /* enum mount_refusal */
    int32_t os_errno;
    uint32_t holder_count; /* all that were found; the first MOUNT_HOLDERS_MAX are named */
    uint32_t reserved;
    struct mount_holder holders[MOUNT_HOLDERS_MAX];
};

_Static_assert(sizeof(struct mount_request) == 24 + MOUNT_PATH_BYTES, "wire");
_Static_assert(sizeof(struct mount_reply) == 24 + MOUNT_HOLDERS_MAX * (4 + MOUNT_NAME_BYTES),
               "wire");

#endif
