/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/whole_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/inventory.h"

/* --- the set ------------------------------------------------------------------------------- */

/* Whoever names what is no set, or is not here, is told so. */
static bool explain_not_found(const struct work *work, const char *id, struct err *err)
{
    static const char *const others[] = {"snap-", "ami-", "vol-", "i-"};
    const char *region = work->config->aws.region;

    if (region[0] == '\0')
        region = work->identity.document.region;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strncmp(id, others[i], strlen(others[i])) == 0) {
            err->remedy[0] = '\0';
            return err_suggest(err, "name a backup (sp-…), as `stillpoint list --all-nodes` shows "
                                    "them; not what it is made of");
        }
    }
    if (strcmp(id, "latest") == 0)
        return false;
    err->remedy[0] = '\0';
    (void)err_suggest(err,
                      "`stillpoint list --all-nodes` shows what this account has in %s; what "
                      "is in another region or account must be copied or shared here first",
                      region[0] ? region : "this region");
    return err_wrap(err, "in %s", region[0] ? region : "this region");
}

static bool refuse_broken(const struct gather *gather, struct err *err)
{
    struct strs why = {NULL, 0};

    if (!inventory_why(&gather->inventory, gather->set, &why, err)) {
        strs_free(&why);
        return false;
    }
    (void)err_set(err, ERR_PRECONDITION, 0, "it is broken: %s%s",
                  why.count > 0 ? why.items[0] : "its tags say that it failed",
                  why.count > 1 ? "; and more" : "");
    strs_free(&why);
    return err_suggest(err,
                       "stillpoint show %s tells it all; take another that is complete, as "
                       "stillpoint list shows them",
                       gather->found_id);
}

static bool refuse_pending(const struct backup *backup, struct err *err)
{
    size_t completed = 0;

    for (size_t i = 0; i < backup->snapshot_count; i++)
        completed += backup->snapshots[i].state != NULL &&
                     strcmp(backup->snapshots[i].state, "completed") == 0;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "it is not complete yet: %zu of %zu snapshots are, its state is %s", completed,
                  backup->snapshot_count, backup_state_name(backup->state));
    return err_suggest(err, "wait until `stillpoint show %s` says complete", backup->id);
}

static bool check_state(const struct whole_set *set, bool to_verify, struct err *err)
{
    const struct inventory_set *judged = set->gather.set;
    unsigned passed = to_verify ? SET_FAULT_BIT(SET_FAULT_TIME) : 0;

    if (judged == NULL || set->backup->snapshot_count == 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "it is broken: it has no snapshots");
        return err_suggest(err, "take another that is complete, as stillpoint list shows them");
    }
    if ((judged->faults & ~passed) != 0)
        return refuse_broken(&set->gather, err);
    return (judged->tagged == BACKUP_COMPLETE && judged->state != BACKUP_PENDING) ||
           refuse_pending(set->backup, err);
}

static bool check_tiers(const struct gather *gather, struct err *err)
{
    const struct set_member *members = inventory_members(&gather->inventory, gather->set);
    const char *first = NULL;
    size_t archived = 0;

    for (size_t i = 0; i < gather->set->members; i++) {
        if (members[i].archived && archived++ == 0)
            first = members[i].id;
    }
    if (archived == 0)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "%zu of its %u snapshots are in the archive tier: %s%s",
                  archived, gather->set->members, first, archived > 1 ? ", …" : "");
    return err_suggest(err,
                       "recall each, which takes up to 72 h, then try again: aws ec2 "
                       "restore-snapshot-tier --snapshot-id %s --temporary-restore-days 7",
                       first);
}

/* Whether to go on is for whoever asked: what failed may be a table that isn't needed. */
static void warn_of_verdict(struct work *work, const struct inventory_set *set)
{
    char text[ERR_TEXT_BYTES];

    if (!inventory_verify_failed(set))
        return;
    (void)snprintf(text, sizeof(text),
                   "%s does not restore as it claims: its verify failed (%.260s)", set->id,
                   set->verified);
    job_warn(work->job, text,
             "take another, one that verify found ok: `stillpoint list` has the verdicts");
}

