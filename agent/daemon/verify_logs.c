/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/grow.h"
#include "agent/daemon/verify_position.h"

enum { IDLE_EVENTS_MAX = 16 }; /* one for each log that was begun just before */

static bool ask_text(struct verify_serving *serving, const char *sql, int64_t deadline_ms,
                     char **ret_text, struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(serving->db, sql, true, deadline_ms, &rows, err))
        return false;
    bool ok = strs_set(ret_text, rows.row_count == 1 ? rows.cells[0] : NULL, err);
    db_rows_free(&rows);
    return ok;
}

static bool take_logs(const struct db_rows *rows, struct verify_logs *logs, struct err *err)
{
    for (size_t i = 0; i < rows->row_count; i++) {
        const char *name = db_rows_get(rows, i, "Log_name"),
                   *size = db_rows_get(rows, i, "File_size");
        struct verify_log *log = grow_by_one(&logs->list, &logs->count, sizeof(*log));
        if (log == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        log->bytes = size ? strtoll(size, NULL, 10) : 0;
        if (!strs_dup(&log->name, name ? name : "", err))
            return false;
    }
    return true;
}

static bool ask_logs(struct verify_serving *serving, bool binlog, struct verify_logs *logs,
                     struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + VERIFY_SERVING_QUESTION_MS;
    struct db_rows rows = DB_ROWS_INIT;
    bool mariadb = serving->program.mariadb;

    if (binlog) {
        bool ok = db_query(serving->db, "SHOW BINARY LOGS", true, deadline_ms, &rows, err) &&
                  take_logs(&rows, logs, err);
        db_rows_free(&rows);
        if (!ok)
            return false;
    }
    const char *sql = !mariadb ? "SELECT @@GLOBAL.gtid_executed"
                      : binlog ? "SELECT @@GLOBAL.gtid_binlog_pos"
                               : "SELECT @@GLOBAL.gtid_slave_pos";
    struct err ignored = ERR_INIT; /* a version without GTIDs */
    (void)ask_text(serving, sql, deadline_ms, &logs->gtid, &ignored);
    return db_alive(serving->db) || (*err = ignored, false);
}

/* The log of the recorded position, where that lies before its end; NULL: it does not, or its name
 * can't be asked for. */
static struct verify_log *log_going_on(const struct verify_serving *serving,
                                       const struct verify_logs *logs)
{
    const struct backup_database *recorded = serving->ask->database;

    if (recorded->binlog_file == NULL || !verify_log_name_plain(recorded->binlog_file))
        return NULL;
    for (size_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->list[i].name, recorded->binlog_file) == 0 &&
            recorded->binlog_pos < logs->list[i].bytes)
            return &logs->list[i];
    }
    return NULL;
}

/* The first events from the recorded position on. False, ERR_DB with a server that is alive: no
 * event begins there. */
static bool ask_events(struct verify_serving *serving, int limit, struct db_rows *ret_rows,
                       struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    char sql[400];

    (void)snprintf(sql, sizeof(sql), "SHOW BINLOG EVENTS IN '%.255s' FROM %" PRId64 " LIMIT %d",
                   recorded->binlog_file, recorded->binlog_pos, limit);
    return db_query(serving->db, sql, true, clock_boot_ms() + VERIFY_SERVING_QUESTION_MS, ret_rows,
                    err);
}

/* A lower bound lies in the middle of the log: an event must begin there. */
static bool judge_border(struct verify_serving *serving, const struct verify_logs *logs,
                         struct strs *findings, struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    struct err why = ERR_INIT;

    if (recorded->binlog_exact || log_going_on(serving, logs) == NULL ||
        ask_events(serving, 1, NULL, &why))
        return true;
    if (why.kind == ERR_DB && db_alive(serving->db))
        return strs_printf(findings, err, "recorded %s:%" PRId64 ", where no event begins",
                           recorded->binlog_file, recorded->binlog_pos);
    *err = why;
    return false;
}

/* Behind an exact position MariaDB may still have noted, before the freeze, from where its recovery
 * would read: its background thread waits for no lock (sql/log.cc, binlog_background_thread). */
static bool note_idle(struct verify_serving *serving, const struct verify_logs *logs,
                      struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    struct verify_log *log = log_going_on(serving, logs);
    struct db_rows rows = DB_ROWS_INIT;
    struct err why = ERR_INIT;

    if (log == NULL || !recorded->binlog_exact || !serving->program.mariadb)
        return true;
    if (!ask_events(serving, IDLE_EVENTS_MAX + 1, &rows, &why))
        return (why.kind == ERR_DB && db_alive(serving->db)) || (*err = why, false);
    bool idle = rows.row_count > 0 && rows.row_count <= IDLE_EVENTS_MAX;
    for (size_t i = 0; idle && i < rows.row_count; i++) {
        const char *type = db_rows_get(&rows, i, "Event_type");
        idle = type != NULL && strcmp(type, "Binlog_checkpoint") == 0;
    }
    db_rows_free(&rows);
    if (idle)
        log->idle_from = recorded->binlog_pos;
    return true;
}

bool verify_logs_judge(struct verify_serving *serving, struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    char name[VERIFY_SERVING_NAME_BYTES], found[VERIFY_FOUND_BYTES] = "",
                                          text[VERIFY_FOUND_BYTES + 80];
    struct verify_logs logs = {.count = 0};
    struct strs findings = {NULL, 0};
    int64_t begun_ms = clock_boot_ms();

    (void)verify_serving_name(serving, "binlog", name);
    if (recorded->binlog_file == NULL && recorded->gtid == NULL)
        return verify_report_add(serving->ask->report, VERIFY_CHECK_OK, begun_ms, err, name,
                                 "no position was recorded");
    bool ok = ask_logs(serving, recorded->binlog_file != NULL, &logs, err) &&
              note_idle(serving, &logs, err) &&
              verify_position_judge(recorded, &logs, &findings, found, err) &&
              judge_border(serving, &logs, &findings, err);
    if (ok) {
        const char *how = !recorded->binlog_exact                ? "not before what is recorded"
                          : log_going_on(serving, &logs) == NULL ? "exactly as recorded"
                                                                 : "as recorded, but for a note of "
                                                                   "the server's own behind it";
        (void)snprintf(text, sizeof(text), "%s, %s%s", how, found[0] ? found : "GTID ",
                       found[0]    ? ""
                       : logs.gtid ? logs.gtid
                                   : "-");
        (void)json_object_set_new(serving->facts, "binlog_end",
                                  found[0] ? json_string(found) : json_null());
        ok = verify_report_judge(serving->ask->report, begun_ms, &findings, name, text, err);
    }
    strs_free(&findings);
    verify_logs_free(&logs);
    return ok;
}
