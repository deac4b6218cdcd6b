/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_mysql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* The whole hook against a scripted server: MySQL 8, where commits go on unless they must not, and
 * a Galera node that must be put back in step whatever becomes of the connection. */

static const struct hook_job job = {"sp-20261124T081530Z-k3f9x", "test"};

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static struct hook make_hook(const char *socket)
{
    const struct hook_mysql_config config = {
        .name = "mysql", .socket = socket, .user = "root", .lock_wait_ms = 1000};
    struct hook hook;
    struct err err = ERR_INIT;

    assert_true(hook_mysql_new(&config, &hook, &err));
    return hook;
}

static struct hook start_and_prepare(struct dbscript *script)
{
    struct err err = ERR_INIT;

    dbscript_start(script);
    struct hook hook = make_hook(script->address.sun_path);
    if (!hook.prepare(hook.self, &job, in_ms(5000), NULL, &err))
        fail_msg("%s", err.text);
    return hook;
}

static void hold_or_fail(struct hook *hook)
{
    struct err err = ERR_INIT;

    if (!hook->hold(hook->self, in_ms(5000), NULL, &err))
        fail_msg("%s", err.text);
}

static unsigned count_of(const char *log, const char *sql)
{
    unsigned count = 0;

    for (const char *at = log; (at = strstr(at, sql)) != NULL; at++)
        count++;
    return count;
}

/* --- MySQL 8 ------------------------------------------------------------------------------ */

#define VERSION(version)                                                                           \
    {                                                                                              \
        .sql = "SELECT VERSION()", .names = "version\tcomment", .rows = version "\t"               \
    }
#define VARIABLES(more)                                                                            \
    {                                                                                              \
        .sql = "SHOW GLOBAL VARIABLES", .names = "Variable_name\tValue",                           \
        .rows = "datadir\t/var/lib/mysql/\ninnodb_flush_log_at_trx_commit\t1\n" more               \
    }
#define MYSQL_8                                                                                    \
    VERSION("8.0.36"), VARIABLES("log_bin\tON\nlog_bin_basename\tbinlog"),                         \
        {.sql = "SELECT COUNT(*)", .names = "COUNT(*)", .rows = "1"},                              \
        {.sql = "SELECT /*+ MAX", .names = "COUNT(*)", .rows = "0"},                               \
    {                                                                                              \
        .sql = "SELECT LOCAL", .names = "LOCAL",                                                   \
        .rows = "{\"binary_log_file\": \"binlog.3\", \"binary_log_position\": 157}"                \
    }

static void commits_go_on_until_they_are_to_wait(void **state)
{
    static const struct dbscript_answer answers[] = {MYSQL_8};
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    struct hook hook = start_and_prepare(&script);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(hook_mysql_server(&hook)->choice.commits_go_on);
    hold_or_fail(&hook);
    assert_false(hook_mysql_position(&hook)->exact);
    assert_true(hook.release(hook.self, "failed", in_ms(2000), &err));

    assert_true(hook_mysql_block_commits(&hook, &err));
    assert_false(hook_mysql_server(&hook)->choice.commits_go_on);
    assert_true(hook_mysql_server(&hook)->facts.exact_wanted);
    hold_or_fail(&hook);
    assert_true(hook_mysql_position(&hook)->exact);
    assert_true(hook.release(hook.self, "complete", in_ms(2000), &err));
    hook.free(hook.self);
    dbscript_end(&script);

    const char *again = strstr(script.log, "UNLOCK INSTANCE\nSET SESSION"); /* the first is over */
    assert_non_null(again);
    assert_int_equal(count_of(script.log, "FLUSH TABLES WITH READ LOCK"), 1);
    assert_non_null(strstr(again, "FLUSH TABLES WITH READ LOCK"));
}

static void commits_that_are_to_wait_wait_on_a_server_that_is_asked_again(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "DO 0", .way = DBSCRIPT_HANGS_UP, .times = 1}, MYSQL_8};
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    struct hook hook = start_and_prepare(&script);
    struct err err = ERR_INIT;

    (void)state;
    assert_true(hook_mysql_block_commits(&hook, &err));
    hold_or_fail(&hook);
    assert_true(hook_mysql_position(&hook)->exact);
    hook.free(hook.self);
    dbscript_end(&script);

    assert_non_null(strstr(strstr(script.log, "DO 0"), "SELECT VERSION()"));
    assert_non_null(strstr(script.log, "FLUSH TABLES WITH READ LOCK"));
}

