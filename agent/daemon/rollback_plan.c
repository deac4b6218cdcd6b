/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

struct maker {
    const struct rollback_plan_input *input;
    struct rollback_plan *plan;
    struct err *err;
};

static bool refuse(struct maker *maker, const char *remedy)
{
    maker->err->kind = ERR_PRECONDITION;
    return err_suggest(maker->err, "%s", remedy);
}

/* --- the set -------------------------------------------------------------------------------- */

static bool check_set(struct maker *maker)
{
    const struct backup *set = maker->input->set;
    const char *instance = maker->input->instance->id;

    if (set->instance == NULL || strcmp(set->instance, instance) != 0) {
        (void)err_set(maker->err, ERR_PRECONDITION, 0, "backup %s is of instance %s, this is %s",
                      set->id, set->instance ? set->instance : "(unknown)", instance);
        return refuse(maker, "a node goes back to its own backups only; of another's: stillpoint "
                             "restore");
    }
    return set->consistency == LABEL_APPLICATION || set->consistency == LABEL_FILESYSTEM ||
           strs_printf(&maker->plan->warnings, maker->err,
                       "the set is only %s consistent: databases and file systems repair what "
                       "they find",
                       label_name(set->consistency));
}

static const struct backup_snapshot *snapshot_at(const struct backup *set, const char *device)
{
    for (size_t i = 0; i < set->snapshot_count; i++) {
        const char *name = set->snapshots[i].device;
        if (name != NULL && strcmp(name, device) == 0)
            return &set->snapshots[i];
    }
    return NULL;
}

/* --- the volumes ---------------------------------------------------------------------------- */

static const struct ec2_volume *volume_of(const struct rollback_plan_input *input, const char *id)
{
    for (size_t i = 0; i < input->volumes->count; i++) {
        if (strcmp(input->volumes->list[i].id, id) == 0)
            return &input->volumes->list[i];
    }
    return NULL;
}

static bool add_volume(struct maker *maker, const struct ec2_device *device, bool root,
                       const struct backup_snapshot *snapshot)
{
    const struct ec2_volume *old = volume_of(maker->input, device->volume_id);
    struct rollback_plan *plan = maker->plan;

    if (old == NULL) {
        (void)err_set(maker->err, ERR_PRECONDITION, 0,
                      "EC2 doesn't show %s, which is attached as %s", device->volume_id,
                      device->name);
        return refuse(maker, "it is being attached or detached: try again in a moment");
    }
    if (old->multi_attach) {
        (void)err_set(maker->err, ERR_PRECONDITION, 0,
                      "%s (%s) can be attached to several instances at once", old->id,
                      device->name);
        return refuse(maker, "exchange it by hand: stillpoint restore volumes makes the copy");
    }
    struct rollback_plan_volume *volume =
        grow_by_one(&plan->volumes, &plan->count, sizeof(*plan->volumes));
    if (volume == NULL)
        return err_set(maker->err, ERR_INTERNAL, 0, "out of memory");
    *volume = (struct rollback_plan_volume){
        .snapshot = snapshot,
        .old = old,
        .root = root,
        .delete_on_termination = device->delete_on_termination == EC2_YES,
        .size_gib = snapshot->size_gib > old->size_gib ? snapshot->size_gib : old->size_gib,
    };
    (void)snprintf(volume->device, sizeof(volume->device), "%s", device->name);
    return snapshot->size_gib >= old->size_gib || snapshot->size_gib <= 0 ||
           strs_printf(&maker->plan->warnings, maker->err,
                       "%s had %lld GiB then and has %lld now: the new one gets %lld, its file "
                       "system stays as it was",
                       device->name, (long long)snapshot->size_gib, (long long)old->size_gib,
                       (long long)old->size_gib);
}

/* EC2 takes only a snapshot of the same lineage, which it alone knows for sure. */
static bool judge_root(struct maker *maker, const struct ec2_device *device,
                       const struct backup_snapshot *snapshot)
{
    if (strcmp(snapshot->volume, device->volume_id) == 0)
        return true;
    return strs_printf(&maker->plan->warnings, maker->err,
                       "the root volume is another (%s) than the set's (%s): EC2 decides whether "
                       "its snapshot may replace it; if not, the data volumes go back",
                       device->volume_id, snapshot->volume);
}

