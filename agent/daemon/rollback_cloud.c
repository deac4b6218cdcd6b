/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_cloud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/grow.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/rollback_resume.h"
#include "agent/daemon/survey.h"
#include "aws/ec2_launch.h"
#include "aws/ec2_snapshots.h"
#include "aws/ec2_volumes.h"

enum { TAG_MS = 60000 };

const char *rollback_instance(const struct rollback *rollback)
{
    return rollback->work->identity.document.instance_id;
}

void rollback_warn(struct rollback *rollback, const char *text, const char *remedy)
{
    rollback->less = true;
    job_warn(rollback->job, text, remedy);
}

/* --- looking -------------------------------------------------------------------------------- */

static void see_attachment(struct rollback_volume *volume, const struct ec2_volume *shown,
                           const char *instance)
{
    for (size_t i = 0; i < shown->attachment_count; i++) {
        const struct ec2_attachment *attachment = &shown->attachments[i];
        bool ours = strcmp(attachment->instance_id, instance) == 0;
        if (strcmp(attachment->status, "detached") == 0)
            continue;
        volume->elsewhere = volume->elsewhere || !ours;
        if (!ours)
            continue;
        volume->attached = true;
        memcpy(volume->attached_as, attachment->device, sizeof(volume->attached_as));
        memcpy(volume->attach_status, attachment->status, sizeof(volume->attach_status));
    }
}

static void see_mounts(struct rollback_volume *volume, const struct ec2_tags *tags)
{
    for (int i = 0; i < ROLLBACK_MOUNTS_MAX; i++) {
        char key[64];
        (void)snprintf(key, sizeof(key), ROLLBACK_MOUNT_TAG "%d", i);
        const char *value = ec2_tags_get(tags, key);
        if (value != NULL && rollback_mount_parse(value, &volume->mounts[volume->mount_count]))
            volume->mount_count++;
    }
}

/* One whose tags are not what they should be is not ours to touch. */
static bool on_volume(void *self, const struct ec2_volume *shown, struct err *err)
{
    struct rollback *rollback = self;
    const char *role = ec2_tags_get(&shown->tags, ROLLBACK_ROLE_TAG);
    struct rollback_part part;

    if (role == NULL)
        return true;
    if (!rollback_part_parse(role, &part, err))
        return err_wrap(err, "%s", shown->id);
    if (strcmp(part.instance, rollback_instance(rollback)) != 0)
        return true;
    struct rollback_volume *volume =
        grow_by_one(&rollback->volumes, &rollback->count, sizeof(*rollback->volumes));
    if (volume == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    memcpy(volume->id, shown->id, sizeof(volume->id));
    memcpy(volume->state, shown->state, sizeof(volume->state));
    volume->part = part;
    see_mounts(volume, &shown->tags);
    see_attachment(volume, shown, rollback_instance(rollback));
    return true;
}

bool rollback_look(struct rollback *rollback, int64_t deadline_ms, struct err *err)
{
    const char *id = rollback->state.id;
    const struct ec2_filter filter = {"tag:" ROLLBACK_TAG, &id, 1};
    struct rollback seen = {.work = rollback->work};

    if (!ec2_list_volumes(rollback->work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL, on_volume,
                          &seen, err)) {
        free(seen.volumes);
        return err_wrap(err, "looking for the rollback's volumes");
    }
    free(rollback->volumes);
    rollback->volumes = seen.volumes;
    rollback->count = seen.count;
    rollback_note(rollback->job->agent, rollback_json(rollback));
    return true;
}

bool rollback_see_instance(struct rollback *rollback, int64_t deadline_ms, struct err *err)
{
    struct work *work = rollback->work;
    struct ec2_instance *instance = NULL;

    if (!ec2_describe_instance(work->ec2, rollback_instance(rollback), deadline_ms,
                               rollback->cancel, &instance, err))
        return false;
    ec2_instance_free(work->instance);
    work->instance = instance;
    return true;
}

/* An earlier daemon may have known why it goes back. */
static void see_last(struct rollback *rollback)
{
    struct rollback_last last;

    if (rollback->last.outcome == ROLLBACK_OUTCOME_NONE &&
        rollback_last_read(rollback->work->config->paths.state, rollback_instance(rollback),
                           &last) &&
        strcmp(last.id, rollback->state.id) == 0)
        rollback->last = last;
}

bool rollback_read(struct rollback *rollback, int64_t deadline_ms, bool *ret_there, struct err *err)
{
    if (!rollback_see_instance(rollback, deadline_ms, err))
        return false;
    const char *value = ec2_tags_get(&rollback->work->instance->tags, ROLLBACK_TAG);
    *ret_there = value != NULL;
    if (value == NULL) {
        rollback_note(rollback->job->agent, NULL);
        return true;
    }
    if (!rollback_state_parse(value, &rollback->state, err))
        return false;
    see_last(rollback);
    return rollback_look(rollback, deadline_ms, err);
}

struct rollback_volume *rollback_find(const struct rollback *rollback, enum rollback_role role,
                                      const char *device)
{
    for (size_t i = 0; i < rollback->count; i++) {
        struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role == role && strcmp(volume->part.device, device) == 0)
            return volume;
    }
    return NULL;
}

