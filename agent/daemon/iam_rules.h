/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_IAM_RULES_H
#define STILLPOINT_IAM_RULES_H

#include "agent/daemon/iam_policy.h"

/* The statements of the roles' policies, as a table. Those of the same resources and the same
 * bound, CreateTags in other calls apart, become one. */

/* Beside IAM_WITH_…: what decides about a statement, too. */
enum { IAM_WITH_REGISTER_IMAGE = 4, IAM_WITH_CREATE_IMAGE = 8 };

/* What a statement is bound to. NEW: what is about to be made, by the tags asked for it; a RETAG
 * changes tags of what is there, but not whose it is, nor of which set. */
enum iam_bound {
    IAM_FREE,
    IAM_OWN_INSTANCE, /* the instance that asks */
    IAM_OWN_NEW,      /* of it, by stillpoint:instance */
    IAM_OWN_NEW_LOAN, /* and a volume on loan (loan_record.h) */
    IAM_OWN,
    IAM_OWN_LOAN,
    IAM_OWN_RETAG,
    IAM_OWN_INSTANCE_RETAG,
    IAM_OURS,          /* Stillpoint's, of whatever node */
    IAM_OURS_IMAGE_OF, /* a snapshot that CreateImage made */
    IAM_OURS_STRAY,    /* made by a backup, as its stillpoint:state says; it may have lost its id */
    IAM_OURS_RETAG,
    IAM_NEW_LOAN,
    IAM_LOAN,
    IAM_LAUNCHED /* of an instance that `restore instance' launched */
};

struct iam_rule {
    enum iam_role role;
    unsigned when; /* IAM_WITH_…: all of them must be wanted */
    const char *sid;
    const char *actions;   /* of EC2 */
    const char *resources; /* kinds, or "*" */
    enum iam_bound bound;
    const char *made_by; /* CreateTags in these calls only; "": not in a call, or no CreateTags */
};

extern const struct iam_rule iam_rules[]; /* ends with a SID of NULL */

#endif
