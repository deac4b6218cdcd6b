/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/copy_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

enum { NONE = -1 };

void places_free(struct places *places)
{
    free(places->list);
    strs_free(&places->missing);
    *places = (struct places){.count = 0};
}

char *place_words(const struct place *place, char *text)
{
    const char *device = place->volume->source_device;

    (void)snprintf(text, PLACE_WORDS_BYTES, "%s (%.300s)",
                   device[0] ? device : place->volume->source_id, place->mount->path);
    return text;
}

/* Of the loan's volumes the one that the mount lies on; NONE. */
static int device_of(const struct backup_mount *mount, const struct loan *loan)
{
    for (size_t v = 0; v < mount->volumes.count; v++) {
        for (size_t i = 0; i < loan->count; i++) {
            if (strcmp(mount->volumes.items[v], loan->volumes[i].source_id) == 0)
                return (int)i;
        }
    }
    return NONE;
}

/* "disk" is what the session calls "". */
static bool is_at(const struct copy_item *item, const char *place)
{
    return strcmp(item->where, strcmp(place, "disk") == 0 ? "" : place) == 0;
}

static bool fits(const struct backup_mount *mount, const struct copy_item *item, int device)
{
    if (item->kind != COPY_ITEM_FILESYSTEM)
        return false;
    if (mount->place != NULL)
        return is_at(item, mount->place) &&
               ((int)item->device == device || strncmp(mount->place, "lvm:", 4) == 0);
    return (int)item->device == device && mount->fs != NULL && strcmp(item->type, mount->fs) == 0;
}

static int item_of(const struct backup_mount *mount, int device, const struct copy_item *items,
                   size_t count)
{
    int found = NONE;

    for (size_t i = 0; i < count; i++) {
        if (fits(mount, &items[i], device) &&
            (found == NONE || items[i].size_bytes > items[found].size_bytes))
            found = (int)i;
    }
    return found;
}

static bool say_missing(const struct backup_mount *mount, const struct loan_volume *volume,
                        struct strs *missing, struct err *err)
{
    return strs_printf(missing, err, "%s: nothing on %s (%s) is its %s", mount->path,
                       volume->source_device[0] ? volume->source_device : volume->source_id,
                       mount->place ? mount->place : "any place", mount->fs ? mount->fs : "?");
}

static size_t depth(const char *path)
{
    size_t slashes = 0;

    for (; *path != '\0'; path++)
        slashes += *path == '/' && path[1] != '\0';
    return slashes;
}

static int outer_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    size_t of_x = depth(x->mount->path), of_y = depth(y->mount->path);

    return of_x != of_y ? (of_x < of_y ? -1 : 1) : strcmp(x->mount->path, y->mount->path);
}

static bool add(const struct backup_mount *mount, int item, const struct loan_volume *volume,
                struct places *places, struct err *err)
{
    struct place *place = grow_by_one(&places->list, &places->count, sizeof(*place));

    if (place == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *place = (struct place){.mount = mount, .item = (uint32_t)item, .volume = volume};
    return true;
}

bool places_find(const struct backup_mount *mounts, size_t mount_count, const struct loan *loan,
                 const struct copy_item *items, size_t item_count, struct places *ret_places,
                 struct err *err)
{
    for (size_t i = 0; i < mount_count; i++) {
        const struct backup_mount *mount = &mounts[i];
        int device = device_of(mount, loan);
        if (device == NONE || mount->path == NULL)
            continue;
        int item = item_of(mount, device, items, item_count);
        bool ok = item == NONE
                      ? say_missing(mount, &loan->volumes[device], &ret_places->missing, err)
                      : add(mount, item, &loan->volumes[device], ret_places, err);
        if (!ok)
            return false;
    }
    if (ret_places->count > 1)
        qsort(ret_places->list, ret_places->count, sizeof(*ret_places->list), outer_first);
    return true;
}
