/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/daemon/plan_item.h"
#include "agent/daemon/plan_order.h"
#include "agent/guard/guard_wire.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- what a plan is made of ----------------------------------------------------------- */

static bool shortfall(struct plan_maker *maker, enum label at_most, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool shortfall(struct plan_maker *maker, enum label at_most, const char *fmt, ...)
{
    struct plan *plan = maker->plan;
    va_list args;
    struct plan_shortfall *entry =
        grow_by_one(&plan->shortfalls, &plan->shortfall_count, sizeof(*entry));

    if (entry == NULL)
        return no_memory(maker->err);
    va_start(args, fmt);
    int len = vasprintf(&entry->why, fmt, args);
    va_end(args);
    if (len < 0) {
        entry->why = NULL;
        return no_memory(maker->err);
    }
    entry->at_most = at_most;
    plan->at_most = label_lower(plan->at_most, at_most);
    return true;
}

static bool leave_out(struct plan_maker *maker, struct plan_item *item, const char *why)
{
    struct plan *plan = maker->plan;
    const struct mount *mount = item->pick->mount;
    struct plan_left_out *entry =
        grow_by_one(&plan->left_out, &plan->left_out_count, sizeof(*entry));

    item->fate = PLAN_FATE_LEFT_OUT;
    if (entry == NULL || !strs_dup(&entry->path, mount->path, maker->err))
        return no_memory(maker->err);
    if (asprintf(&entry->why, "%s: %s", mount->fs, why) < 0) {
        entry->why = NULL;
        return no_memory(maker->err);
    }
    return true;
}

/* Left out although it lies on the set, or may: the set holds it as it happened to be. */
static bool leave_out_moving(struct plan_maker *maker, struct plan_item *item, const char *why)
{
    return leave_out(maker, item, why) &&
           shortfall(maker, LABEL_CRASH, "%s (%s) was not frozen: %s", item->pick->mount->path,
                     item->pick->mount->fs, why);
}

static bool take(struct plan_item *item, enum plan_use use)
{
    item->fate = PLAN_FATE_TAKEN;
    item->use = use;
    return true;
}

/* --- the set -------------------------------------------------------------------------- */

static bool make_set(struct plan_maker *maker)
{
    const struct plan_input *input = maker->input;
    struct plan *plan = maker->plan;

    for (size_t i = 0; i < input->attached_count; i++) {
        const struct device_attached *from = &input->attached[i];
        if (input->exclude_volumes != NULL && strs_has(input->exclude_volumes, from->volume_id))
            continue;
        struct plan_volume *volume =
            grow_by_one(&plan->volumes, &plan->volume_count, sizeof(*volume));
        if (volume == NULL)
            return no_memory(maker->err);
        volume->size_gib = from->size_gib;
        volume->root = from->root;
        if (!strs_dup(&volume->id, from->volume_id, maker->err) ||
            !strs_dup(&volume->device_name, from->device_name, maker->err))
            return false;
        if (from->multi_attach &&
            !strs_printf(&plan->warnings, maker->err,
                         "%s allows several instances: what others write to it is not held",
                         from->volume_id))
            return false;
    }
    if (plan->volume_count > 0)
        return true;
    (void)err_set(maker->err, ERR_PRECONDITION, 0, "no EBS volume is attached to this instance");
    return err_suggest(maker->err, "attach one; instance store can't be snapshotted");
}

/* --- the configuration's lists -------------------------------------------------------- */

/* By mount point, also that of a bind mount. */
static struct plan_item *item_at(const struct plan_maker *maker, const char *path)
{
    const struct mounts *mounts = maker->input->mounts;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        if (!mount->hidden && strcmp(mount->path, path) == 0)
            return plan_item_of(maker, mounts_find(mounts, maker->input->list, mount->id,
                                                   mount->major, mount->minor));
    }
    return NULL;
}

/* What was named for this job alone is there, or was meant otherwise: refused. */
static bool read_leave_out(struct plan_maker *maker)
{
    const struct strs *paths = maker->input->leave_out;

    for (size_t i = 0; paths != NULL && i < paths->count; i++) {
        struct plan_item *item = item_at(maker, paths->items[i]);
        if (item == NULL) {
            (void)err_set(maker->err, ERR_PRECONDITION, 0, "--leave-out: nothing is mounted at %s",
                          paths->items[i]);
            return err_suggest(maker->err, "name a mount point as findmnt(8) shows it");
        }
        item->left_out = true;
    }
    return true;
}

