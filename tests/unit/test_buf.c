/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_buffer_is_empty_text_without_memory(void **state)
{
    struct buf buf = BUF_INIT(100);

    (void)state;
    assert_null(buf.data);
    assert_string_equal(buf_text(&buf), "");
    buf_clear(&buf);
    buf_drop_front(&buf, 3);
    buf_free(&buf);
    buf_free(&buf);
    buf_wipe(&buf);
}

static void adding_keeps_bytes_and_an_end_mark_that_does_not_count(void **state)
{
    struct buf buf = BUF_INIT(100);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(buf_add(&buf, "a\0b", 3, &err));
    assert_true(buf_add_text(&buf, "cd", &err));
    assert_true(buf_printf(&buf, &err, "-%d-%s", 7, "x"));
    assert_true(buf_add(&buf, "", 0, &err));

    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.data, "a\0bcd-7-x", 10);
    buf_free(&buf);
}

static void the_cap_is_kept_to_the_byte_and_a_failure_changes_nothing(void **state)
{
    struct buf buf = BUF_INIT(5);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(buf_add_text(&buf, "12345", &err));
    assert_false(buf_add_text(&buf, "6", &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_false(buf_printf(&buf, &err, "%d", 7));
    assert_false(buf_add(&buf, "x", SIZE_MAX, &err));
    assert_string_equal(buf.data, "12345");
    assert_int_equal(buf.len, 5);
    buf_drop_front(&buf, 2);
    assert_true(buf_add_text(&buf, "67", &err));
    assert_string_equal(buf.data, "34567");
    buf_free(&buf);
}

static void growing_past_the_first_block_keeps_what_was_there(void **state)
{
    struct buf buf = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;

    (void)state;
    for (int i = 0; i < 10000; i++)
        assert_true(buf_printf(&buf, &err, "%04d,", i % 10000));
    assert_int_equal(buf.len, 50000);
    assert_memory_equal(buf.data + 5 * 1234, "1234,", 5);
    assert_int_equal(strlen(buf.data), 50000);
    buf_free(&buf);
}

static void dropping_the_front_moves_the_rest_with_its_end(void **state)
{
    struct buf buf = BUF_INIT(100);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(buf_add_text(&buf, "line\nrest", &err));
    buf_drop_front(&buf, 5);
    assert_string_equal(buf.data, "rest");
    buf_drop_front(&buf, 99); /* more than there is: nothing */
    assert_string_equal(buf.data, "rest");
    buf_drop_front(&buf, 4);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    buf_free(&buf);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buf buf = BUF_INIT(100);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(buf_add_text(&buf, "x", &err));
    const char *data = buf.data;
    buf_clear(&buf);
    assert_ptr_equal(buf.data, data);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf_text(&buf), "");
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_empty_text_without_memory),
        cmocka_unit_test(adding_keeps_bytes_and_an_end_mark_that_does_not_count),
        cmocka_unit_test(the_cap_is_kept_to_the_byte_and_a_failure_changes_nothing),
        cmocka_unit_test(growing_past_the_first_block_keeps_what_was_there),
        cmocka_unit_test(dropping_the_front_moves_the_rest_with_its_end),
        cmocka_unit_test(clearing_keeps_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
