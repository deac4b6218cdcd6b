/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_AUTO_H
#define STILLPOINT_AUTO_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Memory, descriptors and files that go when their name goes out of scope. Always initialised,
 * never for a thing that is handed out without auto_take(). */

static inline void auto_free_run(void *slot)
{
    free(*(void **)slot);
}

static inline void auto_close_run(int *slot)
{
    if (*slot >= 0)
        (void)close(*slot); /* nothing can be done about a failing close of what we drop */
}

static inline void auto_fclose_run(FILE **slot)
{
    if (*slot != NULL)
        (void)fclose(*slot);
}

#define AUTO_FREE   __attribute__((cleanup(auto_free_run)))
#define AUTO_CLOSE  __attribute__((cleanup(auto_close_run)))
#define AUTO_FCLOSE __attribute__((cleanup(auto_fclose_run)))

/* Hands a descriptor out of its AUTO_CLOSE name. */
static inline int auto_take_fd(int *slot)
{
    int fd = *slot;

    *slot = -1;
    return fd;
}

/* Hands memory out of its AUTO_FREE name. */
#define AUTO_TAKE(name)                                                                            \
    __extension__({                                                                                \
        __typeof__(name) taken_ = (name);                                                          \
        (name) = NULL;                                                                             \
        taken_;                                                                                    \
    })

#endif
