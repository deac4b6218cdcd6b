/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_wire.h"

enum {
    PAGE_ITEMS = 200, /* with 50 long tags each a page still fits the client's 8 MiB */
    UEFI_MAX_BYTES = 64 * 1024,
    VOLUMES_MAX = 1024
};

/* --- DescribeInstances --- */

#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_instance, member)
static const struct wire_field instance_fields[] = {
    FIELD("instanceId", WIRE_ID, id),
    FIELD("instanceState/name", WIRE_ID, state),
    FIELD("imageId", WIRE_ID, image_id),
    FIELD("instanceType", WIRE_TEXT, type),
    FIELD("placement/availabilityZone", WIRE_ID, availability_zone),
    FIELD("architecture", WIRE_TEXT, architecture),
    FIELD("virtualizationType", WIRE_ID, virtualization_type),
    FIELD("hypervisor", WIRE_ID, hypervisor),
    FIELD("rootDeviceName", WIRE_TEXT, root_device_name),
    FIELD("rootDeviceType", WIRE_ID, root_device_type),
    FIELD("bootMode", WIRE_ID, boot_mode),
    FIELD("currentInstanceBootMode", WIRE_ID, current_boot_mode),
    FIELD("tpmSupport", WIRE_TEXT, tpm_support),
    FIELD("sriovNetSupport", WIRE_TEXT, sriov_net_support),
    FIELD("platformDetails", WIRE_TEXT, platform_details),
    FIELD("usageOperation", WIRE_TEXT, usage_operation),
    FIELD("metadataOptions/httpTokens", WIRE_ID, http_tokens),
    FIELD("iamInstanceProfile/arn", WIRE_TEXT, iam_profile_arn),
    FIELD("privateIpAddress", WIRE_TEXT, private_ip),
    FIELD("subnetId", WIRE_ID, subnet_id),
    FIELD("vpcId", WIRE_ID, vpc_id),
    FIELD("enaSupport", WIRE_FLAG, ena_support),
    FIELD("ebsOptimized", WIRE_FLAG, ebs_optimized),
    FIELD("launchTime", WIRE_TIME, launch_utc_us),
};
#undef FIELD

static const struct wire_field device_fields[] = {
    WIRE_FIELD("deviceName", WIRE_TEXT, struct ec2_device, name),
    WIRE_FIELD("ebs/volumeId", WIRE_ID, struct ec2_device, volume_id),
    WIRE_FIELD("ebs/status", WIRE_ID, struct ec2_device, status),
    WIRE_FIELD("ebs/deleteOnTermination", WIRE_FLAG, struct ec2_device, delete_on_termination),
};

struct instance_reading {
    struct ec2_instance *instance;
    struct wire_tag tag;
    size_t items;
};

static bool open_instance(void *self, const char *path, struct err *err)
{
    struct instance_reading *reading = self;
    struct ec2_instance *instance = reading->instance;

    if (*path == '\0' && ++reading->items > 1)
        return err_set(err, ERR_PROTOCOL, 0, "more than the one instance that was asked for");
    if (strcmp(path, "blockDeviceMapping/item") == 0) {
        if (instance->device_count == EC2_DEVICES_MAX)
            return err_set(err, ERR_LIMIT, 0, "more than %d volumes", EC2_DEVICES_MAX);
        instance->devices[instance->device_count++] =
            (struct ec2_device){.delete_on_termination = EC2_UNKNOWN};
    }
    return true;
}

static bool take_product(char list[][EC2_NAME_BYTES], size_t *count, const char *text,
                         struct err *err)
{
    if (*count == EC2_PRODUCTS_MAX || strlen(text) >= EC2_NAME_BYTES)
        return err_set(err, ERR_LIMIT, 0, "more than %d product codes, or a long one",
                       EC2_PRODUCTS_MAX);
    (void)snprintf(list[(*count)++], EC2_NAME_BYTES, "%s", text);
    return true;
}

static bool close_instance(void *self, const char *path, const char *text, struct err *err)
{
    struct instance_reading *reading = self;
    struct ec2_instance *instance = reading->instance;
    const char *below;

    if ((below = wire_below(path, "blockDeviceMapping/item")) != NULL) {
        struct ec2_device *device = &instance->devices[instance->device_count - 1];
        if (*below == '\0' && device->volume_id[0] == '\0')
            instance->device_count--; /* instance store */
        return wire_take(device_fields, WIRE_COUNT(device_fields), below, text, device, err);
    }
    if ((below = wire_below(path, "tagSet/item")) != NULL)
        return wire_take_tag(&reading->tag, below, text, &instance->tags, err);
    if (strcmp(path, "productCodes/item/productCode") == 0)
        return take_product(instance->product_codes, &instance->product_code_count, text, err);
    return wire_take(instance_fields, WIRE_COUNT(instance_fields), path, text, instance, err);
}

