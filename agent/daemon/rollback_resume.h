/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_RESUME_H
#define STILLPOINT_ROLLBACK_RESUME_H

#include <jansson.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/rollback.h"

/* A rollback that an earlier daemon was at, or that has rebooted the node, is found by the tag of
 * the instance at each start, and gone on with: before its first volume was detached it goes back,
 * afterwards it goes to its end. */

/* The job; without a client. Loop thread starts it. */
void rollback_resume(struct job *job);
/* Asks the loop for such a job. Any thread. */
void rollback_want(struct agent *agent);

/* For `status`: {"id", "set", "mode", "step", "backup", "kept": [{"volume", "device"}], "made"};
 * null: none is known of. Given to the caller. Any thread. */
json_t *rollback_status_json(struct agent *agent);
/* The same of what ROLLBACK has in hand; NULL: no memory. */
json_t *rollback_json(const struct rollback *rollback);
/* What is known from now on. take_json is swallowed, NULL: there is none. Any thread. */
void rollback_note(struct agent *agent, json_t *take_json);

/* Whether a backup may be taken: not while a rollback is between before and after.
 *   tags   of the instance
 *   false  ERR_BUSY: names it; ERR_PRECONDITION: it is a later version's */
bool rollback_allows_backup(const struct ec2_tags *tags, struct err *err);

#endif
