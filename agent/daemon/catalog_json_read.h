/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_JSON_READ_H
#define STILLPOINT_CATALOG_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"

/* The way back from JSON (catalog_json.h writes it) to facts. Pure. */

/* Strict in types, passes over unknown keys (a later version's).
 *   false  ERR_PROTOCOL names the key */
bool catalog_from_json(const json_t *json, struct backup **ret_backup, struct err *err);

#endif
