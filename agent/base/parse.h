/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PARSE_H
#define STILLPOINT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Strict readers of what people and machines write: the whole text or nothing, no white space, no
 * sign where none makes sense. Every failure is ERR_USAGE with the text in it and the accepted
 * form as remedy; callers wrap it with where it stood. */

bool parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct err *err);
/* "500ms" "10s" "5m" "7h" "7d" "2w"; a plain number only where it is 0. */
bool parse_duration_ms(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret_ms,
                       struct err *err);
/* "64MiB" "4KiB" "1GiB" "1TiB" "512B". */
bool parse_size_bytes(const char *text, int64_t min_bytes, int64_t max_bytes, int64_t *ret_bytes,
                      struct err *err);
/* yes/no, true/false, on/off, 1/0. */
bool parse_bool(const char *text, bool *ret_value, struct err *err);
/* "key=value" split at the first '='; KEY must not be empty.
 *   ret_key, ret_value  given to the caller (free) */
bool parse_key_value(const char *text, char **ret_key, char **ret_value, struct err *err);

/* "MAJ:MIN", a device's number as the kernel writes it. No err: it is the caller who knows what the
 * text is. */
bool parse_device(const char *text, uint32_t *ret_major, uint32_t *ret_minor);

/* Makes a byte of each \OOO in TEXT, in place, as the kernel writes blanks in its tables; any other
 * backslash stays. */
void parse_unescape(char *text);

/* The candidate that is nearest to WORD (edit distance at most 3 and below half its length), or
 * NULL. For "did you mean". CANDIDATES ends with NULL; the result is one of them. */
const char *parse_nearest(const char *word, const char *const *candidates);

/* "850ms", "10s", "1m", "1h30m": for messages, the two largest units. TEXT has room for 32 bytes;
 * returns TEXT. */
char *parse_duration_text(int64_t ms, char *text);

/* Cuts TEXT in place to at most MAX_CHARS Unicode characters and MAX_BYTES bytes without breaking
 * UTF-8. Bytes that are not UTF-8 count one character each. */
void parse_cut_utf8(char *text, size_t max_chars, size_t max_bytes);

#endif
