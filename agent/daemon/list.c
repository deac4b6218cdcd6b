/* SPDX-License-Identifier: BSD-2-Clause */
/* list: which sets there are, a row each, or a row for each node. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/grow.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/inventory_json.h"

enum { LIST_MS = 600000, ROWS_MAX = 1000000 };

/* What was asked for. Texts are borrowed from the job's arguments; NULL: any. */
struct listing {
    struct inventory_query query;
    bool by_node;
    const char *state, *consistency, *reason;
    int64_t since_utc_us, until_utc_us, limit;
};

static bool is_instance(const char *text)
{
    return strncmp(text, "i-", 2) == 0 && text[2] != '\0' &&
           text[2 + strspn(text + 2, "0123456789abcdef")] == '\0';
}

static bool known_state(const char *text, struct err *err)
{
    enum backup_state ignored;

    if (text == NULL || backup_state_parse(text, &ignored) || strcmp(text, "broken") == 0)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "there is no state '%.40s'", text);
    return err_suggest(err, "complete, pending, cut, held, failed or broken");
}

static bool known_label(const char *text, struct err *err)
{
    enum label ignored;

    if (text == NULL || label_parse(text, &ignored))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "there is no consistency '%.40s'", text);
    return err_suggest(err, "application, filesystem or crash");
}

static bool read_args(const json_t *args, struct listing *listing, struct err *err)
{
    static const char *const keys[] = {"all_nodes",    "by_node",     "group",  "node",
                                       "state",        "consistency", "reason", "since_utc_us",
                                       "until_utc_us", "limit",       NULL};
    const char *node = NULL;

    bool ok =
        control_only_keys(args, keys, err) &&
        control_opt_bool(args, "all_nodes", &listing->query.all_nodes, err) &&
        control_opt_bool(args, "by_node", &listing->by_node, err) &&
        control_opt_string(args, "group", &listing->query.group, err) &&
        control_opt_string(args, "node", &node, err) &&
        control_opt_string(args, "state", &listing->state, err) &&
        control_opt_string(args, "consistency", &listing->consistency, err) &&
        control_opt_string(args, "reason", &listing->reason, err) &&
        control_opt_int(args, "since_utc_us", INT64_MIN, INT64_MAX, &listing->since_utc_us, err) &&
        control_opt_int(args, "until_utc_us", INT64_MIN, INT64_MAX, &listing->until_utc_us, err) &&
        control_opt_int(args, "limit", 1, ROWS_MAX, &listing->limit, err) &&
        known_state(listing->state, err) && known_label(listing->consistency, err);
    if (!ok) {
        err->kind = ERR_USAGE;
        return false;
    }
    if (listing->since_utc_us > listing->until_utc_us) {
        (void)err_set(err, ERR_USAGE, 0, "--since is later than --until");
        return err_suggest(err, "a duration is so long ago: --since 7d --until 1d");
    }
    if (node != NULL && is_instance(node))
        listing->query.instance = node;
    else
        listing->query.node = node;
    if (node != NULL && listing->query.all_nodes) {
        (void)err_set(err, ERR_USAGE, 0, "all nodes and one node exclude each other");
        return err_suggest(err, "leave out --all-nodes or --node");
    }
    listing->query.all_nodes = listing->query.all_nodes || listing->by_node || node != NULL;
    return true;
}

/* --- which ----------------------------------------------------------------------------- */

static bool has_state(const struct inventory_set *set, const char *state)
{
    if (strcmp(state, "broken") == 0)
        return inventory_is_broken(set);
    return strcmp(state, backup_state_name(set->state)) == 0;
}

static bool is_wanted(const struct listing *listing, const struct inventory_set *set)
{
    int64_t taken_us = inventory_taken_us(set);

    return taken_us >= listing->since_utc_us && taken_us <= listing->until_utc_us &&
           (listing->state == NULL || has_state(set, listing->state)) &&
           (listing->consistency == NULL ||
            strcmp(listing->consistency, label_name(set->consistency)) == 0) &&
           (listing->reason == NULL ||
            (set->reason != NULL && strcasestr(set->reason, listing->reason) != NULL));
}

/* --- sums ------------------------------------------------------------------------------ */

/* Of all sets that were asked for, or of one node's. */
struct sums {
    size_t count, good, broken, failed, unfinished, verify_failed;
    int64_t size_gib;
    const struct inventory_set *newest, *newest_good, *oldest_good;
};

