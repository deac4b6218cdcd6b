/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_STATUS_H
#define STILLPOINT_LOAN_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/agent.h"

/* What is on loan (loan.h), for `status`; and what hinders its return, for the log. */

/* [{"id", "backup", "purpose", "volumes", "since", "in_use", "why"}] of the records; in_use: a job
 * of this process has it; why it is not given back yet, or null. Reads STATE/loans. */
json_t *loan_status_json(struct agent *agent);

/* A look at LOAN could not give it back; NULL: it has, or it is void. Any thread.
 *   returns  whether it is to be logged: it is news (another kind of error), or was not said for
 *            an hour */
bool loan_status_note(struct agent *agent, const char *loan, const struct err *why);

#endif
