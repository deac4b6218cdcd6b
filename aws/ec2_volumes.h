/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_VOLUMES_H
#define STILLPOINT_EC2_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/ec2.h"
#include "aws/ec2_describe.h"

/* Volumes that come and go: made, attached, detached, deleted, looked for. No call waits for what
 * it asked for: a new volume is `creating` for a while, an attachment `attaching`; the caller looks
 * again (ec2_list_volumes). */

enum { EC2_CLIENT_TOKEN_MAX = 64 }; /* characters, of ASCII */

/* Texts that are NULL or "" are left out, as are numbers that are 0. */
struct ec2_create_volume {
    const char *availability_zone; /* needed */
    const char *snapshot_id;       /* left out: an empty volume, of size_gib */
    int64_t size_gib;              /* 0: the snapshot's; less than that is refused by EC2 */
    const char *type;              /* "gp3"; left out: EC2's default */
    int64_t iops;                  /* only io1, io2 and gp3 take it */
    int64_t throughput_mibs;       /* only gp3 takes it */
    const char *kms_key_id;        /* EC2 takes it for encrypted volumes only */
    bool encrypted; /* false: as the snapshot is, or as the account has it by default */
    int64_t initialization_rate_mibs; /* 100 to 300: billed, no slow first reads */
    const struct ec2_tags *tags;      /* put on it in the same call; NULL: none */
    const char *client_token;         /* needed: the same one again is the same volume */
};

/* CreateVolume. AWS_IDEMPOTENT by its token.
 *   ret_volume_id  EC2_ID_BYTES
 *   false          ERR_AWS with code IdempotentParameterMismatch: the token was used for another
 *                  request; ERR_AWS_NOT_FOUND: no such snapshot. ERR_SENT, ERR_PROTOCOL: it may
 *                  exist, the same call again tells */
bool ec2_create_volume(struct ec2 *ec2, const struct ec2_create_volume *what, int64_t deadline_ms,
                       const struct cancel *cancel, char *ret_volume_id, struct err *err);

/* The same, made by nobody: EC2 judges what is asked for, and our right to it. AWS_SAFE.
 *   false  what CreateVolume would say; ERR_PROTOCOL: the endpoint passes over DryRun */
bool ec2_create_volume_dry_run(struct ec2 *ec2, const struct ec2_create_volume *what,
                               int64_t deadline_ms, const struct cancel *cancel, struct err *err);

/* AttachVolume under a device name ("/dev/sdf"). AWS_IDEMPOTENT: a volume that is attached there
 * (or being attached) already counts as done. A volume that EC2 does not show yet is tried again
 * for up to 30 s; one that is not `available` is refused by EC2 (code IncorrectState). */
bool ec2_attach_volume(struct ec2 *ec2, const char *volume_id, const char *instance_id,
                       const char *device, int64_t deadline_ms, const struct cancel *cancel,
                       struct err *err);

/* DetachVolume. AWS_IDEMPOTENT: a volume that is gone, not attached (to that instance) or being
 * detached counts as done.
 *   instance_id, device  NULL: whatever it is attached to
 *   force                only where the instance is dead: its file systems get no flush */
bool ec2_detach_volume(struct ec2 *ec2, const char *volume_id, const char *instance_id,
                       const char *device, bool force, int64_t deadline_ms,
                       const struct cancel *cancel, struct err *err);

/* DeleteVolume. AWS_IDEMPOTENT: one that is gone counts as deleted. One that is attached is refused
 * (code VolumeInUse). */
bool ec2_delete_volume(struct ec2 *ec2, const char *volume_id, int64_t deadline_ms,
                       const struct cancel *cancel, struct err *err);

/* DescribeVolumes, page by page. EACH gets one volume, borrowed for the call; a false of its ends
 * it with its err.
 *   ids  NULL or empty: by filters; else at most 200, and one that is not there is
 *        ERR_AWS_NOT_FOUND for all (EC2 says so; also for some seconds after its creation)
 *   AWS_SAFE */
bool ec2_list_volumes(struct ec2 *ec2, const char *const *ids, size_t id_count,
                      const struct ec2_filter *filters, size_t filter_count, int64_t deadline_ms,
                      const struct cancel *cancel,
                      bool (*each)(void *self, const struct ec2_volume *volume, struct err *err),
                      void *self, struct err *err);

#endif
