/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol of a copy session: what verify and restore files have root do with volumes that were
 * made from a backup: look at them, check them, mount them, start a private server on them, copy
 * files out of them.
 *
 * The same socket as hook_wire.h's, RUN/hook.sock, SOCK_SEQPACKET; the first four bytes of the
 * first message, its version, tell which protocol a connection speaks. One connection is one
 * session: the first request is OPEN (or ASK, and then nothing else), and when the connection ends,
 * for whatever reason, all that the session made is gone: mounts (they were seen by it alone),
 * processes, files, volume groups.
 *
 * One request gets one reply; only FILES sends COPY_MORE replies before it, about one a second. A
 * client that closes ends what runs. After CLOSE's reply the client reads until end of file: then
 * the devices are let go. Native byte order. Peers (SO_PEERCRED): root and the user named at the
 * start.
 *
 * A request is its struct, exactly as long; a reply is struct copy_reply, COPY_REPLY_HEAD_BYTES and
 * data_bytes of its data long. Times: absolute CLOCK_BOOTTIME in milliseconds. */
#ifndef STILLPOINT_COPY_WIRE_H
#define STILLPOINT_COPY_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    COPY_WIRE_VERSION = 0x43000001, /* never a HOOK_WIRE_VERSION */
    COPY_ID_BYTES = 64,             /* all sizes of texts with their NUL */
    COPY_NAME_BYTES = 64,
    COPY_PATH_BYTES = 1024,
    COPY_SETTINGS_BYTES = 8 * 1024,
    COPY_PATHS_BYTES = 32 * 1024,
    COPY_PATHS_MAX = 512,
    COPY_DEVICES_MAX = 64,
    COPY_ITEMS_MAX = 128,
    COPY_MOUNTS_MAX = 64,
    COPY_DATA_BYTES = 60 * 1024,
    COPY_SESSION_MS_MAX = 24 * 60 * 60 * 1000, /* own cap, counted from OPEN */
};

/* In a destination folder, put there by root's command line: the backup's id and a newline. */
#define COPY_MARKER_NAME ".stillpoint-restore"
/* Where files come in; each is moved to its place when all are there. */
#define COPY_PARTIAL_NAME ".stillpoint-partial"
#define COPY_SOCKET_NAME  "mysqld.sock" /* in the folder whose descriptor SERVE's reply carries */

/* Types of items beside blkid's. */
#define COPY_TYPE_TABLE     "partition table" /* its partitions follow, where the kernel sees any */
#define COPY_TYPE_AMBIGUOUS "ambiguous"       /* two kinds of signature */

enum copy_op {
    COPY_OP_OPEN = 1,   /* first, once */
    COPY_OP_ADD = 2,    /* a device; replies with what was found on it */
    COPY_OP_GROUPS = 3, /* after all devices: LVM's volume groups; replies with their volumes */
    COPY_OP_LOOK = 4,   /* replies with the manifest at the root of an item */
    COPY_OP_CHECK = 5,  /* fsck that changes nothing; not of what is mounted */
    COPY_OP_MOUNT = 6,  /* in the order of the node's tree: / first, outer before inner */
    COPY_OP_SERVE = 7,  /* verify only; one server at a time */
    COPY_OP_STOP = 8,
    COPY_OP_FILES = 9, /* files only */
    COPY_OP_CLOSE = 10,
    COPY_OP_ASK = 11,      /* alone, first and last: is anyone there, who answers us, and would the
                              destination do? Makes and changes nothing */
    COPY_OP_PROGRAMS = 12, /* verify only; replies with the servers installed: lines
                              "path<TAB> Ver 9.7.4-2 for Linux…\n" of what each says */
    COPY_OP_COUNT
};

enum copy_purpose { COPY_VERIFY = 1, COPY_FILES = 2, COPY_PURPOSE_COUNT };

enum copy_flag {
    COPY_REPLAY = 1,   /* LOOK, CHECK: let the filesystem replay its journal first (it was not
                          frozen). Writes to the volume */
    COPY_WRITABLE = 2, /* MOUNT, verify only; else read-only */
    COPY_PREVIEW = 4,  /* ASK: what root's command line would do first is still to be done: the
                          destination may be missing, or its marker */
};

