/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_POOL_H
#define STILLPOINT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Many short texts in little memory: each stands once, all are freed together. Pure. */

enum { POOL_BYTES_MAX = 256 * 1024 * 1024 };

/* From a text to a number, by open addressing. */
struct pool_index {
    struct pool_slot *slots;
    size_t room, count; /* room: 0 or a power of two */
};

struct pool {
    struct pool_block *blocks; /* the newest first */
    size_t bytes;              /* of all blocks */
    struct pool_index known;
};

/* TEXT in the pool: equal texts are the same pointer, good until pool_free.
 *   text      NULL gives NULL
 *   ret_text  set on true only
 *   false     ERR_LIMIT more than POOL_BYTES_MAX; ERR_INTERNAL no memory */
bool pool_text(struct pool *pool, const char *text, const char **ret_text, struct err *err);
/* The same for a text that nobody else has: it is not looked for. */
bool pool_add(struct pool *pool, const char *text, const char **ret_text, struct err *err);
void pool_free(struct pool *pool); /* idempotent; {0} is an empty pool */

/* KEY stays the caller's and must live as long as the index. */
bool pool_index_put(struct pool_index *index, const char *key, uint32_t value, struct err *err);
bool pool_index_get(const struct pool_index *index, const char *key, uint32_t *ret_value);
void pool_index_free(struct pool_index *index); /* idempotent */

#endif
