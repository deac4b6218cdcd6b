/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_RECORD_H
#define STILLPOINT_GUARD_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/guard/guard_wire.h"

/* The lease as both guard processes see it, and as the next guard finds it: one struct, mapped
 * shared from RUN/guard.lease. RUN is tmpfs, so a store is in the file at once, survives the death
 * of both processes, and cannot wait for a frozen disk. Atomic fields are those that either process
 * changes at any time; the rest is written by the one named. */

enum {
    GUARD_RECORD_VERSION = 2,
    GUARD_BOOT_ID_BYTES = 40,
    GUARD_RECOVERY_WAIT_MS = 2000, /* of the programs, in guard_record_recover */
};

#define GUARD_RECORD_MAGIC "SPLEASE" /* eight bytes with its NUL */

struct guard_record_mount {
    _Atomic uint32_t
        state;      /* enum guard_mount_state; only the freezer makes it FREEZING and FROZEN; who
                       thaws takes it to THAWING by compare-and-swap, so each is thawed once */
    uint32_t flags; /* keeper: GUARD_ADD_… */
    uint32_t dev_major; /* keeper: as named in ADD_MOUNT, from mountinfo */
    uint32_t dev_minor;
    uint64_t mnt_id;
    int64_t freeze_begin_boot_us; /* freezer */
    int64_t freeze_end_boot_us;
    int64_t thaw_begin_boot_us; /* whoever took it to THAWING */
    int64_t thaw_end_boot_us;
    int32_t freeze_errno;
    int32_t thaw_errno;
    char path[GUARD_MOUNT_PATH_BYTES]; /* keeper */
};

struct guard_record {
    char magic[8];
    uint32_t version;
    uint32_t bytes;
    char boot_id[GUARD_BOOT_ID_BYTES]; /* of the kernel that these freezes are in */
    _Atomic uint64_t lease;  /* number << 8 | enum guard_end_cause: see guard_record_end */
    int64_t deadline_ms;     /* keeper, before the freezer is told */
    _Atomic int32_t rcu_old; /* what rcu_expedited was, -1 = not changed (any more) */
    uint32_t rcu_was_set;    /* freezer */
    uint32_t mount_count;    /* keeper */
    uint32_t reserved;
    int64_t held_boot_us; /* freezer: after the last FIFREEZE */
    int64_t held_utc_us;
    _Atomic int64_t thaw_begin_boot_us; /* before the first FITHAW */
    int64_t thaw_begin_utc_us;

    struct guard_record_mount mounts[GUARD_MOUNTS_MAX];
};

/* Reads the kernel's boot id. False: no /proc. */
bool guard_record_boot_id(char ret_boot_id[GUARD_BOOT_ID_BYTES]);

/* Is this a record that can be believed? Pure. Exact size, magic, version, counts and strings
 * inside their arrays, known states; *ret_this_boot says whether its freezes are in this kernel. */
bool guard_record_check(const struct guard_record *record, size_t bytes,
                        const char boot_id[GUARD_BOOT_ID_BYTES], bool *ret_this_boot);

/* Makes a new, empty record at PATH (mode 0600), in place of what is there, and maps it. Its lock
 * (flock on *ret_fd) is held for as long as a process of this guard lives.
 *   false  errno; nothing was changed at PATH */
bool guard_record_make(const char *path, const char boot_id[GUARD_BOOT_ID_BYTES],
                       struct guard_record **ret_record, int *ret_fd);

/* Begins the next lease: a new number, no end, nothing frozen yet. Nothing may be frozen. rcu_old
 * stays: a freezer that was stopped in the lease before still has to put the setting back.
 *   keep_mounts  false: without mounts, for a new owner */
void guard_record_renew(struct guard_record *record, bool keep_mounts);

/* The number of the lease that the record is about. */
static inline uint64_t guard_record_lease(const struct guard_record *record)
{
    return atomic_load(&record->lease) >> 8;
}

/* Why lease NUMBER ended, GUARD_END_NONE while it stands. A lease that another has followed is
 * over. */
static inline enum guard_end_cause guard_record_cause(const struct guard_record *record,
                                                      uint64_t number)
{
    uint64_t lease = atomic_load(&record->lease);

    return lease >> 8 == number ? (enum guard_end_cause)(lease & 0xff) : GUARD_END_FORCED;
}

/* Ends lease NUMBER if nothing has: the first cause stays. The number makes that a process which
 * was stopped for long ends the lease that it knows, or none. */
static inline void guard_record_end(struct guard_record *record, uint64_t number,
                                    enum guard_end_cause cause)
{
    uint64_t standing = number << 8;

    (void)atomic_compare_exchange_strong(&record->lease, &standing, standing | (uint64_t)cause);
}

struct guard_recovery {
    bool found;            /* there was a record of this boot */
    uint32_t thawed_count; /* FITHAW returned 0 */
    uint32_t loose_count;  /* had been thawed already */
    uint32_t failed_count; /* could not be opened or thawed */
    uint32_t
        waiting_count; /* its FIFREEZE has not returned; a process of its own waits and thaws it */
    bool rcu_restored;
    bool is_damaged; /* a guard's file once, and not to be believed: cut short, another version's */
    bool is_other;   /* root's own file at PATH that never was one: nobody may touch it */
    bool is_planted; /* somebody else's, or no file: a guard that starts replaces it */
};

/* Lets go of what the record at PATH says that a guard has frozen, in reverse order, and puts
 * rcu_expedited back. Where the guard of that record still lives, its lease ends. A record of
 * another boot is only passed over; what cannot be believed is not touched, and is told.
 *   rcu_path  /sys/kernel/rcu_expedited
 *   wait_ms   how long to wait for what is thawed by a process of its own, see waiting_count */
void guard_record_recover(const char *path, const char boot_id[GUARD_BOOT_ID_BYTES],
                          const char *rcu_path, int wait_ms, struct guard_recovery *ret_recovery);

/* The same of the record behind TAKE_FD, which it closes: of the one that the caller has locked,
 * whatever lies at its path meanwhile. */
void guard_record_recover_fd(int take_fd, const char boot_id[GUARD_BOOT_ID_BYTES],
                             const char *rcu_path, int wait_ms,
                             struct guard_recovery *ret_recovery);

/* Whether the file of the record behind FD has been removed, replaced by another, or cut short. */
bool guard_record_is_gone(int fd);

/* Removes the record at PATH unless a living guard holds its lock. */
void guard_record_remove(const char *path);

#endif