static bool outside_instance(void *self, const char *path, const char *text, struct err *err)
{
    static const struct wire_field fields[] = {
        WIRE_FIELD("reservationSet/item/ownerId", WIRE_ID, struct ec2_instance, owner_id)};

    return wire_take(fields, 1, path, text, ((struct instance_reading *)self)->instance, err);
}

bool ec2_describe_instance(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                           const struct cancel *cancel, struct ec2_instance **ret_instance,
                           struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeInstances",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct ec2_instance *instance = calloc(1, sizeof(*instance));
    struct instance_reading reading = {.instance = instance};
    struct wire_list list = {"reservationSet/item/instancesSet/item", &reading, open_instance,
                             close_instance, outside_instance};

    if (instance == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    instance->ena_support = instance->ebs_optimized = EC2_UNKNOWN;
    query_begin(&query, call.action);
    query_add(&query, "InstanceId.1", instance_id);
    bool ok = wire_call_list(ec2, &call, &list, err);
    query_free(&query);
    if (ok && reading.items == 0)
        ok = err_set(err, ERR_AWS_NOT_FOUND, 0, "DescribeInstances: EC2 shows no %s", instance_id);
    if (ok && strcmp(instance->id, instance_id) != 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "DescribeInstances: asked for %s, got %s", instance_id,
                     instance->id);
    if (!ok) {
        ec2_instance_free(instance);
        return false;
    }
    *ret_instance = instance;
    return true;
}

void ec2_instance_free(struct ec2_instance *instance)
{
    if (instance == NULL)
        return;
    ec2_tags_free(&instance->tags);
    free(instance);
}

/* --- DescribeInstanceAttribute, GetInstanceUefiData --- */

bool ec2_describe_instance_attribute(struct ec2 *ec2, const char *instance_id,
                                     const char *attribute, int64_t deadline_ms,
                                     const struct cancel *cancel, char *ret_value, size_t size,
                                     struct err *err)
{
    AUTO_BUF struct buf value = BUF_INIT(4096);
    char path[100];
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeInstanceAttribute",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    (void)snprintf(path, sizeof(path), "%.80s/value", attribute);
    query_begin(&query, call.action);
    query_add(&query, "InstanceId", instance_id);
    query_add(&query, "Attribute", attribute);
    bool ok = wire_call_text(ec2, &call, path, &value, err);
    query_free(&query);
    if (ok && value.len >= size)
        ok = err_set(err, ERR_PROTOCOL, 0, "%s: %s is longer than %zu bytes", call.action,
                     attribute, size - 1);
    if (ok)
        (void)snprintf(ret_value, size, "%s", buf_text(&value));
    return ok;
}

bool ec2_get_instance_uefi_data(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                                const struct cancel *cancel, char **ret_data, struct err *err)
{
    struct buf data = BUF_INIT(UEFI_MAX_BYTES);
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "GetInstanceUefiData",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "InstanceId", instance_id);
    bool ok = wire_call_text(ec2, &call, "uefiData", &data, err) && buf_add(&data, "", 0, err);
    query_free(&query);
    if (!ok) {
        buf_free(&data);
        return false;
    }
    *ret_data = data.data;
    return true;
}

/* --- DescribeVolumes --- */

#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_volume, member)
static const struct wire_field volume_fields[] = {
    FIELD("volumeId", WIRE_ID, id),
    FIELD("volumeType", WIRE_ID, type),
    FIELD("status", WIRE_ID, state),
    FIELD("availabilityZone", WIRE_ID, availability_zone),
    FIELD("snapshotId", WIRE_ID, snapshot_id),
    FIELD("kmsKeyId", WIRE_TEXT, kms_key_id),
    FIELD("size", WIRE_INT, size_gib),
    FIELD("iops", WIRE_INT, iops),
    FIELD("throughput", WIRE_INT, throughput_mibs),
    FIELD("encrypted", WIRE_BOOL, encrypted),
    FIELD("multiAttachEnabled", WIRE_BOOL, multi_attach),
};
#undef FIELD

static const struct wire_field attachment_fields[] = {
    WIRE_FIELD("instanceId", WIRE_ID, struct ec2_attachment, instance_id),
    WIRE_FIELD("device", WIRE_TEXT, struct ec2_attachment, device),
    WIRE_FIELD("status", WIRE_ID, struct ec2_attachment, status),
    WIRE_FIELD("deleteOnTermination", WIRE_FLAG, struct ec2_attachment, delete_on_termination),
};

struct volumes_reading {
    struct ec2_volumes volumes;
    struct wire_tag tag;
};

