/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/restore_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/control_wire.h"
#include "agent/daemon/restore_conflict.h"

static const char *or_else(const char *text, const char *other)
{
    return text != NULL && text[0] != '\0' ? text : other;
}

bool restore_plan_note(struct work *work, struct restore_plan *plan, const char *remedy,
                       struct err *err, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    job_warn(work->job, text, remedy);
    return strs_add(&plan->notes, text, err);
}

/* --- the original -------------------------------------------------------------------------- */

static bool is_gone(const struct restore_plan *plan)
{
    return plan->original == NULL || strcmp(plan->original->state, "terminated") == 0;
}

static bool find_original(struct work *work, const struct backup *backup, struct restore_plan *plan,
                          int64_t deadline_ms, struct err *err)
{
    struct err why = ERR_INIT;

    if (backup->instance == NULL ||
        ec2_describe_instance(work->ec2, backup->instance, deadline_ms, &work->job->cancel,
                              &plan->original, &why) ||
        why.kind == ERR_AWS_NOT_FOUND)
        return true; /* EC2 shows a terminated one for about an hour */
    *err = why;
    return err_wrap(err, "the original");
}

static void put(char *slot, size_t size, const char *text)
{
    if (text != NULL)
        (void)snprintf(slot, size, "%s", text);
}

#define PUT(slot, text) put((slot), sizeof(slot), (text))

static void take_facts(const struct backup *backup, const struct restore_request *request,
                       struct restore_plan *plan)
{
    struct launch_facts *facts = &plan->facts;

    PUT(facts->type, request->type);
    PUT(facts->subnet, request->subnet);
    PUT(facts->key_name, request->key_name);
    PUT(facts->profile, request->profile);
    PUT(facts->name, request->name);
    for (size_t i = 0; i < request->group_count; i++)
        (void)snprintf(facts->security_groups[facts->security_group_count++], EC2_ID_BYTES, "%s",
                       request->groups[i]);
    if (plan->original != NULL)
        launch_facts_of(plan->original, facts);
    if (backup->launch != NULL)
        launch_facts_read(backup->launch, facts);
    if (facts->name[0] == '\0')
        PUT(facts->name, or_else(backup->node, backup->id));
    PUT(plan->address, request->private_ip);
}

/* --- what is not known ---------------------------------------------------------------------- */

static bool was_lost(const struct launch_facts *facts, const char *key)
{
    const char *at = strstr(facts->lost, key);
    size_t len = strlen(key);

    return at != NULL && (at == facts->lost || at[-1] == ',') &&
           (at[len] == '\0' || at[len] == ',');
}

/* Without these an instance would come up somewhere, as something. */
static bool check_known(const struct backup *backup, const struct launch_facts *facts,
                        struct err *err)
{
    const char *missing = facts->type[0] == '\0'             ? "type"
                          : facts->subnet[0] == '\0'         ? "subnet"
                          : facts->security_group_count == 0 ? "security-group"
                                                             : NULL;

    if (missing == NULL)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "%s is gone from EC2, and the backup does not say its %s",
                  or_else(backup->instance, "the original"), missing);
    return err_suggest(err,
                       "give --%s; the others that are not known are told as you go: --type, "
                       "--subnet, --security-group",
                       missing);
}

static bool check_zone(const struct restore_request *request, const struct launch_facts *facts,
                       struct err *err)
{
    bool known = request->subnet == NULL && facts->zone[0] != '\0';

    if (request->zone == NULL || request->subnet != NULL ||
        (known && strcmp(request->zone, facts->zone) == 0))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--zone %s: the original's subnet %s is in %s", request->zone,
                  facts->subnet, or_else(facts->zone, "another, maybe"));
    return err_suggest(err, "name a subnet of that zone, too: --subnet");
}

static bool note_unknown(struct work *work, const struct restore_request *request,
                         struct restore_plan *plan, struct err *err)
{
    static const struct {
        const char *key, *option, *what;
    } lost[] = {{"key", "--key", "key pair"},
                {"profile", "--profile", "instance profile"},
                {"imds", NULL, "metadata options"},
                {"tenancy", NULL, "tenancy"}};
    char remedy[80];

    if (!is_gone(plan))
        return true;
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        bool given = (i == 0 && request->key_name != NULL) || (i == 1 && request->profile != NULL);
        if (given || !was_lost(&plan->facts, lost[i].key))
            continue;
        plan->less = true;
        (void)snprintf(remedy, sizeof(remedy), "give %s", or_else(lost[i].option, "it by hand"));
        if (!restore_plan_note(work, plan, remedy, err,
                               "the original's %s had no room in a tag: the new node has none",
                               lost[i].what))
            return false;
    }
    if (plan->original != NULL)
        return true;
    plan->less = true;
    return restore_plan_note(work, plan, "give those that matter with --tag", err,
                             "the original's own tags are not known any more, but its name");
}

