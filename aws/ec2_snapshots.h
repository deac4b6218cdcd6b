/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_SNAPSHOTS_H
#define STILLPOINT_EC2_SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/ec2.h"
#include "aws/ec2_describe.h"

enum ec2_snapshot_state {
    EC2_SNAPSHOT_UNKNOWN, /* EC2 did not say, or said something new */
    EC2_SNAPSHOT_PENDING,
    EC2_SNAPSHOT_COMPLETED,
    EC2_SNAPSHOT_ERROR,
    EC2_SNAPSHOT_RECOVERABLE, /* deleted, in the Recycle Bin */
    EC2_SNAPSHOT_RECOVERING
};
const char *ec2_snapshot_state_name(enum ec2_snapshot_state state); /* "pending"; static */

struct ec2_snapshot {
    char id[EC2_ID_BYTES];
    char volume_id[EC2_ID_BYTES];
    char owner_id[EC2_ID_BYTES];
    enum ec2_snapshot_state state;
    char status_message[256];        /* cut; why state is error */
    char storage_tier[EC2_ID_BYTES]; /* standard, archive; "" where not told */
    char kms_key_id[EC2_ARN_BYTES];
    char description[256]; /* cut */
    int64_t size_gib;      /* of the volume */
    int64_t start_utc_us;  /* EC2's own; 0 where not told */
    int progress_percent;  /* -1 where not told */
    bool encrypted;
    struct ec2_tags tags;
};

/* --- the one call of a backup --- */

struct ec2_create_snapshots {
    const char *instance_id;
    const char *description;            /* NULL: none */
    const char *const *exclude_volumes; /* data volumes that are left out */
    size_t exclude_count;
    bool exclude_boot_volume;
    const struct ec2_tags *tags; /* put on every snapshot in the same call; NULL: none */
};

struct ec2_snapshot_set {
    struct ec2_snapshot *list;
    size_t count;
};

/* CreateSnapshots of all volumes of the instance, at one instant between
 * ec2_outcome()->begun_… and ->answered_….
 *   hold      AWS_SINGLE: exactly one send on the connection that is open, keys as they are; no
 *             DNS, no connect, no retry, no file. Else AWS_ONCE_SENT.
 *   min_valid_ms  keys must be valid so long (0 in a hold: it was asked before)
 *   ret_set   given to the caller (ec2_snapshot_set_free) on true; one or more
 *   false     ERR_SENT (and the kinds that aws_call() lists with ->sent): snapshots may exist, look
 *             for them by their tags. Also ERR_PROTOCOL: sent, and the answer is not understood. */
bool ec2_create_snapshots(struct ec2 *ec2, const struct ec2_create_snapshots *what, bool hold,
                          int64_t min_valid_ms, int64_t deadline_ms, const struct cancel *cancel,
                          struct ec2_snapshot_set *ret_set, struct err *err);
void ec2_snapshot_set_free(struct ec2_snapshot_set *set);

/* The same request with DryRun, which also opens and warms the connection that the hold will use.
 * true: we may. */
bool ec2_create_snapshots_dry_run(struct ec2 *ec2, const struct ec2_create_snapshots *what,
                                  int64_t min_valid_ms, int64_t deadline_ms,
                                  const struct cancel *cancel, struct err *err);

/* --- looking --- */

/* DescribeSnapshots of our own account, page by page: tens of thousands cost no more memory than a
 * page. EACH gets one snapshot, borrowed for the call; a false of its ends it with its err.
 *   ids      NULL or empty: by filters; else at most 200, and one that is not there is
 *            ERR_AWS_NOT_FOUND for all (EC2 says so; also for some seconds after its creation)
 *   AWS_SAFE */
bool ec2_describe_snapshots(struct ec2 *ec2, const char *const *ids, size_t id_count,
                            const struct ec2_filter *filters, size_t filter_count,
                            int64_t deadline_ms, const struct cancel *cancel,
                            bool (*each)(void *self, const struct ec2_snapshot *snapshot,
                                         struct err *err),
                            void *self, struct err *err);

/* --- changing --- */

/* CreateTags: all tags on all resources (1 to 500 ids), old values are replaced. AWS_IDEMPOTENT.
 * A resource that EC2 does not show yet is tried again for up to 30 s. */
bool ec2_create_tags(struct ec2 *ec2, const char *const *ids, size_t id_count,
                     const struct ec2_tags *tags, int64_t deadline_ms, const struct cancel *cancel,
                     struct err *err);

/* DeleteTags: the keys (1 to 50), whatever their values, from all resources (1 to 500 ids).
 * AWS_IDEMPOTENT: a key that is not there is fine. */
bool ec2_delete_tags(struct ec2 *ec2, const char *const *ids, size_t id_count,
                     const char *const *keys, size_t key_count, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err);

/* DeleteSnapshot. AWS_IDEMPOTENT: one that is not there any more counts as deleted (true). */
bool ec2_delete_snapshot(struct ec2 *ec2, const char *snapshot_id, int64_t deadline_ms,
                         const struct cancel *cancel, struct err *err);

#endif