bool rollback_is_root(const struct rollback *rollback, const struct rollback_volume *volume)
{
    return strcmp(volume->part.device, rollback->work->instance->root_device_name) == 0;
}

const char *rollback_root_volume(const struct rollback *rollback)
{
    const struct ec2_instance *instance = rollback->work->instance;

    for (size_t i = 0; i < instance->device_count; i++) {
        if (strcmp(instance->devices[i].name, instance->root_device_name) == 0)
            return instance->devices[i].volume_id;
    }
    return "";
}

/* --- the state ------------------------------------------------------------------------------ */

bool rollback_enter(struct rollback *rollback, enum rollback_step step, struct err *err)
{
    struct rollback_state next = rollback->state;
    struct ec2_tags tags = {.count = 0};
    const char *id = rollback_instance(rollback);
    char value[ROLLBACK_VALUE_BYTES];

    next.step = step;
    bool ok =
        ec2_tags_set(&tags, ROLLBACK_TAG, rollback_state_format(&next, value), err) &&
        ec2_create_tags(rollback->work->ec2, &id, 1, &tags, clock_boot_ms() + TAG_MS, NULL, err);
    ec2_tags_free(&tags);
    if (!ok)
        return err_wrap(err, "the step '%s' into the tag of the instance",
                        rollback_step_name(step));
    rollback->state = next;
    rollback_note(rollback->job->agent, rollback_json(rollback));
    job_set_step(rollback->job, rollback_step_name(step));
    point_reach_of("rollback", rollback_step_name(step));
    return true;
}

/* What can't be written keeps nothing from its end. */
static void record_last(struct rollback *rollback)
{
    struct rollback_last *last = &rollback->last;
    struct err err = ERR_INIT;

    last->at_utc_us = clock_utc_us();
    memcpy(last->id, rollback->state.id, sizeof(last->id));
    memcpy(last->set, rollback->state.set, sizeof(last->set));
    if (!rollback_last_write(rollback->work->config->paths.state, rollback_instance(rollback), last,
                             &err))
        log_err(LOG_LEVEL_WARNING, "rollback_not_recorded", &err);
}

void rollback_ends_as(struct rollback *rollback, enum rollback_outcome outcome, const char *why)
{
    rollback->last.outcome = outcome;
    (void)snprintf(rollback->last.why, sizeof(rollback->last.why), "%s", why);
    record_last(rollback);
}

bool rollback_leave(struct rollback *rollback, struct err *err)
{
    static const char *const keys[] = {ROLLBACK_TAG};
    const char *id = rollback_instance(rollback);

    if (rollback->last.outcome == ROLLBACK_OUTCOME_NONE)
        rollback->last.outcome = ROLLBACK_UNDONE;
    rollback->last.over = true;
    record_last(rollback);
    if (!ec2_delete_tags(rollback->work->ec2, &id, 1, keys, 1, clock_boot_ms() + TAG_MS, NULL, err))
        return err_wrap(err, "tag " ROLLBACK_TAG " off the instance");
    rollback_note(rollback->job->agent, NULL);
    return true;
}

