/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/backoff.h"

#include <sys/random.h>

const struct backoff_policy backoff_aws = {
    .first_ms = 200, .cap_ms = 8000, .budget_ms = 30000, .tries_max = 5};
const struct backoff_policy backoff_imds = {
    .first_ms = 100, .cap_ms = 500, .budget_ms = 1000, .tries_max = 3};
const struct backoff_policy backoff_eventual = {
    .first_ms = 500, .cap_ms = 5000, .budget_ms = 30000, .tries_max = 12};

bool backoff_next(struct backoff *backoff, const struct backoff_policy *policy, uint32_t random,
                  int64_t *ret_wait_ms)
{
    int64_t bound_ms = policy->first_ms;

    backoff->tries++;
    if (backoff->tries >= policy->tries_max || backoff->waited_ms >= policy->budget_ms)
        return false;
    for (int i = 1; i < backoff->tries && bound_ms < policy->cap_ms; i++)
        bound_ms *= 2;
    if (bound_ms > policy->cap_ms)
        bound_ms = policy->cap_ms;
    if (bound_ms > policy->budget_ms - backoff->waited_ms)
        bound_ms = policy->budget_ms - backoff->waited_ms;
    *ret_wait_ms = (int64_t)(((uint64_t)random * (uint64_t)(bound_ms + 1)) >> 32);
    backoff->waited_ms += *ret_wait_ms;
    return true;
}

uint32_t backoff_random(void)
{
    uint32_t number = 0;

    /* Fails at most before the kernel's pool is ready; then the wait is 0, not wrong. */
    (void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
    return number;
}
