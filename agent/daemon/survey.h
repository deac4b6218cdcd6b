/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SURVEY_H
#define STILLPOINT_SURVEY_H

#include "agent/daemon/work.h"

/* The look at the node before a backup, step by step; `doctor` takes the same steps one by one.
 * Nothing is held by any of them. Each fails as the module that it asks does. */

/* Who this node is, and the way to its EC2. */
bool survey_node(struct work *work, int64_t deadline_ms, struct err *err);
/* The same, remembered: a changed identity drops what an earlier one left in the state directory.
 */
bool survey_identity(struct work *work, int64_t deadline_ms, struct err *err);
/* The instance and its volumes, from EC2. */
bool survey_cloud(struct work *work, int64_t deadline_ms, struct err *err);
/* After survey_cloud: whether the instance is to run on; also asked right before each hold.
 *   false  ERR_PRECONDITION: EC2 stops it, or has said that it is about to terminate it */
bool survey_stays(struct work *work, int64_t deadline_ms, struct err *err);
/* The guard, and what the mount table and sysfs say: which filesystem lies on which volume. */
bool survey_devices(struct work *work, int64_t deadline_ms, struct err *err);
/* The hooks that are configured, and the database servers found; the chain is built, nothing is
 * called yet.
 *   with_exec  exec hooks too */
bool survey_hooks(struct work *work, bool with_exec, struct err *err);
/* The exec hooks of those NAMES that are still configured, in that order, into CHAIN: their release
 * and finish alone, prepare and hold do nothing. */
bool survey_exec_hooks(struct work *work, const struct strs *names, struct hook_chain *chain,
                       struct err *err);
/* The exec hooks that stop and start services, for a rollback, into CHAIN: no other phase of theirs
 * is called. */
bool survey_service_hooks(struct work *work, struct hook_chain *chain, struct err *err);
bool survey_has_service_hooks(const struct config *config); /* Pure */
/* For a backup that holds no database: where the files of those servers that answer soon lie, into
 * work->backup, so that a copy of them can be started. Only want of memory fails it. */
bool survey_databases(struct work *work, int64_t deadline_ms, struct err *err);
/* From all of these to work->plan. Hooks must be prepared. Where the mounts' order forbids what a
 * server's lock needs, the server is told to block commits. */
bool survey_plan(struct work *work, int64_t deadline_ms, struct err *err);

/* After the hold: looks at the mount table once more. What was mounted since the plan and lies, or
 * may lie, on a volume of the set goes into work->appeared; what is gone, too.
 *   false  it could not be looked at, which is no proof that there is nothing */
bool survey_appeared(struct work *work, int64_t deadline_ms, struct err *err);

#endif
