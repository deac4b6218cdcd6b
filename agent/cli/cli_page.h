/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_PAGE_H
#define STILLPOINT_CLI_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* Text for a terminal, made whole before it is written. What comes from outside (tags, paths,
 * answers of the daemon) goes through cli_page_clean or a table cell: control characters, also
 * those of bidirectional text, become escapes, so that no tag can move the cursor. */

struct cli_look {
    bool colour;  /* SGR sequences */
    bool unicode; /* box characters and letters beyond ASCII */
    bool moving;  /* a line may be written over: progress */
    int columns;
};

/* How the terminal at FD wants it: colour and progress only on a terminal that is not dumb, colour
 * not with NO_COLOR; UTF-8 by the locale that main has set.
 *   env  getenv's shape */
struct cli_look cli_look_of(int fd, const char *(*env)(const char *name));

struct cli_page {
    struct buf text;
    struct cli_look look;
    bool broken; /* no memory, or past the cap: cli_page_write says so */
};

enum { CLI_PAGE_BYTES_MAX = 64 * 1024 * 1024 };

#define CLI_PAGE_INIT(the_look)                                                                    \
    {                                                                                              \
        BUF_INIT(CLI_PAGE_BYTES_MAX), (the_look), false                                            \
    }

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GOOD, CLI_WARN, CLI_BAD, CLI_ACCENT };

void cli_page_text(struct cli_page *page, const char *ours);
/* Numbers and our own words only. */
void cli_page_printf(struct cli_page *page, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "1 file", "2 files". */
void cli_page_count(struct cli_page *page, int64_t count, const char *our_noun);
/* NULL: "-". */
void cli_page_clean(struct cli_page *page, const char *theirs);
/* The same for text of several lines: each but the first begins with INDENT blanks. */
void cli_page_clean_lines(struct cli_page *page, const char *theirs, int indent);
/* Nothing without colour. CLI_PLAIN ends the others. */
void cli_page_style(struct cli_page *page, enum cli_style style);
void cli_page_heading(struct cli_page *page, const char *ours); /* an empty line before it */
enum { CLI_FIELD_WIDTH = 11 };
/* "  NAME     ", padded to WIDTH: the value follows. */
void cli_page_field(struct cli_page *page, const char *ours, int width);
/* A whole line of that kind; none at all where THEIRS is NULL or "". */
void cli_page_fact(struct cli_page *page, const char *ours, const char *theirs);
void cli_page_styled(struct cli_page *page, enum cli_style style, const char *theirs);
void cli_page_repeat(struct cli_page *page, const char *ours, int count);

/* Writes and flushes.
 *   false  ERR_SYS; ERR_INTERNAL where the page is broken. A reader that has gone (EPIPE) is true:
 *          it has seen what it wanted */
bool cli_page_write(const struct cli_page *page, FILE *file, struct err *err);
void cli_page_free(struct cli_page *page); /* idempotent */

#define AUTO_PAGE __attribute__((cleanup(cli_page_free)))

/* What cli_page_clean adds. */
bool cli_clean(struct buf *ret_text, const char *theirs, bool unicode, struct err *err);
/* How many columns TEXT (clean, without styles) takes. */
int cli_columns(const char *text);

/* --- words for numbers and times -------------------------------------------------------------- */

enum { CLI_TIME_BYTES = 64 };
/* "2026-11-24 09:15:31 CET", in local time; returns TEXT (CLI_TIME_BYTES). */
char *cli_local_time(int64_t utc_us, char *text);
char *cli_local_time_us(int64_t utc_us, char *text); /* with ".206811" */
char *cli_local_date(int64_t utc_us, char *text);    /* "2026-11-24" */
/* "3h 12m", "2d 4h", "45s"; returns TEXT (CLI_TIME_BYTES). */
char *cli_span(int64_t seconds, char *text);

/* Members of a JSON object that may be missing or of another type: then NULL, or false. */
const char *cli_str(const json_t *object, const char *key);
bool cli_num(const json_t *object, const char *key, double *ret_value);
bool cli_int(const json_t *object, const char *key, int64_t *ret_value);
bool cli_time(const json_t *object, const char *key, int64_t *ret_utc_us); /* an ISO text */

#endif
