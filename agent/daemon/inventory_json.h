/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_INVENTORY_JSON_H
#define STILLPOINT_INVENTORY_JSON_H

#include <jansson.h>

#include "agent/daemon/inventory.h"

/* A set as a row of `list --json`: the keys of `show --json` as far as the inventory knows them,
 * and "started" (EC2's own), "tagged" (the state as its tags say it), "size_gib" and "broken" (a
 * sentence each). Absent facts are null. NULL
 * without memory. Pure. */
json_t *inventory_json(const struct inventory *inventory, const struct inventory_set *set);
/* What is wrong with it, as an array. */
json_t *inventory_why_json(const struct inventory *inventory, const struct inventory_set *set);

/* {"id", "started"}; SET NULL: null. */
json_t *inventory_moment_json(const struct inventory_set *set);

#endif
