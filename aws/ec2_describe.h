/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_DESCRIBE_H
#define STILLPOINT_EC2_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/ec2.h"

/* Instances, volumes and tags: reads (AWS_SAFE). Texts are "" where EC2 did not say; a text that is
 * too long for its field is ERR_PROTOCOL, never cut. */

enum {
    EC2_DEVICES_MAX = 128, /* volumes of one instance */
    EC2_NAME_BYTES = 64,
    EC2_ARN_BYTES = 300,
    EC2_PRODUCTS_MAX = 16,
    EC2_SECURITY_GROUPS_MAX = 16,
    EC2_KEY_NAME_BYTES = 4 * 255 + 1,
    EC2_TOKEN_BYTES = 65
};

enum ec2_flag { EC2_UNKNOWN = -1, EC2_NO = 0, EC2_YES = 1 }; /* EC2_UNKNOWN: EC2 did not say */

struct ec2_device {
    char name[EC2_NAME_BYTES]; /* "/dev/sdf", as in the instance's block device mapping */
    char volume_id[EC2_ID_BYTES];
    char status[EC2_ID_BYTES]; /* attaching, attached, detaching, detached */
    enum ec2_flag delete_on_termination;
};

struct ec2_instance {
    char id[EC2_ID_BYTES];
    char state[EC2_ID_BYTES]; /* pending, running, shutting-down, terminated, stopping, stopped */
    char owner_id[EC2_ID_BYTES];
    char image_id[EC2_ID_BYTES];
    char type[EC2_NAME_BYTES];
    char availability_zone[EC2_NAME_BYTES];
    char architecture[EC2_ID_BYTES];        /* x86_64, arm64 */
    char virtualization_type[EC2_ID_BYTES]; /* hvm, paravirtual */
    char hypervisor[EC2_ID_BYTES];          /* xen also on Nitro */
    char root_device_name[EC2_NAME_BYTES];
    char root_device_type[EC2_ID_BYTES];   /* ebs, instance-store */
    char boot_mode[EC2_ID_BYTES];          /* of the image: legacy-bios, uefi, uefi-preferred */
    char current_boot_mode[EC2_ID_BYTES];  /* legacy-bios, uefi */
    char tpm_support[EC2_ID_BYTES];        /* v2.0 */
    char sriov_net_support[EC2_ID_BYTES];  /* simple */
    char platform_details[EC2_NAME_BYTES]; /* "Linux/UNIX" */
    char usage_operation[EC2_NAME_BYTES];  /* "RunInstances", with ":0010" and the like: billed */
    char http_tokens[EC2_ID_BYTES];        /* IMDS: optional, required */
    char http_endpoint[EC2_ID_BYTES];      /* IMDS: enabled, disabled; as the next two */
    char http_protocol_ipv6[EC2_ID_BYTES];
    char instance_metadata_tags[EC2_ID_BYTES];
    int64_t http_hop_limit; /* 0 where not told */
    char iam_profile_arn[EC2_ARN_BYTES];
    char key_name[EC2_KEY_NAME_BYTES];
    char tenancy[EC2_ID_BYTES]; /* default, dedicated, host */
    char private_ip[EC2_ID_BYTES];
    char private_dns[EC2_ARN_BYTES];
    char client_token[EC2_TOKEN_BYTES]; /* that it was launched with */
    char reservation_id[EC2_ID_BYTES];
    char state_reason[256]; /* cut; why it was terminated or stopped: "Server.InternalError: …" */
    char subnet_id[EC2_ID_BYTES];
    char vpc_id[EC2_ID_BYTES];
    enum ec2_flag ena_support;
    enum ec2_flag ebs_optimized;
    int64_t launch_utc_us;                      /* 0 where not told */
    struct ec2_device devices[EC2_DEVICES_MAX]; /* EBS volumes only */
    size_t device_count;
    char security_groups[EC2_SECURITY_GROUPS_MAX][EC2_ID_BYTES]; /* ids */
    size_t security_group_count;
    char product_codes[EC2_PRODUCTS_MAX][EC2_NAME_BYTES];
    size_t product_code_count;
    struct ec2_tags tags;
};

/* DescribeInstances for one id.
 *   ret_instance  given to the caller (ec2_instance_free) on true
 *   false         also ERR_AWS_NOT_FOUND where the answer is empty */
bool ec2_describe_instance(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                           const struct cancel *cancel, struct ec2_instance **ret_instance,
                           struct err *err);
void ec2_instance_free(struct ec2_instance *instance);

/* DescribeInstanceAttribute for those with one value ("enaSupport", "sriovNetSupport",
 * "rootDeviceName", …): "true" and "false" for booleans, "" where it is not set. */
bool ec2_describe_instance_attribute(struct ec2 *ec2, const char *instance_id,
                                     const char *attribute, int64_t deadline_ms,
                                     const struct cancel *cancel, char *ret_value, size_t size,
                                     struct err *err);

/* GetInstanceUefiData: the instance's UEFI variables (Secure Boot keys), as RegisterImage takes
 * them.
 *   ret_data  at most 64 KiB, base64; given to the caller (free); "" where there are none */
bool ec2_get_instance_uefi_data(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                                const struct cancel *cancel, char **ret_data, struct err *err);

struct ec2_attachment {
    char instance_id[EC2_ID_BYTES];
    char device[EC2_NAME_BYTES];
    char status[EC2_ID_BYTES]; /* attaching, attached, detaching, detached, busy */
    enum ec2_flag delete_on_termination;
};

enum { EC2_ATTACHMENTS_MAX = 16 }; /* multi-attach */

struct ec2_volume {
    char id[EC2_ID_BYTES];
    char type[EC2_ID_BYTES];  /* gp2, gp3, io1, io2, st1, sc1, standard */
    char state[EC2_ID_BYTES]; /* creating, available, in-use, deleting, deleted, error */
    char availability_zone[EC2_NAME_BYTES];
    char snapshot_id[EC2_ID_BYTES]; /* that it was made from; "" for none */
    char kms_key_id[EC2_ARN_BYTES];
    int64_t size_gib;
    int64_t iops;            /* 0 where not told */
    int64_t throughput_mibs; /* 0 where not told */
    int64_t create_utc_us;   /* EC2's own; 0 where not told */
    bool encrypted;
    bool multi_attach;
    struct ec2_attachment attachments[EC2_ATTACHMENTS_MAX];
    size_t attachment_count;
    struct ec2_tags tags;
};

struct ec2_volumes {
    struct ec2_volume *list;
    size_t count;
};

/* DescribeVolumes: all that are attached (or being attached) to the instance, all pages, in order
 * of their ids. */
bool ec2_describe_volumes(struct ec2 *ec2, const char *instance_id, int64_t deadline_ms,
                          const struct cancel *cancel, struct ec2_volumes *ret_volumes,
                          struct err *err);
void ec2_volumes_free(struct ec2_volumes *volumes);

struct ec2_described_tag {
    char resource_id[EC2_ID_BYTES];
    char resource_type[EC2_NAME_BYTES]; /* "snapshot", "image", "instance" */
    const char *key, *value;            /* borrowed for the call */
};

/* DescribeTags with filters ("resource-id", "resource-type", "key", "value", "tag:KEY"): calls
 * EACH for every tag, page by page. A false of EACH ends it with its err. */
bool ec2_describe_tags(struct ec2 *ec2, const struct ec2_filter *filters, size_t filter_count,
                       int64_t deadline_ms, const struct cancel *cancel,
                       bool (*each)(void *self, const struct ec2_described_tag *tag,
                                    struct err *err),
                       void *self, struct err *err);

#endif
