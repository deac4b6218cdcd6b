/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands prune and delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/metrics_look.h"
#include "agent/daemon/prune_rollback.h"
#include "agent/daemon/prune_run.h"

enum { LOOK_MS = 600000, IDS_MAX = 1000 };

static bool usage(struct err *err)
{
    err->kind = ERR_USAGE;
    return false;
}

/* A bare failure, before anything could have been touched. */
static void fail(struct job *job, const struct err *err)
{
    job_fail(job, work_begin_exit_code(err), err, "nothing was removed");
}

static void fail_after(struct job *job, const struct prune_sum *sum, const struct err *err)
{
    char now[200];

    job_fail(job, prune_exit_code(sum, err), err, prune_now(sum, now, sizeof(now)));
}

/* --- prune ------------------------------------------------------------------------------------ */

static bool check_policy(const struct config *config, bool all_nodes, struct err *err)
{
    if (!retention_is_set(&config->retention.policy)) {
        (void)err_set(err, ERR_CONFIG, 0, "no [retention] is configured, so nothing is pruned");
        return err_suggest(err, "say what to keep (keep_daily = 7 and the like, "
                                "conf.d/retention.conf), restart stillpointd, and look at "
                                "`stillpoint prune -n` first");
    }
    if (config->aws.identity == CONFIG_IDENTITY_NONE && !all_nodes) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "this machine is no node ([aws] identity = none), so no set is its own");
        return err_suggest(err, "stillpoint prune --all-nodes prunes those of all nodes");
    }
    return true;
}

static void prune(struct job *job, struct work *work, bool all_nodes, bool dry_run)
{
    int64_t deadline_ms = clock_boot_ms() + LOOK_MS;
    struct prune_look look = {.work = work};
    struct prune_sum sum = {.sets = 0};
    struct err err = ERR_INIT;

    job_set_step(job, "look");
    if (!prune_look(work, all_nodes, &work->config->retention.policy, deadline_ms, &look, &err) ||
        !prune_look_in_the_way(&look, deadline_ms, &err)) {
        fail(job, &err);
    } else {
        prune_warn(&look);
        bool ok = prune_run(&look, dry_run, true, &sum, &err);
        if (!dry_run)
            prune_forget(&look, deadline_ms);
        if (!ok)
            fail_after(job, &sum, &err);
        else
            job_result(job, sum.stuck + sum.orphans_stuck > 0 ? 3 : 0,
                       prune_sum_json(&sum, dry_run));
    }
    prune_look_free(&look);
}

void prune_command(struct job *job)
{
    static const char *const keys[] = {"all_nodes", "dry_run", NULL};
    bool all_nodes = false, dry_run = false;
    struct err err = ERR_INIT;
    struct work work;

    work_open(&work, job);
    bool ok = (control_only_keys(job->args, keys, &err) &&
               control_opt_bool(job->args, "all_nodes", &all_nodes, &err) &&
               control_opt_bool(job->args, "dry_run", &dry_run, &err)) ||
              usage(&err);
    ok =
        ok && check_policy(work.config, all_nodes, &err) && (dry_run || prune_take_turn(job, &err));
    if (ok)
        prune(job, &work, all_nodes, dry_run);
    else
        fail(job, &err);
    prune_leave_turn(job);
    work_close(&work);
    if (ok && !dry_run)
        metrics_look(job);
}

/* --- delete ----------------------------------------------------------------------------------- */

struct deletion {
    const char *ids[IDS_MAX]; /* borrowed from the job's arguments */
    size_t count;
    size_t found[IDS_MAX];
    bool force, dry_run;
};

static bool read_ids(const json_t *args, struct deletion *deletion, struct err *err)
{
    const json_t *ids = json_object_get(args, "ids"), *id;
    size_t i;

    if (!json_is_array(ids) || json_array_size(ids) == 0 || json_array_size(ids) > IDS_MAX)
        return err_set(err, ERR_USAGE, 0, "ids: not a list of 1 to %d ids", IDS_MAX);
    json_array_foreach(ids, i, id)
    {
        if (!json_is_string(id) || *json_string_value(id) == '\0')
            return err_set(err, ERR_USAGE, 0, "ids: not a list of ids");
        deletion->ids[deletion->count++] = json_string_value(id);
    }
    return true;
}

/* Of other nodes only what is named whole; without identity no set is more ours than another. */
static bool needs_all(const struct prune_look *look, const struct deletion *deletion)
{
    const struct inventory_set *ignored;
    struct err passed_over = ERR_INIT; /* what is not found in all is told then */

    for (size_t i = 0; i < deletion->count; i++) {
        if (catalog_is_id(deletion->ids[i]) &&
            !inventory_find(&look->inventory, deletion->ids[i], NULL, &ignored, &passed_over))
            return true;
    }
    return false;
}

static bool find_all(const struct prune_look *look, struct deletion *deletion, struct err *err)
{
    const char *mine = look->instance[0] != '\0' ? look->instance : NULL;
    const struct inventory_set *set;

    for (size_t i = 0; i < deletion->count; i++) {
        const char *text = deletion->ids[i];
        if (!inventory_find(&look->inventory, text, mine, &set, err))
            return false;
        if (mine != NULL && !catalog_is_id(text) &&
            (set->instance == NULL || strcmp(set->instance, mine) != 0)) {
            (void)err_set(err, ERR_USAGE, 0, "'%.60s' means %s, which is of another node", text,
                          set->id);
            return err_suggest(err, "write its whole id");
        }
        deletion->found[i] = (size_t)(set - look->inventory.sets);
    }
    return true;
}

