/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_METRICS_FILE_H
#define STILLPOINT_METRICS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/quiet.h"

/* The file that node_exporter reads, written by a thread of its own: where the path hangs (a
 * network mount) nobody else does. Whole or not at all, mode 0644, the last text wins. A failure is
 * logged when it begins and when it is over. */
struct metrics_file; /* opaque; any thread */

/* Starts the thread, and writes nothing yet. PATH is copied, QUIET borrowed.
 *   false  ERR_SYS, ERR_INTERNAL */
bool metrics_file_open(const char *path, struct quiet *quiet, struct metrics_file **ret_file,
                       struct err *err);
/* This is to be in it: comes back at once.
 *   take_text  swallowed */
void metrics_file_offer(struct metrics_file *file, struct buf *take_text);
/* Waits until what was offered last is in it.
 *   false  ERR_DEADLINE: it is not written yet; else why it could not be, with the remedy */
bool metrics_file_wait(struct metrics_file *file, int64_t deadline_ms, struct err *err);
/* When it was written last, 0: never; and what is wrong with it now, ERR_NONE: nothing. */
void metrics_file_tell(struct metrics_file *file, int64_t *ret_written_utc_us, struct err *ret_err);
/* Writes what was offered, for two seconds at most; then ends the thread and frees.
 *   false  it hangs: thread and memory go with the process */
bool metrics_file_close(struct metrics_file *take_file);

#endif
