/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/finish.h"
#include "aws/ec2_images.h"

#define IMAGE_OF "stillpoint:image-of" /* whose image a snapshot of CreateImage belongs to */

enum { LOST_IMAGE_MS = 60000 };

bool finish_is_billed(const struct work *work)
{
    const struct imds_document *document = &work->identity.document;

    return document->billing_product_count > 0 || document->product_code_count > 0 ||
           work->instance->product_code_count > 0;
}

bool finish_needs_uefi_data(const struct work *work)
{
    return strcmp(work->instance->current_boot_mode, "uefi") == 0 && !finish_is_billed(work);
}

static const struct ec2_volume *volume_by_id(const struct work *work, const char *id)
{
    for (size_t i = 0; i < work->volumes.count; i++) {
        if (strcmp(work->volumes.list[i].id, id) == 0)
            return &work->volumes.list[i];
    }
    return NULL;
}

/* One launch restores everything: the original's types and speeds, on the set's snapshots. */
static size_t build_mappings(const struct work *work, struct ec2_mapping *mappings)
{
    size_t count = 0;

    for (size_t i = 0; i < work->instance->device_count; i++) {
        const struct ec2_device *device = &work->instance->devices[i];
        const struct backup_snapshot *snapshot =
            backup_snapshot_of(work->backup, device->volume_id);
        const struct ec2_volume *volume = volume_by_id(work, device->volume_id);
        if (snapshot == NULL || snapshot->id == NULL)
            continue;
        struct ec2_mapping *mapping = &mappings[count++];
        *mapping = (struct ec2_mapping){.delete_on_termination = device->delete_on_termination};
        (void)snprintf(mapping->device, sizeof(mapping->device), "%s", device->name);
        (void)snprintf(mapping->snapshot_id, sizeof(mapping->snapshot_id), "%s", snapshot->id);
        if (volume == NULL)
            continue;
        (void)snprintf(mapping->volume_type, sizeof(mapping->volume_type), "%s", volume->type);
        mapping->size_gib = volume->size_gib;
        if (strcmp(volume->type, "gp3") == 0 || strncmp(volume->type, "io", 2) == 0)
            mapping->iops = volume->iops;
        if (strcmp(volume->type, "gp3") == 0)
            mapping->throughput_mibs = volume->throughput_mibs;
    }
    return count;
}

static bool register_image(struct work *work, const struct ec2_tags *tags, int64_t deadline_ms,
                           char *ret_id, struct err *err)
{
    const struct ec2_instance *instance = work->instance;
    struct ec2_mapping mappings[EC2_DEVICES_MAX];
    char *uefi_data = NULL, description[256];

    if (finish_needs_uefi_data(work) &&
        !ec2_get_instance_uefi_data(work->ec2, instance->id, deadline_ms, &work->job->cancel,
                                    &uefi_data, err))
        return err_wrap(err, "image");
    (void)snprintf(description, sizeof(description),
                   "Stillpoint %s of %s: all volumes at one instant", work->backup->id,
                   instance->id);
    const struct ec2_register_image what = {
        .name = work->backup->id,
        .description = description,
        .architecture = instance->architecture,
        .virtualization_type = instance->virtualization_type,
        .root_device_name = instance->root_device_name,
        .boot_mode = instance->boot_mode[0] ? instance->boot_mode : instance->current_boot_mode,
        .tpm_support = instance->tpm_support,
        .uefi_data = uefi_data,
        .imds_support = strcmp(instance->http_tokens, "required") == 0 ? "v2.0" : "",
        .sriov_net_support = instance->sriov_net_support,
        .ena_support = instance->ena_support,
        .mappings = mappings,
        .mapping_count = build_mappings(work, mappings),
        .tags = tags,
    };
    bool ok = ec2_register_image(work->ec2, &what, deadline_ms, &work->job->cancel, ret_id, err);
    free(uefi_data);
    return ok || err_wrap(err, "image");
}

/* Of the root volume alone: an instant of its own, so only what the set can't give. */
static bool create_image(struct work *work, const struct ec2_tags *tags, int64_t deadline_ms,
                         char *ret_id, struct err *err)
{
    const char *exclude[EC2_DEVICES_MAX];
    struct ec2_tags image_tags = {.count = 0}, snapshot_tags = {.count = 0};
    size_t count = 0;

    for (size_t i = 0; i < work->instance->device_count; i++) {
        if (strcmp(work->instance->devices[i].name, work->instance->root_device_name) != 0)
            exclude[count++] = work->instance->devices[i].name;
    }
    const struct ec2_create_image what = {
        .instance_id = work->instance->id,
        .name = work->backup->id,
        .description = "Stillpoint: the root of a billed instance, an instant of its own",
        .exclude_devices = exclude,
        .exclude_count = count,
        .image_tags = &image_tags,
        .snapshot_tags = &snapshot_tags,
    };
    /* Whose they are, too: a node's policy is bound to that tag (iam_policy.h). */
    bool ok = catalog_tags_put(&snapshot_tags, IMAGE_OF, work->backup->id, err) &&
              catalog_tags_put(&snapshot_tags, CATALOG_OURS "instance", work->instance->id, err);
    for (size_t i = 0; ok && i < tags->count; i++)
        ok = ec2_tags_set(&image_tags, tags->list[i].key, tags->list[i].value, err);
    ok = ok && catalog_tags_put(&image_tags, "stillpoint:consistency", "crash", err) &&
         ec2_create_image(work->ec2, &what, deadline_ms, &work->job->cancel, ret_id, err);
    ec2_tags_free(&image_tags);
    ec2_tags_free(&snapshot_tags);
    return ok || err_wrap(err, "image");
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    struct backup_image *known = self;

    if (!strs_set(&known->state, ec2_image_state_name(image->state), err))
        return false;
    if (image->state == EC2_IMAGE_FAILED || image->state == EC2_IMAGE_GONE)
        return err_set(err, ERR_AWS, 0, "image %s is %s%s%s", image->id, image->state_text,
                       image->state_reason[0] ? ": " : "", image->state_reason);
    return true;
}

