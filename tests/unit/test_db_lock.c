/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbserver.h"

/* Against a real MariaDB: BACKUP STAGE is its own lock, FTWRL it has too. */

enum { LATE_MS = 500, LOCK_WAIT_MS = 1000 }; /* late on a machine that is busy */

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

/* A connection that knows its server, and a lock that is not taken. */
struct bench {
    struct db *db;
    struct db_server server;
    struct db_lock lock;
    struct db_position position;
};

static void open_bench(struct bench *bench, const struct dbserver *server, enum db_method method)
{
    struct err err = ERR_INIT;

    memset(bench, 0, sizeof(*bench));
    bench->db = dbserver_connect(server);
    if (!db_server_ask(bench->db, method, false, in_ms(5000), &bench->server, &err))
        fail_msg("%s", err.text);
    bench->lock =
        (struct db_lock){.db = bench->db, .server = &bench->server, .lock_wait_ms = LOCK_WAIT_MS};
}

static void close_bench(struct bench *bench)
{
    db_close(bench->db);
    db_server_free(&bench->server);
}

static void take_or_fail(struct bench *bench)
{
    struct err err = ERR_INIT;

    if (!db_lock_take(&bench->lock, in_ms(10000), &bench->position, &err))
        fail_msg("%s", err.text);
}

static void release_or_fail(struct bench *bench)
{
    struct err err = ERR_INIT;

    if (!db_lock_release(&bench->lock, in_ms(2000), &err))
        fail_msg("%s", err.text);
}

static const enum db_method blocking[] = {DB_METHOD_BACKUP_STAGE, DB_METHOD_FTWRL};

/* --- what the server is ------------------------------------------------------------------- */

static void a_directory_is_told_from_a_file(void **state)
{
    static const struct {
        const char *datadir, *file, *directory;
    } paths[] = {
        {"/var/lib/mysql", "/var/log/mysql/binlog", "/var/log/mysql"},
        {"/var/lib/mysql", "binlog", "/var/lib/mysql"},
        {"/var/lib/mysql", "./", "/var/lib/mysql"},
        {"/var/lib/mysql/", "./logs//redo/", "/var/lib/mysql/logs/redo"},
        {"/var/lib/mysql", "", "/var/lib/mysql"},
        {"/var/lib/mysql", "/binlog", "/"},
        {"/var/lib/mysql", "../other/ts.ibd", "/var/lib/mysql/../other"},
        {"/", "./", "/"},
    };
    char path[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_true(db_path_directory(paths[i].datadir, paths[i].file, path));
        assert_string_equal(path, paths[i].directory);
    }
    assert_false(db_path_directory("relative", "x", path));
}

static const struct db_path *path_of(const struct db_server *server, enum db_path_role role,
                                     const char *part)
{
    for (size_t i = 0; i < server->path_count; i++)
        if (server->paths[i].role == role && strstr(server->paths[i].path, part) != NULL)
            return &server->paths[i];
    return NULL;
}

static void the_server_says_what_it_is(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;

    open_bench(&bench, server, DB_METHOD_AUTO);

    assert_non_null(strstr(bench.server.version_text, "MariaDB"));
    assert_int_equal(bench.server.facts.version.kind, DB_KIND_MARIADB);
    assert_int_equal(bench.server.choice.method, DB_METHOD_BACKUP_STAGE);
    assert_false(bench.server.choice.commits_go_on);
    assert_true(bench.server.facts.log_bin);
    assert_false(bench.server.replica);
    assert_false(bench.server.galera);
    for (enum db_path_role role = DB_PATH_DATA; role <= DB_PATH_ARIA_LOG; role++)
        if (role != DB_PATH_RELAY_LOG)
            assert_non_null(path_of(&bench.server, role, server->dir));
    assert_null(path_of(&bench.server, DB_PATH_RELAY_LOG, ""));
    assert_null(path_of(&bench.server, DB_PATH_SERVER_LOG, ""));
    assert_string_equal(bench.server.note, "");
    close_bench(&bench);
}