enum copy_status {
    COPY_OK = 0,
    COPY_MORE = 1,          /* progress; the same request's next reply follows */
    COPY_BAD_MESSAGE = 2,   /* version, size, an unterminated string, …; the connection is over */
    COPY_PEER = 3,          /* neither root nor the user named; the connection is over */
    COPY_BAD_STATE = 4,     /* not now; nothing changed */
    COPY_BAD_ARGUMENT = 5,  /* text says which */
    COPY_FULL = 6,          /* a cap of this file */
    COPY_DEADLINE = 7,      /* passed; what ran was ended */
    COPY_FAILED = 8,        /* os_errno; text says what was called */
    COPY_NO_TOOL = 9,       /* text: the program that is missing */
    COPY_TOOL_FAILED = 10,  /* code, signal; text: the end of its output */
    COPY_WRONG_DEVICE = 11, /* ADD: name, number and volume are not of one device; text */
    COPY_IN_USE = 12,       /* ADD: mounted, swap, a volume group's or array's: not by us */
    COPY_UNREADABLE = 13, /* LOOK, CHECK, MOUNT: of a type that can't be looked into; text: type */
    COPY_NO_FILE = 14,    /* LOOK: no manifest; FILES: no such path; text: which */
    COPY_OUTSIDE = 15,    /* the path does not lie on the copy; text: which */
    COPY_SERVER_ENDED = 16,   /* SERVE: before it was ready; STOP: of something else than that it
                               was asked to: code, signal; text: its log */
    COPY_SERVER_LATE = 17,    /* SERVE: not ready at the deadline; text: its log */
    COPY_NO_ROOM = 18,        /* FILES: progress.bytes_total are needed, .bytes_done are free; OPEN,
                                 ASK: for nothing at all */
    COPY_DEST_PATH = 19,      /* OPEN, ASK: not a plain absolute path, or a link on the way, or
                                 missing: os_errno; text: how far it could be followed */
    COPY_DEST_OWNER = 20,     /* not root's */
    COPY_DEST_WRITABLE = 21,  /* by others than root */
    COPY_DEST_MARKER = 22,    /* no marker of root's, mode 0600, with this backup's id */
    COPY_DEST_FULL = 23,      /* holds something else, too; text: one of them */
    COPY_ABOVE_OWNER = 24,    /* a folder above it is not root's; text: which */
    COPY_ABOVE_WRITABLE = 25, /* or can be written by others, without the sticky bit */
    COPY_NEEDED = 26, /* MOUNT: the session's own programs or folders are there; text: where */
    COPY_STATUS_COUNT
};

struct copy_request_head {
    uint32_t version;
    uint32_t op;         /* enum copy_op; echoed */
    uint64_t serial;     /* chosen by the client; echoed */
    int64_t deadline_ms; /* of this operation; of the whole session in OPEN */
};

struct copy_msg_plain { /* GROUPS, STOP, CLOSE, PROGRAMS */
    struct copy_request_head head;
};

struct copy_msg_open { /* OPEN, ASK */
    struct copy_request_head head;
    uint32_t purpose;                  /* enum copy_purpose; 0 in ASK */
    uint32_t flags;                    /* ASK: COPY_PREVIEW; else 0 */
    char id[COPY_ID_BYTES];            /* the backup's; "" in ASK where no folder is asked about */
    char destination[COPY_PATH_BYTES]; /* of COPY_FILES: an absolute folder; else "" */
};

struct copy_msg_add {
    struct copy_request_head head;
    uint32_t dev_major, dev_minor;
    char name[COPY_NAME_BYTES];   /* the kernel's: "nvme2n1", "xvdf" */
    char volume[COPY_NAME_BYTES]; /* "vol-0…": must be the device's serial where it has one */
};

struct copy_msg_item { /* LOOK, CHECK, MOUNT */
    struct copy_request_head head;
    uint32_t item;            /* index among all items told so far, from 0 */
    uint32_t flags;           /* enum copy_flag */
    char at[COPY_PATH_BYTES]; /* MOUNT: the original mount point; else "" */
};

