/* SPDX-License-Identifier: BSD-2-Clause */
/* A set's settings as a copy session takes them: whatever is recorded, it does. */
#include "agent/daemon/verify_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/auto.h"
#include "agent/hookrun/copy_settings.h"

static struct copy_setting taken[COPY_SETTINGS_MAX];

/* How many settings the session takes of TEXT, all of them. */
static size_t count_taken(const struct buf *text)
{
    const char *bad = NULL;
    size_t count = 0, bytes = 0;

    if (!copy_settings_read(buf_text(text), taken, &count, &bad, &bytes))
        fail_msg("refused: %.*s", (int)bytes, bad);
    assert_true(text->len < COPY_SETTINGS_BYTES);
    return count;
}

/* "NAME=/aaa…", BYTES long. */
static void add_long(struct strs *recorded, const char *name, size_t bytes)
{
    char line[9000];
    struct err err = ERR_INIT;

    memset(line, 'a', sizeof(line));
    int head = snprintf(line, sizeof(line), "%s=/", name);
    line[head] = 'a';
    line[bytes] = '\0';
    assert_true(strs_add(recorded, line, &err));
}

static void what_is_longer_than_a_session_takes_is_left_out_by_name(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(COPY_SETTINGS_BYTES);
    struct strs recorded = {NULL, 0}, left_out = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;
    assert_true(strs_add(&recorded, "innodb_page_size=16384", &err));
    add_long(&recorded, "innodb_data_file_path", COPY_PATH_BYTES - 1);
    add_long(&recorded, "innodb_directories", COPY_PATH_BYTES);
    assert_true(strs_add(&recorded, "server_id=7", &err));

    assert_true(verify_settings_text(&recorded, false, &text, &left_out, &err));

    assert_int_equal(count_taken(&text), 3);
    assert_string_equal(taken[2].text, "server-id=7");
    assert_int_equal(left_out.count, 1);
    assert_string_equal(left_out.items[0], "innodb_directories");
    strs_free(&recorded);
    strs_free(&left_out);
}

static void all_together_are_no_more_than_a_session_takes(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(COPY_SETTINGS_BYTES);
    struct strs recorded = {NULL, 0}, left_out = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < 8; i++)
        add_long(&recorded, "innodb_directories", COPY_PATH_BYTES - 1);
    assert_true(strs_add(&recorded, "server_id=7", &err));

    assert_true(verify_settings_text(&recorded, true, &text, &left_out, &err));

    assert_int_equal(count_taken(&text), 9);
    assert_string_equal(taken[8].text, "plugin-load-add=ha_archive");
    assert_int_equal(left_out.count, 1);
    strs_free(&recorded);
    strs_free(&left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_longer_than_a_session_takes_is_left_out_by_name),
        cmocka_unit_test(all_together_are_no_more_than_a_session_takes),
    };

    return cmocka_run_group_tests_name("verify_settings", tests, NULL, NULL);
}