static void a_hold_that_was_cut_proves_nothing(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "LOCK INSTANCE FOR BACKUP", .times = 1}, /* the rehearsal's */
        {.sql = "LOCK INSTANCE FOR BACKUP", .way = DBSCRIPT_IS_SILENT},
        MYSQL_8};
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    struct hook hook = start_and_prepare(&script);
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;

    (void)state;
    assert_false(hook.hold(hook.self, in_ms(800), NULL, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_false(hook.attest(hook.self, in_ms(2000), &proof, &err));
    assert_string_equal(err.text, "not connected");
    assert_true(hook.release(hook.self, "failed", in_ms(2000), &err));
    hook.free(hook.self);
    dbscript_end(&script);
}

static void without_a_server_in_a_usual_place_the_socket_is_to_be_named(void **state)
{
    struct hook hook = make_hook(NULL);
    struct err err = ERR_INIT;

    (void)state;
    if (db_find_socket() == NULL) {
        assert_false(hook.prepare(hook.self, &job, in_ms(2000), NULL, &err));
        assert_int_equal(err.kind, ERR_DB);
        assert_non_null(strstr(err.remedy, "socket="));
        assert_null(hook_mysql_socket(&hook));
    }
    hook.free(hook.self);
}

/* --- a Galera node ------------------------------------------------------------------------ */

#define NODE                                                                                       \
    VERSION("10.11.19-MariaDB"), VARIABLES("wsrep_on\tON"),                                        \
    {                                                                                              \
        .sql = "SELECT @@GLOBAL.wsrep_desync", .names = "@@GLOBAL.wsrep_desync", .rows = "0"       \
    }

static void a_node_whose_connection_was_lost_is_put_back_in_step_by_another(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "BACKUP STAGE END", .way = DBSCRIPT_HANGS_UP}, NODE};
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    struct hook hook = start_and_prepare(&script);
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;

    (void)state;
    hold_or_fail(&hook);
    assert_true(hook.attest(hook.self, in_ms(2000), &proof, &err));
    assert_false(proof.held);
    if (!hook.release(hook.self, "failed", in_ms(2000), &err))
        fail_msg("%s", err.text);
    assert_true(hook.release(hook.self, "failed", in_ms(2000), &err)); /* nothing is left to do */
    hook.free(hook.self);
    dbscript_end(&script);

    assert_int_equal(count_of(script.log, "SET GLOBAL wsrep_desync=ON"), 1);
    assert_int_equal(count_of(script.log, "SET GLOBAL wsrep_desync=OFF"), 1);
}

static void a_node_that_is_not_put_back_in_step_is_told_and_tried_again_at_the_end(void **state)
{
    static const struct dbscript_answer answers[] = {
        {.sql = "BACKUP STAGE END", .way = DBSCRIPT_HANGS_UP},
        {.sql = "SET GLOBAL wsrep_desync=OFF", .refused = 1227, .times = 1},
        NODE};
    struct dbscript script = {DBSCRIPT_ALL(answers)};
    struct hook hook = start_and_prepare(&script);
    struct err err = ERR_INIT, finish_err = ERR_INIT;

    (void)state;
    hold_or_fail(&hook);
    assert_false(hook.release(hook.self, "failed", in_ms(2000), &err));
    assert_non_null(strstr(err.text, "wsrep_desync may still be ON"));
    assert_non_null(strstr(err.remedy, "SET GLOBAL wsrep_desync=OFF"));
    assert_true(hook.finish(hook.self, "failed", in_ms(2000), &finish_err));
    hook.free(hook.self);
    dbscript_end(&script);

    assert_int_equal(count_of(script.log, "SET GLOBAL wsrep_desync=OFF"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_go_on_until_they_are_to_wait),
        cmocka_unit_test(commits_that_are_to_wait_wait_on_a_server_that_is_asked_again),
        cmocka_unit_test(a_hold_that_was_cut_proves_nothing),
        cmocka_unit_test(without_a_server_in_a_usual_place_the_socket_is_to_be_named),
        cmocka_unit_test(a_node_whose_connection_was_lost_is_put_back_in_step_by_another),
        cmocka_unit_test(a_node_that_is_not_put_back_in_step_is_told_and_tried_again_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