struct copy_msg_serve {
    struct copy_request_head head;
    uint64_t memory_bytes;         /* for the server as a whole; at least 64 MiB */
    char datadir[COPY_PATH_BYTES]; /* as on the node; lies on a writable mount of the copy */
    char program[COPY_PATH_BYTES]; /* absolute, mysqld or mariadbd: one of PROGRAMS' */
    /* Lines "name=value\n" of what has to match the node: only names of copy_settings.h, paths
     * absolute and on the copy. */
    char settings[COPY_SETTINGS_BYTES];
};

struct copy_msg_files {
    struct copy_request_head head;
    uint32_t paths_bytes;         /* of paths, with each path's NUL */
    uint32_t reserved;            /* 0 */
    char paths[COPY_PATHS_BYTES]; /* absolute, as on the node, one behind the other */
};

union copy_request {
    struct copy_request_head head;
    struct copy_msg_plain plain;
    struct copy_msg_open open;
    struct copy_msg_add add;
    struct copy_msg_item item;
    struct copy_msg_serve serve;
    struct copy_msg_files files;
};

enum copy_item_kind {
    COPY_ITEM_EMPTY = 1,      /* nothing is known to be on it */
    COPY_ITEM_FILESYSTEM = 2, /* type, can be looked at, checked, mounted */
    COPY_ITEM_SWAP = 3,
    COPY_ITEM_LVM = 4,   /* a physical volume: GROUPS tells what it holds */
    COPY_ITEM_OTHER = 5, /* can't be looked into: LUKS, MD, …: type; or told contradictorily */
};

struct copy_item {
    uint32_t kind;   /* enum copy_item_kind */
    uint32_t device; /* index of the ADD, from 0; of one of its PVs for a volume */
    uint64_t size_bytes;
    char where[COPY_NAME_BYTES]; /* "": the whole disk; "p1": a partition; "lvm:vg/lv" */
    char type[COPY_NAME_BYTES];  /* blkid's: "ext4", "xfs", "crypto_LUKS", … */
    char uuid[COPY_NAME_BYTES];
    char label[COPY_NAME_BYTES];
};

struct copy_progress {
    uint64_t bytes_done, bytes_total;
    uint64_t files_done, files_total;
};

struct copy_reply {
    uint32_t version;
    uint32_t op; /* echoed; 0 where it could not be read */
    uint64_t serial;
    uint32_t status; /* enum copy_status */
    int32_t os_errno;
    int32_t code;                  /* of a program that ended: its exit code */
    int32_t signal;                /* or the signal that ended it */
    int64_t took_us;               /* of the operation; of SERVE until the server was ready */
    struct copy_progress progress; /* FILES */
    uint32_t item_count;           /* ADD, GROUPS: data holds so many struct copy_item */
    uint32_t data_bytes;           /* else text, without a NUL; not to be trusted */
    union {
        char text[COPY_DATA_BYTES];
        struct copy_item items[COPY_DATA_BYTES / sizeof(struct copy_item)];
    } data;
};

enum { COPY_REPLY_HEAD_BYTES = 80 };

_Static_assert(sizeof(struct copy_request_head) == 24, "wire");
_Static_assert(sizeof(struct copy_msg_open) == 32 + COPY_ID_BYTES + COPY_PATH_BYTES, "wire");
_Static_assert(sizeof(struct copy_msg_add) == 32 + 2 * COPY_NAME_BYTES, "wire");
_Static_assert(sizeof(struct copy_msg_item) == 32 + COPY_PATH_BYTES, "wire");
_Static_assert(sizeof(struct copy_msg_serve) == 32 + 2 * COPY_PATH_BYTES + COPY_SETTINGS_BYTES,
               "wire");
_Static_assert(sizeof(struct copy_msg_files) == 32 + COPY_PATHS_BYTES, "wire");
_Static_assert(sizeof(struct copy_item) == 16 + 4 * COPY_NAME_BYTES, "wire");
_Static_assert(offsetof(struct copy_reply, data) == COPY_REPLY_HEAD_BYTES, "wire");
_Static_assert(sizeof(struct copy_reply) == COPY_REPLY_HEAD_BYTES + COPY_DATA_BYTES, "wire");
_Static_assert(COPY_ITEMS_MAX * sizeof(struct copy_item) <= COPY_DATA_BYTES, "wire");

#endif