/* --- user data ------------------------------------------------------------------------------ */

static bool take_user_data(struct work *work, const struct restore_request *request,
                           struct restore_plan *plan, int64_t deadline_ms, struct err *err)
{
    struct err why = ERR_INIT;

    if (request->user_data != NULL)
        return request->user_data[0] == '\0' ||
               secret_set(&plan->user_data, request->user_data, strlen(request->user_data), err);
    if (!is_gone(plan)) {
        if (ec2_describe_user_data(work->ec2, plan->original->id, deadline_ms, &work->job->cancel,
                                   &plan->user_data, &why))
            return true;
        if (why.kind != ERR_AWS_NOT_FOUND) {
            *err = why;
            return err_suggest(err, "or give it: --user-data FILE (/dev/null for none)");
        }
    }
    plan->less = true;
    return restore_plan_note(work, plan,
                             "give it: --user-data FILE, or /dev/null where it had none", err,
                             "the original is gone, and its user data with it");
}

/* --- tags and volumes ----------------------------------------------------------------------- */

static bool is_ours(const char *key)
{
    return strncmp(key, CATALOG_OURS, sizeof(CATALOG_OURS) - 1) == 0;
}

static bool put_both(struct restore_plan *plan, const char *key, const char *value, struct err *err)
{
    return catalog_tags_put(&plan->instance_tags, key, value, err) &&
           catalog_tags_put(&plan->volume_tags, key, value, err);
}

static bool take_tags(const struct backup *backup, const struct restore_request *request,
                      struct restore_plan *plan, struct err *err)
{
    const struct ec2_tags *original = plan->original != NULL ? &plan->original->tags : NULL;
    const char *key;
    json_t *value;

    if (!put_both(plan, "Name", plan->facts.name, err) ||
        !put_both(plan, CATALOG_TAG_FROM, backup->id, err) ||
        !put_both(plan, RESTORE_TAG_LAUNCH, plan->token, err))
        return false;
    json_object_foreach((json_t *)request->tags, key, value)
    {
        if (!catalog_tags_put(&plan->instance_tags, key, json_string_value(value), err))
            return false;
    }
    /* Ours say what the original is in the middle of, its rollback say. */
    for (size_t i = 0; original != NULL && i < original->count; i++) {
        if (!is_ours(original->list[i].key) &&
            ec2_tags_get(&plan->instance_tags, original->list[i].key) == NULL &&
            !ec2_tags_set(&plan->instance_tags, original->list[i].key, original->list[i].value,
                          err))
            return err_suggest(err, "EC2 takes 50 tags: give fewer with --tag");
    }
    return true;
}

static enum ec2_flag goes_with_it(const struct restore_plan *plan, const char *device)
{
    for (size_t i = 0; plan->original != NULL && i < plan->original->device_count; i++) {
        if (strcmp(plan->original->devices[i].name, device) == 0)
            return plan->original->devices[i].delete_on_termination;
    }
    return EC2_NO; /* data rather stays */
}

/* An image by CreateImage shows its own root alone: the data volumes are the set's. */
static bool take_mappings(const struct whole_set *set, struct restore_plan *plan, struct err *err)
{
    const char *root = set->image->root_device_name;

    if (!whole_set_root_is_newer(set))
        return true;
    for (size_t i = 0; i < set->backup->snapshot_count; i++) {
        const struct backup_snapshot *snapshot = &set->backup->snapshots[i];
        if (snapshot->device == NULL || snapshot->device[0] == '\0') {
            (void)err_set(err, ERR_PRECONDITION, 0, "%s does not say which device it was",
                          snapshot->id);
            return err_suggest(err, "tag it: stillpoint:device=/dev/sdf, or make volumes of the "
                                    "set: stillpoint restore volumes");
        }
        if (strcmp(snapshot->device, root) == 0)
            continue;
        if (plan->mapping_count == EC2_DEVICES_MAX)
            return err_set(err, ERR_LIMIT, 0, "more than %d volumes", EC2_DEVICES_MAX);
        struct ec2_mapping *mapping = &plan->mappings[plan->mapping_count++];
        *mapping = (struct ec2_mapping){
            .volume_type = "gp3", .delete_on_termination = goes_with_it(plan, snapshot->device)};
        PUT(mapping->device, snapshot->device);
        PUT(mapping->snapshot_id, snapshot->id);
    }
    return true;
}

