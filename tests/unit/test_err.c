/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void setting_replaces_everything_and_is_false(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_false(err_set(&err, ERR_SYS, ENOENT, "open %s", "/x"));
    assert_false(err_suggest(&err, "create it"));
    assert_false(err_set(&err, ERR_LIMIT, 0, "more than %d", 3));

    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.text, "more than 3");
    assert_string_equal(err.remedy, "");
}

static void a_system_error_is_added_in_words(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    (void)err_set(&err, ERR_SYS, ENOENT, "open %s", "/x");

    assert_int_equal(err.os_errno, ENOENT);
    assert_string_equal(err.text, "open /x: No such file or directory");
}

static void wrapping_puts_words_in_front_and_keeps_kind_and_remedy(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    (void)err_set(&err, ERR_DB, 0, "refused");
    (void)err_suggest(&err, "grant %s", "RELOAD");
    assert_false(err_wrap(&err, "server %d", 2));

    assert_int_equal(err.kind, ERR_DB);
    assert_string_equal(err.text, "server 2: refused");
    assert_string_equal(err.remedy, "grant RELOAD");
}

static void the_remedy_nearest_to_the_cause_stays(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    (void)err_set(&err, ERR_DB, 0, "refused");
    (void)err_suggest(&err, "first");
    (void)err_suggest(&err, "second");

    assert_string_equal(err.remedy, "first");
}

static void an_error_may_be_made_from_its_own_text(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    (void)err_set(&err, ERR_DB, 0, "inner");
    (void)err_set(&err, ERR_HOOK, 0, "outer (%s)", err.text);

    assert_string_equal(err.text, "outer (inner)");
}

/* Three bytes each, so that a cut at a byte would break one. */
static void fill(char *text, size_t count)
{
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(text, "\xe2\x82\xac");
}

static void assert_whole_characters(const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
        len--;
    assert_true(strlen(text) - len == 0 || strlen(text) - len == 2);
}

static void a_long_text_is_cut_at_a_character(void **state)
{
    char long_text[3000];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        struct err err = ERR_INIT;
        fill(long_text, 400);
        (void)err_set(&err, ERR_DB, 0, "%.*s%s", (int)shift, "ab", long_text);
        assert_in_range(strlen(err.text), ERR_TEXT_BYTES - 4, ERR_TEXT_BYTES - 1);
        assert_whole_characters(err.text);
        (void)err_wrap(&err, "%.*s", (int)shift, "xy");
        assert_whole_characters(err.text);
        (void)err_suggest(&err, "%.*s%s", (int)shift, "ab", long_text);
        assert_in_range(strlen(err.remedy), ERR_REMEDY_BYTES - 4, ERR_REMEDY_BYTES - 1);
        assert_whole_characters(err.remedy);
    }
}

static void a_front_longer_than_the_room_cuts_the_rest_off(void **state)
{
    struct err err = ERR_INIT;
    char front[2000];

    (void)state;
    memset(front, 'f', sizeof(front) - 1);
    front[sizeof(front) - 1] = '\0';
    (void)err_set(&err, ERR_DB, 0, "cause");
    (void)err_wrap(&err, "%s", front);

    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
    assert_int_equal(err.kind, ERR_DB);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = ERR_NONE; a <= ERR_NOT_FOUND; a++) {
        assert_string_not_equal(err_kind_name((enum err_kind)a), "unknown");
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(err_kind_name((enum err_kind)a),
                                    err_kind_name((enum err_kind)b));
    }
    assert_string_equal(err_kind_name((enum err_kind)1000), "unknown");
    assert_int_equal(err_kind_named("not-found"), ERR_NOT_FOUND);
    assert_int_equal(err_kind_named("unknown"), ERR_INTERNAL);
    assert_int_equal(err_kind_named(NULL), ERR_INTERNAL);
    assert_string_equal(err_kind_name(ERR_AWS_DENIED), "aws-denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_replaces_everything_and_is_false),
        cmocka_unit_test(a_system_error_is_added_in_words),
        cmocka_unit_test(wrapping_puts_words_in_front_and_keeps_kind_and_remedy),
        cmocka_unit_test(the_remedy_nearest_to_the_cause_stays),
        cmocka_unit_test(an_error_may_be_made_from_its_own_text),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
        cmocka_unit_test(a_front_longer_than_the_room_cuts_the_rest_off),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
