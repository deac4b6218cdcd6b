/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/prune.h"
#include "agent/daemon/prune_record.h"
#include "agent/daemon/resume.h"
#include "agent/daemon/set_use.h"
#include "aws/ec2_images.h"
#include "aws/ec2_locks.h"

enum { INSTANCES_MAX = 5000 }; /* that are asked for; sets of more are only kept for longer */

const struct inventory_set *prune_set(const struct prune_look *look, size_t index)
{
    return index < look->inventory.count ? &look->inventory.sets[index] : NULL;
}

const struct inventory_orphan *prune_orphan(const struct prune_look *look, size_t index)
{
    return index < look->inventory.count ? NULL
                                         : &look->inventory.orphans[index - look->inventory.count];
}

const char *prune_id(const struct prune_look *look, size_t index)
{
    const struct inventory_set *set = prune_set(look, index);

    return set != NULL ? set->id : prune_orphan(look, index)->id;
}

/* --- what EC2 proves -------------------------------------------------------------------------- */

bool prune_is_instance(const char *text)
{
    return text != NULL && strncmp(text, "i-", 2) == 0 && text[2] != '\0' &&
           strspn(text + 2, "0123456789abcdef") == strlen(text + 2) && strlen(text) < EC2_ID_BYTES;
}

static bool prove_one(struct prune_look *look, const char *instance, int64_t deadline_ms,
                      struct err *err)
{
    const struct cancel *cancel = &look->work->job->cancel;
    struct ec2_volumes volumes = {NULL, 0};
    AUTO_FREE const char **ids = NULL;

    if (!ec2_describe_volumes(look->work->ec2, instance, deadline_ms, cancel, &volumes, err))
        return err_wrap(err, "the volumes of %s", instance);
    ids = calloc(volumes.count + 1, sizeof(*ids));
    bool ok = ids != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; ok && i < volumes.count; i++)
        ids[i] = volumes.list[i].id;
    ok = ok && prune_sets_prove(&look->sets, instance, ids, volumes.count, err);
    ec2_volumes_free(&volumes);
    return ok;
}

static bool prove_all(struct prune_look *look, int64_t deadline_ms, struct err *err)
{
    for (size_t i = 0; i < look->sets.instance_count && i < INSTANCES_MAX; i++) {
        if (prune_is_instance(look->sets.instances[i]) &&
            !prove_one(look, look->sets.instances[i], deadline_ms, err))
            return false;
    }
    return true;
}

/* --- what was begun --------------------------------------------------------------------------- */

static size_t find_set(const struct prune_look *look, const char *id)
{
    size_t i = 0;

    while (i < look->inventory.count && strcmp(look->inventory.sets[i].id, id) != 0)
        i++;
    return i;
}

/* A record counts only for a set that is marked, too: one that was never touched is as it was. */
static bool find_begun(struct prune_look *look, struct err *err)
{
    const char *state_dir = look->work->config->paths.state;
    struct strs ids = {NULL, 0};

    bool ok = prune_record_list(state_dir, &ids, err);
    for (size_t i = 0; ok && i < ids.count; i++) {
        size_t at = find_set(look, ids.items[i]);
        if (at < look->inventory.count && look->inventory.sets[at].tagged == BACKUP_FAILED &&
            prune_record_is(state_dir, ids.items[i], look->instance))
            look->sets.list[at].begun = true;
    }
    strs_free(&ids);
    return ok;
}

/* --- what stands in the way ------------------------------------------------------------------- */

/* The snapshots of all that goes, each with the index of what it is of. */
struct doomed {
    struct prune_look *look;
    struct pool_index by_snapshot;
};

void prune_keep(struct prune_look *look, size_t index, enum retention_why why)
{
    look->verdicts[index].goes = false;
    look->verdicts[index].why = why;
}

static bool is_busy(struct prune_look *look, size_t index)
{
    struct agent *agent = look->work->job->agent;
    const struct inventory_set *set = prune_set(look, index);
    const char *id = prune_id(look, index);

    return set != NULL && (set_use_is(agent, id) || resume_knows(agent, id));
}

bool prune_is_needed(const struct prune_look *look, size_t index, const struct inventory_set *set)
{
    const char *given_up = look->given_up[index];

    return set != NULL && set->rollback != NULL &&
           (given_up == NULL || strcmp(given_up, set->rollback) != 0);
}

static bool add_doomed(struct doomed *doomed, size_t index, struct err *err)
{
    const struct prune_look *look = doomed->look;
    const struct inventory_set *set = prune_set(look, index);
    const struct inventory_orphan *orphan = set ? NULL : prune_orphan(look, index);
    const struct set_member *members = set ? inventory_members(&look->inventory, set) : NULL;
    uint32_t number = (uint32_t)index;

    for (uint32_t i = 0; set != NULL && i < set->members + set->image_members; i++) {
        if (!pool_index_put(&doomed->by_snapshot, members[i].id, number, err))
            return false;
    }
    return orphan == NULL || orphan->is_image ||
           pool_index_put(&doomed->by_snapshot, orphan->id, number, err);
}

