/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOLD_RECORD_H
#define STILLPOINT_HOLD_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"

/* A hold for somebody else's snapshot as JSON, for `hold`, `release` and `status`, and as
 * STATE/hold.json: id, instance, node, region, reason, asked, mounts, left_out, databases, kaltura,
 * version, window and shortfall as a backup has them (INTERFACE.md), and
 *   state        "held"; "released": until somebody asked for it; "ended": by itself
 *   expected     the label that what is held allows; shortfall says why it is not what was asked
 *   consistency  what was proved of it up to its release; null before, and where it ended by itself
 *   whole        all that was held when it began was, without a gap, up to its release; null as
 *                above
 *   since, until its begin, and the moment up to which all of it is held at the most
 *   held_ms      how long a writer could have waited; null while it lasts
 *   why, remedy  of "ended", and of "released" where something was not let go of; null
 *   told         somebody was told how it ended */

struct hold_facts {
    const char *id;
    enum label expected;
    int64_t since_utc_us, until_utc_us; /* BACKUP_UNKNOWN */
    const struct strs *shortfall;       /* while it is held: of expected */
    size_t appeared; /* of those at its release: what was mounted meanwhile, and never held */
};

/* state "held". NULL: no memory. Pure. */
json_t *hold_record_held(const struct backup *backup, const struct hold_facts *facts);
/* Of one that was released: what backup->consistency, window and shortfall say. NULL: no memory. */
json_t *hold_record_released(const struct backup *backup, const struct hold_facts *facts);
/* RECORD of one that was released: what ERR says was not let go of. */
void hold_record_left(json_t *record, const struct err *err);
/* RECORD of one that is held ended by itself. */
void hold_record_end(json_t *record, const char *why);
void hold_record_tell(json_t *record);

const char *hold_record_id(const json_t *record); /* "" where there is none */
bool hold_record_is_news(const json_t *record);   /* it ended by itself, and nobody knows */

bool hold_record_write(const char *state_dir, const json_t *record, struct err *err);
/*   ret_record  given to the caller
 *   false       ERR_NOT_FOUND; ERR_PROTOCOL: no record of a hold; ERR_SYS, ERR_LIMIT */
bool hold_record_read(const char *state_dir, json_t **ret_record, struct err *err);

#endif
