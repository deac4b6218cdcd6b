/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/device_disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = SYSFS_TEXT_BYTES };

/* True, for a one-line answer. */
static bool answer(struct device_disk *disk, enum device_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool answer(struct device_disk *disk, enum device_kind kind, const char *fmt, ...)
{
    va_list args;

    disk->kind = kind;
    va_start(args, fmt);
    (void)vsnprintf(disk->words, sizeof(disk->words), fmt, args);
    va_end(args);
    return true;
}

static bool answer_volume(struct device_disk *disk, const char *id)
{
    (void)snprintf(disk->volume, sizeof(disk->volume), "%s", id);
    return answer(disk, DEVICE_EBS, "%s", id);
}

/* --- NVMe, virtio: the serial number ------------------------------------------------------ */

/* "vol0123…" as Nitro's serial has it, into "vol-0123…". */
static bool id_of_serial(const char *serial, char *id, size_t size)
{
    if (strncmp(serial, "vol", 3) != 0)
        return false;
    (void)snprintf(id, size, "vol-%s", serial + 3 + (serial[3] == '-'));
    return devices_is_volume_id(id);
}

/* False: the serial number says nothing. */
static bool by_serial(const struct sysfs_device *device, struct device_disk *disk)
{
    char serial[TEXT] = "", model[TEXT] = "", id[64];

    (void)sysfs_text(device, "device/model", model);
    if (strcmp(model, "Amazon EC2 NVMe Instance Storage") == 0)
        return answer(disk, DEVICE_INSTANCE_STORE, "%s is instance store", device->name);
    if (!sysfs_text(device, "device/serial", serial))
        (void)sysfs_text(device, "serial", serial); /* virtio-blk */
    if (id_of_serial(serial, id, sizeof(id)))
        return answer_volume(disk, id);
    if (strcmp(model, "Amazon Elastic Block Store") == 0)
        return answer(disk, DEVICE_UNKNOWN,
                      "%s is an EBS volume whose serial number ('%.40s') is no volume id",
                      device->name, serial);
    return false;
}

/* --- Xen: the name --------------------------------------------------------------------------- */

void device_disk_letters(const char *name, char *letters, size_t size)
{
    size_t skip = 0, len;

    letters[0] = '\0';
    if (strncmp(name, "/dev/", 5) == 0)
        name += 5;
    if (strncmp(name, "xvd", 3) == 0)
        skip = 3;
    else if (strncmp(name, "sd", 2) == 0)
        skip = 2;
    len = strspn(name + skip, "abcdefghijklmnopqrstuvwxyz");
    if (skip > 0 && len > 0 && len < size &&
        strspn(name + skip + len, "0123456789") == strlen(name + skip + len))
        (void)snprintf(letters, size, "%.*s", (int)len, name + skip);
}

/* "f" shifted by 4 is "j"; only single letters are ever shifted. */
static bool shift_letters(char *letters, int by)
{
    if (by == 0)
        return true;
    if (letters[1] != '\0' || letters[0] + by > 'z')
        return false;
    letters[0] = (char)(letters[0] + by);
    return true;
}

/* "xvda2" is not what EC2 calls "sda1"; a name without number fits both. */
static bool numbers_differ(const char *a, const char *b)
{
    a += strcspn(a, "0123456789");
    b += strcspn(b, "0123456789");
    return *a != '\0' && *b != '\0' && strcmp(a, b) != 0;
}

static bool xen_disk_present(const struct device_query *query, const char *letters)
{
    struct sysfs_device found;
    char name[40];

    (void)snprintf(name, sizeof(name), "xvd%s", letters);
    if (sysfs_open_name(query->sysfs, name, &found))
        return true;
    (void)snprintf(name, sizeof(name), "xvd%s1", letters); /* PV: a disk of that name */
    return sysfs_open_name(query->sysfs, name, &found);
}

static bool all_present(const struct device_query *query, int shift)
{
    for (size_t i = 0; i < query->attached_count; i++) {
        char letters[8];
        device_disk_letters(query->attached[i].device_name, letters, sizeof(letters));
        if (*letters == '\0' || !shift_letters(letters, shift) || !xen_disk_present(query, letters))
            return false;
    }
    return query->attached_count > 0;
}

/* Some kernels (RHEL and CentOS 6) show /dev/sdf as xvdj: all letters moved by four. Believed only
 * where every attached volume is found so, and not without it. */
static int xen_shift(const struct device_query *query)
{
    return !all_present(query, 0) && all_present(query, 4) ? 4 : 0;
}

static bool size_matches(const struct sysfs_device *disk, int64_t size_gib)
{
    char text[TEXT];

    if (size_gib == 0 || !sysfs_text(disk, "size", text))
        return true; /* nothing to compare */
    return strtoll(text, NULL, 10) == size_gib * (1LL << 30) / 512;
}

static void by_xen_name(const struct device_query *query, const struct sysfs_device *device,
                        struct device_disk *disk)
{
    int shift = xen_shift(query);
    char letters[8];

    device_disk_letters(device->name, letters, sizeof(letters));
    for (size_t i = 0; *letters != '\0' && i < query->attached_count; i++) {
        const struct device_attached *volume = &query->attached[i];
        char wanted[8];
        device_disk_letters(volume->device_name, wanted, sizeof(wanted));
        if (*wanted == '\0' || !shift_letters(wanted, shift) || strcmp(wanted, letters) != 0 ||
            numbers_differ(device->name, volume->device_name))
            continue;
        if (size_matches(device, volume->size_gib))
            (void)answer_volume(disk, volume->volume_id);
        else
            (void)answer(disk, DEVICE_UNKNOWN, "%s has another size than %s, whose name it has",
                         device->name, volume->volume_id);
        return;
    }
    /* Where every volume is another disk, what is left over came with the instance. */
    if (all_present(query, shift))
        (void)answer(disk, DEVICE_INSTANCE_STORE, "%s is instance store", device->name);
    else
        (void)answer(disk, DEVICE_UNKNOWN, "%s is named like no attached volume", device->name);
}

/* --- all ---------------------------------------------------------------------------------------
 */

static bool is_named(const char *name, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++) {
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0)
            return true;
    }
    return false;
}

void device_disk_identify(const struct device_query *query, const struct sysfs_device *device,
                          struct device_disk *ret_disk)
{
    /* Disks of other kinds that can't be EBS volumes: emulated, SCSI (iSCSI), network, memory. */
    static const char *const others[] = {"nvme", "sd",   "vd", "hd", "nbd",    "rbd", "ram",
                                         "zram", "pmem", "sr", "fd", "mmcblk", NULL};

    *ret_disk = (struct device_disk){.kind = DEVICE_UNKNOWN};
    if (by_serial(device, ret_disk))
        return;
    if (strncmp(device->name, "xvd", 3) == 0 || sysfs_is_below(device, "vbd-"))
        by_xen_name(query, device, ret_disk);
    else if (is_named(device->name, others))
        (void)answer(ret_disk, DEVICE_OTHER, "%s is not an EBS volume", device->name);
    else
        (void)answer(ret_disk, DEVICE_UNKNOWN, "what lies below %s can't be seen", device->name);
}
