/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_LOCKS_H
#define STILLPOINT_EC2_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "aws/ec2.h"

/* DescribeLockedSnapshots of our own account, page by page: EACH gets the id of a snapshot that
 * can't be deleted by anybody while its lock lasts (one that has expired is passed over). A false
 * of EACH ends it with its err. AWS_SAFE. */
bool ec2_describe_locked_snapshots(struct ec2 *ec2, int64_t deadline_ms,
                                   const struct cancel *cancel,
                                   bool (*each)(void *self, const char *snapshot_id,
                                                struct err *err),
                                   void *self, struct err *err);

#endif
