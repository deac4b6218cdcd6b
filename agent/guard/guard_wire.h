/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard's protocol: all that the daemon and the guard know of each other.
 *
 * A SOCK_SEQPACKET socket, RUN/guard.sock. One message is one struct of this file, exactly as long;
 * one request gets one reply (struct guard_reply_… of the same operation), and the next request is
 * sent only after it. Both ends are on one machine: native byte order, native alignment, no
 * packing.
 *
 *   head.version   GUARD_WIRE_VERSION; another one is answered GUARD_BAD_MESSAGE and dropped
 *   head.op        echoed in the reply
 *   head.serial    chosen by the client, echoed, so that an answer finds its question
 *
 * Peers (SO_PEERCRED): root and the user named at the guard's start; others are dropped on accept.
 * One connection at a time owns the lease: it becomes the owner by its first ADD_MOUNT or MANIFEST
 * and stays so until RESET or its close. HELLO, MOUNT_TABLE, DEVICE_OF, STATUS and THAW_FORCE are
 * open to every connection, the rest answers GUARD_NOT_OWNER to all but the owner.
 *
 * Whatever goes wrong (a breach of this protocol by the owner, its close, a signal, the deadline,
 * the death of either guard process) the guard thaws first and answers, drops or exits after that.
 *
 * Times: *_boot_us is CLOCK_BOOTTIME, *_utc_us CLOCK_REALTIME, both in microseconds, 0 = has not
 * happened. deadline_ms is absolute CLOCK_BOOTTIME in milliseconds. */
#ifndef STILLPOINT_GUARD_WIRE_H
#define STILLPOINT_GUARD_WIRE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    GUARD_WIRE_VERSION = 1,
    GUARD_MOUNTS_MAX = 64,
    GUARD_MOUNT_PATH_BYTES = 1024,        /* with its terminating NUL */
    GUARD_PATH_BYTES = 4096,              /* with its terminating NUL */
    GUARD_MANIFEST_BYTES_MAX = 64 * 1024, /* all chunks together */
    GUARD_MANIFEST_CHUNK_BYTES = 16 * 1024,
    GUARD_LEASE_MS_MAX = 60 * 1000, /* the guard's own cap on a lease, counted from FREEZE */
    GUARD_TIMEOUT_MS_MAX =
        10 * 60 * 1000, /* cap on timeout_ms in SYNC, WRITE_MANIFESTS, DEVICE_OF */
};

#define GUARD_SOCKET_NAME   "guard.sock"                /* in [paths] run */
#define GUARD_RECORD_NAME   "guard.lease"               /* in [paths] run */
#define GUARD_MANIFEST_NAME ".stillpoint-manifest.json" /* under each mount point */

/* Why a manifest was not written that is no failure: read-only, or a mount point that is a file. */
static inline bool guard_manifest_passed_over(int32_t os_errno)
{
    return os_errno == EROFS || os_errno == ENOTDIR;
}

enum guard_op {
    GUARD_OP_HELLO = 1,
    GUARD_OP_MOUNT_TABLE = 2,
    GUARD_OP_DEVICE_OF = 3,
    GUARD_OP_ADD_MOUNT = 4,
    GUARD_OP_SYNC = 5,
    GUARD_OP_MANIFEST = 6,
    GUARD_OP_WRITE_MANIFESTS = 7,
    GUARD_OP_FREEZE = 8,
    GUARD_OP_STATUS = 9,
    GUARD_OP_THAW = 10,
    GUARD_OP_RESET = 11,
    GUARD_OP_THAW_FORCE = 12,
    GUARD_OP_COUNT
};

enum guard_state {
    GUARD_IDLE = 0,     /* no mounts, no owner */
    GUARD_LOADED = 1,   /* has an owner, mounts are being added; no lease yet */
    GUARD_FREEZING = 2, /* lease armed, the freezer is at work */
    GUARD_HELD = 3,     /* every mount of the lease was frozen; the deadline runs */
    GUARD_CLEARING = 4, /* the lease is over, but one FIFREEZE or FITHAW has not returned yet */
    GUARD_ENDED = 5,    /* the lease is over and nothing is frozen; its story stays until RESET */
    GUARD_STATE_COUNT
};

