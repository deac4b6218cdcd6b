/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_TWIN_H
#define STILLPOINT_GUARD_TWIN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/guard/guard_record.h"

/* What each of the two guard processes has, and the orders and reports between them. */

/* The freezer's threads, one for each FIFREEZE that may run at the same time: grace periods and
 * disks are then waited for once, not one after the other, and the freezer itself can still hear
 * and thaw while a FIFREEZE sits in the kernel. Made when mounts are added, asleep between leases.
 */
struct guard_crew {
    unsigned count;        /* 0 in the keeper, and where no thread could be made */
    int job_fd;            /* eventfd, a semaphore: one for each job */
    int done_fd;           /* eventfd: jobs done */
    _Atomic uint32_t kind; /* enum guard_job of all jobs that are out */
    _Atomic uint32_t next; /* the mount that the next GUARD_JOB_FREEZE is about */
};

enum guard_job { GUARD_JOB_FREEZE = 1, GUARD_JOB_THAW = 2 };

enum { GUARD_CREW_MAX = 8 };

/* What is frozen, once more, where nobody else reaches: the record has a path, and can be cut short
 * or written over. */
enum guard_ledger_entry { GUARD_LEDGER_LOOSE, GUARD_LEDGER_FREEZING, GUARD_LEDGER_FROZEN };

struct guard_ledger {
    _Atomic uint32_t entries[GUARD_MOUNTS_MAX]; /* enum guard_ledger_entry */
};

struct guard_twin {
    struct guard_record *record;     /* shared by both */
    uint64_t lease;                  /* the number of the lease that this process is busy with */
    int mount_fds[GUARD_MOUNTS_MAX]; /* opened before the lease; -1 = none */
    int twin_fd;            /* SOCK_SEQPACKET to the other; its end of file means that it died */
    int timer_fd;           /* CLOCK_BOOTTIME, the deadline */
    int rcu_fd;             /* /sys/kernel/rcu_expedited, -1 where it can't be written */
    struct guard_crew crew; /* the freezer's */
    struct guard_ledger *ledger; /* shared by both, of no file */
};

/* The manifest on its way from keeper to freezer, and what became of it; mapped shared, 0 at first.
 * The keeper writes it only while the freezer has no order that it has not reported back on. */
struct guard_manifest {
    uint32_t length;
    uint32_t written_count;
    uint32_t skipped_count;
    uint32_t failed_count;
    int32_t os_errnos[GUARD_MOUNTS_MAX];
    uint8_t bytes[GUARD_MANIFEST_BYTES_MAX];
};

enum guard_order_kind {
    GUARD_ORDER_ADD = 1,      /* carries the descriptor of mount index */
    GUARD_ORDER_FORGET = 2,   /* close all of them */
    GUARD_ORDER_SYNC = 3,     /* reported */
    GUARD_ORDER_MANIFEST = 4, /* reported */
    GUARD_ORDER_FREEZE =
        5, /* reported: GUARD_REPORT_FROZE, and once the lease is over GUARD_REPORT_OVER */
    GUARD_ORDER_OVER = 6, /* the keeper has ended the lease */
};

struct guard_order {
    uint32_t kind;
    uint32_t index;
    uint32_t flags; /* ADD: GUARD_ADD_… */
    uint32_t reserved;
    uint64_t serial; /* echoed in the report */
    uint64_t lease;
};

enum guard_report_kind {
    GUARD_REPORT_DONE = 1,  /* SYNC or MANIFEST */
    GUARD_REPORT_FROZE = 2, /* every FIFREEZE has returned; the record says how */
    GUARD_REPORT_OVER = 3,  /* nothing of this lease is frozen by the freezer any more */
};

struct guard_report {
    uint32_t kind;
    int32_t os_errno;
    uint64_t serial;
    int64_t took_us;
};

#endif
