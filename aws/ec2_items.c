/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_items.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_ITEMS = 200 /* with 50 long tags each a page still fits the client's 8 MiB */ };

/* --- requests --- */

/* BlockDeviceMapping.N.WHAT */
static const char *mapping_name(char *name, size_t size, size_t n, const char *what)
{
    (void)snprintf(name, size, "BlockDeviceMapping.%zu.%s", n, what);
    return name;
}

void items_add_mapping(struct query *query, size_t n, const struct ec2_mapping *mapping)
{
    char name[80];
    const size_t size = sizeof(name);

    query_add(query, mapping_name(name, size, n, "DeviceName"), mapping->device);
    query_add_some(query, mapping_name(name, size, n, "Ebs.SnapshotId"), mapping->snapshot_id);
    query_add_some(query, mapping_name(name, size, n, "Ebs.VolumeType"), mapping->volume_type);
    if (mapping->size_gib > 0)
        query_add_int(query, mapping_name(name, size, n, "Ebs.VolumeSize"), mapping->size_gib);
    if (mapping->iops > 0)
        query_add_int(query, mapping_name(name, size, n, "Ebs.Iops"), mapping->iops);
    if (mapping->throughput_mibs > 0)
        query_add_int(query, mapping_name(name, size, n, "Ebs.Throughput"),
                      mapping->throughput_mibs);
    if (mapping->delete_on_termination != EC2_UNKNOWN)
        query_add_bool(query, mapping_name(name, size, n, "Ebs.DeleteOnTermination"),
                       mapping->delete_on_termination == EC2_YES);
}

bool items_add_choice(struct query *query, const char *id_name, const char *const *ids,
                      size_t id_count, const struct ec2_filter *filters, size_t filter_count,
                      struct err *err)
{
    if (id_count > PAGE_ITEMS)
        return err_set(err, ERR_LIMIT, 0, "more than %d ids", PAGE_ITEMS);
    query_add_list(query, id_name, ids, id_count);
    query_add_filters(query, filters, filter_count);
    if (id_count == 0)
        query_add_int(query, "MaxResults", PAGE_ITEMS);
    return true;
}

/* --- an instance --- */

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
    FIELD("metadataOptions/httpEndpoint", WIRE_ID, http_endpoint),
    FIELD("metadataOptions/httpProtocolIpv6", WIRE_ID, http_protocol_ipv6),
    FIELD("metadataOptions/instanceMetadataTags", WIRE_ID, instance_metadata_tags),
    FIELD("metadataOptions/httpPutResponseHopLimit", WIRE_INT, http_hop_limit),
    FIELD("iamInstanceProfile/arn", WIRE_TEXT, iam_profile_arn),
    FIELD("keyName", WIRE_TEXT, key_name),
    FIELD("placement/tenancy", WIRE_ID, tenancy),
    FIELD("privateIpAddress", WIRE_TEXT, private_ip),
    FIELD("privateDnsName", WIRE_CUT, private_dns),
    FIELD("clientToken", WIRE_CUT, client_token),
    FIELD("stateReason/message", WIRE_CUT, state_reason),
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

static bool open_device(struct ec2_instance *instance, struct err *err)
{
    if (instance->device_count == EC2_DEVICES_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d volumes", EC2_DEVICES_MAX);
    instance->devices[instance->device_count++] =
        (struct ec2_device){.delete_on_termination = EC2_UNKNOWN};
    return true;
}

bool items_open_instance(struct items_instance *reading, const char *path, struct err *err)
{
    if (*path == '\0') {
        ec2_tags_free(&reading->instance->tags);
        memset(reading->instance, 0, sizeof(*reading->instance));
        reading->instance->ena_support = reading->instance->ebs_optimized = EC2_UNKNOWN;
    }
    return strcmp(path, "blockDeviceMapping/item") != 0 || open_device(reading->instance, err);
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

static bool take_group(struct ec2_instance *instance, const char *text, struct err *err)
{
    if (instance->security_group_count == EC2_SECURITY_GROUPS_MAX || strlen(text) >= EC2_ID_BYTES)
        return err_set(err, ERR_LIMIT, 0, "more than %d security groups, or a long id",
                       EC2_SECURITY_GROUPS_MAX);
    (void)snprintf(instance->security_groups[instance->security_group_count++], EC2_ID_BYTES, "%s",
                   text);
    return true;
}

bool items_close_instance(struct items_instance *reading, const char *path, const char *text,
                          struct err *err)
{
    struct ec2_instance *instance = reading->instance;
    const char *below;

    if (*path == '\0') {
        memcpy(instance->owner_id, reading->owner_id, sizeof(instance->owner_id));
        memcpy(instance->reservation_id, reading->reservation_id, sizeof(instance->reservation_id));
        return instance->id[0] != '\0' ||
               err_set(err, ERR_PROTOCOL, 0, "an instance without an id");
    }
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
    if (strcmp(path, "groupSet/item/groupId") == 0)
        return take_group(instance, text, err);
    return wire_take(instance_fields, WIRE_COUNT(instance_fields), path, text, instance, err);
}

bool items_take_reservation(struct items_instance *reading, const char *path, const char *text,
                            struct err *err)
{
    static const struct wire_field fields[] = {
        WIRE_FIELD("ownerId", WIRE_ID, struct items_instance, owner_id),
        WIRE_FIELD("reservationId", WIRE_ID, struct items_instance, reservation_id),
    };

    if (*path == '\0')
        reading->owner_id[0] = reading->reservation_id[0] = '\0';
    return wire_take(fields, WIRE_COUNT(fields), path, text, reading, err);
}

bool items_open_one(void *self, const char *path, struct err *err)
{
    struct items_one *reading = self;

    if (*path == '\0' && ++reading->count > 1)
        return err_set(err, ERR_PROTOCOL, 0, "more than the one instance that was asked for");
    return items_open_instance(&reading->item, path, err);
}

bool items_close_one(void *self, const char *path, const char *text, struct err *err)
{
    return items_close_instance(&((struct items_one *)self)->item, path, text, err);
}

/* --- a volume --- */

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
    FIELD("createTime", WIRE_TIME, create_utc_us),
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

bool items_open_volume(struct items_volume *reading, const char *path, struct err *err)
{
    struct ec2_volume *volume = reading->volume;

    if (*path == '\0') {
        ec2_tags_free(&volume->tags);
        memset(volume, 0, sizeof(*volume));
    }
    if (strcmp(path, "attachmentSet/item") == 0) {
        if (volume->attachment_count == EC2_ATTACHMENTS_MAX)
            return err_set(err, ERR_LIMIT, 0, "a volume with more than %d attachments",
                           EC2_ATTACHMENTS_MAX);
        volume->attachments[volume->attachment_count++] =
            (struct ec2_attachment){.delete_on_termination = EC2_UNKNOWN};
    }
    return true;
}

bool items_close_volume(struct items_volume *reading, const char *path, const char *text,
                        struct err *err)
{
    struct ec2_volume *volume = reading->volume;
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