enum guard_status {
    GUARD_OK = 0,
    GUARD_BAD_MESSAGE =
        1, /* version, size, an unterminated string, …; the connection is closed after it */
    GUARD_BAD_STATE = 2, /* not legal in this state; nothing changed */
    GUARD_NOT_OWNER = 3, /* another connection owns the lease; nothing changed */
    GUARD_BUSY =
        4, /* an earlier SYNC, WRITE_MANIFESTS or look-up is still running (after its timeout) */
    GUARD_SYSCALL_FAILED = 5, /* os_errno; index where a mount is concerned */
    GUARD_WRONG_DEVICE = 6, /* ADD_MOUNT: what is at the path is on another device than was named */
    GUARD_DUPLICATE = 7,    /* ADD_MOUNT: that filesystem is among the mounts already */
    GUARD_FULL = 8,         /* ADD_MOUNT: GUARD_MOUNTS_MAX reached; MANIFEST: over its cap */
    GUARD_TIMEOUT = 9,      /* timeout_ms passed; the work may still be going on */
    GUARD_DEADLINE = 10,    /* FREEZE: deadline_ms has passed (before, or during the freeze) */
    GUARD_CANCELLED = 11,   /* FREEZE: the lease was ended meanwhile (THAW_FORCE, signal) */
    GUARD_BAD_ARGUMENT =
        12, /* an index that was not added, a path that is not absolute, an offset with a gap */
    GUARD_RECORD_ON_MOUNT =
        13, /* ADD_MOUNT: the guard's own record lies there; it can't be frozen */
};

/* What became of one mount in the lease. */
enum guard_mount_state {
    GUARD_MOUNT_ADDED = 0,    /* not frozen (yet) */
    GUARD_MOUNT_FREEZING = 1, /* FIFREEZE called, has not returned */
    GUARD_MOUNT_FROZEN = 2,   /* FIFREEZE returned 0 */
    GUARD_MOUNT_THAWING = 3,  /* FITHAW called, has not returned */
    GUARD_MOUNT_THAWED = 4,   /* FITHAW returned 0: it was frozen until thaw_begin_boot_us */
    GUARD_MOUNT_LET_GO = 5,   /* FITHAW said EINVAL: somebody else had thawed it before */
    GUARD_MOUNT_FAILED =
        6, /* FIFREEZE failed: freeze_errno (EBUSY: frozen by somebody else, and left so) */
    GUARD_MOUNT_SYNC_ONLY = 7,   /* GUARD_ADD_SYNC_ONLY: not frozen, on purpose */
    GUARD_MOUNT_THAW_FAILED = 8, /* FITHAW failed otherwise: thaw_errno */
};

/* Whether a mount in STATE (enum guard_mount_state) is frozen, or may be: somebody has to thaw it.
 */
static inline bool guard_mount_is_held(uint32_t state)
{
    return state == GUARD_MOUNT_FREEZING || state == GUARD_MOUNT_FROZEN ||
           state == GUARD_MOUNT_THAWING || state == GUARD_MOUNT_THAW_FAILED;
}

enum guard_end_cause {
    GUARD_END_NONE = 0, /* not over */
    GUARD_END_TOLD = 1, /* THAW or RESET by the owner */
    GUARD_END_DEADLINE = 2,
    GUARD_END_FREEZE_FAILED = 3, /* a FIFREEZE failed; what was frozen before it is thawed */
    GUARD_END_OWNER_GONE = 4,    /* the owner's socket closed, or it broke the protocol */
    GUARD_END_FORCED = 5,        /* THAW_FORCE */
    GUARD_END_SIGNAL = 6,        /* SIGTERM, SIGINT, SIGHUP */
    GUARD_END_TWIN_GONE = 7,     /* the guard's other process died */
};

struct guard_request_head {
    uint32_t version;
    uint32_t op; /* enum guard_op */
    uint64_t serial;
};

struct guard_reply_head {
    uint32_t version;
    uint32_t op; /* enum guard_op; 0 where the request's was unreadable */
    uint64_t serial;
    uint32_t status;  /* enum guard_status */
    int32_t os_errno; /* 0, or why; with GUARD_SYSCALL_FAILED always set */
    int32_t index;    /* the mount concerned, -1 = none */
    uint32_t state;   /* enum guard_state after this request */
};

/* For HELLO, MOUNT_TABLE, STATUS, THAW, RESET, THAW_FORCE. */
struct guard_msg_plain {
    struct guard_request_head head;
};

/* A path's device, after following symbolic links. An automount in the last component is not
 * triggered. The look-up runs in a helper process, since a dead network filesystem can hold it for
 * ever: timeout_ms (0: 3000) bounds the answer. IDLE, LOADED and ENDED only: no path look-up while
 * frozen. */
struct guard_msg_device_of {
    struct guard_request_head head;
    uint32_t timeout_ms;
    uint32_t reserved;           /* 0 */
    char path[GUARD_PATH_BYTES]; /* absolute */
};

enum {
    GUARD_ADD_SYNC_ONLY =
        1, /* can't be frozen (vfat): SYNC works, FREEZE and manifest pass it over */
    GUARD_ADD_TOGETHER = 2, /* its FIFREEZE may run at the same time as that of the mount before */
};

