/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SYSFS_H
#define STILLPOINT_SYSFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Reads of block devices' attributes below ROOT ("/sys", or a tree that a test made). */

enum { SYSFS_TEXT_BYTES = 4096 };

struct sysfs_device {
    const char *root;
    uint32_t major, minor;
    char dir[PATH_MAX - 256]; /* ROOT/dev/block/MAJ:MIN */
    char name[256];           /* the kernel's: "nvme1n1p1", "dm-0" */
    char mapper[256];         /* device mapper's own name: "vg-root"; "" */
};

/* False: sysfs has no such block device. */
bool sysfs_open(const char *root, uint32_t major, uint32_t minor, struct sysfs_device *ret_device);
/* By "nvme1n1", "dm-0", "mapper/vg-root"; a "/dev/" in front is fine. */
bool sysfs_open_name(const char *root, const char *name, struct sysfs_device *ret_device);
bool sysfs_open_parent(const struct sysfs_device *part, struct sysfs_device *ret_device);

/* What FOLDER/NAME below ROOT, a link to a device's folder (slaves/…), leads to. */
bool sysfs_open_link(const char *root, const char *folder, const char *name,
                     struct sysfs_device *ret_device);

/* TEXT (SYSFS_TEXT_BYTES) without the white space at its end. False: not there, or not readable. */
bool sysfs_text(const struct sysfs_device *device, const char *attribute, char *text);
bool sysfs_has(const struct sysfs_device *device, const char *attribute);
/* Names in a folder, sorted; none where it is not there. PATH is below ROOT. */
bool sysfs_list(const char *root, const char *path, struct strs *ret_names, struct err *err);
/* Whether its folder, links resolved, lies below a folder whose name begins with WORD. */
bool sysfs_is_below(const struct sysfs_device *device, const char *word);

#endif
