/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* Against a scripted server: locks that are slow, refused or not let go of, and a Galera node,
 * which needs no library of its cluster here. */

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static const struct db_version mariadb = {DB_KIND_MARIADB, 101119};
static const struct db_version mysql = {DB_KIND_MYSQL, 80036};

struct bench {
    struct dbscript script;
    struct db_server server;
    struct db *db;
    struct db_lock lock;
    struct db_position position;
};

static void open_bench(struct bench *bench, struct db_version version, enum db_method method,
                       const struct dbscript_answer *answers, size_t answer_count)
{
    struct err err = ERR_INIT;

    memset(bench, 0, sizeof(*bench));
    bench->script.answers = answers;
    bench->script.answer_count = answer_count;
    bench->server.facts =
        (struct db_facts){.version = version, .asked = method, .flush_at_commit = 1};
    assert_true(db_choose(&bench->server.facts, &bench->server.choice, &err));
    dbscript_start(&bench->script);
    bench->db = dbscript_connect(&bench->script);
    bench->lock = (struct db_lock){.db = bench->db, .server = &bench->server, .lock_wait_ms = 2000};
}

#define OPEN(bench, version, method, answers)                                                      \
    open_bench(bench, version, method, answers, sizeof(answers) / sizeof((answers)[0]))

static void close_bench(struct bench *bench)
{
    db_close(bench->db);
    dbscript_end(&bench->script);
}

static bool take(struct bench *bench, struct err *err)
{
    return db_lock_take(&bench->lock, in_ms(8000), &bench->position, err);
}

static void take_or_fail(struct bench *bench)
{
    struct err err = ERR_INIT;

    if (!take(bench, &err))
        fail_msg("%s", err.text);
}

static void release_or_fail(struct bench *bench)
{
    struct err err = ERR_INIT;

    if (!db_lock_release(&bench->lock, in_ms(5000), &err))
        fail_msg("%s", err.text);
}

/* --- waiting ------------------------------------------------------------------------------ */

static const struct dbscript_answer slow_flush[] = {
    {.sql = "BACKUP STAGE FLUSH", .after_ms = 1050},
};

static void what_a_slow_stage_used_up_is_taken_off_the_wait_of_the_next(void **state)
{
    struct bench bench;

    (void)state;
    OPEN(&bench, mariadb, DB_METHOD_AUTO, slow_flush);
    take_or_fail(&bench);
    release_or_fail(&bench);
    close_bench(&bench);

    dbscript_assert_asked(&bench.script,
                          "BACKUP STAGE START\nBACKUP STAGE FLUSH\n"
                          "SET SESSION lock_wait_timeout=1\nBACKUP STAGE BLOCK_DDL\n"
                          "SET SESSION lock_wait_timeout=1\nBACKUP STAGE BLOCK_COMMIT\n"
                          "SELECT @@GLOBAL.gtid_slave_pos\nBACKUP STAGE END\n");
}

static void a_wait_that_is_used_up_lets_go_before_the_next_stage(void **state)
{
    struct bench bench;
    struct err err = ERR_INIT;

    (void)state;
    OPEN(&bench, mariadb, DB_METHOD_AUTO, slow_flush);
    bench.lock.lock_wait_ms = 1000;
    assert_false(take(&bench, &err));
    close_bench(&bench);

    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_non_null(strstr(err.text, "took longer than 1 s"));
    assert_non_null(strstr(err.remedy, "lock_wait"));
    assert_null(strstr(bench.script.log, "BLOCK_DDL"));
    assert_non_null(strstr(bench.script.log, "BACKUP STAGE END"));
}

/* FTWRL, with one answer. */
static void assert_not_dared(const struct dbscript_answer *answer, enum err_kind kind,
                             struct err *err)
{
    struct bench bench;

    open_bench(&bench, mysql, DB_METHOD_FTWRL, answer, 1);
    assert_false(take(&bench, err));
    close_bench(&bench);
    assert_int_equal(err->kind, kind);
    assert_null(strstr(bench.script.log, "FLUSH TABLES"));
}

static void of_many_long_statements_the_longest_are_named_and_the_others_counted(void **state)
{
    static const struct dbscript_answer answer = {
        .sql = "SELECT ID, USER",
        .names = "ID\tUSER\tDB\tTIME\tSTATE",
        .rows = "31\tapp\tshop\t900\tSending data\n32\tapp\t\\N\t800\t\n33\tapp\tshop\t70\t\\N\n"
                "34\tapp\tshop\t60\t\n35\tapp\tshop\t50\t",
    };
    struct err err = ERR_INIT;

    (void)state;
    assert_not_dared(&answer, ERR_DB_LOCK, &err);
    assert_non_null(strstr(err.text, "thread 31 (app in shop, 900 s: Sending data), "
                                     "thread 32 (app, 800 s), thread 33 (app in shop, 70 s) "
                                     "and 2 more"));
    assert_non_null(strstr(err.remedy, "KILL 31"));
}

