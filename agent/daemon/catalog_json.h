/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_JSON_H
#define STILLPOINT_CATALOG_JSON_H

#include <jansson.h>

#include "agent/daemon/backup_record.h"

/* A backup as JSON. Pure. */

/* As INTERFACE.md shows it, in its order of keys, then policy, group, members, version and tags.
 * Milliseconds are reals: dump with JSON_REAL_PRECISION(15) or less. NULL without memory. */
json_t *catalog_json(const struct backup *backup);

/* Parts of it; null for what is not known. */
json_t *catalog_json_second(int64_t utc_us); /* chosen, not measured: in whole seconds */
json_t *catalog_json_label(enum label label);

#endif
