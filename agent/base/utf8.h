/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_UTF8_H
#define STILLPOINT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */

/* The bytes of the character at TEXT, of which LEFT are there; 0 where they are none. */
size_t utf8_next(const char *text, size_t left, uint32_t *ret_point);
bool utf8_is_valid(const char *text);
/* How many characters a valid TEXT has. */
size_t utf8_count(const char *text);
/* Adds LEN bytes of TEXT to RET_BUF with U+FFFD for each byte that belongs to no character. */
bool utf8_add_valid(struct buf *ret_buf, const char *text, size_t len, struct err *err);

#endif
