/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PLAN_JSON_H
#define STILLPOINT_PLAN_JSON_H

#include <jansson.h>

#include "agent/daemon/work.h"

/* What a backup would do, for `backup --dry-run`: {"plan": {"id", "asked", "at_most", "volumes",
 * "mounts" in the order of freezing, "left_out", "shortfalls", "hooks", "image"}}. NULL without
 * memory. Pure. */
json_t *plan_json(const struct work *work);

#endif