static void where_long_statements_are_not_shown_ftwrl_is_not_dared(void **state)
{
    static const struct dbscript_answer answer = {
        .sql = "SELECT ID, USER",
        .refused = 1227,
    };
    struct err err = ERR_INIT;

    (void)state;
    assert_not_dared(&answer, ERR_DB, &err);
    assert_non_null(strstr(err.text, "looking for long statements"));
}

static void a_rehearsal_that_meets_ddl_says_so_and_holds_nothing(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "{}"},
        {.sql = "LOCK INSTANCE FOR BACKUP", .refused = 1205},
    };
    struct bench bench;
    struct err err = ERR_INIT;

    (void)state;
    OPEN(&bench, mysql, DB_METHOD_LOCK_INSTANCE, answers);
    assert_false(db_lock_rehearse(&bench.lock, in_ms(5000), &err));
    close_bench(&bench);

    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_non_null(strstr(err.remedy, "change of a table"));
    assert_false(bench.lock.instance);
    assert_non_null(strstr(bench.script.log, "LOCK INSTANCE FOR BACKUP\nUNLOCK INSTANCE\n"));
}

/* --- letting go --------------------------------------------------------------------------- */

static void a_lock_that_may_still_be_held_is_told_with_the_thread_to_kill(void **state)
{
    static const struct dbscript_answer unlocks[] = {
        {.sql = "UNLOCK TABLES", .refused = 1105},
        {.sql = "UNLOCK TABLES", .way = DBSCRIPT_IS_SILENT},
    };
    static const enum err_kind kinds[] = {ERR_DB, ERR_DEADLINE};

    (void)state;
    for (size_t i = 0; i < sizeof(unlocks) / sizeof(unlocks[0]); i++) {
        const struct dbscript_answer answers[] = {
            {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "{}"},
            unlocks[i],
        };
        struct bench bench;
        struct err err = ERR_INIT;

        OPEN(&bench, mysql, DB_METHOD_FTWRL, answers);
        take_or_fail(&bench);
        assert_false(db_lock_release(&bench.lock, in_ms(300), &err));
        close_bench(&bench);

        assert_int_equal(err.kind, kinds[i]);
        assert_non_null(strstr(err.text, "the lock may still be held"));
        assert_non_null(strstr(err.remedy, "KILL 7"));
    }
}

static void a_connection_that_ends_at_the_unlock_took_the_lock_along(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "{}"},
        {.sql = "UNLOCK TABLES", .way = DBSCRIPT_HANGS_UP},
    };
    struct bench bench;

    (void)state;
    OPEN(&bench, mysql, DB_METHOD_FTWRL, answers);
    take_or_fail(&bench);
    release_or_fail(&bench);
    assert_false(bench.lock.tables);
    close_bench(&bench);
}

/* --- a Galera node ------------------------------------------------------------------------ */

#define IN_STEP                                                                                    \
    {                                                                                              \
        .sql = "SELECT @@GLOBAL.wsrep_desync", .names = "@@GLOBAL.wsrep_desync", .rows = "0"       \
    }
#define COMMITTED                                                                                  \
    {                                                                                              \
        .sql = "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'", .names = "Variable_name\tValue",  \
        .rows = "wsrep_last_committed\t4711"                                                       \
    }

static void open_node(struct bench *bench, const struct dbscript_answer *answers,
                      size_t answer_count)
{
    open_bench(bench, mariadb, DB_METHOD_AUTO, answers, answer_count);
    bench->server.galera = true;
}

#define OPEN_NODE(bench, answers) open_node(bench, answers, sizeof(answers) / sizeof((answers)[0]))

static void a_node_is_out_of_step_from_before_the_lock_until_after_it(void **state)
{
    static const struct dbscript_answer answers[] = {IN_STEP, COMMITTED};
    struct bench bench;

    (void)state;
    OPEN_NODE(&bench, answers);
    take_or_fail(&bench);
    assert_true(bench.lock.desynced);
    release_or_fail(&bench);
    assert_false(bench.lock.desynced);
    close_bench(&bench);

    assert_int_equal(bench.position.wsrep_last_committed, 4711);
    dbscript_assert_asked(&bench.script, "BACKUP STAGE START\nSELECT @@GLOBAL.wsrep_desync\n"
                                         "SET GLOBAL wsrep_desync=ON\nBACKUP STAGE FLUSH\n"
                                         "BACKUP STAGE BLOCK_DDL\nBACKUP STAGE BLOCK_COMMIT\n"
                                         "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'\n"
                                         "SELECT @@GLOBAL.gtid_slave_pos\nBACKUP STAGE END\n"
                                         "SET GLOBAL wsrep_desync=OFF\n");
}

