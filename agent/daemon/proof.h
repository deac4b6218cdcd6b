/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PROOF_H
#define STILLPOINT_PROOF_H

#include "agent/daemon/attest.h"
#include "agent/daemon/cut.h"
#include "agent/daemon/hold.h"

/* Gathers what guard, hooks and clocks say of a hold that is over, has attest.h judge it, and puts
 * label, window and times into work->backup. No I/O. */
bool proof_judge(struct work *work, const struct hold *hold, const struct cut *cut,
                 struct attest_result *ret_result, struct err *err);

#endif
