/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_items.h"
#include "aws/ec2_wire.h"

enum { USER_DATA_MAX_BASE64 = (EC2_USER_DATA_MAX_BYTES + 2) / 3 * 4 };

/* --- a new instance --- */

static void add_placement(struct query *query, const struct ec2_run_instance *what)
{
    query_add_some(query, "SubnetId", what->subnet_id);
    query_add_some(query, "Placement.AvailabilityZone", what->zone);
    query_add_some(query, "Placement.Tenancy", what->tenancy);
    query_add_some(query, "PrivateIpAddress", what->private_ip);
    query_add_list(query, "SecurityGroupId", what->security_group_ids, what->security_group_count);
}

static void add_metadata_options(struct query *query, const struct ec2_run_instance *what)
{
    query_add_some(query, "MetadataOptions.HttpTokens", what->http_tokens);
    query_add_some(query, "MetadataOptions.HttpEndpoint", what->http_endpoint);
    query_add_some(query, "MetadataOptions.HttpProtocolIpv6", what->http_protocol_ipv6);
    query_add_some(query, "MetadataOptions.InstanceMetadataTags", what->instance_metadata_tags);
    if (what->http_hop_limit > 0)
        query_add_int(query, "MetadataOptions.HttpPutResponseHopLimit", what->http_hop_limit);
}

static void add_instance(struct query *query, const struct ec2_run_instance *what)
{
    bool is_arn = what->profile != NULL && strncmp(what->profile, "arn:", 4) == 0;
    bool tagged = what->instance_tags != NULL && what->instance_tags->count > 0;

    query_add(query, "ImageId", what->image_id);
    query_add_int(query, "MinCount", 1);
    query_add_int(query, "MaxCount", 1);
    query_add_some(query, "InstanceType", what->type);
    query_add_some(query, "KeyName", what->key_name);
    query_add_some(query, is_arn ? "IamInstanceProfile.Arn" : "IamInstanceProfile.Name",
                   what->profile);
    add_placement(query, what);
    add_metadata_options(query, what);
    for (size_t i = 0; i < what->mapping_count; i++)
        items_add_mapping(query, i + 1, &what->mappings[i]);
    query_add_tag_specification(query, 1, "instance", what->instance_tags);
    query_add_tag_specification(query, tagged ? 2 : 1, "volume", what->volume_tags);
    query_add(query, "ClientToken", what->client_token);
    if (what->user_data != NULL && secret_is_set(what->user_data))
        query_add(query, "UserData", what->user_data->bytes);
}

static bool outside_launched(void *self, const char *path, const char *text, struct err *err)
{
    return items_take_reservation(&((struct items_one *)self)->item, path, text, err);
}

bool ec2_run_instance(struct ec2 *ec2, const struct ec2_run_instance *what, int64_t deadline_ms,
                      const struct cancel *cancel, struct ec2_instance **ret_instance,
                      struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "RunInstances",
                             .query = &query,
                             .just_made = true, /* the image may be young */
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct items_one reading = {.count = 0};
    struct wire_list list = {"instancesSet/item", &reading, items_open_one, items_close_one,
                             outside_launched};

    if (what->client_token == NULL || strlen(what->client_token) > EC2_CLIENT_TOKEN_MAX)
        return err_set(err, ERR_INTERNAL, 0, "RunInstances: no client token, or a long one");
    reading.item.instance = calloc(1, sizeof(*reading.item.instance));
    if (reading.item.instance == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    query_begin(&query, call.action);
    add_instance(&query, what);
    bool ok = wire_call_list(ec2, &call, &list, err);
    buf_wipe(&query.body);
    if (ok && reading.count == 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "RunInstances: a good answer without an instance");
    if (ok)
        *ret_instance = reading.item.instance;
    else
        ec2_instance_free(reading.item.instance);
    return ok;
}

bool ec2_run_instance_dry_run(struct ec2 *ec2, const struct ec2_run_instance *what,
                              int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    struct query query;

    query_begin(&query, "RunInstances");
    query_add_bool(&query, "DryRun", true);
    add_instance(&query, what);
    return wire_send_dry(ec2, &query, "RunInstances", deadline_ms, cancel, err);
}

/* --- calls whose answer says nothing --- */

/* Ends and frees the query. */
static bool send_only(struct ec2 *ec2, const struct wire_call *call, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    bool ok = wire_send(ec2, call, &body, err);

    query_free(call->query);
    return ok;
}

bool ec2_terminate_instance(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                            const struct cancel *cancel, struct err *err)
{
    struct err refused = ERR_INIT;
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "TerminateInstances",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "InstanceId.1", instance_id);
    if (send_only(ec2, &call, &refused) || refused.kind == ERR_AWS_NOT_FOUND)
        return true;
    *err = refused;
    return err_wrap(err, "%s", instance_id);
}

