/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FILEIO_H
#define STILLPOINT_FILEIO_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* Adds the whole file to RET_BUF, at most its cap (ERR_LIMIT names the file). Errors name the
 * path; ERR_NOT_FOUND where it is not there, ERR_SYS else. */
bool fileio_read(const char *path, struct buf *ret_buf, struct err *err);
/* The same from an open descriptor, from where it stands; NAME is for messages. */
bool fileio_read_fd(int fd, const char *name, struct buf *ret_buf, struct err *err);
/* Replaces PATH as a whole: written next to it, fsynced, renamed, the folder fsynced. After a
 * failure the old file stands and nothing is left beside it.
 *   mode  as it is said, whatever the umask */
bool fileio_replace(const char *path, const void *bytes, size_t len, unsigned mode,
                    struct err *err);
/* Writes all of it to a descriptor that blocks. */
bool fileio_write_all(int fd, const void *bytes, size_t len, struct err *err);
/* What to do where a file of ours could not be written into FOLDER, by ERR's os_errno; only where
 * no remedy is set yet. False, as err_suggest. */
bool fileio_suggest_room(const char *folder, struct err *err);
/* Makes the directory (one level) if it is not there. */
bool fileio_mkdir(const char *path, unsigned mode, struct err *err);

#endif
