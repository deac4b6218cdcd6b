/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/prune_sets.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

#define DAY_US (86400 * 1000000LL)

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- kinds ------------------------------------------------------------------------------------ */

static bool ec2_works(const struct inventory *inventory, const struct inventory_set *set)
{
    const struct set_member *members = inventory_members(inventory, set);
    const struct inventory_image *images = inventory_images(inventory, set);

    for (uint32_t i = 0; i < set->members + set->image_members; i++) {
        if (members[i].state == EC2_SNAPSHOT_PENDING || members[i].state == EC2_SNAPSHOT_UNKNOWN)
            return true;
    }
    for (uint32_t i = 0; i < set->images; i++) {
        if (images[i].state == EC2_IMAGE_PENDING)
            return true;
    }
    return false;
}

/* Whole by EC2 and by its tags, which do not say that it is complete. */
static enum retention_class unfinished_kind(const struct inventory_set *set, int64_t now_utc_us)
{
    bool proved = set->consistency != LABEL_UNCONFIRMED;
    int64_t days = set->tagged == BACKUP_PENDING ? PRUNE_UNFINISHED_DAYS : 1;

    if (set->tagged == BACKUP_COMPLETE) /* and yet not good: nothing was proved */
        return RETENTION_DOUBTFUL;
    if (now_utc_us - set->start_utc_us < days * DAY_US)
        return RETENTION_PENDING;
    return set->tagged == BACKUP_PENDING && proved ? RETENTION_UNTOLD : RETENTION_DOUBTFUL;
}

static enum retention_class set_kind(const struct inventory *inventory,
                                     const struct inventory_set *set, int64_t now_utc_us)
{
    if ((set->faults & SET_FAULTS_DISPUTED) != 0)
        return RETENTION_DISPUTED;
    if (ec2_works(inventory, set))
        return RETENTION_PENDING;
    if ((set->faults & SET_FAULTS_OF_EC2) != 0)
        return RETENTION_BROKEN;
    if (set->members == 0) /* an image without its snapshots */
        return set->image_members > 0 ? RETENTION_DOUBTFUL : RETENTION_BROKEN;
    if (set->faults != 0)
        return RETENTION_DOUBTFUL;
    if (inventory_is_complete(set))
        return inventory_is_good(set) ? RETENTION_GOOD : RETENTION_FAILED;
    return unfinished_kind(set, now_utc_us);
}

static enum retention_class orphan_kind(const struct inventory_orphan *orphan)
{
    if (orphan->is_image)
        return orphan->state == EC2_IMAGE_PENDING ? RETENTION_PENDING : RETENTION_BROKEN;
    switch ((enum ec2_snapshot_state)orphan->state) {
    case EC2_SNAPSHOT_UNKNOWN:
    case EC2_SNAPSHOT_PENDING:
        return RETENTION_PENDING;
    case EC2_SNAPSHOT_COMPLETED:
        return RETENTION_DOUBTFUL;
    case EC2_SNAPSHOT_ERROR:
    case EC2_SNAPSHOT_RECOVERABLE:
    case EC2_SNAPSHOT_RECOVERING:
        break;
    }
    return RETENTION_BROKEN;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* The number of the volume, a new one where it has none yet. */
static bool number_volume(struct prune_sets *sets, const char *volume, uint32_t *ret_number,
                          struct err *err)
{
    *ret_number = (uint32_t)sets->volumes.count;
    return pool_index_get(&sets->volumes, volume, ret_number) ||
           pool_index_put(&sets->volumes, volume, *ret_number, err);
}

/* Those that name no instance are of node 0. */
static bool number_node(struct prune_sets *sets, const char *instance, uint32_t *ret_node,
                        struct err *err)
{
    const char **slot;

