/* SPDX-License-Identifier: BSD-2-Clause */
/* How CHECK TABLE's words are taken. */
#include "agent/daemon/verify_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void what_the_server_says_of_a_table_is_taken_by_what_the_set_promises(void **state)
{
    static const struct {
        const char *type, *text;
        enum verify_message application, less;
    } cases[] = {
        {"status", "OK", VERIFY_MESSAGE_GOOD, VERIFY_MESSAGE_GOOD},
        {"status", "Table is already up to date", VERIFY_MESSAGE_GOOD, VERIFY_MESSAGE_GOOD},
        {"note", "The storage engine for the table doesn't support check", VERIFY_MESSAGE_REMARK,
         VERIFY_MESSAGE_REMARK},
        {"error", "Size of datafile is: 1000         Should be: 420000", VERIFY_MESSAGE_FAULT,
         VERIFY_MESSAGE_FAULT},
        {"status", "Operation failed", VERIFY_MESSAGE_FAULT, VERIFY_MESSAGE_FAULT},
        {"error", "Corrupt", VERIFY_MESSAGE_FAULT, VERIFY_MESSAGE_FAULT},
        {"warning", "1 client is using or hasn't closed the table properly", VERIFY_MESSAGE_FAULT,
         VERIFY_MESSAGE_REMARK},
        {"warning", "Table is marked as crashed", VERIFY_MESSAGE_FAULT, VERIFY_MESSAGE_REMARK},
        {"warning", "Found row where the auto_increment column has the value 0",
         VERIFY_MESSAGE_REMARK, VERIFY_MESSAGE_REMARK},
        {"error", "Table upgrade required. Please do \"REPAIR TABLE `t`\"", VERIFY_MESSAGE_REMARK,
         VERIFY_MESSAGE_REMARK},
        {"error",
         "Table rebuild required. Please do \"ALTER TABLE `t` FORCE\" or dump/reload to fix it!",
         VERIFY_MESSAGE_REMARK, VERIFY_MESSAGE_REMARK},
        {"Error", "Unknown storage engine 'ARCHIVE'", VERIFY_MESSAGE_CLOSED, VERIFY_MESSAGE_CLOSED},
        {"Error", "Can't find master key from keyring, please check in the server log",
         VERIFY_MESSAGE_CLOSED, VERIFY_MESSAGE_CLOSED},
        {"Warning",
         "Table a/b in file ./a/b.ibd is encrypted but encryption service or used key_id is not "
         "available.  Can't continue reading table.",
         VERIFY_MESSAGE_CLOSED, VERIFY_MESSAGE_CLOSED},
        {"Error",
         "Got error 192 'Table encrypted but decryption failed. This could be because correct "
         "encryption management plugin is not loaded' from InnoDB",
         VERIFY_MESSAGE_CLOSED, VERIFY_MESSAGE_CLOSED},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (verify_message_judge(cases[i].type, cases[i].text, true) != cases[i].application ||
            verify_message_judge(cases[i].type, cases[i].text, false) != cases[i].less)
            fail_msg("%s: %s", cases[i].type, cases[i].text);
    }
}

static void a_tables_name_says_nothing(void **state)
{
    static const char *const tables[] = {"./kaltura/keyring_log", "./kaltura/encrypted_x",
                                         "./kaltura/it is encrypted", "./kaltura/upgrade_log",
                                         "./kaltura/master key"};
    (void)state;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "Table '%s' is marked as crashed and should be repaired",
                       tables[i]);
        if (verify_message_judge("error", text, false) != VERIFY_MESSAGE_FAULT)
            fail_msg("%s", text);
        (void)snprintf(text, sizeof(text),
                       "Incorrect key file for table '%s.MYI'; try to repair it", tables[i]);
        if (verify_message_judge("Error", text, false) != VERIFY_MESSAGE_FAULT)
            fail_msg("%s", text);
    }
}

/* Two rows, and what they come to. */
struct answer {
    const char *cells[4]; /* Msg_type, Msg_text, twice */
    enum verify_message whole;
    size_t row;
};

static void the_worst_that_is_said_counts(void **state)
{
    static const char engine[] = "Unknown storage engine 'ARCHIVE'",
                      key[] = "Can't find master key from keyring, please check in the server log";
    static const struct answer answers[] = {
        {{"status", "OK", "status", "OK"}, VERIFY_MESSAGE_GOOD, 0},
        {{"note", "x", "status", "OK"}, VERIFY_MESSAGE_REMARK, 0},
        {{"note", "x", "error", "Corrupt"}, VERIFY_MESSAGE_FAULT, 1},
        {{"Error", engine, "error", "Corrupt"}, VERIFY_MESSAGE_CLOSED, 0},
        {{"Error", key, "status", "Operation failed"}, VERIFY_MESSAGE_CLOSED, 0},
        {{"Error", "Table 'a.b' doesn't exist in engine", "Error", key}, VERIFY_MESSAGE_CLOSED, 1},
        {{"Error", key, "Error",
          "Operation cannot be performed. The table 'a.b' is missing, corrupt or contains bad "
          "data."},
         VERIFY_MESSAGE_CLOSED,
         0},
        {{"Error", engine, "error", "Size of datafile is: 1000         Should be: 420000"},
         VERIFY_MESSAGE_FAULT,
         1},
        {{"error", "Table './a/keyring_log' is marked as crashed", "Error", key},
         VERIFY_MESSAGE_FAULT,
         0},
        {{NULL, NULL, "status", "Operation failed"}, VERIFY_MESSAGE_FAULT, 1},
    };
    static char type[] = "Msg_type", said[] = "Msg_text";
    (void)state;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char *names[] = {type, said}, *cells[4];
        memcpy(cells, answers[i].cells, sizeof(cells));
        const struct db_rows rows = {2, 2, names, cells};
        size_t row = 7;
        if (verify_message_whole(&rows, true, &row) != answers[i].whole || row != answers[i].row)
            fail_msg("%zu: row %zu", i, row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_says_of_a_table_is_taken_by_what_the_set_promises),
        cmocka_unit_test(a_tables_name_says_nothing),
        cmocka_unit_test(the_worst_that_is_said_counts),
    };

    return cmocka_run_group_tests_name("verify_message", tests, NULL, NULL);
}
