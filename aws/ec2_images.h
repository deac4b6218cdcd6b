/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_IMAGES_H
#define STILLPOINT_EC2_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/ec2.h"
#include "aws/ec2_describe.h"

/* One line of a block device mapping, to and from EC2. A flag that is left at zero says no, not
 * "unknown": that is EC2_UNKNOWN. */
struct ec2_mapping {
    char device[EC2_NAME_BYTES];
    char snapshot_id[EC2_ID_BYTES];
    char volume_type[EC2_ID_BYTES]; /* "": EC2's default */
    int64_t size_gib;               /* 0: the snapshot's */
    int64_t iops;                   /* 0: not given; only io1, io2 and gp3 take it */
    int64_t throughput_mibs;        /* 0: not given; only gp3 takes it */
    enum ec2_flag delete_on_termination;
};

/* --- making --- */

/* Texts that are NULL or "" are left out. */
struct ec2_register_image {
    /* 3 to 128 of letters, digits, space and ()[]./-'@_; unique in account and region */
    const char *name;
    const char *description;
    const char *architecture;
    const char *virtualization_type;
    const char *root_device_name;
    const char *boot_mode;
    const char *tpm_support;
    const char *uefi_data;
    const char *imds_support; /* "v2.0": where the instance's IMDS demands tokens */
    const char *sriov_net_support;
    enum ec2_flag ena_support;
    const struct ec2_mapping *mappings;
    size_t mapping_count;
    const struct ec2_tags *tags; /* on the image */
};

/* RegisterImage. AWS_ONCE_SENT, but see ERR_AWS with code InvalidAMIName.Duplicate: an earlier send
 * may have made it.
 *   ret_image_id  EC2_ID_BYTES */
bool ec2_register_image(struct ec2 *ec2, const struct ec2_register_image *what, int64_t deadline_ms,
                        const struct cancel *cancel, char *ret_image_id, struct err *err);

struct ec2_create_image {
    const char *instance_id;
    const char *name;
    const char *description;
    const char *const *exclude_devices; /* names that get NoDevice: no snapshot is made of them */
    size_t exclude_count;
    const struct ec2_tags *image_tags;
    const struct ec2_tags *snapshot_tags; /* on the snapshots that EC2 makes for it */
};

/* CreateImage with NoReboot=true: an instant of its own, crash consistent. AWS_ONCE_SENT. */
bool ec2_create_image(struct ec2 *ec2, const struct ec2_create_image *what, int64_t deadline_ms,
                      const struct cancel *cancel, char *ret_image_id, struct err *err);

/* --- looking --- */

enum ec2_image_state {
    EC2_IMAGE_UNKNOWN,
    EC2_IMAGE_PENDING,
    EC2_IMAGE_AVAILABLE,
    EC2_IMAGE_GONE,  /* deregistered, disabled */
    EC2_IMAGE_FAILED /* failed, error, invalid */
};
const char *ec2_image_state_name(enum ec2_image_state state); /* static */

enum { EC2_MAPPINGS_MAX = 128 };

struct ec2_image {
    char id[EC2_ID_BYTES];
    char name[4 * 128 + 1];
    char owner_id[EC2_ID_BYTES];
    enum ec2_image_state state;
    char state_text[EC2_ID_BYTES]; /* as EC2 said it */
    char state_reason[256];        /* cut */
    char architecture[EC2_ID_BYTES];
    char virtualization_type[EC2_ID_BYTES];
    char root_device_name[EC2_NAME_BYTES];
    char root_device_type[EC2_ID_BYTES];
    char boot_mode[EC2_ID_BYTES];
    char tpm_support[EC2_ID_BYTES];
    char imds_support[EC2_ID_BYTES];
    char sriov_net_support[EC2_ID_BYTES];
    char platform_details[EC2_NAME_BYTES];
    char usage_operation[EC2_NAME_BYTES];
    enum ec2_flag ena_support;
    int64_t creation_utc_us;                       /* 0 where not told */
    struct ec2_mapping mappings[EC2_MAPPINGS_MAX]; /* those with a snapshot */
    size_t mapping_count;
    char product_codes[EC2_PRODUCTS_MAX][EC2_NAME_BYTES];
    size_t product_code_count;
    struct ec2_tags tags;
};

/* DescribeImages of our own account, page by page; as ec2_describe_snapshots. */
bool ec2_describe_images(struct ec2 *ec2, const char *const *ids, size_t id_count,
                         const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                         const struct cancel *cancel,
                         bool (*each)(void *self, const struct ec2_image *image, struct err *err),
                         void *self, struct err *err);

/* --- removing --- */

/* DeregisterImage; its snapshots stay. AWS_IDEMPOTENT: one that is gone counts as done (true). */
bool ec2_deregister_image(struct ec2 *ec2, const char *image_id, int64_t deadline_ms,
                          const struct cancel *cancel, struct err *err);

#endif
