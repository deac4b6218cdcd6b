/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_KEEPER_H
#define STILLPOINT_GUARD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/guard/guard_conn.h"
#include "agent/guard/guard_lookup.h"
#include "agent/guard/guard_twin.h"

/* The keeper: the process that owns the socket, the lease and its deadline. */

struct guard_wait {
    int client;       /* who waits for the answer; -1 = nobody (any more) */
    int64_t begin_us; /* clock_boot_us() */
    int64_t until_ms; /* GUARD_TIMEOUT then; clock_boot_ms() */
};

struct guard_keeper {
    struct guard_twin twin;
    struct guard_conn conn;
    struct guard_manifest *manifest; /* shared with the freezer */
    enum guard_state state;
    int signal_fd;    /* SIGTERM, SIGINT, SIGHUP */
    int notify_fd;    /* to systemd; -1 = none */
    int64_t alive_ms; /* when the watchdog is to be told next that we live; clock_boot_ms() */
    pid_t freezer_pid;
    int64_t started_boot_us;
    uint32_t recovered_count;
    int record_fd;         /* its lock says that this guard lives; open until the end */
    dev_t record_dev;      /* where the record lies: never to be frozen */
    uint64_t order_serial; /* of the latest order */
    uint64_t busy_serial;  /* SYNC or MANIFEST not yet reported back, 0 = none */
    struct guard_wait order_wait;
    struct guard_wait lookup_wait;
    struct guard_lookup lookup;
    struct guard_msg_add_mount adding; /* the ADD_MOUNT whose look-up runs */
    bool quit;                         /* a signal said so: exit once nothing is frozen */
    bool twin_gone;                    /* the freezer died: thaw, exit 1 */
    bool told_freezer;                 /* of the end of this lease */
};

/* Serves until a signal (returns 0) or the freezer's death (returns 1); nothing is frozen by this
 * guard then. KEEPER is filled in by main: descriptors open, the freezer running, state GUARD_IDLE.
 */
int guard_keeper_run(struct guard_keeper *keeper);

#endif
