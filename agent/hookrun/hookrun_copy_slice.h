/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_COPY_SLICE_H
#define STILLPOINT_HOOKRUN_COPY_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/hookrun/hookrun_copy_session.h"

/* Partitions of a disk whose table the kernel did not read (not every kernel knows every table, and
 * loop devices have to be told): each as a loop device of its own, which is gone when nothing has
 * it open or mounted any more, so also after a kill. Telling the kernel of them instead would leave
 * them in its table of a device that lives on. */

struct copy_slice {
    unsigned number;
    uint64_t start_bytes, size_bytes;
};

enum { COPY_SLICES_MAX = 64 };

/* The table of /dev/NODE, as partx reads it. None where there is no partx, or no table that it
 * knows. COPY_OK with *ret_count, or the reply says why not */
enum copy_status copy_slice_list(struct copy_session *session, const char *node,
                                 struct copy_slice ret_list[COPY_SLICES_MAX], size_t *ret_count,
                                 int64_t deadline_ms);
/* Makes SLICE of /dev/NODE a device in our /dev, open until the session ends.
 *   ret_node  its name there; COPY_NAME_BYTES
 *   returns   an errno, or 0 */
int copy_slice_open(const char *node, const struct copy_slice *slice, char *ret_node);

/* Reads a line "NUMBER START SIZE", sectors of 512 bytes, bytes. Pure. */
bool copy_slice_read(const char *line, struct copy_slice *ret_slice);

#endif
