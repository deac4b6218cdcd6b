/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RESTORE_REMEDY_H
#define STILLPOINT_RESTORE_REMEDY_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "aws/ec2.h"

/* What EC2 refuses of a restore, and which of its options is the way out. Pure but for the last
 * outcome. */

struct restore_remedy {
    const char *code;
    const char *within; /* in EC2's message, where the code alone says too little; NULL */
    const char *remedy;
};

/* The first of LIST that fits what EC2 said to the last request, in place of any other remedy;
 * nothing where ERR is not of that answer, or none fits.
 *   list   ends with a code of NULL
 *   false  always, as err_suggest */
bool restore_remedy_suggest(const struct restore_remedy *list, const struct ec2 *ec2,
                            struct err *err);

#endif
