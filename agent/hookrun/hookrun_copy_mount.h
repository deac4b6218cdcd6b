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

/* Where PATH, absolute and plain as on the node, leads to on the copy, symbolic links followed
 * within it: RET_PATH (COPY_PATH_BYTES or more) begins with /, without COPY_TREE in front.
 *   writable  it has to lie on a writable mount
 *   COPY_NO_FILE, COPY_OUTSIDE (on no mount of the copy's): said in the reply */
enum copy_status copy_mount_resolve(struct copy_session *session, const char *path, bool writable,
                                    char *ret_path, size_t bytes, int64_t deadline_ms);

/* The same, but for the last component, which is taken as it is, a link or not; it may also be a
 * folder above the copy's mounts. */
enum copy_status copy_mount_find(struct copy_session *session, const char *path, char *ret_path,
                                 size_t bytes, int64_t deadline_ms);

/* PATH of the copy as the session sees it; false: too long. */
bool copy_mount_path(const struct copy_session *session, const char *path, char *ret_path,
                     size_t bytes);

#endif
