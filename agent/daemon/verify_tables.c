/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/base/auto.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/grow.h"
#include "agent/daemon/verify_message.h"

enum {
    PAGE_ROWS = 1000,
    TABLES_MAX = 1000000,
    SAMPLE_MIN = 8,
    SAMPLE_MS = 20000,
    FINDINGS_MAX = 200,
    STATEMENT_BYTES_MAX = 4096,
    PROGRESS_MS = 500,
};

#define SAMPLE_TABLE_BYTES (256LL * 1024 * 1024)

struct table {
    char *schema, *name;
    bool innodb;
    uint32_t turn; /* the place in the sample's order */
};

struct checking {
    struct job *job;
    struct db *db;
    const struct verify_tables_options *options;
    int64_t deadline_ms, told_ms;
    struct table *list;
    size_t count;
    struct verify_tables *result;
    struct err *err;
};

void verify_tables_free(struct verify_tables *tables)
{
    strs_free(&tables->findings);
    strs_free(&tables->closed);
    strs_free(&tables->remarks);
}

/* --- which ---------------------------------------------------------------------------------- */

/* FNV-1a over the backup's id and the table's name: another order for each backup. */
static uint32_t hash(const char *seed, const char *schema, const char *name)
{
    const char *const parts[] = {seed, schema, name};
    uint32_t value = 2166136261U;

    for (size_t i = 0; i < 3; i++) {
        for (const char *at = parts[i]; *at != '\0'; at++)
            value = (value ^ (unsigned char)*at) * 16777619U;
        value = (value ^ 0xFF) * 16777619U;
    }
    return value;
}

static bool take_table(struct checking *checking, const struct db_rows *rows, size_t row)
{
    const char *schema = db_rows_get(rows, row, "s"), *name = db_rows_get(rows, row, "t");
    const char *engine = db_rows_get(rows, row, "e");

    if (schema == NULL || name == NULL)
        return true;
    if (checking->count >= TABLES_MAX)
        return err_set(checking->err, ERR_LIMIT, 0, "more than %d tables", TABLES_MAX);
    struct table *table = grow_by_one(&checking->list, &checking->count, sizeof(*table));
    if (table == NULL)
        return err_set(checking->err, ERR_INTERNAL, 0, "out of memory");
    table->innodb = engine != NULL && strcasecmp(engine, "InnoDB") == 0;
    table->turn = hash(checking->options->seed, schema, name);
    return strs_dup(&table->schema, schema, checking->err) &&
           strs_dup(&table->name, name, checking->err);
}

static bool list_tables(struct checking *checking)
{
    char sql[512];

    for (size_t rows_before = 0;; rows_before = checking->count) {
        struct db_rows rows = DB_ROWS_INIT;
        (void)snprintf(sql, sizeof(sql),
                       "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, ENGINE AS e FROM "
                       "information_schema.TABLES WHERE TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW') "
                       "AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema') "
                       "ORDER BY TABLE_SCHEMA, TABLE_NAME LIMIT %d OFFSET %zu",
                       PAGE_ROWS, rows_before);
        if (!db_query(checking->db, sql, true, checking->deadline_ms, &rows, checking->err))
            return err_wrap(checking->err, "the list of tables");
        size_t row_count = rows.row_count;
        bool ok = true;
        for (size_t i = 0; ok && i < row_count; i++)
            ok = take_table(checking, &rows, i);
        db_rows_free(&rows);
        if (!ok)
            return false;
        if (row_count < PAGE_ROWS)
            return true;
    }
}

static int by_turn(const void *a, const void *b)
{
    const struct table *x = a, *y = b;

    if (x->innodb != y->innodb)
        return x->innodb ? 1 : -1;
    return x->turn < y->turn ? -1 : x->turn > y->turn;
}

/* As a number: no quoting depends on the session's character set. */
static bool add_text(struct buf *sql, const char *text, struct err *err)
{
    bool ok = buf_add_text(sql, "CONVERT(0x", err);

    for (const char *at = text; ok && *at != '\0'; at++)
        ok = buf_printf(sql, err, "%02x", (unsigned)(unsigned char)*at);
    return ok && buf_add_text(sql, " USING utf8)", err);
}

