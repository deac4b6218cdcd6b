/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_SURVEY_H
#define STILLPOINT_ROLLBACK_SURVEY_H

#include "agent/daemon/rollback.h"

/* The node as it is now, for a plan or for what is mounted of a volume. */

/* Asks EC2 and the guard once more. The input borrows from rollback->work, until the next call.
 *   ret_input  without set and mode; its parts are given to the caller (rollback_survey_free) */
bool rollback_survey(struct rollback *rollback, int64_t deadline_ms,
                     struct rollback_plan_input *ret_input, struct err *err);
void rollback_survey_free(struct rollback_plan_input *input); /* idempotent */

#endif