static bool see_device(struct maker *maker, const struct ec2_device *device, bool root)
{
    const struct backup_snapshot *snapshot = snapshot_at(maker->input->set, device->name);
    struct strs *stays = &maker->plan->stays;

    if (root && maker->input->mode == ROLLBACK_DATA_ONLY)
        return strs_printf(stays, maker->err, "%s (%s), the root volume: only data was asked for",
                           device->name, device->volume_id);
    if (snapshot == NULL && root) {
        (void)err_set(maker->err, ERR_PRECONDITION, 0,
                      "the set has no snapshot of the root volume, %s", device->name);
        return refuse(maker, "go back with the data volumes alone: --data-only");
    }
    if (snapshot == NULL)
        return strs_printf(stays, maker->err, "%s (%s): the set doesn't have it", device->name,
                           device->volume_id);
    return (!root || judge_root(maker, device, snapshot)) &&
           add_volume(maker, device, root, snapshot);
}

static bool take_volumes(struct maker *maker)
{
    const struct ec2_instance *instance = maker->input->instance;
    const struct ec2_device *root = NULL;

    for (size_t i = 0; i < instance->device_count; i++) {
        const struct ec2_device *device = &instance->devices[i];
        if (strcmp(device->name, instance->root_device_name) == 0)
            root = device;
        else if (!see_device(maker, device, false))
            return false;
    }
    if (root == NULL && maker->input->mode == ROLLBACK_FULL) {
        (void)err_set(maker->err, ERR_PRECONDITION, 0, "this instance has no root volume of EBS");
        return refuse(maker, "go back with the data volumes alone: --data-only");
    }
    if (root != NULL && !see_device(maker, root, true))
        return false;
    if (maker->plan->count > 0)
        return true;
    (void)err_set(maker->err, ERR_PRECONDITION, 0,
                  "nothing to exchange: the set and this instance have no data volume in common");
    return refuse(maker,
                  "stillpoint show tells the devices of the set; without --data-only the root "
                  "volume is replaced");
}

static bool find_missing(struct maker *maker)
{
    const struct backup *set = maker->input->set;
    const struct ec2_instance *instance = maker->input->instance;

    for (size_t i = 0; i < set->snapshot_count; i++) {
        const char *device = set->snapshots[i].device;
        bool there = false;
        for (size_t k = 0; device != NULL && k < instance->device_count; k++)
            there = there || strcmp(instance->devices[k].name, device) == 0;
        if (!there && !strs_printf(&maker->plan->missing, maker->err,
                                   "%s (%s): nothing is attached there any more; of it: stillpoint "
                                   "restore volumes",
                                   device ? device : "(no device)", set->snapshots[i].id))
            return false;
    }
    return true;
}

/* --- what is mounted ------------------------------------------------------------------------ */

static bool cant_swap(struct maker *maker, const struct mount *mount, const char *why)
{
    (void)err_set(maker->err, ERR_PRECONDITION, 0, "%s can't be exchanged: %s", mount->path, why);
    return refuse(maker, "exchange it by hand: stillpoint restore volumes makes the copy");
}

static bool add_mount(struct maker *maker, struct rollback_plan_volume *volume,
                      const struct mount *mount, int part)
{
    char value[ROLLBACK_VALUE_BYTES];

    if (mount->hidden)
        return cant_swap(maker, mount, "another file system is mounted over it");
    if (volume->mount_count >= ROLLBACK_MOUNTS_MAX)
        return cant_swap(maker, mount, "its volume is mounted in too many places");
    struct rollback_plan_mount *added =
        grow_by_one(&volume->mounts, &volume->mount_count, sizeof(*volume->mounts));
    if (added == NULL)
        return err_set(maker->err, ERR_INTERNAL, 0, "out of memory");
    added->dev_major = mount->major;
    added->dev_minor = mount->minor;
    added->mount.partition = (uint32_t)part;
    (void)snprintf(added->mount.path, sizeof(added->mount.path), "%s", mount->path);
    return rollback_mount_format(&added->mount, value) ||
           cant_swap(maker, mount, "its path is longer than a tag takes");
}

