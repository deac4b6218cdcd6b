/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hooks/db_settings.h"

/* Of the servers' error numbers those that mean "not in this version". */
enum { UNKNOWN_COLUMN = 1054, UNKNOWN_TABLE = 1109, NO_SUCH_TABLE = 1146 };

enum { TABLESPACES_MAX = 1000 };

const char *db_path_role_name(enum db_path_role role)
{
    static const char *const names[] = {
        [DB_PATH_DATA] = "datadir",          [DB_PATH_INNODB_DATA] = "InnoDB tablespace",
        [DB_PATH_INNODB_LOG] = "InnoDB log", [DB_PATH_INNODB_UNDO] = "InnoDB undo log",
        [DB_PATH_BINLOG] = "binary log",     [DB_PATH_RELAY_LOG] = "relay log",
        [DB_PATH_ARIA_LOG] = "Aria log",     [DB_PATH_SERVER_LOG] = "general or slow log",
    };

    return (unsigned)role < sizeof(names) / sizeof(names[0]) ? names[role] : "unknown";
}

/* --- paths -------------------------------------------------------------------------------- */

/* Takes out "." and empty components: "/var/lib/mysql/./" is "/var/lib/mysql". */
static void tidy(char *path)
{
    char *out = path;

    for (const char *at = path; *at != '\0';) {
        while (*at == '/')
            at++;
        size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && at[0] == '.')) {
            at += len;
            continue;
        }
        *out++ = '/';
        memmove(out, at, len);
        out += len;
        at += len;
    }
    if (out == path)
        *out++ = '/';
    *out = '\0';
}

bool db_path_directory(const char *datadir, const char *file, char ret_path[PATH_MAX])
{
    const char *slash = strrchr(file, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - file) + 1;
    int written = file[0] == '/' ? snprintf(ret_path, PATH_MAX, "%.*s", (int)len, file)
                                 : snprintf(ret_path, PATH_MAX, "%s/%.*s", datadir, (int)len, file);

    if (written < 0 || written >= PATH_MAX || ret_path[0] != '/')
        return false;
    tidy(ret_path);
    return true;
}

