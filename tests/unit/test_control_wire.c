/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/control_wire.h"
#include "agent/base/utf8.h"

static void push(struct control_lines *lines, const char *text)
{
    struct err err = ERR_INIT;

    assert_true(control_lines_push(lines, text, strlen(text), &err));
}

static void pops(struct control_lines *lines, const char *want)
{
    struct err err = ERR_INIT;
    const char *line = "untouched";
    size_t len = 0;

    assert_true(control_lines_pop(lines, &line, &len, &err));
    if (want == NULL) {
        assert_null(line);
        return;
    }
    assert_non_null(line);
    assert_string_equal(line, want);
    assert_int_equal(len, strlen(want));
}

static void lines_come_out_whole_however_they_are_cut(void **state)
{
    (void)state;
    const char *text = "{\"a\":1}\n\n{\"b\":2}\nrest";

    for (size_t step = 1; step <= strlen(text); step++) {
        struct control_lines lines = CONTROL_LINES_INIT(100);
        static const char *const want[] = {"{\"a\":1}", "", "{\"b\":2}"};
        size_t seen = 0;

        for (size_t at = 0; at < strlen(text); at += step) {
            struct err err = ERR_INIT;
            size_t left = strlen(text) - at;
            assert_true(control_lines_push(&lines, text + at, left < step ? left : step, &err));
            for (;;) {
                const char *line = NULL;
                size_t len = 0;
                assert_true(control_lines_pop(&lines, &line, &len, &err));
                if (line == NULL)
                    break;
                assert_string_equal(line, seen < 3 ? want[seen] : "no more");
                seen++;
            }
        }

        assert_int_equal(seen, 3);
        assert_int_equal(control_lines_rest(&lines), 4);
        control_lines_free(&lines);
    }
}

