/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ec2_wire.h"

enum { PAGE_ITEMS = 1000, IDS_MAX = 200, SET_MAX = 128, TAG_IDS_MAX = 500 };

static const char *const state_names[] = {
    [EC2_SNAPSHOT_UNKNOWN] = "unknown",         [EC2_SNAPSHOT_PENDING] = "pending",
    [EC2_SNAPSHOT_COMPLETED] = "completed",     [EC2_SNAPSHOT_ERROR] = "error",
    [EC2_SNAPSHOT_RECOVERABLE] = "recoverable", [EC2_SNAPSHOT_RECOVERING] = "recovering",
};

const char *ec2_snapshot_state_name(enum ec2_snapshot_state state)
{
    size_t index = (size_t)state;

    return state_names[index < sizeof(state_names) / sizeof(state_names[0]) ? index : 0];
}

/* --- reading a snapshot --- */

#define FIELD(path, type, member) WIRE_FIELD(path, type, struct ec2_snapshot, member)
static const struct wire_field fields[] = {
    FIELD("snapshotId", WIRE_ID, id),
    FIELD("volumeId", WIRE_ID, volume_id),
    FIELD("ownerId", WIRE_ID, owner_id),
    FIELD("statusMessage", WIRE_CUT, status_message),
    FIELD("storageTier", WIRE_ID, storage_tier),
    FIELD("kmsKeyId", WIRE_TEXT, kms_key_id),
    FIELD("description", WIRE_CUT, description),
    FIELD("volumeSize", WIRE_INT, size_gib),
    FIELD("startTime", WIRE_TIME, start_utc_us),
    FIELD("progress", WIRE_PERCENT, progress_percent),
    FIELD("encrypted", WIRE_BOOL, encrypted),
};
#undef FIELD

static void begin(struct ec2_snapshot *snapshot)
{
    ec2_tags_free(&snapshot->tags);
    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->progress_percent = -1;
}

static bool take(struct ec2_snapshot *snapshot, struct wire_tag *tag, const char *path,
                 const char *text, struct err *err)
{
    const char *below = wire_below(path, "tagSet/item");

    if (below != NULL)
        return wire_take_tag(tag, below, text, &snapshot->tags, err);
    /* CreateSnapshots says state, the others say status. */
    if (strcmp(path, "status") == 0 || strcmp(path, "state") == 0) {
        for (size_t i = 1; i < sizeof(state_names) / sizeof(state_names[0]); i++)
            if (strcmp(state_names[i], text) == 0)
                snapshot->state = (enum ec2_snapshot_state)i;
        return true;
    }
    return wire_take(fields, WIRE_COUNT(fields), path, text, snapshot, err);
}

/* --- CreateSnapshots --- */

struct set_reading {
    struct ec2_snapshot_set set;
    struct wire_tag tag;
};

