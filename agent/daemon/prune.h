/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PRUNE_H
#define STILLPOINT_PRUNE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/daemon/inventory.h"
#include "agent/daemon/prune_sets.h"
#include "agent/daemon/retention.h"
#include "agent/daemon/work.h"

/* What there is, what of it may go (prune_look.c), and how one thing goes (prune_again.c,
 * prune_remove.c). Runs beside a backup: takes no node, leaves alone what a job of this machine
 * works on and what its journal knows. Worker thread. */

struct prune_look {
    struct work *work;
    struct inventory inventory;
    struct prune_sets sets;
    struct retention_verdict *verdicts; /* one for each of sets.list; the caller may change them */
    const char **users;    /* of RETENTION_KEPT_IN_USE: the image; in the inventory's texts */
    const char **given_up; /* the rollback of a set that nobody can end any more; NULL */
    bool forced;           /* `delete --force`: a pin keeps nothing; set after prune_look */
    int64_t now_utc_us;    /* by EC2's clock */
    const char *instance;  /* this node's, "" without identity */
};

/* Asks EC2 for all sets and orphans (ALL_NODES: else this node's) and which volumes are attached to
 * the instances that they name, and judges by POLICY. Missing rights are an error, not an empty
 * list.
 *   ret_look  the caller's, {0} at first; prune_look_free in any case; borrows WORK */
bool prune_look(struct work *work, bool all_nodes, const struct retention_policy *policy,
                int64_t deadline_ms, struct prune_look *ret_look, struct err *err);
void prune_look_free(struct prune_look *look);
/* What stands in the way of what goes, whatever the policy says: a job of this machine, EC2's lock
 * on a snapshot, an image that is not its own and is made of one. Looked for, and put into the
 * verdicts: such a set stays. */
bool prune_look_in_the_way(struct prune_look *look, int64_t deadline_ms, struct err *err);
/* The set INDEX stays, for WHY. */
void prune_keep(struct prune_look *look, size_t index, enum retention_why why);
/* Whether a rollback that somebody can still end needs SET, which is INDEX as it is now. */
bool prune_is_needed(const struct prune_look *look, size_t index, const struct inventory_set *set);
/* How a set was found right before its removal. */
struct prune_seen {
    bool there;               /* something of it is */
    enum backup_state tagged; /* what its tags say it is; only where it is there */
};
/* Asks EC2 once more for the set INDEX, which no job may begin to work on meanwhile (set_use.h). A
 * journal's entry, a rollback, a lock, a pin, or an expiry that is there by now goes into its
 * verdict: it stays.
 *   ret_seen  the caller's */
bool prune_look_again(struct prune_look *look, size_t index, int64_t deadline_ms,
                      struct prune_seen *ret_seen, struct err *err);
/* The set of INDEX; NULL: it is an orphan, and the second one gives that. */
const struct inventory_set *prune_set(const struct prune_look *look, size_t index);
const struct inventory_orphan *prune_orphan(const struct prune_look *look, size_t index);
const char *prune_id(const struct prune_look *look, size_t index);
bool prune_is_instance(const char *text); /* an instance's id, as EC2 takes it; NULL is none */

/* Removes INDEX as a whole, unless something keeps it by now: looks again, marks all of it as
 * failed, so that nobody takes the rest for a backup, deregisters its images, then deletes each
 * snapshot. Whether we may is asked first. Once it is marked, it is looked at once more: of another
 * machine's pin and this mark, one then sees the other. What is in the Recycle Bin then, by a rule
 * of the operator's, is gone for us.
 *   true         it is gone; or its verdict says by now that it stays, and it is as it was
 *   ret_touched  something of it was changed: what is left of it goes at the next prune
 *   false        ERR_AWS_DENIED names the right; ERR_PRECONDITION: an image that is not its own is
 *                made of one of its snapshots, named; and what the calls say */
bool prune_remove(struct prune_look *look, size_t index, int64_t deadline_ms, bool *ret_touched,
                  struct err *err);

/* One row: what it is, whether it stays, and why.
 *   action  "keep", "go", "gone", "failed"; NULL: by its verdict
 * NULL: no memory. */
json_t *prune_row_json(const struct prune_look *look, size_t index, const char *action);

/* After a backup that is complete, by [retention] after_backup: this node's. What fails is a
 * warning of JOB. */
void prune_after_backup(struct work *work);

#endif
