/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_SWAP_H
#define STILLPOINT_ROLLBACK_SWAP_H

#include "agent/daemon/rollback.h"

/* The exchange of the data volumes in EC2. Looks first and then acts, at each turn. */

/* Data volumes of role LEAVING go, those of the other role come under the same names, until EC2
 * says that they are attached; delete-on-termination as it was. Not cancellable. false
 * ERR_CANCELLED: the daemon ends. It is in the middle */
bool rollback_swap(struct rollback *rollback, enum rollback_role leaving, int64_t deadline_ms,
                   struct err *err);

#endif
