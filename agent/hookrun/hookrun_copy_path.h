/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_PATH_H
#define STILLPOINT_HOOKRUN_COPY_PATH_H

#include "agent/hookrun/hookrun_copy_session.h"

/* Paths as the node had them, and where they lead on the copy. A link never leads out of it: a
 * child follows them, for whom the copy's root folder is /. */

/* PATH with all its links followed, whether on the copy or not; it has to exist.
 *   COPY_FAILED with errno: said in the reply */
enum copy_status copy_path_follow(struct copy_session *session, const char *path, char *ret_path,
                                  size_t bytes, int64_t deadline_ms);

/* The mount of the copy's that PATH, without links, lies on; NULL. */
const struct copy_mounted *copy_path_mount(const struct copy_session *session, const char *path);

/* Where PATH, absolute and plain as on the node, leads to on the copy, symbolic links followed
 * within it: RET_PATH (COPY_PATH_BYTES or more) begins with /, without COPY_TREE in front.
 *   writable  it has to lie on a writable mount
 *   COPY_NO_FILE, COPY_OUTSIDE (on no mount of the copy's): said in the reply */
enum copy_status copy_path_resolve(struct copy_session *session, const char *path, bool writable,
                                   char *ret_path, size_t bytes, int64_t deadline_ms);

/* The same, but for the last component, which is taken as it is, a link or not; it may also be a
 * folder above the copy's mounts. */
enum copy_status copy_path_find(struct copy_session *session, const char *path, char *ret_path,
                                size_t bytes, int64_t deadline_ms);

/* PATH of the copy as the session sees it; false: too long. */
bool copy_path_seen(const struct copy_session *session, const char *path, char *ret_path,
                    size_t bytes);

#endif
