/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_FROZEN_H
#define STILLPOINT_GUARD_FROZEN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/guard/guard_keeper.h"
#include "agent/guard/guard_twin.h"

/* All that runs while something is frozen, in both processes. The root filesystem may be among the
 * frozen: so nothing here allocates, logs, uses stdio, forks or looks a path up
 * (tests/lint/frozen-symbols.sh checks the object files), and every page that it touches is locked
 * and was touched before. guard_frozen_freezer.c has the freezer's part, guard_frozen_keeper.c the
 * keeper's, guard_frozen.c what both do, guard_frozen_bus.c what a record that is cut short leads
 * to. */

/* The freezer's part of twin->lease, from the order until the lease is over. Reports FROZE and OVER
 * under SERIAL. Nothing that it froze is frozen when it returns. False: the keeper is gone. */
bool guard_frozen_freezer(struct guard_twin *twin, uint64_t serial);

/* The keeper's part of twin.lease: arms record->deadline_ms, orders the freeze, answers it, and
 * serves every client until the lease is over and nothing is frozen. keeper->state is GUARD_ENDED
 * then, or GUARD_IDLE where the owner is gone or asked for RESET; quit and twin_gone may be set. */
void guard_frozen_keeper(struct guard_keeper *keeper);

/* A thread of the freezer's crew: ARG is its struct guard_twin. Never returns. */
void *guard_frozen_worker(void *arg);

/* Thaws what the record says is frozen and nobody is thawing, in reverse order, each exactly once.
 *   twin_gone  the other process is dead: what it was freezing or thawing is ours to thaw as well.
 * In the freezer only while none of its crew is at work */
void guard_frozen_thaw(struct guard_twin *twin, bool twin_gone);

/* The story of the lease as the wire tells it, behind the head of *reply, with GUARD_OK. */
void guard_frozen_story(const struct guard_record *record, struct guard_reply_lease *reply);
/* HELLO's answer. */
void guard_frozen_hello(const struct guard_keeper *keeper, struct guard_reply_hello *reply);

/* Sends an order to the freezer, with FD (-1 = none). False: it does not take it (stopped, or
 * gone). */
bool guard_frozen_order(struct guard_keeper *keeper, enum guard_order_kind kind, uint32_t index,
                        uint32_t flags, int fd);

/* --- what the two parts share -------------------------------------------------------------- */

/* The process's own timer: DEADLINE_MS on CLOCK_BOOTTIME, 0 disarms. */
void guard_frozen_arm(const struct guard_twin *twin, int64_t deadline_ms);
bool guard_frozen_is_over(const struct guard_twin *twin);
/* The first cause stays. */
void guard_frozen_end(const struct guard_twin *twin, enum guard_end_cause cause);
/* Grace periods of a freeze: a millisecond each instead of ten (rcu_expedited). */
void guard_frozen_rcu_hurry(struct guard_twin *twin);
void guard_frozen_rcu_restore(struct guard_twin *twin);
/* One mount, unless its state is another than STATE by now: then somebody was faster. */
void guard_frozen_thaw_mount(struct guard_twin *twin, struct guard_record_mount *mount, int fd,
                             uint32_t state);
/* *ret_index: the first that is in STATE. */
bool guard_frozen_has(const struct guard_record *record, uint32_t state, int *ret_index);
bool guard_frozen_is_thawing(const struct guard_record *record);
bool guard_frozen_is_clear(const struct guard_record *record); /* nothing is frozen or on its way */

/* --- before any lease ---------------------------------------------------------------------- */

/* Has the pages of the keeper's part in memory; RECORD is one of no lease. */
void guard_frozen_touch(const struct guard_record *record);
/* Walks the freezing and thawing code on descriptors that are none (EBADF), on a record of its own,
 * so that its pages are in memory before they matter. */
void guard_frozen_rehearse(void);

#endif
