/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SECRET_H
#define STILLPOINT_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* A text that must not be printed: a type of its own, which no formatter takes. Its bytes lie in
 * pages that are kept out of core dumps and swap where the limits allow, and are wiped when freed.
 * The header is the only thing that a struct copy copies: one owner. */
struct secret {
    char *bytes; /* NUL-ended; only for signing and for handing to a library */
    size_t len;
    size_t mapped_bytes;
};

#define SECRET_INIT                                                                                \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* Replaces what it held (wiped). LEN at most 64 KiB: ERR_LIMIT. */
bool secret_set(struct secret *secret, const char *text, size_t len, struct err *err);
bool secret_copy(struct secret *to, const struct secret *from, struct err *err);
void secret_free(struct secret *secret); /* wipes; idempotent */
bool secret_is_set(const struct secret *secret);

#endif
