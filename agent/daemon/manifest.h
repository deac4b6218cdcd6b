/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_MANIFEST_H
#define STILLPOINT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/strs.h"

enum { MANIFEST_BYTES_MAX = 60 * 1024, MANIFEST_FORMAT = 1 };

/* What the guard writes onto each volume before the freeze, so that a restored disk knows what it
 * is: one JSON object {"stillpoint": 1, "written": …, "id", "instance", "node", "region", "reason",
 * "asked", "mounts", "left_out", "databases", "kaltura", "policy", "group", "version", "volumes"}.
 * Written before the cut, so it claims no consistency and no window. No secrets: nothing of the
 * configuration goes in. Where all would be more than MANIFEST_BYTES_MAX, left_out goes first
 * ("left_out": null), then mounts.
 *   written_utc_us  the moment, of the caller's clock
 *   ret_text        is added to; its cap must allow MANIFEST_BYTES_MAX
 *   false           ERR_LIMIT, ERR_INTERNAL; ret_text as it was */
bool manifest_text(const struct backup *backup, int64_t written_utc_us, struct buf *ret_text,
                   struct err *err);

/* One that was found on a disk. */
struct manifest {
    struct backup *backup; /* what it says; volumes in place of snapshots */
    int64_t written_utc_us;
    struct strs volumes; /* ids of those that the set was to have */
};

/* From a disk that anybody may have written to: strict in types, bounded.
 *   ret_manifest  given to the caller (manifest_free)
 *   false         ERR_PROTOCOL: it is none, or of a later format; ERR_LIMIT, ERR_INTERNAL */
bool manifest_read(const char *text, size_t len, struct manifest *ret_manifest, struct err *err);
void manifest_free(struct manifest *manifest); /* idempotent; {0} is an empty one */

#endif
