/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESTORE_CONFLICT_H
#define STILLPOINT_RESTORE_CONFLICT_H

#include "agent/daemon/restore_plan.h"

/* Nodes that are in the way of a new one: of the same name, or at its address. Worker thread. */

/* Looks for live instances (pending, running, stopping, stopped) of the plan's name, at its
 * address, and for one that the very same command has launched before (plan->running), which is in
 * nobody's way. With `replace` the name may be had twice, and the original's address is asked for
 * where nobody has it any more.
 *   false  ERR_PRECONDITION: names the instance, and what to do */
bool restore_conflict_check(struct work *work, const struct restore_request *request,
                            struct restore_plan *plan, int64_t deadline_ms, struct err *err);

/* A note into the plan, told as a warning at once. */
bool restore_plan_note(struct work *work, struct restore_plan *plan, const char *remedy,
                       struct err *err, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
