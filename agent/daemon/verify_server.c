/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/base/grow.h"
#include "agent/daemon/verify_position.h"
#include "agent/daemon/verify_program.h"
#include "agent/daemon/verify_server_log.h"
#include "agent/daemon/verify_tables.h"
#include "hooks/db.h"
#include "hooks/db_choice.h"

enum {
    LIST_MS = 5 * 60 * 1000,
    START_MS = 60 * 60 * 1000, /* crash recovery of a large redo log */
    CONNECT_MS = 10000,
    QUESTION_MS = 60000,
    STOP_MS = 120000,
    NAME_BYTES = 160,
    SETTINGS_BYTES_MAX = 8 * 1024,
};

#define MEMORY_LEAST (256ULL << 20)
#define MEMORY_MOST  (2ULL << 30)

/* One server at work. */
struct serving {
    const struct verify_server *ask;
    const struct backup_database *written; /* the manifest's, NULL: places and settings */
    struct verify_program program;
    struct copy_serving serving;
    struct db *db;
    json_t *facts;
    bool gone; /* it ended while it was asked */
};

/* --- what is known of it ------------------------------------------------------------------ */

static const char *name_of(const struct serving *serving, const char *what, char *name)
{
    const char *own = serving->ask->database->name;

    (void)snprintf(name, NAME_BYTES, "%s %.100s", what, own ? own : "database");
    return name;
}

static void find_written(struct serving *serving)
{
    const struct manifest *manifest = serving->ask->manifest;
    const char *name = serving->ask->database->name;

    for (size_t i = 0; manifest != NULL && name != NULL && i < manifest->backup->database_count;
         i++) {
        const struct backup_database *one = &manifest->backup->databases[i];
        if (one->name != NULL && strcmp(one->name, name) == 0)
            serving->written = one;
    }
}

/* Older sets do not say: then where every distribution has it. */
static const char *datadir_of(const struct serving *serving)
{
    const struct backup_database *written = serving->written;

    if (written != NULL && written->datadir != NULL)
        return written->datadir;
    return serving->ask->database->datadir ? serving->ask->database->datadir : "/var/lib/mysql";
}

static bool put_settings(const struct serving *serving, struct buf *text, struct err *err)
{
    const struct backup_database *from =
        serving->written ? serving->written : serving->ask->database;

    for (size_t i = 0; i < from->settings.count; i++) {
        if (!buf_printf(text, err, "%s\n", from->settings.items[i]))
            return false;
    }
    /* MySQL has it built in. Where the file is not there, MariaDB says so and goes on. */
    return !serving->program.mariadb || buf_add_text(text, "plugin_load_add=ha_archive\n", err);
}

/* A quarter of what the node has to spare, within bounds. */
static uint64_t spare_memory(void)
{
    AUTO_BUF struct buf text = BUF_INIT(16 * 1024);
    struct err ignored = ERR_INIT; /* not told: the least */
    uint64_t bytes = 0;

    if (fileio_read("/proc/meminfo", &text, &ignored)) {
        const char *line = strstr(buf_text(&text), "MemAvailable:");
        bytes = line ? strtoull(line + 13, NULL, 10) * 1024 / 4 : 0;
    }
    return bytes < MEMORY_LEAST ? MEMORY_LEAST : bytes > MEMORY_MOST ? MEMORY_MOST : bytes;
}

/* --- starting ------------------------------------------------------------------------------ */

static bool say_not_started(struct serving *serving, int64_t begun_ms, const struct buf *log,
                            struct err *err)
{
    char name[NAME_BYTES], why[VERIFY_SERVER_LOG_WHY_BYTES], how[80];
    const struct copy_serving *end = &serving->serving;

    verify_server_log_why(buf_text(log), why);
    if (end->exit_code < 0 && end->signal == 0)
        (void)snprintf(how, sizeof(how), "was not ready in time");
    else if (end->signal != 0)
        (void)snprintf(how, sizeof(how), "ended by signal %d", end->signal);
    else
        (void)snprintf(how, sizeof(how), "ended with code %d", end->exit_code);
    bool wants_key = verify_server_log_wants_key(why);
    if (wants_key || serving->program.fit == VERIFY_PROGRAM_UNSURE)
        return verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, begun_ms, err,
                                 name_of(serving, "server", name),
                                 "%.80s does not start on the copy, %s: %s: %.400s",
                                 serving->program.version,
                                 wants_key ? "which has not the key that its files want"
                                           : "which may be for its version",
                                 how, why);
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, begun_ms, err,
                             name_of(serving, "server", name),
                             "it does not start on the copy: %s: %.400s", how, why);
}

