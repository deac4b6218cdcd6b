/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_mysql.h"

#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbserver.h"

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

static const struct hook_job job = {"sp-20261124T081530Z-k3f9x", "test"};
static const char *const options[] = {"--log-bin=binlog", "--server-id=1", NULL};

static struct hook make_hook(const struct dbserver *server, const char *user)
{
    const struct hook_mysql_config config = {.name = "mysql",
                                             .socket = server->socket,
                                             .user = user,
                                             .method = DB_METHOD_AUTO,
                                             .lock_wait_ms = 1000};
    struct hook hook;
    struct err err = ERR_INIT;

    assert_true(hook_mysql_new(&config, &hook, &err));
    return hook;
}

static void prepare_or_fail(struct hook *hook)
{
    struct err err = ERR_INIT;

    if (!hook->prepare(hook->self, &job, in_ms(10000), NULL, &err))
        fail_msg("%s", err.text);
}

static void hold_or_fail(struct hook *hook)
{
    struct err err = ERR_INIT;

    if (!hook->hold(hook->self, in_ms(10000), NULL, &err))
        fail_msg("%s", err.text);
}

static void release_or_fail(struct hook *hook)
{
    struct err err = ERR_INIT;

    if (!hook->release(hook->self, "complete", in_ms(2000), &err))
        fail_msg("%s", err.text);
}

/* A writer that starts now is still waiting after a while. */
static bool writers_wait(const struct dbserver *server, struct dbside *side)
{
    dbside_start(side, server, "INSERT INTO test.t VALUES (1)", NULL, NULL);
    dbside_await(server, side->connection_id, "lock");
    sleep_ms(80);
    char sql[120];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lu AND "
                   "STATE LIKE '%%lock%%'",
                   side->connection_id);
    return dbserver_number(server, sql) == 1;
}

static long connections(const struct dbserver *server)
{
    return dbserver_number(server, "SELECT COUNT(*) - 1 FROM information_schema.PROCESSLIST "
                                   "WHERE COMMAND <> 'Daemon'");
}

static void a_whole_backup_holds_proves_and_lets_go(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, NULL);
    struct proof proof = {.held = false};
    struct err err = ERR_INIT;
    struct dbside side;

    assert_null(hook_mysql_server(&hook));
    assert_null(hook_mysql_position(&hook));
    prepare_or_fail(&hook);
    assert_int_equal(hook_mysql_server(&hook)->choice.method, DB_METHOD_BACKUP_STAGE);
    assert_string_equal(hook_mysql_socket(&hook), server->socket);
    assert_null(hook_mysql_position(&hook));
    dbserver_sql(server, "INSERT INTO test.t VALUES (0)"); /* nobody waits yet */

    hold_or_fail(&hook);
    assert_true(writers_wait(server, &side));
    assert_true(hook_mysql_position(&hook)->exact);
    assert_true(hook_mysql_position(&hook)->binlog_pos > 0);
    assert_true(hook.attest(hook.self, in_ms(2000), &proof, &err));
    assert_true(proof.held);
    release_or_fail(&hook);
    dbside_join(&side);
    assert_true(side.ok);
    assert_non_null(hook_mysql_position(&hook)); /* for the manifest */
    assert_true(hook.finish(hook.self, "complete", in_ms(2000), &err));
    for (int64_t end_ms = in_ms(10000); connections(server) != 0; sleep_ms(50))
        assert_true(clock_boot_ms() < end_ms); /* the server is late to note who has gone */
    hook.free(hook.self);
}

static void a_hold_can_be_tried_again_after_its_release(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");

    prepare_or_fail(&hook);
    for (int i = 0; i < 3; i++) {
        struct dbside side;
        hold_or_fail(&hook);
        assert_true(writers_wait(server, &side));
        release_or_fail(&hook);
        release_or_fail(&hook);
        dbside_join(&side);
        assert_true(side.ok);
    }
    hook.free(hook.self);
}

static void freeing_lets_go_of_what_is_held(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct dbside side;

    prepare_or_fail(&hook);
    hold_or_fail(&hook);
    assert_true(writers_wait(server, &side));
    hook.free(hook.self);
    dbside_join(&side);
    assert_true(side.ok);
}

static void a_server_restarted_since_prepare_is_held_all_the_same(void **state)
{
    struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct proof proof = {.held = false};
    struct err err = ERR_INIT;

    prepare_or_fail(&hook);
    dbserver_kill(server);
    dbserver_run(server, options);
    hold_or_fail(&hook);
    assert_true(hook.attest(hook.self, in_ms(2000), &proof, &err));
    assert_true(proof.held);
    release_or_fail(&hook);
    hook.free(hook.self);
}

