/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_SWEEP_H
#define STILLPOINT_LOAN_SWEEP_H

#include "agent/daemon/job.h"

/* Volumes on loan that no job has any more, because the daemon died, or because EC2 did not let
 * them go: those of the records (loan_record.h), and, once since the daemon's start, all that
 * EC2's tags call a loan of this instance. They are detached and deleted; those of a loan that was
 * being handed over are kept. A record that another instance has written, which came with a copied
 * disk, is void. On a thread of JOB, which must not have the node.
 *   ret_open  loans that have to be looked at again
 *   false     it could not be looked */
bool loan_sweep(struct job *job, int64_t deadline_ms, size_t *ret_open, struct err *err);

#endif
