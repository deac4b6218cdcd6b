/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_wire.h"

enum { KEY_CHARS_MAX = 128, VALUE_CHARS_MAX = 256 };

struct ec2 {
    struct aws_client *client;
    const char *canned; /* not NULL: nothing is sent, and this is every answer (ec2_open_canned) */
    size_t canned_len;
};

bool ec2_open(const struct ec2_options *options, struct ec2 **ret_ec2, struct err *err)
{
    char endpoint[256];
    struct aws_client_options client = {.endpoint = options->endpoint,
                                        .region = options->region,
                                        .service = "ec2",
                                        .credentials = options->credentials,
                                        .ca_bundle = options->ca_bundle,
                                        .use_proxy = true,
                                        .connect_timeout_ms = options->connect_timeout_ms,
                                        .request_timeout_ms = options->request_timeout_ms};
    struct ec2 *ec2 = calloc(1, sizeof(*ec2));

    if (ec2 == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (options->endpoint == NULL || *options->endpoint == '\0') {
        const char *region = options->region != NULL ? options->region : "";
        const char *suffix = options->dns_suffix;
        if (suffix == NULL || *suffix == '\0')
            suffix = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
        (void)snprintf(endpoint, sizeof(endpoint), "https://ec2.%.60s.%.100s", region, suffix);
        client.endpoint = endpoint;
    }
    if (!aws_client_open(&client, &ec2->client, err)) {
        free(ec2);
        return err_wrap(err, "EC2");
    }
    *ret_ec2 = ec2;
    return true;
}

bool ec2_open_canned(const char *body, size_t len, struct ec2 **ret_ec2, struct err *err)
{
    struct ec2 *ec2 = calloc(1, sizeof(*ec2));

    if (ec2 == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    ec2->canned = body;
    ec2->canned_len = len;
    *ret_ec2 = ec2;
    return true;
}

void ec2_free(struct ec2 *ec2)
{
    if (ec2 == NULL)
        return;
    aws_client_free(ec2->client);
    free(ec2);
}

const struct aws_outcome *ec2_outcome(const struct ec2 *ec2)
{
    return aws_outcome(ec2->client);
}

int64_t ec2_calls(const struct ec2 *ec2)
{
    return aws_sends(ec2->client);
}

bool ec2_connected(const struct ec2 *ec2)
{
    return aws_client_alive(ec2->client);
}

int64_t ec2_clock_ahead_s(const struct ec2 *ec2)
{
    return aws_clock_ahead_s(ec2->client);
}

bool wire_send(struct ec2 *ec2, const struct wire_call *call, struct buf *ret_body, struct err *err)
{
    static const struct http_header type = {"Content-Type",
                                            "application/x-www-form-urlencoded; charset=utf-8"};
    struct aws_request request = {.kind = call->kind,
                                  .action = call->action,
                                  .rules = SIGV4_GENERAL,
                                  .method = "POST",
                                  .path = "/",
                                  .headers = &type,
                                  .header_count = 1,
                                  .min_valid_ms = call->min_valid_ms,
                                  .just_made = call->just_made};

    if (!query_end(call->query, err))
        return err_wrap(err, "%s", call->action);
    if (ec2->canned != NULL)
        return buf_add(ret_body, ec2->canned, ec2->canned_len, err);
    request.body = call->query->body.data;
    request.body_len = call->query->body.len;
    return aws_call(ec2->client, &request, call->deadline_ms, call->cancel, ret_body, err) ||
           wire_doubt(err);
}

bool wire_send_dry(struct ec2 *ec2, struct query *take_query, const char *action,
                   int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(1024 * 1024);
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = action,
                             .query = take_query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    bool ok = wire_send(ec2, &call, &body, err);
    buf_wipe(&take_query->body); /* may have user data in it */
    /* A dry run never answers with success, or it was none. */
    return ok && (body.len == 0 ||
                  err_set(err, ERR_PROTOCOL, 0, "%s: the endpoint passes over DryRun", action));
}

/* --- tags --- */

static size_t count_chars(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xc0) != 0x80)
            count++;
    return count;
}

static bool replace_value(struct ec2_tag *tag, const char *value, struct err *err)
{
    char *copy = strdup(value);

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    free(tag->value);
    tag->value = copy;
    return true;
}