static bool add_path(struct db_server *server, enum db_path_role role, const char *datadir,
                     const char *file, struct err *err)
{
    struct db_path path = {.role = role};

    if (!db_path_directory(datadir, file, path.path))
        return err_set(err, ERR_DB, 0, "the server's %s is no path: %.100s",
                       db_path_role_name(role), file);
    for (size_t i = 0; i < server->path_count; i++)
        if (server->paths[i].role == role && strcmp(server->paths[i].path, path.path) == 0)
            return true;
    if (server->path_count == DB_PATHS_MAX)
        return err_set(err, ERR_LIMIT, 0, "the server's files lie in more than %d directories",
                       DB_PATHS_MAX);
    struct db_path *paths =
        reallocarray(server->paths, server->path_count + 1, sizeof(*server->paths));
    if (paths == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for paths");
    server->paths = paths;
    server->paths[server->path_count++] = path;
    return true;
}

/* A variable that names a directory itself: it gets a slash, so that it is not taken for a file. */
static bool add_directory(struct db_server *server, enum db_path_role role, const char *datadir,
                          const char *directory, struct err *err)
{
    char file[PATH_MAX];

    (void)snprintf(file, sizeof(file), "%s/", directory);
    return add_path(server, role, datadir, file, err);
}

/* --- variables ---------------------------------------------------------------------------- */

/* Asked for by SHOW, which passes over what a version has not. */
static const char variables_sql[] =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN (" DB_SETTINGS_NAMES ", 'datadir', "
    "'general_log', 'general_log_file', 'innodb_flush_log_at_trx_commit', 'log_output', "
    "'partial_revokes', 'read_only', 'relay_log_basename', 'replica_parallel_workers', "
    "'slave_parallel_threads', 'slave_parallel_workers', 'slow_query_log', "
    "'slow_query_log_file', 'wsrep_on')";

static const char *variable(const struct db_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->row_count; i++) {
        const char *found = db_rows_get(rows, i, "Variable_name");
        const char *value = db_rows_get(rows, i, "Value");
        if (found != NULL && value != NULL && strcasecmp(found, name) == 0)
            return value;
    }
    return "";
}

static bool is_on(const struct db_rows *rows, const char *name)
{
    const char *value = variable(rows, name);

    return strcasecmp(value, "ON") == 0 || strcmp(value, "1") == 0;
}

/* "ibdata1:12M;/disk2/ibdata2:10M:autoextend", below innodb_data_home_dir, or absolute where that
 * is empty. */
static bool add_data_files(struct db_server *server, const struct db_rows *rows,
                           const char *datadir, struct err *err)
{
    const char *home = variable(rows, "innodb_data_home_dir");
    const char *files = variable(rows, "innodb_data_file_path");
    char base[PATH_MAX], file[PATH_MAX];

    (void)snprintf(file, sizeof(file), "%s/", home);
    if (!db_path_directory(datadir, home[0] == '\0' ? "" : file, base))
        return err_set(err, ERR_DB, 0, "innodb_data_home_dir is no path: %.100s", home);
    while (*files != '\0') {
        size_t len = strcspn(files, ";"), name_len = strcspn(files, ":;");
        if (name_len > 0 && name_len < sizeof(file)) {
            memcpy(file, files, name_len);
            file[name_len] = '\0';
            if (!add_path(server, DB_PATH_INNODB_DATA, base, file, err))
                return false;
        }
        files += files[len] == ';' ? len + 1 : len;
    }
    return true;
}

static bool add_logs(struct db_server *server, const struct db_rows *rows, const char *datadir,
                     struct err *err)
{
    static const struct {
        const char *name;
        enum db_path_role role;
        bool directory;
    } logs[] = {
        {"innodb_log_group_home_dir", DB_PATH_INNODB_LOG, true},
        {"innodb_undo_directory", DB_PATH_INNODB_UNDO, true},
        {"aria_log_dir_path", DB_PATH_ARIA_LOG, true},
        {"log_bin_basename", DB_PATH_BINLOG, false},
    };

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        const char *value = variable(rows, logs[i].name);
        if (value[0] == '\0')
            continue;
        if (!(logs[i].directory ? add_directory : add_path)(server, logs[i].role, datadir, value,
                                                            err))
            return false;
    }
    if (strcasestr(variable(rows, "log_output"), "FILE") == NULL)
        return true;
    return (!is_on(rows, "general_log") || add_path(server, DB_PATH_SERVER_LOG, datadir,
                                                    variable(rows, "general_log_file"), err)) &&
           (!is_on(rows, "slow_query_log") || add_path(server, DB_PATH_SERVER_LOG, datadir,
                                                       variable(rows, "slow_query_log_file"), err));
}

static bool take_variables(struct db_server *server, const struct db_rows *rows, struct err *err)
{
    const char *datadir = variable(rows, "datadir");
    const char *flush = variable(rows, "innodb_flush_log_at_trx_commit");

    if (datadir[0] != '/')
        return err_set(err, ERR_DB, 0, "the server does not say where its datadir is");
    server->facts.flush_at_commit = flush[0] == '\0' ? -1 : (int)strtol(flush, NULL, 10);
    server->facts.log_bin = is_on(rows, "log_bin");
    server->parallel_applier = strtol(variable(rows, "replica_parallel_workers"), NULL, 10) > 0 ||
                               strtol(variable(rows, "slave_parallel_workers"), NULL, 10) > 0 ||
                               strtol(variable(rows, "slave_parallel_threads"), NULL, 10) > 0;
    server->read_only = is_on(rows, "read_only");
    server->galera = is_on(rows, "wsrep_on");
    if (server->facts.log_bin && variable(rows, "log_bin_basename")[0] == '\0')
        (void)snprintf(server->note, sizeof(server->note),
                       "where the binary log lies is not told by this version: taken for the "
                       "datadir");
    return add_directory(server, DB_PATH_DATA, datadir, datadir, err) &&
           add_data_files(server, rows, datadir, err) && add_logs(server, rows, datadir, err) &&
           db_settings_text(server->paths[0].path, rows, &server->settings, err);
}

static const char *datadir_of(const struct db_server *server)
{
    return server->paths[0].path; /* added first */
}

/* --- replication -------------------------------------------------------------------------- */

