/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_disk.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/daemon/device_disk.h"
#include "agent/daemon/rollback_plan.h"
#include "agent/daemon/sysfs.h"

int rollback_disk_part(const char *sysfs, uint32_t dev_major, uint32_t dev_minor)
{
    struct strs slaves = {NULL, 0};
    struct sysfs_device device;
    char text[SYSFS_TEXT_BYTES], folder[64];
    struct err err = ERR_INIT;
    int64_t number = 0;

    if (!sysfs_open(sysfs, dev_major, dev_minor, &device))
        return ROLLBACK_PART_STACKED; /* btrfs and the like: no block device of its own */
    (void)snprintf(folder, sizeof(folder), "dev/block/%u:%u/slaves", dev_major, dev_minor);
    bool stacked = !sysfs_list(sysfs, folder, &slaves, &err) || slaves.count > 0;
    strs_free(&slaves);
    if (stacked)
        return ROLLBACK_PART_STACKED;
    if (!sysfs_text(&device, "partition", text))
        return 0;
    return parse_int64(text, 1, 255, &number, &err) ? (int)number : ROLLBACK_PART_STACKED;
}

/* By [devices] map, which is believed before all else. */
static bool find_mapped(const struct device_query *query, const char *volume_id,
                        struct sysfs_device *ret_disk)
{
    for (size_t i = 0; query->map != NULL && i < query->map->count; i++) {
        const struct device_map_entry *entry = &query->map->items[i];
        uint32_t major_number, minor_number;
        if (strcmp(entry->volume_id, volume_id) != 0)
            continue;
        if (parse_device(entry->device, &major_number, &minor_number)
                ? sysfs_open(query->sysfs, major_number, minor_number, ret_disk)
                : sysfs_open_name(query->sysfs, entry->device, ret_disk))
            return true;
    }
    return false;
}

static bool find_shown(const struct device_query *query, const char *volume_id,
                       struct sysfs_device *ret_disk, struct err *err)
{
    struct strs names = {NULL, 0};
    struct device_disk disk;
    bool found = false;

    if (!sysfs_list(query->sysfs, "block", &names, err))
        return false;
    for (size_t i = 0; !found && i < names.count; i++) {
        if (!sysfs_open_name(query->sysfs, names.items[i], ret_disk))
            continue;
        device_disk_identify(query, ret_disk, &disk);
        found = disk.kind == DEVICE_EBS && strcmp(disk.volume, volume_id) == 0;
    }
    strs_free(&names);
    return found || err_set(err, ERR_NOT_FOUND, 0, "no disk of this node is %s", volume_id);
}

static bool find_partition(const struct device_query *query, const struct sysfs_device *disk,
                           uint32_t partition, struct sysfs_device *ret_part, struct err *err)
{
    struct strs names = {NULL, 0};
    char folder[64], text[SYSFS_TEXT_BYTES], wanted[12];
    bool found = false;

    (void)snprintf(folder, sizeof(folder), "dev/block/%u:%u", disk->major, disk->minor);
    (void)snprintf(wanted, sizeof(wanted), "%u", partition);
    if (!sysfs_list(query->sysfs, folder, &names, err))
        return false;
    for (size_t i = 0; !found && i < names.count; i++)
        found = strncmp(names.items[i], disk->name, strlen(disk->name)) == 0 &&
                sysfs_open_name(query->sysfs, names.items[i], ret_part) &&
                sysfs_text(ret_part, "partition", text) && strcmp(text, wanted) == 0;
    strs_free(&names);
    return found || err_set(err, ERR_NOT_FOUND, 0, "%s has no partition %u", disk->name, partition);
}

bool rollback_disk_find(const struct device_query *query, const char *volume_id, uint32_t partition,
                        uint32_t *ret_major, uint32_t *ret_minor, struct err *err)
{
    struct sysfs_device disk, part;

    if (!find_mapped(query, volume_id, &disk) && !find_shown(query, volume_id, &disk, err))
        return false;
    part = disk;
    if (partition > 0 && !find_partition(query, &disk, partition, &part, err))
        return false;
    *ret_major = part.major;
    *ret_minor = part.minor;
    return true;
}