/* Opens a mount point (a directory or a bind-mounted file) and keeps it. The freeze goes in the
 * order of adding, except that a mount and those after it with GUARD_ADD_TOGETHER are frozen at the
 * same time (and thawed so), which takes about as long as one: for mounts that need no order.
 * Checked on the opened descriptor: its device is dev_major:dev_minor as mountinfo shows it
 * (st_dev), or, for filesystems whose st_dev differs from mountinfo's (btrfs), it is on mount
 * mnt_id. IDLE and LOADED; reply: struct guard_reply_add_mount. */
struct guard_msg_add_mount {
    struct guard_request_head head;
    uint32_t dev_major;
    uint32_t dev_minor;
    uint64_t mnt_id;                   /* mountinfo's first field; 0 = unknown */
    uint32_t flags;                    /* GUARD_ADD_… */
    uint32_t timeout_ms;               /* 0: 3000 */
    char path[GUARD_MOUNT_PATH_BYTES]; /* absolute */
};

/* syncfs of one added mount, in the freezer. LOADED, ENDED. */
struct guard_msg_sync {
    struct guard_request_head head;
    uint32_t index;
    uint32_t timeout_ms; /* 0: the cap */
};

/* One piece of the manifest, in order: offset is where the last one ended; offset 0 begins anew.
 * IDLE, LOADED, ENDED. Plain reply. */
struct guard_msg_manifest {
    struct guard_request_head head;
    uint32_t offset;
    uint32_t length; /* of bytes[], 1 to GUARD_MANIFEST_CHUNK_BYTES */
    uint8_t bytes[GUARD_MANIFEST_CHUNK_BYTES];
};

/* Writes the manifest under each added mount as GUARD_MANIFEST_NAME (temporary name, then rename;
 * no fsync: the freeze writes it out). LOADED, ENDED. Read-only mounts, SYNC_ONLY ones and mount
 * points that are files are passed over. Goes on after one fails; reply: struct
 * guard_reply_manifests. */
struct guard_msg_write_manifests {
    struct guard_request_head head;
    uint32_t timeout_ms; /* 0: the cap */
    uint32_t reserved;   /* 0 */
};

/* Takes the lease and freezes. LOADED and ENDED. Answered (struct guard_reply_lease) when every
 * mount is frozen (GUARD_OK, state HELD), or when the lease is over: then everything that it froze
 * was thawed, in reverse, before the answer, save one FIFREEZE that has not returned (state
 * CLEARING; it is thawed the moment that it returns; STATUS tells). deadline_ms is cut to
 * GUARD_LEASE_MS_MAX from now. */
struct guard_msg_freeze {
    struct guard_request_head head;
    int64_t deadline_ms;
};

/* THAW        legal in every state; thaws in reverse and answers struct guard_reply_lease. Where
 * the lease ended before (deadline, …), it answers with that story. State after: ENDED, or
 *             CLEARING.
 * RESET       thaws if need be, tells the story like THAW, and drops mounts, manifest and
 *             ownership: IDLE. GUARD_BUSY while CLEARING. Legal without a lease too.
 * THAW_FORCE  ends the lease of whoever has it. What an earlier guard's record names was thawed
 * when this guard started; `stillpoint-guard --thaw` does it where none runs. STATUS      the story
 * so far, changes nothing. The last lease's stays until a new owner comes. */

struct guard_reply_hello {
    struct guard_reply_head head;
    uint32_t keeper_pid;
    uint32_t freezer_pid;
    int64_t started_boot_us;
    uint32_t recovered_count; /* mounts that this guard thawed at its start, from an earlier one's
                                 record */
    uint32_t reserved;
};

/* MANIFEST's reply, and what every operation answers when it fails before anything of its own was
 * done is the operation's own struct, zero behind the head. A request whose operation could not be
 * read gets this one. */
struct guard_reply_plain {
    struct guard_reply_head head;
};

/* MOUNT_TABLE: with GUARD_OK carries one descriptor (SCM_RIGHTS, read-only, at offset 0): init's
 * mountinfo, or the guard's own where that can't be opened (own = 1). The client closes it. */
struct guard_reply_mount_table {
    struct guard_reply_head head;
    uint32_t own;
    uint32_t reserved;
};

struct guard_reply_device_of {
    struct guard_reply_head head;
    uint32_t
        dev_major; /* st_dev of the file, that is of its filesystem (btrfs: of its subvolume) */
    uint32_t dev_minor;
    uint64_t mnt_id; /* as in mountinfo; 0 where the kernel is too old (before 5.8) */
    uint32_t mode;   /* st_mode */
    uint32_t reserved;
    uint64_t inode;
    char resolved[GUARD_PATH_BYTES]; /* without symbolic links; "" if not known */
};

struct guard_reply_add_mount {
    struct guard_reply_head head; /* head.index is the mount's index, from 0, on GUARD_OK */
    uint32_t dev_major;           /* what was found, also on GUARD_WRONG_DEVICE */
    uint32_t dev_minor;
    uint64_t mnt_id;
};

