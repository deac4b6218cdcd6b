/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_DISK_H
#define STILLPOINT_ROLLBACK_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/devices.h"

/* From a volume to its block device, the other way round than devices.h; by sysfs alone. */

/* Which part of a disk the block device is: a partition's number, 0 for the whole, or
 * ROLLBACK_PART_STACKED where something lies between it and disks. */
int rollback_disk_part(const char *sysfs, uint32_t dev_major, uint32_t dev_minor);

/* The disk of VOLUME_ID, and PARTITION of it (0: the disk itself).
 *   query  its attached must have the volume
 *   false  ERR_NOT_FOUND: the kernel shows no such disk, or partition (so far); ERR_INTERNAL */
bool rollback_disk_find(const struct device_query *query, const char *volume_id, uint32_t partition,
                        uint32_t *ret_major, uint32_t *ret_minor, struct err *err);

#endif
