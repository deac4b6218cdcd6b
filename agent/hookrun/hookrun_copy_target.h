/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_TARGET_H
#define STILLPOINT_HOOKRUN_COPY_TARGET_H

#include <stdbool.h>

#include "agent/hookrun/copy_wire.h"

/* The folder that files are copied into. The daemon's word is not enough for root to write
 * anywhere: root has to have put the marker there. */

/* Opens the folder at PATH and judges it: no symbolic link on the way; root's, and writable by root
 * alone; in it the marker, root's and mode 0600, with ID and a newline, and nothing else
 * (but what a session that was killed had begun to copy). Locks it: one session a folder.
 *   ret_fd    set on COPY_OK only; the caller's. It is what was judged, wherever PATH leads later
 *   returns   COPY_OK, COPY_DEST_…; COPY_FAILED with errno */
enum copy_status copy_target_open(const char *path, const char *id, int *ret_fd, char *ret_other,
                                  size_t other_bytes);

/* Removes what has come in and was not moved to its place; a process of its own does, waited for.
 *   false  some of it stays */
bool copy_target_clear(int fd);

#endif