/* Whether the session still stands after a call of it failed: what it refused is a fact of this
 * set, all else ends the verify. */
static bool is_refusal(const struct err *why)
{
    return why->kind == ERR_PRECONDITION || why->kind == ERR_USAGE || why->kind == ERR_NOT_FOUND;
}

static bool say_not_tried(struct serving *serving, int64_t begun_ms, const struct err *why,
                          struct err *err)
{
    char name[NAME_BYTES];

    if (!is_refusal(why)) {
        *err = *why;
        return false;
    }
    return verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, begun_ms, err,
                             name_of(serving, "server", name), "not started: %s%s%s", why->text,
                             why->remedy[0] != '\0' ? ": " : "", why->remedy);
}

/* The program that is to be started, with a word where it is not quite the set's.
 *   ret_chosen  false: none is, and the report says why */
static bool choose(struct serving *serving, bool *ret_chosen, struct err *err)
{
    AUTO_BUF struct buf lines = BUF_INIT(COPY_DATA_BYTES);
    const struct verify_server *ask = serving->ask;
    const char *recorded = ask->database->server;
    int64_t begun_ms = clock_boot_ms();
    struct verify_program *program = &serving->program;
    struct err why = ERR_INIT;
    char name[NAME_BYTES], text[VERIFY_PROGRAM_WHY_BYTES];

    *ret_chosen = false;
    if (!copy_list_programs(ask->copy, begun_ms + LIST_MS, &ask->job->cancel, &lines, &why))
        return say_not_tried(serving, begun_ms, &why, err);
    if (verify_program_pick(buf_text(&lines), recorded, program, text) == VERIFY_PROGRAM_NONE) {
        (void)err_set(&why, ERR_PRECONDITION, 0, "%s", text);
        return say_not_tried(serving, begun_ms, &why, err);
    }
    *ret_chosen = true;
    (void)json_object_set_new(serving->facts, "program", control_text(program->path));
    (void)json_object_set_new(serving->facts, "server_here", control_text(program->version));
    return program->fit == VERIFY_PROGRAM_SAME ||
           verify_report_add(ask->report, VERIFY_CHECK_WARNING, begun_ms, err,
                             name_of(serving, "version", name),
                             "recorded %s, started on the copy is %s", recorded ? recorded : "none",
                             program->version);
}

/*   ret_ready  it takes connections */
static bool start(struct serving *serving, int64_t deadline_ms, bool *ret_ready, struct err *err)
{
    AUTO_BUF struct buf settings = BUF_INIT(SETTINGS_BYTES_MAX);
    AUTO_BUF struct buf log = BUF_INIT(COPY_DATA_BYTES);
    const struct verify_server *ask = serving->ask;
    int64_t begun_ms = clock_boot_ms();
    struct err why = ERR_INIT;
    char name[NAME_BYTES];
    bool chosen = false;

    *ret_ready = false;
    job_set_step(ask->job, "server");
    if (!choose(serving, &chosen, err) || !put_settings(serving, &settings, err))
        return false;
    if (!chosen)
        return true;
    const struct copy_server server = {.datadir = datadir_of(serving),
                                       .program = serving->program.path,
                                       .memory_bytes = spare_memory(),
                                       .settings = buf_text(&settings)};
    if (!copy_serve(ask->copy, &server, deadline_sooner(deadline_ms, START_MS), &ask->job->cancel,
                    &serving->serving, &log, &why))
        return say_not_tried(serving, begun_ms, &why, err);
    *ret_ready = serving->serving.ready;
    if (!serving->serving.ready)
        return say_not_started(serving, begun_ms, &log, err);
    (void)json_object_set_new(serving->facts, "recovery_ms",
                              json_real((double)serving->serving.recovery_us / 1000));
    return verify_report_add(ask->report, VERIFY_CHECK_OK, begun_ms, err,
                             name_of(serving, "server", name),
                             "started on the copy, crash recovery and all in %.1f s",
                             (double)serving->serving.recovery_us / 1e6);
}