static void a_node_that_somebody_else_took_out_of_step_stays_so(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "SELECT @@GLOBAL.wsrep_desync", .names = "@@GLOBAL.wsrep_desync", .rows = "1"},
    };
    struct bench bench;

    (void)state;
    OPEN_NODE(&bench, answers);
    take_or_fail(&bench);
    release_or_fail(&bench);
    close_bench(&bench);

    assert_int_equal(bench.position.wsrep_last_committed, -1); /* not told */
    assert_null(strstr(bench.script.log, "SET GLOBAL"));
}

static void a_refused_desync_holds_nothing_and_leaves_nothing_to_take_back(void **state)
{
    static const struct dbscript_answer refusals[][2] = {
        {{.sql = "SELECT @@GLOBAL.wsrep_desync", .refused = 1193}},
        {IN_STEP, {.sql = "SET GLOBAL wsrep_desync=ON", .refused = 1227}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct bench bench;
        struct err err = ERR_INIT;

        open_node(&bench, refusals[i], i + 1);
        assert_false(take(&bench, &err));
        close_bench(&bench);

        assert_int_equal(err.kind, ERR_DB);
        assert_false(bench.lock.desynced);
        assert_null(strstr(bench.script.log, "wsrep_desync=OFF"));
        assert_null(strstr(bench.script.log, "BLOCK_COMMIT"));
        assert_non_null(strstr(bench.script.log, "BACKUP STAGE END"));
    }
}

static void a_desync_without_an_answer_is_taken_back_by_another_connection(void **state)
{
    static const struct dbscript_answer answers[][2] = {
        {IN_STEP, {.sql = "SET GLOBAL wsrep_desync=ON", .way = DBSCRIPT_IS_SILENT}},
        {IN_STEP, {.sql = "SET GLOBAL wsrep_desync=ON", .way = DBSCRIPT_HANGS_UP}},
    };
    static const enum err_kind kinds[] = {ERR_DEADLINE, ERR_DB};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct bench bench;
        struct err err = ERR_INIT;

        OPEN_NODE(&bench, answers[i]);
        assert_false(db_lock_take(&bench.lock, in_ms(800), &bench.position, &err));
        assert_int_equal(err.kind, kinds[i]);
        assert_true(bench.lock.desynced);

        db_close(bench.db);
        bench.db = dbscript_connect(&bench.script);
        assert_true(db_lock_resync(&bench.lock, bench.db, in_ms(5000), &err));
        assert_false(bench.lock.desynced);
        assert_true(db_lock_resync(&bench.lock, bench.db, in_ms(5000), &err)); /* nothing to do */
        close_bench(&bench);
        dbscript_assert_asked(&bench.script, "BACKUP STAGE START\nSELECT @@GLOBAL.wsrep_desync\n"
                                             "SET GLOBAL wsrep_desync=ON\n"
                                             "SET GLOBAL wsrep_desync=OFF\n");
    }
}

static void a_node_that_stays_out_of_step_says_what_to_set(void **state)
{
    static const struct dbscript_answer answers[] = {
        IN_STEP,
        COMMITTED,
        {.sql = "SET GLOBAL wsrep_desync=OFF", .refused = 1227},
    };
    struct bench bench;
    struct err err = ERR_INIT;

    (void)state;
    OPEN_NODE(&bench, answers);
    take_or_fail(&bench);
    assert_false(db_lock_release(&bench.lock, in_ms(5000), &err));
    close_bench(&bench);

    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.text, "still out of step"));
    assert_non_null(strstr(err.remedy, "SET GLOBAL wsrep_desync=OFF"));
    assert_true(bench.lock.desynced);
    assert_false(bench.lock.stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_slow_stage_used_up_is_taken_off_the_wait_of_the_next),
        cmocka_unit_test(a_wait_that_is_used_up_lets_go_before_the_next_stage),
        cmocka_unit_test(of_many_long_statements_the_longest_are_named_and_the_others_counted),
        cmocka_unit_test(where_long_statements_are_not_shown_ftwrl_is_not_dared),
        cmocka_unit_test(a_rehearsal_that_meets_ddl_says_so_and_holds_nothing),
        cmocka_unit_test(a_lock_that_may_still_be_held_is_told_with_the_thread_to_kill),
        cmocka_unit_test(a_connection_that_ends_at_the_unlock_took_the_lock_along),
        cmocka_unit_test(a_node_is_out_of_step_from_before_the_lock_until_after_it),
        cmocka_unit_test(a_node_that_somebody_else_took_out_of_step_stays_so),
        cmocka_unit_test(a_refused_desync_holds_nothing_and_leaves_nothing_to_take_back),
        cmocka_unit_test(a_desync_without_an_answer_is_taken_back_by_another_connection),
        cmocka_unit_test(a_node_that_stays_out_of_step_says_what_to_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