static bool on_lock(void *self, const char *snapshot_id, struct err *err)
{
    const struct doomed *doomed = self;
    uint32_t index;

    (void)err;
    inventory_lock(&doomed->look->inventory, snapshot_id);
    if (pool_index_get(&doomed->by_snapshot, snapshot_id, &index)) {
        doomed->look->sets.list[index].locked = true;
        prune_keep(doomed->look, index, RETENTION_KEPT_LOCKED);
    }
    return true;
}

/* Whether the image goes together with INDEX. */
static bool is_its_own(const struct prune_look *look, size_t index, const char *image_id)
{
    const struct inventory_set *set = prune_set(look, index);
    const struct inventory_image *images = set ? inventory_images(&look->inventory, set) : NULL;

    for (uint32_t i = 0; set != NULL && i < set->images; i++) {
        if (strcmp(images[i].id, image_id) == 0)
            return true;
    }
    return false;
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    const struct doomed *doomed = self;
    struct prune_look *look = doomed->look;
    uint32_t index;

    if (image->state == EC2_IMAGE_GONE)
        return true;
    for (size_t i = 0; i < image->mapping_count; i++) {
        if (!pool_index_get(&doomed->by_snapshot, image->mappings[i].snapshot_id, &index) ||
            !look->verdicts[index].goes || is_its_own(look, index, image->id))
            continue;
        if (!pool_text(&look->inventory.texts, image->id, &look->users[index], err))
            return false;
        prune_keep(look, index, RETENTION_KEPT_IN_USE);
    }
    return true;
}

bool prune_look_in_the_way(struct prune_look *look, int64_t deadline_ms, struct err *err)
{
    const struct cancel *cancel = &look->work->job->cancel;
    struct doomed doomed = {.look = look};
    struct ec2 *ec2 = look->work->ec2;
    bool ok = true;

    for (size_t i = 0; ok && i < look->sets.count; i++) {
        if (look->verdicts[i].goes && is_busy(look, i))
            prune_keep(look, i, RETENTION_KEPT_BUSY);
        else if (look->verdicts[i].goes && prune_is_needed(look, i, prune_set(look, i)))
            prune_keep(look, i, RETENTION_KEPT_ROLLBACK);
        ok = !look->verdicts[i].goes || add_doomed(&doomed, i, err);
    }
    ok =
        ok &&
        (doomed.by_snapshot.count == 0 ||
         (ec2_describe_locked_snapshots(ec2, deadline_ms, cancel, on_lock, &doomed, err) &&
          ec2_describe_images(ec2, NULL, 0, NULL, 0, deadline_ms, cancel, on_image, &doomed, err)));
    pool_index_free(&doomed.by_snapshot);
    return ok || err_wrap(err, "what may not be removed");
}

/* --- the whole -------------------------------------------------------------------------------- */

bool prune_look(struct work *work, bool all_nodes, const struct retention_policy *policy,
                int64_t deadline_ms, struct prune_look *ret_look, struct err *err)
{
    const struct inventory_query query = {.all_nodes = all_nodes, .orphans = true, .step = "look"};
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;
    struct prune_look *look = ret_look;

    look->work = work;
    if (!inventory_gather(work, &query, deadline_ms, &look->inventory, err))
        return false;
    look->instance = node ? work->identity.document.instance_id : "";
    /* EC2's clock, where ours was found to be off. */
    look->now_utc_us = clock_utc_us() + ec2_clock_ahead_s(work->ec2) * 1000000;
    if (!prune_sets_make(&look->inventory, node && !all_nodes ? look->instance : NULL,
                         look->now_utc_us, &look->sets, err) ||
        !prove_all(look, deadline_ms, err) || !find_begun(look, err))
        return false;
    look->verdicts = calloc(look->sets.count + 1, sizeof(*look->verdicts));
    look->users = calloc(look->sets.count + 1, sizeof(*look->users));
    look->given_up = calloc(look->sets.count + 1, sizeof(*look->given_up));
    if (look->verdicts == NULL || look->users == NULL || look->given_up == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return retention_judge(look->sets.list, look->sets.count, policy, look->now_utc_us,
                           look->verdicts, err);
}

void prune_look_free(struct prune_look *look)
{
    free(look->verdicts);
    free(look->users);
    free(look->given_up);
    prune_sets_free(&look->sets);
    inventory_free(&look->inventory);
    memset(look, 0, sizeof(*look));
}
