/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_threads.h"

#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 3 };

static void describe_thread(const struct db_rows *rows, size_t row, char *text, size_t size)
{
    const char *state = db_rows_get(rows, row, "STATE");
    const char *user = db_rows_get(rows, row, "USER");
    const char *schema = db_rows_get(rows, row, "DB");
    const char *time_s = db_rows_get(rows, row, "TIME");
    const char *id = db_rows_get(rows, row, "ID");

    (void)snprintf(text, size, "thread %s (%.32s%s%.64s, %s s%s%.40s)", id ? id : "?",
                   user ? user : "?", schema ? " in " : "", schema ? schema : "",
                   time_s ? time_s : "?", state && state[0] ? ": " : "", state ? state : "");
}

static void describe(const struct db_rows *rows, struct db_threads *threads)
{
    const char *first = db_rows_get(rows, 0, "ID");

    for (size_t i = 0; i < rows->row_count && i < NAMED_MAX; i++) {
        char thread[200];
        size_t used = strlen(threads->text);
        describe_thread(rows, i, thread, sizeof(thread));
        (void)snprintf(threads->text + used, sizeof(threads->text) - used, "%s%s",
                       i > 0 ? ", " : "", thread);
    }
    if (rows->row_count > NAMED_MAX) {
        size_t used = strlen(threads->text);
        (void)snprintf(threads->text + used, sizeof(threads->text) - used, " and %zu more",
                       rows->row_count - NAMED_MAX);
    }
    (void)snprintf(threads->first_id, sizeof(threads->first_id), "%s", first ? first : "?");
    threads->count = rows->row_count;
}

/* In MariaDB FTWRL waits for no SELECT since there are backup stages (measured on 10.11 and 11.8);
 * in MySQL for whatever has a table open. Replication's own threads run for days. */
bool db_threads_find(struct db *db, const struct db_version *version, int64_t at_least_s,
                     int64_t deadline_ms, struct db_threads *ret_threads, struct err *err)
{
    bool selects_pass =
        version->kind == DB_KIND_MARIADB && version->number >= DB_MARIADB_BACKUP_STAGE;
    struct db_rows rows = DB_ROWS_INIT;
    char sql[400];

    (void)snprintf(sql, sizeof(sql),
                   "SELECT ID, USER, DB, TIME, STATE FROM information_schema.PROCESSLIST WHERE "
                   "ID <> CONNECTION_ID() AND COMMAND IN ('Query', 'Execute') AND "
                   "USER NOT IN ('system user', 'event_scheduler') AND TIME >= %lld%s "
                   "ORDER BY TIME DESC LIMIT 50",
                   (long long)at_least_s,
                   selects_pass ? " AND COALESCE(INFO, '') NOT LIKE 'SELECT%'" : "");
    if (!db_query(db, sql, false, deadline_ms, &rows, err))
        return false;
    *ret_threads = (struct db_threads){.count = 0};
    describe(&rows, ret_threads);
    db_rows_free(&rows);
    return true;
}