/* --- its logs ------------------------------------------------------------------------------ */

static bool ask_text(struct serving *serving, const char *sql, int64_t deadline_ms, char **ret_text,
                     struct err *err)
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

static bool is_mariadb(struct serving *serving, int64_t deadline_ms, bool *ret_mariadb,
                       struct err *err)
{
    struct db_version version = {.kind = DB_KIND_MYSQL};
    char *text = NULL;

    if (!ask_text(serving, "SELECT VERSION()", deadline_ms, &text, err))
        return false;
    (void)db_version_parse(text ? text : "", "", &version);
    free(text);
    *ret_mariadb = version.kind == DB_KIND_MARIADB;
    return true;
}

static bool ask_logs(struct serving *serving, bool binlog, struct verify_logs *logs,
                     struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + QUESTION_MS;
    struct db_rows rows = DB_ROWS_INIT;
    bool mariadb = false;

    if (!is_mariadb(serving, deadline_ms, &mariadb, err))
        return false;
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

/* A lower bound lies in the middle of the log: an event must begin there. */
static bool judge_border(struct serving *serving, const struct verify_logs *logs,
                         struct strs *findings, struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    struct err why = ERR_INIT;
    char sql[400];

    if (recorded->binlog_file == NULL || recorded->binlog_exact ||
        !verify_log_name_plain(recorded->binlog_file))
        return true;
    for (size_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->list[i].name, recorded->binlog_file) != 0 ||
            recorded->binlog_pos >= logs->list[i].bytes)
            continue;
        (void)snprintf(sql, sizeof(sql), "SHOW BINLOG EVENTS IN '%.255s' FROM %" PRId64 " LIMIT 1",
                       recorded->binlog_file, recorded->binlog_pos);
        if (db_query(serving->db, sql, true, clock_boot_ms() + QUESTION_MS, NULL, &why))
            return true;
        if (why.kind == ERR_DB && db_alive(serving->db))
            return strs_printf(findings, err, "recorded %s:%" PRId64 ", where no event begins",
                               recorded->binlog_file, recorded->binlog_pos);
        *err = why;
        return false;
    }
    return true;
}