static bool note_newer_root(struct work *work, const struct whole_set *set,
                            struct restore_plan *plan, struct err *err)
{
    if (!whole_set_root_is_newer(set))
        return true;
    plan->less = true;
    return restore_plan_note(
        work, plan, "compare what on the root belongs to the data: configuration, packages", err,
        "the instance is billed by product code, so EC2 made the image of its running root after "
        "the backup's instant, crash consistent: the root is newer than the data");
}

/* --- all of it ------------------------------------------------------------------------------ */

bool restore_plan_make(struct work *work, const struct whole_set *set,
                       const struct restore_request *request, struct restore_plan *plan,
                       int64_t deadline_ms, struct err *err)
{
    const struct backup *backup = set->backup;

    if (!restore_request_token(work->job->args, request, backup->id, plan->token, err) ||
        !find_original(work, backup, plan, deadline_ms, err))
        return false;
    take_facts(backup, request, plan);
    return check_known(backup, &plan->facts, err) && check_zone(request, &plan->facts, err) &&
           restore_conflict_check(work, request, plan, deadline_ms, err) &&
           note_newer_root(work, set, plan, err) && note_unknown(work, request, plan, err) &&
           take_user_data(work, request, plan, deadline_ms, err) &&
           take_tags(backup, request, plan, err) && take_mappings(set, plan, err);
}

void restore_plan_launch(const struct restore_plan *plan, const struct whole_set *set,
                         const char **groups, struct ec2_run_instance *ret_what)
{
    const struct launch_facts *facts = &plan->facts;

    for (size_t i = 0; i < facts->security_group_count; i++)
        groups[i] = facts->security_groups[i];
    *ret_what = (struct ec2_run_instance){
        .image_id = set->image->id,
        .type = facts->type,
        .subnet_id = facts->subnet,
        .tenancy = facts->tenancy,
        .private_ip = plan->address,
        .key_name = facts->key_name,
        .profile = facts->profile,
        .user_data = &plan->user_data,
        .security_group_ids = groups,
        .security_group_count = facts->security_group_count,
        .http_tokens = facts->http_tokens,
        .http_endpoint = facts->http_endpoint,
        .http_protocol_ipv6 = facts->http_protocol_ipv6,
        .instance_metadata_tags = facts->instance_metadata_tags,
        .http_hop_limit = facts->http_hop_limit,
        .mappings = plan->mappings,
        .mapping_count = plan->mapping_count,
        .instance_tags = &plan->instance_tags,
        .volume_tags = &plan->volume_tags,
        .client_token = plan->token,
    };
}

static json_t *text_or_null(const char *text)
{
    return control_text(text[0] != '\0' ? text : NULL);
}

/* Each volume that the new node gets: the set's. */
static json_t *volumes_json(const struct whole_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->backup->snapshot_count; i++) {
        const struct backup_snapshot *snapshot = &set->backup->snapshots[i];
        bool newer = whole_set_root_is_newer(set) && snapshot->device != NULL &&
                     strcmp(snapshot->device, set->image->root_device_name) == 0;
        (void)json_array_append_new(
            list,
            json_pack("{s:o,s:o,s:o}", "device", control_text(snapshot->device), "snapshot",
                      newer ? json_null() : control_text(snapshot->id), "size_gib",
                      snapshot->size_gib == BACKUP_UNKNOWN ? json_null()
                                                           : json_integer(snapshot->size_gib)));
    }
    return list;
}

static json_t *texts_json(const struct strs *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, control_text(texts->items[i]));
    return list;
}

json_t *restore_plan_json(const struct restore_plan *plan, const struct whole_set *set)
{
    const struct launch_facts *facts = &plan->facts;
    json_t *groups = json_array();

    for (size_t i = 0; i < facts->security_group_count; i++)
        (void)json_array_append_new(groups, control_text(facts->security_groups[i]));
    return json_pack("{s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:s,s:o,s:o,s:o}", "backup",
                     set->backup->id, "image", set->image->id, "root_is_newer",
                     whole_set_root_is_newer(set), "name", text_or_null(facts->name), "type",
                     text_or_null(facts->type), "subnet", text_or_null(facts->subnet),
                     "security_groups", groups, "key", text_or_null(facts->key_name), "profile",
                     text_or_null(facts->profile), "address", text_or_null(plan->address),
                     "user_data", secret_is_set(&plan->user_data), "token", plan->token, "volumes",
                     volumes_json(set), "less", texts_json(&plan->notes), "instance",
                     text_or_null(plan->running));
}

void restore_plan_free(struct restore_plan *plan)
{
    ec2_instance_free(plan->original);
    plan->original = NULL;
    ec2_tags_free(&plan->instance_tags);
    ec2_tags_free(&plan->volume_tags);
    secret_free(&plan->user_data);
    strs_free(&plan->notes);
}
