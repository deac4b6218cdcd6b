/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_GATE_H
#define STILLPOINT_LOAN_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/agent.h"
#include "agent/daemon/strs.h"

/* Volumes on loan (loan.h) beside a backup. CreateSnapshots takes whatever is attached when EC2
 * gets to it, so what is attached must not change between a backup's plan and its cut:
 *   - a loan attaches and detaches only while no job has the node, and is `moving` meanwhile;
 *   - a job that takes the node has it at once, so that no new move begins, and then waits for
 *     those that run.
 * Neither waits for the other while it has what that one waits for; each wait has an end. */

enum { LOAN_GATE_SETTLE_MS = 180000 }; /* longer than any move may take */

/* Waits until nobody has the node; then it is a move, until loan_gate_leave.
 *   ret_waited  NULL, or whether there was a wait
 *   false       ERR_DEADLINE, ERR_CANCELLED: no move was begun */
bool loan_gate_enter(struct agent *agent, int64_t deadline_ms, const struct cancel *cancel,
                     bool *ret_waited, struct err *err);
void loan_gate_leave(struct agent *agent);
/* Of the job that has just taken the node (job_take_node calls it): waits until no move runs.
 *   false  ERR_BUSY with the remedy; ERR_CANCELLED */
bool loan_gate_settle(struct agent *agent, int64_t deadline_ms, const struct cancel *cancel,
                      struct err *err);

/* What this process has on loan now, loans and their volumes by id: a loan is added before its
 * first volume is asked for, a volume before it is attached. */
bool loan_gate_add(struct agent *agent, const char *id, struct err *err);
void loan_gate_remove(struct agent *agent, const char *id);
/*   ret_ids  added to */
bool loan_gate_list(struct agent *agent, struct strs *ret_ids, struct err *err);

#endif
