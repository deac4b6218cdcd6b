/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_FREEZER_H
#define STILLPOINT_GUARD_FREEZER_H

#include "agent/guard/guard_twin.h"

/* The freezer: the process that makes the calls which can sit in the kernel for as long as a disk
 * is slow (syncfs, the manifest, FIFREEZE), and thaws alone when the keeper is gone. */

/* Obeys orders until the keeper's end closes; nothing is frozen by it then. Returns the exit code:
 * 1, since it never ends of its own will. */
int guard_freezer_run(struct guard_twin *twin, struct guard_manifest *manifest);

/* Writes the manifest under the directory DIR_FD, as a temporary file first.
 *   0 or the errno; after a failure the temporary file is gone, and an older manifest, too */
int guard_freezer_write_manifest(int dir_fd, const uint8_t *bytes, size_t length);

#endif
