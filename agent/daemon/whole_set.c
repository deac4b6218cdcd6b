/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/whole_set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

void whole_set_free(struct whole_set *set)
{
    gather_free(&set->gather);
    free(set->facts);
    *set = (struct whole_set){.backup = NULL};
}

/* --- whole by its tags -------------------------------------------------------------------- */

static bool refuse_pending(const struct backup *backup, struct err *err)
{
    size_t completed = 0;

    for (size_t i = 0; i < backup->snapshot_count; i++)
        completed += backup->snapshots[i].state != NULL &&
                     strcmp(backup->snapshots[i].state, "completed") == 0;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "%s is not complete yet: %zu of %zu snapshots are completed, its state is %s",
                  backup->id, completed, backup->snapshot_count, backup_state_name(backup->state));
    return err_suggest(err, "wait until `stillpoint show %s` says complete", backup->id);
}

static bool refuse_broken(const struct whole_set *set, struct err *err)
{
    struct strs why = {NULL, 0};

    if (!inventory_why(&set->gather.inventory, set->gather.set, &why, err)) {
        strs_free(&why);
        return false;
    }
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is broken: %s", set->backup->id,
                  why.count > 0 ? why.items[0] : "it failed");
    strs_free(&why);
    return err_suggest(err, "take another: `stillpoint list`");
}

static bool judge(const struct whole_set *set, bool to_verify, struct err *err)
{
    const struct inventory_set *judged = set->gather.set;
    unsigned passed = to_verify ? SET_FAULT_BIT(SET_FAULT_TIME) : 0;

    if (judged == NULL || set->backup->snapshot_count == 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "%s is broken: it has no snapshots",
                      set->backup->id);
        return err_suggest(err, "take another: `stillpoint list`");
    }
    if ((judged->faults & ~passed) != 0)
        return refuse_broken(set, err);
    return (judged->tagged == BACKUP_COMPLETE && judged->state != BACKUP_PENDING) ||
           refuse_pending(set->backup, err);
}

/* --- and by EC2's own facts --------------------------------------------------------------- */

static bool keep_fact(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct whole_set *set = self;
    struct ec2_snapshot *fact = grow_by_one(&set->facts, &set->fact_count, sizeof(*fact));

    if (fact == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *fact = *snapshot;
    fact->tags = (struct ec2_tags){.count = 0}; /* borrowed: theirs go after the call */
    return true;
}

static bool judge_facts(const struct whole_set *set, struct err *err)
{
    size_t archived = 0;

    for (size_t i = 0; i < set->fact_count; i++) {
        const struct ec2_snapshot *fact = &set->facts[i];
        archived += strcmp(fact->storage_tier, "archive") == 0;
        if (fact->state == EC2_SNAPSHOT_COMPLETED)
            continue;
        (void)err_set(err, ERR_PRECONDITION, 0, "%s is broken: snapshot %s is %s", set->backup->id,
                      fact->id, ec2_snapshot_state_name(fact->state));
        return err_suggest(err, "take another: `stillpoint list`");
    }
    if (archived > 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "%zu of the %zu snapshots of %s are in the archive",
                      archived, set->fact_count, set->backup->id);
        return err_suggest(err,
                           "recall them first (RestoreSnapshotTier), which takes up to 72 hours");
    }
    return true;
}

static bool look_at_facts(struct work *work, struct whole_set *set, int64_t deadline_ms,
                          struct err *err)
{
    const char *ids[EC2_DEVICES_MAX];
    size_t count = set->backup->snapshot_count;

    if (count > EC2_DEVICES_MAX)
        return err_set(err, ERR_LIMIT, 0, "%s has %zu snapshots", set->backup->id, count);
    for (size_t i = 0; i < count; i++)
        ids[i] = set->backup->snapshots[i].id;
    return ec2_describe_snapshots(work->ec2, ids, count, NULL, 0, deadline_ms, &work->job->cancel,
                                  keep_fact, set, err) &&
           judge_facts(set, err);
}

/* --- finding ------------------------------------------------------------------------------ */

/* An id that is not here may be of another region or account: that is what can be done about it. */
static bool say_where(const struct work *work, struct err *err)
{
    const char *region =
        work->config->aws.region[0] ? work->config->aws.region : work->identity.document.region;

    if (err->kind != ERR_NOT_FOUND)
        return false;
    err->kind = ERR_PRECONDITION;
    err->remedy[0] = '\0';
    (void)err_suggest(err,
                      "looked in %s, in this account: `stillpoint list --all-nodes` shows what "
                      "is there; a copy in another region has an id of its own there",
                      region[0] ? region : "this region");
    return false;
}

bool whole_set_find(struct work *work, const char *id, bool to_verify, int64_t deadline_ms,
                    struct whole_set *ret_set, struct err *err)
{
    if (!gather_find(work, id, &ret_set->gather, deadline_ms, &ret_set->backup, err))
        return say_where(work, err);
    return judge(ret_set, to_verify, err) && look_at_facts(work, ret_set, deadline_ms, err);
}