    *ret_node = 0;
    if (instance == NULL && sets->instance_count > 0)
        return true;
    if (instance != NULL && pool_index_get(&sets->nodes, instance, ret_node))
        return true;
    *ret_node = (uint32_t)sets->instance_count;
    slot = grow_by_one(&sets->instances, &sets->instance_count, sizeof(*slot));
    if (slot == NULL)
        return no_memory(err);
    *slot = instance;
    return instance == NULL || pool_index_put(&sets->nodes, instance, *ret_node, err);
}

static bool has_number(const struct retention_set *set, uint32_t number)
{
    for (size_t i = 0; i < set->volume_count; i++) {
        if (set->volumes[i] == number)
            return true;
    }
    return false;
}

/* Adds VOLUME to those of SET, whose list ends at *AT. */
static bool add_volume(struct prune_sets *sets, struct retention_set *set, const char *volume,
                       uint32_t **at, struct err *err)
{
    uint32_t number;

    if (volume == NULL)
        return true;
    if (!number_volume(sets, volume, &number, err))
        return false;
    if (!has_number(set, number)) {
        *(*at)++ = number;
        set->volume_count++;
    }
    return true;
}

/* --- making ----------------------------------------------------------------------------------- */

static bool take_set(struct prune_sets *sets, struct retention_set *to,
                     const struct inventory_set *set, uint32_t **at, struct err *err)
{
    const struct set_member *members = inventory_members(sets->inventory, set);
    /* What CreateImage made is of another instant: it says nothing of a set that has members. */
    uint32_t count = set->members > 0 ? set->members : set->image_members;

    to->start_utc_us = set->start_utc_us;
    to->expires_utc_us = set->expires_utc_us;
    to->pinned = set->pinned;
    to->locked = set->locked;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_volume(sets, to, members[i].volume, at, err))
            return false;
    }
    return number_node(sets, set->instance, &to->node, err);
}

static bool take_orphan(struct prune_sets *sets, struct retention_set *to,
                        const struct inventory_orphan *orphan, uint32_t **at, struct err *err)
{
    to->kind = orphan_kind(orphan);
    to->start_utc_us = orphan->start_utc_us;
    to->expires_utc_us = BACKUP_UNKNOWN;
    to->pinned = orphan->pinned;
    to->locked = orphan->locked;
    return add_volume(sets, to, orphan->volume, at, err) &&
           number_node(sets, orphan->instance, &to->node, err);
}

static bool is_foreign(const char *mine, const char *instance)
{
    return mine != NULL && (instance == NULL || strcmp(instance, mine) != 0);
}

bool prune_sets_make(const struct inventory *inventory, const char *mine, int64_t now_utc_us,
                     struct prune_sets *ret_sets, struct err *err)
{
    struct prune_sets *sets = ret_sets;
    uint32_t none, *at;

    sets->inventory = inventory;
    sets->count = inventory->count + inventory->orphan_count;
    sets->list = calloc(sets->count + 1, sizeof(*sets->list));
    sets->numbers =
        calloc(inventory->member_count + inventory->orphan_count + 1, sizeof(*sets->numbers));
    if (sets->list == NULL || sets->numbers == NULL)
        return no_memory(err);
    if (!number_node(sets, NULL, &none, err))
        return false;
    at = sets->numbers;
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        struct retention_set *to = &sets->list[i];
        to->volumes = at;
        to->kind = set_kind(inventory, set, now_utc_us);
        to->verified = to->kind == RETENTION_GOOD && inventory_verify_ok(set);
        to->foreign = is_foreign(mine, set->instance);
        if (!take_set(sets, to, set, &at, err))
            return false;
    }
    for (size_t i = 0; i < inventory->orphan_count; i++) {
        struct retention_set *to = &sets->list[inventory->count + i];
        to->volumes = at;
        to->foreign = is_foreign(mine, inventory->orphans[i].instance);
        if (!take_orphan(sets, to, &inventory->orphans[i], &at, err))
            return false;
    }
    return true;
}

void prune_sets_free(struct prune_sets *sets)
{
    free(sets->list);
    free(sets->numbers);
    free(sets->instances);
    pool_index_free(&sets->volumes);
    pool_index_free(&sets->nodes);
    memset(sets, 0, sizeof(*sets));
}

bool prune_sets_prove(struct prune_sets *sets, const char *instance, const char *const *volumes,
                      size_t count, struct err *err)
{
    uint32_t node, number;
    bool *attached;

    if (!pool_index_get(&sets->nodes, instance, &node))
        return true;
    attached = calloc(sets->volumes.count + 1, sizeof(*attached));
    if (attached == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (pool_index_get(&sets->volumes, volumes[i], &number))
            attached[number] = true;
    }
    for (size_t i = 0; i < sets->count; i++) {
        struct retention_set *set = &sets->list[i];
        for (size_t v = 0; set->node == node && v < set->volume_count; v++)
            set->proved = set->proved || attached[set->volumes[v]];
    }
    free(attached);
    return true;
}
