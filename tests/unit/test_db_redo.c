/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_redo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* Against a scripted MariaDB that flushes when the test wants it to. */

#define LSNS(current, flushed, ...)                                                                \
    {                                                                                              \
        .sql = "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_%'", .names = "Variable_name\tValue",          \
        .rows = "Innodb_lsn_current\t" current "\nInnodb_lsn_flushed\t" flushed, __VA_ARGS__       \
    }

static bool flush(const struct dbscript_answer *answers, size_t answer_count, int flush_at_commit,
                  char *log, struct err *err)
{
    const struct db_facts facts = {.version = {DB_KIND_MARIADB, 101119},
                                   .flush_at_commit = flush_at_commit};
    struct dbscript script = {.answers = answers, .answer_count = answer_count};

    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    bool ok = db_redo_flush(db, &facts, clock_boot_ms() + 8000, err);
    db_close(db);
    dbscript_end(&script);
    memcpy(log, script.log, sizeof(script.log));
    return ok;
}

static void what_was_current_at_first_is_waited_for_and_nothing_later(void **state)
{
    static const struct dbscript_answer answers[] = {
        LSNS("1000", "900", .times = 1),
        LSNS("1500", "999", .times = 1),
        LSNS("2000", "1000", .times = 1),
        {.sql = "SHOW GLOBAL STATUS", .refused = 1105},
    };
    char log[DBSCRIPT_LOG_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    if (!flush(answers, 4, 0, log, &err))
        fail_msg("%s", err.text);
    assert_true(flush(answers + 3, 1, 2, log, &err)); /* the server's word is enough */
    assert_string_equal(log, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS\n");
}

static void a_log_that_is_never_written_is_not_waited_for_long(void **state)
{
    static const struct dbscript_answer answers[] = {LSNS("1000", "900", .times = 0)};
    char log[DBSCRIPT_LOG_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    int64_t begin_ms = clock_boot_ms();
    assert_false(flush(answers, 1, 0, log, &err));
    assert_in_range(clock_boot_ms() - begin_ms, 2500, 4000);
    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.text, "does not write its InnoDB log in time"));
    assert_non_null(strstr(err.remedy, "innodb_flush_log_at_trx_commit"));
}

static void a_server_that_does_not_tell_is_no_proof(void **state)
{
    static const struct dbscript_answer untold[] = {
        LSNS("1000", "", .times = 0),
        {.sql = "SHOW GLOBAL STATUS", .names = "Variable_name\tValue"},
    };
    char log[DBSCRIPT_LOG_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(untold) / sizeof(untold[0]); i++) {
        struct err err = ERR_INIT;
        assert_false(flush(&untold[i], 1, 0, log, &err));
        assert_int_equal(err.kind, ERR_DB);
        assert_non_null(strstr(err.text, "does not say how much"));
    }
}

static void a_refusal_on_the_way_is_told(void **state)
{
    static const struct dbscript_answer refusals[][2] = {
        {{.sql = "FLUSH NO_WRITE", .refused = 1227}, {.sql = "none"}},
        {{.sql = "SHOW GLOBAL STATUS", .refused = 1227}, {.sql = "none"}},
        {LSNS("1000", "900", .times = 1), {.sql = "SHOW GLOBAL STATUS", .refused = 1227}},
    };
    char log[DBSCRIPT_LOG_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct err err = ERR_INIT;
        assert_false(flush(refusals[i], 2, 0, log, &err));
        assert_int_equal(err.kind, ERR_DB);
        assert_non_null(strstr(err.text, "(1227)"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_current_at_first_is_waited_for_and_nothing_later),
        cmocka_unit_test(a_log_that_is_never_written_is_not_waited_for_long),
        cmocka_unit_test(a_server_that_does_not_tell_is_no_proof),
        cmocka_unit_test(a_refusal_on_the_way_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
