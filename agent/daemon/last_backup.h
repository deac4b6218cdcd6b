/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LAST_BACKUP_H
#define STILLPOINT_LAST_BACKUP_H

#include "agent/daemon/agent.h"

/* The last backup, as `status` tells of it: agent->last_backup. */

/* Backup ID has the verdict VERIFIED in its tags now; any other than the last is passed over. Any
 * thread. */
void last_backup_verified(struct agent *agent, const char *id, const char *verified);

#endif