const char *db_server_replicas_sql(const struct db_version *version)
{
    if (version->kind == DB_KIND_MARIADB)
        return version->number >= 100000 ? "SHOW ALL SLAVES STATUS" : "SHOW SLAVE STATUS";
    return version->number >= 80022 ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

static bool ask_replication(struct db *db, struct db_server *server, const struct db_rows *rows,
                            int64_t deadline_ms, struct err *err)
{
    struct db_rows channels = DB_ROWS_INIT;
    const char *relay_log = variable(rows, "relay_log_basename");

    if (!db_query(db, db_server_replicas_sql(&server->facts.version), true, deadline_ms, &channels,
                  err))
        return false;
    server->replica = channels.row_count > 0;
    db_rows_free(&channels);
    return !server->replica || relay_log[0] == '\0' ||
           add_path(server, DB_PATH_RELAY_LOG, datadir_of(server), relay_log, err);
}

/* --- tablespaces elsewhere ---------------------------------------------------------------- */

/* The name of what tells it changed often; NULL where a version has nothing. */
static const char *tablespaces_sql(const struct db_version *version)
{
    if (version->kind == DB_KIND_MARIADB && version->number >= 100600)
        return "SELECT FILENAME AS path FROM information_schema.INNODB_SYS_TABLESPACES "
               "WHERE (FILENAME LIKE '/%' OR FILENAME LIKE '%../%') AND "
               "FILENAME NOT LIKE CONCAT(@@datadir, '%') LIMIT 1000";
    if (version->kind != DB_KIND_MARIADB && version->number >= 80000)
        return "SELECT PATH AS path FROM information_schema.INNODB_DATAFILES "
               "WHERE (PATH LIKE '/%' OR PATH LIKE '%../%') AND "
               "PATH NOT LIKE CONCAT(@@datadir, '%') LIMIT 1000";
    if (version->number >= 50600)
        return "SELECT PATH AS path FROM information_schema.INNODB_SYS_DATAFILES "
               "WHERE (PATH LIKE '/%' OR PATH LIKE '%../%') AND "
               "PATH NOT LIKE CONCAT(@@datadir, '%') LIMIT 1000";
    return NULL;
}

static bool ask_tablespaces(struct db *db, struct db_server *server, int64_t deadline_ms,
                            struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;
    const char *sql = tablespaces_sql(&server->facts.version);
    bool ok = true;

    if (sql != NULL && !db_query(db, sql, true, deadline_ms, &rows, err)) {
        if (db_errno(db) != UNKNOWN_TABLE && db_errno(db) != UNKNOWN_COLUMN &&
            db_errno(db) != NO_SUCH_TABLE)
            return false;
        sql = NULL;
    }
    if (sql == NULL && server->note[0] == '\0')
        (void)snprintf(server->note, sizeof(server->note),
                       "tablespaces outside the datadir are not told by this version");
    for (size_t i = 0; ok && i < rows.row_count; i++) {
        const char *path = db_rows_get(&rows, i, "path");
        ok = path == NULL || add_path(server, DB_PATH_INNODB_DATA, datadir_of(server), path, err);
    }
    if (ok && rows.row_count >= TABLESPACES_MAX)
        ok = err_set(err, ERR_LIMIT, 0, "more than %d tablespaces outside the datadir",
                     TABLESPACES_MAX);
    db_rows_free(&rows);
    return ok;
}

/* --- engines ------------------------------------------------------------------------------ */

/* information_schema.TABLES leaves out what the user has no right on: an answer of "none" counts
 * only from one who has some right on everything. */
static const char sees_all_sql[] =
    "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ('SELECT', "
    "'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', "
    "'CREATE VIEW', 'SHOW VIEW', 'TRIGGER') AND REPLACE(GRANTEE, '''', '') = CURRENT_USER()";

/* The server's own bound, so that the connection outlives it. In MySQL 8 this reads the data
 * dictionary and opens no table. Engines without data of their own don't matter. */
static const char engines_sql[] =
    "SELECT /*+ MAX_EXECUTION_TIME(5000) */ COUNT(*) FROM information_schema.TABLES "
    "WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE NOT IN ('InnoDB', 'MEMORY', 'BLACKHOLE', "
    "'FEDERATED', 'PERFORMANCE_SCHEMA', 'MRG_MYISAM', 'ndbcluster') AND TABLE_SCHEMA NOT IN "
    "('mysql', 'sys', 'information_schema', 'performance_schema')";

/* False: err says why it is not known; the connection may be gone. */
static bool ask_number(struct db *db, const char *sql, int64_t deadline_ms, int64_t *ret_number,
                       struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, sql, true, deadline_ms, &rows, err))
        return false;
    const char *text = rows.row_count == 1 ? rows.cells[0] : NULL;
    if (text != NULL)
        *ret_number = strtoll(text, NULL, 10);
    db_rows_free(&rows);
    return text != NULL || err_set(err, ERR_PROTOCOL, 0, "%.60s: no answer", sql);
}