static bool open_member(void *self, const char *path, struct err *err)
{
    struct ec2_snapshot_set *set = &((struct set_reading *)self)->set;

    if (*path != '\0')
        return true;
    if (set->count == SET_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d snapshots", SET_MAX);
    struct ec2_snapshot *list = realloc(set->list, (set->count + 1) * sizeof(*list));
    if (list == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    set->list = list;
    memset(&list[set->count], 0, sizeof(*list));
    begin(&list[set->count++]);
    return true;
}

static bool close_member(void *self, const char *path, const char *text, struct err *err)
{
    struct set_reading *reading = self;
    struct ec2_snapshot *member = &reading->set.list[reading->set.count - 1];

    if (*path == '\0')
        return (member->id[0] != '\0' && member->volume_id[0] != '\0') ||
               err_set(err, ERR_PROTOCOL, 0, "a snapshot without its id or its volume's");
    return take(member, &reading->tag, path, text, err);
}

static void add_request(struct query *query, const struct ec2_create_snapshots *what)
{
    query_add(query, "InstanceSpecification.InstanceId", what->instance_id);
    if (what->exclude_boot_volume)
        query_add_bool(query, "InstanceSpecification.ExcludeBootVolume", true);
    query_add_list(query, "InstanceSpecification.ExcludeDataVolumeId", what->exclude_volumes,
                   what->exclude_count);
    query_add(query, "Description", what->description);
    query_add_tag_specification(query, 1, "snapshot", what->tags);
}

bool ec2_create_snapshots(struct ec2 *ec2, const struct ec2_create_snapshots *what, bool hold,
                          int64_t min_valid_ms, int64_t deadline_ms, const struct cancel *cancel,
                          struct ec2_snapshot_set *ret_set, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = hold ? AWS_SINGLE : AWS_ONCE_SENT,
                             .action = "CreateSnapshots",
                             .query = &query,
                             .min_valid_ms = min_valid_ms,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct set_reading reading = {.set = {NULL, 0}};
    struct wire_list list = {"snapshotSet/item", &reading, open_member, close_member, NULL};

    query_begin(&query, call.action);
    add_request(&query, what);
    bool ok = wire_call_list(ec2, &call, &list, err);
    query_free(&query);
    if (ok && reading.set.count == 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "CreateSnapshots: a good answer without a snapshot");
    if (!ok) {
        ec2_snapshot_set_free(&reading.set);
        return false;
    }
    *ret_set = reading.set;
    return true;
}

void ec2_snapshot_set_free(struct ec2_snapshot_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        ec2_tags_free(&set->list[i].tags);
    free(set->list);
    *set = (struct ec2_snapshot_set){NULL, 0};
}

bool ec2_create_snapshots_dry_run(struct ec2 *ec2, const struct ec2_create_snapshots *what,
                                  int64_t min_valid_ms, int64_t deadline_ms,
                                  const struct cancel *cancel, struct err *err)
{
    struct buf body = BUF_INIT(1024 * 1024);
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "CreateSnapshots",
                             .query = &query,
                             .min_valid_ms = min_valid_ms,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add_bool(&query, "DryRun", true);
    add_request(&query, what);
    bool ok = wire_send(ec2, &call, &body, err);
    /* A 200 here means that snapshots were made: the endpoint is not EC2. */
    if (ok && body.len > 0)
        ok = err_set(err, ERR_PROTOCOL, 0, "CreateSnapshots: the endpoint passes over DryRun");
    query_free(&query);
    buf_free(&body);
    return ok;
}

/* --- DescribeSnapshots --- */

struct each_reading {
    struct ec2_snapshot snapshot;
    struct wire_tag tag;
    bool (*each)(void *self, const struct ec2_snapshot *snapshot, struct err *err);
    void *each_self;
};

static bool open_each(void *self, const char *path, struct err *err)
{
    (void)err;
    if (*path == '\0')
        begin(&((struct each_reading *)self)->snapshot);
    return true;
}

static bool close_each(void *self, const char *path, const char *text, struct err *err)
{
    struct each_reading *reading = self;

    if (*path != '\0')
        return take(&reading->snapshot, &reading->tag, path, text, err);
    if (reading->snapshot.id[0] == '\0')
        return err_set(err, ERR_PROTOCOL, 0, "a snapshot without an id");
    return reading->each(reading->each_self, &reading->snapshot, err);
}

bool ec2_describe_snapshots(struct ec2 *ec2, const char *const *ids, size_t id_count,
                            const struct ec2_filter *filters, size_t filter_count,
                            int64_t deadline_ms, const struct cancel *cancel,
                            bool (*each)(void *self, const struct ec2_snapshot *snapshot,
                                         struct err *err),
                            void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeSnapshots",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel,
                             /* EC2 refuses MaxResults together with ids */
                             .page_items = id_count == 0 ? PAGE_ITEMS : 0};
    struct each_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"snapshotSet/item", &reading, open_each, close_each, NULL};

    if (id_count > IDS_MAX)
        return err_set(err, ERR_LIMIT, 0, "DescribeSnapshots: more than %d ids", IDS_MAX);
    query_begin(&query, call.action);
    query_add(&query, "Owner.1", "self");
    query_add_list(&query, "SnapshotId", ids, id_count);
    query_add_filters(&query, filters, filter_count);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    ec2_tags_free(&reading.snapshot.tags);
    return ok;
}

/* --- CreateTags, DeleteTags, DeleteSnapshot --- */

bool ec2_create_tags(struct ec2 *ec2, const char *const *ids, size_t id_count,
                     const struct ec2_tags *tags, int64_t deadline_ms, const struct cancel *cancel,
                     struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "CreateTags",
                             .query = &query,
                             .just_made = true,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    if (id_count == 0 || id_count > TAG_IDS_MAX || tags->count == 0)
        return err_set(err, ERR_INTERNAL, 0, "CreateTags: no ids, more than %d, or no tags",
                       TAG_IDS_MAX);
    query_begin(&query, call.action);
    query_add_list(&query, "ResourceId", ids, id_count);
    query_add_tags(&query, "Tag", tags);
    bool ok = wire_send(ec2, &call, &body, err);
    query_free(&query);
    return ok;
}

bool ec2_delete_tags(struct ec2 *ec2, const char *const *ids, size_t id_count,
                     const char *const *keys, size_t key_count, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    char name[32];
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "DeleteTags",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    /* Without keys EC2 takes all tags off. */
    if (id_count == 0 || id_count > TAG_IDS_MAX || key_count == 0 || key_count > EC2_TAGS_MAX)
        return err_set(err, ERR_INTERNAL, 0, "DeleteTags: no ids or keys, or too many");
    query_begin(&query, call.action);
    query_add_list(&query, "ResourceId", ids, id_count);
    for (size_t i = 0; i < key_count; i++) {
        (void)snprintf(name, sizeof(name), "Tag.%zu.Key", i + 1);
        query_add(&query, name, keys[i]);
    }
    bool ok = wire_send(ec2, &call, &body, err);
    query_free(&query);
    return ok;
}

bool ec2_delete_snapshot(struct ec2 *ec2, const char *snapshot_id, int64_t deadline_ms,
                         const struct cancel *cancel, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct err refused = ERR_INIT;
    struct query query;
    struct wire_call call = {.kind = AWS_IDEMPOTENT,
                             .action = "DeleteSnapshot",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};

    query_begin(&query, call.action);
    query_add(&query, "SnapshotId", snapshot_id);
    bool ok = wire_send(ec2, &call, &body, &refused);
    query_free(&query);
    if (ok || refused.kind == ERR_AWS_NOT_FOUND) /* gone is gone */
        return true;
    *err = refused;
    return err_wrap(err, "%s", snapshot_id);
}
