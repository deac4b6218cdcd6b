/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_items.h"
#include "aws/ec2_wire.h"

enum {
    PAGE_ITEMS = 200, /* with 50 long tags each a page still fits the client's 8 MiB */
    UEFI_MAX_BYTES = 64 * 1024,
    VOLUMES_MAX = 1024
};

/* --- DescribeInstances --- */

static bool outside_instance(void *self, const char *path, const char *text, struct err *err)
{
    const char *below = wire_below(path, "reservationSet/item");

    return below == NULL ||
           items_take_reservation(&((struct items_one *)self)->item, below, text, err);
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
    struct items_one reading = {.item = {.instance = instance}};
    struct wire_list list = {"reservationSet/item/instancesSet/item", &reading, items_open_one,
                             items_close_one, outside_instance};

    if (instance == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    query_begin(&query, call.action);
    query_add(&query, "InstanceId.1", instance_id);
    bool ok = wire_call_list(ec2, &call, &list, err);
    query_free(&query);
    if (ok && reading.count == 0)
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

struct volumes_reading {
    struct ec2_volumes volumes;
    struct items_volume item;
};

static bool open_volume(void *self, const char *path, struct err *err)
{
    struct volumes_reading *reading = self;
    struct ec2_volumes *volumes = &reading->volumes;

    if (*path == '\0') {
        if (volumes->count == VOLUMES_MAX)
            return err_set(err, ERR_LIMIT, 0, "more than %d volumes", VOLUMES_MAX);
        struct ec2_volume *list =
            realloc(volumes->list, (volumes->count + 1) * sizeof(*volumes->list));
        if (list == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        memset(&list[volumes->count++], 0, sizeof(*list));
        volumes->list = list;
        reading->item.volume = &list[volumes->count - 1];
    }
    return items_open_volume(&reading->item, path, err);
}

static bool close_volume(void *self, const char *path, const char *text, struct err *err)
{
    return items_close_volume(&((struct volumes_reading *)self)->item, path, text, err);
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