static bool read_lists(struct plan_maker *maker)
{
    const struct config_backup *config = maker->input->config;

    if (!read_leave_out(maker))
        return false;

    for (size_t i = 0; i < config->exclude_mounts.count; i++) {
        struct plan_item *item = item_at(maker, config->exclude_mounts.items[i]);
        if (item != NULL)
            item->excluded = true;
        else if (!strs_printf(&maker->plan->warnings, maker->err,
                              "exclude_mounts: nothing is mounted at %s",
                              config->exclude_mounts.items[i]))
            return false;
    }
    for (size_t i = 0; !config->mounts_auto && i < config->mounts.count; i++) {
        const char *path = config->mounts.items[i];
        struct plan_item *item = item_at(maker, path);
        if (item == NULL) {
            (void)err_set(maker->err, ERR_PRECONDITION, 0,
                          "[backup] mounts: nothing is mounted at "
                          "%s",
                          path);
            return err_suggest(maker->err, "mount it, take it out of the list, or write auto");
        }
        if (item->volumes.count == 0) {
            (void)err_set(maker->err, ERR_PRECONDITION, 0,
                          "[backup] mounts: %s (%s) is on no volume of this instance%s%s", path,
                          item->pick->mount->fs, *item->below ? ": " : "", item->below);
            return err_suggest(maker->err,
                               "take it out of the list, or name its volume in the file "
                               "of [devices] map");
        }
        item->listed = true;
    }
    return true;
}

/* --- the fate of each ----------------------------------------------------------------- */

static bool decide_off_set(struct plan_maker *maker, struct plan_item *item)
{
    bool still = item->pick->mount->super_read_only;

    if (item->kind == DEVICE_UNKNOWN && !still)
        return leave_out_moving(maker, item, item->below);
    if (still && item->in_file) {
        item->fate = PLAN_FATE_SILENT; /* a snap's image and its like */
        return true;
    }
    return leave_out(maker, item, item->below);
}

static bool decide_on_set(struct plan_maker *maker, struct plan_item *item)
{
    const struct mount *mount = item->pick->mount;
    bool unlisted = !maker->input->config->mounts_auto && !item->listed;

    if (mount->super_read_only) {
        if (item->in_file)
            item->fate = PLAN_FATE_SILENT;
        return item->in_file || take(item, PLAN_STILL);
    }
    if (item->excluded)
        return leave_out_moving(maker, item, "exclude_mounts names it");
    if (item->left_out)
        return leave_out_moving(maker, item, "it was to be left out");
    if (unlisted)
        return leave_out_moving(maker, item, "it is not in the list of mounts");
    if (mount->hidden)
        return leave_out_moving(maker, item, "another mount lies over it");
    if (strlen(mount->path) >= GUARD_MOUNT_PATH_BYTES)
        return leave_out_moving(maker, item, "its path is too long");
    if (item->pick->freeze == MOUNT_FREEZE_NO)
        return leave_out_moving(maker, item, "this kind of filesystem can't be frozen");
    (void)take(item, item->pick->freeze == MOUNT_FREEZE_YES ? PLAN_FREEZE : PLAN_SYNC_ONLY);
    if (item->partly)
        return shortfall(maker, LABEL_CRASH, "%s (%s) lies in part outside of the set: %s",
                         mount->path, mount->fs, item->below);
    return true;
}

static bool decide(struct plan_maker *maker, struct plan_item *item)
{
    const struct mount *mount = item->pick->mount;

    switch (item->pick->class) {
    case MOUNT_NETWORK:
        return leave_out(maker, item, "not on a volume of this instance");
    case MOUNT_STACKED:
        /* What an overlay writes lands on a filesystem that has an entry of its own. */
        if (strncmp(mount->fs, "fuse", 4) == 0)
            return leave_out(maker, item, "a program's filesystem");
        break;
    case MOUNT_BLOCK:
        return item->volumes.count > 0 ? decide_on_set(maker, item) : decide_off_set(maker, item);
    case MOUNT_MEMORY:
    case MOUNT_AUTOFS:
        break;
    }
    item->fate = PLAN_FATE_SILENT;
    return true;
}

static bool decide_all(struct plan_maker *maker)
{
    const struct plan_input *input = maker->input;
    size_t found = 0;

    for (size_t i = 0; i < input->list->count; i++) {
        maker->items[i].pick = &input->list->items[i];
        maker->items[i].trace = &input->traces[i];
    }
    for (size_t i = 0; i < input->list->count; i++) {
        if (!plan_item_look_below(maker, &maker->items[i]))
            return false;
    }
    if (!read_lists(maker))
        return false;
    for (size_t i = 0; i < input->list->count; i++) {
        if (!decide(maker, &maker->items[i]))
            return false;
        found += maker->items[i].fate == PLAN_FATE_TAKEN || /* what was left out was found, too */
                 (maker->items[i].fate == PLAN_FATE_LEFT_OUT && maker->items[i].volumes.count > 0);
    }
    if (found == 0)
        return shortfall(maker, LABEL_CRASH,
                         "no mounted filesystem was found on the volumes of the "
                         "set");
    return true;
}

/* --- databases ------------------------------------------------------------------------ */

static bool refuse_server(struct plan_maker *maker, const struct plan_server *server,
                          const char *why)
{
    (void)err_set(maker->err, ERR_PRECONDITION, 0, "%s", why);
    return err_suggest(maker->err,
                       "move it onto a volume of this instance, or write required = no "
                       "for %s",
                       server->name);
}

