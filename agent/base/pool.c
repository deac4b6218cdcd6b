/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/pool.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024, SLOTS_FIRST = 64 };

struct pool_block {
    struct pool_block *next;
    size_t used, room;
    char texts[];
};

struct pool_slot {
    const char *key; /* NULL: free */
    uint32_t hash, value;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- index ---------------------------------------------------------------------------- */

/* FNV-1a */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261U;

    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return hash;
}

/* Where KEY stands, or the free slot where it would. There is room. */
static struct pool_slot *slot_of(struct pool_slot *slots, size_t room, const char *key,
                                 uint32_t hash)
{
    size_t at = hash & (room - 1);

    while (slots[at].key != NULL && (slots[at].hash != hash || strcmp(slots[at].key, key) != 0))
        at = (at + 1) & (room - 1);
    return &slots[at];
}

/* At most three quarters of the slots are taken. */
static bool make_room(struct pool_index *index, struct err *err)
{
    size_t room = index->room ? index->room * 2 : SLOTS_FIRST;

    if (index->room != 0 && index->count < index->room / 4 * 3)
        return true;
    struct pool_slot *slots = calloc(room, sizeof(*slots));
    if (slots == NULL)
        return no_memory(err);
    for (size_t i = 0; i < index->room; i++) {
        const struct pool_slot *old = &index->slots[i];
        if (old->key != NULL)
            *slot_of(slots, room, old->key, old->hash) = *old;
    }
    free(index->slots);
    index->slots = slots;
    index->room = room;
    return true;
}

bool pool_index_put(struct pool_index *index, const char *key, uint32_t value, struct err *err)
{
    uint32_t hash = hash_of(key);

    if (!make_room(index, err))
        return false;
    struct pool_slot *slot = slot_of(index->slots, index->room, key, hash);
    index->count += slot->key == NULL;
    *slot = (struct pool_slot){slot->key ? slot->key : key, hash, value};
    return true;
}

static const char *index_key(const struct pool_index *index, const char *key, uint32_t *ret_value)
{
    if (index->room == 0)
        return NULL;
    const struct pool_slot *slot = slot_of(index->slots, index->room, key, hash_of(key));
    if (slot->key != NULL)
        *ret_value = slot->value;
    return slot->key;
}

bool pool_index_get(const struct pool_index *index, const char *key, uint32_t *ret_value)
{
    return index_key(index, key, ret_value) != NULL;
}

void pool_index_free(struct pool_index *index)
{
    free(index->slots);
    *index = (struct pool_index){NULL, 0, 0};
}

/* --- texts ---------------------------------------------------------------------------- */

bool pool_add(struct pool *pool, const char *text, const char **ret_text, struct err *err)
{
    struct pool_block *block = pool->blocks;
    size_t size = strlen(text) + 1;

    if (block == NULL || block->room - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        if (room > POOL_BYTES_MAX - pool->bytes)
            return err_set(err, ERR_LIMIT, 0, "texts of more than %d bytes", POOL_BYTES_MAX);
        block = malloc(sizeof(*block) + room);
        if (block == NULL)
            return no_memory(err);
        *block = (struct pool_block){pool->blocks, 0, room};
        pool->blocks = block;
        pool->bytes += room;
    }
    *ret_text = memcpy(block->texts + block->used, text, size);
    block->used += size;
    return true;
}

bool pool_text(struct pool *pool, const char *text, const char **ret_text, struct err *err)
{
    uint32_t ignored;
    const char *known = text ? index_key(&pool->known, text, &ignored) : NULL;

    if (text == NULL || known != NULL) {
        *ret_text = known;
        return true;
    }
    return pool_add(pool, text, ret_text, err) && pool_index_put(&pool->known, *ret_text, 0, err);
}

void pool_free(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
    pool_index_free(&pool->known);
    pool->bytes = 0;
}