/* Only MySQL's light lock depends on it; elsewhere asking would open every table. */
static bool ask_engines(struct db *db, struct db_server *server, bool partial_revokes,
                        int64_t deadline_ms, struct err *err)
{
    const struct db_version *version = &server->facts.version;
    int64_t rights = 0;

    server->facts.other_tables = -1;
    if (version->kind == DB_KIND_MARIADB || version->number < DB_MYSQL_LOCK_INSTANCE)
        return true;
    if (!ask_number(db, sees_all_sql, deadline_ms, &rights, err))
        return false;
    if (rights == 0 || partial_revokes) {
        (void)snprintf(server->note, sizeof(server->note),
                       "which engines there are is not known: GRANT SHOW VIEW ON *.* (%s)",
                       partial_revokes ? "partial_revokes is ON" : "else no table is shown");
        return true;
    }
    if (ask_number(db, engines_sql, deadline_ms, &server->facts.other_tables, err))
        return true;
    if (!db_alive(db) || err->kind == ERR_CANCELLED)
        return false;
    server->facts.other_tables = -1;
    (void)snprintf(server->note, sizeof(server->note),
                   "which engines there are is not known: %.140s", err->text);
    return true;
}

/* --- all of it ---------------------------------------------------------------------------- */

static bool ask_version(struct db *db, struct db_server *server, int64_t deadline_ms,
                        struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(db, "SELECT VERSION() AS version, @@version_comment AS comment", true,
                  deadline_ms, &rows, err))
        return false;
    const char *text = db_rows_get(&rows, 0, "version");
    const char *comment = db_rows_get(&rows, 0, "comment");
    (void)snprintf(server->version_text, sizeof(server->version_text), "%s", text ? text : "");
    bool ok =
        db_version_parse(server->version_text, comment ? comment : "", &server->facts.version) ||
        err_set(err, ERR_DB, 0, "the server calls itself %.60s, which is no version",
                server->version_text);
    db_rows_free(&rows);
    return ok;
}

/* See db_redo.c. That 11.8 obeys is known, and of no version before it. */
static void note_slow_redo(struct db_server *server)
{
    const struct db_facts *facts = &server->facts;

    if (facts->version.kind == DB_KIND_MARIADB && facts->version.number < 110800 &&
        facts->flush_at_commit == 0 && server->choice.flush_engine_logs && server->note[0] == '\0')
        (void)snprintf(server->note, sizeof(server->note),
                       "innodb_flush_log_at_trx_commit is 0: commits wait up to a second more "
                       "than they need to with 2 or 1");
}

static bool ask_all(struct db *db, struct db_server *server, int64_t deadline_ms, struct err *err)
{
    struct db_rows variables = DB_ROWS_INIT;
    bool ok = ask_version(db, server, deadline_ms, err) &&
              db_query(db, variables_sql, true, deadline_ms, &variables, err) &&
              take_variables(server, &variables, err) &&
              ask_replication(db, server, &variables, deadline_ms, err) &&
              ask_tablespaces(db, server, deadline_ms, err) &&
              ask_engines(db, server, is_on(&variables, "partial_revokes"), deadline_ms, err) &&
              db_choose(&server->facts, &server->choice, err);

    if (ok)
        note_slow_redo(server);
    db_rows_free(&variables);
    return ok;
}

bool db_server_ask(struct db *db, enum db_method asked, bool exact_wanted, int64_t deadline_ms,
                   struct db_server *ret_server, struct err *err)
{
    struct db_server server = {.facts = {.asked = asked, .exact_wanted = exact_wanted}};

    if (!ask_all(db, &server, deadline_ms, err)) {
        db_server_free(&server);
        return false;
    }
    *ret_server = server;
    return true;
}

void db_server_free(struct db_server *server)
{
    free(server->paths);
    free(server->settings);
    *server = (struct db_server)DB_SERVER_INIT;
}
