/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_items.h"
#include "aws/ec2_wire.h"

enum { PAGE_ITEMS = 500, IDS_MAX = 100 };

/* --- making --- */

/* The answer's imageId into RET_IMAGE_ID. */
static bool call_for_id(struct ec2 *ec2, const struct wire_call *call, char *ret_image_id,
                        struct err *err)
{
    AUTO_BUF struct buf id = BUF_INIT(4096);

    if (!wire_call_text(ec2, call, "imageId", &id, err))
        return false;
    if (strncmp(buf_text(&id), "ami-", 4) != 0 || id.len >= EC2_ID_BYTES)
        return err_set(err, ERR_PROTOCOL, 0, "%s: a good answer without an image's id",
                       call->action);
    (void)snprintf(ret_image_id, EC2_ID_BYTES, "%s", id.data);
    return true;
}

bool ec2_register_image(struct ec2 *ec2, const struct ec2_register_image *what, int64_t deadline_ms,
                        const struct cancel *cancel, char *ret_image_id, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_ONCE_SENT,
                             .action = "RegisterImage",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "Name", what->name);
    query_add_some(&query, "Description", what->description);
    query_add_some(&query, "Architecture", what->architecture);
    query_add_some(&query, "VirtualizationType", what->virtualization_type);
    query_add_some(&query, "RootDeviceName", what->root_device_name);
    query_add_some(&query, "BootMode", what->boot_mode);
    query_add_some(&query, "TpmSupport", what->tpm_support);
    query_add_some(&query, "UefiData", what->uefi_data);
    query_add_some(&query, "ImdsSupport", what->imds_support);
    query_add_some(&query, "SriovNetSupport", what->sriov_net_support);
    if (what->ena_support != EC2_UNKNOWN)
        query_add_bool(&query, "EnaSupport", what->ena_support == EC2_YES);
    for (size_t i = 0; i < what->mapping_count; i++)
        items_add_mapping(&query, i + 1, &what->mappings[i]);
    query_add_tag_specification(&query, 1, "image", what->tags);
    bool ok = call_for_id(ec2, &call, ret_image_id, err);
    query_free(&query);
    return ok;
}

bool ec2_create_image(struct ec2 *ec2, const struct ec2_create_image *what, int64_t deadline_ms,
                      const struct cancel *cancel, char *ret_image_id, struct err *err)
{
    char name[80];
    struct query query;
    struct wire_call call = {.kind = AWS_ONCE_SENT,
                             .action = "CreateImage",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    int next = 1;

    query_begin(&query, call.action);
    query_add(&query, "InstanceId", what->instance_id);
    query_add(&query, "Name", what->name);
    query_add_some(&query, "Description", what->description);
    query_add_bool(&query, "NoReboot", true);
    for (size_t i = 0; i < what->exclude_count; i++) {
        (void)snprintf(name, sizeof(name), "BlockDeviceMapping.%zu.DeviceName", i + 1);
        query_add(&query, name, what->exclude_devices[i]);
        (void)snprintf(name, sizeof(name), "BlockDeviceMapping.%zu.NoDevice", i + 1);
        query_add(&query, name, ""); /* there, and empty: as EC2's reference has it */
    }
    if (what->image_tags != NULL && what->image_tags->count > 0)
        query_add_tag_specification(&query, next++, "image", what->image_tags);
    query_add_tag_specification(&query, next, "snapshot", what->snapshot_tags);
    bool ok = call_for_id(ec2, &call, ret_image_id, err);
    query_free(&query);
    return ok;
}

/* --- DescribeImages --- */

static const struct {
    const char *text;
    enum ec2_image_state state;
} states[] = {
    {"pending", EC2_IMAGE_PENDING},   {"available", EC2_IMAGE_AVAILABLE},
    {"deregistered", EC2_IMAGE_GONE}, {"disabled", EC2_IMAGE_GONE},
    {"failed", EC2_IMAGE_FAILED},     {"error", EC2_IMAGE_FAILED},
    {"invalid", EC2_IMAGE_FAILED},
};

const char *ec2_image_state_name(enum ec2_image_state state)
{
    static const char *const names[] = {
        [EC2_IMAGE_UNKNOWN] = "unknown",     [EC2_IMAGE_PENDING] = "pending",
        [EC2_IMAGE_AVAILABLE] = "available", [EC2_IMAGE_GONE] = "gone",
        [EC2_IMAGE_FAILED] = "failed",
    };
    size_t index = (size_t)state;

    return names[index < sizeof(names) / sizeof(names[0]) ? index : 0];
}

#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_image, member)
static const struct wire_field image_fields[] = {
    FIELD("imageId", WIRE_ID, id),
    FIELD("name", WIRE_TEXT, name),
    FIELD("imageOwnerId", WIRE_ID, owner_id),
    FIELD("imageState", WIRE_TEXT, state_text),
    FIELD("stateReason/message", WIRE_CUT, state_reason),
    FIELD("architecture", WIRE_TEXT, architecture),
    FIELD("virtualizationType", WIRE_ID, virtualization_type),
    FIELD("rootDeviceName", WIRE_TEXT, root_device_name),
    FIELD("rootDeviceType", WIRE_ID, root_device_type),
    FIELD("bootMode", WIRE_ID, boot_mode),
    FIELD("tpmSupport", WIRE_TEXT, tpm_support),
    FIELD("imdsSupport", WIRE_TEXT, imds_support),
    FIELD("sriovNetSupport", WIRE_TEXT, sriov_net_support),
    FIELD("platformDetails", WIRE_TEXT, platform_details),
    FIELD("usageOperation", WIRE_TEXT, usage_operation),
    FIELD("enaSupport", WIRE_FLAG, ena_support),
    FIELD("creationDate", WIRE_TIME, creation_utc_us),
};
#undef FIELD

#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_mapping, member)
static const struct wire_field mapping_fields[] = {
    FIELD("deviceName", WIRE_TEXT, device),
    FIELD("ebs/snapshotId", WIRE_ID, snapshot_id),
    FIELD("ebs/volumeType", WIRE_ID, volume_type),
    FIELD("ebs/volumeSize", WIRE_INT, size_gib),
    FIELD("ebs/iops", WIRE_INT, iops),
    FIELD("ebs/throughput", WIRE_INT, throughput_mibs),
    FIELD("ebs/deleteOnTermination", WIRE_FLAG, delete_on_termination),
};
#undef FIELD

struct image_reading {
    struct ec2_image *image; /* too large for the stack of a small thread */
    struct wire_tag tag;
    bool (*each)(void *self, const struct ec2_image *image, struct err *err);
    void *each_self;
};

static bool open_image(void *self, const char *path, struct err *err)
{
    struct ec2_image *image = ((struct image_reading *)self)->image;

    if (*path == '\0') {
        ec2_tags_free(&image->tags);
        memset(image, 0, sizeof(*image));
        image->ena_support = EC2_UNKNOWN;
    } else if (strcmp(path, "blockDeviceMapping/item") == 0) {
        if (image->mapping_count == EC2_MAPPINGS_MAX)
            return err_set(err, ERR_LIMIT, 0, "an image of more than %d volumes", EC2_MAPPINGS_MAX);
        image->mappings[image->mapping_count++] =
            (struct ec2_mapping){.delete_on_termination = EC2_UNKNOWN};
    }
    return true;
}

static bool finish_image(struct image_reading *reading, struct err *err)
{
    struct ec2_image *image = reading->image;

    if (image->id[0] == '\0')
        return err_set(err, ERR_PROTOCOL, 0, "an image without an id");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].text, image->state_text) == 0)
            image->state = states[i].state;
    return reading->each(reading->each_self, image, err);
}

