/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_redo.h"

#include <strings.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"

enum { WAIT_MS = 2500, POLL_MS = 5 };

/* How far the log has come, and how much of it is in the file. */
struct redo {
    int64_t current, flushed;
};

static void take_lsns(const struct db_rows *rows, struct redo *redo)
{
    struct err ignored = ERR_INIT; /* what is no number is not told */

    for (size_t i = 0; i < rows->row_count; i++) {
        const char *name = db_rows_get(rows, i, "Variable_name");
        const char *value = db_rows_get(rows, i, "Value");
        int64_t *to = NULL;

        if (name != NULL && strcasecmp(name, "Innodb_lsn_current") == 0)
            to = &redo->current;
        else if (name != NULL && strcasecmp(name, "Innodb_lsn_flushed") == 0)
            to = &redo->flushed;
        if (to != NULL)
            (void)parse_int64(value ? value : "", 0, INT64_MAX, to, &ignored);
    }
}

static bool read_redo(struct db *db, int64_t deadline_ms, struct redo *ret_redo, struct err *err)
{
    struct redo redo = {-1, -1};
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_%'", true, deadline_ms, &rows, err))
        return false;
    take_lsns(&rows, &redo);
    db_rows_free(&rows);
    if (redo.current < 0 || redo.flushed < 0) {
        err_set(err, ERR_DB, 0, "the server does not say how much of its InnoDB log is written");
        return err_suggest(err, "set innodb_flush_log_at_trx_commit to 1 or 2");
    }
    *ret_redo = redo;
    return true;
}

/* The server's own flush comes each second; nothing that needs less than SUPER makes it come
 * sooner. */
static bool await_own_flush(struct db *db, int64_t deadline_ms, struct err *err)
{
    int64_t end_ms = deadline_sooner(deadline_ms, WAIT_MS);
    struct redo now;

    if (!read_redo(db, deadline_ms, &now, err))
        return false;
    for (int64_t wanted = now.current; now.flushed < wanted;) {
        if (clock_boot_ms() >= end_ms) {
            err_set(err, ERR_DB, 0, "the server does not write its InnoDB log in time");
            return err_suggest(err, "set innodb_flush_log_at_trx_commit to 1 or 2");
        }
        if (!deadline_sleep(clock_boot_ms() + POLL_MS, deadline_ms, NULL, err) ||
            !read_redo(db, deadline_ms, &now, err))
            return false;
    }
    return true;
}

/* NO_WRITE_TO_BINLOG: else the statement goes into the binary log itself. MariaDB passes it over
 * where the setting is 0 (seen on 10.11.19; 11.8.9 obeys), so there it is not taken at its word. */
bool db_redo_flush(struct db *db, const struct db_facts *facts, int64_t deadline_ms,
                   struct err *err)
{
    if (!db_exec(db, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS", true, deadline_ms, err))
        return false;
    return facts->version.kind != DB_KIND_MARIADB || facts->flush_at_commit > 0 ||
           await_own_flush(db, deadline_ms, err);
}
