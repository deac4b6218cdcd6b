/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PLAN_ORDER_H
#define STILLPOINT_PLAN_ORDER_H

#include <stdbool.h>

#include "agent/daemon/plan_item.h"

/* Puts the mounts that are taken into maker->plan->mounts, in the order of freezing, and says for
 * each server whether the order that it needs could be had. The fates are decided by then.
 *   false  ERR_PRECONDITION: more than the guard takes, or no order there is; ERR_INTERNAL */
bool plan_order(struct plan_maker *maker);

#endif
