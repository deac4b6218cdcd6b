/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_MOUNT_H
#define STILLPOINT_HOOKRUN_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/hookrun/mount_wire.h"

/* Is the request one that can be looked into? Pure. */
bool hookrun_mount_check(const struct mount_request *request, size_t bytes);

/* Does it, in the mount namespace that we are in.
 *   request  checked
 *   run      the folder of our socket; NULL: not known, and what needs the record is refused
 *   fstab    "/etc/fstab" but in tests
 * *ret_reply is whole in every case. */
void hookrun_mount(const struct mount_request *request, const char *run, const char *fstab,
                   struct mount_reply *ret_reply);

#endif
