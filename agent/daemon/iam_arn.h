/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_IAM_ARN_H
#define STILLPOINT_IAM_ARN_H

#include <stdbool.h>

#include "agent/base/err.h"

/* What operators name to a policy: "arn:aws:kms:REGION:ACCOUNT:key/ID" and
 * "arn:aws:iam::ACCOUNT:role/PATH/NAME", of any partition. Whether there is such a one is not
 * asked.
 *   false  ERR_USAGE */
bool iam_arn_check_key(const char *arn, struct err *err);
/* Any form that EC2 takes a key in: that ARN, an alias' ARN, "alias/NAME", or its bare id. */
bool iam_arn_check_any_key(const char *key, struct err *err);
bool iam_arn_check_role(const char *arn, struct err *err);

#endif
