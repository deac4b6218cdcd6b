/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_version_is_read_from_what_servers_call_themselves(void **state)
{
    static const struct {
        const char *text, *comment;
        enum db_kind kind;
        int number;
    } versions[] = {
        {"10.11.19-MariaDB-0+deb12u1-log", "Debian 12", DB_KIND_MARIADB, 101119},
        {"11.8.9-MariaDB-4 from Debian-log", "x", DB_KIND_MARIADB, 110809},
        {"5.5.5-10.3.39-MariaDB-1:10.3.39", "", DB_KIND_MARIADB, 100339},
        {"5.5.68-MariaDB", "MariaDB Server", DB_KIND_MARIADB, 50568},
        {"10.6.12", "MariaDB Enterprise Server", DB_KIND_MARIADB, 100612},
        {"9.7.4-2", "(Debian)", DB_KIND_MYSQL, 90704},
        {"8.0.36", "MySQL Community Server - GPL", DB_KIND_MYSQL, 80036},
        {"5.5.5-m3", "MySQL Community Server", DB_KIND_MYSQL, 50505},
        {"5.7.44-log", "MySQL Community Server (GPL)", DB_KIND_MYSQL, 50744},
        {"5.5.62-38.14", "Percona Server (GPL), Release 38.14", DB_KIND_PERCONA, 50562},
        {"8.0.35-27", "Percona Server (GPL), Release 27", DB_KIND_PERCONA, 80035},
        {"8.0.30-22.1", "Percona XtraDB Cluster (GPL)", DB_KIND_PERCONA, 80030},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct db_version version;
        assert_true(db_version_parse(versions[i].text, versions[i].comment, &version));
        assert_int_equal(version.kind, versions[i].kind);
        assert_int_equal(version.number, versions[i].number);
    }
}

static void what_is_no_version_is_refused(void **state)
{
    static const char *const texts[] = {"", "MariaDB", "10", "x10.11", "999999.1.1", "-1.2.3"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct db_version version = {DB_KIND_PERCONA, 7};
        assert_false(db_version_parse(texts[i], "", &version));
        assert_int_equal(version.number, 7);
    }
}

static void a_method_reads_back_as_it_is_written(void **state)
{
    enum db_method method;

    (void)state;
    for (unsigned i = 0; i < DB_METHOD_COUNT; i++) {
        assert_true(db_method_parse(db_method_name((enum db_method)i), &method));
        assert_int_equal(method, i);
    }
    assert_false(db_method_parse("FTWRL", &method));
    assert_false(db_method_parse("", &method));
}

#define MARIADB(n)                                                                                 \
    {                                                                                              \
        DB_KIND_MARIADB, n                                                                         \
    }
#define MYSQL(n)                                                                                   \
    {                                                                                              \
        DB_KIND_MYSQL, n                                                                           \
    }
#define PERCONA(n)                                                                                 \
    {                                                                                              \
        DB_KIND_PERCONA, n                                                                         \
    }

