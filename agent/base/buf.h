/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BUF_H
#define STILLPOINT_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* Growing bytes with a cap. data is always ended by a NUL that len does not count, once something
 * was added; before that data is NULL. A failed call leaves the buffer as it was. */
struct buf {
    char *data;
    size_t len;
    size_t room;
    size_t max; /* hitting it is ERR_LIMIT */
};

#define BUF_INIT(max_bytes)                                                                        \
    {                                                                                              \
        NULL, 0, 0, (max_bytes)                                                                    \
    }

bool buf_add(struct buf *buf, const void *bytes, size_t len, struct err *err);
bool buf_add_text(struct buf *buf, const char *text, struct err *err);
bool buf_printf(struct buf *buf, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void buf_drop_front(struct buf *buf, size_t len); /* LEN at most buf->len */
void buf_cut(struct buf *buf, size_t len);        /* to its first LEN bytes */
void buf_clear(struct buf *buf);                  /* keeps the memory */
void buf_free(struct buf *buf);                   /* idempotent */
void buf_wipe(struct buf *buf);                   /* overwrites, then frees: for secrets */
/* The bytes as text, "" for an empty one; borrowed until the next call. */
const char *buf_text(const struct buf *buf);

#define AUTO_BUF __attribute__((cleanup(buf_free)))

#endif
