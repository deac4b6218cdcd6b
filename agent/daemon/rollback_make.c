/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_make.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/grow.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/rollback_cloud.h"
#include "agent/daemon/rollback_resume.h"
#include "aws/ec2_snapshots.h"
#include "aws/ec2_volumes.h"

enum { LOOK_TICK_MS = 500, TOKEN_BYTES = 65 };

static bool add_part(struct rollback *rollback, enum rollback_role role, const char *device,
                     bool delete_on_termination, struct ec2_tags *tags, struct err *err)
{
    struct rollback_part part = {.role = role, .delete_on_termination = delete_on_termination};
    char value[ROLLBACK_VALUE_BYTES];

    (void)snprintf(part.instance, sizeof(part.instance), "%s", rollback_instance(rollback));
    (void)snprintf(part.device, sizeof(part.device), "%s", device);
    return ec2_tags_set(tags, ROLLBACK_TAG, rollback->state.id, err) &&
           ec2_tags_set(tags, ROLLBACK_ROLE_TAG, rollback_part_format(&part, value), err);
}

static bool add_mounts(const struct rollback_plan_mount *mounts, size_t count,
                       struct ec2_tags *tags, struct err *err)
{
    char key[64], value[ROLLBACK_VALUE_BYTES];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(key, sizeof(key), ROLLBACK_MOUNT_TAG "%zu", i);
        if (!rollback_mount_format(&mounts[i].mount, value) || !ec2_tags_set(tags, key, value, err))
            return false;
    }
    return true;
}

static bool tag_kept(struct rollback *rollback, const struct rollback_plan_volume *volume,
                     int64_t deadline_ms, struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    const char *id = volume->old->id;

    bool ok = add_part(rollback, ROLLBACK_KEPT, volume->device, volume->delete_on_termination,
                       &tags, err) &&
              add_mounts(volume->mounts, volume->mount_count, &tags, err) &&
              ec2_create_tags(rollback->work->ec2, &id, 1, &tags, deadline_ms, NULL, err);
    ec2_tags_free(&tags);
    if (!ok && err->kind == ERR_AWS_DENIED &&
        ec2_tags_get(&volume->old->tags, ROLLBACK_OWNER_TAG) == NULL) {
        err->remedy[0] = '\0';
        (void)err_suggest(err,
                          "a role as iam-policy prints it knows the node's own volumes by the "
                          "tag " ROLLBACK_OWNER_TAG "=%s: put it on %s",
                          rollback_instance(rollback), id);
    }
    return ok || err_wrap(err, "tags of %s", id);
}

/* Known of, and told by `status`, before EC2 lists it so. */
static bool know_kept(struct rollback *rollback, const struct rollback_plan_volume *planned,
                      struct err *err)
{
    struct rollback_volume *volume =
        grow_by_one(&rollback->volumes, &rollback->count, sizeof(*rollback->volumes));

    if (volume == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    memcpy(volume->id, planned->old->id, sizeof(volume->id));
    volume->part.role = ROLLBACK_KEPT;
    (void)snprintf(volume->part.device, sizeof(volume->part.device), "%s", planned->device);
    volume->attached = true;
    rollback_note(rollback->job->agent, rollback_json(rollback));
    return true;
}

static bool tag_set(struct rollback *rollback, const struct backup *set, int64_t deadline_ms,
                    struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    const char *ids[EC2_DEVICES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < set->snapshot_count && count < EC2_DEVICES_MAX; i++)
        ids[count++] = set->snapshots[i].id;
    bool ok = ec2_tags_set(&tags, ROLLBACK_TAG, rollback->state.id, err) &&
              ec2_create_tags(rollback->work->ec2, ids, count, &tags, deadline_ms, NULL, err);
    ec2_tags_free(&tags);
    return ok || err_wrap(err, "tags of the set's snapshots");
}

/* The operator's own tags go along: the new one takes the old one's place in every respect. */
static bool tags_of_new(struct rollback *rollback, const struct rollback_plan_volume *volume,
                        struct ec2_tags *tags, struct err *err)
{
    const struct ec2_tags *old = &volume->old->tags;

