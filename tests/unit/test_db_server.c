/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* What servers say of themselves that are too old to be had here, or odd. */

enum { TEXT_BYTES = 8192, LONG_PATH = 4085 };

#define DATADIR "datadir\t/var/lib/mysql/\n"
#define LIGHT   DATADIR "innodb_flush_log_at_trx_commit\t1\nlog_bin\tON\nlog_bin_basename\tbinlog\n"

#define SEES_ALL                                                                                   \
    {                                                                                              \
        .sql = "SELECT COUNT(*)", .names = "COUNT(*)", .rows = "12"                                \
    }
#define ONLY_INNODB                                                                                \
    {                                                                                              \
        .sql = "SELECT /*+ MAX", .names = "COUNT(*)", .rows = "0"                                  \
    }

struct asked {
    const char *version;
    const char *variables;
    struct dbscript_answer further[4]; /* before those two; .sql NULL: no more */
};

/* LOG, where it is wanted, has DBSCRIPT_LOG_BYTES. */
static bool ask(const struct asked *asked, struct db_server *ret_server, char *log, struct err *err)
{
    char version[80];
    struct dbscript_answer answers[6] = {
        {.sql = "SELECT VERSION()", .names = "version\tcomment", .rows = version},
        {.sql = "SHOW GLOBAL VARIABLES", .names = "Variable_name\tValue", .rows = asked->variables},
    };
    struct dbscript script = {.answers = answers, .answer_count = 2};

    (void)snprintf(version, sizeof(version), "%s\tsource build", asked->version);
    for (size_t i = 0; i < 4 && asked->further[i].sql != NULL; i++) {
        memmove(answers + i + 1, answers + i, 2 * sizeof(answers[0]));
        answers[i] = asked->further[i];
        script.answer_count++;
    }
    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    *ret_server = (struct db_server)DB_SERVER_INIT;
    bool ok = db_server_ask(db, DB_METHOD_AUTO, false, clock_boot_ms() + 5000, ret_server, err);
    db_close(db);
    dbscript_end(&script);
    if (log != NULL)
        memcpy(log, script.log, sizeof(script.log));
    return ok;
}

static void ask_or_fail(const struct asked *asked, struct db_server *ret_server, char *log)
{
    struct err err = ERR_INIT;

    if (!ask(asked, ret_server, log, &err))
        fail_msg("%s", err.text);
}

static void assert_refused(const struct asked *asked, enum err_kind kind, const char *text)
{
    struct db_server server;
    struct err err = ERR_INIT;

    assert_false(ask(asked, &server, NULL, &err));
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s is not in: %s", text, err.text);
    assert_null(server.paths);
}

static const struct db_path *path_of(const struct db_server *server, enum db_path_role role)
{
    for (size_t i = 0; i < server->path_count; i++)
        if (server->paths[i].role == role)
            return &server->paths[i];
    return NULL;
}

/* --- old servers -------------------------------------------------------------------------- */

static void each_version_is_asked_for_tablespaces_where_it_has_them(void **state)
{
    static const struct {
        const char *version, *asked, *note;
    } servers[] = {
        {"10.6.18-MariaDB", "information_schema.INNODB_SYS_TABLESPACES", ""},
        {"10.5.26-MariaDB", "information_schema.INNODB_SYS_DATAFILES", ""},
        {"8.0.36", "information_schema.INNODB_DATAFILES", ""},
        {"5.6.51", "information_schema.INNODB_SYS_DATAFILES", ""},
        {"5.5.62", NULL, "tablespaces outside the datadir are not told"},
    };
    char log[DBSCRIPT_LOG_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        const struct asked asked = {servers[i].version, DATADIR, {SEES_ALL, ONLY_INNODB}};
        struct db_server server;

        ask_or_fail(&asked, &server, log);
        if (servers[i].asked != NULL)
            assert_non_null(strstr(log, servers[i].asked));
        else
            assert_null(strstr(log, "DATAFILES"));
        assert_non_null(strstr(server.note, servers[i].note));
        db_server_free(&server);
    }
}

static void a_table_that_a_version_has_not_is_a_note_and_another_refusal_an_error(void **state)
{
    static const struct asked missing = {
        "10.3.39-MariaDB",
        DATADIR,
        {{.sql = "SELECT PATH AS path", .refused = 1109}},
    };
    static const struct asked refused = {
        "10.3.39-MariaDB",
        DATADIR,
        {{.sql = "SELECT PATH AS path", .refused = 1227}},
    };
    struct db_server server;

    (void)state;
    ask_or_fail(&missing, &server, NULL);
    assert_non_null(strstr(server.note, "tablespaces outside the datadir are not told"));
    db_server_free(&server);
    assert_refused(&refused, ERR_DB, "(1227)");
}