static bool take_id(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    return strs_add(self, snapshot->id, err);
}

/* What CreateImage made for an image that failed serves nobody. */
static void drop_its_snapshots(struct work *work, int64_t deadline_ms)
{
    const char *id = work->backup->id;
    const struct ec2_filter filter = {"tag:" IMAGE_OF, &id, 1};
    struct strs ids = {NULL, 0};
    struct err why = ERR_INIT;

    bool ok = ec2_describe_snapshots(work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL, take_id,
                                     &ids, &why);
    for (size_t i = 0; ok && i < ids.count; i++)
        ok = ec2_delete_snapshot(work->ec2, ids.items[i], deadline_ms, NULL, &why);
    strs_free(&ids);
    if (!ok)
        job_warn(work->job, why.text, "delete the snapshots with tag " IMAGE_OF " of this backup");
}

void finish_drop_image(struct work *work, int64_t deadline_ms)
{
    struct backup_image *image = &work->backup->image;
    struct ec2_tags tags = {.count = 0};
    struct err why = ERR_INIT;
    const char *id = image->id;

    if (image->state == NULL || strcmp(image->state, ec2_image_state_name(EC2_IMAGE_FAILED)) != 0)
        return;
    if (!ec2_deregister_image(work->ec2, id, deadline_ms, NULL, &why) &&
        !(catalog_tags_put(&tags, "stillpoint:state", "failed", &why) &&
          ec2_create_tags(work->ec2, &id, 1, &tags, deadline_ms, NULL, &why)))
        log_err(LOG_LEVEL_WARNING, "not_tagged", &why);
    ec2_tags_free(&tags);
    if (finish_is_billed(work))
        drop_its_snapshots(work, deadline_ms);
    free(image->id);
    free(image->state);
    image->id = image->state = NULL;
}

static bool wait_image(struct work *work, int64_t deadline_ms, struct err *err)
{
    const char *id = work->backup->image.id;
    int64_t wait_ms = FINISH_POLL_MS;

    for (;;) {
        struct err why = ERR_INIT;
        if (!ec2_describe_images(work->ec2, &id, 1, NULL, 0, deadline_ms, &work->job->cancel,
                                 on_image, &work->backup->image, &why) &&
            !finish_passes(work, &why)) {
            *err = why;
            return err_wrap(err, "waiting for the image");
        }
        if (work->backup->image.state != NULL &&
            strcmp(work->backup->image.state, "available") == 0)
            return true;
        if (!finish_nap(work, &wait_ms, deadline_ms, err))
            return err_wrap(err, "waiting for the image");
    }
}

static bool take_image(void *self, const struct ec2_image *image, struct err *err)
{
    (void)err;
    if (image->state != EC2_IMAGE_GONE)
        (void)snprintf(self, EC2_ID_BYTES, "%s", image->id);
    return true;
}

/* The answer was lost: the image is looked for by the backup's id, for as long as EC2's list may
 * lag behind. */
static bool find_lost_image(struct work *work, int64_t deadline_ms, char *ret_id, struct err *err)
{
    const char *id = work->backup->id;
    const struct ec2_filter filter = {"tag:stillpoint:id", &id, 1};
    int64_t wait_ms = FINISH_POLL_MS;
    struct err why = ERR_INIT;
    char text[ERR_TEXT_BYTES + 80];

    deadline_ms = deadline_sooner(deadline_ms, LOST_IMAGE_MS);
    do {
        (void)ec2_describe_images(work->ec2, NULL, 0, &filter, 1, deadline_ms, &work->job->cancel,
                                  take_image, ret_id, &why);
    } while (ret_id[0] == '\0' && finish_nap(work, &wait_ms, deadline_ms, &why));
    if (ret_id[0] == '\0') {
        err->remedy[0] = '\0'; /* to try again makes a new set */
        return err_suggest(err,
                           "EC2 may have made it all the same: `stillpoint show %s` in some "
                           "minutes; the snapshots are all there",
                           id);
    }
    (void)snprintf(text, sizeof(text), "EC2's answer was lost: %s", err->text);
    job_warn(work->job, text, "nothing: the image was found by its tag");
    *err = (struct err)ERR_INIT;
    return true;
}

bool finish_make_image(struct work *work, int64_t deadline_ms, struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    char id[EC2_ID_BYTES] = "";
    bool billed = finish_is_billed(work);

    point_reach("image");
    if (!strs_set(&work->backup->image.method, billed ? "create" : "register", err))
        return false;
    bool ok = catalog_tags_common(work->backup, &tags, err) &&
              catalog_tags_put(&tags, "Name", work->backup->id, err) &&
              (billed ? create_image : register_image)(work, &tags, deadline_ms, id, err);
    ec2_tags_free(&tags);
    if (!ok && (err->kind == ERR_SENT || err->kind == ERR_PROTOCOL))
        ok = find_lost_image(work, deadline_ms, id, err);
    return ok && strs_set(&work->backup->image.id, id, err) &&
           strs_set(&work->backup->image.state, "pending", err);
}

bool finish_image(struct work *work, int64_t deadline_ms, struct err *err)
{
    job_progress(work->job, "finish", 0, 0, "making the image");
    if (!finish_make_image(work, deadline_ms, err))
        return false;
    bool ok = wait_image(work, deadline_ms, err);
    if (!ok)
        finish_drop_image(work, deadline_ms);
    return ok;
}
