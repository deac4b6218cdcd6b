/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CUT_H
#define STILLPOINT_CUT_H

#include "agent/daemon/work.h"
#include "aws/ec2_snapshots.h"

/* The one CreateSnapshots of a backup, and what becomes of a set that is not to be kept. Worker
 * thread. */

struct cut {
    struct ec2_create_snapshots request; /* built before the hold */
    struct ec2_tags tags;                /* what every snapshot gets at its creation */
    char description[256];
    struct ec2_snapshot_set set;   /* what was made */
    bool ok;                       /* a good answer came */
    bool sent;                     /* the last try: EC2 may have acted on it */
    bool answered;                 /* it said no, by name: nothing was made */
    bool clock_corrected;          /* and that was for our clock, by now allowed for */
    bool adopted;                  /* the answer was lost, the whole set was found afterwards */
    int64_t begun_us, answered_us; /* clock_boot_us of the exchange */
    int64_t begun_utc_us, answered_utc_us; /* wall clock */
};

/* Before the hold: builds the request, asks EC2 by a dry run whether we may, on the connection that
 * the cut will use. Keys must outlast the hold by a minute. */
bool cut_prepare(struct work *work, struct cut *cut, int64_t deadline_ms, struct err *err);
/* Exactly one send where HELD (in a hold: no new connection, no retry).
 *   false  cut->sent and cut->answered say whether something may exist */
bool cut_make(struct work *work, struct cut *cut, bool held, int64_t deadline_ms, struct err *err);
/* A lost answer: looks for the snapshots by the backup's id until they are found or the deadline
 * passes; absence counts only then (EC2's list lags behind).
 *   ret_found  how many; cut->set has them. Whole where it equals the plan's volumes */
bool cut_find(struct work *work, struct cut *cut, int64_t deadline_ms, size_t *ret_found,
              struct err *err);
/* Deletes the set's snapshots; what can't be deleted is tagged `failed`, for the pruner.
 *   ret_left    how many are left
 *   ret_tagged  and all of those are tagged so
 *   false       some are left: ERR says why of the first */
bool cut_discard(struct work *work, struct cut *cut, size_t *ret_left, bool *ret_tagged,
                 struct err *err);
void cut_free(struct cut *cut);

#endif
