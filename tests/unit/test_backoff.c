/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct backoff_policy policy = {
    .first_ms = 100, .cap_ms = 1000, .budget_ms = 3000, .tries_max = 100};

static void waits_double_up_to_the_cap(void **state)
{
    static const int64_t want_ms[] = {100, 200, 400, 800, 1000};
    struct backoff backoff = {0, 0};
    (void)state;

    for (size_t i = 0; i < 5; i++) {
        int64_t wait_ms = -1;
        struct backoff now = backoff;
        assert_true(backoff_next(&now, &policy, UINT32_MAX, &wait_ms));
        assert_int_equal(wait_ms, want_ms[i]);
        assert_true(backoff_next(&backoff, &policy, 0, &wait_ms));
        assert_int_equal(wait_ms, 0); /* full jitter: down to nothing */
    }
}

static void random_number_spreads_the_wait(void **state)
{
    struct backoff backoff = {0, 0};
    int64_t wait_ms = -1;
    (void)state;

    bool ok = backoff_next(&backoff, &policy, UINT32_MAX / 2, &wait_ms);

    assert_true(ok);
    assert_int_equal(wait_ms, 50);
}

static void budget_ends_the_tries(void **state)
{
    struct backoff backoff = {0, 0};
    int64_t wait_ms = 0, all_ms = 0;
    int waits = 0;
    (void)state;

    while (backoff_next(&backoff, &policy, UINT32_MAX, &wait_ms)) {
        all_ms += wait_ms;
        waits++;
    }

    assert_int_equal(all_ms, 3000);
    assert_int_equal(waits, 6); /* 100 200 400 800 1000 500 */
}

static void count_ends_the_tries_where_jitter_is_kind(void **state)
{
    struct backoff_policy five = {
        .first_ms = 100, .cap_ms = 1000, .budget_ms = 3000, .tries_max = 5};
    struct backoff backoff = {0, 0};
    int64_t wait_ms = 0;
    int waits = 0;
    (void)state;

    while (backoff_next(&backoff, &five, 0, &wait_ms))
        waits++;

    assert_int_equal(waits, 4);
}

static void random_numbers_differ(void **state)
{
    uint32_t first = backoff_random(), others = 0;
    (void)state;

    for (int i = 0; i < 8; i++)
        others |= backoff_random() ^ first;

    assert_int_not_equal(others, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_cap),
        cmocka_unit_test(random_number_spreads_the_wait),
        cmocka_unit_test(budget_ends_the_tries),
        cmocka_unit_test(count_ends_the_tries_where_jitter_is_kind),
        cmocka_unit_test(random_numbers_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
