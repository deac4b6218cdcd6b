/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* Against a scripted server: what does not fit, and a replica's sources under both their names. */

enum { ROWS_BYTES = 16384 };

static const struct db_server mariadb = {
    .facts = {.version = {DB_KIND_MARIADB, 101119}, .log_bin = true}};
static const struct db_server mysql_5_7 = {
    .facts = {.version = {DB_KIND_MYSQL, 50744}, .log_bin = true}};

static bool position_of(const struct db_server *server, const struct dbscript_answer *answers,
                        size_t answer_count, struct db_position *ret_position, struct err *err)
{
    struct dbscript script = {.answers = answers, .answer_count = answer_count};

    dbscript_start(&script);
    struct db *db = dbscript_connect(&script);
    bool ok = db_position_read(db, server, true, clock_boot_ms() + 5000, ret_position, err);
    db_close(db);
    dbscript_end(&script);
    return ok;
}

static void a_log_whose_name_does_not_fit_is_refused(void **state)
{
    char rows[ROWS_BYTES];
    const struct dbscript_answer answer = {
        .sql = "SHOW MASTER STATUS", .names = "File\tPosition", .rows = rows};
    struct db_position position;
    struct err err = ERR_INIT;

    (void)state;
    memset(rows, 'x', DB_NAME_BYTES);
    (void)snprintf(rows + DB_NAME_BYTES, 8, "\t4711");
    assert_false(position_of(&mysql_5_7, &answer, 1, &position, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, "position: the binary log's name of 512 bytes"));

    (void)snprintf(rows + DB_NAME_BYTES - 1, 8, "\t4711");
    assert_true(position_of(&mysql_5_7, &answer, 1, &position, &err));
    assert_int_equal(strlen(position.binlog_file), DB_NAME_BYTES - 1);
    assert_int_equal(position.binlog_pos, 4711);
}

static void a_gtid_set_that_does_not_fit_is_left_out_and_not_cut(void **state)
{
    char rows[ROWS_BYTES] = "binlog.7\t4711\t";
    const struct dbscript_answer answer = {
        .sql = "SHOW MASTER STATUS", .names = "File\tPosition\tExecuted_Gtid_Set", .rows = rows};
    size_t used = strlen(rows);
    struct db_position position;
    struct err err = ERR_INIT;

    (void)state;
    memset(rows + used, '7', DB_GTID_BYTES);
    assert_true(position_of(&mysql_5_7, &answer, 1, &position, &err));
    assert_true(position.gtid_cut);
    assert_string_equal(position.gtid, "");
    assert_int_equal(position.binlog_pos, 4711);

    rows[used + DB_GTID_BYTES - 1] = '\r'; /* a line's end takes no room */
    assert_true(position_of(&mysql_5_7, &answer, 1, &position, &err));
    assert_false(position.gtid_cut);
    assert_int_equal(strlen(position.gtid), DB_GTID_BYTES - 1);
}

static void a_question_that_is_refused_ends_the_reading(void **state)
{
    static const struct dbscript_answer refusals[] = {
        {.sql = "SHOW ALL SLAVES STATUS", .refused = 1227},
        {.sql = "SHOW GLOBAL STATUS LIKE 'wsrep", .refused = 1227},
        {.sql = "SHOW MASTER STATUS", .refused = 1227},
        {.sql = "SELECT @@GLOBAL.gtid_binlog_pos", .refused = 1227},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct db_server server = mariadb;
        struct db_position position;
        struct err err = ERR_INIT;

        server.replica = server.galera = true;
        assert_false(position_of(&server, &refusals[i], 1, &position, &err));
        assert_int_equal(err.kind, ERR_DB);
        assert_non_null(strstr(err.text, refusals[i].sql));
    }
}

static void a_log_status_that_is_refused_names_the_right(void **state)
{
    static const struct dbscript_answer answer = {.sql = "SELECT LOCAL", .refused = 1142};
    static const struct db_server server = {.facts = {.version = {DB_KIND_MYSQL, 80036}}};
    struct db_position position;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(position_of(&server, &answer, 1, &position, &err));
    assert_int_equal(err.kind, ERR_DB);
    assert_non_null(strstr(err.remedy, "GRANT SELECT ON performance_schema.log_status"));
}

