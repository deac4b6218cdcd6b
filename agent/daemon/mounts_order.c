/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mounts_order.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

/* reach[a * count + b]: A comes before B, directly or by way of others. */
struct order {
    bool *reach;
    size_t count;
};

/* False: B comes before A already. */
static bool put_before(struct order *order, size_t a, size_t b)
{
    size_t n = order->count;

    if (a == b || order->reach[b * n + a])
        return false;
    if (order->reach[a * n + b])
        return true;
    for (size_t x = 0; x < n; x++) {
        if (x != a && !order->reach[x * n + a])
            continue;
        for (size_t y = 0; y < n; y++) {
            if (y == b || order->reach[b * n + y])
                order->reach[x * n + y] = true;
        }
    }
    return true;
}

static size_t depth(const char *path)
{
    size_t count = 0;

    for (; *path != '\0'; path++)
        count += path[0] == '/' && path[1] != '\0';
    return count;
}

static bool goes_first(const struct mount *a, const struct mount *b)
{
    size_t a_depth = depth(a->path), b_depth = depth(b->path);

    return a_depth != b_depth ? a_depth > b_depth : strcmp(a->path, b->path) < 0;
}

/* The next that nobody left comes before; circles were refused, so there is one. */
static size_t take_next(const struct order *order, const struct mount *const *mounts,
                        const bool *taken)
{
    size_t best = order->count;

    for (size_t i = 0; i < order->count; i++) {
        bool free_now = !taken[i];
        for (size_t x = 0; free_now && x < order->count; x++)
            free_now = taken[x] || !order->reach[x * order->count + i];
        if (free_now && (best == order->count || goes_first(mounts[i], mounts[best])))
            best = i;
    }
    return best;
}

bool mounts_order(const struct mount *const *mounts, size_t count, struct mount_rule *rules,
                  size_t rule_count, size_t *ret_order, struct err *err)
{
    bool taken[MOUNTS_ORDER_MAX] = {false};

    if (count > MOUNTS_ORDER_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d mounts to freeze", MOUNTS_ORDER_MAX);
    AUTO_FREE bool *reach = calloc(count * count + 1, sizeof(*reach));
    struct order order = {reach, count};
    if (reach == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < rule_count; i++) {
        rules[i].met = !rules[i].wanted_only && put_before(&order, rules[i].before, rules[i].after);
        if (!rules[i].met && !rules[i].wanted_only)
            return err_set(err, ERR_PRECONDITION, 0,
                           "%s and %s: each would have to be frozen before the other",
                           mounts[rules[i].before]->path, mounts[rules[i].after]->path);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (i != k && mounts_path_below(mounts[i]->path, mounts[k]->path))
                (void)put_before(&order, i, k); /* a firm rule may say otherwise */
        }
    }
    for (size_t i = 0; i < rule_count; i++) {
        if (rules[i].wanted_only)
            rules[i].met = put_before(&order, rules[i].before, rules[i].after);
    }
    for (size_t i = 0; i < count; i++) {
        ret_order[i] = take_next(&order, mounts, taken);
        taken[ret_order[i]] = true;
    }
    return true;
}
