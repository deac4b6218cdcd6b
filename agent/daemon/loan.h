/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_H
#define STILLPOINT_LOAN_H

#include "agent/daemon/loan_record.h"
#include "agent/daemon/work.h"

/* Volumes on loan: made from a set's snapshots, for a while attached to an instance, given back:
 * detached and deleted. Each is tagged at its creation as a volume of this loan, and made with a
 * token of loan and snapshot, so that a lost answer is asked for again and no volume is forgotten;
 * a daemon that dies leaves the record (loan_record.h), and the next one gives them back
 * (loan_sweep.h). Beside a backup: loan_gate.h.
 *
 * Worker thread; WORK has job, configuration and ec2. The straight line:
 *   loan_open, loan_place (to attach: loan_names.h), loan_make, loan_attach, loan_find; loan_end in
 *   any case, and loan_close last */

/* How the volumes are made; all zero is as EC2 would. */
struct loan_kind {
    const char *zone; /* needed */
    const char *type; /* NULL: gp3 */
    int64_t iops, throughput_mibs;
    const char *kms_key_id;
    bool encrypted;
    int64_t initialization_rate_mibs;
};

/* How long EC2 is waited for, with a backup that has the node meanwhile. */
enum { LOAN_MAKE_MS = 30 * 60 * 1000, LOAN_ATTACH_MS = 20 * 60 * 1000 };

/* As EC2 would, in this node's zone, which WORK knows. */
struct loan_kind loan_kind_here(const struct work *work);

/* Names the loan, with a volume for each snapshot of BACKUP, in its order. Nothing is asked of EC2.
 *   only       source volumes or snapshots that are wanted; NULL or empty: all
 *   ret_loan   given to the caller (loan_free)
 *   false      ERR_USAGE: ONLY names one that is not in the set; ERR_INTERNAL */
bool loan_open(struct work *work, enum loan_purpose purpose, const struct backup *backup,
               const struct strs *only, struct loan *ret_loan, struct err *err);
/* Asks EC2 whether it would make each (DryRun): what is asked for, and our right to it.
 *   false  what loan_make would say of it */
bool loan_try(struct work *work, const struct loan *loan, const struct backup *backup,
              const struct loan_kind *kind, int64_t deadline_ms, struct err *err);
/* Writes the record, has EC2 make all of them, waits until they are available.
 *   false  some may exist: loan_end */
bool loan_make(struct work *work, struct loan *loan, const struct backup *backup,
               const struct loan_kind *kind, int64_t deadline_ms, struct err *err);
/* Attaches them, when no backup has the node, and waits until EC2 says so. A name that EC2 says is
 * taken gives way to the next free one, a few times, unless the operator wanted it. */
bool loan_attach(struct work *work, struct loan *loan, const char *instance_id, int64_t deadline_ms,
                 struct err *err);
/* Waits until the kernel shows each; fills in kernel_device and its number. On this node only. */
bool loan_find(struct work *work, struct loan *loan, int64_t deadline_ms, struct err *err);
/* All three of a loan that was placed on this node, each a step of the job.
 *   false  some may exist: loan_end */
bool loan_bring(struct work *work, struct loan *loan, const struct backup *backup, struct err *err);

/* Gives them back: detached and deleted, nothing of them mounted any more; then the record goes.
 * Not to be cancelled, but bounded; shorter where the daemon ends. Idempotent, and fine for a loan
 * of which nothing was made.
 *   false  some may be left, ERR says why: the record stays, and the next pass of loan_sweep.h is
 *          asked for */
bool loan_end(struct work *work, struct loan *loan, struct err *err);
/* They are the operator's now: recorded, the tag taken off, TAGS put on, the record gone.
 *   false  those that still have the tag are deleted unless loan_sweep.h can end it: it is asked */
bool loan_hand_over(struct work *work, struct loan *loan, const struct ec2_tags *tags,
                    struct err *err);
/* Last, whatever came before: its names are free for others; loan_free. */
void loan_close(struct work *work, struct loan *loan);

#endif
