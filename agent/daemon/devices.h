/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEVICES_H
#define STILLPOINT_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/device_map.h"
#include "agent/daemon/mounts.h"
#include "agent/daemon/mounts_fold.h"
#include "agent/daemon/strs.h"

/* From a mount's block device down to the EBS volumes below it, by sysfs alone (aws-notes.md,
 * Volumes and devices on Linux). Reads files below query->sysfs, opens no device. */

/* What EC2 says is attached to this instance (DescribeInstances with DescribeVolumes). */
struct device_attached {
    const char *volume_id;   /* "vol-0…" */
    const char *device_name; /* "/dev/sdf", as in the block device mapping */
    int64_t size_gib;        /* 0: not known */
    bool root;               /* device_name is the instance's root device */
    bool multi_attach;
};

struct device_query {
    const char *sysfs;            /* "/sys" */
    const struct device_map *map; /* NULL: none */
    const struct device_attached *attached;
    size_t attached_count;
};

enum device_kind {
    DEVICE_EBS,            /* wholly on attached volumes, or partly: see elsewhere */
    DEVICE_LOOP,           /* on a file only: backing; the plan follows it */
    DEVICE_INSTANCE_STORE, /* lost at stop; no snapshot takes it */
    DEVICE_OTHER,          /* certainly no volume of this instance: a network block device, … */
    DEVICE_UNKNOWN         /* can't be seen through: why. May lie on a volume of the set */
};

struct device_trace {
    enum device_kind kind;
    struct strs volumes;   /* ids, sorted, once each; DEVICE_EBS only */
    struct strs elsewhere; /* DEVICE_EBS: what else lies beneath that is no attached volume */
    struct strs backing;   /* files of loop devices beneath, also where the map knows the volume */
    struct strs unmapped_backing; /* those of which it does not */
    struct strs stats;            /* SYSFS/dev/block/MAJ:MIN/stat of the mount's own device(s), for
                                     devices_stat_writes */
    char *place; /* of the mount's own (first) device: "disk", "p1" for a partition,
                    "lvm:vg/lv"; NULL where it is none of these */
    char *why;   /* in words, for all but DEVICE_EBS; NULL else */
};

/* MOUNT must be of class MOUNT_BLOCK. Walks partitions, LVM, MD, dm-crypt, multipath, bcache by
 * slaves/, btrfs by its members, journal and log devices by the mount's options.
 *   ret_trace  given to the caller (devices_trace_free)
 *   false      ERR_INTERNAL; ERR_SYS where SYSFS itself can't be read. All else is a kind */
bool devices_trace(const struct device_query *query, const struct mount *mount,
                   struct device_trace *ret_trace, struct err *err);
void devices_trace_free(struct device_trace *trace); /* idempotent */

/* One trace for each entry of LIST, in its order; entries that are not MOUNT_BLOCK get an empty
 * DEVICE_OTHER. *ret_traces is given to the caller: devices_traces_free(traces, list->count). */
bool devices_trace_all(const struct device_query *query, const struct mount_list *list,
                       struct device_trace **ret_traces, struct err *err);
void devices_traces_free(struct device_trace *traces, size_t count);

/* A number that moves with every write or discard of a block device, done or under way, from the
 * text of its stat file. False where it is none. */
bool devices_stat_writes(const char *text, uint64_t *ret_writes);

#endif