static void files_in_other_places_are_found(void **state)
{
    static const char *const places[] = {"binlogs", "redo", "undo", "aria", "space", "tables"};
    struct dbserver server = {.pid = 0};
    char options[6][160], directory[128], sql[300];
    const char *list[7] = {NULL};
    struct bench bench;

    (void)state;
    dbserver_make_dir(&server);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(directory, sizeof(directory), "%s/%s", server.dir, places[i]);
        assert_int_equal(mkdir(directory, 0700), 0);
    }
    (void)snprintf(options[0], sizeof(options[0]), "--log-bin=%s/binlogs/mine", server.dir);
    (void)snprintf(options[1], sizeof(options[1]), "--innodb-log-group-home-dir=%s/redo",
                   server.dir);
    (void)snprintf(options[2], sizeof(options[2]), "--innodb-undo-directory=%s/undo", server.dir);
    (void)snprintf(options[3], sizeof(options[3]), "--aria-log-dir-path=%s/aria", server.dir);
    (void)snprintf(options[4], sizeof(options[4]),
                   "--innodb-data-file-path=ibdata1:12M;../space/ibdata2:12M:autoextend");
    (void)snprintf(options[5], sizeof(options[5]), "--general-log=ON");
    for (size_t i = 0; i < 6; i++)
        list[i] = options[i];
    dbserver_start(&server, list);
    dbserver_sql(&server, "CREATE DATABASE there");
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE there.t (i INT) ENGINE=InnoDB DATA DIRECTORY='%s/tables'",
                   server.dir);
    dbserver_sql(&server, sql);

    open_bench(&bench, &server, DB_METHOD_AUTO);
    (void)snprintf(directory, sizeof(directory), "%s/binlogs", server.dir);
    assert_string_equal(path_of(&bench.server, DB_PATH_BINLOG, "")->path, directory);
    (void)snprintf(directory, sizeof(directory), "%s/redo", server.dir);
    assert_string_equal(path_of(&bench.server, DB_PATH_INNODB_LOG, "")->path, directory);
    (void)snprintf(directory, sizeof(directory), "%s/undo", server.dir);
    assert_string_equal(path_of(&bench.server, DB_PATH_INNODB_UNDO, "")->path, directory);
    (void)snprintf(directory, sizeof(directory), "%s/aria", server.dir);
    assert_string_equal(path_of(&bench.server, DB_PATH_ARIA_LOG, "")->path, directory);
    assert_non_null(path_of(&bench.server, DB_PATH_INNODB_DATA, "/space"));
    assert_non_null(path_of(&bench.server, DB_PATH_INNODB_DATA, "/tables"));
    assert_non_null(path_of(&bench.server, DB_PATH_SERVER_LOG, "/data"));
    close_bench(&bench);
    dbserver_stop(&server);
}

/* --- holding ------------------------------------------------------------------------------ */

static void writers_of_every_engine_wait_until_the_release(void **state)
{
    static const char *const tables[] = {"trans", "plain", "crashsafe"};
    const struct dbserver *server = *state;

    for (size_t m = 0; m < 2; m++) {
        struct bench bench;
        struct dbside sides[3];
        char sql[100];

        open_bench(&bench, server, blocking[m]);
        assert_int_equal(bench.server.choice.method, blocking[m]);
        take_or_fail(&bench);
        for (size_t i = 0; i < 3; i++) {
            (void)snprintf(sql, sizeof(sql), "INSERT INTO test.%s VALUES (1)", tables[i]);
            dbside_start(&sides[i], server, sql, NULL, NULL);
            dbside_await(server, sides[i].connection_id, "lock");
        }
        assert_int_equal(dbserver_number(server, "SELECT COUNT(*) FROM test.trans"),
                         10 + (long)m); /* readers go on */
        sleep_ms(100);
        release_or_fail(&bench);
        for (size_t i = 0; i < 3; i++) {
            dbside_join(&sides[i]);
            assert_true(sides[i].ok);
            assert_true(sides[i].took_ms >= 100);
        }
        close_bench(&bench);
    }
    dbserver_sql(server, "DELETE FROM test.trans WHERE i = 1");
}

