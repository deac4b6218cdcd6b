/* SPDX-License-Identifier: BSD-2-Clause */
/* The verdict as a tag, and what follows from an earlier one. */
#include "agent/daemon/verify_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOMENT_S = 1795940131 }; /* 2026-11-29T08:15:31Z */

static void a_verdict_survives_its_tag(void **state)
{
    static const struct {
        struct verify_verdict verdict;
        const char *text;
    } cases[] = {
        {{VERIFY_OK, MOMENT_S * 1000000LL, false, ""}, "ok 2026-11-29T08:15:31Z"},
        {{VERIFY_OK, MOMENT_S * 1000000LL, true, ""}, "ok 2026-11-29T08:15:31Z deep"},
        {{VERIFY_FAILED, MOMENT_S * 1000000LL, true, "tables mysql: a.b: Corrupt"},
         "failed 2026-11-29T08:15:31Z deep: tables mysql: a.b: Corrupt"},
        {{VERIFY_PARTLY, MOMENT_S * 1000000LL, false, "server: none"},
         "partly 2026-11-29T08:15:31Z: server: none"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[VERIFY_VERDICT_BYTES];
        struct verify_verdict back;
        assert_string_equal(verify_verdict_text(&cases[i].verdict, text), cases[i].text);
        assert_true(verify_verdict_parse(text, &back));
        assert_int_equal(back.result, cases[i].verdict.result);
        assert_int_equal(back.at_utc_us, cases[i].verdict.at_utc_us);
        assert_int_equal(back.deep, cases[i].verdict.deep);
        assert_string_equal(back.why, cases[i].verdict.why);
    }
}

static void what_is_no_verdict_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "ok",
                                      "ok ",
                                      "fine 2026-11-29T08:15:31Z",
                                      "ok yesterday",
                                      "ok 2026-13-29T08:15:31Z",
                                      "okay 2026-11-29T08:15:31Z"};
    struct verify_verdict verdict;
    (void)state;

    assert_false(verify_verdict_parse(NULL, &verdict));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (verify_verdict_parse(bad[i], &verdict))
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void an_earlier_verdict_stands_where_a_new_one_would_say_no_more(void **state)
{
    const struct verify_verdict ok = {.result = VERIFY_OK},
                                deep = {.result = VERIFY_OK, .deep = true};
    const struct verify_verdict failed = {.result = VERIFY_FAILED},
                                partly = {.result = VERIFY_PARTLY};
    (void)state;

    assert_true(verify_verdict_stands(&ok, false));
    assert_false(verify_verdict_stands(&ok, true));
    assert_true(verify_verdict_stands(&deep, true));
    assert_true(verify_verdict_stands(&deep, false));
    assert_true(verify_verdict_stands(&failed, false));
    assert_false(verify_verdict_stands(&partly, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_survives_its_tag),
        cmocka_unit_test(what_is_no_verdict_is_none),
        cmocka_unit_test(an_earlier_verdict_stands_where_a_new_one_would_say_no_more),
    };

    return cmocka_run_group_tests_name("verify_verdict", tests, NULL, NULL);
}
