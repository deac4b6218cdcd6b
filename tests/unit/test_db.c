/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbserver.h"

/* How late the end of a statement may come after its deadline: the best of some tries, and the
 * worst on a machine that is busy with other things. */
enum { LATE_MS = 50, LATE_BUSY_MS = 500, TRIES = 5 };

static struct db_target target_of(const struct dbserver *server)
{
    return (struct db_target){.socket = server->socket, .user = "root"};
}

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

/* Waits until the server has dropped the connection. */
static bool goes_away(const struct dbserver *server, unsigned long connection_id, int64_t within_ms)
{
    char sql[120];
    int64_t end_ms = in_ms(within_ms);

    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lu",
                   connection_id);
    while (dbserver_number(server, sql) != 0) {
        if (clock_boot_ms() > end_ms)
            return false;
        sleep_ms(20);
    }
    return true;
}

static void an_answer_comes_with_names_and_nulls(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct db_rows rows = DB_ROWS_INIT;
    struct err err = ERR_INIT;

    assert_true(db_query(db, "SELECT 1 AS one, NULL AS nothing UNION SELECT 2, 'x'", true,
                         in_ms(5000), &rows, &err));

    assert_int_equal(rows.row_count, 2);
    assert_string_equal(db_rows_get(&rows, 0, "ONE"), "1");
    assert_null(db_rows_get(&rows, 0, "nothing"));
    assert_string_equal(db_rows_get(&rows, 1, "nothing"), "x");
    assert_null(db_rows_get(&rows, 2, "one"));
    assert_null(db_rows_get(&rows, 0, "other"));
    db_rows_free(&rows);
    db_close(db);
}

static void a_refused_statement_names_itself_and_leaves_the_connection_usable(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    assert_false(db_exec(db, "SELECT nonsense", true, in_ms(5000), &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.text, "SELECT nonsense: Unknown column"));
    assert_int_equal(db_errno(db), 1054);

    assert_true(db_alive(db));
    assert_true(db_exec(db, "SELECT 1", true, in_ms(5000), &err));
    assert_int_equal(db_errno(db), 0);
    db_close(db);
}

static void a_statement_ends_at_its_deadline_and_the_connection_stays_dead(void **state)
{
    const struct dbserver *server = *state;
    int64_t best_ms = LATE_BUSY_MS;

    for (int i = 0; i < TRIES && best_ms > LATE_MS; i++) {
        struct db *db = dbserver_connect(server);
        struct err err = ERR_INIT, second = ERR_INIT;

        int64_t deadline_ms = in_ms(400);
        assert_false(db_exec(db, "SELECT SLEEP(5)", true, deadline_ms, &err));
        int64_t late_ms = clock_boot_ms() - deadline_ms;

        assert_int_equal(err.kind, ERR_DEADLINE);
        assert_in_range(late_ms, 0, LATE_BUSY_MS);
        best_ms = late_ms < best_ms ? late_ms : best_ms;
        assert_false(db_alive(db));
        assert_false(db_exec(db, "SELECT 1", true, in_ms(5000), &second));
        assert_int_equal(second.kind, ERR_DB);
        db_close(db);
    }
    assert_in_range(best_ms, 0, LATE_MS);
}

static void a_deadline_that_has_passed_sends_nothing(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    assert_false(db_exec(db, "SELECT SLEEP(5)", true, in_ms(-1), &err));

    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_true(db_alive(db));
    assert_true(db_exec(db, "SELECT 1", true, in_ms(5000), &err));
    db_close(db);
}

static void an_earlier_deadline_does_not_end_a_later_statement(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    for (int i = 0; i < 200; i++) /* each ends about when its deadline comes */
        if (!db_exec(db, "DO SLEEP(0.002)", true, in_ms(3 + i % 3), &err)) {
            assert_int_equal(err.kind, ERR_DEADLINE);
            db_close(db);
            db = dbserver_connect(server);
        } else {
            assert_true(db_exec(db, "DO SLEEP(0.005)", true, in_ms(5000), &err));
        }
    db_close(db);
}