/* --- one ------------------------------------------------------------------------------------ */

/* A name between back quotes. */
static bool add_name(struct buf *sql, const char *name, struct err *err)
{
    bool ok = buf_add_text(sql, "`", err);

    for (; ok && *name != '\0'; name++)
        ok = buf_add(sql, name, 1, err) && (*name != '`' || buf_add(sql, name, 1, err));
    return ok && buf_add_text(sql, "`", err);
}

/*   list  the result's: findings, closed, remarks */
static bool add(struct checking *checking, struct strs *list, const struct table *table,
                const char *text)
{
    return list->count >= FINDINGS_MAX ||
           strs_printf(list, checking->err, "%s.%s: %.300s", table->schema, table->name, text);
}

/* MariaDB calls an encrypted table whose key it has not corrupted. */
static bool is_encrypted(struct checking *checking, const struct table *table)
{
    AUTO_BUF struct buf sql = BUF_INIT(STATEMENT_BYTES_MAX);
    struct db_rows rows = DB_ROWS_INIT;
    struct err ignored = ERR_INIT; /* MySQL has no such list, and says it itself */

    if (!table->innodb ||
        !buf_add_text(&sql,
                      "SELECT 1 FROM information_schema.INNODB_TABLESPACES_ENCRYPTION "
                      "WHERE ENCRYPTION_SCHEME <> 0 AND SUBSTRING_INDEX(NAME, '#', 1) = CONCAT(",
                      &ignored) ||
        !add_text(&sql, table->schema, &ignored) || !buf_add_text(&sql, ", '/', ", &ignored) ||
        !add_text(&sql, table->name, &ignored) || !buf_add_text(&sql, ") LIMIT 1", &ignored) ||
        !db_query(checking->db, buf_text(&sql), true, checking->deadline_ms, &rows, &ignored))
        return false;
    bool found = rows.row_count > 0;
    db_rows_free(&rows);
    return found;
}

static bool judge_rows(struct checking *checking, const struct table *table,
                       const struct db_rows *rows)
{
    struct verify_tables *result = checking->result;
    bool application = checking->options->application, ok = true;
    size_t row = 0;
    enum verify_message whole = verify_message_whole(rows, application, &row);

    if (whole == VERIFY_MESSAGE_CLOSED)
        return add(checking, &result->closed, table, db_rows_get(rows, row, "Msg_text"));
    if (whole == VERIFY_MESSAGE_FAULT && is_encrypted(checking, table))
        return add(checking, &result->closed, table, "it is encrypted");
    result->checked++;

    for (size_t i = 0; ok && i < rows->row_count; i++) {
        const char *type = db_rows_get(rows, i, "Msg_type"),
                   *text = db_rows_get(rows, i, "Msg_text");
        if (type == NULL || text == NULL)
            continue;
        enum verify_message message = verify_message_judge(type, text, application);
        if (message == VERIFY_MESSAGE_REMARK)
            ok = add(checking, &result->remarks, table, text);
        else if (message != VERIFY_MESSAGE_GOOD) /* closed, of a table that has a fault besides */
            ok = add(checking, &result->findings, table, text);
    }
    return ok;
}

/* False: there is no going on; server_gone says whether that is a finding. */
static bool check_one(struct checking *checking, const struct table *table)
{
    AUTO_BUF struct buf sql = BUF_INIT(STATEMENT_BYTES_MAX);
    struct db_rows rows = DB_ROWS_INIT;
    struct err why = ERR_INIT;
    bool extended = checking->options->deep && !table->innodb;

    if (!buf_add_text(&sql, "CHECK TABLE ", checking->err) ||
        !add_name(&sql, table->schema, checking->err) || !buf_add_text(&sql, ".", checking->err) ||
        !add_name(&sql, table->name, checking->err) ||
        (extended && !buf_add_text(&sql, " EXTENDED", checking->err)))
        return false;
    if (db_query(checking->db, buf_text(&sql), true, checking->deadline_ms, &rows, &why)) {
        bool ok = judge_rows(checking, table, &rows);
        db_rows_free(&rows);
        return ok;
    }
    if (why.kind != ERR_DB && why.kind != ERR_DB_LOCK) {
        *checking->err = why;
        return false;
    }
    checking->result->checked++;
    if (!add(checking, &checking->result->findings, table, why.text))
        return false;
    /* MySQL ends itself where a page can't be read. */
    checking->result->server_gone = !db_alive(checking->db);
    return !checking->result->server_gone;
}

