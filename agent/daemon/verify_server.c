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
#include "agent/daemon/verify_logs.h"
#include "agent/daemon/verify_server_log.h"
#include "agent/daemon/verify_serving.h"
#include "agent/daemon/verify_settings.h"
#include "agent/daemon/verify_tables.h"
#include "hooks/db.h"

enum {
    LIST_MS = 5 * 60 * 1000,
    START_MS = 60 * 60 * 1000, /* crash recovery of a large redo log */
    CONNECT_MS = 10000,
    STOP_MS = 120000,
};

#define MEMORY_LEAST (256ULL << 20)
#define MEMORY_MOST  (2ULL << 30)

/* --- what is known of it ------------------------------------------------------------------ */

static void find_written(struct verify_serving *serving)
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
static const char *datadir_of(const struct verify_serving *serving)
{
    const struct backup_database *written = serving->written;

    if (written != NULL && written->datadir != NULL)
        return written->datadir;
    return serving->ask->database->datadir ? serving->ask->database->datadir : "/var/lib/mysql";
}

/*   ret_less  a setting is longer than a session takes: left out, and the report says so */
static bool put_settings(const struct verify_serving *serving, struct buf *text, bool *ret_less,
                         struct err *err)
{
    const struct backup_database *from =
        serving->written ? serving->written : serving->ask->database;
    struct strs left_out = {NULL, 0};
    char name[VERIFY_SERVING_NAME_BYTES];

    bool ok = verify_settings_text(&from->settings, serving->program.mariadb, text, &left_out, err);
    *ret_less = left_out.count > 0;
    ok = ok && (left_out.count == 0 ||
                verify_report_add(serving->ask->report, VERIFY_CHECK_WARNING, clock_boot_ms(), err,
                                  verify_serving_name(serving, "settings", name),
                                  "too long for the server on the copy, which is started without: "
                                  "%zu, the first: %.80s",
                                  left_out.count, left_out.items[0]));
    strs_free(&left_out);
    return ok;
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

static bool say_not_started(struct verify_serving *serving, int64_t begun_ms, const struct buf *log,
                            bool less, struct err *err)
{
    char name[VERIFY_SERVING_NAME_BYTES], why[VERIFY_SERVER_LOG_WHY_BYTES], how[80];
    const struct copy_serving *end = &serving->serving;

    verify_server_log_why(buf_text(log), why);
    if (end->exit_code < 0 && end->signal == 0)
        (void)snprintf(how, sizeof(how), "was not ready in time");
    else if (end->signal != 0)
        (void)snprintf(how, sizeof(how), "ended by signal %d", end->signal);
    else
        (void)snprintf(how, sizeof(how), "ended with code %d", end->exit_code);
    bool wants_key = verify_server_log_wants_key(why);
    if (wants_key || less || serving->program.fit == VERIFY_PROGRAM_UNSURE)
        return verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, begun_ms, err,
                                 verify_serving_name(serving, "server", name),
                                 "%.80s does not start on the copy, %s: %s: %.400s",
                                 serving->program.version,
                                 wants_key ? "which has not the key that its files want"
                                 : less    ? "which may be for the settings that it is without"
                                           : "which may be for its version",
                                 how, why);
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, begun_ms, err,
                             verify_serving_name(serving, "server", name),
                             "it does not start on the copy: %s: %.400s", how, why);
}

/* Whether the session still stands after a call of it failed: what it refused is a fact of this
 * set, all else ends the verify. */
static bool is_refusal(const struct err *why)
{
    return why->kind == ERR_PRECONDITION || why->kind == ERR_USAGE || why->kind == ERR_NOT_FOUND;
}

static bool say_not_tried(struct verify_serving *serving, int64_t begun_ms, const struct err *why,
                          struct err *err)
{
    char name[VERIFY_SERVING_NAME_BYTES];

    if (!is_refusal(why)) {
        *err = *why;
        return false;
    }
    return verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, begun_ms, err,
                             verify_serving_name(serving, "server", name), "not started: %s%s%s",
                             why->text, why->remedy[0] != '\0' ? ": " : "", why->remedy);
}

/* The program that is to be started, with a word where it is not quite the set's.
 *   ret_chosen  false: none is, and the report says why */
static bool choose(struct verify_serving *serving, bool *ret_chosen, struct err *err)
{
    AUTO_BUF struct buf lines = BUF_INIT(COPY_DATA_BYTES);
    const struct verify_server *ask = serving->ask;
    const char *recorded = ask->database->server;
    int64_t begun_ms = clock_boot_ms();
    struct verify_program *program = &serving->program;
    struct err why = ERR_INIT;
    char name[VERIFY_SERVING_NAME_BYTES], text[VERIFY_PROGRAM_WHY_BYTES];

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
                             verify_serving_name(serving, "version", name),
                             "recorded %s, started on the copy is %s", recorded ? recorded : "none",
                             program->version);
}

