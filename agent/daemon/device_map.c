/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/device_map.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/daemon/config_file.h"

enum { MAP_BYTES_MAX = 256 * 1024, MAP_MAX = 1024 };

#define MAP_FORM "{\"/dev/NAME or MAJ:MIN\": \"vol-...\", ...}"

bool devices_is_volume_id(const char *text)
{
    size_t digits = 0;

    if (strncmp(text, "vol-", 4) != 0)
        return false;
    digits = strspn(text + 4, "0123456789abcdef");
    return digits >= 8 && digits <= 17 && text[4 + digits] == '\0';
}

static bool is_device(const char *text)
{
    uint32_t major, minor;

    if (strncmp(text, "/dev/", 5) == 0)
        return text[5] != '\0' && strstr(text, "/../") == NULL;
    return parse_device(text, &major, &minor);
}

/* A link (/dev/disk/by-id/…) is what it leads to, as long as that is below /dev. */
static char *resolve(const char *device)
{
    char *real = *device == '/' ? realpath(device, NULL) : NULL;

    if (real != NULL && strncmp(real, "/dev/", 5) == 0)
        return real;
    free(real); /* not there (now), or somewhere else: taken as it is */
    return strdup(device);
}

static bool add(struct device_map *map, const char *path, const char *device, const json_t *value,
                struct err *err)
{
    const char *volume = json_string_value(value);

    if (!is_device(device) || volume == NULL || !devices_is_volume_id(volume)) {
        (void)err_set(err, ERR_CONFIG, 0, "%s: \"%s\" is not a device with a volume id", path,
                      device);
        return err_suggest(err, "write \"/dev/NAME\" or \"MAJ:MIN\": \"vol-…\"");
    }
    struct device_map_entry *entry = &map->items[map->count];
    entry->device = resolve(device);
    entry->volume_id = strdup(volume);
    map->count++;
    if (entry->device == NULL || entry->volume_id == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return true;
}

static bool read_object(const char *path, json_t *root, struct device_map *map, struct err *err)
{
    const char *device;
    json_t *value;

    if (!json_is_object(root)) {
        (void)err_set(err, ERR_CONFIG, 0, "%s: not one JSON object", path);
        return err_suggest(err, "write " MAP_FORM);
    }
    if (json_object_size(root) > MAP_MAX)
        return err_set(err, ERR_CONFIG, 0, "%s: more than %d devices", path, MAP_MAX);
    map->items = calloc(json_object_size(root) + 1, sizeof(*map->items));
    if (map->items == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    json_object_foreach(root, device, value)
    {
        if (!add(map, path, device, value, err))
            return false;
    }
    return true;
}

bool devices_map_load(const char *path, struct device_map *ret_map, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MAP_BYTES_MAX);
    struct device_map map = {NULL, 0};
    json_error_t why;

    if (*path == '\0') {
        *ret_map = map;
        return true;
    }
    if (!config_file_text(path, &text, err)) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_CONFIG;
        (void)err_suggest(err, "make it, or take map out of [devices]");
        return err_wrap(err, "[devices] map");
    }
    json_t *root = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        (void)err_set(err, ERR_CONFIG, 0, "%s:%d: %s", path, why.line, why.text);
        return err_suggest(err, "write one JSON object: " MAP_FORM);
    }
    bool ok = read_object(path, root, &map, err);
    json_decref(root);
    if (!ok) {
        devices_map_free(&map);
        return false;
    }
    *ret_map = map;
    return true;
}

void devices_map_free(struct device_map *map)
{
    for (size_t i = 0; map->items != NULL && i < map->count; i++) {
        free(map->items[i].device);
        free(map->items[i].volume_id);
    }
    free(map->items);
    *map = (struct device_map){NULL, 0};
}
