/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_WORK_H
#define STILLPOINT_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/catalog.h"
#include "agent/daemon/devices.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/lease.h"
#include "agent/daemon/mounts.h"
#include "agent/daemon/plan.h"
#include "aws/ec2.h"
#include "aws/ec2_describe.h"
#include "hooks/hook_chain.h"

/* What one backup (or a look at the node by `doctor`) has in hand. Made by work_open, filled step
 * by step, freed by work_close: worker thread only. */

enum { WORK_REASON_BYTES = 512 };

struct work_options {
    enum label asked;
    bool wait_complete;
    bool image;
    bool pin;
    bool dry_run;
    bool within; /* another job's: that has the node and keeps it, and the result is its business */
    int64_t keep_ms;    /* 0: no expiry of its own */
    int64_t max_age_ms; /* of one that may be used in its place: reuse.h. 0: none may */
    bool or_less;       /* where none of them is as asked, one that is less does too */
    char reason[WORK_REASON_BYTES];
    bool reason_cut; /* more was given than fits */
    struct strs tags;
    int64_t lease_ms;      /* 0: a backup; else how long this holds, for somebody else's snapshot */
    struct strs leave_out; /* of such a hold: mounts that are not frozen */
};

/* Of this backup's entry: work_journal.h. */
struct work_journal {
    bool written;
    bool stays; /* beyond the job: somebody else has to settle it */
    enum journal_step step;
    int64_t begun_boot_ms, begun_utc_us;
};

struct work {
    struct job *job;
    const struct config *config;
    struct work_options options;
    struct hook_job hook_job;

    struct identity identity;
    struct ec2 *ec2;
    struct lease *lease;
    struct hook_chain hooks;

    struct ec2_instance *instance;
    struct ec2_volumes volumes;
    struct device_attached *attached; /* one per volume */
    size_t attached_count;
    struct strs on_loan; /* of attached: left out of a cut (loan_gate.h) */

    struct buf mount_text;
    struct mounts mounts;
    struct mount_list mount_list;
    struct device_map device_map;
    struct device_trace *traces; /* one per entry of mount_list */
    struct plan *plan;
    struct strs appeared; /* sentences: what was mounted since the plan, so that nobody froze it, or
                                unmounted */

    struct backup *backup; /* what is told of it */
    struct work_journal journal;
    bool held;           /* a hold was begun: writers have waited */
    bool release_failed; /* some of what was held may still be; a warning told which */
};

void work_open(struct work *work, struct job *job);
void work_close(struct work *work); /* good for half-filled; lets go of whatever is still held */

/* A client for the region that the configuration or the node names.
 *   identity  NULL: [aws] region must be set (ERR_PRECONDITION) */
bool work_ec2(const struct config *config, const struct identity *identity,
              struct credentials *credentials, struct ec2 **ret_ec2, struct err *err);

/* Exit code for a failure before anything was held: INTERFACE.md. */
int work_exit_code(const struct err *err);
/* The same, of what comes before a job's work begins: ERR_BUSY means that another is at it. */
int work_begin_exit_code(const struct err *err);

#endif
