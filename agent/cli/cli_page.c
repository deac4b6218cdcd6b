/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_page.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/base/utf8.h"

enum { COLUMNS_MIN = 40, COLUMNS_DEFAULT = 80, COLUMNS_MAX = 160 };

struct cli_look cli_look_of(int fd, const char *(*env)(const char *name))
{
    const char *term = env("TERM"), *no_colour = env("NO_COLOR"), *columns = env("COLUMNS");
    struct cli_look look = {.columns = COLUMNS_DEFAULT};
    struct winsize size = {0, 0, 0, 0};
    struct err passed_over = ERR_INIT; /* a COLUMNS that is no number is nobody's error */
    int64_t wanted;
    bool terminal = isatty(fd) == 1;

    look.moving = terminal && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
    look.colour = look.moving && (no_colour == NULL || no_colour[0] == '\0');
    look.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (columns != NULL && parse_int64(columns, 1, 10000, &wanted, &passed_over))
        look.columns = (int)wanted;
    else if (terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        look.columns = size.ws_col;
    look.columns = look.columns < COLUMNS_MIN   ? COLUMNS_MIN
                   : look.columns > COLUMNS_MAX ? COLUMNS_MAX
                                                : look.columns;
    return look;
}

void cli_page_text(struct cli_page *page, const char *ours)
{
    struct err err = ERR_INIT;

    if (!buf_add_text(&page->text, ours, &err))
        page->broken = true;
}

void cli_page_printf(struct cli_page *page, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli_page_text(page, text);
}

/* What a terminal could take for an order, or what makes text read otherwise than it is written:
 * controls (C0, DEL, C1), line and paragraph separators, bidirectional marks, the byte order mark.
 */
static bool dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
           (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

static bool clean_some(struct buf *ret_text, const char *theirs, size_t len, bool unicode,
                       struct err *err)
{
    uint32_t point = 0;

    for (size_t at = 0; at < len;) {
        size_t step = utf8_next(theirs + at, len - at, &point);
        bool ok;
        if (step == 0)
            ok = buf_printf(ret_text, err, "\\x%02x", (unsigned char)theirs[at]);
        else if (dangerous(point) || (point >= 0x80 && !unicode))
            ok = point < 0x80      ? buf_printf(ret_text, err, "\\x%02x", point)
                 : point < 0x10000 ? buf_printf(ret_text, err, "\\u%04x", point)
                                   : buf_printf(ret_text, err, "\\U%08x", point);
        else
            ok = buf_add(ret_text, theirs + at, step, err);
        if (!ok)
            return false;
        at += step > 0 ? step : 1;
    }
    return true;
}

bool cli_clean(struct buf *ret_text, const char *theirs, bool unicode, struct err *err)
{
    return clean_some(ret_text, theirs, strlen(theirs), unicode, err);
}

void cli_page_clean(struct cli_page *page, const char *theirs)
{
    struct err err = ERR_INIT;

    if (!cli_clean(&page->text, theirs ? theirs : "-", page->look.unicode, &err))
        page->broken = true;
}

void cli_page_clean_lines(struct cli_page *page, const char *theirs, int indent)
{
    struct err err = ERR_INIT;

    for (;;) {
        size_t len = strcspn(theirs, "\n");
        if (!clean_some(&page->text, theirs, len, page->look.unicode, &err))
            page->broken = true;
        if (theirs[len] == '\0' || theirs[len + 1] == '\0')
            return;
        theirs += len + 1;
        cli_page_printf(page, "\n%*s", indent, "");
    }
}

void cli_page_style(struct cli_page *page, enum cli_style style)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "\033[0m",   [CLI_BOLD] = "\033[1m",  [CLI_DIM] = "\033[2m",
        [CLI_GOOD] = "\033[32m",   [CLI_WARN] = "\033[33m", [CLI_BAD] = "\033[1;31m",
        [CLI_ACCENT] = "\033[36m",
    };

    if (page->look.colour)
        cli_page_text(page, codes[style]);
}

void cli_page_heading(struct cli_page *page, const char *ours)
{
    cli_page_text(page, "\n");
    cli_page_style(page, CLI_BOLD);
    cli_page_text(page, ours);
    cli_page_style(page, CLI_PLAIN);
    cli_page_text(page, "\n");
}

void cli_page_field(struct cli_page *page, const char *ours, int width)
{
    cli_page_printf(page, "  %-*s  ", width, ours);
}

