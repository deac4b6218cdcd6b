/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_SESSION_H
#define STILLPOINT_HOOKRUN_COPY_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/hookrun/copy_wire.h"
#include "agent/hookrun/hookrun_copy_room.h"
#include "agent/hookrun/hookrun_copy_rules.h"
#include "agent/hookrun/hookrun_copy_target.h"

/* What the parts of a copy session share. The session is process 1 of a PID namespace, in a mount
 * namespace and a root folder of its own (hookrun_copy_room.h); single-threaded. */

#define COPY_TREE       "/run/stillpoint"      /* the copy's own tree, where it has one */
#define COPY_LVM_FOLDER "/run/lvm-of-the-copy" /* LVM_SYSTEM_DIR */

struct copy_device {
    unsigned dev_major, dev_minor;
    char name[COPY_NAME_BYTES];
};

/* An item's device node is /dev/NODE. */
struct copy_place {
    char node[2 * COPY_NAME_BYTES];
    bool mounted;
};

struct copy_mounted {
    uint32_t item;
    bool writable;
    char at[COPY_PATH_BYTES];
};

enum { COPY_TEXT_BYTES = 56 * 1024 };

/* The last bytes of what a program wrote. */
struct copy_text {
    size_t bytes;
    char text[COPY_TEXT_BYTES];
};

/* A process of ours that runs. */
struct copy_child {
    pid_t pid;    /* 0: none */
    int out_fd;   /* its stdout and stderr; -1 once it has ended */
    int error_fd; /* an errno, where it ended without an exec */
    bool dead;
    int status;   /* of waitpid, once dead */
    int os_errno; /* of what it did, or of the exec; 0 */
    struct copy_text *text;
    uint64_t lines; /* that it has written */
};

struct copy_session {
    int client_fd;
    int outer_fd; /* closed when the process that started the session has ended */
    int signal_fd;
    int target_fd; /* the destination; -1 */
    gid_t peer_gid;
    pid_t starter; /* in the node's PID namespace */
    enum copy_state state;
    enum copy_purpose purpose;
    int64_t end_ms;
    char id[COPY_ID_BYTES];
    bool tree; /* the copy's paths begin at COPY_TREE, else at / */
    struct copy_device devices[COPY_DEVICES_MAX];
    struct copy_item items[COPY_ITEMS_MAX];
    struct copy_place places[COPY_ITEMS_MAX];
    struct copy_mounted mounts[COPY_MOUNTS_MAX];
    uint32_t device_count, item_count, mount_count;
    uint32_t group_count;             /* LVM: groups named so far */
    char furnished[COPY_ROOM_PLACES]; /* the tree, for the server: marks of copy_room_furnish */
    size_t furnished_count;
    struct copy_child tool, server;
    struct copy_text tool_text, server_text;
    union copy_request request;
    struct copy_reply reply;
};

/* Serves the session until its end; FIRST is OPEN as it was judged. Never returns. */
_Noreturn void copy_session_run(struct copy_session *session);

/* Ends the session at once, without a word: whatever runs is killed with us. */
_Noreturn void copy_session_leave(void);

/* Sets the reply's status with a text beside it; returns STATUS. */
enum copy_status copy_session_say(struct copy_session *session, enum copy_status status,
                                  int os_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a program's end: its exit code or signal, its text. */
enum copy_status copy_session_tell(struct copy_session *session, enum copy_status status,
                                   const struct copy_child *child);
/* The same with what is wrong with the destination; COPY_OK: says nothing. */
enum copy_status copy_session_tell_target(struct copy_session *session, enum copy_status status,
                                          const struct copy_target_why *why);
/* Sends the reply; a client that can't take it ends the session. */
void copy_session_send(struct copy_session *session);

/* Waits for something to happen to a child, at most until WAKE_MS; a client or starter that has
 * gone ends the session here, so do not hold what must be given back. */
void copy_session_pump(struct copy_session *session, int64_t wake_ms);

#endif
