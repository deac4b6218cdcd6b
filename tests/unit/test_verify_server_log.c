/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a server on a copy ended, as its log says. */
#include "agent/daemon/verify_server_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char why[VERIFY_SERVER_LOG_WHY_BYTES];

static void errors_of_each_server_are_found(void **state)
{
    (void)state;
    verify_server_log_why(
        "2026-11-30T02:53:48.914739Z 1 [System] [MY-013577] [InnoDB] InnoDB has started.\n"
        "mysqld: File '/b/binlog.000002' not found (OS errno 2 - No such file or directory)\n"
        "2026-11-30T02:53:49.355037Z 0 [ERROR] [MY-010958] [Server] Could not open log file.\n",
        why);
    assert_string_equal(why, "File '/b/binlog.000002' not found (OS errno 2 - No such file or "
                             "directory) / [MY-010958] [Server] Could not open log file.");
    verify_server_log_why("2026-11-30  2:36:24 0 [Note] InnoDB: Opened 3 undo tablespaces\n"
                          "2026-11-30  2:36:24 0 [ERROR] Aborting",
                          why);
    assert_string_equal(why, "Aborting");
}

static void a_log_without_an_error_is_said_to_be_one(void **state)
{
    (void)state;
    verify_server_log_why("", why);
    assert_string_equal(why, "no error in its log");
    verify_server_log_why("mysqld: \n[Note] x\n\n"
                          "2026-11-30  3:07:05 0 [ERROR] mariadbd: Can't open shared library "
                          "'/usr/lib/mysql/plugin/ha_archive.so' (errno: 2)\n"
                          "2026-11-30  3:07:05 0 [ERROR] Couldn't load plugins from "
                          "'ha_archive.so'.\n",
                          why);
    assert_string_equal(why, "no error in its log");
}

static void a_long_log_is_cut_and_ends(void **state)
{
    static char log[64 * 1024];

    (void)state;
    for (size_t at = 0; at + 600 < sizeof(log); at += 500)
        (void)snprintf(log + at, 501, "[ERROR] %0491d\n", 7);
    verify_server_log_why(log, why);
    assert_true(strlen(why) > 800 && strlen(why) < sizeof(why));
}

static void a_missing_key_is_no_fault_of_the_set(void **state)
{
    (void)state;
    assert_true(verify_server_log_wants_key(
        "InnoDB: Obtaining redo log encryption key version 1 failed (4294967295)."));
    assert_true(verify_server_log_wants_key(
        "Encryption can't find master key, please check the keyring is loaded."));
    assert_false(verify_server_log_wants_key("InnoDB: Database page corruption on disk"));
}

static void a_name_with_the_word_in_it_wants_no_key(void **state)
{
    static const char *const faults[] = {
        "InnoDB: Corrupted page in file './kaltura/keyring_x.ibd'",
        "[MY-012224] [InnoDB] Header page is inconsistent in datafile: ./kaltura/keyring_x.ibd",
        "InnoDB: Table `kaltura`.`master key` is corrupted. Can't read it",
        "InnoDB: Table kaltura.keyring_x is corrupted, can't go on",
        "Can't open file: 'encryption key.frm' / Aborting",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (verify_server_log_wants_key(faults[i]))
            fail_msg("%s", faults[i]);
    }
    assert_true(verify_server_log_wants_key(
        "Encryption information in datafile: ./a/b.ibd can't be decrypted, please confirm that "
        "keyring is loaded."));
    assert_true(
        verify_server_log_wants_key("[MY-011370] [Server] Plugin keyring_file reported: 'x'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_each_server_are_found),
        cmocka_unit_test(a_log_without_an_error_is_said_to_be_one),
        cmocka_unit_test(a_long_log_is_cut_and_ends),
        cmocka_unit_test(a_missing_key_is_no_fault_of_the_set),
        cmocka_unit_test(a_name_with_the_word_in_it_wants_no_key),
    };

    return cmocka_run_group_tests_name("verify_server_log", tests, NULL, NULL);
}