bool ec2_tags_set(struct ec2_tags *tags, const char *key, const char *value, struct err *err)
{
    if (*key == '\0' || count_chars(key) > KEY_CHARS_MAX)
        return err_set(err, ERR_LIMIT, 0,
                       "tag key \"%.60s\" is empty or has more than %d characters", key,
                       KEY_CHARS_MAX);
    if (count_chars(value) > VALUE_CHARS_MAX)
        return err_set(err, ERR_LIMIT, 0, "the value of tag %s has more than %d characters", key,
                       VALUE_CHARS_MAX);
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->list[i].key, key) == 0)
            return replace_value(&tags->list[i], value, err);
    if (tags->count == EC2_TAGS_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d tags", EC2_TAGS_MAX);
    struct ec2_tag tag = {strdup(key), strdup(value)};
    if (tag.key == NULL || tag.value == NULL) {
        free(tag.key);
        free(tag.value);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    tags->list[tags->count++] = tag;
    return true;
}

const char *ec2_tags_get(const struct ec2_tags *tags, const char *key)
{
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->list[i].key, key) == 0)
            return tags->list[i].value;
    return NULL;
}

void ec2_tags_free(struct ec2_tags *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        free(tags->list[i].key);
        free(tags->list[i].value);
    }
    tags->count = 0;
}

