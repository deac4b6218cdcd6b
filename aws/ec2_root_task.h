/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_ROOT_TASK_H
#define STILLPOINT_EC2_ROOT_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/ec2.h"
#include "aws/ec2_describe.h"

/* An instance's root volume replaced in place. No call waits for what it asked for. */

struct ec2_root_task {
    char id[EC2_ID_BYTES]; /* "replacevol-0…" */
    char instance_id[EC2_ID_BYTES];
    char
        state[EC2_ID_BYTES]; /* pending, in-progress, failing, succeeded, failed, failed-detached */
    char image_id[EC2_ID_BYTES];
    char snapshot_id[EC2_ID_BYTES];
    char start_time[EC2_NAME_BYTES];    /* as EC2 says it */
    char complete_time[EC2_NAME_BYTES]; /* "" until it is over */
    struct ec2_tags tags;
};

struct ec2_replace_root {
    const char *instance_id; /* needed */
    const char *snapshot_id; /* of the root volume's lineage; or image_id, or neither (back to the
                                state at launch) */
    const char *image_id;
    const char *volume_id; /* or one that was this instance's root volume and was replaced */
    enum ec2_flag delete_replaced;    /* EC2_YES: the old root volume goes once it is replaced */
    int64_t initialization_rate_mibs; /* 0: not given */
    const struct ec2_tags *tags;      /* on the task and (EC2's doing) its new volume; NULL: none */
    const char *client_token;         /* needed: the same one again is the same task */
};

/* CreateReplaceRootVolumeTask: EC2 reboots the (running) instance with the new root; identity,
 * addresses and data volumes stay. AWS_IDEMPOTENT by its token.
 *   ret_task  the caller's (ec2_root_task_free) on true */
bool ec2_replace_root_volume(struct ec2 *ec2, const struct ec2_replace_root *what,
                             int64_t deadline_ms, const struct cancel *cancel,
                             struct ec2_root_task *ret_task, struct err *err);
void ec2_root_task_free(struct ec2_root_task *task); /* its tags; idempotent */

/* DescribeReplaceRootVolumeTasks, page by page; as ec2_list_volumes, but at most 50 ids. Filter
 * "instance-id". */
bool ec2_list_root_tasks(struct ec2 *ec2, const char *const *ids, size_t id_count,
                         const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                         const struct cancel *cancel,
                         bool (*each)(void *self, const struct ec2_root_task *task,
                                      struct err *err),
                         void *self, struct err *err);

#endif