/* facts: version, asked, exact, binlog, flush, others → method, with FTWRL, commits, engine logs */
static const struct {
    struct db_facts facts;
    enum db_method method;
    bool with_ftwrl, commits_go_on, flush_engine_logs;
} choices[] = {
    /* MariaDB: stages since 10.4, whatever else is the case */
    {{MARIADB(100400), DB_METHOD_AUTO, false, true, 1, -1},
     DB_METHOD_BACKUP_STAGE,
     false,
     false,
     false},
    {{MARIADB(110809), DB_METHOD_AUTO, true, true, 2, 9},
     DB_METHOD_BACKUP_STAGE,
     false,
     false,
     true},
    {{MARIADB(101119), DB_METHOD_AUTO, false, false, 0, -1},
     DB_METHOD_BACKUP_STAGE,
     false,
     false,
     true},
    {{MARIADB(100339), DB_METHOD_AUTO, false, true, 1, -1}, DB_METHOD_FTWRL, false, false, false},
    {{MARIADB(50568), DB_METHOD_AUTO, false, true, 2, -1}, DB_METHOD_FTWRL, false, false, true},
    /* MySQL 8: the light lock, FTWRL with it for each of its reasons alone */
    {{MYSQL(80000), DB_METHOD_AUTO, false, true, 1, 0},
     DB_METHOD_LOCK_INSTANCE,
     false,
     true,
     false},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, 1, 0},
     DB_METHOD_LOCK_INSTANCE,
     false,
     true,
     false},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, 1, 1},
     DB_METHOD_LOCK_INSTANCE,
     true,
     false,
     false},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, 1, -1},
     DB_METHOD_LOCK_INSTANCE,
     true,
     false,
     false},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, 0, 0}, DB_METHOD_LOCK_INSTANCE, true, false, true},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, 2, 0}, DB_METHOD_LOCK_INSTANCE, true, false, true},
    {{MYSQL(90704), DB_METHOD_AUTO, false, true, -1, 0},
     DB_METHOD_LOCK_INSTANCE,
     true,
     false,
     true},
    {{MYSQL(90704), DB_METHOD_AUTO, true, true, 1, 0}, DB_METHOD_LOCK_INSTANCE, true, false, false},
    /* no binary log: nothing whose position could be exact */
    {{MYSQL(90704), DB_METHOD_AUTO, true, false, 1, 0},
     DB_METHOD_LOCK_INSTANCE,
     false,
     true,
     false},
    {{MYSQL(50744), DB_METHOD_AUTO, false, true, 1, -1}, DB_METHOD_FTWRL, false, false, false},
    {{MYSQL(50562), DB_METHOD_AUTO, false, true, 0, -1}, DB_METHOD_FTWRL, false, false, true},
    /* Percona Server */
    {{PERCONA(80035), DB_METHOD_AUTO, false, true, 1, 5}, DB_METHOD_PERCONA, false, true, false},
    {{PERCONA(80035), DB_METHOD_AUTO, true, true, 1, 0}, DB_METHOD_PERCONA, true, false, false},
    {{PERCONA(80035), DB_METHOD_AUTO, false, true, 2, 0}, DB_METHOD_PERCONA, true, false, true},
    {{PERCONA(50744), DB_METHOD_AUTO, false, true, 1, -1}, DB_METHOD_PERCONA, false, false, false},
    {{PERCONA(50744), DB_METHOD_AUTO, false, true, 2, -1}, DB_METHOD_PERCONA, false, false, true},
    {{PERCONA(50616), DB_METHOD_AUTO, true, true, 1, -1}, DB_METHOD_PERCONA, false, false, false},
    {{PERCONA(50615), DB_METHOD_AUTO, false, true, 1, -1}, DB_METHOD_FTWRL, false, false, false},
    {{PERCONA(50562), DB_METHOD_AUTO, false, true, 1, -1}, DB_METHOD_FTWRL, false, false, false},
    /* as the operator says */
    {{MARIADB(101119), DB_METHOD_FTWRL, false, true, 1, -1}, DB_METHOD_FTWRL, false, false, false},
    {{MYSQL(90704), DB_METHOD_FTWRL, false, true, 2, 0}, DB_METHOD_FTWRL, false, false, true},
    {{MYSQL(90704), DB_METHOD_LOCK_INSTANCE, false, true, 1, 3},
     DB_METHOD_LOCK_INSTANCE,
     true,
     false,
     false},
    {{PERCONA(80035), DB_METHOD_LOCK_INSTANCE, false, true, 1, 0},
     DB_METHOD_LOCK_INSTANCE,
     false,
     true,
     false},
    {{MARIADB(101119), DB_METHOD_NONE, false, true, 2, -1}, DB_METHOD_NONE, false, true, false},
};

static void the_lock_follows_from_the_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        struct db_choice choice;
        struct err err = ERR_INIT;

        assert_true(db_choose(&choices[i].facts, &choice, &err));

        if (choice.method != choices[i].method || choice.with_ftwrl != choices[i].with_ftwrl ||
            choice.commits_go_on != choices[i].commits_go_on ||
            choice.flush_engine_logs != choices[i].flush_engine_logs)
            fail_msg("row %zu: %s%s, commits %d, engine logs %d (%s)", i,
                     db_method_name(choice.method), choice.with_ftwrl ? " and FTWRL" : "",
                     choice.commits_go_on, choice.flush_engine_logs, choice.why);
        assert_true(choice.why[0] != '\0');
    }
}