    for (size_t i = 0; i < old->count; i++) {
        if (strncmp(old->list[i].key, CATALOG_OURS, strlen(CATALOG_OURS)) != 0 &&
            !ec2_tags_set(tags, old->list[i].key, old->list[i].value, err))
            return false;
    }
    /* Whose it is, by which a role's policy knows it (iam_rules.c). */
    return ec2_tags_set(tags, ROLLBACK_OWNER_TAG, rollback_instance(rollback), err) &&
           add_part(rollback, ROLLBACK_MADE, volume->device, volume->delete_on_termination, tags,
                    err);
}

static bool make_one(struct rollback *rollback, const struct rollback_plan_volume *volume,
                     int64_t deadline_ms, struct err *err)
{
    const struct ec2_volume *old = volume->old;
    bool has_iops = strcmp(old->type, "io1") == 0 || strcmp(old->type, "io2") == 0 ||
                    strcmp(old->type, "gp3") == 0;
    struct ec2_tags tags = {.count = 0};
    char token[TOKEN_BYTES], id[EC2_ID_BYTES];
    const struct ec2_create_volume what = {
        .availability_zone = rollback->work->instance->availability_zone,
        .snapshot_id = volume->snapshot->id,
        .size_gib = volume->size_gib,
        .type = old->type,
        .iops = has_iops ? old->iops : 0,
        .throughput_mibs = strcmp(old->type, "gp3") == 0 ? old->throughput_mibs : 0,
        .kms_key_id = old->encrypted ? old->kms_key_id : NULL,
        .encrypted = old->encrypted,
        .tags = &tags,
        .client_token = rollback_token(&rollback->state, volume->device, token),
    };

    bool ok =
        tags_of_new(rollback, volume, &tags, err) &&
        ec2_create_volume(rollback->work->ec2, &what, deadline_ms, &rollback->job->cancel, id, err);
    ec2_tags_free(&tags);
    if (!ok)
        return err_wrap(err, "a volume for %s", volume->device);
    log_event(LOG_LEVEL_NOTICE, "rollback_volume", "id=%s volume=%s snapshot=%s device=%s",
              rollback->state.id, id, volume->snapshot->id, volume->device);
    return true;
}

/* The tags are what a go-back goes by: EC2's list must have them, too. */
static bool is_listed(const struct rollback *rollback, const struct rollback_plan_volume *planned)
{
    const struct rollback_volume *kept = rollback_find(rollback, ROLLBACK_KEPT, planned->device);

    return kept != NULL && kept->mount_count == planned->mount_count;
}

/* How many of the planned are there and available; one in error ends it. */
static bool count_available(struct rollback *rollback, const struct rollback_plan *plan,
                            size_t *ret_ready, struct err *err)
{
    *ret_ready = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct rollback_volume *made =
            rollback_find(rollback, ROLLBACK_MADE, plan->volumes[i].device);
        if (made != NULL && strcmp(made->state, "error") == 0) {
            (void)err_set(err, ERR_AWS, 0, "EC2 could not make a volume of %s",
                          plan->volumes[i].snapshot->id);
            return err_suggest(err, "encrypted snapshots need rights to their KMS key");
        }
        *ret_ready += made != NULL && strcmp(made->state, "available") == 0 &&
                      is_listed(rollback, &plan->volumes[i]);
    }
    return true;
}

static bool wait_available(struct rollback *rollback, const struct rollback_plan *plan,
                           size_t wanted, int64_t deadline_ms, struct err *err)
{
    int64_t wait_ms = LOOK_TICK_MS;
    size_t ready = 0;
    char text[80];

    for (;;) {
        struct err why = ERR_INIT;
        bool seen = rollback_look(rollback, deadline_ms, &why);
        if (!seen && !finish_passes(rollback->work, &why)) {
            *err = why;
            return false;
        }
        if (seen && !count_available(rollback, plan, &ready, err))
            return false;
        (void)snprintf(text, sizeof(text), "%zu of %zu volumes are there", ready, wanted);
        job_progress(rollback->job, "volumes", (int64_t)ready, (int64_t)wanted, text);
        if (seen && ready == wanted)
            return true;
        if (!finish_nap(rollback->work, &wait_ms, deadline_ms, err))
            return err_wrap(err, "waiting for the new volumes");
    }
}

bool rollback_make_volumes(struct rollback *rollback, const struct rollback_plan *plan,
                           const struct backup *set, int64_t deadline_ms, struct err *err)
{
    size_t wanted = 0;

    if (!tag_set(rollback, set, deadline_ms, err))
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        if (!tag_kept(rollback, &plan->volumes[i], deadline_ms, err) ||
            !know_kept(rollback, &plan->volumes[i], err))
            return false;
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->volumes[i].root)
            continue; /* EC2 makes that one itself */
        if (!make_one(rollback, &plan->volumes[i], deadline_ms, err))
            return false;
        point_reach("rollback-made");
        wanted++;
    }
    return wait_available(rollback, plan, wanted, deadline_ms, err);
}

bool rollback_tag_mounts(struct rollback *rollback, const char *volume_id,
                         const struct rollback_plan_mount *mounts, size_t count,
                         int64_t deadline_ms, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    bool ok = rollback_drop_tags(rollback, volume_id, false, deadline_ms, err) &&
              add_mounts(mounts, count, &tags, err) &&
              (count == 0 ||
               ec2_create_tags(rollback->work->ec2, &volume_id, 1, &tags, deadline_ms, NULL, err));
    ec2_tags_free(&tags);
    return ok || err_wrap(err, "tags of %s", volume_id);
}
