/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BACKOFF_H
#define STILLPOINT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/* Exponential backoff with full jitter: the n-th wait is anything from 0 to first * 2^n, capped,
 * so that a fleet that was throttled together does not come back together. Pure. */
struct backoff_policy {
    int64_t first_ms;  /* the first wait's upper bound */
    int64_t cap_ms;    /* no wait is longer */
    int64_t budget_ms; /* all waits together */
    int tries_max;     /* sends in all, the first included */
};

struct backoff {
    int tries;         /* sends so far */
    int64_t waited_ms; /* promised so far */
};

/* Called after each failed send.
 *   random     any number, evenly spread
 *   ret_wait_ms  how long to wait now
 *   false      give up: tries or budget are used up */
bool backoff_next(struct backoff *backoff, const struct backoff_policy *policy, uint32_t random,
                  int64_t *ret_wait_ms);

/* A random number for it, from the kernel. The one thing here that is not pure. */
uint32_t backoff_random(void);

/* The policies in use. */
extern const struct backoff_policy backoff_aws;      /* an API call: 5 tries, 30 s in all */
extern const struct backoff_policy backoff_imds;     /* the metadata service: 3 tries, 1 s */
extern const struct backoff_policy backoff_eventual; /* just made, not yet seen: 30 s */

#endif
