/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_LOG_H
#define STILLPOINT_GUARD_LOG_H

/* One line an event on stderr, with journald's level in front unless it is a terminal:
 * "<6>event=lease_end cause=told whole=1". A line that would have to wait is lost instead. Never
 * called while anything is frozen, nor from what runs then. */

enum { GUARD_LOG_ERROR = 3, GUARD_LOG_WARNING = 4, GUARD_LOG_NOTICE = 5, GUARD_LOG_INFO = 6 };

void guard_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* TEXT with everything but printable ASCII, quotes and backslashes as '?', cut to fit; in a buffer
 * that the next call overwrites. */
const char *guard_log_text(const char *text);

#endif
