/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/grow.h"
#include "agent/daemon/mounts_order.h"
#include "agent/guard/guard_wire.h"

enum { LOOP_DEPTH_MAX = 8, WHY_BYTES = 640 };

enum fate {
    FATE_SILENT,   /* the kernel's own, or nobody's business: not even reported */
    FATE_LEFT_OUT, /* reported */
    FATE_TAKEN     /* among plan->mounts */
};

/* What is decided of one superblock, beside its entry in the list. */
struct item {
    const struct mount_pick *pick;
    const struct device_trace *trace;
    enum device_kind kind; /* of what lies below, loop devices followed */
    struct strs volumes;   /* those of the set */
    bool partly;           /* some of it is not on the set */
    bool in_file;          /* on a loop device */
    char below[WHY_BYTES]; /* what it lies on, in words, where that is no volume of the set */
    bool listed, excluded; /* by the configuration */
    enum fate fate;
    enum plan_use use;
};

struct maker {
    const struct plan_input *input;
    struct plan *plan;
    struct item *items; /* one for each of input->list */
    struct err *err;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- what a plan is made of ----------------------------------------------------------- */

static bool shortfall(struct maker *maker, enum label at_most, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool shortfall(struct maker *maker, enum label at_most, const char *fmt, ...)
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

static bool leave_out(struct maker *maker, struct item *item, const char *why)
{
    struct plan *plan = maker->plan;
    const struct mount *mount = item->pick->mount;
    struct plan_left_out *entry =
        grow_by_one(&plan->left_out, &plan->left_out_count, sizeof(*entry));

    item->fate = FATE_LEFT_OUT;
    if (entry == NULL || !strs_dup(&entry->path, mount->path, maker->err))
        return no_memory(maker->err);
    if (asprintf(&entry->why, "%s: %s", mount->fs, why) < 0) {
        entry->why = NULL;
        return no_memory(maker->err);
    }
    return true;
}

/* Left out although it lies on the set, or may: the set holds it as it happened to be. */
static bool leave_out_moving(struct maker *maker, struct item *item, const char *why)
{
    return leave_out(maker, item, why) &&
           shortfall(maker, LABEL_CRASH, "%s (%s) was not frozen: %s", item->pick->mount->path,
                     item->pick->mount->fs, why);
}

static bool take(struct item *item, enum plan_use use)
{
    item->fate = FATE_TAKEN;
    item->use = use;
    return true;
}

/* --- the set -------------------------------------------------------------------------- */

static bool in_set(const struct plan *plan, const char *volume)
{
    for (size_t i = 0; i < plan->volume_count; i++) {
        if (strcmp(plan->volumes[i].id, volume) == 0)
            return true;
    }
    return false;
}

static bool make_set(struct maker *maker)
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

/* --- what lies below each mount ------------------------------------------------------- */

static struct item *item_of(const struct maker *maker, const struct mount_pick *pick)
{
    return pick ? &maker->items[pick - maker->input->list->items] : NULL;
}

/* The filesystem that a loop device's file lies on. The kernel writes " (deleted)" behind the name
 * of one that is gone. */
static struct item *holder_of(const struct maker *maker, const char *file)
{
    static const char gone[] = " (deleted)";
    size_t len = strlen(file), gone_len = sizeof(gone) - 1;

    if (len > gone_len && strcmp(file + len - gone_len, gone) == 0)
        return NULL;
    return item_of(maker, mounts_holding(maker->input->mounts, maker->input->list, file));
}

static bool look_below(struct maker *maker, struct item *item, const struct item *on, int depth);

/* Adds what the file's own filesystem lies on. */
static bool look_below_file(struct maker *maker, struct item *item, const char *file, int depth)
{
    const struct item *holder = holder_of(maker, file);

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

static bool look_below(struct maker *maker, struct item *item, const struct item *on, int depth)
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

/* --- the configuration's lists -------------------------------------------------------- */

/* By mount point, also that of a bind mount. */
static struct item *item_at(const struct maker *maker, const char *path)
{
    const struct mounts *mounts = maker->input->mounts;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct mount *mount = &mounts->items[i];
        if (!mount->hidden && strcmp(mount->path, path) == 0)
            return item_of(maker, mounts_find(mounts, maker->input->list, mount->id, mount->major,
                                              mount->minor));
    }
    return NULL;
}

static bool read_lists(struct maker *maker)
{
    const struct config_backup *config = maker->input->config;

    for (size_t i = 0; i < config->exclude_mounts.count; i++) {
        struct item *item = item_at(maker, config->exclude_mounts.items[i]);
        if (item != NULL)
            item->excluded = true;
        else if (!strs_printf(&maker->plan->warnings, maker->err,
                              "exclude_mounts: nothing is mounted at %s",
                              config->exclude_mounts.items[i]))
            return false;
    }
    for (size_t i = 0; !config->mounts_auto && i < config->mounts.count; i++) {
        const char *path = config->mounts.items[i];
        struct item *item = item_at(maker, path);
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

static bool decide_off_set(struct maker *maker, struct item *item)
{
    bool still = item->pick->mount->super_read_only;

    if (item->kind == DEVICE_UNKNOWN && !still)
        return leave_out_moving(maker, item, item->below);
    if (still && item->in_file) {
        item->fate = FATE_SILENT; /* a snap's image and its like */
        return true;
    }
    return leave_out(maker, item, item->below);
}

static bool decide_on_set(struct maker *maker, struct item *item)
{
    const struct mount *mount = item->pick->mount;
    bool unlisted = !maker->input->config->mounts_auto && !item->listed;

    if (mount->super_read_only) {
        if (item->in_file)
            item->fate = FATE_SILENT;
        return item->in_file || take(item, PLAN_STILL);
    }
    if (item->excluded)
        return leave_out_moving(maker, item, "exclude_mounts names it");
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

static bool decide(struct maker *maker, struct item *item)
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
    item->fate = FATE_SILENT;
    return true;
}

static bool decide_all(struct maker *maker)
{
    const struct plan_input *input = maker->input;
    size_t taken = 0;

    for (size_t i = 0; i < input->list->count; i++) {
        maker->items[i].pick = &input->list->items[i];
        maker->items[i].trace = &input->traces[i];
    }
    for (size_t i = 0; i < input->list->count; i++) {
        if (!look_below(maker, &maker->items[i], &maker->items[i], 0))
            return false;
    }
    if (!read_lists(maker))
        return false;
    for (size_t i = 0; i < input->list->count; i++) {
        if (!decide(maker, &maker->items[i]))
            return false;
        taken += maker->items[i].fate == FATE_TAKEN;
    }
    if (taken == 0)
        return shortfall(maker, LABEL_CRASH,
                         "no mounted filesystem was found on the volumes of the "
                         "set");
    return true;
}

/* --- databases ------------------------------------------------------------------------ */

static struct item *item_of_path(const struct maker *maker, const struct plan_path *path)
{
    const struct plan_input *input = maker->input;
    const struct mount_pick *pick =
        mounts_find(input->mounts, input->list, path->mnt_id, path->dev_major, path->dev_minor);

    if (pick == NULL) /* btrfs: a subvolume's device number is in no table */
        pick = mounts_holding(input->mounts, input->list, path->path);
    return item_of(maker, pick);
}

static bool refuse_server(struct maker *maker, const struct plan_server *server, const char *why)
{
    (void)err_set(maker->err, ERR_PRECONDITION, 0, "%s", why);
    return err_suggest(maker->err,
                       "move it onto a volume of this instance, or write required = no "
                       "for %s",
                       server->name);
}

static bool check_path(struct maker *maker, const struct plan_server *server,
                       const struct plan_path *path, struct plan_server_verdict *verdict)
{
    const struct item *item = path->not_found ? NULL : item_of_path(maker, path);
    char why[2 * WHY_BYTES];

    if (item != NULL && item->fate == FATE_TAKEN && item->use != PLAN_SYNC_ONLY)
        return true;
    if (item != NULL && item->fate == FATE_LEFT_OUT && item->volumes.count > 0)
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

static bool check_servers(struct maker *maker)
{
    const struct plan_input *input = maker->input;

    maker->plan->servers = calloc(input->server_count + 1, sizeof(*maker->plan->servers));
    if (maker->plan->servers == NULL)
        return no_memory(maker->err);
    maker->plan->server_count = input->server_count;
    for (size_t i = 0; i < input->server_count; i++) {
        for (size_t k = 0; k < input->servers[i].path_count; k++) {
            if (!check_path(maker, &input->servers[i], &input->servers[i].paths[k],
                            &maker->plan->servers[i]))
                return false;
        }
    }
    return true;
}

/* --- the order ------------------------------------------------------------------------ */

struct ordering {
    const struct mount *mounts[GUARD_MOUNTS_MAX];
    struct item *items[GUARD_MOUNTS_MAX];
    size_t count;
    struct mount_rule *rules;
    size_t rule_count;
    size_t *rule_servers; /* whose wish it is; SIZE_MAX: nobody's, it is firm */
    size_t rule_server_count;
};

static bool gather(struct maker *maker, struct ordering *ordering)
{
    for (size_t i = 0; i < maker->input->list->count; i++) {
        struct item *item = &maker->items[i];
        if (item->fate != FATE_TAKEN || item->use == PLAN_STILL)
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

static size_t place_in(const struct ordering *ordering, const struct item *item)
{
    for (size_t i = 0; i < ordering->count; i++) {
        if (ordering->items[i] == item)
            return i;
    }
    return SIZE_MAX;
}

static bool add_rule(struct maker *maker, struct ordering *ordering, const struct item *before,
                     const struct item *after, size_t server)
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
static bool add_loop_rules(struct maker *maker, struct ordering *ordering)
{
    for (size_t i = 0; i < ordering->count; i++) {
        const struct strs *files = &ordering->items[i]->trace->backing;
        for (size_t k = 0; k < files->count; k++) {
            const struct item *holder = holder_of(maker, files->items[k]);
            if (holder != NULL && !add_rule(maker, ordering, ordering->items[i], holder, SIZE_MAX))
                return false;
        }
    }
    return true;
}

/* freeze.md: a transaction must not reach the binary log after the disk with its redo log was
 * frozen. */
static bool add_binlog_rules(struct maker *maker, struct ordering *ordering, size_t index)
{
    const struct plan_server *server = &maker->input->servers[index];

    for (size_t i = 0; server->commits_go_on && i < server->path_count; i++) {
        if (server->paths[i].role != PLAN_BINLOG || server->paths[i].not_found)
            continue;
        for (size_t k = 0; k < server->path_count; k++) {
            if (server->paths[k].role == PLAN_DATA && !server->paths[k].not_found &&
                !add_rule(maker, ordering, item_of_path(maker, &server->paths[i]),
                          item_of_path(maker, &server->paths[k]), index))
                return false;
        }
    }
    return true;
}

static bool tell_unmet(struct maker *maker, const struct ordering *ordering)
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

static bool add_mount(struct maker *maker, const struct item *item)
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
    plan->freeze_count += item->use == PLAN_FREEZE;
    return strs_dup(&mount->path, from->path, maker->err) &&
           strs_dup(&mount->fs, from->fs, maker->err) &&
           strs_copy(&mount->volumes, &item->volumes, maker->err) &&
           (item->use != PLAN_SYNC_ONLY ||
            strs_copy(&mount->stats, &item->trace->stats, maker->err));
}

static bool order_and_add(struct maker *maker, struct ordering *ordering)
{
    size_t order[GUARD_MOUNTS_MAX];
    bool ok = gather(maker, ordering) && add_loop_rules(maker, ordering);

    for (size_t i = 0; ok && i < maker->input->server_count; i++)
        ok = add_binlog_rules(maker, ordering, i);
    ok = ok && mounts_order(ordering->mounts, ordering->count, ordering->rules,
                            ordering->rule_count, order, maker->err);
    ok = ok && tell_unmet(maker, ordering);
    for (size_t i = 0; ok && i < ordering->count; i++)
        ok = add_mount(maker, ordering->items[order[i]]);
    for (size_t i = 0; ok && i < maker->input->list->count; i++) {
        const struct item *item = &maker->items[i];
        if (item->fate == FATE_TAKEN && item->use == PLAN_STILL)
            ok = add_mount(maker, item);
    }
    return ok;
}

static bool put_in_order(struct maker *maker)
{
    struct ordering ordering = {.count = 0};
    bool ok = order_and_add(maker, &ordering);

    free(ordering.rules);
    free(ordering.rule_servers);
    return ok;
}

/* --- the whole ------------------------------------------------------------------------ */

static bool refuse_shortfall(struct maker *maker)
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

static void free_items(struct item *items, size_t count)
{
    for (size_t i = 0; items != NULL && i < count; i++)
        strs_free(&items[i].volumes);
    free(items);
}

bool plan_make(const struct plan_input *input, struct plan **ret_plan, struct err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    struct item *items = calloc(input->list->count + 1, sizeof(*items));
    struct maker maker = {input, plan, items, err};
    bool ok = plan != NULL && items != NULL;

    if (!ok) {
        (void)no_memory(err);
    } else {
        plan->at_most = LABEL_APPLICATION;
        ok = make_set(&maker) && decide_all(&maker) && check_servers(&maker) &&
             put_in_order(&maker) && refuse_shortfall(&maker);
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