static long binlog_bytes(const struct dbserver *server, const char *file)
{
    char path[DB_NAME_BYTES + 80];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/data/%s", server->dir, file);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void the_position_is_the_end_of_the_binary_log_to_the_byte(void **state)
{
    const struct dbserver *server = *state;

    for (size_t m = 0; m < 2; m++) {
        struct bench bench;
        struct dbside writers[2];

        open_bench(&bench, server, blocking[m]);
        for (size_t round = 0; round < 5; round++) {
            for (size_t i = 0; i < 2; i++)
                dbside_start(&writers[i], server,
                             "FOR i IN 1..400 DO INSERT INTO test.log VALUES (i); END FOR", NULL,
                             NULL);
            sleep_ms(5 + (long)round * 7);

            take_or_fail(&bench);
            long bytes = binlog_bytes(server, bench.position.binlog_file);
            char *gtid = dbserver_text(server, "SELECT @@GLOBAL.gtid_binlog_pos");
            sleep_ms(30);
            long later_bytes = binlog_bytes(server, bench.position.binlog_file);
            release_or_fail(&bench);

            assert_true(bench.position.binlog);
            assert_true(bench.position.exact);
            assert_int_equal(bench.position.binlog_pos, bytes);
            assert_int_equal(later_bytes, bytes);
            assert_string_equal(bench.position.gtid, gtid);
            assert_int_equal(bench.position.wsrep_last_committed, -1);
            assert_int_equal(bench.position.channel_count, 0);
            free(gtid);
            for (size_t i = 0; i < 2; i++) {
                dbside_join(&writers[i]);
                assert_true(writers[i].ok);
            }
            assert_true(binlog_bytes(server, bench.position.binlog_file) > bytes);
        }
        close_bench(&bench);
    }
}

static void flushing_the_engine_logs_leaves_no_trace_in_the_binary_log(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;

    dbserver_sql(server, "SET GLOBAL innodb_flush_log_at_trx_commit=0");
    open_bench(&bench, server, DB_METHOD_AUTO);
    assert_true(bench.server.choice.flush_engine_logs);
    assert_non_null(strstr(bench.server.note, "innodb_flush_log_at_trx_commit is 0"));
    char *before = dbserver_text(server, "SELECT @@GLOBAL.gtid_binlog_pos");
    take_or_fail(&bench);
    release_or_fail(&bench);
    char *after = dbserver_text(server, "SELECT @@GLOBAL.gtid_binlog_pos");
    dbserver_sql(server, "SET GLOBAL innodb_flush_log_at_trx_commit=1");

    assert_string_equal(before, after);
    free(before);
    free(after);
    close_bench(&bench);
}

static void taking_and_releasing_can_be_repeated(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;

    open_bench(&bench, server, DB_METHOD_AUTO);
    for (int i = 0; i < 3; i++) {
        take_or_fail(&bench);
        release_or_fail(&bench);
        release_or_fail(&bench); /* idempotent */
    }
    dbserver_sql(server, "INSERT INTO test.plain VALUES (2)");
    close_bench(&bench);
}

/* --- what is in the way ------------------------------------------------------------------- */

/* Nothing of a refused lock is left: a writer is quick again. */
static void assert_writers_run(const struct dbserver *server, const char *table)
{
    char sql[100];
    int64_t begin_ms = clock_boot_ms();

    (void)snprintf(sql, sizeof(sql), "INSERT INTO test.%s VALUES (3)", table);
    dbserver_sql(server, sql);
    assert_in_range(clock_boot_ms() - begin_ms, 0,
                    1500); /* its commit waits for a disk that is busy */
}

static void assert_refused(struct bench *bench, unsigned long thread_id, int64_t least_ms,
                           int64_t most_ms, struct err *err)
{
    char thread[40];
    int64_t begin_ms = clock_boot_ms();

    assert_false(db_lock_take(&bench->lock, in_ms(10000), &bench->position, err));

    assert_in_range(clock_boot_ms() - begin_ms, least_ms, most_ms);
    assert_int_equal(err->kind, ERR_DB_LOCK);
    (void)snprintf(thread, sizeof(thread), "thread %lu (root", thread_id);
    if (thread_id != 0 && strstr(err->text, thread) == NULL)
        fail_msg("%s is not named: %s", thread, err->text);
    assert_true(err->remedy[0] != '\0');
    assert_null(strstr(err->text, "hidden7word")); /* statements can hold secrets */
    assert_null(strstr(err->remedy, "hidden7word"));
    assert_false(bench->lock.stage || bench->lock.tables || bench->lock.taken);
}

static void a_long_myisam_write_is_named_and_everything_let_go(void **state)
{
    const struct dbserver *server = *state;
    struct dbside side;
    struct bench bench;
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_BACKUP_STAGE);
    dbside_start(&side, server, "INSERT INTO test.plain SELECT SLEEP(3) + LENGTH('hidden7word')",
                 NULL, NULL);
    dbside_await(server, side.connection_id, "User sleep");
    sleep_ms(300);
    assert_refused(&bench, side.connection_id, 900, 2500, &err);
    assert_writers_run(server, "plain2"); /* while the culprit still runs */
    dbside_join(&side);
    assert_true(side.ok);
    take_or_fail(&bench);
    release_or_fail(&bench);
    close_bench(&bench);
}

