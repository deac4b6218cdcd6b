/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_H
#define STILLPOINT_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/catalog_json.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/catalog_tags_read.h"
#include "aws/ec2.h"

/* Backups out of what EC2 describes, and their ids. Pure, but for catalog_id_new. */

/* "sp-20261124T081530Z-k3f9x" into ID (BACKUP_ID_BYTES): the moment and 25 random bits. */
bool catalog_id_new(int64_t now_utc_us, char *id, struct err *err);
bool catalog_is_id(const char *text);
/* The moment in an id. */
bool catalog_id_moment(const char *id, int64_t *ret_utc_us);

/* One snapshot or image as EC2 describes it; all borrowed. */
struct catalog_resource {
    bool is_image;
    const char *id;
    const char *state;
    const char *volume; /* snapshots */
    int64_t size_gib;   /* BACKUP_UNKNOWN */
    int64_t progress;   /* percent; BACKUP_UNKNOWN */
    const char *region; /* NULL: not known */
    const struct ec2_tags *tags;
};

struct catalog {
    struct backup **items; /* newest first, by id; of one second, by window */
    size_t count;
};

/* Groups by stillpoint:id; what has no such tag is passed over. A tag that can't be read is a fact
 * that is absent. The state is the lowest that a member's tags say; whether the set is whole, the
 * inventory judges (inventory_judge.h).
 *   false  ERR_INTERNAL */
bool catalog_group(const struct catalog_resource *resources, size_t count,
                   struct catalog *ret_catalog, struct err *err);
void catalog_free(struct catalog *catalog); /* idempotent */

#endif