/*   ret_ready  it takes connections */
static bool start(struct verify_serving *serving, int64_t deadline_ms, bool *ret_ready,
                  struct err *err)
{
    AUTO_BUF struct buf settings = BUF_INIT(COPY_SETTINGS_BYTES);
    AUTO_BUF struct buf log = BUF_INIT(COPY_DATA_BYTES);
    const struct verify_server *ask = serving->ask;
    int64_t begun_ms = clock_boot_ms();
    struct err why = ERR_INIT;
    char name[VERIFY_SERVING_NAME_BYTES];
    bool chosen = false, less = false;

    *ret_ready = false;
    job_set_step(ask->job, "server");
    if (!choose(serving, &chosen, err))
        return false;
    if (!chosen)
        return true;
    if (!put_settings(serving, &settings, &less, err))
        return false;
    const struct copy_server server = {.datadir = datadir_of(serving),
                                       .program = serving->program.path,
                                       .memory_bytes = spare_memory(),
                                       .settings = buf_text(&settings)};
    if (!copy_serve(ask->copy, &server, deadline_sooner(deadline_ms, START_MS), &ask->job->cancel,
                    &serving->serving, &log, &why))
        return say_not_tried(serving, begun_ms, &why, err);
    *ret_ready = serving->serving.ready;
    if (!serving->serving.ready)
        return say_not_started(serving, begun_ms, &log, less, err);
    (void)json_object_set_new(serving->facts, "recovery_ms",
                              json_real((double)serving->serving.recovery_us / 1000));
    return verify_report_add(ask->report, VERIFY_CHECK_OK, begun_ms, err,
                             verify_serving_name(serving, "server", name),
                             "started on the copy, crash recovery and all in %.1f s",
                             (double)serving->serving.recovery_us / 1e6);
}

/* --- its tables ---------------------------------------------------------------------------- */

static bool say_tables(struct verify_serving *serving, const struct verify_tables *tables,
                       int64_t begun_ms, struct err *err)
{
    char name[VERIFY_SERVING_NAME_BYTES], text[200];
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
                             verify_serving_name(serving, "tables", name), text, err))
        return false;
    if (tables->closed.count > 0 &&
        !verify_report_add(serving->ask->report, VERIFY_CHECK_SKIPPED, clock_boot_ms(), err,
                           verify_serving_name(serving, "closed", name),
                           "%zu that the server on the copy can't open, the first: %s",
                           tables->closed.count, tables->closed.items[0]))
        return false;
    return tables->remarks.count == 0 ||
           verify_report_add(serving->ask->report, VERIFY_CHECK_WARNING, clock_boot_ms(), err,
                             verify_serving_name(serving, "remarks", name), "%zu, the first: %s",
                             tables->remarks.count, tables->remarks.items[0]);
}

static bool judge_tables(struct verify_serving *serving, int64_t deadline_ms, struct err *err)
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
    ok = ok && say_tables(serving, &tables, begun_ms, err);
    verify_tables_free(&tables);
    return ok;
}

/* --- all ----------------------------------------------------------------------------------- */

/* A server that refuses an answer, or dies of the question, is a finding like another. */
static bool bear(struct verify_serving *serving, bool ok, const char *what, const struct err *why,
                 struct err *err)
{
    char name[VERIFY_SERVING_NAME_BYTES];

    if (ok)
        return true;
    if (why->kind != ERR_DB && why->kind != ERR_DB_LOCK) {
        *err = *why;
        return false;
    }
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, clock_boot_ms(), err,
                             verify_serving_name(serving, what, name), "%s", why->text);
}

static bool question(struct verify_serving *serving, int64_t deadline_ms, struct err *err)
{
    const struct cancel *cancel = &serving->ask->job->cancel;
    const struct db_target target = {.socket = serving->serving.socket, .user = "root"};
    struct err why = ERR_INIT;

    if (!db_open(&target, clock_boot_ms() + CONNECT_MS, cancel, &serving->db, &why))
        return bear(serving, false, "server", &why, err);
    bool ok = verify_logs_judge(serving, &why);
    if (!bear(serving, ok, "binlog", &why, err))
        return false;
    if (!ok && !db_alive(serving->db))
        return true;
    why = (struct err)ERR_INIT;
    ok = judge_tables(serving, deadline_ms, &why);
    return bear(serving, ok, "tables", &why, err);
}

static bool stop(struct verify_serving *serving, struct err *err)
{
    AUTO_BUF struct buf log = BUF_INIT(COPY_DATA_BYTES);
    struct copy_stopped stopped = {.by_itself = false};
    char name[VERIFY_SERVING_NAME_BYTES], why[VERIFY_SERVER_LOG_WHY_BYTES];

    if (!copy_stop(serving->ask->copy, clock_boot_ms() + STOP_MS, &serving->ask->job->cancel,
                   &stopped, &log, err))
        return false;
    if (!stopped.by_itself)
        return true;
    verify_server_log_why(buf_text(&log), why);
    return verify_report_add(serving->ask->report, VERIFY_CHECK_FAILED, clock_boot_ms(), err,
                             verify_serving_name(serving, "server", name),
                             "it crashed on the copy: %.400s", why);
}

bool verify_server_judge(const struct verify_server *server, int64_t deadline_ms, json_t **ret_json,
                         struct err *err)
{
    struct verify_serving serving = {.ask = server, .facts = json_object()};
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