/* Newest first, as they come. */
static void add_up(struct sums *sums, const struct inventory_set *set)
{
    sums->count++;
    sums->size_gib += set->size_gib;
    sums->newest = sums->newest ? sums->newest : set;
    if (inventory_is_broken(set))
        sums->broken++;
    else if (set->state == BACKUP_FAILED)
        sums->failed++;
    else if (set->state != BACKUP_COMPLETE)
        sums->unfinished++;
    else if (inventory_verify_failed(set))
        sums->verify_failed++;
    if (!inventory_is_good(set))
        return;
    sums->good++;
    sums->newest_good = sums->newest_good ? sums->newest_good : set;
    sums->oldest_good = set;
}

static json_t *sums_json(const struct sums *sums)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "sets", (json_int_t)sums->count,
                     "good", (json_int_t)sums->good, "broken", (json_int_t)sums->broken, "failed",
                     (json_int_t)sums->failed, "unfinished", (json_int_t)sums->unfinished,
                     "verify_failed", (json_int_t)sums->verify_failed, "size_gib",
                     (json_int_t)sums->size_gib, "newest_good",
                     inventory_moment_json(sums->newest_good), "oldest_good",
                     inventory_moment_json(sums->oldest_good));
}

/* --- rows ------------------------------------------------------------------------------ */

struct nodes {
    struct sums *list;
    size_t count;
    struct pool_index by_instance;
};

static bool add_to_node(struct nodes *nodes, const struct inventory_set *set, struct err *err)
{
    const char *key = set->instance ? set->instance : "";
    uint32_t index = (uint32_t)nodes->count;

    if (!pool_index_get(&nodes->by_instance, key, &index)) {
        if (!pool_index_put(&nodes->by_instance, key, index, err))
            return false;
        if (grow_by_one(&nodes->list, &nodes->count, sizeof(*nodes->list)) == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    add_up(&nodes->list[index], set);
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct inventory_set *x = ((const struct sums *)a)->newest;
    const struct inventory_set *y = ((const struct sums *)b)->newest;
    int order = strcmp(x->node ? x->node : "", y->node ? y->node : "");

    return order ? order : strcmp(x->instance ? x->instance : "", y->instance ? y->instance : "");
}

static void tell_nodes(struct job *job, struct nodes *nodes)
{
    if (nodes->count > 1)
        qsort(nodes->list, nodes->count, sizeof(*nodes->list), by_name);
    for (size_t i = 0; i < nodes->count; i++) {
        json_t *row = sums_json(&nodes->list[i]);
        const struct inventory_set *newest = nodes->list[i].newest;
        if (row != NULL &&
            (json_object_set_new(row, "node", control_text(newest->node)) != 0 ||
             json_object_set_new(row, "instance", control_text(newest->instance)) != 0)) {
            json_decref(row);
            row = NULL;
        }
        job_item(job, row);
    }
}

/*   own  only sets of this very node were looked at */
static bool tell_rows(struct job *job, const struct listing *listing,
                      const struct inventory *inventory, bool own, struct err *err)
{
    struct sums all = {.count = 0};
    struct nodes nodes = {.count = 0};
    json_int_t rows = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        if (!is_wanted(listing, set))
            continue;
        add_up(&all, set);
        if (listing->by_node)
            ok = add_to_node(&nodes, set, err);
        else if (rows < listing->limit && ++rows)
            job_item(job, inventory_json(inventory, set));
    }
    if (ok && listing->by_node) {
        tell_nodes(job, &nodes);
        rows = (json_int_t)nodes.count;
    }
    free(nodes.list);
    pool_index_free(&nodes.by_instance);
    json_t *result = ok ? sums_json(&all) : NULL;
    if (result != NULL) {
        (void)json_object_set_new(result, "count", json_integer(rows));
        /* For whoever finds nothing: whether the filters are the cause, or where was looked. */
        (void)json_object_set_new(result, "unfiltered", json_integer((json_int_t)inventory->count));
        (void)json_object_set_new(result, "own", json_boolean(own));
    }
    if (ok)
        job_result(job, 0, result);
    return ok;
}

void list_command(struct job *job)
{
    struct listing listing = {.query = {.step = "list"},
                              .since_utc_us = INT64_MIN,
                              .until_utc_us = INT64_MAX,
                              .limit = ROWS_MAX};
    struct inventory inventory = {.count = 0};
    struct err err = ERR_INIT;
    struct work work;

    work_open(&work, job);
    if (!read_args(job->args, &listing, &err) ||
        !inventory_gather(&work, &listing.query, clock_boot_ms() + LIST_MS, &inventory, &err) ||
        !tell_rows(job, &listing, &inventory,
                   work.config->aws.identity == CONFIG_IDENTITY_IMDS && !listing.query.all_nodes,
                   &err))
        job_fail(job, work_exit_code(&err), &err, "nothing was changed");
    inventory_free(&inventory);
    work_close(&work);
}
