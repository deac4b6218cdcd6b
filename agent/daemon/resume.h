/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESUME_H
#define STILLPOINT_RESUME_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/daemon/agent.h"

/* What earlier backups left, because the daemon died, or because their outcome could not be known
 * then: the journal says where to look, EC2's tags what there is. A whole set is adopted (its label
 * falls to what was proved) and brought to its end, image and all; a part of one is removed, or
 * tagged `failed` where the right is missing; hooks are released. A set whose tags say that it was
 * confirmed is never lowered or removed: the journal that says otherwise came with a restored disk
 * (but see resume_left.c for one that EC2 itself failed to complete). */

enum { RESUME_NOTES_MAX = 8 };

/* One look at each entry that no job works on, each done as far as it can be now. One at a time;
 * where another thread is at it, does nothing. On a thread of JOB.
 *   ret_open  how many have to be looked at again; 0 where another is at it
 *   false     state directory, metadata service: nothing could be looked at */
bool resume_pass(struct job *job, int64_t deadline_ms, size_t *ret_open, struct err *err);

/* The job that goes on until nothing is open, of volumes on loan neither (loan_sweep.h); without a
 * client. Loop thread starts it. */
void resume_command(struct job *job);
/* Asks the loop for such a job. Any thread. */
void resume_want(struct agent *agent);

/* For `status`: entries that no backup works on, [{id, step, since, why}], step and since null
 * where the file can't be read; and what was settled since the daemon's start, the last
 * RESUME_NOTES_MAX, [{id, outcome, text, at}]. NULL without memory. */
json_t *resume_unsettled_json(struct agent *agent);
json_t *resume_settled_json(struct agent *agent);
/* Whether there is an entry of the backup ID, so that somebody will settle it. */
bool resume_knows(struct agent *agent, const char *id);

#endif
