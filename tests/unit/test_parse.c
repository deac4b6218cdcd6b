/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void whole_numbers_are_read_within_their_range(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"7", 7}, {"-3", -3}, {"007", 7}, {"100", 100}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "--1",
                                      "1.0",
                                      "101",
                                      "-101",
                                      "9223372036854775808",
                                      "99999999999999999999999"};
    struct err err = ERR_INIT;
    int64_t value = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse_int64(good[i].text, -100, 100, &value, &err));
        assert_int_equal(value, good[i].value);
    }
    value = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_int64(bad[i], -100, 100, &value, &err))
            fail_msg("taken: '%s'", bad[i]);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_int_equal(value, 42);
        assert_non_null(strstr(err.remedy, "-100 to 100"));
    }
}

static void durations_need_a_unit_and_are_read_to_the_millisecond(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},         {"500ms", 500},    {"10s", 10000},    {"5m", 300000},
                {"7h", 25200000}, {"7d", 604800000}, {"2w", 1209600000}};
    static const char *const bad[] = {"",
                                      "10",
                                      "s",
                                      "10 s",
                                      "10S",
                                      "1.5s",
                                      "-1s",
                                      "1m30s",
                                      "10min",
                                      "106751991168d",
                                      "9223372036854775807s"};
    struct err err = ERR_INIT;
    int64_t ms = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse_duration_ms(good[i].text, 0, INT64_MAX, &ms, &err));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_duration_ms(bad[i], 0, INT64_MAX, &ms, &err))
            fail_msg("taken: '%s'", bad[i]);
    }
    assert_false(parse_duration_ms("61s", 2000, 60000, &ms, &err));
    assert_string_equal(err.remedy, "write a duration from 2s to 1m");
    assert_false(parse_duration_ms("1s", 2000, 60000, &ms, &err));
    assert_false(parse_duration_ms("999999999999999d", 2000, 60000, &ms, &err));
    assert_non_null(strstr(err.text, "out of range"));
    assert_false(parse_duration_ms("99999999999999999999s", 2000, 60000, &ms, &err));
    assert_non_null(strstr(err.text, "out of range"));
    assert_true(parse_duration_ms("2s", 2000, 60000, &ms, &err));
    assert_true(parse_duration_ms("1m", 2000, 60000, &ms, &err));
}

static void sizes_need_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"512B", 512},
                {"4KiB", 4096},
                {"64MiB", 67108864},
                {"1GiB", 1073741824},
                {"2TiB", 2199023255552}};
    static const char *const bad[] = {"", "64", "64MB", "64 MiB", "-1B", "9000000000TiB"};
    struct err err = ERR_INIT;
    int64_t bytes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parse_size_bytes(good[i].text, 0, INT64_MAX, &bytes, &err));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_size_bytes(bad[i], 0, INT64_MAX, &bytes, &err))
            fail_msg("taken: '%s'", bad[i]);
        assert_int_equal(err.kind, ERR_USAGE);
    }
    assert_false(parse_size_bytes("3KiB", 4096, 8192, &bytes, &err));
    assert_false(parse_size_bytes("9KiB", 4096, 8192, &bytes, &err));
}

static void yes_and_no_have_four_spellings_each(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bool value = false;
        assert_true(parse_bool(yes[i], &value, &err));
        assert_true(value);
        assert_true(parse_bool(no[i], &value, &err));
        assert_false(value);
    }
    bool kept = true;
    assert_false(parse_bool("Yes", &kept, &err));
    assert_false(parse_bool("", &kept, &err));
    assert_true(kept);
}

static void a_pair_is_split_at_the_first_equals_sign(void **state)
{
    struct err err = ERR_INIT;
    char *key = NULL, *value = NULL;

    (void)state;
    assert_true(parse_key_value("a b=c=d", &key, &value, &err));
    assert_string_equal(key, "a b");
    assert_string_equal(value, "c=d");
    free(key);
    free(value);
    assert_true(parse_key_value("a=", &key, &value, &err));
    assert_string_equal(value, "");
    free(key);
    free(value);
    assert_false(parse_key_value("a", &key, &value, &err));
    assert_false(parse_key_value("=b", &key, &value, &err));
}

