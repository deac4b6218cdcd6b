/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_PREVIEW_H
#define STILLPOINT_ROLLBACK_PREVIEW_H

#include <jansson.h>

#include "agent/daemon/rollback.h"

/* What a rollback would do, for -n and for whoever confirms it. Pure. All are given to the caller;
 * NULL: no memory. */

struct rollback_preview {
    const struct config *config;
    const struct backup *set;
    const struct rollback_plan *plan;
    const struct ec2_instance *instance;
    enum rollback_mode mode;
    bool backup;       /* one is taken before it */
    json_t *take_lost; /* rollback_lost_json */
};

/* {"id", "instance", "mode", "consistency", "backup", "lost", "volumes": [{"device", "volume",
 * "snapshot", "size_gib", "root", "mounts"}], "stays", "missing", "warnings", "steps"} */
json_t *rollback_preview_json(struct rollback_preview *preview);
/* Of --commit and --undo: {"id", "set", "mode", "step", "backup", "kept", "made", "steps"} */
json_t *rollback_preview_commit(const struct rollback *rollback);
json_t *rollback_preview_undo(const struct rollback *rollback);

#endif
