/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_position.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "agent/base/clock.h"
#include "agent/base/deadline.h"
#include "agent/base/parse.h"

enum { STILL_WAIT_MS = 20, STILL_AGAIN_MS = 1 };

/* --- texts from the server into our fixed places ------------------------------------------ */

static bool take_text(char *to, size_t size, const char *text, const char *what, struct err *err)
{
    size_t len = text == NULL ? 0 : strlen(text);

    if (len >= size)
        return err_set(err, ERR_LIMIT, 0, "%s of %zu bytes", what, len);
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    return true;
}

static bool take_pos(int64_t *to, const char *text, const char *what, struct err *err)
{
    struct err ignored = ERR_INIT; /* says how a person should write numbers */

    if (!parse_int64(text != NULL ? text : "", 0, INT64_MAX, to, &ignored))
        return err_set(err, ERR_PROTOCOL, 0, "%s is no number: %.40s", what, text ? text : "");
    return true;
}

/* A set of thousands of intervals is left out, not cut: half a set is a wrong one. Line ends are
 * only MySQL's layout. */
static void take_gtid(struct db_position *position, const char *text)
{
    size_t len = 0;

    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '\n' || *text == '\r')
            continue;
        if (len + 1 == sizeof(position->gtid)) {
            len = 0;
            position->gtid_cut = true;
            break;
        }
        position->gtid[len++] = *text;
    }
    position->gtid[len] = '\0';
}

/* --- a replica's sources ------------------------------------------------------------------ */

/* The columns were renamed in MySQL 8.0.22; MariaDB keeps the old names. */
static const char *either(const struct db_rows *rows, size_t row, const char *now, const char *then)
{
    const char *text = db_rows_get(rows, row, now);

    return text != NULL ? text : db_rows_get(rows, row, then);
}

static bool take_channel(const struct db_rows *rows, size_t row, struct db_channel *channel,
                         struct err *err)
{
    return take_text(channel->name, sizeof(channel->name),
                     either(rows, row, "Channel_Name", "Connection_name"), "a channel's name",
                     err) &&
           take_text(channel->source_host, sizeof(channel->source_host),
                     either(rows, row, "Source_Host", "Master_Host"), "a source's host", err) &&
           take_text(channel->source_file, sizeof(channel->source_file),
                     either(rows, row, "Relay_Source_Log_File", "Relay_Master_Log_File"),
                     "a source's log", err) &&
           take_pos(&channel->source_pos,
                    either(rows, row, "Exec_Source_Log_Pos", "Exec_Master_Log_Pos"),
                    "the source's position", err);
}

/* What is applied is there when it is committed, and the position tells of it a moment later: only
 * of a thread that waits, for our lock or for something to do, it is known that the moment is over.
 * (MySQL's may note the position before it commits, so there a wait for the lock says nothing:
 * sql/log_event.cc, Xid_apply_log_event.) */
static bool stands_still(const struct db_server *server, const struct db_rows *rows, size_t row)
{
    static const char *const waits[] = {"Waiting for backup lock", "Waiting for commit lock",
                                        "Waiting for global read lock"};
    const char *running = either(rows, row, "Replica_SQL_Running", "Slave_SQL_Running");
    const char *state = either(rows, row, "Replica_SQL_Running_State", "Slave_SQL_Running_State");

    if (running != NULL && strcmp(running, "No") == 0)
        return true;
    if (state == NULL || strstr(state, "has read all relay log") != NULL)
        return state != NULL;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        if (server->facts.version.kind == DB_KIND_MARIADB && strcmp(state, waits[i]) == 0)
            return true;
    }
    return false;
}

static bool all_stand_still(const struct db_server *server, const struct db_rows *rows)
{
    bool still = true;

    for (size_t i = 0; i < rows->row_count; i++)
        still = still && stands_still(server, rows, i);
    return still;
}

/* Columns of one row are not of one instant: a position counts that was read after its thread was
 * seen to wait.
 *   ret_exact  in: whether it can be; out: whether it is. False: none was seen to wait in time */
static bool read_status(struct db *db, const struct db_server *server, int64_t deadline_ms,
                        struct db_rows *ret_rows, bool *ret_exact, struct err *err)
{
    const char *sql = db_server_replicas_sql(&server->facts.version);
    int64_t until_ms = clock_boot_ms() + STILL_WAIT_MS;
    bool seen = false;

    while (db_query(db, sql, true, deadline_ms, ret_rows, err)) {
        if (seen || !*ret_exact || clock_boot_ms() >= until_ms) {
            *ret_exact = *ret_exact && seen;
            return true;
        }
        seen = all_stand_still(server, ret_rows);
        db_rows_free(ret_rows);
        if (!seen && !deadline_sleep(clock_boot_ms() + STILL_AGAIN_MS, deadline_ms, NULL, err))
            return false;
    }
    return false;
}