static void a_table_lock_of_a_silent_client_is_guessed_at(void **state)
{
    const struct dbserver *server = *state;
    struct db *holder = dbserver_connect(server);
    struct bench bench;
    struct err err = ERR_INIT;

    assert_true(db_exec(holder, "LOCK TABLES test.plain2 WRITE", false, in_ms(5000), &err));
    for (size_t m = 0; m < 2; m++) {
        open_bench(&bench, server, blocking[m]);
        assert_refused(&bench, 0, 900, 2500, &err);
        assert_non_null(strstr(err.remedy, "LOCK TABLES"));
        assert_writers_run(server, "trans");
        close_bench(&bench);
    }
    db_close(holder);
}

static void another_backup_is_waited_for_only_so_long(void **state)
{
    const struct dbserver *server = *state;
    struct bench first, second;
    struct err err = ERR_INIT;

    open_bench(&first, server, DB_METHOD_AUTO);
    open_bench(&second, server, DB_METHOD_AUTO);
    assert_true(db_lock_begin(&first.lock, in_ms(5000), &err));
    assert_false(db_lock_begin(&second.lock, in_ms(5000), &err));
    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_false(second.lock.stage);
    assert_writers_run(server, "trans");
    take_or_fail(&first);
    release_or_fail(&first);
    close_bench(&second);
    close_bench(&first);
}

static void long_innodb_work_and_open_transactions_do_not_delay_the_stages(void **state)
{
    static const struct {
        const char *sql, *state;
    } works[] = {
        {"UPDATE test.log SET i = i + SLEEP(0.3) LIMIT 4", "User sleep"},
        {"SELECT SLEEP(1.5) FROM test.trans LIMIT 1", "User sleep"},
        {"ALTER TABLE test.altered FORCE, ALGORITHM=COPY", "copy to tmp"},
    };
    const struct dbserver *server = *state;
    struct bench bench;
    struct dbside side;
    char working[160];

    dbserver_sql(server, "CREATE TABLE test.altered (i INT, t CHAR(200)) ENGINE=InnoDB");
    dbserver_sql(server, "INSERT INTO test.altered SELECT seq, REPEAT('x', 200) FROM "
                         "test.seq_1_to_150000");
    open_bench(&bench, server, DB_METHOD_AUTO);
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        dbside_start(&side, server, "BEGIN", "INSERT INTO test.trans VALUES (4)", works[i].sql);
        dbside_await(server, side.connection_id, works[i].state);
        (void)snprintf(working, sizeof(working),
                       "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lu AND "
                       "STATE LIKE '%%%s%%'",
                       side.connection_id, works[i].state);
        int64_t begin_ms = clock_boot_ms();
        take_or_fail(&bench);
        int64_t took_ms = clock_boot_ms() - begin_ms;
        release_or_fail(&bench);
        assert_in_range(took_ms, 0, 700);
        assert_int_equal(dbserver_number(server, working), 1); /* it is still at it */
        dbside_join(&side);
        assert_true(side.ok);
    }
    close_bench(&bench);
}

static void a_long_statement_is_refused_before_ftwrl_makes_anybody_wait(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;
    struct dbside side;
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_FTWRL);
    dbside_start(&side, server, "UPDATE test.log SET i = SLEEP(3) + LENGTH('hidden7word') LIMIT 1",
                 NULL, NULL);
    dbside_await(server, side.connection_id, "User sleep");
    sleep_ms(1100);
    assert_refused(&bench, side.connection_id, 0, 700, &err);
    assert_non_null(strstr(err.text, "would wait for"));
    assert_writers_run(server, "trans");
    dbside_join(&side);
    assert_true(side.ok);
    close_bench(&bench);
}