static bool open_volume(void *self, const char *path, struct err *err)
{
    struct ec2_volumes *volumes = &((struct volumes_reading *)self)->volumes;

    if (*path == '\0') {
        if (volumes->count == VOLUMES_MAX)
            return err_set(err, ERR_LIMIT, 0, "more than %d volumes", VOLUMES_MAX);
        struct ec2_volume *list =
            realloc(volumes->list, (volumes->count + 1) * sizeof(*volumes->list));
        if (list == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        memset(&list[volumes->count++], 0, sizeof(*list));
        volumes->list = list;
    }
    if (strcmp(path, "attachmentSet/item") == 0) {
        struct ec2_volume *volume = &volumes->list[volumes->count - 1];
        if (volume->attachment_count == EC2_ATTACHMENTS_MAX)
            return err_set(err, ERR_LIMIT, 0, "a volume with more than %d attachments",
                           EC2_ATTACHMENTS_MAX);
        volume->attachments[volume->attachment_count++] =
            (struct ec2_attachment){.delete_on_termination = EC2_UNKNOWN};
    }
    return true;
}

static bool close_volume(void *self, const char *path, const char *text, struct err *err)
{
    struct volumes_reading *reading = self;
    struct ec2_volume *volume = &reading->volumes.list[reading->volumes.count - 1];
    const char *below;

    if (*path == '\0')
        return volume->id[0] != '\0' || err_set(err, ERR_PROTOCOL, 0, "a volume without an id");
    if ((below = wire_below(path, "attachmentSet/item")) != NULL)
        return wire_take(attachment_fields, WIRE_COUNT(attachment_fields), below, text,
                         &volume->attachments[volume->attachment_count - 1], err);
    if ((below = wire_below(path, "tagSet/item")) != NULL)
        return wire_take_tag(&reading->tag, below, text, &volume->tags, err);
    return wire_take(volume_fields, WIRE_COUNT(volume_fields), path, text, volume, err);
}

static int by_id(const void *left, const void *right)
{
    return strcmp(((const struct ec2_volume *)left)->id, ((const struct ec2_volume *)right)->id);
}

bool ec2_describe_volumes(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                          const struct cancel *cancel, struct ec2_volumes *ret_volumes,
                          struct err *err)
{
    struct ec2_filter filter = {"attachment.instance-id", &instance_id, 1};
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeVolumes",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct volumes_reading reading = {.volumes = {NULL, 0}};
    struct wire_list list = {"volumeSet/item", &reading, open_volume, close_volume, NULL};

    query_begin(&query, call.action);
    query_add_int(&query, "MaxResults", PAGE_ITEMS);
    query_add_filters(&query, &filter, 1);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    if (!ok) {
        ec2_volumes_free(&reading.volumes);
        return false;
    }
    if (reading.volumes.count > 1)
        qsort(reading.volumes.list, reading.volumes.count, sizeof(struct ec2_volume), by_id);
    *ret_volumes = reading.volumes;
    return true;
}

void ec2_volumes_free(struct ec2_volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++)
        ec2_tags_free(&volumes->list[i].tags);
    free(volumes->list);
    *volumes = (struct ec2_volumes){NULL, 0};
}

/* --- DescribeTags --- */

struct tags_reading {
    struct ec2_described_tag tag; /* key and value point into text */
    struct wire_tag text;
    bool (*each)(void *self, const struct ec2_described_tag *tag, struct err *err);
    void *each_self;
};

static bool close_tag(void *self, const char *path, const char *text, struct err *err)
{
    static const struct wire_field fields[] = {
        WIRE_FIELD("resourceId", WIRE_ID, struct tags_reading, tag.resource_id),
        WIRE_FIELD("resourceType", WIRE_TEXT, struct tags_reading, tag.resource_type),
        WIRE_FIELD("key", WIRE_TEXT, struct tags_reading, text.key),
        WIRE_FIELD("value", WIRE_TEXT, struct tags_reading, text.value),
    };
    struct tags_reading *reading = self;

    if (*path != '\0')
        return wire_take(fields, WIRE_COUNT(fields), path, text, reading, err);
    reading->tag.key = reading->text.key;
    reading->tag.value = reading->text.value;
    bool ok = reading->text.key[0] == '\0' || reading->each(reading->each_self, &reading->tag, err);
    memset(&reading->tag, 0, sizeof(reading->tag));
    reading->text.key[0] = reading->text.value[0] = '\0';
    return ok;
}

bool ec2_describe_tags(struct ec2 *ec2, const struct ec2_filter *filters, size_t filter_count,
                       int64_t deadline_ms, const struct cancel *cancel,
                       bool (*each)(void *self, const struct ec2_described_tag *tag,
                                    struct err *err),
                       void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeTags",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct tags_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"tagSet/item", &reading, NULL, close_tag, NULL};

    query_begin(&query, call.action);
    query_add_int(&query, "MaxResults", 1000);
    query_add_filters(&query, filters, filter_count);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    return ok;
}
