/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEVICE_MAP_H
#define STILLPOINT_DEVICE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* [devices] map. */
struct device_map_entry {
    char *device; /* "/dev/loop3" or "7:3" */
    char *volume_id;
};
struct device_map {
    struct device_map_entry *items;
    size_t count;
};

/* Reads a JSON object {"/dev/NAME" or "MAJ:MIN": "vol-…"}. PATH "" gives an empty map. A name that
 * is a symbolic link (/dev/disk/by-id/…) is resolved now.
 *   false  ERR_CONFIG with file and entry, also where it is not there or others can write it */
bool devices_map_load(const char *path, struct device_map *ret_map, struct err *err);
void devices_map_free(struct device_map *map); /* idempotent */

/* "vol-0123456789abcdef0" and the older, shorter form. */
bool devices_is_volume_id(const char *text);

#endif
