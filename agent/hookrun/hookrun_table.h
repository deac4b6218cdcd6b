/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_TABLE_H
#define STILLPOINT_HOOKRUN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/hookrun/mount_wire.h"

/* What is mounted, and who is in the way of unmounting it. */

enum { HOOKRUN_TYPE_BYTES = 32, HOOKRUN_OPTIONS_BYTES = 1024 };

struct hookrun_mount_entry {
    uint32_t dev_major, dev_minor;
    char root[MOUNT_PATH_BYTES]; /* what of the filesystem: "/" */
    char path[MOUNT_PATH_BYTES];
    char type[HOOKRUN_TYPE_BYTES];
    char options[HOOKRUN_OPTIONS_BYTES]; /* the mount's and the filesystem's, with commas */
};

/* Reads one line of mountinfo. Pure. False: it is none, or longer than we take. */
bool hookrun_table_line(char *line, struct hookrun_mount_entry *ret_entry);
/* What is mounted at PATH, on top. False: nothing. */
bool hookrun_table_at(const char *path, struct hookrun_mount_entry *ret_entry);
/* A mount that shows ROOT of the device, or what it lies in. False: there is none. */
bool hookrun_table_showing(uint32_t dev_major, uint32_t dev_minor, const char *root,
                           struct hookrun_mount_entry *ret_entry);

/* Adds to REPLY's holders who has files open below PATH (processes, loop devices). */
void hookrun_table_users(const char *path, struct mount_reply *reply);
/* Adds who holds the disk: LVM and the like, swap, processes in whose mount namespace it or a
 * partition of it is mounted. */
void hookrun_table_keepers(uint32_t dev_major, uint32_t dev_minor, struct mount_reply *reply);

#endif
