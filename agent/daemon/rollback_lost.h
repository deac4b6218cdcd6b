/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_LOST_H
#define STILLPOINT_ROLLBACK_LOST_H

#include <jansson.h>

#include "agent/daemon/catalog.h"
#include "agent/daemon/work.h"

/* What going back to SET loses, for the preview: {"since", "seconds", "newer_backups": [ids],
 * "databases": [{"name", "then", "now", "transactions"}]}; facts that can't be had are null.
 *   result   given to the caller; NULL: no memory */
json_t *rollback_lost_json(struct work *work, const struct backup *set, int64_t deadline_ms);

/* How many transactions TEXT has executed, be it MariaDB's position ("0-1-991,1-7-3") or MySQL's
 * set ("UUID:1-991:1000"). Pure. False: it is neither. */
bool rollback_lost_count(const char *text, int64_t *ret_count);

#endif
