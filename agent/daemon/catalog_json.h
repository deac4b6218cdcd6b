/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_JSON_H
#define STILLPOINT_CATALOG_JSON_H

#include <jansson.h>

#include "agent/daemon/backup_record.h"

/* A backup as JSON. Pure. */

/* As INTERFACE.md shows it, in its order of keys, then policy, group, members, version and tags.
 * Milliseconds are reals: dump with JSON_REAL_PRECISION(15) or less. NULL without memory. */
json_t *catalog_json(const struct backup *backup);

#endif