bool ec2_filter_literal(const char *text, char **ret_value, struct err *err)
{
    char *value = text ? malloc(2 * strlen(text) + 1) : NULL, *at = value;

    if (text != NULL && value == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (; text != NULL && *text != '\0'; text++) {
        if (strchr("*?\\", *text) != NULL)
            *at++ = '\\';
        *at++ = *text;
    }
    if (value != NULL)
        *at = '\0';
    *ret_value = value;
    return true;
}

/* --- dry runs --- */

/* What an action has to be given before EC2 judges the right. */
enum { NEEDS_INSTANCE = 1, NEEDS_SNAPSHOT = 2, NEEDS_IMAGE = 4, NEEDS_VOLUME = 8, NEEDS_ZONE = 16 };

static const struct {
    const char *name;
    unsigned needs;
} actions[EC2_ACTION_COUNT] = {
    [EC2_DESCRIBE_INSTANCES] = {"DescribeInstances", 0},
    [EC2_DESCRIBE_INSTANCE_ATTRIBUTE] = {"DescribeInstanceAttribute", NEEDS_INSTANCE},
    [EC2_GET_INSTANCE_UEFI_DATA] = {"GetInstanceUefiData", NEEDS_INSTANCE},
    [EC2_DESCRIBE_VOLUMES] = {"DescribeVolumes", 0},
    [EC2_CREATE_SNAPSHOTS] = {"CreateSnapshots", NEEDS_INSTANCE},
    [EC2_DESCRIBE_SNAPSHOTS] = {"DescribeSnapshots", 0},
    [EC2_CREATE_TAGS] = {"CreateTags", NEEDS_SNAPSHOT},
    [EC2_DESCRIBE_TAGS] = {"DescribeTags", 0},
    [EC2_DELETE_SNAPSHOT] = {"DeleteSnapshot", NEEDS_SNAPSHOT},
    [EC2_REGISTER_IMAGE] = {"RegisterImage", 0},
    [EC2_CREATE_IMAGE] = {"CreateImage", NEEDS_INSTANCE},
    [EC2_DESCRIBE_IMAGES] = {"DescribeImages", 0},
    [EC2_DEREGISTER_IMAGE] = {"DeregisterImage", NEEDS_IMAGE},
    [EC2_DELETE_TAGS] = {"DeleteTags", NEEDS_SNAPSHOT},
    [EC2_CREATE_VOLUME] = {"CreateVolume", NEEDS_SNAPSHOT | NEEDS_ZONE},
    [EC2_ATTACH_VOLUME] = {"AttachVolume", NEEDS_INSTANCE | NEEDS_VOLUME},
    [EC2_DETACH_VOLUME] = {"DetachVolume", NEEDS_VOLUME},
    [EC2_DELETE_VOLUME] = {"DeleteVolume", NEEDS_VOLUME},
    [EC2_RUN_INSTANCES] = {"RunInstances", NEEDS_IMAGE},
    [EC2_TERMINATE_INSTANCES] = {"TerminateInstances", NEEDS_INSTANCE},
    [EC2_MODIFY_INSTANCE_ATTRIBUTE] = {"ModifyInstanceAttribute", NEEDS_INSTANCE},
    [EC2_CREATE_REPLACE_ROOT_VOLUME_TASK] = {"CreateReplaceRootVolumeTask",
                                             NEEDS_INSTANCE | NEEDS_SNAPSHOT},
    [EC2_DESCRIBE_REPLACE_ROOT_VOLUME_TASKS] = {"DescribeReplaceRootVolumeTasks", 0},
};

const char *ec2_action_name(enum ec2_action action)
{
    return (size_t)action < EC2_ACTION_COUNT ? actions[action].name : "unknown";
}

static void add_image_parameters(struct query *query, const struct ec2_dry_run_target *target)
{
    query_add(query, "Name", "stillpoint-dry-run");
    query_add(query, "RootDeviceName", "/dev/xvda");
    query_add(query, "Architecture", "x86_64");
    query_add(query, "VirtualizationType", "hvm");
    if (target->snapshot_id != NULL) {
        query_add(query, "BlockDeviceMapping.1.DeviceName", "/dev/xvda");
        query_add(query, "BlockDeviceMapping.1.Ebs.SnapshotId", target->snapshot_id);
    }
    query_add_tag_specification(query, 1, "image", target->tags);
}

/* Of volumes and instances that come and go. */
static void add_launch_parameters(struct query *query, enum ec2_action action,
                                  const struct ec2_dry_run_target *target)
{
    switch (action) {
    case EC2_CREATE_VOLUME:
        query_add(query, "AvailabilityZone", target->zone);
        query_add(query, "SnapshotId", target->snapshot_id);
        query_add_tag_specification(query, 1, "volume", target->tags);
        break;
    case EC2_ATTACH_VOLUME:
        query_add(query, "Device", "/dev/sdzz");
        query_add(query, "InstanceId", target->instance_id);
        query_add(query, "VolumeId", target->volume_id);
        break;
    case EC2_DETACH_VOLUME:
    case EC2_DELETE_VOLUME:
        query_add(query, "VolumeId", target->volume_id);
        break;
    case EC2_RUN_INSTANCES:
        query_add(query, "ImageId", target->image_id);
        query_add_int(query, "MinCount", 1);
        query_add_int(query, "MaxCount", 1);
        query_add_tag_specification(query, 1, "instance", target->tags);
        break;
    case EC2_TERMINATE_INSTANCES:
        query_add(query, "InstanceId.1", target->instance_id);
        break;
    case EC2_MODIFY_INSTANCE_ATTRIBUTE:
        query_add(query, "InstanceId", target->instance_id);
        query_add_bool(query, "SourceDestCheck.Value", true);
        break;
    case EC2_CREATE_REPLACE_ROOT_VOLUME_TASK:
        query_add(query, "InstanceId", target->instance_id);
        query_add(query, "SnapshotId", target->snapshot_id);
        query_add_tag_specification(query, 1, "replace-root-volume-task", target->tags);
        break;
    default:
        break;
    }
}

static void add_parameters(struct query *query, enum ec2_action action,
                           const struct ec2_dry_run_target *target)
{
    switch (action) {
    case EC2_DESCRIBE_INSTANCE_ATTRIBUTE:
        query_add(query, "Attribute", "enaSupport");
        query_add(query, "InstanceId", target->instance_id);
        break;
    case EC2_GET_INSTANCE_UEFI_DATA:
        query_add(query, "InstanceId", target->instance_id);
        break;
    case EC2_CREATE_SNAPSHOTS:
        query_add(query, "InstanceSpecification.InstanceId", target->instance_id);
        query_add_tag_specification(query, 1, "snapshot", target->tags);
        break;
    case EC2_CREATE_TAGS:
        query_add(query, "ResourceId.1", target->snapshot_id);
        query_add_tags(query, "Tag", target->tags);
        break;
    case EC2_DELETE_SNAPSHOT:
        query_add(query, "SnapshotId", target->snapshot_id);
        break;
    case EC2_REGISTER_IMAGE:
        add_image_parameters(query, target);
        break;
    case EC2_CREATE_IMAGE:
        query_add(query, "InstanceId", target->instance_id);
        query_add(query, "Name", "stillpoint-dry-run");
        query_add_bool(query, "NoReboot", true);
        query_add_tag_specification(query, 1, "image", target->tags);
        query_add_tag_specification(query, 2, "snapshot", target->tags);
        break;
    case EC2_DEREGISTER_IMAGE:
        query_add(query, "ImageId", target->image_id);
        break;
    case EC2_DELETE_TAGS:
        query_add(query, "ResourceId.1", target->snapshot_id);
        query_add(query, "Tag.1.Key", "stillpoint:dry-run");
        break;
    default:
        add_launch_parameters(query, action, target);
        break;
    }
}

bool ec2_dry_run(struct ec2 *ec2, enum ec2_action action, const struct ec2_dry_run_target *target,
                 int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    const char *name = ec2_action_name(action);
    unsigned needs = actions[action].needs;
    struct query query;

    if (((needs & NEEDS_INSTANCE) && target->instance_id == NULL) ||
        ((needs & NEEDS_SNAPSHOT) && target->snapshot_id == NULL) ||
        ((needs & NEEDS_IMAGE) && target->image_id == NULL) ||
        ((needs & NEEDS_VOLUME) && target->volume_id == NULL) ||
        ((needs & NEEDS_ZONE) && target->zone == NULL))
        return err_set(err, ERR_USAGE, 0, "%s: nothing to try it on", name);
    query_begin(&query, name);
    query_add_bool(&query, "DryRun", true);
    add_parameters(&query, action, target);
    return wire_send_dry(ec2, &query, name, deadline_ms, cancel, err);
}
