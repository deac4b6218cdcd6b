/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan_item.h"

#include <stdio.h>
#include <string.h>

enum { LOOP_DEPTH_MAX = 8 };

static bool in_set(const struct plan *plan, const char *volume)
{
    for (size_t i = 0; i < plan->volume_count; i++) {
        if (strcmp(plan->volumes[i].id, volume) == 0)
            return true;
    }
    return false;
}

struct plan_item *plan_item_of(const struct plan_maker *maker, const struct mount_pick *pick)
{
    return pick ? &maker->items[pick - maker->input->list->items] : NULL;
}

/* The filesystem that a loop device's file lies on. The kernel writes " (deleted)" behind the name
 * of one that is gone. */
struct plan_item *plan_item_holding(const struct plan_maker *maker, const char *file)
{
    static const char gone[] = " (deleted)";
    size_t len = strlen(file), gone_len = sizeof(gone) - 1;

    if (len > gone_len && strcmp(file + len - gone_len, gone) == 0)
        return NULL;
    return plan_item_of(maker, mounts_holding(maker->input->mounts, maker->input->list, file));
}

static bool look_below(struct plan_maker *maker, struct plan_item *item, const struct plan_item *on,
                       int depth);

/* Adds what the file's own filesystem lies on. */
static bool look_below_file(struct plan_maker *maker, struct plan_item *item, const char *file,
                            int depth)
{
    const struct plan_item *holder = plan_item_holding(maker, file);

    if (holder == NULL || depth > LOOP_DEPTH_MAX) {
        item->kind = DEVICE_UNKNOWN;
        (void)snprintf(item->below, sizeof(item->below),
                       "a loop device, whose file %s is on no "
                       "mount",
                       file);
        return true;
    }
    return look_below(maker, item, holder, depth);
}

static bool look_below(struct plan_maker *maker, struct plan_item *item, const struct plan_item *on,
                       int depth)
{
    const struct device_trace *trace = on->trace;

    if (on->pick->class != MOUNT_BLOCK) {
        item->kind = DEVICE_OTHER;
        if (on != item)
            (void)snprintf(item->below, sizeof(item->below), "a file on %s (%s)",
                           on->pick->mount->path, on->pick->mount->fs);
        return true;
    }
    if (trace->kind == DEVICE_LOOP) {
        item->in_file = true;
        for (size_t i = 0; i < trace->unmapped_backing.count; i++) {
            if (!look_below_file(maker, item, trace->unmapped_backing.items[i], depth + 1))
                return false;
        }
        return true;
    }
    item->kind = trace->kind;
    (void)snprintf(item->below, sizeof(item->below), "%s",
                   trace->kind == DEVICE_EBS ? ""
                   : trace->why              ? trace->why
                                             : "unknown");
    for (size_t i = 0; i < trace->volumes.count; i++) {
        bool ours = in_set(maker->plan, trace->volumes.items[i]);
        item->partly = item->partly || !ours;
        if (ours && !strs_add_once(&item->volumes, trace->volumes.items[i], maker->err))
            return false;
        if (!ours)
            (void)snprintf(item->below, sizeof(item->below), "%s, which is left out of the cut",
                           trace->volumes.items[i]);
    }
    if (trace->elsewhere.count > 0) {
        item->partly = true;
        (void)snprintf(item->below, sizeof(item->below), "%s", trace->elsewhere.items[0]);
    }
    return true;
}

struct plan_item *plan_item_of_path(const struct plan_maker *maker, const struct plan_path *path)
{
    const struct plan_input *input = maker->input;
    const struct mount_pick *pick =
        mounts_find(input->mounts, input->list, path->mnt_id, path->dev_major, path->dev_minor);

    if (pick == NULL) /* btrfs: a subvolume's device number is in no table */
        pick = mounts_holding(input->mounts, input->list, path->path);
    return plan_item_of(maker, pick);
}

bool plan_item_look_below(struct plan_maker *maker, struct plan_item *item)
{
    return look_below(maker, item, item, 0);
}
