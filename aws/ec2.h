/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_H
#define STILLPOINT_EC2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "aws/aws_call.h"
#include "aws/credentials.h"

/* A client of EC2's query API (version 2016-11-15). The calls stand in ec2_describe.h,
 * ec2_snapshots.h, ec2_images.h, ec2_volumes.h, ec2_launch.h and ec2_root_task.h; all of them
 *   - take an absolute deadline (clock_boot_ms()) and a cancel (may be NULL),
 *   - retry within it what is safe to retry (aws_call.h: which kind a call is stands at it),
 *   - fail as aws_call() does, and with ERR_PROTOCOL or ERR_LIMIT for an answer that is not what
 *     EC2 says, with the call's name in front of the text,
 *   - leave what is known about the last request in ec2_outcome(). */
struct ec2; /* opaque; one thread at a time */

struct ec2_options {
    const char *region;     /* needed */
    const char *endpoint;   /* NULL or "": https://ec2.REGION.DNS_SUFFIX */
    const char *dns_suffix; /* NULL or "": by the region (amazonaws.com, cn-*: amazonaws.com.cn) */
    const char *ca_bundle;  /* NULL: the system's */
    int connect_timeout_ms; /* 0: 3 s */
    int request_timeout_ms; /* of one send; 0: 20 s */
    struct credentials *credentials; /* borrowed for the client's life; shared */
};

/* false: ERR_CONFIG, ERR_INTERNAL. Opens no connection yet. */
bool ec2_open(const struct ec2_options *options, struct ec2 **ret_ec2, struct err *err);
void ec2_free(struct ec2 *ec2);

const struct aws_outcome *ec2_outcome(const struct ec2 *ec2); /* of the last request */
int64_t ec2_calls(const struct ec2 *ec2);         /* requests sent so far, retries included */
bool ec2_connected(const struct ec2 *ec2);        /* the kept connection is alive (http_alive) */
int64_t ec2_clock_ahead_s(const struct ec2 *ec2); /* aws_clock_ahead_s */

/* --- tags and filters --- */

enum { EC2_TAGS_MAX = 50, EC2_ID_BYTES = 40 };

struct ec2_tag {
    char *key;
    char *value;
};

struct ec2_tags {
    struct ec2_tag list[EC2_TAGS_MAX];
    size_t count;
};

/* Sets that are read from EC2 lack its own tags ("aws:…"), which don't count towards the 50.
 *
 * Copies both. A key that is there already gets the new value.
 * false: ERR_LIMIT (more than 50; key above 128, value above 256 characters), ERR_INTERNAL */
bool ec2_tags_set(struct ec2_tags *tags, const char *key, const char *value, struct err *err);
const char *ec2_tags_get(const struct ec2_tags *tags, const char *key); /* NULL: not there */
void ec2_tags_free(struct ec2_tags *tags); /* idempotent; {0} is an empty set */

struct ec2_filter {
    const char *name; /* "tag:stillpoint:id", "attachment.instance-id" */
    const char *const *values;
    size_t value_count; /* any of them; '*' and '?' in them mean more than themselves */
};

/* TEXT as a filter's value that means nothing but TEXT.
 *   ret_value  given to the caller; NULL for NULL
 *   false      ERR_INTERNAL */
bool ec2_filter_literal(const char *text, char **ret_value, struct err *err);

/* --- the right to a call --- */

enum ec2_action {
    EC2_DESCRIBE_INSTANCES,
    EC2_DESCRIBE_INSTANCE_ATTRIBUTE,
    EC2_GET_INSTANCE_UEFI_DATA,
    EC2_DESCRIBE_VOLUMES,
    EC2_CREATE_SNAPSHOTS,
    EC2_DESCRIBE_SNAPSHOTS,
    EC2_CREATE_TAGS,
    EC2_DESCRIBE_TAGS,
    EC2_DELETE_SNAPSHOT,
    EC2_REGISTER_IMAGE,
    EC2_CREATE_IMAGE,
    EC2_DESCRIBE_IMAGES,
    EC2_DEREGISTER_IMAGE,
    EC2_DELETE_TAGS,
    EC2_CREATE_VOLUME,
    EC2_ATTACH_VOLUME,
    EC2_DETACH_VOLUME,
    EC2_DELETE_VOLUME,
    EC2_RUN_INSTANCES,
    EC2_TERMINATE_INSTANCES,
    EC2_MODIFY_INSTANCE_ATTRIBUTE,
    EC2_CREATE_REPLACE_ROOT_VOLUME_TASK,
    EC2_DESCRIBE_REPLACE_ROOT_VOLUME_TASKS,
    EC2_ACTION_COUNT
};

const char *ec2_action_name(enum ec2_action action); /* "CreateSnapshots"; static */

/* What a dry run is about; what an action does not need is passed over. Where EC2 wants to see a
 * resource that we can't name (no snapshot yet to tag or delete) leave it NULL: ERR_USAGE. */
struct ec2_dry_run_target {
    const char *instance_id;
    const char *snapshot_id;
    const char *image_id;
    const char *volume_id;
    const char *zone;            /* of a volume that would be made */
    const struct ec2_tags *tags; /* of what would be made; a policy may demand them */
};

/* Asks EC2 whether we might. true: allowed; ERR_AWS_DENIED: not; other kinds: it could not be
 * found out (EC2 judges some parameters before the right). */
bool ec2_dry_run(struct ec2 *ec2, enum ec2_action action, const struct ec2_dry_run_target *target,
                 int64_t deadline_ms, const struct cancel *cancel, struct err *err);

#endif