static void a_binary_log_whose_place_is_not_told_is_noted(void **state)
{
    static const struct asked asked = {"5.5.62", DATADIR "log_bin\tON", {{.sql = NULL}}};
    struct db_server server;

    (void)state;
    ask_or_fail(&asked, &server, NULL);
    assert_true(server.facts.log_bin);
    assert_null(path_of(&server, DB_PATH_BINLOG));
    assert_non_null(strstr(server.note, "where the binary log lies is not told"));
    db_server_free(&server);
}

static void a_replica_has_a_relay_log_and_others_have_none(void **state)
{
    struct asked asked = {
        "5.7.44",
        DATADIR "relay_log_basename\t/var/log/mysql/relay",
        {{.sql = "SHOW SLAVE STATUS", .names = "Master_Host", .rows = "10.0.0.7"}},
    };
    struct db_server server;

    (void)state;
    ask_or_fail(&asked, &server, NULL);
    assert_true(server.replica);
    assert_string_equal(path_of(&server, DB_PATH_RELAY_LOG)->path, "/var/log/mysql");
    db_server_free(&server);

    asked.further[0].rows = "";
    ask_or_fail(&asked, &server, NULL);
    assert_false(server.replica);
    assert_null(path_of(&server, DB_PATH_RELAY_LOG));
    db_server_free(&server);
}

static void logs_of_statements_count_only_where_they_are_files(void **state)
{
    struct asked asked = {
        "5.7.44",
        DATADIR "general_log\tON\ngeneral_log_file\t/var/log/mysql/all.log\nlog_output\tTABLE",
        {{.sql = NULL}},
    };
    struct db_server server;

    (void)state;
    ask_or_fail(&asked, &server, NULL);
    assert_null(path_of(&server, DB_PATH_SERVER_LOG));
    db_server_free(&server);

    asked.variables = DATADIR "slow_query_log\tON\nslow_query_log_file\tslow.log\n"
                              "log_output\tTABLE,FILE";
    ask_or_fail(&asked, &server, NULL);
    assert_string_equal(path_of(&server, DB_PATH_SERVER_LOG)->path, "/var/lib/mysql");
    db_server_free(&server);
}

/* --- odd answers -------------------------------------------------------------------------- */

static void a_version_that_is_none_is_refused(void **state)
{
    static const struct asked toaster = {"toaster", DATADIR, {{.sql = NULL}}};
    static const struct asked silent = {
        "8.0.36", DATADIR, {{.sql = "SELECT VERSION()", .refused = 1045}}};

    (void)state;
    assert_refused(&toaster, ERR_DB, "calls itself toaster, which is no version");
    assert_refused(&silent, ERR_DB, "SELECT VERSION()");
}

static void a_datadir_that_is_none_is_refused(void **state)
{
    static const char *const variables[] = {"", "datadir\t\\N", "datadir\tdata/"};

    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const struct asked asked = {"8.0.36", variables[i], {{.sql = NULL}}};
        assert_refused(&asked, ERR_DB, "does not say where its datadir is");
    }
}

static void a_path_that_is_too_long_is_refused_and_not_cut(void **state)
{
    static const struct {
        const char *variable, *text;
    } paths[] = {
        {"innodb_data_home_dir", "innodb_data_home_dir is no path"},
        {"innodb_data_file_path", "InnoDB tablespace is no path"},
        {"innodb_log_group_home_dir", "InnoDB log is no path"},
        {"log_bin_basename", "binary log is no path"},
        {"log_output\tFILE\ngeneral_log\tON\ngeneral_log_file", "general or slow log is no path"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char text[TEXT_BYTES], name[LONG_PATH + 1];
        const struct asked asked = {"5.7.44", text, {{.sql = NULL}}};

        memset(name, 'x', LONG_PATH);
        name[LONG_PATH - 2] = '/';
        name[LONG_PATH] = '\0';
        (void)snprintf(text, sizeof(text), DATADIR "%s\t%s", paths[i].variable, name);
        assert_refused(&asked, ERR_DB, paths[i].text);
    }
}

static void more_files_elsewhere_than_can_be_followed_are_refused(void **state)
{
    enum { ROWS_BYTES = 32768 };
    static const struct {
        size_t files, directories;
        const char *text;
    } layouts[] = {
        {1000, 5, "more than 1000 tablespaces"},
        {70, 70, "more than 64 directories"},
    };
    char *rows = malloc(ROWS_BYTES);

    (void)state;
    assert_non_null(rows);
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct asked asked = {
            "5.7.44",
            DATADIR,
            {{.sql = "SELECT PATH AS path", .names = "path", .rows = rows}},
        };
        size_t used = 0;
        for (size_t n = 0; n < layouts[i].files; n++)
            used += (size_t)snprintf(rows + used, ROWS_BYTES - used, "/disk%zu/t%zu.ibd\n",
                                     n % layouts[i].directories, n);
        assert_refused(&asked, ERR_LIMIT, layouts[i].text);
    }
    free(rows);
}

