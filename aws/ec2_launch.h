/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_LAUNCH_H
#define STILLPOINT_EC2_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/secret.h"
#include "aws/ec2.h"
#include "aws/ec2_describe.h"
#include "aws/ec2_images.h"
#include "aws/ec2_volumes.h"

/* Instances that come, change and go: one launched from an image, looked for, terminated; its
 * user data. No call waits for what it asked for. */

/* --- a new instance --- */

enum { EC2_USER_DATA_MAX_BYTES = 16 * 1024 }; /* before base64, as EC2 counts */

/* What an image's mapping is overridden by for one device name: the fields that are set replace
 * the image's. */
struct ec2_run_instance {
    const char *image_id;   /* needed */
    const char *type;       /* "m5.large"; as all texts below: NULL or "" is left out */
    const char *subnet_id;  /* left out: the default VPC's */
    const char *zone;       /* EC2 takes it along with a subnet only if it is the subnet's */
    const char *tenancy;    /* "default", "dedicated" */
    const char *private_ip; /* left out: one of the subnet's */
    const char *key_name;
    const char *profile;                   /* an instance profile's ARN, or its name */
    const struct secret *user_data;        /* base64; NULL or not set: none */
    const char *const *security_group_ids; /* none: the VPC's default group */
    size_t security_group_count;
    const char *http_tokens;            /* IMDS: "optional", "required"; as the others: */
    const char *http_endpoint;          /* "enabled", "disabled" */
    const char *http_protocol_ipv6;     /* "enabled", "disabled" */
    const char *instance_metadata_tags; /* "enabled", "disabled" */
    int64_t http_hop_limit;             /* 0: EC2's default */
    const struct ec2_mapping *mappings; /* override the image's by device name */
    size_t mapping_count;
    const struct ec2_tags *instance_tags; /* put on it in the same call; NULL: none */
    const struct ec2_tags *volume_tags;   /* on its volumes */
    const char
        *client_token; /* needed, EC2_CLIENT_TOKEN_MAX: the same again is the same instance */
};

/* RunInstances, exactly one. AWS_IDEMPOTENT by its token.
 *   ret_instance  given to the caller (ec2_instance_free); `pending` most often, and its volumes
 *                 not yet told; `terminated` where the token's instance is over
 *   false         ERR_AWS: refused (codes in the text; a remedy for the common ones). ERR_SENT,
 *                 ERR_PROTOCOL: it may run, the same call again tells */
bool ec2_run_instance(struct ec2 *ec2, const struct ec2_run_instance *what, int64_t deadline_ms,
                      const struct cancel *cancel, struct ec2_instance **ret_instance,
                      struct err *err);

/* The same request with DryRun. true: we may, and EC2 objects to no parameter that it looks at. */
bool ec2_run_instance_dry_run(struct ec2 *ec2, const struct ec2_run_instance *what,
                              int64_t deadline_ms, const struct cancel *cancel, struct err *err);

/* TerminateInstances for one. AWS_IDEMPOTENT: one that is gone counts as terminated. Volumes with
 * delete-on-termination go with it. */
bool ec2_terminate_instance(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                            const struct cancel *cancel, struct err *err);

/* --- looking --- */

/* DescribeInstances, page by page; as ec2_list_volumes. Terminated ones are shown for about an hour
 * (filter instance-state-name where they don't matter). */
bool ec2_list_instances(struct ec2 *ec2, const char *const *ids, size_t id_count,
                        const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                        const struct cancel *cancel,
                        bool (*each)(void *self, const struct ec2_instance *instance,
                                     struct err *err),
                        void *self, struct err *err);

/* DescribeInstanceAttribute userData: AWS_SAFE.
 *   ret_base64  as EC2 has it, base64 on one line; not set where the instance has none. The
 *               caller's (secret_free) */
bool ec2_describe_user_data(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                            const struct cancel *cancel, struct secret *ret_base64,
                            struct err *err);

/* --- changing --- */

/* ModifyInstanceAttribute: whether the volume under DEVICE goes with the instance. AWS_IDEMPOTENT.
 */
bool ec2_set_delete_on_termination(struct ec2 *ec2, const char *instance_id, const char *device,
                                   bool delete_on_termination, int64_t deadline_ms,
                                   const struct cancel *cancel, struct err *err);

#endif