/* --- proving ------------------------------------------------------------------------------ */

static void what_was_held_throughout_is_proved(void **state)
{
    const struct dbserver *server = *state;

    for (size_t m = 0; m < 2; m++) {
        struct bench bench;
        struct proof proof = {.held = false};
        struct err err = ERR_INIT;

        open_bench(&bench, server, blocking[m]);
        take_or_fail(&bench);
        assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
        assert_true(proof.held);
        release_or_fail(&bench);
        assert_writers_run(server, "plain");
        close_bench(&bench);
    }
}

static void a_killed_connection_proves_nothing(void **state)
{
    const struct dbserver *server = *state;

    for (size_t m = 0; m < 2; m++) {
        struct bench bench;
        struct proof proof = {.held = true};
        struct err err = ERR_INIT;
        char sql[60];

        open_bench(&bench, server, blocking[m]);
        take_or_fail(&bench);
        (void)snprintf(sql, sizeof(sql), "KILL %lu", db_connection_id(bench.db));
        dbserver_sql(server, sql);
        assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
        assert_false(proof.held);
        assert_non_null(strstr(proof.reason, "is gone"));
        release_or_fail(&bench); /* nothing left to let go of */
        assert_writers_run(server, "plain");
        close_bench(&bench);
    }
}

static void a_killed_statement_does_not_lose_the_lock(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;
    struct dbside side;
    struct proof proof = {.held = false};
    struct err err = ERR_INIT;
    char sql[60];

    open_bench(&bench, server, DB_METHOD_AUTO);
    take_or_fail(&bench);
    (void)snprintf(sql, sizeof(sql), "KILL QUERY %lu", db_connection_id(bench.db));
    dbserver_sql(server, sql);
    dbside_start(&side, server, "INSERT INTO test.plain VALUES (5)", NULL, NULL);
    dbside_await(server, side.connection_id, "lock");
    assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
    assert_true(proof.held);
    dbside_join(&side);
    close_bench(&bench);
}

static void an_ended_stage_proves_nothing(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_AUTO);
    take_or_fail(&bench);
    assert_true(db_exec(bench.db, "BACKUP STAGE END", false, in_ms(2000), &err));
    assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
    assert_false(proof.held);
    release_or_fail(&bench);
    close_bench(&bench);
}

static void no_lock_is_never_a_proof(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_NONE);
    take_or_fail(&bench);
    assert_false(bench.position.exact);
    assert_writers_run(server, "plain");
    assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
    assert_false(proof.held);
    release_or_fail(&bench);
    close_bench(&bench);

    open_bench(&bench, server, DB_METHOD_AUTO);
    proof.held = true;
    assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
    assert_false(proof.held); /* never taken */
    close_bench(&bench);
}

/* --- when things stop --------------------------------------------------------------------- */

static void a_stopped_server_ends_the_taking_at_the_deadline(void **state)
{
    const struct dbserver *server = *state;
    struct bench bench;
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_AUTO);
    (void)kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, NULL, WUNTRACED), server->pid);
    int64_t deadline_ms = in_ms(400);
    bool ok = db_lock_take(&bench.lock, deadline_ms, &bench.position, &err);
    int64_t late_ms = clock_boot_ms() - deadline_ms;
    (void)kill(server->pid, SIGCONT);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(late_ms, 0, LATE_MS);
    close_bench(&bench);
    assert_writers_run(server, "plain");
}

static void the_server_lets_go_of_a_stopped_client_at_the_end_of_the_lease(void **state)
{
    const struct dbserver *server = *state;
    int ready[2];
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) { /* the client: holds for a lease of 2.5 s, then is stopped */
        struct bench bench;
        open_bench(&bench, server, DB_METHOD_AUTO);
        struct err err = ERR_INIT;
        bool ok = db_lock_take(&bench.lock, in_ms(2500), &bench.position, &err);
        if (write(ready[1], ok ? "y" : "n", 1) == 1)
            (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    (void)kill(pid, SIGSTOP);
    int64_t begin_ms = clock_boot_ms();
    dbserver_sql(server, "INSERT INTO test.plain VALUES (6)");
    int64_t took_ms = clock_boot_ms() - begin_ms;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);

    assert_in_range(took_ms, 1500, 4500); /* then its own commit waits for a disk that is busy */
}

