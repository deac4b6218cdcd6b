/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* Percona Server is not to be had here: a scripted one shows which statements are sent in which
 * order. */

static struct db_server server_of(int number, bool exact, int flush)
{
    struct db_server server = {.facts = {.version = {DB_KIND_PERCONA, number},
                                         .exact_wanted = exact,
                                         .log_bin = true,
                                         .flush_at_commit = flush}};
    struct err err = ERR_INIT;

    assert_true(db_choose(&server.facts, &server.choice, &err));
    return server;
}

static const struct dbscript_answer master_status = {
    .sql = "SHOW MASTER STATUS", .names = "File\tPosition", .rows = "binlog.000007\t4711"};
static const struct dbscript_answer log_status = {
    .sql = "SELECT LOCAL",
    .names = "LOCAL",
    .rows = "{\"gtid_executed\": \"a:1-5\", \"binary_log_file\": \"binlog.000003\", "
            "\"binary_log_position\": 157}"};
static const struct dbscript_answer connection_id = {
    .sql = "SELECT CONNECTION_ID()", .names = "CONNECTION_ID()", .rows = "7"};

static void whole_life(int number, bool exact, int flush, struct db_position *ret_position,
                       const char *wanted)
{
    const struct dbscript_answer answers[] = {master_status, log_status, connection_id};
    struct db_server server = server_of(number, exact, flush);
    struct proof proof = {.held = false};
    struct err err = ERR_INIT;
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    if (!db_lock_take(&lock, clock_boot_ms() + 5000, ret_position, &err))
        fail_msg("%s", err.text);
    assert_true(db_lock_prove(&lock, clock_boot_ms() + 5000, &proof, &err));
    assert_true(proof.held);
    assert_true(db_lock_release(&lock, clock_boot_ms() + 5000, &err));
    db_close(db);
    dbscript_end(&script);
    dbscript_assert_asked(&script, wanted);
}

static void percona_5_7_holds_tables_then_the_binary_log(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(50744, false, 1, &position,
               "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\nSHOW MASTER STATUS\n"
               "SELECT CONNECTION_ID()\nUNLOCK BINLOG\nUNLOCK TABLES\n");
    assert_true(position.exact);
    assert_string_equal(position.binlog_file, "binlog.000007");
    assert_int_equal(position.binlog_pos, 4711);
}

static void percona_5_7_flushes_the_engine_logs_before_the_position(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(50744, false, 2, &position,
               "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\n"
               "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS\nSHOW MASTER STATUS\n"
               "SELECT CONNECTION_ID()\nUNLOCK BINLOG\nUNLOCK TABLES\n");
}

static void percona_8_holds_tables_and_reads_one_consistent_position(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(80035, false, 1, &position,
               "LOCK TABLES FOR BACKUP\nSELECT LOCAL FROM performance_schema.log_status\n"
               "SELECT CONNECTION_ID()\nUNLOCK TABLES\n");
    assert_false(position.exact);
    assert_string_equal(position.binlog_file, "binlog.000003");
    assert_int_equal(position.binlog_pos, 157);
    assert_string_equal(position.gtid, "a:1-5");
}

static void percona_8_takes_ftwrl_where_the_position_must_be_exact(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(80035, true, 1, &position,
               "SELECT ID, USER, DB, TIME, STATE FROM information_schema.PRO\n"
               "FLUSH TABLES WITH READ LOCK\nSELECT LOCAL FROM performance_schema.log_status\n"
               "SELECT CONNECTION_ID()\nUNLOCK TABLES\n");
    assert_true(position.exact);
}

static void assert_refused(const struct dbscript_answer *refusal, enum err_kind kind,
                           const char *wanted)
{
    struct db_server server = server_of(50744, false, 1);
    struct db_position position;
    struct err err = ERR_INIT;
    struct dbscript script = {.answers = refusal, .answer_count = 1};
    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    assert_false(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
    db_close(db);
    dbscript_end(&script);
    assert_int_equal(err.kind, kind);
    dbscript_assert_asked(&script, wanted);
}

static void a_refused_second_lock_lets_go_of_the_first(void **state)
{
    static const struct dbscript_answer refusal = {.sql = "LOCK BINLOG FOR BACKUP",
                                                   .refused = 1205};

    (void)state;
    assert_refused(&refusal, ERR_DB_LOCK,
                   "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\nUNLOCK BINLOG\n"
                   "UNLOCK TABLES\nSELECT ID, USER, DB, TIME, STATE FROM "
                   "information_schema.PRO\n");
}

static void a_refused_first_lock_asks_for_no_second(void **state)
{
    static const struct dbscript_answer refusal = {.sql = "LOCK TABLES FOR BACKUP",
                                                   .refused = 1227};

    (void)state;
    assert_refused(&refusal, ERR_DB, "LOCK TABLES FOR BACKUP\nUNLOCK TABLES\n");
}

static void an_answer_of_another_connection_proves_nothing(void **state)
{
    const struct dbscript_answer answers[] = {
        master_status,
        {.sql = "SELECT CONNECTION_ID()", .names = "CONNECTION_ID()", .rows = "8"},
    };
    struct db_server server = server_of(50744, false, 1);
    struct db_position position;
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    (void)state;
    assert_true(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
    assert_true(db_lock_prove(&lock, clock_boot_ms() + 5000, &proof, &err));
    assert_false(proof.held);
    db_close(db);
    dbscript_end(&script);
}

/* What a server could send that is not what it is asked for. */
static void a_position_that_is_none_is_refused(void **state)
{
    static const struct dbscript_answer nonsense[] = {
        {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "{\"binary_log_file\": "},
        {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "\n"},
        {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "\\N"},
        {.sql = "SHOW MASTER", .names = "File\tPosition", .rows = "binlog.1\t-5"},
        {.sql = "SHOW MASTER", .names = "File\tPosition", .rows = "binlog.1\t12x"},
        {.sql = "SHOW MASTER", .names = "File", .rows = "binlog.1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct db_server server = server_of(i < 3 ? 80035 : 50744, false, 1);
        struct db_position position;
        struct err err = ERR_INIT;
        struct dbscript script = {.answers = &nonsense[i], .answer_count = 1};
        dbscript_start(&script);
        struct db *db = dbscript_connect(&script);
        struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

        assert_false(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
        db_close(db);
        dbscript_end(&script);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_non_null(strstr(script.log, "UNLOCK TABLES"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percona_5_7_holds_tables_then_the_binary_log),
        cmocka_unit_test(percona_5_7_flushes_the_engine_logs_before_the_position),
        cmocka_unit_test(percona_8_holds_tables_and_reads_one_consistent_position),
        cmocka_unit_test(percona_8_takes_ftwrl_where_the_position_must_be_exact),
        cmocka_unit_test(a_refused_second_lock_lets_go_of_the_first),
        cmocka_unit_test(a_refused_first_lock_asks_for_no_second),
        cmocka_unit_test(an_answer_of_another_connection_proves_nothing),
        cmocka_unit_test(a_position_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
