/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOLD_H
#define STILLPOINT_HOLD_H

#include "agent/daemon/work.h"

/* The time in which writers wait: taken, cut (cut.h), released. Worker thread; from hold_take to
 * hold_release nothing is logged (log_hold), no event is told, no SQL is sent but the hooks' own
 * before the freeze. */

enum { HOLD_COUNTERS_MAX = 16 };

/* The write counter of a partition that is synced rather than frozen (vfat). */
struct hold_counter {
    size_t mount; /* index in plan->mounts */
    int fd;       /* of its sysfs stat file, opened before the hold */
    uint64_t before, after;
    bool before_ok, after_ok;
};

struct hold {
    bool hooks_called; /* hook_chain_release is due */
    bool lease_called; /* the thaw is due */
    bool story_known;  /* the guard told how it ended */
    bool quiet;        /* metrics_release is due */
    int64_t deadline_ms;
    /* clock_boot_us; 0 where it did not come to it */
    int64_t begin_us, hooks_held_us, frozen_us;
    int64_t thaw_begin_us, thawed_us, end_us;
    int64_t clock_offset_before_us; /* wall clock minus boot clock */
    int64_t clock_offset_after_us;
    bool clock_synced;      /* at the end; false where the kernel does not say */
    int64_t clock_error_us; /* the kernel's bound; none where the clock is not synced (clock.h) */
    struct guard_reply_lease story;
    int32_t manifest_errnos[GUARD_MOUNTS_MAX];
    struct hold_counter counters[HOLD_COUNTERS_MAX];
    size_t counter_count;
};

/* Before the first hold, writers run: hands the mounts to the guard in the plan's order and opens
 * the counters. */
bool hold_prepare(struct work *work, struct hold *hold, int64_t deadline_ms, struct err *err);
/* Before each hold: writes out what is dirty until one more time takes less than 50 ms. */
bool hold_sync(struct work *work, int64_t deadline_ms, struct err *err);
/* Before the first hold: freezes and thaws at once, under the lease like any freeze. What can't be
 * frozen, or is by somebody else, is known before a server is locked and before the manifest is
 * written: into a frozen filesystem that write would sleep, beyond any signal, until it is thawed.
 * There is no other way to ask the kernel. Costs the writers a few milliseconds.
 *   false  as lease_freeze; nothing of ours is frozen */
bool hold_rehearse(struct work *work, struct err *err);

/* Hooks in order, the positions, the manifest, the freeze. With asked = filesystem no hook is
 * called, with asked = crash this does nothing; a plan without a mount freezes none.
 *   last_try  a hook that isn't required may be passed over for a lock that it can't get
 *   false     hold_release is due all the same */
bool hold_take(struct work *work, struct hold *hold, bool last_try, struct err *err);
/* Reads the counters again: right after the answer, before hold_release. */
void hold_count(struct hold *hold);
/* Thaws, has the hooks prove that they held, and releases them, in this order, whatever fails.
 * Idempotent.
 *   attest  there is a cut to attest
 *   false   something may still be held; the text says what and until when. The label judges by
 *           hold->story and the hooks' proofs, not by this */
bool hold_release(struct work *work, struct hold *hold, bool attest, const char *outcome,
                  struct err *err);
/* Ready for another try, or done with: closes nothing that a next hold needs. */
void hold_reset(struct hold *hold);
void hold_close(struct hold *hold); /* the counters' descriptors; idempotent */

#endif
