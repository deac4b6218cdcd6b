/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TAG_H
#define STILLPOINT_TAG_H

#include <stdbool.h>

#include "agent/base/err.h"

/* What EC2 takes as a tag, in characters, and which of them are the operator's. */
enum {
    TAG_KEY_CHARS_MAX = 128,
    TAG_VALUE_CHARS_MAX = 256,
    TAG_OWN_MAX = 15 /* of the operator's own: a resource has 50, the rest are ours (catalog.h) */
};

/* Whether the operator may have the tag, wherever it was given. EC2 refuses keys of "aws:" in
 * whatever case; "stillpoint:" and Name are ours. Nothing is cut: a tag that lost its end would be
 * found by nobody who looks for it.
 *   false  ERR_USAGE, to be wrapped with where it stood */
bool tag_check_own(const char *key, const char *value, struct err *err);

#endif
