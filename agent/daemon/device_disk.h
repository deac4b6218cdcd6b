/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEVICE_DISK_H
#define STILLPOINT_DEVICE_DISK_H

#include "agent/daemon/devices.h"
#include "agent/daemon/sysfs.h"

/* One disk, with nothing of the kernel's below it: an EBS volume, instance store, something else?
 * By serial number (NVMe), else by Xen's name with the size as a check. Used by devices.c. */

enum { DEVICE_DISK_WORDS = 400 };

struct device_disk {
    enum device_kind kind; /* not DEVICE_LOOP */
    char volume[64];       /* DEVICE_EBS: its id, not compared with what is attached */
    char words[DEVICE_DISK_WORDS];
};

void device_disk_identify(const struct device_query *query, const struct sysfs_device *device,
                          struct device_disk *ret_disk);

/* The letters of "xvdf", "sdf1", "/dev/sda1" into LETTERS: "f", "a". "" where it is no such name.
 */
void device_disk_letters(const char *name, char *letters, size_t size);

#endif
