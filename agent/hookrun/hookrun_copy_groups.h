/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_GROUPS_H
#define STILLPOINT_HOOKRUN_COPY_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/hookrun/hookrun_copy_session.h"

/* LVM on the copy. Its volume groups have the names and UUIDs of the node's own: vgimportclone
 * gives them others ("stillpoint_PID_N", the PID of the session's starter), in a /dev where LVM
 * sees the session's devices alone and with a configuration of ours, so that it never looks at the
 * node's. */

/* GROUPS: renames and activates; the reply has the logical volumes as items. */
enum copy_status copy_groups_find(struct copy_session *session, int64_t deadline_ms);
/* Deactivates them; COPY_OK where there are none. */
enum copy_status copy_groups_end(struct copy_session *session, int64_t deadline_ms);

/* Of the starter, in the node's namespaces: removes what is active of the groups of session OWNER
 * (0: of none) and of sessions that do not live any more. What device-mapper maps outlives every
 * process, so this is what a killed session's groups are removed by. */
void copy_groups_sweep(pid_t owner);

/* Is a device-mapper NAME one of a session's, and whose? Pure. */
bool copy_groups_owner(const char *name, pid_t *ret_owner);

/* The value of KEY in a LINE of LVM's --nameprefixes (KEY='value' …) into VALUE; false: none, or
 * too long. Pure. */
bool copy_groups_field(const char *line, size_t length, const char *key, char *value, size_t bytes);

#endif