static void a_line_as_long_as_the_cap_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    struct control_lines lines = CONTROL_LINES_INIT(8);
    const char *line;
    size_t len;
    struct err err = ERR_INIT;

    push(&lines, "12345678\n");
    pops(&lines, "12345678");
    push(&lines, "123456789\n");
    assert_false(control_lines_pop(&lines, &line, &len, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_null(line);
    control_lines_free(&lines);
}

static void a_line_without_end_is_refused_as_soon_as_it_is_too_long(void **state)
{
    (void)state;
    struct control_lines lines = CONTROL_LINES_INIT(8);
    const char *line;
    size_t len;
    struct err err = ERR_INIT;

    push(&lines, "12345678");
    pops(&lines, NULL);
    push(&lines, "9");
    assert_false(control_lines_pop(&lines, &line, &len, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    control_lines_free(&lines);
}

static void more_at_once_than_a_chunk_is_refused(void **state)
{
    (void)state;
    struct control_lines lines = CONTROL_LINES_INIT(8);
    static char bytes[CONTROL_CHUNK_BYTES + 1];
    struct err err = ERR_INIT;

    memset(bytes, '\n', sizeof(bytes));
    assert_false(control_lines_push(&lines, bytes, sizeof(bytes), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_true(control_lines_push(&lines, bytes, sizeof(bytes) - 1, &err));
    control_lines_free(&lines);
}

static void an_idle_connection_holds_no_memory(void **state)
{
    (void)state;
    struct control_lines lines = CONTROL_LINES_INIT(100);

    push(&lines, "{}\n");
    pops(&lines, "{}");
    pops(&lines, NULL);

    assert_null(lines.bytes.data);
    push(&lines, "{\"again\":1}\n");
    pops(&lines, "{\"again\":1}");
    control_lines_free(&lines);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum err_kind parse_kind(const char *text, size_t len)
{
    json_t *object = NULL;
    struct err err = ERR_INIT;

    if (control_parse(text, len, &object, &err)) {
        json_decref(object);
        return ERR_NONE;
    }
    assert_null(object);
    return err.kind;
}

static void only_one_clean_object_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_kind kind;
    } cases[] = {
        {"{}", ERR_NONE},
        {" {\"a\":[1,{\"b\":null}]} \r", ERR_NONE},
        {"", ERR_PROTOCOL},
        {"[]", ERR_PROTOCOL},
        {"1", ERR_PROTOCOL},
        {"{} {}", ERR_PROTOCOL},
        {"{\"a\":1,\"a\":2}", ERR_PROTOCOL},
        {"{\"a\":\"\\u0000\"}", ERR_PROTOCOL},
        {"{\"a\":\"\xff\"}", ERR_PROTOCOL},
        {"{\"a\":\"\xed\xa0\x80\"}", ERR_PROTOCOL},
        {"{\"a\":99999999999999999999}", ERR_PROTOCOL},
        {"{\"a\":1", ERR_PROTOCOL},
        {"{'a':1}", ERR_PROTOCOL},
        {"GET / HTTP/1.1", ERR_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(parse_kind(cases[i].text, strlen(cases[i].text)), cases[i].kind);
    assert_int_equal(parse_kind("{}\0{}", 5), ERR_PROTOCOL);
}

static void depth_is_bounded_and_brackets_in_texts_do_not_count(void **state)
{
    (void)state;
    char text[256] = "{\"a\":";

    memset(text + 5, '[', CONTROL_DEPTH_MAX - 1);
    memset(text + 5 + CONTROL_DEPTH_MAX - 1, ']', CONTROL_DEPTH_MAX - 1);
    strcat(text, "}");
    assert_int_equal(parse_kind(text, strlen(text)), ERR_NONE);

    memset(text + 5, '[', CONTROL_DEPTH_MAX);
    memset(text + 5 + CONTROL_DEPTH_MAX, ']', CONTROL_DEPTH_MAX);
    strcpy(text + 5 + 2 * CONTROL_DEPTH_MAX, "}");
    assert_int_equal(parse_kind(text, strlen(text)), ERR_LIMIT);

    const char *quoted = "{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[\"}";
    assert_int_equal(parse_kind(quoted, strlen(quoted)), ERR_NONE);
    static char deep[60000];
    memset(deep, '[', sizeof(deep));
    assert_int_equal(parse_kind(deep, sizeof(deep)), ERR_LIMIT);
}

static void an_error_does_not_repeat_what_was_sent(void **state)
{
    (void)state;
    json_t *object = NULL;
    struct err err = ERR_INIT;
    const char *text = "{\"a\": \033]0;owned\007}";

    assert_false(control_parse(text, strlen(text), &object, &err));
    assert_null(strstr(err.text, "owned"));
    assert_null(strchr(err.text, '\033'));
}

static json_t *object_of(const char *text)
{
    json_t *object = NULL;
    struct err err = ERR_INIT;

    assert_true(control_parse(text, strlen(text), &object, &err));
    return object;
}

static void an_unknown_key_is_refused_with_the_nearest_one(void **state)
{
    (void)state;
    static const char *const keys[] = {"reason", "consistency", NULL};
    json_t *good = object_of("{\"reason\":1}"), *bad = object_of("{\"consistancy\":1}");
    json_t *wild = object_of("{\"x\\u001b[2J\":1}");
    struct err err = ERR_INIT;

    assert_true(control_only_keys(good, keys, &err));
    assert_int_equal(err.kind, ERR_NONE);
    assert_false(control_only_keys(bad, keys, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_string_equal(err.remedy, "did you mean consistency?");
    assert_false(control_only_keys(wild, keys, &err));
    assert_null(strchr(err.text, '\033'));

    json_decref(good);
    json_decref(bad);
    json_decref(wild);
}

static void getters_insist_on_the_type(void **state)
{
    (void)state;
    json_t *object = object_of("{\"s\":\"x\",\"i\":7,\"b\":true,\"o\":{},\"n\":null,\"r\":1.5}");
    struct err err = ERR_INIT;
    const char *text = "before";
    int64_t number = -1;
    bool truth = false;
    json_t *inner = NULL;

    assert_true(control_get_string(object, "s", &text, &err));
    assert_string_equal(text, "x");
    assert_true(control_get_int(object, "i", 0, 7, &number, &err));
    assert_int_equal(number, 7);
    assert_true(control_get_bool(object, "b", &truth, &err));
    assert_true(truth);
    assert_true(control_get_object(object, "o", &inner, &err));
    assert_non_null(inner);
    assert_int_equal(err.kind, ERR_NONE);

    assert_false(control_get_string(object, "i", &text, &err));
    assert_false(control_get_string(object, "n", &text, &err));
    assert_false(control_get_string(object, "absent", &text, &err));
    assert_false(control_get_int(object, "i", 8, 9, &number, &err));
    assert_false(control_get_int(object, "i", 0, 6, &number, &err));
    assert_false(control_get_int(object, "r", 0, 9, &number, &err));
    assert_false(control_get_bool(object, "i", &truth, &err));
    assert_false(control_get_object(object, "s", &inner, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_string_equal(text, "x");
    assert_int_equal(number, 7);
    json_decref(object);
}

static void an_optional_key_may_be_missing_or_null_but_not_of_another_type(void **state)
{
    (void)state;
    json_t *object = object_of("{\"n\":null,\"s\":\"x\",\"i\":3}");
    struct err err = ERR_INIT;
    const char *text = "before";
    int64_t number = -1;
    bool truth = true;
    json_t *inner = NULL;

    assert_true(control_opt_string(object, "n", &text, &err));
    assert_true(control_opt_string(object, "absent", &text, &err));
    assert_true(control_opt_int(object, "n", 0, 1, &number, &err));
    assert_true(control_opt_bool(object, "absent", &truth, &err));
    assert_true(control_opt_object(object, "n", &inner, &err));
    assert_string_equal(text, "before");
    assert_int_equal(number, -1);
    assert_true(truth);
    assert_null(inner);

    assert_false(control_opt_string(object, "i", &text, &err));
    assert_false(control_opt_int(object, "s", 0, 9, &number, &err));
    assert_false(control_opt_bool(object, "i", &truth, &err));
    assert_false(control_opt_object(object, "s", &inner, &err));
    json_decref(object);
}

static bool read_request(const char *text, const char **ret_cmd, json_t **ret_args, struct err *err)
{
    static json_t *object; /* kept for what is borrowed from it, until the next one */

    json_decref(object);
    object = text ? object_of(text) : NULL;
    return text && control_read_request(object, ret_cmd, ret_args, err);
}

static void a_request_is_version_command_and_arguments_and_nothing_else(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const char *cmd = NULL;
    json_t *args = NULL;

    assert_true(read_request("{\"v\":1,\"cmd\":\"status\"}", &cmd, &args, &err));
    assert_string_equal(cmd, "status");
    assert_null(args);
    assert_true(
        read_request("{\"cmd\":\"show\",\"args\":{\"id\":\"x\"},\"v\":1}", &cmd, &args, &err));
    assert_int_equal(json_object_size(args), 1);

    assert_false(read_request("{\"cmd\":\"status\"}", &cmd, &args, &err));
    assert_false(read_request("{\"v\":1}", &cmd, &args, &err));
    assert_false(read_request("{\"v\":1,\"cmd\":3}", &cmd, &args, &err));
    assert_false(read_request("{\"v\":1,\"cmd\":\"a\",\"args\":[]}", &cmd, &args, &err));
    assert_false(read_request("{\"v\":1,\"cmd\":\"a\",\"arg\":{}}", &cmd, &args, &err));
    assert_string_equal(err.remedy, "did you mean args?");
    assert_false(read_request("{\"v\":2,\"cmd\":\"a\",\"new\":1}", &cmd, &args, &err));
    assert_non_null(strstr(err.text, "version 2"));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    (void)read_request(NULL, &cmd, &args, &err);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void every_event_is_one_line_in_the_shape_of_the_protocol(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err why = ERR_INIT, err = ERR_INIT;

    (void)err_set(&why, ERR_PRECONDITION, 0, "no guard");
    assert_true(control_add_accepted(&out, "sp-1", &err));
    assert_true(control_add_step(&out, "hold", 1763972131206811, &err));
    assert_true(control_add_progress(&out, "finish", 40, 100, "2 of 4", &err));
    assert_true(control_add_warning(&out, "slow", "wait", &err));
    assert_true(control_add_warning(&out, "slow", NULL, &err));
    assert_true(control_add_released(&out, "sp-1", 303.2, &err));
    assert_true(control_add_cancelling(&out, "letting go", &err));
    assert_true(control_add_goes_on(&out, "cut made", &err));
    assert_true(control_add_item(&out, json_pack("{s:i}", "a", 1), &err));
    assert_true(control_add_check(&out, "clock", "ok", "fine\nreally", "", &err));
    assert_true(control_add_result(&out, 3, NULL, &err));
    assert_true(control_add_error(&out, &why, 5, "nothing is held", &err));

    assert_string_equal(
        buf_text(&out),
        "{\"event\":\"accepted\",\"id\":\"sp-1\"}\n"
        "{\"event\":\"step\",\"step\":\"hold\",\"at\":\"2025-11-24T08:15:31.206811Z\"}\n"
        "{\"event\":\"progress\",\"step\":\"finish\",\"done\":40,\"total\":100,\"text\":\"2 of "
        "4\"}\n"
        "{\"event\":\"warning\",\"text\":\"slow\",\"remedy\":\"wait\"}\n"
        "{\"event\":\"warning\",\"text\":\"slow\",\"remedy\":null}\n"
        "{\"event\":\"released\",\"id\":\"sp-1\",\"hold_ms\":303.2}\n"
        "{\"event\":\"cancelling\",\"text\":\"letting go\"}\n"
        "{\"event\":\"goes_on\",\"text\":\"cut made\"}\n"
        "{\"event\":\"item\",\"data\":{\"a\":1}}\n"
        "{\"event\":\"check\",\"name\":\"clock\",\"result\":\"ok\",\"text\":\"fine\\nreally\","
        "\"remedy\":null}\n"
        "{\"event\":\"result\",\"exit\":3,\"data\":{}}\n"
        "{\"event\":\"error\",\"exit\":5,\"kind\":\"precondition\",\"text\":\"no guard\","
        "\"remedy\":null,\"now\":\"nothing is held\"}\n");
    assert_int_equal(err.kind, ERR_NONE);
    buf_free(&out);
}

static void a_request_reads_back_as_it_was_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    struct err err = ERR_INIT;
    const char *cmd = NULL;
    json_t *args = NULL;

    assert_true(control_add_request(&out, "cancel", NULL, &err));
    assert_string_equal(buf_text(&out), "{\"v\":1,\"cmd\":\"cancel\"}\n");
    buf_clear(&out);
    assert_true(control_add_request(&out, "show", json_pack("{s:s}", "id", "latest"), &err));
    out.data[out.len - 1] = '\0';
    assert_true(read_request(out.data, &cmd, &args, &err));
    assert_string_equal(cmd, "show");
    assert_string_equal(json_string_value(json_object_get(args, "id")), "latest");
    (void)read_request(NULL, &cmd, &args, &err);
    buf_free(&out);
}

static void text_that_is_not_utf8_is_made_so(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"caf\xe9!", "caf\xef\xbf\xbd!"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\xf0\x9f\x8e\xac", "\xf0\x9f\x8e\xac"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *text = control_text(cases[i].from);
        assert_string_equal(json_string_value(text), cases[i].to);
        json_decref(text);
    }
    assert_true(json_is_null(control_text(NULL)));
}

static void a_line_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(40);
    struct err err = ERR_INIT;

    assert_true(control_add_cancelling(&out, "x", &err));
    assert_false(control_add_cancelling(&out, "x", &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_string_equal(buf_text(&out), "{\"event\":\"cancelling\",\"text\":\"x\"}\n");
    assert_int_equal(out.len, strlen(out.data));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_are_cut),
        cmocka_unit_test(a_line_as_long_as_the_cap_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(a_line_without_end_is_refused_as_soon_as_it_is_too_long),
        cmocka_unit_test(more_at_once_than_a_chunk_is_refused),
        cmocka_unit_test(an_idle_connection_holds_no_memory),
        cmocka_unit_test(only_one_clean_object_is_taken),
        cmocka_unit_test(depth_is_bounded_and_brackets_in_texts_do_not_count),
        cmocka_unit_test(an_error_does_not_repeat_what_was_sent),
        cmocka_unit_test(an_unknown_key_is_refused_with_the_nearest_one),
        cmocka_unit_test(getters_insist_on_the_type),
        cmocka_unit_test(an_optional_key_may_be_missing_or_null_but_not_of_another_type),
        cmocka_unit_test(a_request_is_version_command_and_arguments_and_nothing_else),
        cmocka_unit_test(every_event_is_one_line_in_the_shape_of_the_protocol),
        cmocka_unit_test(a_request_reads_back_as_it_was_written),
        cmocka_unit_test(text_that_is_not_utf8_is_made_so),
        cmocka_unit_test(a_line_that_does_not_fit_leaves_the_buffer_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
