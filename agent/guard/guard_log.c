/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void guard_log(int level, const char *fmt, ...)
{
    static char line[1024];
    struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
    int head = isatty(STDERR_FILENO) ? 0 : snprintf(line, sizeof(line), "<%d>", level);
    va_list args;

    va_start(args, fmt);
    int body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, args);
    va_end(args);
    if (head < 0 || body < 0 || poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0)
        return;
    size_t length = strlen(line);
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0)
        return; /* nobody is left to be told */
}

const char *guard_log_text(const char *text)
{
    static char clean[512];
    size_t at = 0;

    for (; text[at] != '\0' && at + 1 < sizeof(clean); at++) {
        char one = text[at];
        clean[at] = one >= ' ' && one <= '~' && one != '"' && one != '\\' ? one : '?';
    }
    clean[at] = '\0';
    return clean;
}