static void engines_that_are_not_known_are_taken_for_the_worse(void **state)
{
    static const struct asked known = {"8.0.36", LIGHT, {SEES_ALL, ONLY_INNODB}};
    static const struct asked timed_out = {
        "8.0.36", LIGHT, {SEES_ALL, {.sql = "SELECT /*+ MAX", .refused = 3024}}};
    struct db_server server;

    (void)state;
    ask_or_fail(&known, &server, NULL);
    assert_int_equal(server.facts.other_tables, 0);
    assert_false(server.choice.with_ftwrl);
    assert_string_equal(server.note, "");
    db_server_free(&server);

    ask_or_fail(&timed_out, &server, NULL);
    assert_int_equal(server.facts.other_tables, -1);
    assert_true(server.choice.with_ftwrl);
    assert_non_null(strstr(server.note, "which engines there are is not known"));
    assert_non_null(strstr(server.note, "(3024)"));
    db_server_free(&server);
}

static void none_of_other_engines_counts_only_from_one_who_sees_all_tables(void **state)
{
    static const struct asked blind[] = {
        {"8.0.36", LIGHT, {{.sql = "SELECT COUNT(*)", .names = "COUNT(*)", .rows = "0"}}},
        {"8.0.36", LIGHT "partial_revokes\tON", {SEES_ALL, ONLY_INNODB}},
    };
    static const char *const notes[] = {"else no table is shown", "partial_revokes is ON"};

    (void)state;
    for (size_t i = 0; i < sizeof(blind) / sizeof(blind[0]); i++) {
        struct db_server server;

        ask_or_fail(&blind[i], &server, NULL);
        assert_int_equal(server.facts.other_tables, -1);
        assert_true(server.choice.with_ftwrl);
        assert_non_null(strstr(server.note, notes[i]));
        db_server_free(&server);
    }
}

static void a_question_for_engines_that_ends_the_connection_is_an_error(void **state)
{
    static const struct asked lost = {
        "8.0.36", LIGHT, {SEES_ALL, {.sql = "SELECT /*+ MAX", .way = DBSCRIPT_HANGS_UP}}};
    static const struct asked refused = {
        "8.0.36", LIGHT, {{.sql = "SELECT COUNT(*)", .refused = 1227}}};
    static const struct asked empty = {
        "8.0.36", LIGHT, {{.sql = "SELECT COUNT(*)", .names = "COUNT(*)"}}};

    (void)state;
    assert_refused(&lost, ERR_DB, "(2013)");
    assert_refused(&refused, ERR_DB, "(1227)");
    assert_refused(&empty, ERR_PROTOCOL, "no answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_is_asked_for_tablespaces_where_it_has_them),
        cmocka_unit_test(a_table_that_a_version_has_not_is_a_note_and_another_refusal_an_error),
        cmocka_unit_test(a_binary_log_whose_place_is_not_told_is_noted),
        cmocka_unit_test(a_replica_has_a_relay_log_and_others_have_none),
        cmocka_unit_test(logs_of_statements_count_only_where_they_are_files),
        cmocka_unit_test(a_version_that_is_none_is_refused),
        cmocka_unit_test(a_datadir_that_is_none_is_refused),
        cmocka_unit_test(a_path_that_is_too_long_is_refused_and_not_cut),
        cmocka_unit_test(more_files_elsewhere_than_can_be_followed_are_refused),
        cmocka_unit_test(engines_that_are_not_known_are_taken_for_the_worse),
        cmocka_unit_test(none_of_other_engines_counts_only_from_one_who_sees_all_tables),
        cmocka_unit_test(a_question_for_engines_that_ends_the_connection_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
