/* SPDX-License-Identifier: BSD-2-Clause */
/* A mount table of any bytes: read, folded to one entry a superblock, put in order. What is taken
 * must hold together. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/mounts.h"
#include "agent/daemon/mounts_fold.h"
#include "agent/daemon/mounts_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void check_order(const struct mount_list *list)
{
    const struct mount *mounts[MOUNTS_ORDER_MAX];
    size_t order[MOUNTS_ORDER_MAX] = {0}, seen[MOUNTS_ORDER_MAX] = {0};
    size_t count = list->count < 48 ? list->count : 48;
    struct mount_rule rules[2] = {{.before = 0, .after = count - 1},
                                  {.before = count - 1, .after = 0, .wanted_only = true}};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < count; i++)
        mounts[i] = list->items[i].mount;
    if (count < 2 || !mounts_order(mounts, count, rules, 2, order, &err))
        return;
    for (size_t i = 0; i < count; i++) {
        must(order[i] < count && !seen[order[i]]);
        seen[order[i]] = i + 1;
    }
    must(rules[0].met && !rules[1].met && seen[0] < seen[count - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mounts mounts = {NULL, 0};
    struct mount_list list = {NULL, 0};
    struct err err = ERR_INIT;

    if (!mounts_parse((const char *)data, size, &mounts, &err)) {
        must(err.kind == ERR_PROTOCOL || err.kind == ERR_LIMIT);
        return 0;
    }
    must(mounts_fold(&mounts, &list, &err));
    size_t shown = 0;
    for (size_t i = 0; i < list.count; i++) {
        const struct mount *mount = list.items[i].mount;
        shown += list.items[i].mount_count;
        must(mount->path[0] == '/');
        must(mounts_find(&mounts, &list, 0, mount->major, mount->minor) == &list.items[i]);
        (void)mounts_holding(&mounts, &list, mount->path);
    }
    must(shown == mounts.count);
    check_order(&list);
    mounts_list_free(&list);
    mounts_free(&mounts);
    return 0;
}
