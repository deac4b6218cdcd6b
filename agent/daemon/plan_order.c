/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan_order.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/daemon/mounts_order.h"
#include "agent/guard/guard_wire.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

struct ordering {
    const struct mount *mounts[GUARD_MOUNTS_MAX];
    struct plan_item *items[GUARD_MOUNTS_MAX];
    size_t count;
    struct mount_rule *rules;
    size_t rule_count;
    size_t *rule_servers; /* whose wish it is; SIZE_MAX: nobody's, it is firm */
    size_t rule_server_count;
};

static bool gather(struct plan_maker *maker, struct ordering *ordering)
{
    for (size_t i = 0; i < maker->input->list->count; i++) {
        struct plan_item *item = &maker->items[i];
        if (item->fate != PLAN_FATE_TAKEN || item->use == PLAN_STILL)
            continue;
        if (ordering->count == GUARD_MOUNTS_MAX) {
            (void)err_set(maker->err, ERR_PRECONDITION, 0, "more than %d filesystems to freeze",
                          GUARD_MOUNTS_MAX);
            return err_suggest(maker->err, "name those that matter in [backup] mounts");
        }
        ordering->items[ordering->count] = item;
        ordering->mounts[ordering->count++] = item->pick->mount;
    }
    return true;
}

static size_t place_in(const struct ordering *ordering, const struct plan_item *item)
{
    for (size_t i = 0; i < ordering->count; i++) {
        if (ordering->items[i] == item)
            return i;
    }
    return SIZE_MAX;
}

static bool add_rule(struct plan_maker *maker, struct ordering *ordering,
                     const struct plan_item *before, const struct plan_item *after, size_t server)
{
    size_t a = place_in(ordering, before), b = place_in(ordering, after);

    if (a == SIZE_MAX || b == SIZE_MAX || a == b)
        return true;
    struct mount_rule *rule = grow_by_one(&ordering->rules, &ordering->rule_count, sizeof(*rule));
    size_t *whose =
        grow_by_one(&ordering->rule_servers, &ordering->rule_server_count, sizeof(*whose));
    if (rule == NULL || whose == NULL)
        return no_memory(maker->err);
    *rule = (struct mount_rule){.before = a, .after = b, .wanted_only = server != SIZE_MAX};
    *whose = server;
    return true;
}

/* A filesystem in a file freezes before the one that has the file: its last writes go there. */
static bool add_loop_rules(struct plan_maker *maker, struct ordering *ordering)
{
    for (size_t i = 0; i < ordering->count; i++) {
        const struct strs *files = &ordering->items[i]->trace->backing;
        for (size_t k = 0; k < files->count; k++) {
            const struct plan_item *holder = plan_item_holding(maker, files->items[k]);
            if (holder != NULL && !add_rule(maker, ordering, ordering->items[i], holder, SIZE_MAX))
                return false;
        }
    }
    return true;
}

/* freeze.md: a transaction must not reach the binary log after the disk with its redo log was
 * frozen. */
static bool add_binlog_rules(struct plan_maker *maker, struct ordering *ordering, size_t index)
{
    const struct plan_server *server = &maker->input->servers[index];

    for (size_t i = 0; server->commits_go_on && i < server->path_count; i++) {
        if (server->paths[i].role != PLAN_BINLOG || server->paths[i].not_found)
            continue;
        for (size_t k = 0; k < server->path_count; k++) {
            if (server->paths[k].role == PLAN_DATA && !server->paths[k].not_found &&
                !add_rule(maker, ordering, plan_item_of_path(maker, &server->paths[i]),
                          plan_item_of_path(maker, &server->paths[k]), index))
                return false;
        }
    }
    return true;
}

static bool tell_unmet(struct plan_maker *maker, const struct ordering *ordering)
{
    for (size_t i = 0; i < ordering->rule_count; i++) {
        if (ordering->rules[i].met)
            continue;
        struct plan_server_verdict *verdict =
            &maker->plan->servers[ordering->rule_servers[i]]; /* firm ones were met or refused */
        if (verdict->must_block_commits)
            continue;
        verdict->must_block_commits = true;
        if (asprintf(&verdict->why, "the binary log's mount %s can't be frozen before %s",
                     ordering->mounts[ordering->rules[i].before]->path,
                     ordering->mounts[ordering->rules[i].after]->path) < 0) {
            verdict->why = NULL;
            return no_memory(maker->err);
        }
    }
    return true;
}

/* Whether the mount at place AT of the order needs nothing of those from FIRST on to be frozen
 * before it: then the grace periods of all are waited for once. The root stays last by itself. */
static bool is_free_of(const struct ordering *ordering, const size_t *order, size_t first,
                       size_t at)
{
    if (strcmp(ordering->mounts[order[at]]->path, "/") == 0)
        return false;
    for (size_t i = 0; i < ordering->rule_count; i++) {
        const struct mount_rule *rule = &ordering->rules[i];
        for (size_t k = first; rule->met && rule->after == order[at] && k < at; k++) {
            if (rule->before == order[k])
                return false;
        }
    }
    return true;
}

static bool add_mount(struct plan_maker *maker, const struct plan_item *item, bool together)
{
    struct plan *plan = maker->plan;
    const struct mount *from = item->pick->mount;
    struct plan_mount *mount = grow_by_one(&plan->mounts, &plan->mount_count, sizeof(*mount));

    if (mount == NULL)
        return no_memory(maker->err);
    mount->dev_major = from->major;
    mount->dev_minor = from->minor;
    mount->mnt_id = from->id;
    mount->use = item->use;
    mount->together = together;
    plan->freeze_count += item->use == PLAN_FREEZE;
    return strs_dup(&mount->path, from->path, maker->err) &&
           strs_dup(&mount->fs, from->fs, maker->err) &&
           strs_dup(&mount->place, item->trace->place, maker->err) &&
           strs_copy(&mount->volumes, &item->volumes, maker->err) &&
           (item->use != PLAN_SYNC_ONLY ||
            strs_copy(&mount->stats, &item->trace->stats, maker->err));
}

static bool order_and_add(struct plan_maker *maker, struct ordering *ordering)
{
    size_t order[GUARD_MOUNTS_MAX], first = 0;
    bool ok = gather(maker, ordering) && add_loop_rules(maker, ordering);

    for (size_t i = 0; ok && i < maker->input->server_count; i++)
        ok = add_binlog_rules(maker, ordering, i);
    ok = ok && mounts_order(ordering->mounts, ordering->count, ordering->rules,
                            ordering->rule_count, order, maker->err);
    ok = ok && tell_unmet(maker, ordering);
    for (size_t i = 0; ok && i < ordering->count; i++) {
        bool together = i > 0 && is_free_of(ordering, order, first, i);
        first = together ? first : i;
        ok = add_mount(maker, ordering->items[order[i]], together);
    }
    for (size_t i = 0; ok && i < maker->input->list->count; i++) {
        const struct plan_item *item = &maker->items[i];
        if (item->fate == PLAN_FATE_TAKEN && item->use == PLAN_STILL)
            ok = add_mount(maker, item, false);
    }
    return ok;
}

bool plan_order(struct plan_maker *maker)
{
    struct ordering ordering = {.count = 0};
    bool ok = order_and_add(maker, &ordering);

    free(ordering.rules);
    free(ordering.rule_servers);
    return ok;
}
