/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_STRS_H
#define STILLPOINT_STRS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* A list of owned texts in the order of adding. All zero is an empty one. */
struct strs {
    char **items;
    size_t count;
};

enum { STRS_MAX = 4096 }; /* texts in one list; more is ERR_LIMIT */

/* A failed call (ERR_INTERNAL: no memory, ERR_LIMIT) leaves the list as it was. */
bool strs_add(struct strs *strs, const char *text, struct err *err);
bool strs_printf(struct strs *strs, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool strs_add_once(struct strs *strs, const char *text, struct err *err); /* if not there yet */
bool strs_copy(struct strs *ret_strs, const struct strs *from, struct err *err);
bool strs_has(const struct strs *strs, const char *text);
void strs_sort(struct strs *strs); /* by bytes */
void strs_free(struct strs *strs); /* idempotent */
/* strdup that fails with a sentence. TEXT NULL gives NULL. */
bool strs_dup(char **ret_text, const char *text, struct err *err);
/* The same in place of what was there (freed). After a failure it is NULL. */
bool strs_set(char **slot, const char *text, struct err *err);

#endif
