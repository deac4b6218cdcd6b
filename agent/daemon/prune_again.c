/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "agent/daemon/gather.h"
#include "agent/daemon/prune.h"
#include "agent/daemon/resume.h"
#include "aws/ec2_locks.h"

/* An expiry counts against a policy, not against who asked for this one or had begun with it. */
static bool expires_later(const struct prune_look *look, size_t index,
                          const struct inventory_set *now)
{
    enum retention_why why = look->verdicts[index].why;

    return why != RETENTION_GOES_ASKED && why != RETENTION_GOES_BEGUN &&
           now->expires_utc_us != BACKUP_UNKNOWN && now->expires_utc_us > look->now_utc_us;
}

/* In the order of retention_judge. */
static void judge(struct prune_look *look, size_t index, const struct inventory_set *now)
{
    struct inventory_set *set = &look->inventory.sets[index];

    set->pinned = now->pinned;
    set->expires_utc_us = now->expires_utc_us;
    if (prune_is_needed(look, index, now)) {
        prune_keep(look, index, RETENTION_KEPT_ROLLBACK);
    } else if (now->locked) {
        prune_keep(look, index, RETENTION_KEPT_LOCKED);
    } else if (now->pinned && !look->forced) {
        prune_keep(look, index, RETENTION_KEPT_PINNED_SINCE);
    } else if (expires_later(look, index, now)) {
        prune_keep(look, index, RETENTION_KEPT_EXPIRES);
        look->verdicts[index].until_utc_us = now->expires_utc_us;
    }
}

static bool on_lock(void *self, const char *snapshot_id, struct err *err)
{
    struct inventory *inventory = self;

    (void)err;
    inventory_lock(inventory, snapshot_id);
    return true;
}

/* To the end, as all of a removal: no cancel is heard. */
bool prune_look_again(struct prune_look *look, size_t index, int64_t deadline_ms,
                      struct prune_seen *ret_seen, struct err *err)
{
    struct gather gather = {.id = prune_id(look, index)};
    struct work *work = look->work;

    *ret_seen = (struct prune_seen){.there = false};
    if (resume_knows(work->job->agent, gather.id)) {
        prune_keep(look, index, RETENTION_KEPT_BUSY);
        return true;
    }
    bool ok = gather_catalog(work, &gather, deadline_ms, err);
    bool there = ok && gather.inventory.count > 0;
    if (there)
        ok = ec2_describe_locked_snapshots(work->ec2, deadline_ms, NULL, on_lock, &gather.inventory,
                                           err);
    if (ok && there) {
        *ret_seen = (struct prune_seen){.there = true, .tagged = gather.inventory.sets[0].tagged};
        judge(look, index, &gather.inventory.sets[0]);
    }
    gather_free(&gather);
    return ok || err_wrap(err, "looking once more");
}