static void a_method_that_the_server_has_not_is_refused(void **state)
{
    static const struct db_facts refused[] = {
        {MARIADB(100339), DB_METHOD_BACKUP_STAGE, false, true, 1, 0},
        {MARIADB(101119), DB_METHOD_LOCK_INSTANCE, false, true, 1, 0},
        {MARIADB(101119), DB_METHOD_PERCONA, false, true, 1, 0},
        {MYSQL(90704), DB_METHOD_BACKUP_STAGE, false, true, 1, 0},
        {MYSQL(90704), DB_METHOD_PERCONA, false, true, 1, 0},
        {MYSQL(50744), DB_METHOD_LOCK_INSTANCE, false, true, 1, 0},
        {PERCONA(50562), DB_METHOD_PERCONA, false, true, 1, 0},
        {PERCONA(50744), DB_METHOD_LOCK_INSTANCE, false, true, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct db_choice choice;
        struct err err = ERR_INIT;

        assert_false(db_choose(&refused[i], &choice, &err));

        assert_int_equal(err.kind, ERR_CONFIG);
        assert_non_null(strstr(err.text, db_method_name(refused[i].asked)));
        assert_non_null(strstr(err.remedy, "method = auto"));
    }
}

static void grants_fit_the_version(void **state)
{
    static const struct {
        struct db_version version;
        bool galera;
        const char *has, *has_not;
    } grants[] = {
        {MARIADB(101119), false, "SLAVE MONITOR", "REPLICATION CLIENT"},
        {MARIADB(101119), false, "VIA unix_socket", "SUPER"},
        {MARIADB(101119), true, "GRANT SUPER", "BACKUP_ADMIN"},
        {MARIADB(100505), false, "REPLICATION SLAVE ADMIN", "SLAVE MONITOR"},
        {MARIADB(100339), false, "REPLICATION CLIENT", "BINLOG MONITOR"},
        {MYSQL(90704), false, "BACKUP_ADMIN", "SUPER"},
        {MYSQL(90704), false, "log_status", "VIA unix_socket"},
        {MYSQL(50744), false, "REPLICATION CLIENT", "BACKUP_ADMIN"},
        {PERCONA(80035), false, "BACKUP_ADMIN", "SUPER"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
        AUTO_BUF struct buf text = BUF_INIT(4096);
        struct err err = ERR_INIT;

        assert_true(
            db_grants_text(&grants[i].version, "stillpoint", grants[i].galera, &text, &err));

        assert_non_null(strstr(buf_text(&text), "CREATE USER 'stillpoint'@'localhost'"));
        assert_non_null(strstr(buf_text(&text), grants[i].has));
        assert_null(strstr(buf_text(&text), grants[i].has_not));
        assert_null(strstr(buf_text(&text), "ALL PRIVILEGES"));
    }
}

static void a_name_that_could_end_the_quotes_gets_no_grants(void **state)
{
    static const char *const names[] = {"", "x'; DROP", "a b", "a\\", "a\"", "\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct db_version version = MYSQL(80036);
        AUTO_BUF struct buf text = BUF_INIT(4096);
        struct err err = ERR_INIT;

        assert_false(db_grants_text(&version, names[i], false, &text, &err));
        assert_int_equal(err.kind, ERR_USAGE);
    }
}

static void grants_that_do_not_fit_are_refused(void **state)
{
    static const struct db_version versions[] = {MARIADB(100339), MYSQL(80036)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf text = BUF_INIT(40);
        struct err err = ERR_INIT;

        assert_false(db_grants_text(&versions[i], "stillpoint", true, &text, &err));
        assert_int_equal(err.kind, ERR_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_read_from_what_servers_call_themselves),
        cmocka_unit_test(what_is_no_version_is_refused),
        cmocka_unit_test(a_method_reads_back_as_it_is_written),
        cmocka_unit_test(the_lock_follows_from_the_server),
        cmocka_unit_test(a_method_that_the_server_has_not_is_refused),
        cmocka_unit_test(grants_fit_the_version),
        cmocka_unit_test(a_name_that_could_end_the_quotes_gets_no_grants),
        cmocka_unit_test(grants_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
