/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol of stillpoint-hook: one connection runs one exec hook for one phase.
 *
 * A SOCK_SEQPACKET socket, RUN/hook.sock, whose listener (systemd, Accept=yes) starts one
 * stillpoint-hook a connection. The client sends one struct hook_request, gets one struct
 * hook_reply, and the connection is over. Native byte order. A client that closes early has the
 * hook killed. Peers (SO_PEERCRED): root and the user named at the start; others get HOOK_REFUSED.
 *
 * A first message of another version, COPY_WIRE_VERSION, begins a copy session: copy_wire.h.
 */
#ifndef STILLPOINT_HOOK_WIRE_H
#define STILLPOINT_HOOK_WIRE_H

#include <stdint.h>

enum {
    HOOK_WIRE_VERSION = 1,
    HOOK_PATH_BYTES = 1024,
    HOOK_ID_BYTES = 64,
    HOOK_REASON_BYTES = 512,
    HOOK_OUTCOME_BYTES = 64,
    HOOK_OUTPUT_BYTES = 4096,
    HOOK_DEADLINE_MS_MAX = 10 * 60 * 1000, /* own cap on a deadline, counted from the request */
};

#define HOOK_SOCKET_NAME "hook.sock" /* in [paths] run */

enum hook_phase {
    HOOK_PREPARE = 1,
    HOOK_HOLD = 2,
    HOOK_RELEASE = 3,
    HOOK_FINISH = 4,
    HOOK_STOP = 5,  /* of a rollback: the services that use the data volumes end */
    HOOK_START = 6, /* and run again */
    HOOK_PHASE_COUNT
};

enum hook_result {
    HOOK_EXITED = 1,    /* code is the exit code */
    HOOK_SIGNALLED = 2, /* code is the signal, not ours */
    HOOK_DEADLINE = 3,  /* killed, its whole process group, because deadline_ms passed */
    HOOK_REFUSED = 4,   /* never started: refusal says why */
    HOOK_FAILED = 5,    /* could not be started: os_errno */
};

enum hook_refusal {
    HOOK_REFUSAL_NONE = 0,
    HOOK_REFUSAL_MESSAGE = 1,      /* version, size, phase, an unterminated or unprintable string */
    HOOK_REFUSAL_PEER = 2,         /* neither root nor the user named */
    HOOK_REFUSAL_NOT_ABSOLUTE = 3, /* or with . or .. or // in it */
    HOOK_REFUSAL_MISSING = 4, /* os_errno; component says how much of the path is the culprit */
    HOOK_REFUSAL_SYMLINK = 5,
    HOOK_REFUSAL_OWNER = 6,    /* a component is not owned by root */
    HOOK_REFUSAL_WRITABLE = 7, /* a component can be written by group or others */
    HOOK_REFUSAL_NOT_FILE = 8, /* not a regular file, or not executable by its owner */
    HOOK_REFUSAL_DEADLINE = 9, /* deadline_ms had passed already */
};

struct hook_request {
    uint32_t version;
    uint32_t phase;             /* enum hook_phase */
    int64_t deadline_ms;        /* absolute, CLOCK_BOOTTIME */
    char path[HOOK_PATH_BYTES]; /* all strings end inside their arrays */
    char id[HOOK_ID_BYTES];
    char reason[HOOK_REASON_BYTES];
    char outcome[HOOK_OUTCOME_BYTES]; /* "" in prepare, hold and stop */
};

struct hook_reply {
    uint32_t version;
    uint32_t result;  /* enum hook_result */
    int32_t code;     /* exit code or signal */
    uint32_t refusal; /* enum hook_refusal */
    int32_t os_errno;
    uint32_t component_bytes; /* HOOK_REFUSED for the path's sake: path[0..component_bytes) is the
                                 culprit */
    int64_t took_us;
    uint32_t output_bytes;             /* of output[] */
    uint32_t output_lost;              /* bytes that came before the last HOOK_OUTPUT_BYTES */
    uint8_t output[HOOK_OUTPUT_BYTES]; /* the end of stdout and stderr together; not text to be
                                          trusted */
};

_Static_assert(sizeof(struct hook_request) ==
                   16 + HOOK_PATH_BYTES + HOOK_ID_BYTES + HOOK_REASON_BYTES + HOOK_OUTCOME_BYTES,
               "wire");
_Static_assert(sizeof(struct hook_reply) == 40 + HOOK_OUTPUT_BYTES, "wire");

#endif