static bool refuse(const struct prune_look *look, size_t index, const char *why, const char *remedy,
                   struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, 0, "%s %s", prune_id(look, index), why);
    return err_suggest(err, "%s", remedy);
}

/* What the operator's --force is for. */
static bool may_delete(const struct prune_look *look, size_t index, struct err *err)
{
    static const char force[] = "if it is to go all the same: stillpoint delete --force";
    const struct retention_set *set = &look->sets.list[index];

    if (set->pinned)
        return refuse(look, index, "is pinned", "stillpoint unpin it, or delete it with --force",
                      err);
    if (set->begun)
        return true;
    switch (look->verdicts[index].why) {
    case RETENTION_KEPT_NEWEST:
        return refuse(look, index, "is the newest good backup of its node", force, err);
    case RETENTION_KEPT_VERIFIED:
        return refuse(look, index, "is the newest backup that verify found good", force, err);
    case RETENTION_KEPT_PENDING:
        return refuse(look, index, "is not finished: somebody may still work on it", force, err);
    case RETENTION_KEPT_DISPUTED:
        return refuse(look, index, "has something in it that does not belong: stillpoint show it",
                      force, err);
    case RETENTION_KEPT_NONE_GOOD:
        return refuse(look, index, "is not good, but of a volume of it there is no good one", force,
                      err);
    default:
        return true;
    }
}

/* Whom no --force moves; the verdicts say so once more was asked. */
static bool can_delete(const struct prune_look *look, size_t index, struct err *err)
{
    switch (look->verdicts[index].why) {
    case RETENTION_KEPT_BUSY:
        (void)refuse(look, index, "is being worked on", "wait for it (stillpoint status)", err);
        err->kind = ERR_BUSY;
        return false;
    case RETENTION_KEPT_ROLLBACK:
        return prune_rollback_refuse(look, index, err);
    case RETENTION_KEPT_LOCKED:
        return refuse(look, index, "has a snapshot that EC2 keeps locked",
                      "a lock of governance mode can be lifted (aws ec2 unlock-snapshot)", err);
    case RETENTION_KEPT_IN_USE:
        (void)err_set(err, ERR_PRECONDITION, 0, "%s: image %s, which is not its own, is made of it",
                      prune_id(look, index), look->users[index]);
        return err_suggest(err, "deregister that image first if it is not needed");
    default:
        return true;
    }
}

/* Judges by no policy at all: what then is told is what a set is, not which slot it has. All is
 * asked before the first goes. */
static bool look_for(struct work *work, struct deletion *deletion, struct prune_look *look,
                     struct err *err)
{
    const struct retention_policy none = {.within_ms = 0};
    int64_t deadline_ms = clock_boot_ms() + LOOK_MS;
    bool all = work->config->aws.identity == CONFIG_IDENTITY_NONE;

    if (!prune_look(work, all, &none, deadline_ms, look, err))
        return false;
    if (!all && needs_all(look, deletion)) {
        prune_look_free(look);
        if (!prune_look(work, true, &none, deadline_ms, look, err))
            return false;
    }
    look->forced = deletion->force;
    if (!find_all(look, deletion, err))
        return false;
    for (size_t i = 0; !deletion->force && i < deletion->count; i++) {
        if (!may_delete(look, deletion->found[i], err))
            return false;
    }
    for (size_t i = 0; deletion->force && i < deletion->count; i++) {
        const struct inventory_set *set = prune_set(look, deletion->found[i]);
        if (set->rollback != NULL &&
            !prune_rollback_give_up(look, deletion->found[i], deadline_ms, err))
            return false;
    }
    for (size_t i = 0; i < look->sets.count; i++)
        look->verdicts[i].goes = false;
    for (size_t i = 0; i < deletion->count; i++) {
        look->verdicts[deletion->found[i]] =
            (struct retention_verdict){.why = RETENTION_GOES_ASKED, .goes = true};
    }
    if (!prune_look_in_the_way(look, deadline_ms, err))
        return false;
    for (size_t i = 0; i < deletion->count; i++) {
        if (!can_delete(look, deletion->found[i], err))
            return false;
    }
    return true;
}

static void delete_sets(struct job *job, struct work *work, struct deletion *deletion)
{
    struct prune_look look = {.work = work};
    struct prune_sum sum = {.sets = 0};
    struct err err = ERR_INIT;

    job_set_step(job, "look");
    if (!look_for(work, deletion, &look, &err)) {
        fail(job, &err);
    } else if (!prune_run(&look, deletion->dry_run, false, &sum, &err)) {
        fail_after(job, &sum, &err);
    } else {
        job_result(job, sum.stuck > 0 ? 3 : 0, prune_sum_json(&sum, deletion->dry_run));
    }
    prune_look_free(&look);
}

void delete_command(struct job *job)
{
    static const char *const keys[] = {"ids", "force", "dry_run", NULL};
    struct deletion *deletion = calloc(1, sizeof(*deletion));
    struct err err = ERR_INIT;
    struct work work;

    work_open(&work, job);
    bool ok = deletion != NULL || err_set(&err, ERR_INTERNAL, 0, "out of memory");
    ok = ok && ((control_only_keys(job->args, keys, &err) && read_ids(job->args, deletion, &err) &&
                 control_opt_bool(job->args, "force", &deletion->force, &err) &&
                 control_opt_bool(job->args, "dry_run", &deletion->dry_run, &err)) ||
                usage(&err));
    ok = ok && (deletion->dry_run || prune_take_turn(job, &err));
    if (ok)
        delete_sets(job, &work, deletion);
    else
        fail(job, &err);
    prune_leave_turn(job);
    work_close(&work);
    if (ok && !deletion->dry_run)
        metrics_look(job);
    free(deletion);
}
