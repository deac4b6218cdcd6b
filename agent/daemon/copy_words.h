/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COPY_WORDS_H
#define STILLPOINT_COPY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/hookrun/copy_wire.h"

/* What a copy session answered, for people. Pure. */

/* Words for a REPLY that is not COPY_OK, with the remedy where one is known; false.
 *   what  was asked for: "volume groups" */
bool copy_words_refused(const struct copy_reply *reply, const char *what, struct err *err);

/* The end of TEXT, LEN long, on one line, printable, in at most SIZE bytes of WORDS: returns it. */
const char *copy_words_last(const char *text, size_t len, char *words, size_t size);

#endif