static void a_devices_number_is_two_numbers_and_a_colon(void **state)
{
    static const char *const bad[] = {
        "",    "8",   "8:",    ":1",  "8:1 ",         " 8:1",        "8:-1",
        "8-1", "8x1", "8:1:2", "a:b", "4294967296:0", "0:4294967296"};
    uint32_t major = 7, minor = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_device(bad[i], &major, &minor))
            fail_msg("taken: '%s'", bad[i]);
        assert_int_equal(major, 7);
    }
    assert_true(parse_device("259:4294967295", &major, &minor));
    assert_int_equal(major, 259);
    assert_true(minor == UINT32_MAX);
}

static void the_nearest_word_is_near_or_none(void **state)
{
    static const char *const words[] = {"lock_wait", "hold_deadline", "image", "map", NULL};

    (void)state;
    assert_string_equal(parse_nearest("lock_wiat", words), "lock_wait");
    assert_string_equal(parse_nearest("locwait", words), "lock_wait");
    assert_string_equal(parse_nearest("imgae", words), "image");
    assert_string_equal(parse_nearest("mapp", words), "map");
    assert_null(parse_nearest("xyz", words));
    assert_null(parse_nearest("", words));
    assert_null(parse_nearest("a-word-that-is-longer-than-any-key-could-ever-be-longer", words));
}

static void durations_are_written_in_their_two_largest_units(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0s"},        {850, "850ms"},     {1500, "1500ms"},   {10000, "10s"},
                 {60000, "1m"},    {90000, "1m30s"},   {754321, "12m34s"}, {5400000, "1h30m"},
                 {86400000, "1d"}, {93600000, "1d2h"}, {3600000, "1h"},    {3601000, "1h"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(parse_duration_text(cases[i].ms, text), cases[i].text);
}

static void cutting_keeps_characters_whole(void **state)
{
    static const struct {
        const char *text;
        size_t chars, bytes;
        const char *cut;
    } cases[] = {
        {"abc", 5, 5, "abc"},
        {"abc", 2, 5, "ab"},
        {"abc", 5, 2, "ab"},
        {"abc", 0, 5, ""},
        {"a\xc3\xa4\xe2\x82\xac", 2, 99, "a\xc3\xa4"},
        {"a\xc3\xa4\xe2\x82\xac", 99, 5, "a\xc3\xa4"},
        {"a\xc3\xa4\xe2\x82\xac", 99, 6, "a\xc3\xa4\xe2\x82\xac"},
        {"\xf0\x9f\x98\x80x", 1, 99, "\xf0\x9f\x98\x80"},
        {"\xf0\x9f\x98\x80x", 1, 3, ""},
        {"\xff\xff\xff", 2, 99, "\xff\xff"}, /* no UTF-8: one character each */
        {"\xe2\x82", 1, 99, "\xe2"},         /* broken off */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        parse_cut_utf8(text, cases[i].chars, cases[i].bytes);
        assert_string_equal(text, cases[i].cut);
    }
}

static void octal_escapes_become_their_bytes_and_nothing_else_changes(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"/mnt/a\\040b\\011\\134", "/mnt/a b\t\\"},
        {"\\303\\244", "\303\244"},
        {"\\08 \\9 \\", "\\08 \\9 \\"},
        {"\\1341 \\04", "\\1 \\04"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s", cases[i][0]);
        parse_unescape(text);
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_within_their_range),
        cmocka_unit_test(durations_need_a_unit_and_are_read_to_the_millisecond),
        cmocka_unit_test(sizes_need_a_unit),
        cmocka_unit_test(yes_and_no_have_four_spellings_each),
        cmocka_unit_test(a_pair_is_split_at_the_first_equals_sign),
        cmocka_unit_test(a_devices_number_is_two_numbers_and_a_colon),
        cmocka_unit_test(the_nearest_word_is_near_or_none),
        cmocka_unit_test(durations_are_written_in_their_two_largest_units),
        cmocka_unit_test(cutting_keeps_characters_whole),
        cmocka_unit_test(octal_escapes_become_their_bytes_and_nothing_else_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