static bool check_path(struct plan_maker *maker, const struct plan_server *server,
                       const struct plan_path *path, struct plan_server_verdict *verdict)
{
    const struct plan_item *item = path->not_found ? NULL : plan_item_of_path(maker, path);
    char why[2 * PLAN_WHY_BYTES];

    if (item != NULL && item->fate == PLAN_FATE_TAKEN && item->use != PLAN_SYNC_ONLY)
        return true;
    if (item != NULL && item->fate == PLAN_FATE_LEFT_OUT && item->volumes.count > 0)
        return true; /* on the set, not frozen: has its shortfall */
    if (item == NULL)
        (void)snprintf(why, sizeof(why), "%s: the %s %s can't be placed%s%s", server->name,
                       path->what, path->path, path->why ? ": " : "", path->why ? path->why : "");
    else
        (void)snprintf(why, sizeof(why), "%s: the %s %s is outside of the set, on %s (%s%s%s)",
                       server->name, path->what, path->path, item->pick->mount->path,
                       item->pick->mount->fs, *item->below ? ": " : "", item->below);
    verdict->outside = true;
    if (server->required && maker->input->asked == LABEL_APPLICATION)
        return refuse_server(maker, server, why);
    return shortfall(maker, LABEL_FILESYSTEM, "%s", why);
}

/* Most of a server's parts lie in one folder: once is enough to say what is wrong with it. */
static bool was_checked(const struct plan_server *server, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (server->paths[i].role == server->paths[index].role &&
            strcmp(server->paths[i].path, server->paths[index].path) == 0)
            return true;
    }
    return false;
}

static bool check_servers(struct plan_maker *maker)
{
    const struct plan_input *input = maker->input;

    maker->plan->servers = calloc(input->server_count + 1, sizeof(*maker->plan->servers));
    if (maker->plan->servers == NULL)
        return no_memory(maker->err);
    maker->plan->server_count = input->server_count;
    for (size_t i = 0; i < input->server_count; i++) {
        for (size_t k = 0; k < input->servers[i].path_count; k++) {
            if (!was_checked(&input->servers[i], k) &&
                !check_path(maker, &input->servers[i], &input->servers[i].paths[k],
                            &maker->plan->servers[i]))
                return false;
        }
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

static bool refuse_shortfall(struct plan_maker *maker)
{
    const struct plan *plan = maker->plan;

    if (maker->input->config->on_shortfall != CONFIG_SHORTFALL_DISCARD ||
        plan->at_most >= maker->input->asked)
        return true;
    for (size_t i = 0; i < plan->shortfall_count; i++) {
        if (plan->shortfalls[i].at_most == plan->at_most) {
            (void)err_set(maker->err, ERR_PRECONDITION, 0, "%s", plan->shortfalls[i].why);
            break;
        }
    }
    return err_suggest(maker->err, "ask for --consistency %s, or write on_shortfall = keep",
                       label_name(plan->at_most));
}

static void free_items(struct plan_item *items, size_t count)
{
    for (size_t i = 0; items != NULL && i < count; i++)
        strs_free(&items[i].volumes);
    free(items);
}

bool plan_make(const struct plan_input *input, struct plan **ret_plan, struct err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    struct plan_item *items = calloc(input->list->count + 1, sizeof(*items));
    struct plan_maker maker = {input, plan, items, err};
    bool ok = plan != NULL && items != NULL;

    if (!ok) {
        (void)no_memory(err);
    } else {
        plan->at_most = LABEL_APPLICATION;
        ok = make_set(&maker) && decide_all(&maker) && check_servers(&maker) &&
             plan_order(&maker) && refuse_shortfall(&maker);
    }
    free_items(items, input->list->count);
    if (!ok) {
        plan_free(plan);
        return false;
    }
    *ret_plan = plan;
    return true;
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->volume_count; i++) {
        free(plan->volumes[i].id);
        free(plan->volumes[i].device_name);
    }
    for (size_t i = 0; i < plan->mount_count; i++) {
        free(plan->mounts[i].path);
        free(plan->mounts[i].fs);
        free(plan->mounts[i].place);
        strs_free(&plan->mounts[i].volumes);
        strs_free(&plan->mounts[i].stats);
    }
    for (size_t i = 0; i < plan->left_out_count; i++) {
        free(plan->left_out[i].path);
        free(plan->left_out[i].why);
    }
    for (size_t i = 0; i < plan->shortfall_count; i++)
        free(plan->shortfalls[i].why);
    for (size_t i = 0; i < plan->server_count; i++)
        free(plan->servers[i].why);
    free(plan->volumes);
    free(plan->mounts);
    free(plan->left_out);
    free(plan->shortfalls);
    free(plan->servers);
    strs_free(&plan->warnings);
    free(plan);
}