static void a_stopped_server_is_bounded_in_a_statement_and_in_the_log_in(void **state)
{
    const struct dbserver *server = *state;
    struct db_target target = target_of(server);
    struct db *db = dbserver_connect(server), *second = NULL;
    struct err err = ERR_INIT;

    (void)kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, NULL, WUNTRACED), server->pid); /* all its threads */
    int64_t deadline_ms = in_ms(300);
    bool answered = db_exec(db, "SELECT 1", true, deadline_ms, &err);
    int64_t late_ms = clock_boot_ms() - deadline_ms;
    enum err_kind statement_kind = err.kind;
    int64_t begin_ms = clock_boot_ms();
    bool opened = db_open(&target, in_ms(900), NULL, &second, &err);
    int64_t took_ms = clock_boot_ms() - begin_ms;
    int64_t close_ms = clock_boot_ms();
    db_close(db);
    close_ms = clock_boot_ms() - close_ms;
    (void)kill(server->pid, SIGCONT);

    assert_false(answered);
    assert_int_equal(statement_kind, ERR_DEADLINE);
    assert_in_range(late_ms, 0, LATE_BUSY_MS);
    assert_false(opened);
    assert_in_range(took_ms, 900, 1000 + LATE_BUSY_MS); /* the library's second */
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(close_ms, 0, LATE_BUSY_MS);
}

struct canceller {
    struct cancel *cancel;
    long after_ms;
};

static void *cancel_later(void *arg)
{
    struct canceller *canceller = arg;

    sleep_ms(canceller->after_ms);
    cancel_ask(canceller->cancel);
    return NULL;
}

