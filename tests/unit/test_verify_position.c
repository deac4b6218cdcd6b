/* SPDX-License-Identifier: BSD-2-Clause */
/* The recorded end of a server's logs against what the copy has. */
#include "agent/daemon/verify_position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The last is what the server on the copy has begun itself. */
static struct verify_log three[] = {
    {"binlog.000001", 400, 0}, {"binlog.000002", 900, 0}, {"binlog.000003", 330, 0}};

static struct backup_database recorded(const char *file, int64_t pos, bool exact, const char *gtid)
{
    return (struct backup_database){.name = "mysql",
                                    .binlog_file = (char *)(uintptr_t)file,
                                    .binlog_pos = pos,
                                    .binlog_exact = exact,
                                    .gtid = (char *)(uintptr_t)gtid};
}

/* All findings in one text, and what was found into FOUND. */
static const char *judge(const struct backup_database *database, const struct verify_logs *logs,
                         char *text, size_t size)
{
    struct strs findings = {NULL, 0};
    char found[VERIFY_FOUND_BYTES];
    struct err err = ERR_INIT;

    assert_true(verify_position_judge(database, logs, &findings, found, &err));
    text[0] = '\0';
    for (size_t i = 0; i < findings.count; i++) {
        strncat(text, findings.items[i], size - strlen(text) - 1);
        strncat(text, "|", size - strlen(text) - 1);
    }
    strs_free(&findings);
    return text;
}

static void a_good_end_has_no_finding(void **state)
{
    const struct verify_logs logs = {three, 3, (char *)(uintptr_t) "0-1-55"};
    const struct backup_database exact = recorded("binlog.000002", 900, true, "0-1-55");
    const struct backup_database least = recorded("binlog.000002", 700, false, "0-1-50");
    const struct backup_database rotated = recorded("binlog.000001", 300, false, "0-1-50");
    const struct backup_database none = recorded(NULL, BACKUP_UNKNOWN, false, NULL);
    char text[2000];
    (void)state;

    assert_string_equal(judge(&exact, &logs, text, sizeof(text)), "");
    assert_string_equal(judge(&least, &logs, text, sizeof(text)), "");
    assert_string_equal(judge(&rotated, &logs, text, sizeof(text)), "");
    assert_string_equal(judge(&none, &logs, text, sizeof(text)), "");
}

static void what_the_server_notes_for_itself_is_no_finding(void **state)
{
    struct verify_log noted[] = {
        {"binlog.000001", 400, 0}, {"binlog.000002", 900, 860}, {"binlog.000003", 330, 0}};
    const struct verify_logs logs = {noted, 3, NULL};
    const struct backup_database at = recorded("binlog.000002", 860, true, NULL);
    const struct backup_database before = recorded("binlog.000002", 859, true, NULL);
    char text[2000];
    (void)state;

    assert_string_equal(judge(&at, &logs, text, sizeof(text)), "");
    assert_string_equal(judge(&before, &logs, text, sizeof(text)),
                        "recorded binlog.000002:859, the copy's ends at 900|");
}

static void each_wrong_end_is_named_with_both_sides(void **state)
{
    const struct verify_logs logs = {three, 3, (char *)(uintptr_t) "0-1-55"};
    const struct {
        struct backup_database database;
        const char *says;
    } cases[] = {
        {recorded("binlog.000002", 880, true, NULL),
         "recorded binlog.000002:880, the copy's ends at 900"},
        {recorded("binlog.000002", 901, true, NULL), "beyond the end of the copy's, 900"},
        {recorded("binlog.000002", 901, false, NULL), "beyond the end of the copy's, 900"},
        {recorded("binlog.000001", 400, true, NULL), "the copy's logs go on to binlog.000002"},
        {recorded("binlog.000009", 4, true, NULL),
         "not on the copy; it has binlog.000001 to binlog.000003"},
        {recorded("binlog.000002", 900, true, "0-1-54"),
         "recorded GTID 0-1-54, the copy's is 0-1-55"},
        {recorded("binlog.000002", 700, false, "0-1-56"),
         "recorded GTID 0-1-56, the copy's is 0-1-55"},
        {recorded("binlog.000002", 900, true, "nonsense"), "recorded GTID nonsense"},
    };
    char text[2000];
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strstr(judge(&cases[i].database, &logs, text, sizeof(text)), cases[i].says) == NULL)
            fail_msg("%s: '%s'", cases[i].says, text);
    }
}

static void a_log_that_is_gone_is_named(void **state)
{
    struct verify_log gone[] = {
        {"binlog.000001", 0, 0}, {"binlog.000002", 900, 0}, {"binlog.000003", 330, 0}};
    struct verify_log gap[] = {
        {"binlog.000001", 400, 0}, {"binlog.000003", 900, 0}, {"binlog.000004", 330, 0}};
    const struct verify_logs without = {gone, 3, NULL}, between = {gap, 3, NULL};
    const struct backup_database database = recorded("binlog.000002", 900, true, NULL);
    const struct backup_database third = recorded("binlog.000003", 900, true, NULL);
    char text[2000];
    (void)state;

    assert_string_equal(judge(&database, &without, text, sizeof(text)),
                        "the binary log binlog.000001 is listed in the index, and not there|");
    assert_string_equal(
        judge(&third, &between, text, sizeof(text)),
        "between the binary logs binlog.000001 and binlog.000003 some are missing|");
}

static void a_gtid_that_a_tag_had_no_room_for_says_nothing(void **state)
{
    const struct verify_logs logs = {three, 3, (char *)(uintptr_t) "0-1-55"};
    const struct backup_database database = recorded("binlog.000002", 900, true, "0-1-55,1-1-…");
    char text[2000];
    (void)state;

    assert_string_equal(judge(&database, &logs, text, sizeof(text)), "");
}

static void only_plain_names_go_into_a_statement(void **state)
{
    (void)state;

    assert_true(verify_log_name_plain("mysql-bin.000007"));
    assert_false(verify_log_name_plain("a' OR '1"));
    assert_false(verify_log_name_plain(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_end_has_no_finding),
        cmocka_unit_test(what_the_server_notes_for_itself_is_no_finding),
        cmocka_unit_test(each_wrong_end_is_named_with_both_sides),
        cmocka_unit_test(a_log_that_is_gone_is_named),
        cmocka_unit_test(a_gtid_that_a_tag_had_no_room_for_says_nothing),
        cmocka_unit_test(only_plain_names_go_into_a_statement),
    };

    return cmocka_run_group_tests_name("verify_position", tests, NULL, NULL);
}
