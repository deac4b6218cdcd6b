/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_volumes.h"

#include <stdio.h>
#include <string.h>

#include "aws/ec2_items.h"
#include "aws/ec2_wire.h"

/* Whether the last call was refused with that code. */
static bool refused_as(const struct ec2 *ec2, const struct err *err, const char *code)
{
    return err->kind == ERR_AWS && strcmp(ec2_outcome(ec2)->error.code, code) == 0;
}

/* --- making --- */

static void add_volume(struct query *query, const struct ec2_create_volume *what)
{
    query_add(query, "AvailabilityZone", what->availability_zone);
    query_add_some(query, "SnapshotId", what->snapshot_id);
    if (what->size_gib > 0)
        query_add_int(query, "Size", what->size_gib);
    query_add_some(query, "VolumeType", what->type);
    if (what->iops > 0)
        query_add_int(query, "Iops", what->iops);
    if (what->throughput_mibs > 0)
        query_add_int(query, "Throughput", what->throughput_mibs);
    query_add_some(query, "KmsKeyId", what->kms_key_id);
    if (what->encrypted)
        query_add_bool(query, "Encrypted", true);
    if (what->initialization_rate_mibs > 0)
        query_add_int(query, "VolumeInitializationRate", what->initialization_rate_mibs);
    query_add_tag_specification(query, 1, "volume", what->tags);
    query_add_some(query, "ClientToken", what->client_token);
}

bool ec2_create_volume(struct ec2 *ec2, const struct ec2_create_volume *what, int64_t deadline_ms,
                       const struct cancel *cancel, char *ret_volume_id, struct err *err)
{
    AUTO_BUF struct buf id = BUF_INIT(4096);
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "CreateVolume",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    if (what->client_token == NULL || strlen(what->client_token) > EC2_CLIENT_TOKEN_MAX)
        return err_set(err, ERR_INTERNAL, 0, "CreateVolume: no client token, or a long one");
    query_begin(&query, call.action);
    add_volume(&query, what);
    bool ok = wire_call_text(ec2, &call, "volumeId", &id, err);
    query_free(&query);
    if (ok && (strncmp(buf_text(&id), "vol-", 4) != 0 || id.len >= EC2_ID_BYTES))
        ok = err_set(err, ERR_PROTOCOL, 0, "CreateVolume: a good answer without a volume's id");
    if (ok)
        (void)snprintf(ret_volume_id, EC2_ID_BYTES, "%s", id.data);
    return ok;
}

bool ec2_create_volume_dry_run(struct ec2 *ec2, const struct ec2_create_volume *what,
                               int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    struct query query;

    query_begin(&query, "CreateVolume");
    query_add_bool(&query, "DryRun", true);
    add_volume(&query, what);
    return wire_send_dry(ec2, &query, "CreateVolume", deadline_ms, cancel, err);
}

/* --- looking --- */

struct each_reading {
    struct items_volume item;
    struct ec2_volume volume;
    bool (*each)(void *self, const struct ec2_volume *volume, struct err *err);
    void *each_self;
};

static bool open_each(void *self, const char *path, struct err *err)
{
    return items_open_volume(&((struct each_reading *)self)->item, path, err);
}

static bool close_each(void *self, const char *path, const char *text, struct err *err)
{
    struct each_reading *reading = self;

    return items_close_volume(&reading->item, path, text, err) &&
           (*path != '\0' || reading->each(reading->each_self, &reading->volume, err));
}

bool ec2_list_volumes(struct ec2 *ec2, const char *const *ids, size_t id_count,
                      const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                      const struct cancel *cancel,
                      bool (*each)(void *self, const struct ec2_volume *volume, struct err *err),
                      void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeVolumes",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct each_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"volumeSet/item", &reading, open_each, close_each, NULL};

    reading.item.volume = &reading.volume;
    query_begin(&query, call.action);
    bool ok = items_add_choice(&query, "VolumeId", ids, id_count, filters, filter_count, err) &&
              wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    ec2_tags_free(&reading.volume.tags);
    return ok;
}

/* --- attaching --- */

/* One place that a volume may be attached to. */
struct place {
    const char *instance_id, *device; /* NULL: any */
    bool there;                       /* attached or being attached */
};

static bool look_for_place(void *self, const struct ec2_volume *volume, struct err *err)
{
    struct place *place = self;

    (void)err;
    for (size_t i = 0; i < volume->attachment_count; i++) {
        const struct ec2_attachment *at = &volume->attachments[i];
        if ((place->instance_id != NULL && strcmp(at->instance_id, place->instance_id) != 0) ||
            (place->device != NULL && strcmp(at->device, place->device) != 0))
            continue;

        place->there = place->there || (strcmp(at->status, "detaching") != 0 &&
                                        strcmp(at->status, "detached") != 0);
    }
    return true;
}

bool ec2_attach_volume(struct ec2 *ec2, const char *volume_id, const char *instance_id,
                       const char *device, int64_t deadline_ms, const struct cancel *cancel,
                       struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct place place = {.instance_id = instance_id, .device = device};
    struct err refused = ERR_INIT, ignored = ERR_INIT; /* what was refused says more */
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "AttachVolume",
                             .query = &query,
                             .just_made = true,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "VolumeId", volume_id);
    query_add(&query, "InstanceId", instance_id);
    query_add(&query, "Device", device);
    bool ok = wire_send(ec2, &call, &body, &refused);
    query_free(&query);
    if (ok)
        return true;
    /* Its own doing, maybe: of an earlier send, or an earlier call. */
    if (refused_as(ec2, &refused, "VolumeInUse") &&
        ec2_list_volumes(ec2, &volume_id, 1, NULL, 0, deadline_ms, cancel, look_for_place, &place,
                         &ignored) &&
        place.there)
        return true;
    *err = refused;
    return err_wrap(err, "%s as %s of %s", volume_id, device, instance_id);
}

bool ec2_detach_volume(struct ec2 *ec2, const char *volume_id, const char *instance_id,
                       const char *device, bool force, int64_t deadline_ms,
                       const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct place place = {.instance_id = instance_id, .device = device};
    struct err refused = ERR_INIT, ignored = ERR_INIT; /* as above */
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "DetachVolume",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "VolumeId", volume_id);
    query_add(&query, "InstanceId", instance_id);
    query_add(&query, "Device", device);
    if (force)
        query_add_bool(&query, "Force", true);
    bool ok = wire_send(ec2, &call, &body, &refused);
    query_free(&query);
    if (ok || refused.kind == ERR_AWS_NOT_FOUND) /* the volume, or its being attached there */
        return true;
    /* "is in the 'available' state", and so for one that is being detached. */
    if (refused_as(ec2, &refused, "IncorrectState") &&
        ec2_list_volumes(ec2, &volume_id, 1, NULL, 0, deadline_ms, cancel, look_for_place, &place,
                         &ignored) &&
        !place.there)
        return true;
    *err = refused;
    return err_wrap(err, "%s", volume_id);
}

/* --- removing --- */

bool ec2_delete_volume(struct ec2 *ec2, const char *volume_id, int64_t deadline_ms,
                       const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct err refused = ERR_INIT;
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "DeleteVolume",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "VolumeId", volume_id);
    bool ok = wire_send(ec2, &call, &body, &refused);
    query_free(&query);
    if (ok || refused.kind == ERR_AWS_NOT_FOUND) /* gone is gone */
        return true;
    *err = refused;
    return err_wrap(err, "%s", volume_id);
}
