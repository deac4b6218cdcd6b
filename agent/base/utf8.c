/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/utf8.h"

#include <string.h>

size_t utf8_next(const char *text, size_t left, uint32_t *ret_point)
{
    /* The least value that each length may carry: below it the form is overlong. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)text;
    size_t len;
    uint32_t point;

    if (left == 0)
        return 0;
    if (byte[0] < 0x80) {
        *ret_point = byte[0];
        return 1;
    }
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return 0;
    len = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    if (len > left)
        return 0;
    point = byte[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (byte[i] & 0x3fU);
    }
    if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return len;
}

bool utf8_add_valid(struct buf *ret_buf, const char *text, size_t len, struct err *err)
{
    size_t good = 0, at = 0;
    uint32_t point;

    while (at < len) {
        size_t step = utf8_next(text + at, len - at, &point);
        if (step > 0) {
            at += step;
            continue;
        }
        if (!buf_add(ret_buf, text + good, at - good, err) ||
            !buf_add_text(ret_buf, "\xef\xbf\xbd", err))
            return false;
        good = ++at;
    }
    return buf_add(ret_buf, text + good, len - good, err);
}

bool utf8_is_valid(const char *text)
{
    size_t left = strlen(text);
    uint32_t point;

    while (left > 0) {
        size_t step = utf8_next(text, left, &point);
        if (step == 0)
            return false;
        text += step;
        left -= step;
    }
    return true;
}

size_t utf8_count(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}
