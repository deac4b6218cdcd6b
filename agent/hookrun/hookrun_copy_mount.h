/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_MOUNT_H
#define STILLPOINT_HOOKRUN_COPY_MOUNT_H

#include "agent/hookrun/hookrun_copy_session.h"

/* The copy's filesystems: LOOK, CHECK, MOUNT. */

enum copy_status copy_mount_look(struct copy_session *session, int64_t deadline_ms);
enum copy_status copy_mount_check(struct copy_session *session, int64_t deadline_ms);
enum copy_status copy_mount_add(struct copy_session *session, int64_t deadline_ms);
/* Unmounts all, the latest first. What can't be goes with the namespace. */
enum copy_status copy_mount_end(struct copy_session *session, int64_t deadline_ms);

#endif
