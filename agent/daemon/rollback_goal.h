/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_GOAL_H
#define STILLPOINT_ROLLBACK_GOAL_H

#include "agent/daemon/rollback.h"
#include "agent/daemon/whole_set.h"

/* What a rollback to a set is made of, before its first step. */
struct rollback_goal {
    struct whole_set set;
    struct rollback_plan_input input;
    struct rollback_plan plan;
};

/* Finds the set that ID means, plans, and asks EC2 for what can be known beforehand: no other
 * rollback, snapshots that can be used, rights; and stillpoint-hook, whether it is there. Nothing
 * is made.
 *   ret_goal  {0} at first; rollback_goal_free in any case
 *   false     ERR_PRECONDITION, ERR_AWS_DENIED, … with the remedy */
bool rollback_goal_set(struct rollback *rollback, const char *id, struct rollback_goal *ret_goal,
                       struct err *err);
void rollback_goal_free(struct rollback_goal *goal); /* idempotent */

/* And before the node is touched, of the volumes themselves, with their tags on.
 *   false  ERR_AWS_DENIED: names the right */
bool rollback_goal_may_swap(struct rollback *rollback, struct err *err);

/* Before the undo of one that is done (of any other step, what is begun has to go on): whether
 * stillpoint-hook is there for it.
 *   false  ERR_PRECONDITION: the rollback stands */
bool rollback_goal_may_undo(struct rollback *rollback, struct err *err);

#endif
