/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a server's settings goes into a record, so that a server on a copy can be given it. */
#include "hooks/db_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/hookrun/copy_settings.h"

static char *names[] = {(char *)(uintptr_t) "Variable_name", (char *)(uintptr_t) "Value"};

static char *text_of(const char *const *cells, size_t rows)
{
    struct db_rows variables = {rows, 2, names, (char **)(uintptr_t)cells};
    struct err err = ERR_INIT;
    char *text = NULL;

    if (!db_settings_text("/var/lib/mysql", &variables, &text, &err))
        fail_msg("%s", err.text);
    return text;
}

static void paths_are_absolute_and_the_binary_log_is_a_base(void **state)
{
    static const char *const cells[] = {"innodb_log_group_home_dir",
                                        "./",
                                        "innodb_undo_directory",
                                        "undo",
                                        "aria_log_dir_path",
                                        "/var/lib/mysql/",
                                        "log_bin",
                                        "ON",
                                        "log_bin_basename",
                                        "/var/log/mysql/binlog",
                                        "log_bin_index",
                                        "/var/log/mysql/binlog.index",
                                        "innodb_data_home_dir",
                                        "",
                                        "innodb_page_size",
                                        "16384",
                                        "datadir",
                                        "/var/lib/mysql/",
                                        "read_only",
                                        "OFF"};
    (void)state;

    char *text = text_of(cells, 10);
    assert_string_equal(text, "innodb_log_group_home_dir=/var/lib/mysql\n"
                              "innodb_undo_directory=/var/lib/mysql/undo\n"
                              "aria_log_dir_path=/var/lib/mysql\n"
                              "log_bin=/var/log/mysql/binlog\n"
                              "log_bin_index=/var/log/mysql/binlog.index\n"
                              "innodb_page_size=16384\n");
    free(text);
}

static void a_server_without_a_binary_log_says_none(void **state)
{
    static const char *const cells[] = {"log_bin", "OFF",           "log_bin_basename",
                                        "",        "log_bin_index", "/x/y.index"};
    (void)state;

    char *text = text_of(cells, 3);
    assert_string_equal(text, "");
    free(text);
}

static void what_can_not_be_passed_on_is_left_out(void **state)
{
    static const char *const cells[] = {"gtid_mode", "ON\nx",         "innodb_page_size",
                                        "1 2",       "binlog_format", "ROW"};
    (void)state;

    char *text = text_of(cells, 3);
    assert_string_equal(text, "binlog_format=ROW\n");
    free(text);
}

static void every_name_is_one_that_the_session_takes(void **state)
{
    static const char all[] = DB_SETTINGS_NAMES;
    (void)state;

    for (const char *at = strchr(all, '\''); at != NULL; at = strchr(at, '\'')) {
        const char *name = at + 1;
        size_t len = strcspn(name, "'");
        enum copy_setting_kind kind;
        bool helper = strncmp(name, "log_bin_basename", len) == 0 && len == 16;
        if (!helper && !copy_setting_known(name, len, &kind))
            fail_msg("%.*s", (int)len, name);
        at = name + len + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_absolute_and_the_binary_log_is_a_base),
        cmocka_unit_test(a_server_without_a_binary_log_says_none),
        cmocka_unit_test(what_can_not_be_passed_on_is_left_out),
        cmocka_unit_test(every_name_is_one_that_the_session_takes),
    };

    return cmocka_run_group_tests_name("db_settings", tests, NULL, NULL);
}
