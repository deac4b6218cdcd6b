/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOG_H
#define STILLPOINT_LOG_H

#include <stdbool.h>

#include "agent/base/err.h"

/* One line an event on stderr: "<6>event=cut backup=sp-… snapshots=4". The number in front is
 * journald's level (sd-daemon(3)); it is left out where stderr is a terminal.
 *
 * Only programs log; aws/, hooks/ and base/ return errors. Any thread may call. A reader that does
 * not read can't block us: stderr is polled before each line, and what does not fit is counted and
 * told with the next line that does. While a hold lasts (log_hold to log_release) lines go to a
 * fixed ring in memory with the stamp of their moment and are written afterwards. */

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

void log_start(const char *program, enum log_level lowest); /* once, from main */

/* FMT makes the fields after event=; values with spaces are quoted by the caller with %s of
 * log_quote, or are plain words. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* event=EVENT error="…" remedy="…" */
void log_err(enum log_level level, const char *event, const struct err *err);

enum { LOG_QUOTE_BYTES = 700 };
/* TEXT in quotes with control characters, quotes and backslashes escaped, cut to fit; returns OUT
 * (LOG_QUOTE_BYTES). */
char *log_quote(const char *text, char *out);

void log_hold(void);    /* from here nothing is written */
void log_release(void); /* writes what was kept; idempotent */

#endif
