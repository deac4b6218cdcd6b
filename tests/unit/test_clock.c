/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void moments_are_written_to_the_microsecond(void **state)
{
    static const struct {
        int64_t us;
        const char *text, *compact;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z", "19700101T000000Z"},
        {1795508131206811, "2026-11-24T08:15:31.206811Z", "20261124T081531Z"},
        {-1, "1969-12-31T23:59:59.999999Z", "19691231T235959Z"},
        {951782400000000, "2000-02-29T00:00:00.000000Z", "20000229T000000Z"},
    };
    char text[CLOCK_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t back = 0;
        assert_string_equal(clock_utc_text(cases[i].us, text), cases[i].text);
        assert_true(clock_utc_parse(text, &back));
        assert_int_equal(back, cases[i].us);
        assert_string_equal(clock_utc_compact(cases[i].us, text), cases[i].compact);
    }
}

static void fractions_of_any_length_are_read(void **state)
{
    int64_t us = 0;

    (void)state;
    assert_true(clock_utc_parse("1970-01-01T00:00:01Z", &us));
    assert_int_equal(us, 1000000);
    assert_true(clock_utc_parse("1970-01-01T00:00:01.5Z", &us));
    assert_int_equal(us, 1500000);
    assert_true(clock_utc_parse("1970-01-01T00:00:01.000Z", &us));
    assert_int_equal(us, 1000000);
    assert_true(clock_utc_parse("1970-01-01T00:00:01.123456789Z", &us));
    assert_int_equal(us, 1123456);
    assert_true(clock_utc_parse("2016-12-31T23:59:60Z", &us)); /* a leap second */
    assert_int_equal(us, 1483228800000000);
}

static void what_is_no_moment_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "now",
        "2026-11-24",
        "2026-11-24T08:15:31",
        "2026-11-24T08:15:31+00:00",
        "2026-11-24T08:15:31.Z",
        "2026-11-24T08:15:31Z ",
        " 2026-11-24T08:15:31Z",
        "2026-11- 4T08:15:31Z",
        "26-1-1T1:1:1Z",
        "2026-13-01T00:00:00Z",
        "2026-02-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-24 08:15:31Z",
        "2026-11-24T25:00:00Z",
    };
    int64_t us = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (clock_utc_parse(bad[i], &us))
            fail_msg("taken: '%s'", bad[i]);
        assert_int_equal(us, 42);
    }
}

static void reading_does_not_depend_on_the_machines_zone(void **state)
{
    int64_t us = 0;

    (void)state;
    assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
    tzset();
    assert_true(clock_utc_parse("1970-01-01T00:00:00Z", &us));
    assert_int_equal(us, 0);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void the_steady_clock_goes_forward_in_both_units(void **state)
{
    (void)state;
    int64_t ms = clock_boot_ms(), us = clock_boot_us();

    assert_in_range(us / 1000 - ms, 0, 1000);
    assert_true(clock_boot_us() >= us);
    assert_true(clock_boot_ms() > 0);
}

static void the_wall_clock_agrees_with_the_systems(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL);
    int64_t seconds = clock_utc_us() / 1000000;

    assert_in_range(seconds - before + 1, 0, 3);
}

static void the_kernels_error_is_told_or_refused(void **state)
{
    int64_t error_us = -1;
    bool synced = false;

    (void)state;
    if (clock_error_us(&error_us, &synced))
        assert_true(error_us >= 0);
    else
        assert_int_equal(error_us, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_to_the_microsecond),
        cmocka_unit_test(fractions_of_any_length_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(reading_does_not_depend_on_the_machines_zone),
        cmocka_unit_test(the_steady_clock_goes_forward_in_both_units),
        cmocka_unit_test(the_wall_clock_agrees_with_the_systems),
        cmocka_unit_test(the_kernels_error_is_told_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
