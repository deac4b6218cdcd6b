/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/utf8.h"

enum { LINE_BYTES = 1600, RING_LINES = 32 };

/* The one static state beside main's: stderr is one for the process. */
static struct {
    pthread_mutex_t mutex; /* guards all below */
    const char *program;
    enum log_level lowest;
    bool levels;  /* write journald's prefix */
    bool holding; /* lines go to the ring */
    unsigned lost;
    unsigned kept;
    char ring[RING_LINES][LINE_BYTES];
} log_state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .lowest = LOG_LEVEL_INFO, .levels = true};

void log_start(const char *program, enum log_level lowest)
{
    (void)pthread_mutex_lock(&log_state.mutex);
    log_state.program = program;
    log_state.lowest = lowest;
    log_state.levels = isatty(STDERR_FILENO) == 0;
    memset(log_state.ring, 0, sizeof(log_state.ring)); /* touched now, not in a hold */
    (void)pthread_mutex_unlock(&log_state.mutex);
}

/* A pipe whose reader sleeps takes nothing: count the line rather than wait. PIPE_BUF or less is
 * written whole or not at all once poll said POLLOUT (pipe(7)). */
static void write_line(const char *line)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    char note[64];

    if (poll(&fd, 1, 0) != 1 || (fd.revents & POLLOUT) == 0) {
        log_state.lost++;
        return;
    }
    if (log_state.lost > 0) {
        int len = snprintf(note, sizeof(note), "%sevent=log_lost lines=%u\n",
                           log_state.levels ? "<4>" : "", log_state.lost);
        if (len > 0 && write(STDERR_FILENO, note, (size_t)len) == len)
            log_state.lost = 0;
        if (poll(&fd, 1, 0) != 1 || (fd.revents & POLLOUT) == 0) {
            log_state.lost++;
            return;
        }
    }
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        log_state.lost++;
}

static void take_line(const char *line)
{
    if (!log_state.holding)
        write_line(line);
    else if (log_state.kept < RING_LINES)
        memcpy(log_state.ring[log_state.kept++], line, strlen(line) + 1);
    else
        log_state.lost++;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_BYTES], stamp[CLOCK_TEXT_BYTES];
    va_list args;

    (void)pthread_mutex_lock(&log_state.mutex);
    if (level <= log_state.lowest) {
        char prefix[16] = "";
        if (log_state.levels)
            (void)snprintf(prefix, sizeof(prefix), "<%d>", (int)level);
        int len = snprintf(line, sizeof(line), "%s%s%sevent=%s ", prefix,
                           log_state.program ? log_state.program : "",
                           log_state.program ? ": " : "", event);
        if (log_state.holding && len > 0 && len < LINE_BYTES)
            len += snprintf(line + len, sizeof(line) - (size_t)len, "at=%s ",
                            clock_utc_text(clock_utc_us(), stamp));
        if (len > 0 && len < LINE_BYTES) {
            va_start(args, fmt);
            (void)vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, args);
            va_end(args);
        }
        size_t end = strnlen(line, sizeof(line) - 2);
        line[end] = '\n';
        line[end + 1] = '\0';
        take_line(line);
    }
    (void)pthread_mutex_unlock(&log_state.mutex);
}

char *log_quote(const char *text, char *out)
{
    size_t at = 0;

    out[at++] = '"';
    for (size_t left = strlen(text); left > 0 && at < LOG_QUOTE_BYTES - 6;) {
        unsigned char c = (unsigned char)*text;
        uint32_t point;
        size_t step = utf8_next(text, left, &point);
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20 || c == 0x7f || step == 0) { /* journald shows other bytes as a blob */
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
        } else {
            memcpy(out + at, text, step);
            at += step;
        }
        text += step > 0 ? step : 1;
        left -= step > 0 ? step : 1;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

void log_err(enum log_level level, const char *event, const struct err *err)
{
    char text[LOG_QUOTE_BYTES], remedy[LOG_QUOTE_BYTES];

    log_event(level, event, "kind=%s error=%s remedy=%s", err_kind_name(err->kind),
              log_quote(err->text, text), log_quote(err->remedy, remedy));
}

void log_hold(void)
{
    (void)pthread_mutex_lock(&log_state.mutex);
    log_state.holding = true;
    (void)pthread_mutex_unlock(&log_state.mutex);
}

void log_release(void)
{
    (void)pthread_mutex_lock(&log_state.mutex);
    log_state.holding = false;
    for (unsigned i = 0; i < log_state.kept; i++)
        write_line(log_state.ring[i]);
    log_state.kept = 0;
    (void)pthread_mutex_unlock(&log_state.mutex);
}