static void a_cancel_ends_a_statement_but_not_one_that_lets_go(void **state)
{
    const struct dbserver *server = *state;
    struct db_target target = target_of(server);
    struct cancel cancel = CANCEL_INIT;
    struct canceller canceller = {&cancel, 150};
    struct db *db = NULL, *other = NULL;
    struct err err = ERR_INIT;
    pthread_t thread;

    assert_true(cancel_open(&cancel, &err));
    assert_true(db_open(&target, in_ms(5000), &cancel, &db, &err));
    assert_true(db_open(&target, in_ms(5000), &cancel, &other, &err));
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &canceller), 0);
    int64_t begin_ms = clock_boot_ms();
    assert_false(db_exec(db, "SELECT SLEEP(5)", true, in_ms(5000), &err));
    int64_t took_ms = clock_boot_ms() - begin_ms;
    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_in_range(took_ms, 140, 150 + LATE_BUSY_MS);
    assert_false(db_alive(db));
    assert_true(db_exec(other, "DO SLEEP(0.1)", false, in_ms(5000), &err));
    assert_false(db_exec(other, "SELECT 1", true, in_ms(5000), &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(db_alive(other));
    db_close(db);
    db_close(other);
    assert_false(db_open(&target, in_ms(5000), &cancel, &db, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    cancel_close(&cancel);
}

static void a_killed_connection_is_dead_and_does_not_come_back(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;
    char sql[60];

    (void)snprintf(sql, sizeof(sql), "KILL %lu", db_connection_id(db));
    dbserver_sql(server, sql);

    assert_false(db_exec(db, "SELECT 1", true, in_ms(5000), &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_false(db_alive(db));
    assert_false(db_exec(db, "SELECT 1", true, in_ms(5000), &err));
    db_close(db);
}

static void the_server_lets_go_of_a_client_that_says_nothing_for_the_lease(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    dbserver_sql(server, "CREATE TABLE IF NOT EXISTS test.t (i INT) ENGINE=InnoDB");
    assert_true(db_exec(db, "FLUSH TABLES WITH READ LOCK", true, in_ms(5000), &err));
    assert_true(db_bound_session(db, 1900, 900, in_ms(5000), &err));
    int64_t begin_ms = clock_boot_ms();
    dbserver_sql(server, "INSERT INTO test.t VALUES (1)"); /* waits until the server lets go */
    int64_t took_ms = clock_boot_ms() - begin_ms;

    assert_in_range(took_ms, 900, 1900); /* 1.9 s rounded down */
    assert_true(goes_away(server, db_connection_id(db), 1000));
    assert_false(db_exec(db, "SELECT 1", true, in_ms(5000), &err));
    assert_false(db_alive(db));
    db_close(db);
}

static void a_lock_wait_is_told_apart(void **state)
{
    const struct dbserver *server = *state;
    struct db *holder = dbserver_connect(server), *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    dbserver_sql(server, "CREATE TABLE IF NOT EXISTS test.t (i INT) ENGINE=InnoDB");
    assert_true(db_exec(holder, "LOCK TABLES test.t WRITE", true, in_ms(5000), &err));
    assert_true(db_bound_session(db, 10000, 1000, in_ms(5000), &err));
    assert_false(db_exec(db, "FLUSH TABLES WITH READ LOCK", true, in_ms(5000), &err));

    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_int_equal(db_errno(db), 1205);
    assert_true(db_alive(db));
    db_close(db);
    db_close(holder);
}

static void an_answer_without_end_is_cut_off(void **state)
{
    const struct dbserver *server = *state;
    struct db *db = dbserver_connect(server);
    struct err err = ERR_INIT;

    assert_false(db_exec(db, "SELECT seq FROM test.seq_1_to_20000", true, in_ms(20000), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_false(db_alive(db));
    db_close(db);

    db = dbserver_connect(server);
    assert_false(db_exec(db, "SELECT REPEAT('x', 2000000)", true, in_ms(20000), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    db_close(db);
}

static void a_wrong_socket_says_what_to_do(void **state)
{
    struct db_target target = {.socket = "/tmp/stillpoint-no-such.sock", .user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(db_open(&target, in_ms(5000), NULL, &db, &err));

    assert_int_equal(err.kind, ERR_DB);
    assert_null(db);
    assert_non_null(strstr(err.text, "/tmp/stillpoint-no-such.sock"));
    assert_non_null(strstr(err.remedy, "socket="));
}

static void a_user_who_may_not_log_in_is_told_how(void **state)
{
    const struct dbserver *server = *state;
    struct db_target target = {.socket = server->socket, .user = "nobody_here"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    assert_false(db_open(&target, in_ms(5000), NULL, &db, &err));

    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.text, "(1045)"));
    assert_non_null(strstr(err.remedy, "doctor"));
    assert_non_null(strstr(err.remedy, "nobody_here"));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_defaults_file_gives_user_and_password_and_no_error_shows_them(void **state)
{
    const struct dbserver *server = *state;
    char path[96];
    struct db_target target = {.socket = server->socket, .defaults_file = path};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    (void)snprintf(path, sizeof(path), "%s/client.cnf", server->dir);
    dbserver_sql(server, "CREATE OR REPLACE USER secretive@localhost IDENTIFIED BY 'hidden7word'");

    assert_false(db_open(&target, in_ms(5000), NULL, &db, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, path));

    write_file(path, "[client]\nuser=secretive\npassword=hidden7word\n");
    assert_true(db_open(&target, in_ms(5000), NULL, &db, &err));
    struct db_rows rows = DB_ROWS_INIT;
    assert_true(db_query(db, "SELECT CURRENT_USER() AS me", true, in_ms(5000), &rows, &err));
    assert_string_equal(db_rows_get(&rows, 0, "me"), "secretive@localhost");
    db_rows_free(&rows);
    db_close(db);
    db = NULL;

    write_file(path, "[client]\nuser=secretive\npassword=wrong8word\n");
    assert_false(db_open(&target, in_ms(5000), NULL, &db, &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_null(strstr(err.text, "wrong8word"));
    assert_null(strstr(err.remedy, "wrong8word"));
}

static void the_greeting_tells_the_version_to_everybody(void **state)
{
    const struct dbserver *server = *state;
    char version[DB_VERSION_BYTES];
    struct err err = ERR_INIT;
    char *told = dbserver_text(server, "SELECT VERSION()");

    assert_true(db_peek_version(server->socket, in_ms(5000), version, &err));

    assert_non_null(strstr(version, told));
    free(told);
    assert_false(db_peek_version("/tmp/stillpoint-no-such.sock", in_ms(5000), version, &err));
    assert_int_equal(err.kind, ERR_DB);
}

static int start(void **state)
{
    static const char *const options[] = {"--lock-wait-timeout=20", NULL};
    struct dbserver *server = calloc(1, sizeof(*server));

    dbserver_start(server, options);
    dbserver_sql(server, "CREATE DATABASE test");
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
        cmocka_unit_test(an_answer_comes_with_names_and_nulls),
        cmocka_unit_test(a_refused_statement_names_itself_and_leaves_the_connection_usable),
        cmocka_unit_test(a_statement_ends_at_its_deadline_and_the_connection_stays_dead),
        cmocka_unit_test(a_deadline_that_has_passed_sends_nothing),
        cmocka_unit_test(an_earlier_deadline_does_not_end_a_later_statement),
        cmocka_unit_test(a_stopped_server_is_bounded_in_a_statement_and_in_the_log_in),
        cmocka_unit_test(a_cancel_ends_a_statement_but_not_one_that_lets_go),
        cmocka_unit_test(a_killed_connection_is_dead_and_does_not_come_back),
        cmocka_unit_test(the_server_lets_go_of_a_client_that_says_nothing_for_the_lease),
        cmocka_unit_test(a_lock_wait_is_told_apart),
        cmocka_unit_test(an_answer_without_end_is_cut_off),
        cmocka_unit_test(a_wrong_socket_says_what_to_do),
        cmocka_unit_test(a_user_who_may_not_log_in_is_told_how),
        cmocka_unit_test(a_defaults_file_gives_user_and_password_and_no_error_shows_them),
        cmocka_unit_test(the_greeting_tells_the_version_to_everybody),
    };

    if (!dbserver_available()) {
        printf("skip db: mariadbd is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
