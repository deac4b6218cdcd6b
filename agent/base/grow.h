/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GROW_H
#define STILLPOINT_GROW_H

#include <stdlib.h>
#include <string.h>

/* Makes room for one more element in an array that malloc gave (or NULL).
 *   slot    the address of the pointer to the array
 *   count   how many there are; one more afterwards
 *   result  the new element, all zero; NULL without memory, and nothing changed */
static inline void *grow_by_one(void *slot, size_t *count, size_t size)
{
    char *array;

    memcpy(&array, slot, sizeof(array)); /* slot may be of any pointer type: no aliasing by cast */
    char *grown = reallocarray(array, *count + 1, size);
    if (grown == NULL)
        return NULL;
    memcpy(slot, &grown, sizeof(grown));
    memset(grown + *count * size, 0, size);
    return grown + (*count)++ * size;
}

#endif