bool whole_set_find(struct work *work, const char *id, bool to_verify, int64_t deadline_ms,
                    struct whole_set *set, struct err *err)
{
    set->gather.use = true;
    if (!gather_find(work, id, &set->gather, deadline_ms, &set->backup, err))
        return err->kind == ERR_NOT_FOUND ? explain_not_found(work, id, err) : false;
    if (!check_state(set, to_verify, err) || !check_tiers(&set->gather, err))
        return err_wrap(err, "backup %s", set->backup->id);
    if (!to_verify)
        warn_of_verdict(work, set->gather.set);
    return true;
}

/* --- its image ----------------------------------------------------------------------------- */

static bool take_image(void *self, const struct ec2_image *image, struct err *err)
{
    struct ec2_image **slot = self;

    if (*slot != NULL || image->state == EC2_IMAGE_GONE)
        return true;
    *slot = malloc(sizeof(**slot));
    if (*slot == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    **slot = *image;
    (*slot)->tags.count = 0; /* EC2's texts are borrowed for the call */
    return true;
}

static bool no_image(const struct backup *backup, struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, 0, "it has no image to launch from");
    return err_suggest(err,
                       "make volumes of it instead: stillpoint restore volumes %s; backups with "
                       "an image are made without --no-image",
                       backup->id);
}

/* By RegisterImage it is made of the set's snapshots: whatever else it shows is not this backup,
 * whoever tagged it so. By CreateImage its root is its own. */
static bool check_mappings(const struct whole_set *set, struct err *err)
{
    const struct ec2_image *image = set->image;
    size_t found = 0;

    if (whole_set_root_is_newer(set))
        return true;
    for (size_t i = 0; i < image->mapping_count; i++) {
        bool ours = false;
        for (size_t j = 0; j < set->backup->snapshot_count && !ours; j++)
            ours = strcmp(set->backup->snapshots[j].id, image->mappings[i].snapshot_id) == 0;
        if (!ours) {
            (void)err_set(err, ERR_PRECONDITION, 0,
                          "its image %s shows %s as %s, which is not of the set", image->id,
                          image->mappings[i].snapshot_id, image->mappings[i].device);
            return err_suggest(err, "see who tagged that image with stillpoint:id; make volumes of "
                                    "the set instead: stillpoint restore volumes");
        }
        found++;
    }
    if (found == set->backup->snapshot_count)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "its image %s shows %zu of its %zu snapshots",
                  image->id, found, set->backup->snapshot_count);
    return err_suggest(err, "make volumes of the set instead: stillpoint restore volumes %s",
                       set->backup->id);
}

bool whole_set_image(struct work *work, struct whole_set *set, int64_t deadline_ms, struct err *err)
{
    const char *id = set->backup->image.id;
    bool ok;

    if (id == NULL) {
        (void)no_image(set->backup, err);
        return err_wrap(err, "backup %s", set->backup->id);
    }
    if (!ec2_describe_images(work->ec2, &id, 1, NULL, 0, deadline_ms, &work->job->cancel,
                             take_image, &set->image, err) &&
        err->kind != ERR_AWS_NOT_FOUND)
        return err_wrap(err, "backup %s", set->backup->id);
    if (set->image == NULL) {
        ok = no_image(set->backup, err); /* deregistered since */
    } else if (set->image->state != EC2_IMAGE_AVAILABLE) {
        (void)err_set(err, ERR_PRECONDITION, 0, "its image %s is %s%s%s", id,
                      set->image->state_text, set->image->state_reason[0] ? ": " : "",
                      set->image->state_reason);
        ok = set->image->state == EC2_IMAGE_PENDING
                 ? err_suggest(err, "wait until `stillpoint show %s` says available",
                               set->backup->id)
                 : err_suggest(err, "make volumes of it instead: stillpoint restore volumes %s",
                               set->backup->id);
    } else {
        ok = check_mappings(set, err);
    }
    return ok || err_wrap(err, "backup %s", set->backup->id);
}

bool whole_set_root_is_newer(const struct whole_set *set)
{
    return set->backup->image.method != NULL && strcmp(set->backup->image.method, "create") == 0;
}

void whole_set_free(struct whole_set *set)
{
    gather_free(&set->gather);
    free(set->image);
    *set = (struct whole_set){.backup = NULL};
}