void cli_page_fact(struct cli_page *page, const char *ours, const char *theirs)
{
    if (theirs == NULL || theirs[0] == '\0')
        return;
    cli_page_field(page, ours, CLI_FIELD_WIDTH);
    cli_page_clean(page, theirs);
    cli_page_text(page, "\n");
}

void cli_page_styled(struct cli_page *page, enum cli_style style, const char *theirs)
{
    cli_page_style(page, style);
    cli_page_clean(page, theirs);
    cli_page_style(page, CLI_PLAIN);
}

void cli_page_count(struct cli_page *page, int64_t count, const char *our_noun)
{
    cli_page_printf(page, "%" PRId64 " %s%s", count, our_noun, count == 1 ? "" : "s");
}

void cli_page_repeat(struct cli_page *page, const char *ours, int count)
{
    for (int i = 0; i < count; i++)
        cli_page_text(page, ours);
}

bool cli_page_write(const struct cli_page *page, FILE *file, struct err *err)
{
    if (page->broken)
        return err_set(err, ERR_INTERNAL, 0, "out of memory for the output");
    errno = 0;
    if (fwrite(buf_text(&page->text), 1, page->text.len, file) == page->text.len &&
        fflush(file) == 0)
        return true;
    if (errno == EPIPE)
        return true;
    return err_set(err, ERR_SYS, errno, "cannot write the output");
}

void cli_page_free(struct cli_page *page)
{
    buf_free(&page->text);
}

int cli_columns(const char *text)
{
    size_t left = strlen(text);
    uint32_t point = 0;
    int columns = 0;

    while (left > 0) {
        size_t step = utf8_next(text, left, &point);
        int width = step > 0 ? wcwidth((wchar_t)point) : 1;
        columns += width < 0 ? 1 : width; /* -1: the locale does not know it */
        step = step > 0 ? step : 1;
        text += step;
        left -= step;
    }
    return columns;
}

/* --- words for numbers and times -------------------------------------------------------------- */

static char *local(int64_t utc_us, bool with_us, char *text)
{
    time_t seconds = (time_t)(utc_us / 1000000 - (utc_us % 1000000 < 0));
    int64_t us = utc_us - (int64_t)seconds * 1000000;
    struct tm tm;
    char zone[24];

    if (localtime_r(&seconds, &tm) == NULL) {
        (void)snprintf(text, CLI_TIME_BYTES, "-");
        return text;
    }
    size_t len = strftime(text, CLI_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
    if (strftime(zone, sizeof(zone), "%Z", &tm) == 0)
        zone[0] = '\0';
    if (with_us)
        (void)snprintf(text + len, CLI_TIME_BYTES - len, ".%06" PRId64 " %s", us, zone);
    else
        (void)snprintf(text + len, CLI_TIME_BYTES - len, " %s", zone);
    return text;
}

char *cli_local_time(int64_t utc_us, char *text)
{
    return local(utc_us, false, text);
}

char *cli_local_time_us(int64_t utc_us, char *text)
{
    return local(utc_us, true, text);
}

char *cli_local_date(int64_t utc_us, char *text)
{
    (void)local(utc_us, false, text);
    text[strcspn(text, " ")] = '\0';
    return text;
}

char *cli_span(int64_t seconds, char *text)
{
    int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

    if (days > 0)
        (void)snprintf(text, CLI_TIME_BYTES, "%" PRId64 "d %" PRId64 "h", days, hours % 24);
    else if (hours > 0)
        (void)snprintf(text, CLI_TIME_BYTES, "%" PRId64 "h %" PRId64 "m", hours, minutes % 60);
    else if (minutes > 0)
        (void)snprintf(text, CLI_TIME_BYTES, "%" PRId64 "m %" PRId64 "s", minutes, seconds % 60);
    else
        (void)snprintf(text, CLI_TIME_BYTES, "%" PRId64 "s", seconds < 0 ? 0 : seconds);
    return text;
}

const char *cli_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool cli_num(const json_t *object, const char *key, double *ret_value)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value))
        return false;
    *ret_value = json_number_value(value);
    return true;
}

bool cli_int(const json_t *object, const char *key, int64_t *ret_value)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        return false;
    *ret_value = json_integer_value(value);
    return true;
}

bool cli_time(const json_t *object, const char *key, int64_t *ret_utc_us)
{
    const char *text = cli_str(object, key);

    return text != NULL && clock_utc_parse(text, ret_utc_us);
}
