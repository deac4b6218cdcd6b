/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/buf.h"

/* "+path" for each open, "path=text" for each close. */
static bool note_open(void *self, const char *path, struct err *err)
{
    return buf_printf(self, err, "+%s\n", path);
}

static bool note_close(void *self, const char *path, const char *text, struct err *err)
{
    return buf_printf(self, err, "%s=%s\n", path, text);
}

static bool parse(const char *text, const char *root, struct buf *notes, struct err *err)
{
    struct xml_handler handler = {.self = notes, .open = note_open, .close = note_close};

    return xml_parse(text, strlen(text), root, &handler, err);
}

static void assert_refused(const char *text, enum err_kind kind, const char *says)
{
    struct buf notes = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;

    bool ok = parse(text, "R", &notes, &err);

    assert_false(ok);
    if (strstr(err.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    assert_int_equal(err.kind, kind);
    buf_free(&notes);
}

static void answer_becomes_paths_and_texts(void **state)
{
    struct buf notes = BUF_INIT(4096);
    struct err err = ERR_INIT;
    (void)state;

    bool ok = parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<R xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"
                    "  <set>\n    <item><id>a&amp;b</id><e/></item>\n <x:item>t</x:item>\n </set>"
                    "</R>\n",
                    "R", &notes, &err);

    assert_string_equal(err.text, "");
    assert_true(ok);
    assert_string_equal(notes.data, "+set\n+set/item\n+set/item/id\nset/item/id=a&b\n"
                                    "+set/item/e\nset/item/e=\nset/item=\n"
                                    "+set/item\nset/item=t\nset=\n");
    buf_free(&notes);
}

static void text_around_children_is_dropped(void **state)
{
    struct buf notes = BUF_INIT(4096);
    struct err err = ERR_INIT;
    (void)state;

    assert_true(parse("<R><a>one<b>two</b>three</a></R>", "R", &notes, &err));

    assert_string_equal(notes.data, "+a\n+a/b\na/b=two\na=\n");
    buf_free(&notes);
}

static void other_root_is_refused(void **state)
{
    (void)state;
    assert_refused("<html><a/></html>", ERR_PROTOCOL, "<html> where <R> was expected");
}

static void truncated_answer_is_refused(void **state)
{
    static const char whole[] = "<R><a><b>text</b></a></R>";
    (void)state;

    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        char *part = strndup(whole, len);
        assert_refused(part, ERR_PROTOCOL, "XML: line");
        free(part);
    }
}

static void what_is_no_xml_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"json\": true}", ERR_PROTOCOL, "XML: line 1");
    assert_refused("<R><a></b></R>", ERR_PROTOCOL, "mismatched tag");
    assert_refused("<R>\xff\xfe</R>", ERR_PROTOCOL, "XML: line 1");
    assert_refused("<R></R><R></R>", ERR_PROTOCOL, "XML: line 1");
    assert_refused("<R>&unknown;</R>", ERR_PROTOCOL, "undefined entity");
}

static void document_type_and_its_entities_are_refused(void **state)
{
    (void)state;
    assert_refused("<!DOCTYPE R [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
                   "<R><x>&b;&b;&b;</x></R>",
                   ERR_PROTOCOL, "document type");
    assert_refused("<!DOCTYPE R SYSTEM \"file:///etc/passwd\"><R/>", ERR_PROTOCOL, "document type");
}

static void deep_nesting_is_refused(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    (void)state;
    assert_true(buf_add_text(&text, "<R>", &err));
    for (int i = 0; i < 1000; i++)
        assert_true(buf_add_text(&text, "<a>", &err));

    assert_refused(text.data, ERR_LIMIT, "levels");
    buf_free(&text);
}

static void nesting_up_to_the_limit_is_taken(void **state)
{
    struct buf text = BUF_INIT(1 << 20), notes = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    (void)state;
    assert_true(buf_add_text(&text, "<R>", &err));
    for (int i = 0; i < XML_DEPTH_MAX; i++)
        assert_true(buf_add_text(&text, "<a>", &err));
    for (int i = 0; i < XML_DEPTH_MAX; i++)
        assert_true(buf_add_text(&text, "</a>", &err));
    assert_true(buf_add_text(&text, "</R>", &err));

    bool ok = parse(text.data, "R", &notes, &err);

    assert_true(ok);
    buf_free(&text);
    buf_free(&notes);
}

static char *filled(const char *before, char fill, size_t count, const char *after)
{
    char *text = malloc(strlen(before) + count + strlen(after) + 1);

    assert_non_null(text);
    (void)sprintf(text, "%s", before);
    memset(text + strlen(before), fill, count);
    (void)sprintf(text + strlen(before) + count, "%s", after);
    return text;
}

static void long_text_is_refused(void **state)
{
    char *text = filled("<R><a>", 'x', XML_TEXT_MAX_BYTES + 1, "</a></R>");
    (void)state;

    assert_refused(text, ERR_LIMIT, "the text of an element");
    free(text);
}

static void long_names_are_refused(void **state)
{
    char *text = filled("<R><", 'x', XML_PATH_BYTES, "/></R>");
    (void)state;

    assert_refused(text, ERR_LIMIT, "a path of more than");
    free(text);
}

static void too_many_elements_are_refused(void **state)
{
    struct buf text = BUF_INIT(8 << 20);
    struct xml_handler handler = {.self = NULL};
    struct err err = ERR_INIT;
    (void)state;
    assert_true(buf_add_text(&text, "<R>", &err));
    for (size_t i = 0; i < XML_ELEMENTS_MAX + 1; i++)
        assert_true(buf_add(&text, "<a/>", 4, &err));
    assert_true(buf_add_text(&text, "</R>", &err));

    bool ok = xml_parse(text.data, text.len, "R", &handler, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_LIMIT);
    buf_free(&text);
}

static bool fail_at_b(void *self, const char *path, const char *text, struct err *err)
{
    (void)text;
    (*(int *)self)++;
    return strcmp(path, "b") != 0 || err_set(err, ERR_BUSY, 0, "b is refused");
}

static void error_of_a_callback_ends_the_parse(void **state)
{
    int calls = 0;
    struct xml_handler handler = {.self = &calls, .close = fail_at_b};
    struct err err = ERR_INIT;
    (void)state;

    bool ok = xml_parse("<R><a/><b/><c/><d/></R>", 23, "R", &handler, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_string_equal(err.text, "b is refused");
    assert_int_equal(calls, 2);
}

static void root_name_is_found_without_the_rest(void **state)
{
    char name[16];
    (void)state;

    assert_true(xml_root_name("<?xml version=\"1.0\"?><Response><Err", 35, name, sizeof(name)));
    assert_string_equal(name, "Response");
    assert_false(xml_root_name("not xml", 7, name, sizeof(name)));
    assert_string_equal(name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_becomes_paths_and_texts),
        cmocka_unit_test(text_around_children_is_dropped),
        cmocka_unit_test(other_root_is_refused),
        cmocka_unit_test(truncated_answer_is_refused),
        cmocka_unit_test(what_is_no_xml_is_refused),
        cmocka_unit_test(document_type_and_its_entities_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(nesting_up_to_the_limit_is_taken),
        cmocka_unit_test(long_text_is_refused),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(too_many_elements_are_refused),
        cmocka_unit_test(error_of_a_callback_ends_the_parse),
        cmocka_unit_test(root_name_is_found_without_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
