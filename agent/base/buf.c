/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct buf *buf, size_t more, struct err *err)
{
    if (more > buf->max || buf->len > buf->max - more)
        return err_set(err, ERR_LIMIT, 0, "more than %zu bytes", buf->max);
    size_t need = buf->len + more + 1;
    if (need <= buf->room)
        return true;
    size_t room = buf->room < 256 ? 256 : buf->room;
    while (room < need)
        room *= 2;
    char *data = realloc(buf->data, room);
    if (data == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory for %zu bytes", room);
    buf->data = data;
    buf->room = room;
    return true;
}

bool buf_add(struct buf *buf, const void *bytes, size_t len, struct err *err)
{
    if (!grow(buf, len, err))
        return false;
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool buf_add_text(struct buf *buf, const char *text, struct err *err)
{
    return buf_add(buf, text, strlen(text), err);
}

bool buf_printf(struct buf *buf, struct err *err, const char *fmt, ...)
{
    va_list args, again;
    bool ok = false;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    if (len < 0) {
        (void)err_set(err, ERR_INTERNAL, 0, "cannot format");
    } else if (grow(buf, (size_t)len, err)) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
        ok = true;
    }
    va_end(again);
    va_end(args);
    return ok;
}

void buf_drop_front(struct buf *buf, size_t len)
{
    if (buf->data == NULL || len > buf->len)
        return;
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}

void buf_cut(struct buf *buf, size_t len)
{
    if (buf->data == NULL || len >= buf->len)
        return;
    buf->len = len;
    buf->data[len] = '\0';
}

void buf_clear(struct buf *buf)
{
    buf_cut(buf, 0);
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->room = 0;
}

void buf_wipe(struct buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->room);
    buf_free(buf);
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}
