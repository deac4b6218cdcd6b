/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_root_task.h"

#include <string.h>

#include "aws/ec2_items.h"
#include "aws/ec2_volumes.h"
#include "aws/ec2_wire.h"

enum { PAGE_ITEMS = 50 }; /* more is refused here */

struct task_reading {
    struct ec2_root_task task;
    struct wire_tag tag;
    size_t count;
    bool (*each)(void *self, const struct ec2_root_task *task, struct err *err);
    void *each_self;
};

static bool open_task(void *self, const char *path, struct err *err)
{
    struct task_reading *reading = self;

    if (*path != '\0')
        return true;
    if (++reading->count > 1 && reading->each == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "more than the one task that was asked for");
    ec2_root_task_free(&reading->task);
    memset(&reading->task, 0, sizeof(reading->task));
    return true;
}

static bool close_task(void *self, const char *path, const char *text, struct err *err)
{
#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_root_task, member)
    static const struct wire_field fields[] = {
        FIELD("replaceRootVolumeTaskId", WIRE_ID, id),
        FIELD("instanceId", WIRE_ID, instance_id),
        FIELD("taskState", WIRE_ID, state),
        FIELD("imageId", WIRE_ID, image_id),
        FIELD("snapshotId", WIRE_ID, snapshot_id),
        FIELD("startTime", WIRE_TEXT, start_time),
        FIELD("completeTime", WIRE_TEXT, complete_time),
    };
#undef FIELD
    struct task_reading *reading = self;
    const char *below = wire_below(path, "tagSet/item");

    if (below != NULL)
        return wire_take_tag(&reading->tag, below, text, &reading->task.tags, err);
    if (*path != '\0')
        return wire_take(fields, WIRE_COUNT(fields), path, text, &reading->task, err);
    if (reading->task.id[0] == '\0' || reading->task.state[0] == '\0')
        return err_set(err, ERR_PROTOCOL, 0, "a task without an id or a state");
    return reading->each == NULL || reading->each(reading->each_self, &reading->task, err);
}

bool ec2_replace_root_volume(struct ec2 *ec2, const struct ec2_replace_root *what,
                             int64_t deadline_ms, const struct cancel *cancel,
                             struct ec2_root_task *ret_task, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "CreateReplaceRootVolumeTask",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct task_reading reading = {.count = 0};
    struct wire_list list = {"replaceRootVolumeTask", &reading, open_task, close_task, NULL};

    if (what->client_token == NULL || strlen(what->client_token) > EC2_CLIENT_TOKEN_MAX)
        return err_set(err, ERR_INTERNAL, 0, "%s: no client token, or a long one", call.action);
    query_begin(&query, call.action);
    query_add(&query, "InstanceId", what->instance_id);
    query_add_some(&query, "SnapshotId", what->snapshot_id);
    query_add_some(&query, "ImageId", what->image_id);
    query_add_some(&query, "VolumeId", what->volume_id);
    if (what->delete_replaced != EC2_UNKNOWN)
        query_add_bool(&query, "DeleteReplacedRootVolume", what->delete_replaced == EC2_YES);
    if (what->initialization_rate_mibs > 0)
        query_add_int(&query, "VolumeInitializationRate", what->initialization_rate_mibs);
    query_add_tag_specification(&query, 1, "replace-root-volume-task", what->tags);
    query_add(&query, "ClientToken", what->client_token);
    bool ok = wire_call_list(ec2, &call, &list, err);
    query_free(&query);
    if (ok && reading.count == 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "%s: a good answer without a task", call.action);
    if (!ok) {
        ec2_root_task_free(&reading.task);
        return err_wrap(err, "%s", what->instance_id);
    }
    *ret_task = reading.task;
    return true;
}

void ec2_root_task_free(struct ec2_root_task *task)
{
    ec2_tags_free(&task->tags);
}

bool ec2_list_root_tasks(struct ec2 *ec2, const char *const *ids, size_t id_count,
                         const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                         const struct cancel *cancel,
                         bool (*each)(void *self, const struct ec2_root_task *task,
                                      struct err *err),
                         void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeReplaceRootVolumeTasks",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct task_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"replaceRootVolumeTaskSet/item", &reading, open_task, close_task,
                             NULL};

    if (id_count > PAGE_ITEMS)
        return err_set(err, ERR_LIMIT, 0, "%s: more than %d ids", call.action, PAGE_ITEMS);
    query_begin(&query, call.action);
    query_add_list(&query, "ReplaceRootVolumeTaskId", ids, id_count);
    query_add_filters(&query, filters, filter_count);
    if (id_count == 0)
        query_add_int(&query, "MaxResults", PAGE_ITEMS);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    ec2_root_task_free(&reading.task);
    return ok;
}