static bool close_image(void *self, const char *path, const char *text, struct err *err)
{
    struct image_reading *reading = self;
    struct ec2_image *image = reading->image;
    const char *below;

    if (*path == '\0')
        return finish_image(reading, err);
    if ((below = wire_below(path, "blockDeviceMapping/item")) != NULL) {
        struct ec2_mapping *mapping = &image->mappings[image->mapping_count - 1];
        if (*below == '\0' && mapping->snapshot_id[0] == '\0')
            image->mapping_count--; /* instance store, or an empty volume */
        return wire_take(mapping_fields, WIRE_COUNT(mapping_fields), below, text, mapping, err);
    }
    if ((below = wire_below(path, "tagSet/item")) != NULL)
        return wire_take_tag(&reading->tag, below, text, &image->tags, err);
    if (strcmp(path, "productCodes/item/productCode") == 0) {
        if (image->product_code_count == EC2_PRODUCTS_MAX || strlen(text) >= EC2_NAME_BYTES)
            return err_set(err, ERR_LIMIT, 0, "more than %d product codes, or a long one",
                           EC2_PRODUCTS_MAX);
        (void)snprintf(image->product_codes[image->product_code_count++], EC2_NAME_BYTES, "%s",
                       text);
        return true;
    }
    return wire_take(image_fields, WIRE_COUNT(image_fields), path, text, image, err);
}

bool ec2_describe_images(struct ec2 *ec2, const char *const *ids, size_t id_count,
                         const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                         const struct cancel *cancel,
                         bool (*each)(void *self, const struct ec2_image *image, struct err *err),
                         void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeImages",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel,
                             /* EC2 refuses MaxResults together with ids */
                             .page_items = id_count == 0 ? PAGE_ITEMS : 0};
    struct image_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"imagesSet/item", &reading, open_image, close_image, NULL};

    if (id_count > IDS_MAX)
        return err_set(err, ERR_LIMIT, 0, "DescribeImages: more than %d ids", IDS_MAX);
    reading.image = calloc(1, sizeof(*reading.image));
    if (reading.image == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    query_begin(&query, call.action);
    query_add(&query, "Owner.1", "self");
    query_add_list(&query, "ImageId", ids, id_count);
    query_add_filters(&query, filters, filter_count);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    ec2_tags_free(&reading.image->tags);
    free(reading.image);
    return ok;
}

/* --- DeregisterImage --- */

bool ec2_deregister_image(struct ec2 *ec2, const char *image_id, int64_t deadline_ms,
                          const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct err refused = ERR_INIT;
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "DeregisterImage",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "ImageId", image_id);
    bool ok = wire_send(ec2, &call, &body, &refused);
    query_free(&query);
    if (ok || refused.kind == ERR_AWS_NOT_FOUND) /* gone is gone */
        return true;
    *err = refused;
    return err_wrap(err, "%s", image_id);
}
