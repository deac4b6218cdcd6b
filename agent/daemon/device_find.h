/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEVICE_FIND_H
#define STILLPOINT_DEVICE_FIND_H

#include "agent/daemon/devices.h"
#include "agent/daemon/sysfs.h"

/* The other way round than devices.h: from an attached volume to the kernel's disk. */

/* Looks into the map first, then at every disk of the kernel. Xen's names are judged by what
 * query->attached says, so the volume should be among them.
 *   ret_device  the whole disk
 *   false       ERR_NOT_FOUND: there is none (yet: the kernel may need a moment after EC2 says
 *               `attached`); ERR_INTERNAL */
bool device_find_volume(const struct device_query *query, const char *volume_id,
                        struct sysfs_device *ret_device, struct err *err);

/* The names of all block devices that the kernel has, for device_names.h.
 *   ret_names  added to */
bool device_find_names(const char *sysfs, struct strs *ret_names, struct err *err);

#endif
