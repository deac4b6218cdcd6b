/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_MOUNTS_ORDER_H
#define STILLPOINT_MOUNTS_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/mounts.h"

/* The order in which mounts are frozen. Pure. */

/* "mount A before mount B" by index. */
struct mount_rule {
    size_t before, after;
    bool wanted_only; /* dropped where the rest forbids it; else it wins over nesting and root-last
                       */
    bool met;         /* set by mounts_order */
};

enum { MOUNTS_ORDER_MAX = 256 };

/* The order of freezing COUNT mounts: firm rules (a loop device's filesystem before the one that
 * its file lies on), then what is mounted below before what holds it, the root last, wanted rules
 * where they fit, and for the rest the deepest first, then by path.
 *   ret_order  COUNT indexes
 *   false      ERR_LIMIT: more than MOUNTS_ORDER_MAX; ERR_PRECONDITION: firm rules go in a circle
 */
bool mounts_order(const struct mount *const *mounts, size_t count, struct mount_rule *rules,
                  size_t rule_count, size_t *ret_order, struct err *err);

#endif