static void a_server_that_dies_while_held_proves_nothing(void **state)
{
    static const char *const options[] = {"--log-bin=binlog", "--server-id=1", NULL};
    struct dbserver *server = *state;
    struct bench bench;
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_AUTO);
    take_or_fail(&bench);
    dbserver_kill(server);
    dbserver_run(server, options);

    assert_true(db_lock_prove(&bench.lock, in_ms(2000), &proof, &err));
    assert_false(proof.held);
    release_or_fail(&bench);
    close_bench(&bench);
}

/* --- cost --------------------------------------------------------------------------------- */

static int compare_us(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static void a_hold_under_load_does_not_wait_for_it(void **state)
{
    enum { HOLDS = 40 };
    const struct dbserver *server = *state;
    int64_t took_us[HOLDS];
    struct dbside writers[2];
    struct bench bench;
    struct err err = ERR_INIT;

    open_bench(&bench, server, DB_METHOD_AUTO);
    for (size_t i = 0; i < 2; i++)
        dbside_start(&writers[i], server,
                     "FOR i IN 1..8000 DO INSERT INTO test.log VALUES (i); END FOR", NULL, NULL);
    for (size_t i = 0; i < HOLDS; i++) {
        assert_true(db_lock_begin(&bench.lock, in_ms(5000), &err)); /* as prepare does */
        int64_t begin_us = clock_boot_us();
        take_or_fail(&bench);
        took_us[i] = clock_boot_us() - begin_us;
        release_or_fail(&bench);
        sleep_ms(20);
    }
    for (size_t i = 0; i < 2; i++)
        dbside_join(&writers[i]);
    qsort(took_us, HOLDS, sizeof(took_us[0]), compare_us);
    print_message("hold under load: median %lld us, worst %lld us\n", (long long)took_us[HOLDS / 2],
                  (long long)took_us[HOLDS - 1]);
    assert_in_range(took_us[HOLDS / 2], 1, 500000); /* make bench says how long it is */
    close_bench(&bench);
}

/* --- a cluster of one --------------------------------------------------------------------- */

static void a_galera_node_is_desynced_for_the_hold_and_back_after(void **state)
{
    static const char provider[] = "/usr/lib/galera/libgalera_smm.so";
    char address[120];
    const char *const options[] = {"--log-bin=binlog",
                                   "--server-id=1",
                                   "--binlog-format=ROW",
                                   "--innodb-autoinc-lock-mode=2",
                                   "--wsrep-on=ON",
                                   "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
                                   "--wsrep-cluster-address=gcomm://",
                                   "--wsrep-node-address=127.0.0.1",
                                   address,
                                   NULL};
    unsigned port = 20000 + 2 * ((unsigned)getpid() % 5000);
    struct dbserver server = {.pid = 0};
    struct bench bench;
    char sql[60];

    (void)state;
    if (access(provider, R_OK) != 0)
        skip();
    (void)snprintf(address, sizeof(address),
                   "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%u;"
                   "ist.recv_addr=127.0.0.1:%u",
                   port, port + 1);
    dbserver_start(&server, options);
    for (int64_t end_ms = in_ms(20000); clock_boot_ms() < end_ms; sleep_ms(50)) {
        char *ready = dbserver_text(&server, "SELECT VARIABLE_VALUE FROM information_schema."
                                             "GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_ready'");
        bool is_ready = ready != NULL && strcmp(ready, "ON") == 0;
        free(ready);
        if (is_ready)
            break;
    }
    dbserver_sql(&server, "CREATE DATABASE test");
    dbserver_sql(&server, "CREATE TABLE test.t (i INT PRIMARY KEY) ENGINE=InnoDB");
    dbserver_sql(&server, "INSERT INTO test.t VALUES (1)");
    open_bench(&bench, &server, DB_METHOD_AUTO);
    assert_true(bench.server.galera);

    take_or_fail(&bench);
    assert_int_equal(dbserver_number(&server, "SELECT @@GLOBAL.wsrep_desync"), 1);
    assert_true(bench.position.wsrep_last_committed > 0);
    release_or_fail(&bench);
    assert_int_equal(dbserver_number(&server, "SELECT @@GLOBAL.wsrep_desync"), 0);

    /* The setting outlives the connection: another one takes it back. */
    take_or_fail(&bench);
    (void)snprintf(sql, sizeof(sql), "KILL %lu", db_connection_id(bench.db));
    dbserver_sql(&server, sql);
    struct err err = ERR_INIT;
    assert_true(db_lock_release(&bench.lock, in_ms(2000), &err));
    assert_true(bench.lock.desynced);
    struct db *other = dbserver_connect(&server);
    assert_true(db_lock_resync(&bench.lock, other, in_ms(2000), &err));
    db_close(other);
    assert_int_equal(dbserver_number(&server, "SELECT @@GLOBAL.wsrep_desync"), 0);
    close_bench(&bench);

    /* Somebody else's desync stays theirs. */
    dbserver_sql(&server, "SET GLOBAL wsrep_desync=ON");
    open_bench(&bench, &server, DB_METHOD_AUTO);
    take_or_fail(&bench);
    release_or_fail(&bench);
    assert_int_equal(dbserver_number(&server, "SELECT @@GLOBAL.wsrep_desync"), 1);
    close_bench(&bench);
    dbserver_stop(&server);
}

static int start(void **state)
{
    static const char *const options[] = {"--log-bin=binlog", "--server-id=1", NULL};
    struct dbserver *server = calloc(1, sizeof(*server));

    dbserver_start(server, options);
    dbserver_sql(server, "CREATE DATABASE test");
    dbserver_sql(server, "CREATE TABLE test.trans (i INT) ENGINE=InnoDB");
    dbserver_sql(server, "CREATE TABLE test.log (i INT) ENGINE=InnoDB");
    dbserver_sql(server, "CREATE TABLE test.plain (i INT) ENGINE=MyISAM");
    dbserver_sql(server, "CREATE TABLE test.plain2 (i INT) ENGINE=MyISAM");
    dbserver_sql(server, "CREATE TABLE test.crashsafe (i INT) ENGINE=Aria TRANSACTIONAL=1");
    dbserver_sql(server, "INSERT INTO test.trans VALUES (0),(0),(0),(0),(0),(0),(0),(0),(0),(0)");
    *state = server;
    return 0;
}

static int stop(void **state)
{
    dbserver_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_told_from_a_file),
        cmocka_unit_test(the_server_says_what_it_is),
        cmocka_unit_test(files_in_other_places_are_found),
        cmocka_unit_test(writers_of_every_engine_wait_until_the_release),
        cmocka_unit_test(the_position_is_the_end_of_the_binary_log_to_the_byte),
        cmocka_unit_test(flushing_the_engine_logs_leaves_no_trace_in_the_binary_log),
        cmocka_unit_test(taking_and_releasing_can_be_repeated),
        cmocka_unit_test(a_long_myisam_write_is_named_and_everything_let_go),
        cmocka_unit_test(a_table_lock_of_a_silent_client_is_guessed_at),
        cmocka_unit_test(another_backup_is_waited_for_only_so_long),
        cmocka_unit_test(long_innodb_work_and_open_transactions_do_not_delay_the_stages),
        cmocka_unit_test(a_long_statement_is_refused_before_ftwrl_makes_anybody_wait),
        cmocka_unit_test(what_was_held_throughout_is_proved),
        cmocka_unit_test(a_killed_connection_proves_nothing),
        cmocka_unit_test(a_killed_statement_does_not_lose_the_lock),
        cmocka_unit_test(an_ended_stage_proves_nothing),
        cmocka_unit_test(no_lock_is_never_a_proof),
        cmocka_unit_test(a_stopped_server_ends_the_taking_at_the_deadline),
        cmocka_unit_test(the_server_lets_go_of_a_stopped_client_at_the_end_of_the_lease),
        cmocka_unit_test(a_server_that_dies_while_held_proves_nothing),
        cmocka_unit_test(a_hold_under_load_does_not_wait_for_it),
        cmocka_unit_test(a_galera_node_is_desynced_for_the_hold_and_back_after),
    };

    if (!dbserver_available()) {
        printf("skip db_lock: mariadbd is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