/* All mounts of one superblock that lies on the volume. */
static bool add_superblock(struct maker *maker, struct rollback_plan_volume *volume, size_t index)
{
    const struct rollback_plan_input *input = maker->input;
    const struct mount *shown = input->list->items[index].mount;
    const struct device_trace *trace = &input->traces[index];

    if (trace->volumes.count > 1 || trace->elsewhere.count > 0)
        return cant_swap(maker, shown, "it lies on several disks");
    if (input->parts[index] == ROLLBACK_PART_STACKED)
        return cant_swap(maker, shown, "LVM, RAID or encryption lies between it and its volume");
    if (shown->major == 0)
        return cant_swap(maker, shown, "btrfs finds its volumes by itself");
    for (size_t i = 0; i < input->mounts->count; i++) {
        const struct mount *mount = &input->mounts->items[i];
        if (mount->major == shown->major && mount->minor == shown->minor &&
            !add_mount(maker, volume, mount, input->parts[index]))
            return false;
    }
    return true;
}

/* What is mounted below goes first. */
static int deepest_first(const void *a, const void *b)
{
    const struct rollback_plan_mount *one = a, *other = b;
    size_t len = strlen(one->mount.path), other_len = strlen(other->mount.path);

    return len != other_len ? (len < other_len) - (len > other_len)
                            : strcmp(one->mount.path, other->mount.path);
}

static bool take_mounts(struct maker *maker, const char *id, struct rollback_plan_volume *volume)
{
    const struct rollback_plan_input *input = maker->input;

    for (size_t i = 0; i < input->list->count; i++) {
        if (input->list->items[i].class == MOUNT_BLOCK && input->traces[i].kind == DEVICE_EBS &&
            strs_has(&input->traces[i].volumes, id) && !add_superblock(maker, volume, i))
            return false;
    }
    if (volume->mount_count > 0)
        qsort(volume->mounts, volume->mount_count, sizeof(*volume->mounts), deepest_first);
    return true;
}

static bool is_ours(const struct rollback_plan *plan, const struct mount *mount)
{
    for (size_t i = 0; i < plan->count; i++) {
        for (size_t k = 0; k < plan->volumes[i].mount_count; k++) {
            if (plan->volumes[i].mounts[k].dev_major == mount->major &&
                plan->volumes[i].mounts[k].dev_minor == mount->minor)
                return true;
        }
    }
    return false;
}

/* What is not exchanged may not lie below what is when that is unmounted. */
static bool warn_below(struct maker *maker)
{
    const struct mounts *mounts = maker->input->mounts;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        for (size_t k = 0; k < mounts->count; k++) {
            const struct mount *parent = &mounts->items[k];
            if (parent->id != mount->parent_id || parent == mount ||
                !is_ours(maker->plan, parent) || is_ours(maker->plan, mount))
                continue;
            if (!strs_printf(
                    &maker->plan->warnings, maker->err,
                    "%s (%s) is mounted below %s and is not exchanged with it: a stop hook "
                    "has to unmount it, and its start to mount it again",
                    mount->path, mount->fs, parent->path))
                return false;
        }
    }
    return true;
}

/* --- all of it ------------------------------------------------------------------------------ */

bool rollback_plan_make(const struct rollback_plan_input *input, struct rollback_plan *ret_plan,
                        struct err *err)
{
    struct rollback_plan plan = {.count = 0};
    struct maker maker = {input, &plan, err};

    bool ok = check_set(&maker) && take_volumes(&maker) && find_missing(&maker);
    for (size_t i = 0; ok && i < plan.count; i++)
        ok = plan.volumes[i].root || take_mounts(&maker, plan.volumes[i].old->id, &plan.volumes[i]);
    ok = ok && warn_below(&maker);
    if (!ok) {
        rollback_plan_free(&plan);
        return false;
    }
    *ret_plan = plan;
    return true;
}

bool rollback_plan_mounts(const struct rollback_plan_input *input, const char *volume_id,
                          struct rollback_plan_mount **ret_mounts, size_t *ret_count,
                          struct err *err)
{
    struct rollback_plan_volume volume = {.mount_count = 0};
    struct maker maker = {input, NULL, err};

    if (!take_mounts(&maker, volume_id, &volume)) {
        free(volume.mounts);
        return false;
    }
    *ret_mounts = volume.mounts;
    *ret_count = volume.mount_count;
    return true;
}

void rollback_plan_free(struct rollback_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->volumes[i].mounts);
    free(plan->volumes);
    strs_free(&plan->stays);
    strs_free(&plan->missing);
    strs_free(&plan->warnings);
    *plan = (struct rollback_plan){.count = 0};
}
