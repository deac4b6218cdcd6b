/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_IAM_POLICY_H
#define STILLPOINT_IAM_POLICY_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* The least IAM policy that does what is configured. Pure.
 *
 * A role is shared by many nodes, so what a node may do is bound to the instance that asks by
 * ec2:SourceInstanceARN, which the credentials of an instance carry: what it makes must say in
 * stillpoint:instance whose it is, and what it changes must have said so from its creation.
 * (ec2:SourceInstanceARN can't fill in a Resource; the other keys can fill in what it is compared
 * with.) */

enum iam_role { IAM_NODE, IAM_PRUNER, IAM_RESTORE, IAM_ROLE_COUNT };

enum {
    IAM_WITH_VERIFY = 1,  /* verify, restore files and restore volumes, on the node itself */
    IAM_WITH_ROLLBACK = 2 /* rollback, on the node itself */
};

enum { IAM_POLICY_CHARS_MAX = 6144 }; /* of a managed policy, white space not counted */

struct iam_policy_want {
    enum iam_role role;
    unsigned with;                    /* IAM_WITH_…, of a node */
    const char *region;               /* NULL or "": any */
    const char *account;              /* NULL or "": the caller's */
    bool image;                       /* a backup makes an image */
    bool billed;                      /* by CreateImage */
    struct strs kms_keys, pass_roles; /* ARNs; borrowed */
};

const char *const *iam_role_names(void); /* "node"…, in their order, then NULL */
const char *const *iam_with_names(void); /* "verify"…, in the order of the bits, then NULL */

/*   ret_policy  given to the caller (json_decref)
 *   false       ERR_USAGE: WANT has what its role has no use for; ERR_LIMIT: longer than IAM takes
 */
bool iam_policy_make(const struct iam_policy_want *want, json_t **ret_policy, struct err *err);

#endif
