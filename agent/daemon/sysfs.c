/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/fileio.h"
#include "agent/base/parse.h"

static bool read_text(const char *path, char *text)
{
    AUTO_BUF struct buf buf = BUF_INIT(SYSFS_TEXT_BYTES - 1);
    struct err err = ERR_INIT; /* an attribute that can't be read is one that is not there */

    if (!fileio_read(path, &buf, &err) || memchr(buf_text(&buf), '\0', buf.len) != NULL)
        return false;
    size_t len = buf.len;
    while (len > 0 && strchr(" \t\r\n", buf.data[len - 1]) != NULL)
        len--;
    memcpy(text, buf_text(&buf), len);
    text[len] = '\0';
    return true;
}

bool sysfs_text(const struct sysfs_device *device, const char *attribute, char *text)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", device->dir, attribute) >= (int)sizeof(path))
        return false;
    return read_text(path, text);
}

bool sysfs_has(const struct sysfs_device *device, const char *attribute)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", device->dir, attribute) >= (int)sizeof(path))
        return false;
    return access(path, F_OK) == 0;
}

/* uevent has DEVNAME=, which is the name below /dev also where the folder's name has '!' for '/'.
 */
static void read_name(struct sysfs_device *device)
{
    char text[SYSFS_TEXT_BYTES], *rest = text;

    device->name[0] = '\0';
    if (!sysfs_text(device, "uevent", text))
        return;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (strncmp(line, "DEVNAME=", 8) == 0)
            (void)snprintf(device->name, sizeof(device->name), "%s", line + 8);
    }
}

bool sysfs_open(const char *root, uint32_t major, uint32_t minor, struct sysfs_device *ret_device)
{
    char text[SYSFS_TEXT_BYTES];

    *ret_device = (struct sysfs_device){.root = root, .major = major, .minor = minor};
    if (snprintf(ret_device->dir, sizeof(ret_device->dir), "%s/dev/block/%u:%u", root, major,
                 minor) >= (int)sizeof(ret_device->dir) ||
        access(ret_device->dir, F_OK) != 0)
        return false;
    read_name(ret_device);
    if (sysfs_text(ret_device, "dm/name", text))
        (void)snprintf(ret_device->mapper, sizeof(ret_device->mapper), "%.255s", text);
    return true;
}

bool sysfs_open_link(const char *root, const char *folder, const char *name,
                     struct sysfs_device *ret_device)
{
    char path[PATH_MAX], text[SYSFS_TEXT_BYTES];
    uint32_t major, minor;

    if (snprintf(path, sizeof(path), "%s/%s/%s/dev", root, folder, name) >= (int)sizeof(path))
        return false;
    return read_text(path, text) && parse_device(text, &major, &minor) &&
           sysfs_open(root, major, minor, ret_device);
}

static bool open_mapper(const char *root, const char *name, struct sysfs_device *ret_device)
{
    struct strs names = {NULL, 0};
    struct err err = ERR_INIT; /* no list: not found */
    bool found = false;

    if (!sysfs_list(root, "class/block", &names, &err))
        return false;
    for (size_t i = 0; !found && i < names.count; i++) {
        found = strncmp(names.items[i], "dm-", 3) == 0 &&
                sysfs_open_name(root, names.items[i], ret_device) &&
                strcmp(ret_device->mapper, name) == 0;
    }
    strs_free(&names);
    return found;
}

bool sysfs_open_name(const char *root, const char *name, struct sysfs_device *ret_device)
{
    if (strncmp(name, "/dev/", 5) == 0)
        name += 5;
    if (strncmp(name, "mapper/", 7) == 0)
        return open_mapper(root, name + 7, ret_device);
    if (*name == '\0' || strchr(name, '/') != NULL || name[0] == '.')
        return false;
    return sysfs_open_link(root, "class/block", name, ret_device);
}

bool sysfs_open_parent(const struct sysfs_device *part, struct sysfs_device *ret_device)
{
    char text[SYSFS_TEXT_BYTES];
    uint32_t major, minor;

    /* The folder is reached by a link into /sys/devices: the kernel takes ".." from there. */
    return sysfs_text(part, "../dev", text) && parse_device(text, &major, &minor) &&
           sysfs_open(part->root, major, minor, ret_device);
}

bool sysfs_list(const char *root, const char *path, struct strs *ret_names, struct err *err)
{
    char whole[PATH_MAX];
    bool ok = true;

    if (snprintf(whole, sizeof(whole), "%s/%s", root, path) >= (int)sizeof(whole))
        return true;
    DIR *dir = opendir(whole);
    if (dir == NULL)
        return errno != ENOMEM || err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (struct dirent *entry = readdir(dir); ok && entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.')
            ok = strs_add(ret_names, entry->d_name, err);
    }
    (void)closedir(dir); /* only read from */
    strs_sort(ret_names);
    return ok;
}

bool sysfs_is_below(const struct sysfs_device *device, const char *word)
{
    AUTO_FREE char *real = realpath(device->dir, NULL);
    char part[64];

    (void)snprintf(part, sizeof(part), "/%s", word);
    return real != NULL && strstr(real, part) != NULL;
}
