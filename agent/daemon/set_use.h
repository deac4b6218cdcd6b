/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SET_USE_H
#define STILLPOINT_SET_USE_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/job.h"

/* Who works on a set, and which one is being removed: never the same, within this daemon. Each side
 * says what it begins and looks for the other under one mutex. Other machines see tags alone.
 * Worker thread. */

/* From here to its end JOB works on the set ID; on no other any more.
 *   false  ERR_BUSY with the remedy: it is being removed */
bool set_use_begin(struct job *job, const char *id, struct err *err);
/* Whether a job makes the set ID, or works on it. Any thread. */
bool set_use_is(struct agent *agent, const char *id);

/* ID is being removed, until set_use_end_removal; by the one that has the turn (prune_run.h).
 *   false  a job is at it: it stays */
bool set_use_begin_removal(struct agent *agent, const char *id);
void set_use_end_removal(struct agent *agent); /* idempotent */

#endif