static bool judge_logs(struct serving *serving, struct err *err)
{
    const struct backup_database *recorded = serving->ask->database;
    char name[NAME_BYTES], found[VERIFY_FOUND_BYTES] = "", text[VERIFY_FOUND_BYTES + 60];
    struct verify_logs logs = {.count = 0};
    struct strs findings = {NULL, 0};
    int64_t begun_ms = clock_boot_ms();

    (void)name_of(serving, "binlog", name);
    if (recorded->binlog_file == NULL && recorded->gtid == NULL)
        return verify_report_add(serving->ask->report, VERIFY_CHECK_OK, begun_ms, err, name,
                                 "no position was recorded");
    bool ok = ask_logs(serving, recorded->binlog_file != NULL, &logs, err) &&
              verify_position_judge(recorded, &logs, &findings, found, err) &&
              judge_border(serving, &logs, &findings, err);
    if (ok) {
        (void)snprintf(text, sizeof(text), "%s, %s%s",
                       recorded->binlog_exact ? "exactly as recorded"
                                              : "not before what is recorded",
                       found[0] ? found : "GTID ",
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

/* --- its tables ---------------------------------------------------------------------------- */

static bool say_tables(struct serving *serving, const struct verify_tables *tables,
                       int64_t begun_ms, struct err *err)
{
    char name[NAME_BYTES], text[200];
    size_t len = (size_t)snprintf(text, sizeof(text), "%" PRId64 " of %" PRId64 " tables checked",
                                  tables->checked, tables->tables);

    if (tables->unpromised > 0)
        (void)snprintf(text + len, sizeof(text) - len,
                       "; %" PRId64 " of engines without transactions not, for which a %s "
                       "consistent set does not answer",
                       tables->unpromised, label_name(serving->ask->set->consistency));
    (void)json_object_set_new(serving->facts, "tables", json_integer(tables->tables));
    (void)json_object_set_new(serving->facts, "tables_checked", json_integer(tables->checked));
    if (!verify_report_judge(serving->ask->report, begun_ms, &tables->findings,
                             name_of(serving, "tables", name), text, err))
        return false;
    if (tables->closed.count > 0 &&
        !verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, clock_boot_ms(), err,
                           name_of(serving, "closed", name),
                           "%zu that the server on the copy can't open, the first: %s",
                           tables->closed.count, tables->closed.items[0]))
        return false;
    return tables->remarks.count == 0 ||
           verify_report_add(serving->ask->report, VERIFY_CHECK_WARNING, clock_boot_ms(), err,
                             name_of(serving, "remarks", name), "%zu, the first: %s",
                             tables->remarks.count, tables->remarks.items[0]);
}

static bool judge_tables(struct serving *serving, int64_t deadline_ms, struct err *err)
{
    const struct verify_server *ask = serving->ask;
    const struct verify_tables_options options = {
        .deep = ask->deep,
        .application = ask->set->consistency == LABEL_APPLICATION,
        .seed = ask->set->id,
    };
    struct verify_tables tables = {.tables = 0};
    int64_t begun_ms = clock_boot_ms();

    job_set_step(ask->job, "check");
    bool ok = verify_tables_check(ask->job, serving->db, &options, deadline_ms, &tables, err);
    serving->gone = tables.server_gone;
    ok = ok && say_tables(serving, &tables, begun_ms, err);
    verify_tables_free(&tables);
    return ok;
}

/* --- all ----------------------------------------------------------------------------------- */

/* A server that refuses an answer, or dies of the question, is a finding like another. */
static bool bear(struct serving *serving, bool ok, const char *what, const struct err *why,
                 struct err *err)
{
    char name[NAME_BYTES];

    if (ok)
        return true;
    if (why->kind != ERR_DB && why->kind != ERR_DB_LOCK) {
        *err = *why;
        return false;
    }
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, clock_boot_ms(), err,
                             name_of(serving, what, name), "%s", why->text);
}

static bool question(struct serving *serving, int64_t deadline_ms, struct err *err)
{
    const struct cancel *cancel = &serving->ask->job->cancel;
    const struct db_target target = {.socket = serving->serving.socket, .user = "root"};
    struct err why = ERR_INIT;

    if (!db_open(&target, clock_boot_ms() + CONNECT_MS, cancel, &serving->db, &why))
        return bear(serving, false, "server", &why, err);
    bool ok = judge_logs(serving, &why);
    if (!bear(serving, ok, "binlog", &why, err))
        return false;
    if (!ok && !db_alive(serving->db))
        return true;
    why = (struct err)ERR_INIT;
    ok = judge_tables(serving, deadline_ms, &why);
    return bear(serving, ok, "tables", &why, err);
}

static bool stop(struct serving *serving, struct err *err)
{
    AUTO_BUF struct buf log = BUF_INIT(COPY_DATA_BYTES);
    struct copy_stopped stopped = {.by_itself = false};
    char name[NAME_BYTES], why[VERIFY_SERVER_LOG_WHY_BYTES];

    if (!copy_stop(serving->ask->copy, clock_boot_ms() + STOP_MS, &serving->ask->job->cancel,
                   &stopped, &log, err))
        return false;
    if (!stopped.by_itself)
        return true;
    verify_server_log_why(buf_text(&log), why);
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, clock_boot_ms(), err,
                             name_of(serving, "server", name), "it crashed on the copy: %.400s",
                             why);
}

bool verify_server_judge(const struct verify_server *server, int64_t deadline_ms, json_t **ret_json,
                         struct err *err)
{
    struct serving serving = {.ask = server, .facts = json_object()};
    bool ready = false;

    find_written(&serving);
    (void)json_object_set_new(serving.facts, "name", control_text(server->database->name));
    (void)json_object_set_new(serving.facts, "server", control_text(server->database->server));
    bool ok = start(&serving, deadline_ms, &ready, err);
    if (ok && ready) {
        ok = question(&serving, deadline_ms, err);
        db_close(serving.db);
        ok = ok && stop(&serving, err);
    }
    *ret_json = serving.facts;
    return ok;
}
