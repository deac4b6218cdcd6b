/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

static int64_t now_us(clockid_t which)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(which, &now); /* both clocks are there on every kernel we run on */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_boot_us(void)
{
    return now_us(CLOCK_BOOTTIME);
}

int64_t clock_boot_ms(void)
{
    return now_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_utc_us(void)
{
    return now_us(CLOCK_REALTIME);
}

bool clock_error_us(int64_t *ret_error_us, bool *ret_synced)
{
    struct timex state;

    memset(&state, 0, sizeof(state)); /* modes 0: read only */
    int answer = adjtimex(&state);
    if (answer < 0)
        return false;
    *ret_error_us = state.maxerror;
    *ret_synced = answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    return true;
}

static void split(int64_t utc_us, struct tm *ret_tm, int *ret_us)
{
    time_t seconds = (time_t)(utc_us / 1000000);
    int64_t rest = utc_us % 1000000;

    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    memset(ret_tm, 0, sizeof(*ret_tm));
    (void)gmtime_r(&seconds, ret_tm);
    *ret_us = (int)rest;
}

char *clock_utc_text(int64_t utc_us, char *text)
{
    struct tm tm;
    int us;

    split(utc_us, &tm, &us);
    size_t len = strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + len, CLOCK_TEXT_BYTES - len, ".%06dZ", us);
    return text;
}

char *clock_utc_compact(int64_t utc_us, char *text)
{
    struct tm tm;
    int us;

    split(utc_us, &tm, &us);
    (void)strftime(text, CLOCK_TEXT_BYTES, "%Y%m%dT%H%M%SZ", &tm);
    return text;
}

/* strptime takes blanks and short numbers; we don't. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape != '\0'; text++, shape++) {
        bool digit = *text >= '0' && *text <= '9';
        if (*shape == '0' ? !digit : *text != *shape)
            return false;
    }
    return true;
}

bool clock_utc_parse(const char *text, int64_t *ret_utc_us)
{
    struct tm tm, back;
    int64_t us = 0, unit = 100000;
    int back_us;

    memset(&tm, 0, sizeof(tm));
    if (!has_shape(text, "0000-00-00T00:00:00"))
        return false;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL)
        return false;
    int day = tm.tm_mday;
    bool leap = tm.tm_sec == 60; /* is the next minute's first, maybe of the next day */
    if (*rest == '.') {
        const char *digits = ++rest;
        for (; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            us += (*rest - '0') * unit; /* digits past the sixth count nothing: unit is 0 */
        if (rest == digits)
            return false;
    }
    if (strcmp(rest, "Z") != 0)
        return false;
    int64_t whole_us = (int64_t)timegm(&tm) * 1000000;
    split(whole_us, &back, &back_us);
    if (back.tm_mday != day && !leap)
        return false; /* 31 February */
    *ret_utc_us = whole_us + us;
    return true;
}
