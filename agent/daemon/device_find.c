/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/device_find.h"

#include <string.h>

#include "agent/base/parse.h"
#include "agent/daemon/device_disk.h"

static bool find_in_map(const struct device_query *query, const char *volume_id,
                        struct sysfs_device *ret_device)
{
    for (size_t i = 0; query->map != NULL && i < query->map->count; i++) {
        const struct device_map_entry *entry = &query->map->items[i];
        uint32_t major, minor;
        if (strcmp(entry->volume_id, volume_id) != 0)
            continue;
        if (parse_device(entry->device, &major, &minor)
                ? sysfs_open(query->sysfs, major, minor, ret_device)
                : sysfs_open_name(query->sysfs, entry->device, ret_device))
            return true;
    }
    return false;
}

/* A partition is no disk, and what device mapper made has none of its own. */
static bool is_disk(const struct sysfs_device *device)
{
    return !sysfs_has(device, "partition") && strncmp(device->name, "dm-", 3) != 0 &&
           strncmp(device->name, "loop", 4) != 0 && strncmp(device->name, "md", 2) != 0;
}

bool device_find_volume(const struct device_query *query, const char *volume_id,
                        struct sysfs_device *ret_device, struct err *err)
{
    struct strs names = {NULL, 0};
    bool found = find_in_map(query, volume_id, ret_device);

    if (!found && !device_find_names(query->sysfs, &names, err))
        return false;
    for (size_t i = 0; !found && i < names.count; i++) {
        struct device_disk disk;
        if (!sysfs_open_name(query->sysfs, names.items[i], ret_device) || !is_disk(ret_device))
            continue;
        device_disk_identify(query, ret_device, &disk);
        found = disk.kind == DEVICE_EBS && strcmp(disk.volume, volume_id) == 0;
    }
    strs_free(&names);
    return found || err_set(err, ERR_NOT_FOUND, 0, "no disk of the kernel is %s", volume_id);
}

bool device_find_names(const char *sysfs, struct strs *ret_names, struct err *err)
{
    return sysfs_list(sysfs, "class/block", ret_names, err);
}