bool ec2_set_delete_on_termination(struct ec2 *ec2, const char *instance_id, const char *device,
                                   bool delete_on_termination, int64_t deadline_ms,
                                   const struct cancel *cancel, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "ModifyInstanceAttribute",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "InstanceId", instance_id);
    query_add(&query, "BlockDeviceMapping.1.DeviceName", device);
    query_add_bool(&query, "BlockDeviceMapping.1.Ebs.DeleteOnTermination", delete_on_termination);
    return send_only(ec2, &call, err) || err_wrap(err, "%s of %s", device, instance_id);
}

/* --- looking --- */

struct each_instance {
    struct items_instance item;
    bool (*each)(void *self, const struct ec2_instance *instance, struct err *err);
    void *each_self;
};

static bool open_each(void *self, const char *path, struct err *err)
{
    return items_open_instance(&((struct each_instance *)self)->item, path, err);
}

static bool close_each(void *self, const char *path, const char *text, struct err *err)
{
    struct each_instance *reading = self;

    return items_close_instance(&reading->item, path, text, err) &&
           (*path != '\0' || reading->each(reading->each_self, reading->item.instance, err));
}

static bool outside_each(void *self, const char *path, const char *text, struct err *err)
{
    const char *below = wire_below(path, "reservationSet/item");

    return below == NULL ||
           items_take_reservation(&((struct each_instance *)self)->item, below, text, err);
}

bool ec2_list_instances(struct ec2 *ec2, const char *const *ids, size_t id_count,
                        const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                        const struct cancel *cancel,
                        bool (*each)(void *self, const struct ec2_instance *instance,
                                     struct err *err),
                        void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeInstances",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct each_instance reading = {.each = each, .each_self = self};
    struct wire_list list = {"reservationSet/item/instancesSet/item", &reading, open_each,
                             close_each, outside_each};

    reading.item.instance = calloc(1, sizeof(*reading.item.instance));
    if (reading.item.instance == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    query_begin(&query, call.action);
    bool ok = items_add_choice(&query, "InstanceId", ids, id_count, filters, filter_count, err) &&
              wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    ec2_instance_free(reading.item.instance);
    return ok;
}

static bool take_user_data(void *self, const char *path, const char *text, struct err *err)
{
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    size_t len = strlen(text);

    if (strcmp(path, "userData/value") != 0 || len == 0)
        return true;
    if (len > USER_DATA_MAX_BASE64)
        return err_set(err, ERR_LIMIT, 0, "user data of more than %d bytes",
                       EC2_USER_DATA_MAX_BYTES);
    if (strspn(text, base64) != len) /* what it is stays unsaid */
        return err_set(err, ERR_PROTOCOL, 0, "the user data is not base64");
    return secret_set(self, text, len, err);
}

bool ec2_describe_user_data(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                            const struct cancel *cancel, struct secret *ret_base64, struct err *err)
{
    struct secret base64 = SECRET_INIT;
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeInstanceAttribute",
                             .query = &query,
                             .secret = true,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct wire_list list = {.self = &base64, .outside = take_user_data};

    query_begin(&query, call.action);
    query_add(&query, "InstanceId", instance_id);
    query_add(&query, "Attribute", "userData");
    bool ok = wire_call_list(ec2, &call, &list, err);
    query_free(&query);
    if (!ok) {
        secret_free(&base64);
        return err_wrap(err, "user data of %s", instance_id);
    }
    secret_free(ret_base64);
    *ret_base64 = base64;
    return true;
}
