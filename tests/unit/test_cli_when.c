/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/base/clock.h"

#define NOW_UTC_US 1795594530000000LL /* 2026-11-25T08:15:30Z */

static void a_moment_is_read_in_each_of_its_forms(void **state)
{
    static const struct {
        const char *text, *utc;
    } moments[] = {
        {"0", "2026-11-25T08:15:30.000000Z"},
        {"7d", "2026-11-18T08:15:30.000000Z"},
        {"90m", "2026-11-25T06:45:30.000000Z"},
        {"2026-11-24", "2026-11-23T23:00:00.000000Z"},
        {"2026-07-24", "2026-07-23T22:00:00.000000Z"}, /* summer */
        {"2026-11-24T08:15", "2026-11-24T07:15:00.000000Z"},
        {"2026-11-24 08:15:31", "2026-11-24T07:15:31.000000Z"},
        {"2026-11-24T08:15Z", "2026-11-24T08:15:00.000000Z"},
        {"2026-11-24Z", "2026-11-24T00:00:00.000000Z"},
        {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000Z"},
        {"2026-03-29T02:30", "2026-03-29T01:30:00.000000Z"}, /* the hour that is left out */
        {"1969-12-31T23:00Z", "1969-12-31T23:00:00.000000Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        struct cli_when when = {.given = false};
        struct err err = ERR_INIT;
        char text[CLOCK_TEXT_BYTES];
        if (!cli_when_parse(moments[i].text, &when, &err))
            fail_msg("%s: %s", moments[i].text, err.text);
        assert_true(when.given);
        assert_string_equal(clock_utc_text(cli_when_utc_us(&when, NOW_UTC_US), text),
                            moments[i].utc);
    }
}

static void what_is_no_moment_is_refused_with_the_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "7",
        "-7d",
        "7d ",
        "yesterday",
        "2026-11-31",
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-11-2",
        "2026-11-24T",
        "2026-11-24T08",
        "2026-11-24T24:00",
        "2026-11-24T08:60",
        "2026-11-24T08:15:60",
        "2026-11-24T08:15:31.5",
        "2026-11-24T08:15+01:00",
        "2026/11/24",
        "Z",
        "2026-11-24ZZ",
        "2026-11-24T08:15:31Z.",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cli_when when = {.given = false};
        struct err err = ERR_INIT;
        if (cli_when_parse(bad[i], &when, &err))
            fail_msg("taken: \"%s\"", bad[i]);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_non_null(strstr(err.remedy, "2026-11-24T08:15Z"));
        assert_false(when.given);
    }
}

static int set_zone(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_read_in_each_of_its_forms),
        cmocka_unit_test(what_is_no_moment_is_refused_with_the_forms),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
