/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/err.h"

#include <stdio.h>
#include <string.h>

/* Ends TEXT (cut by snprintf) before a UTF-8 sequence that is no longer whole. */
static void trim_broken_utf8(char *text, size_t size)
{
    size_t len = strnlen(text, size);
    size_t start = len;

    if (len + 1 < size)
        return; /* nothing was cut */
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (want > 1 && len - (start - 1) < want)
        text[start - 1] = '\0';
}

bool err_set(struct err *err, enum err_kind kind, int os_errno, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->kind = kind;
    err->os_errno = os_errno;
    err->remedy[0] = '\0';
    if (os_errno != 0) {
        char reason[96];
        const char *said = strerror_r(os_errno, reason, sizeof(reason));
        if (snprintf(err->text, sizeof(err->text), "%s: %s", text, said) < 0)
            err->text[0] = '\0';
    } else {
        memcpy(err->text, text, sizeof(text));
    }
    trim_broken_utf8(err->text, sizeof(err->text));
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    char front[ERR_TEXT_BYTES], whole[2 * ERR_TEXT_BYTES + 4];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(front, sizeof(front), fmt, args);
    va_end(args);
    (void)snprintf(whole, sizeof(whole), "%s: %s", front, err->text);
    whole[sizeof(err->text) - 1] = '\0';
    memcpy(err->text, whole, sizeof(err->text));
    trim_broken_utf8(err->text, sizeof(err->text));
    return false;
}

bool err_suggest(struct err *err, const char *fmt, ...)
{
    va_list args;

    if (err->remedy[0] != '\0')
        return false;
    va_start(args, fmt);
    (void)vsnprintf(err->remedy, sizeof(err->remedy), fmt, args);
    va_end(args);
    trim_broken_utf8(err->remedy, sizeof(err->remedy));
    return false;
}

enum err_kind err_kind_named(const char *name)
{
    for (int kind = ERR_NONE; kind <= ERR_NOT_FOUND; kind++) {
        if (name != NULL && strcmp(err_kind_name((enum err_kind)kind), name) == 0)
            return (enum err_kind)kind;
    }
    return ERR_INTERNAL;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_INTERNAL] = "internal",
        [ERR_USAGE] = "usage",
        [ERR_CONFIG] = "config",
        [ERR_SYS] = "system",
        [ERR_DEADLINE] = "deadline",
        [ERR_CANCELLED] = "cancelled",
        [ERR_LIMIT] = "limit",
        [ERR_PROTOCOL] = "protocol",
        [ERR_PRECONDITION] = "precondition",
        [ERR_BUSY] = "busy",
        [ERR_GUARD] = "guard",
        [ERR_LEASE] = "lease",
        [ERR_NET] = "network",
        [ERR_SENT] = "sent",
        [ERR_TLS] = "tls",
        [ERR_AWS] = "aws",
        [ERR_AWS_DENIED] = "aws-denied",
        [ERR_AWS_AUTH] = "aws-auth",
        [ERR_AWS_THROTTLED] = "aws-throttled",
        [ERR_AWS_NOT_FOUND] = "aws-not-found",
        [ERR_CREDENTIALS] = "credentials",
        [ERR_IMDS] = "imds",
        [ERR_DB] = "database",
        [ERR_DB_LOCK] = "database-lock",
        [ERR_HOOK] = "hook",
        [ERR_NOT_FOUND] = "not-found",
    };
    size_t index = (size_t)kind;

    return index < sizeof(names) / sizeof(names[0]) && names[index] ? names[index] : "unknown";
}
