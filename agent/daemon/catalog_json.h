/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_JSON_H
#define STILLPOINT_CATALOG_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"

/* A backup as JSON, and back. Pure. */

/* As INTERFACE.md shows it, in its order of keys, then policy, group, members, version and tags.
 * Milliseconds are reals: dump with JSON_REAL_PRECISION(15) or less. NULL without memory. */
json_t *catalog_json(const struct backup *backup);
/* Strict in types, passes over unknown keys (a later version's).
 *   false  ERR_PROTOCOL names the key */
bool catalog_from_json(const json_t *json, struct backup **ret_backup, struct err *err);

#endif
