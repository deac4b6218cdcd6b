/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_REUSE_H
#define STILLPOINT_REUSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/daemon/inventory.h"
#include "agent/daemon/work.h"

/* `backup --max-age`: a good backup that is there already, in the place of a new one. */

/* Of a node's sets the newest that is as good as a new one would be, or NULL:
 *   - nothing is wrong with it, `verify` found nothing against it, and it is complete; with
 *     `--wait cut` one is enough that EC2 still copies, since its instant is fixed and its label
 *     proved;
 *   - at least as consistent as options->asked (with options->or_less, where there is none such:
 *     as much was asked of it, and less was proved), and of each volume that is attached now;
 *   - with an image, where one is asked for and EC2 copies no more; pinned, where that is asked
 * for; kept as long as options->keep_ms asks, to within options->max_age_ms;
 *   - younger than options->max_age_ms, by EC2's own time. One that EC2 gives no time of is old.
 * Pure.
 *   attached    COUNT volumes of the instance
 *   now_utc_us  EC2's time */
const struct inventory_set *reuse_choose(const struct inventory *inventory,
                                         const struct work_options *options,
                                         const struct device_attached *attached, size_t count,
                                         int64_t now_utc_us);

/* Looks for one of this node's; the node itself is not touched. One that is being removed is none,
 * and one that was found stays until JOB ends (set_use.h). Waits for one that this daemon has just
 * proved until EC2 shows it, half a minute at most. Worker thread.
 *   ret_backup  as show has it, with "reused": true and "age_s"; given to the caller. NULL: there
 *               is none
 *   false       it is not known whether there is one */
bool reuse_find(struct job *job, const struct work_options *options, int64_t deadline_ms,
                json_t **ret_backup, struct err *err);

#endif