static void a_server_that_is_down_says_so_at_each_step(void **state)
{
    struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct err err = ERR_INIT;

    prepare_or_fail(&hook);
    dbserver_kill(server);
    assert_false(hook.hold(hook.self, in_ms(5000), NULL, &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.remedy, "start the server"));
    release_or_fail(&hook); /* nothing is held: nothing fails */
    assert_false(hook.prepare(hook.self, &job, in_ms(5000), NULL, &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_null(hook_mysql_server(&hook));
    assert_true(hook.finish(hook.self, "failed", in_ms(2000), &err));
    hook.free(hook.self);
    dbserver_run(server, options);
}

static void a_lost_lock_is_not_proved_and_its_release_is_no_failure(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;
    char sql[120];
    long before = dbserver_number(server, "SELECT CONNECTION_ID()");

    prepare_or_fail(&hook);
    hold_or_fail(&hook);
    /* Whatever the server notes late of it, and of those that were closed. */
    (void)snprintf(sql, sizeof(sql),
                   "SELECT MIN(ID) FROM information_schema.PROCESSLIST WHERE ID > %ld AND "
                   "ID <> CONNECTION_ID()",
                   before);
    (void)snprintf(sql, sizeof(sql), "KILL %ld", dbserver_number(server, sql));
    dbserver_sql(server, sql);
    assert_true(hook.attest(hook.self, in_ms(2000), &proof, &err));
    assert_false(proof.held);
    release_or_fail(&hook);
    hold_or_fail(&hook); /* by a new connection */
    release_or_fail(&hook);
    hook.free(hook.self);
}

static void what_is_in_the_way_at_prepare_is_looked_for_again_at_the_hold(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct db *holder = dbserver_connect(server);
    struct err err = ERR_INIT;

    assert_true(db_exec(holder, "LOCK TABLES test.t WRITE", false, in_ms(5000), &err));
    prepare_or_fail(&hook);
    assert_false(hook.hold(hook.self, in_ms(10000), NULL, &err));
    assert_int_equal(err.kind, ERR_DB_LOCK);
    release_or_fail(&hook);
    db_close(holder);
    hold_or_fail(&hook);
    release_or_fail(&hook);
    hook.free(hook.self);
}

static void a_cancel_ends_prepare_and_hold(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct cancel cancel = CANCEL_INIT;
    struct err err = ERR_INIT;

    assert_true(cancel_open(&cancel, &err));
    assert_true(hook.prepare(hook.self, &job, in_ms(5000), &cancel, &err));
    cancel_ask(&cancel);
    assert_false(hook.hold(hook.self, in_ms(5000), &cancel, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    release_or_fail(&hook);
    assert_false(hook.prepare(hook.self, &job, in_ms(5000), &cancel, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    hook.free(hook.self);
    cancel_close(&cancel);
    dbserver_sql(server, "INSERT INTO test.t VALUES (2)");
}

static void commits_that_must_wait_wait_already(void **state)
{
    const struct dbserver *server = *state;
    struct hook hook = make_hook(server, "root");
    struct err err = ERR_INIT;

    prepare_or_fail(&hook);
    assert_true(hook_mysql_block_commits(&hook, &err));
    assert_int_equal(hook_mysql_server(&hook)->choice.method, DB_METHOD_BACKUP_STAGE);
    hook.free(hook.self);

    const struct hook_mysql_config config = {
        .name = "none", .socket = server->socket, .user = "root", .method = DB_METHOD_NONE};
    assert_true(hook_mysql_new(&config, &hook, &err));
    prepare_or_fail(&hook);
    assert_true(hook_mysql_server(&hook)->choice.commits_go_on);
    assert_false(hook_mysql_block_commits(&hook, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    hook.free(hook.self);
}

static void a_method_of_another_server_is_refused(void **state)
{
    const struct dbserver *server = *state;
    const struct hook_mysql_config config = {.name = "mysql",
                                             .socket = server->socket,
                                             .user = "root",
                                             .method = DB_METHOD_LOCK_INSTANCE,
                                             .required = true};
    struct hook hook;
    struct err err = ERR_INIT;

    assert_true(hook_mysql_new(&config, &hook, &err));
    assert_true(hook.required && hook.prepare_required);
    assert_false(hook.prepare(hook.self, &job, in_ms(5000), NULL, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    hook.free(hook.self);
}

/* --- the rights --------------------------------------------------------------------------- */

/* As another login of the machine, whose name the socket tells the server. */
static bool whole_life_as(const struct passwd *login, struct hook *hook, bool *ret_prepared,
                          struct err *err)
{
    struct proof proof = {.held = false};
    struct err ignored = ERR_INIT;

    assert_int_equal(seteuid(login->pw_uid), 0);
    *ret_prepared = hook->prepare(hook->self, &job, in_ms(10000), NULL, err);
    bool ok = *ret_prepared && hook->hold(hook->self, in_ms(10000), NULL, err) &&
              hook->attest(hook->self, in_ms(2000), &proof, err) && proof.held;
    (void)hook->release(hook->self, "complete", in_ms(2000), &ignored);
    assert_int_equal(seteuid(0), 0);
    return ok;
}

static void run_statements(const struct dbserver *server, const char *text)
{
    AUTO_BUF struct buf copy = BUF_INIT(8192);
    struct err err = ERR_INIT;
    char *rest = NULL;

    assert_true(buf_add_text(&copy, text, &err));
    for (char *line = strtok_r(copy.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *end = strrchr(line, ';');
        assert_non_null(end);
        *end = '\0';
        if (strncmp(line, "--", 2) != 0)
            dbserver_sql(server, line);
    }
}

static void exactly_the_printed_grants_suffice(void **state)
{
    static const char *const rights[] = {"RELOAD", "PROCESS", "BINLOG MONITOR", "SLAVE MONITOR"};
    const struct dbserver *server = *state;
    const struct passwd *login = getpwnam("nobody");
    const struct db_version version = {DB_KIND_MARIADB, 101119};
    AUTO_BUF struct buf grants = BUF_INIT(8192);
    struct err err = ERR_INIT;
    bool prepared = false;
    char sql[120];

    if (geteuid() != 0 || login == NULL)
        skip();
    struct hook hook = make_hook(server, NULL);
    assert_int_equal(chmod(server->dir, 0755), 0);
    assert_false(whole_life_as(login, &hook, &prepared, &err));
    assert_non_null(strstr(err.remedy, "doctor"));
    assert_non_null(strstr(err.remedy, "nobody"));

    assert_true(db_grants_text(&version, "nobody", false, &grants, &err));
    run_statements(server, buf_text(&grants));
    if (!whole_life_as(login, &hook, &prepared, &err))
        fail_msg("%s", err.text);

    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        (void)snprintf(sql, sizeof(sql), "REVOKE %s ON *.* FROM nobody@localhost", rights[i]);
        dbserver_sql(server, sql);
        err = (struct err)ERR_INIT;
        assert_false(whole_life_as(login, &hook, &prepared, &err));
        assert_false(prepared); /* known before anybody waits */
        assert_int_equal(err.kind, ERR_DB);
        if (strstr(err.text, rights[i]) == NULL)
            fail_msg("%s is not named: %s", rights[i], err.text);
        assert_non_null(strstr(err.remedy, "GRANT"));
        (void)snprintf(sql, sizeof(sql), "GRANT %s ON *.* TO nobody@localhost", rights[i]);
        dbserver_sql(server, sql);
        dbserver_sql(server, "INSERT INTO test.t VALUES (3)"); /* nothing is held */
    }
    hook.free(hook.self);
}

static int start(void **state)
{
    struct dbserver *server = calloc(1, sizeof(*server));

    dbserver_start(server, options);
    dbserver_sql(server, "CREATE DATABASE test");
    dbserver_sql(server, "CREATE TABLE test.t (i INT) ENGINE=MyISAM");
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
        cmocka_unit_test(a_whole_backup_holds_proves_and_lets_go),
        cmocka_unit_test(a_hold_can_be_tried_again_after_its_release),
        cmocka_unit_test(freeing_lets_go_of_what_is_held),
        cmocka_unit_test(a_server_restarted_since_prepare_is_held_all_the_same),
        cmocka_unit_test(a_server_that_is_down_says_so_at_each_step),
        cmocka_unit_test(a_lost_lock_is_not_proved_and_its_release_is_no_failure),
        cmocka_unit_test(what_is_in_the_way_at_prepare_is_looked_for_again_at_the_hold),
        cmocka_unit_test(a_cancel_ends_prepare_and_hold),
        cmocka_unit_test(commits_that_must_wait_wait_already),
        cmocka_unit_test(a_method_of_another_server_is_refused),
        cmocka_unit_test(exactly_the_printed_grants_suffice),
    };

    if (!dbserver_available()) {
        printf("skip hook_mysql: mariadbd is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
