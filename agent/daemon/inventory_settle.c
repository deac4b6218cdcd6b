/* SPDX-License-Identifier: BSD-2-Clause */
/* From what has streamed by to sets in order, judged. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/daemon/inventory.h"

static int compare_number(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int by_set_and_volume(const void *a, const void *b)
{
    const struct set_member *x = a, *y = b;
    int order = compare_number(x->set, y->set);

    order = order ? order : compare_number(x->of_image, y->of_image);
    order = order ? order : compare_text(x->volume, y->volume);
    return order ? order : strcmp(x->id, y->id);
}

static int by_set_and_start(const void *a, const void *b)
{
    const struct inventory_image *x = a, *y = b;
    int order = compare_number(x->set, y->set);

    order = order ? order : compare_number(x->start_utc_us, y->start_utc_us);
    return order ? order : strcmp(x->id, y->id);
}

/* By EC2's start; of one instant by what the node says. */
static int newest_first(const void *a, const void *b)
{
    const struct inventory_set *x = a, *y = b;
    int order = compare_number(y->start_utc_us, x->start_utc_us);

    order = order ? order : compare_number(y->window_begin_utc_us, x->window_begin_utc_us);
    return order ? order : strcmp(y->id, x->id);
}

static int oldest_first(const void *a, const void *b)
{
    const struct inventory_orphan *x = a, *y = b;
    int order = compare_number(x->start_utc_us, y->start_utc_us);

    return order ? order : strcmp(x->id, y->id);
}

static void sort(void *list, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    if (count > 1)
        qsort(list, count, size, compare);
}

/* Each set's members and images stand together; each set knows where. */
static void give_slices(struct inventory *inventory)
{
    sort(inventory->members, inventory->member_count, sizeof(*inventory->members),
         by_set_and_volume);
    sort(inventory->images, inventory->image_count, sizeof(*inventory->images), by_set_and_start);
    for (size_t i = 0; i < inventory->count; i++)
        inventory->sets[i].members = inventory->sets[i].images = 0;
    for (size_t i = inventory->member_count; i > 0; i--) {
        const struct set_member *member = &inventory->members[i - 1];
        struct inventory_set *set = &inventory->sets[member->set];
        set->first_member = (uint32_t)(i - 1);
        set->members += !member->of_image;
        set->image_members += member->of_image;
    }
    for (size_t i = inventory->image_count; i > 0; i--) {
        struct inventory_set *set = &inventory->sets[inventory->images[i - 1].set];
        set->first_image = (uint32_t)(i - 1);
        set->images++;
    }
}

static void judge(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        struct inventory_set *set = &inventory->sets[i];
        struct inventory_image *images = inventory_images(inventory, set);
        bool image_pending = false;
        for (size_t n = 0; n < set->images; n++)
            image_pending = image_pending || images[n].state == EC2_IMAGE_PENDING;
        set_judge(set, inventory_members(inventory, set), set->members, image_pending);
        for (size_t n = 0; n < set->images; n++)
            images[n].disowned = images[n].instance != NULL && images[n].instance != set->instance;
    }
}

/* A set of which nothing is there but what CreateImage made is none. */
static bool part_with_strays(struct inventory *inventory, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        const struct set_member *strays = inventory_members(inventory, set);
        bool is_set = set->members > 0 || set->images > 0;
        for (size_t n = 0; !is_set && n < set->image_members; n++) {
            struct inventory_orphan *orphan =
                grow_by_one(&inventory->orphans, &inventory->orphan_count, sizeof(*orphan));
            if (orphan == NULL)
                return err_set(err, ERR_INTERNAL, 0, "out of memory");
            *orphan = (struct inventory_orphan){.id = strays[n].id,
                                                .instance = strays[n].instance,
                                                .volume = strays[n].volume,
                                                .state = strays[n].state,
                                                .start_utc_us = strays[n].start_utc_us,
                                                .why = INVENTORY_STRAY_IMAGE_OF};
        }
        if (is_set)
            inventory->sets[kept++] = *set;
    }
    inventory->count = kept;
    return true;
}

/* Members and images know their set by its place, which has changed. */
static bool find_places(struct inventory *inventory, struct err *err)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        struct set_member *members = inventory_members(inventory, set);
        struct inventory_image *images = inventory_images(inventory, set);
        for (uint32_t n = 0; n < set->members + set->image_members; n++) {
            members[n].set = (uint32_t)i;
            if (!pool_index_put(&inventory->by_member, members[n].id, set->first_member + n, err))
                return false;
        }
        for (size_t n = 0; n < set->images; n++)
            images[n].set = (uint32_t)i;
    }
    return true;
}

bool inventory_settle(struct inventory *inventory, struct err *err)
{
    pool_index_free(&inventory->by_id); /* by place: of no use once the order changes */
    give_slices(inventory);
    judge(inventory);
    if (!part_with_strays(inventory, err))
        return false;
    sort(inventory->sets, inventory->count, sizeof(*inventory->sets), newest_first);
    sort(inventory->orphans, inventory->orphan_count, sizeof(*inventory->orphans), oldest_first);
    return find_places(inventory, err);
}
