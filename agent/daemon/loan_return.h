/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_RETURN_H
#define STILLPOINT_LOAN_RETURN_H

#include "agent/daemon/loan_record.h"
#include "agent/daemon/work.h"
#include "aws/ec2.h"

/* How volumes on loan go, for loan_end and for loan_sweep.h. */

/* Detaches and deletes what EC2 shows by FILTERS, until it shows nothing more. Detaches only while
 * no backup has the node.
 *   cancel     NULL: not to be cancelled
 *   ret_seen   how many there were
 *   false      some may be left, or it could not be looked */
bool loan_return_found(struct work *work, const struct ec2_filter *filters, size_t filter_count,
                       int64_t deadline_ms, const struct cancel *cancel, size_t *ret_seen,
                       struct err *err);
/* Takes the tag of the loan from all that have it: they are the operator's. */
bool loan_return_keep(struct work *work, const struct loan *loan, int64_t deadline_ms,
                      struct err *err);

#endif