struct guard_reply_sync {
    struct guard_reply_head head;
    int64_t took_us;
};

struct guard_reply_manifests {
    struct guard_reply_head head; /* GUARD_SYSCALL_FAILED: index and errno of the first failure */
    uint32_t written_count;
    uint32_t skipped_count; /* read-only, SYNC_ONLY, or not a directory */
    uint32_t failed_count;
    uint32_t reserved;
    int64_t took_us;
    int32_t os_errnos[GUARD_MOUNTS_MAX]; /* per mount; 0 = written, EROFS etc. also where skipped */
};

struct guard_mount_story {
    int64_t freeze_begin_boot_us;
    int64_t freeze_end_boot_us; /* FIFREEZE returned */
    int64_t thaw_begin_boot_us;
    int64_t thaw_end_boot_us; /* FITHAW returned */
    int32_t freeze_errno;
    int32_t thaw_errno;
    uint32_t state;      /* enum guard_mount_state */
    uint32_t until_thaw; /* 1: frozen by this lease and never let go before the THAW or RESET that
                            tells so */
};

/* FREEZE, STATUS, THAW, RESET, THAW_FORCE. */
struct guard_reply_lease {
    struct guard_reply_head head;
    int64_t deadline_ms; /* as capped; 0 = no lease */
    uint32_t mount_count;
    uint32_t frozen_count; /* frozen at this moment */
    uint32_t froze_count;  /* FIFREEZE returned 0 in this lease */
    uint32_t whole; /* HELD: nothing has ended it so far. After THAW: every mount (but SYNC_ONLY)
                       stayed frozen from held_* until that THAW or RESET began its first FITHAW,
                       before the deadline */
    uint32_t end_cause;     /* enum guard_end_cause */
    uint32_t rcu_expedited; /* 1: it could be set for the freeze */
    int64_t held_boot_us;   /* the last FIFREEZE had returned: the window begins */
    int64_t held_utc_us;
    int64_t thaw_begin_boot_us; /* just before the first FITHAW: the window ends */
    int64_t thaw_begin_utc_us;
    int64_t thaw_end_boot_us; /* the last FITHAW had returned */
    int64_t thaw_end_utc_us;
    struct guard_mount_story mounts[GUARD_MOUNTS_MAX]; /* in the order of adding */
};

union guard_request {
    struct guard_request_head head;
    struct guard_msg_plain plain;
    struct guard_msg_device_of device_of;
    struct guard_msg_add_mount add_mount;
    struct guard_msg_sync sync;
    struct guard_msg_manifest manifest;
    struct guard_msg_write_manifests write_manifests;
    struct guard_msg_freeze freeze;
};

union guard_reply {
    struct guard_reply_head head;
    struct guard_reply_plain plain;
    struct guard_reply_hello hello;
    struct guard_reply_mount_table mount_table;
    struct guard_reply_device_of device_of;
    struct guard_reply_add_mount add_mount;
    struct guard_reply_sync sync;
    struct guard_reply_manifests manifests;
    struct guard_reply_lease lease;
};

_Static_assert(sizeof(struct guard_request_head) == 16, "wire");
_Static_assert(sizeof(struct guard_reply_head) == 32, "wire");
_Static_assert(sizeof(struct guard_msg_plain) == 16, "wire");
_Static_assert(sizeof(struct guard_msg_device_of) == 24 + GUARD_PATH_BYTES, "wire");
_Static_assert(sizeof(struct guard_msg_add_mount) == 40 + GUARD_MOUNT_PATH_BYTES, "wire");
_Static_assert(sizeof(struct guard_msg_sync) == 24, "wire");
_Static_assert(sizeof(struct guard_msg_manifest) == 24 + GUARD_MANIFEST_CHUNK_BYTES, "wire");
_Static_assert(sizeof(struct guard_msg_write_manifests) == 24, "wire");
_Static_assert(sizeof(struct guard_msg_freeze) == 24, "wire");
_Static_assert(sizeof(struct guard_reply_hello) == 56, "wire");
_Static_assert(sizeof(struct guard_reply_plain) == 32, "wire");
_Static_assert(sizeof(struct guard_reply_mount_table) == 40, "wire");
_Static_assert(sizeof(struct guard_reply_device_of) == 64 + GUARD_PATH_BYTES, "wire");
_Static_assert(sizeof(struct guard_reply_add_mount) == 48, "wire");
_Static_assert(sizeof(struct guard_reply_sync) == 40, "wire");
_Static_assert(sizeof(struct guard_reply_manifests) == 56 + 4 * GUARD_MOUNTS_MAX, "wire");
_Static_assert(sizeof(struct guard_mount_story) == 48, "wire");
_Static_assert(sizeof(struct guard_reply_lease) == 112 + 48 * GUARD_MOUNTS_MAX, "wire");

#endif