/* --- the end -------------------------------------------------------------------------------- */

bool rollback_delete(struct rollback *rollback, enum rollback_role role, int64_t deadline_ms,
                     size_t *ret_count, struct err *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < rollback->count; i++) {
        const struct rollback_volume *volume = &rollback->volumes[i];
        if (volume->part.role != role)
            continue;
        if (volume->attached || volume->elsewhere) {
            (void)err_set(err, ERR_PRECONDITION, 0, "%s is attached, and is not deleted",
                          volume->id);
            return err_suggest(err, "detach it, or take the tag " ROLLBACK_TAG " off it");
        }
        if (strcmp(volume->state, "deleting") != 0 && strcmp(volume->state, "deleted") != 0 &&
            !ec2_delete_volume(rollback->work->ec2, volume->id, deadline_ms, NULL, err))
            return err_wrap(err, "%s", volume->id);
        log_event(LOG_LEVEL_NOTICE, "rollback_deleted", "id=%s volume=%s", rollback->state.id,
                  volume->id);
        (*ret_count)++;
        point_reach("rollback-deleted");
    }
    return true;
}

bool rollback_drop_tags(struct rollback *rollback, const char *volume_id, bool all,
                        int64_t deadline_ms, struct err *err)
{
    char texts[ROLLBACK_MOUNTS_MAX][64];
    const char *keys[ROLLBACK_MOUNTS_MAX + 2];
    size_t count = 0;

    for (int i = 0; i < ROLLBACK_MOUNTS_MAX; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), ROLLBACK_MOUNT_TAG "%d", i);
        keys[count++] = texts[i];
    }
    if (all) {
        keys[count++] = ROLLBACK_TAG;
        keys[count++] = ROLLBACK_ROLE_TAG;
    }
    return ec2_delete_tags(rollback->work->ec2, &volume_id, 1, keys, count, deadline_ms, NULL,
                           err) ||
           err_wrap(err, "tags of %s", volume_id);
}

bool rollback_untag(struct rollback *rollback, enum rollback_role role, int64_t deadline_ms,
                    struct err *err)
{
    for (size_t i = 0; i < rollback->count; i++) {
        if (rollback->volumes[i].part.role == role &&
            !rollback_drop_tags(rollback, rollback->volumes[i].id, true, deadline_ms, err))
            return false;
    }
    return true;
}

struct snapshots {
    char ids[EC2_DEVICES_MAX][EC2_ID_BYTES];
    size_t count;
};

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct snapshots *found = self;

    if (found->count >= EC2_DEVICES_MAX)
        return err_set(err, ERR_LIMIT, 0, "more snapshots than an instance has volumes");
    memcpy(found->ids[found->count++], snapshot->id, EC2_ID_BYTES);
    return true;
}

bool rollback_untag_set(struct rollback *rollback, int64_t deadline_ms, struct err *err)
{
    const char *id = rollback->state.id, *ids[EC2_DEVICES_MAX];
    const struct ec2_filter filter = {"tag:" ROLLBACK_TAG, &id, 1};
    struct snapshots found = {.count = 0};
    struct ec2_tags tags = {.count = 0};

    bool ok = ec2_describe_snapshots(rollback->work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL,
                                     on_snapshot, &found, err);
    for (size_t i = 0; i < found.count; i++)
        ids[i] = found.ids[i];
    ok = ok && (found.count == 0 || (ec2_tags_set(&tags, ROLLBACK_TAG, ROLLBACK_NOT_IN_USE, err) &&
                                     ec2_create_tags(rollback->work->ec2, ids, found.count, &tags,
                                                     deadline_ms, NULL, err)));
    ec2_tags_free(&tags);
    return ok || err_wrap(err, "tags of the set's snapshots");
}
