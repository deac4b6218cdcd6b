/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_locks.h"

#include <stddef.h>
#include <string.h>

#include "aws/ec2_wire.h"

enum { PAGE_ITEMS = 200 };

struct lock {
    char snapshot_id[EC2_ID_BYTES];
    char state[EC2_ID_BYTES];
};

struct lock_reading {
    struct lock lock;
    bool (*each)(void *self, const char *snapshot_id, struct err *err);
    void *each_self;
};

static const struct wire_field lock_fields[] = {
    WIRE_FIELD("snapshotId", WIRE_ID, struct lock, snapshot_id),
    WIRE_FIELD("lockState", WIRE_TEXT, struct lock, state),
};

static bool open_lock(void *self, const char *path, struct err *err)
{
    (void)err;
    if (*path == '\0')
        memset(&((struct lock_reading *)self)->lock, 0, sizeof(struct lock));
    return true;
}

static bool close_lock(void *self, const char *path, const char *text, struct err *err)
{
    struct lock_reading *reading = self;
    const struct lock *lock = &reading->lock;

    if (*path != '\0')
        return wire_take(lock_fields, WIRE_COUNT(lock_fields), path, text, &reading->lock, err);
    if (lock->snapshot_id[0] == '\0')
        return err_set(err, ERR_PROTOCOL, 0, "a lock without a snapshot");
    return strcmp(lock->state, "expired") == 0 ||
           reading->each(reading->each_self, lock->snapshot_id, err);
}

bool ec2_describe_locked_snapshots(
    struct ec2 *ec2, int64_t deadline_ms, const struct cancel *cancel,
    bool (*each)(void *self, const char *snapshot_id, struct err *err), void *self, struct err *err)
{
    struct query query;
    struct wire_call call = {.kind = AWS_SAFE,
                             .action = "DescribeLockedSnapshots",
                             .query = &query,
                             .deadline_ms = deadline_ms,
                             .cancel = cancel};
    struct lock_reading reading = {.each = each, .each_self = self};
    struct wire_list list = {"snapshotSet/item", &reading, open_lock, close_lock, NULL};

    query_begin(&query, call.action);
    query_add_int(&query, "MaxResults", PAGE_ITEMS);
    bool ok = wire_call_pages(ec2, &call, &list, err);
    query_free(&query);
    return ok;
}
