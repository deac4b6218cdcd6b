/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/base/parse.h"

enum { LONGEST = 19 /* "2026-11-24T08:15:31" */ };

/* TEXT is of the shape, digit for digit, as far as it goes. */
static bool has_shape(const char *text, size_t len)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (size_t i = 0; i < len; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        bool ok = shape[i] == '0'   ? digit
                  : shape[i] == 'T' ? text[i] == 'T' || text[i] == ' '
                                    : text[i] == shape[i];
        if (!ok)
            return false;
    }
    return len == 10 || len == 16 || len == LONGEST;
}

static int number(const char *text, int digits)
{
    int value = 0;

    for (int i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* False: there is no such day, hour or minute. */
static bool to_seconds(const struct tm *wanted, bool utc, time_t *ret_seconds)
{
    struct tm tm = *wanted;

    tm.tm_isdst = -1;
    *ret_seconds = utc ? timegm(&tm) : mktime(&tm);
    /* An hour that a change of clocks leaves out is moved, a 31st of November must not be. */
    return wanted->tm_hour < 24 && wanted->tm_min < 60 && wanted->tm_sec < 60 &&
           tm.tm_mon == wanted->tm_mon && tm.tm_mday == wanted->tm_mday;
}

static bool read_date(const char *text, int64_t *ret_us)
{
    size_t len = strlen(text);
    bool utc = len > 0 && text[len - 1] == 'Z';
    char full[LONGEST + 1] = "0000-00-00T00:00:00";
    time_t seconds;

    len -= utc;
    if (len > LONGEST || !has_shape(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        full[i] = text[i]; /* what is not given stays zero */
    const struct tm tm = {.tm_year = number(full, 4) - 1900,
                          .tm_mon = number(full + 5, 2) - 1,
                          .tm_mday = number(full + 8, 2),
                          .tm_hour = number(full + 11, 2),
                          .tm_min = number(full + 14, 2),
                          .tm_sec = number(full + 17, 2)};
    if (!to_seconds(&tm, utc, &seconds))
        return false;
    *ret_us = (int64_t)seconds * 1000000;
    return true;
}

bool cli_when_parse(const char *text, struct cli_when *ret_when, struct err *err)
{
    static const int64_t century_ms = 100LL * 366 * 24 * 60 * 60 * 1000;
    struct err ignored = ERR_INIT; /* what it is not */
    int64_t value;

    if (parse_duration_ms(text, 0, century_ms, &value, &ignored)) {
        *ret_when = (struct cli_when){true, true, value * 1000};
        return true;
    }
    if (read_date(text, &value)) {
        *ret_when = (struct cli_when){true, false, value};
        return true;
    }
    (void)err_set(err, ERR_USAGE, 0, "'%.40s' is no time", text);
    return err_suggest(err, "write 7d for so long ago, 2026-11-24, 2026-11-24T08:15 in local time, "
                            "or 2026-11-24T08:15Z in UTC");
}

int64_t cli_when_utc_us(const struct cli_when *when, int64_t now_utc_us)
{
    return when->ago ? now_utc_us - when->us : when->us;
}