static void a_commit_of_the_cluster_that_is_no_number_is_refused(void **state)
{
    static const struct dbscript_answer answer = {
        .sql = "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'",
        .names = "Variable_name\tValue",
        .rows = "wsrep_last_committed\t-1"};
    struct db_server server = mariadb;
    struct db_position position;
    struct err err = ERR_INIT;

    (void)state;
    server.galera = true;
    assert_false(position_of(&server, &answer, 1, &position, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

static void sources_are_read_under_their_old_and_their_new_names(void **state)
{
    static const struct {
        struct db_version version;
        bool parallel;
        struct dbscript_answer answer;
    } replicas[] = {
        {{DB_KIND_MARIADB, 101119},
         true,
         {.sql = "SHOW ALL SLAVES STATUS",
          .names = "Connection_name\tMaster_Host\tRelay_Master_Log_File\tExec_Master_Log_Pos",
          .rows = "\t10.0.0.7\tbinlog.3\t157\nsecond\t10.0.0.8\tbinlog.4\t158"}},
        {{DB_KIND_MYSQL, 80036},
         false,
         {.sql = "SHOW REPLICA STATUS",
          .names = "Channel_Name\tSource_Host\tRelay_Source_Log_File\tExec_Source_Log_Pos\t"
                   "Replica_SQL_Running",
          .rows = "\t10.0.0.7\tbinlog.3\t157\tNo\nsecond\t10.0.0.8\tbinlog.4\t158\tNo"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(replicas) / sizeof(replicas[0]); i++) {
        const struct dbscript_answer answers[] = {
            replicas[i].answer,
            {.sql = "SELECT LOCAL", .names = "LOCAL", .rows = "{}"},
        };
        const struct db_server server = {.facts = {.version = replicas[i].version},
                                         .replica = true,
                                         .parallel_applier = replicas[i].parallel};
        struct db_position position;
        struct err err = ERR_INIT;

        assert_true(position_of(&server, answers, 2, &position, &err));
        assert_int_equal(position.channel_count, 2);
        assert_string_equal(position.channels[0].name, "");
        assert_string_equal(position.channels[1].name, "second");
        assert_string_equal(position.channels[1].source_host, "10.0.0.8");
        assert_string_equal(position.channels[1].source_file, "binlog.4");
        assert_int_equal(position.channels[1].source_pos, 158);
        assert_int_equal(position.channels[1].exact, !replicas[i].parallel);
    }
}

#define APPLIER "Exec_Master_Log_Pos\tSlave_SQL_Running\tSlave_SQL_Running_State"

static void a_position_counts_that_was_read_when_its_thread_waited(void **state)
{
    static const struct {
        struct db_version version;
        const char *first, *then; /* rows */
        bool exact;
        int64_t pos;
    } cases[] = {
        /* Committed, and not yet noted. */
        {{DB_KIND_MARIADB, 101119},
         "100\tYes\tCommit\n",
         "200\tYes\tWaiting for backup lock\n",
         true,
         200},
        {{DB_KIND_MARIADB, 101119},
         "100\tYes\tWaiting for backup lock\n",
         "200\tYes\tWaiting for backup lock\n",
         true,
         200},
        {{DB_KIND_MARIADB, 100300},
         "200\tYes\tCommit\n",
         "200\tYes\tWaiting for commit lock\n",
         true,
         200},
        {{DB_KIND_MARIADB, 101119},
         "200\tYes\tSlave has read all relay log; waiting for more updates\n",
         "200\tYes\tSlave has read all relay log; waiting for more updates\n",
         true,
         200},
        {{DB_KIND_MARIADB, 101119}, "200\tNo\t\n", "200\tNo\t\n", true, 200},
        {{DB_KIND_MARIADB, 101119},
         "100\tYes\tCommit\n",
         "100\tYes\tUpdate_rows_log_event::find_row(-1)\n",
         false,
         100},
        {{DB_KIND_MARIADB, 101119}, "100\tYes\t\\N\n", "100\tYes\t\\N\n", false, 100},
        /* Of two sources one. */
        {{DB_KIND_MARIADB, 101119},
         "100\tYes\tWaiting for backup lock\n100\tYes\tCommit\n",
         "100\tYes\tWaiting for backup lock\n100\tYes\tCommit\n",
         false,
         100},
        /* Noted, and not yet committed. */
        {{DB_KIND_MYSQL, 50744},
         "200\tYes\tWaiting for commit lock\n",
         "200\tYes\tWaiting for commit lock\n",
         false,
         200},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool mariadb_10 = cases[i].version.kind == DB_KIND_MARIADB;
        const char *sql = mariadb_10 ? "SHOW ALL SLAVES STATUS" : "SHOW SLAVE STATUS";
        const struct dbscript_answer answers[] = {
            {.sql = sql, .names = APPLIER, .rows = cases[i].first, .times = 1},
            {.sql = sql, .names = APPLIER, .rows = cases[i].then},
        };
        const struct db_server server = {.facts = {.version = cases[i].version}, .replica = true};
        struct db_position position;
        struct err err = ERR_INIT;

        assert_true(position_of(&server, answers, 2, &position, &err));
        assert_int_equal(position.channels[0].source_pos, cases[i].pos);
        assert_int_equal(position.channels[0].exact, cases[i].exact);
    }
}

static void more_sources_than_a_position_has_room_for_are_refused(void **state)
{
    char rows[ROWS_BYTES] = "";
    const struct dbscript_answer answer = {
        .sql = "SHOW SLAVE STATUS", .names = "Channel_Name\tExec_Master_Log_Pos", .rows = rows};
    struct db_server server = mysql_5_7;
    struct db_position position;
    struct err err = ERR_INIT;

    (void)state;
    server.replica = true;
    for (int i = 0; i <= DB_CHANNELS_MAX; i++) {
        size_t used = strlen(rows);
        (void)snprintf(rows + used, sizeof(rows) - used, "c%d\t4\n", i);
    }
    assert_false(position_of(&server, &answer, 1, &position, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, "more than 16 replication channels"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_whose_name_does_not_fit_is_refused),
        cmocka_unit_test(a_gtid_set_that_does_not_fit_is_left_out_and_not_cut),
        cmocka_unit_test(a_question_that_is_refused_ends_the_reading),
        cmocka_unit_test(a_log_status_that_is_refused_names_the_right),
        cmocka_unit_test(a_commit_of_the_cluster_that_is_no_number_is_refused),
        cmocka_unit_test(sources_are_read_under_their_old_and_their_new_names),
        cmocka_unit_test(a_position_counts_that_was_read_when_its_thread_waited),
        cmocka_unit_test(more_sources_than_a_position_has_room_for_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
