/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LAST_BACKUP_H
#define STILLPOINT_LAST_BACKUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/label.h"

/* The last backup, as `status` tells of it: agent->last_backup. Any thread. Where there is no
 * memory for what is new, what was known stands. */

/* What it is has become known: its label is in its tags. */
void last_backup_proved(struct agent *agent, json_t *take_backup);
/* More of it is known. */
void last_backup_set(struct agent *agent, json_t *take_backup);
/* FACTS take the place of what is known of backup ID; any other than the last is passed over. */
void last_backup_update(struct agent *agent, const char *id, json_t *take_facts);
/* null: none since the start. Given to the caller. */
json_t *last_backup_json(struct agent *agent);

/* The last one, if it was proved at SINCE_BOOT_MS or later.
 *   ret_id  JOB_ID_BYTES */
bool last_backup_since(struct agent *agent, int64_t since_boot_ms, char *ret_id,
                       enum label *ret_label);

#endif
