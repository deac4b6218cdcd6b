/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_TARGET_H
#define STILLPOINT_HOOKRUN_COPY_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/hookrun/copy_wire.h"

/* The folder that files are copied into. The daemon's word is not enough for root to write
 * anywhere: root has to have put the marker there. */

/* What is wrong with it, for the reply; empty where there is nothing to say. */
struct copy_target_why {
    int os_errno;
    char text[COPY_PATH_BYTES];
    struct copy_progress room; /* COPY_NO_ROOM: ….._total is needed, ….._done is free */
};

/* Opens the folder at PATH and judges it: no symbolic link on the way, and nobody but root can put
 * another in its place: every folder above it is root's, and writable by others only with the
 * sticky bit (/tmp); itself root's, and writable by root alone; in it the marker, root's and mode
 * 0600, with ID and a newline, and nothing else (but what a session that was killed had begun to
 * copy); not full. Access lists are covered: their mask is what the group bits show. Locks it: one
 * session a folder.
 *   ret_fd    set on COPY_OK only; the caller's. It is what was judged, wherever PATH leads later
 *   ret_why   set always
 *   returns   COPY_OK, COPY_DEST_…, COPY_ABOVE_…, COPY_NO_ROOM; COPY_FAILED with its errno */
enum copy_status copy_target_open(const char *path, const char *id, int *ret_fd,
                                  struct copy_target_why *ret_why);

/* What copy_target_open would say, but for the lock; nothing is changed.
 *   preview  the marker may be missing, or the folder itself, but none above it. Of one without the
 *            marker it is not told what lies in it */
enum copy_status copy_target_ask(const char *path, const char *id, bool preview,
                                 struct copy_target_why *ret_why);

/* Whether so much more has room in the folder, with some to spare.
 *   returns  COPY_OK, COPY_NO_ROOM; COPY_FAILED, also where it is mounted read-only */
enum copy_status copy_target_fits(int fd, uint64_t bytes, uint64_t files,
                                  struct copy_target_why *ret_why);

/* Removes what has come in and was not moved to its place; a process of its own does, waited for.
 *   false  some of it stays */
bool copy_target_clear(int fd);

#endif
