/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_READY_H
#define STILLPOINT_READY_H

#include "agent/daemon/hold.h"
#include "agent/daemon/work.h"

/* What comes before a hold and after it, of a backup and of a hold for somebody else. Worker
 * thread; nothing of it runs while anything is held. */

/* Whether what comes after the hold will be allowed; asked of EC2 once there is a plan. */
typedef bool ready_rights(struct work *work, int64_t deadline_ms, struct err *err);

/* Identify and plan: work->plan and work->backup are made, the hooks are prepared (and on record).
 *   rights  NULL: EC2 is asked for nothing afterwards */
bool ready_plan(struct work *work, ready_rights *rights, int64_t deadline_ms, struct err *err);
/* A hook that could not be prepared, and what the plan lacks, is known before anybody waits: warns,
 * or refuses (on_shortfall = discard). */
bool ready_tell_shortfalls(struct work *work, struct err *err);
void ready_tell_retry(struct work *work, const struct err *err, int64_t wait_ms);

/* A copy without its manifest is as good, but says less of itself. */
void ready_tell_manifests(struct work *work, const struct hold *hold);
/* The plan is as old as the hold: what was mounted since was not frozen. */
bool ready_look_again(struct work *work, struct err *err);
/* The part that changes the node is over: the hooks are told, the guard is let go. Idempotent. */
void ready_end(struct work *work, const char *outcome);
/* That, and the next job may begin. */
void ready_leave_node(struct work *work, const char *outcome);

#endif