static int64_t bytes_of(struct checking *checking, const struct table *table)
{
    AUTO_BUF struct buf sql = BUF_INIT(STATEMENT_BYTES_MAX);
    struct db_rows rows = DB_ROWS_INIT;
    struct err ignored = ERR_INIT; /* not known: it may be large */
    int64_t bytes = INT64_MAX;
    bool ok = buf_add_text(&sql,
                           "SELECT DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES "
                           "WHERE TABLE_SCHEMA = ",
                           &ignored) &&
              add_text(&sql, table->schema, &ignored) &&
              buf_add_text(&sql, " AND TABLE_NAME = ", &ignored) &&
              add_text(&sql, table->name, &ignored);

    if (!ok ||
        !db_query(checking->db, buf_text(&sql), true, checking->deadline_ms, &rows, &ignored))
        return bytes;
    if (rows.row_count == 1 && rows.cells[0] != NULL)
        bytes = strtoll(rows.cells[0], NULL, 10);
    db_rows_free(&rows);
    return bytes;
}

/* --- all ------------------------------------------------------------------------------------ */

static void tell(struct checking *checking, size_t at)
{
    char text[160];

    if (clock_boot_ms() - checking->told_ms < PROGRESS_MS)
        return;
    checking->told_ms = clock_boot_ms();
    (void)snprintf(text, sizeof(text), "%" PRId64 " table%s checked", checking->result->checked,
                   checking->result->checked == 1 ? "" : "s");
    job_progress(checking->job, "check", (int64_t)at, (int64_t)checking->count, text);
}

/* Whether it is this table's turn; counts it where it is not. */
static bool is_wanted(struct checking *checking, const struct table *table, int64_t sample_end_ms,
                      int64_t sampled)
{
    struct verify_tables *result = checking->result;

    if (!table->innodb) {
        result->unpromised += !checking->options->application;
        return checking->options->application;
    }
    if (checking->options->deep)
        return true;
    if ((sampled >= SAMPLE_MIN && clock_boot_ms() >= sample_end_ms) ||
        bytes_of(checking, table) > SAMPLE_TABLE_BYTES) {
        result->left++;
        return false;
    }
    return true;
}

static bool tell_gone(struct checking *checking, size_t at)
{
    return strs_printf(&checking->result->findings, checking->err,
                       "the server ended there, so %zu of %zu tables were not reached",
                       checking->count - at - 1, checking->count);
}

static bool check_all(struct checking *checking)
{
    int64_t sampled = 0, sample_end_ms = 0;

    for (size_t i = 0; i < checking->count; i++) {
        const struct table *table = &checking->list[i];
        if (table->innodb && sample_end_ms == 0)
            sample_end_ms = clock_boot_ms() + SAMPLE_MS;
        if (!is_wanted(checking, table, sample_end_ms, sampled))
            continue;
        sampled += table->innodb;
        tell(checking, i);
        if (!check_one(checking, table))
            return checking->result->server_gone && tell_gone(checking, i);
    }
    return true;
}

bool verify_tables_check(struct job *job, struct db *db,
                         const struct verify_tables_options *options, int64_t deadline_ms,
                         struct verify_tables *ret_tables, struct err *err)
{
    struct checking checking = {.job = job,
                                .db = db,
                                .options = options,
                                .deadline_ms = deadline_ms,
                                .result = ret_tables,
                                .err = err};

    bool ok = list_tables(&checking);
    if (ok && checking.count > 1)
        qsort(checking.list, checking.count, sizeof(*checking.list), by_turn);
    ret_tables->tables = (int64_t)checking.count;
    ok = ok && check_all(&checking);
    for (size_t i = 0; i < checking.count; i++) {
        free(checking.list[i].schema);
        free(checking.list[i].name);
    }
    free(checking.list);
    return ok;
}