static bool read_channels(struct db *db, const struct db_server *server, int64_t deadline_ms,
                          struct db_position *position, struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;
    bool exact = position->exact && !server->parallel_applier;
    bool ok = read_status(db, server, deadline_ms, &rows, &exact, err);

    if (ok && rows.row_count > DB_CHANNELS_MAX)
        ok = err_set(err, ERR_LIMIT, 0, "more than %d replication channels", DB_CHANNELS_MAX);
    for (size_t i = 0; ok && i < rows.row_count; i++) {
        struct db_channel *channel = &position->channels[position->channel_count++];
        channel->exact = exact;
        ok = take_channel(&rows, i, channel, err);
    }
    db_rows_free(&rows);
    return ok;
}

/* --- MySQL 8: one consistent read --------------------------------------------------------- */

static bool take_log_status(const char *text, struct db_position *position, struct err *err)
{
    json_error_t json_err;
    json_t *local = json_loads(text != NULL ? text : "", 0, &json_err);
    const char *file = json_string_value(json_object_get(local, "binary_log_file"));
    const char *gtid = json_string_value(json_object_get(local, "gtid_executed"));
    const json_t *pos = json_object_get(local, "binary_log_position");
    bool ok = local != NULL || err_set(err, ERR_PROTOCOL, 0, "log_status is no JSON");

    if (ok)
        take_gtid(position, gtid);
    if (ok && file != NULL && file[0] != '\0' && json_is_integer(pos)) {
        position->binlog = true;
        position->binlog_pos = json_integer_value(pos);
        ok = take_text(position->binlog_file, sizeof(position->binlog_file), file,
                       "the binary log's name", err);
    }
    json_decref(local);
    return ok;
}

static bool read_log_status(struct db *db, int64_t deadline_ms, struct db_position *position,
                            struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, "SELECT LOCAL FROM performance_schema.log_status", true, deadline_ms, &rows,
                  err))
        return err_suggest(err, "GRANT SELECT ON performance_schema.log_status, and BACKUP_ADMIN; "
                                "`stillpoint doctor` prints the statements");
    bool ok = take_log_status(rows.row_count == 1 ? rows.cells[0] : NULL, position, err);
    db_rows_free(&rows);
    return ok;
}

/* --- everything else ---------------------------------------------------------------------- */

static bool read_master_status(struct db *db, int64_t deadline_ms, struct db_position *position,
                               struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, "SHOW MASTER STATUS", true, deadline_ms, &rows, err))
        return false;
    bool ok = true;
    if (rows.row_count > 0) {
        position->binlog = true;
        ok = take_text(position->binlog_file, sizeof(position->binlog_file),
                       db_rows_get(&rows, 0, "File"), "the binary log's name", err) &&
             take_pos(&position->binlog_pos, db_rows_get(&rows, 0, "Position"),
                      "the binary log's position", err);
        take_gtid(position, db_rows_get(&rows, 0, "Executed_Gtid_Set")); /* MySQL 5.6 and later */
    }
    db_rows_free(&rows);
    return ok;
}

/* What was executed here: its own log has it, a replica that keeps no log the slave's position. */
static bool read_mariadb_gtid(struct db *db, bool binlog, int64_t deadline_ms,
                              struct db_position *position, struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, binlog ? "SELECT @@GLOBAL.gtid_binlog_pos" : "SELECT @@GLOBAL.gtid_slave_pos",
                  true, deadline_ms, &rows, err))
        return false;
    take_gtid(position, rows.row_count == 1 ? rows.cells[0] : NULL);
    db_rows_free(&rows);
    return true;
}

static bool read_wsrep(struct db *db, int64_t deadline_ms, struct db_position *position,
                       struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'", true, deadline_ms, &rows,
                  err))
        return false;
    const char *text = db_rows_get(&rows, 0, "Value");
    bool ok = text == NULL ||
              take_pos(&position->wsrep_last_committed, text, "wsrep_last_committed", err);
    db_rows_free(&rows);
    return ok;
}

/* Where commits go on each read is a lower bound only if the sources' come first: what they had
 * executed then is in the binary log that is read after. */
static bool read_all(struct db *db, const struct db_server *server, int64_t deadline_ms,
                     struct db_position *position, struct err *err)
{
    const struct db_version *version = &server->facts.version;
    bool mariadb = version->kind == DB_KIND_MARIADB;

    if (server->replica && !read_channels(db, server, deadline_ms, position, err))
        return false;
    if (server->galera && !read_wsrep(db, deadline_ms, position, err))
        return false;
    if (!mariadb && version->number >= DB_MYSQL_LOCK_INSTANCE)
        return read_log_status(db, deadline_ms, position, err);
    if (server->facts.log_bin && !read_master_status(db, deadline_ms, position, err))
        return false;
    return !mariadb || version->number < 100002 ||
           read_mariadb_gtid(db, server->facts.log_bin, deadline_ms, position, err);
}

bool db_position_read(struct db *db, const struct db_server *server, bool exact,
                      int64_t deadline_ms, struct db_position *ret_position, struct err *err)
{
    struct db_position *position = calloc(1, sizeof(*position)); /* large for a stack */

    if (position == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a position");
    position->exact = exact;
    position->wsrep_last_committed = -1;
    bool ok = read_all(db, server, deadline_ms, position, err);
    if (ok)
        *ret_position = *position;
    free(position);
    return ok || err_wrap(err, "position");
}
