/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_ROOT_H
#define STILLPOINT_ROLLBACK_ROOT_H

#include "agent/daemon/rollback.h"

/* The root volume, by CreateReplaceRootVolumeTask: EC2 reboots the node in the middle. */

/* Whether the root volume is the one of ROLE, by EC2. */
bool rollback_root_is(const struct rollback *rollback, enum rollback_role role);

/* Has EC2 replace it: forward by the set's snapshot, back by the kept volume, and waits until this
 * node is told to end, or the task has failed.
 *   true   it has been replaced, and we still run
 *   false  ERR_CANCELLED: the daemon ends, as the reboot has it; ERR_AWS: the task has failed, the
 *          root volume is the one before */
bool rollback_root_replace(struct rollback *rollback, bool back, int64_t deadline_ms,
                           struct err *err);

/* After it: the new root volume gets its tags where the role may give it any, and goes with the
 * instance or not, as the one before. */
bool rollback_root_settle(struct rollback *rollback, int64_t deadline_ms, struct err *err);

#endif
