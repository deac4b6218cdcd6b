/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/base/clock.h"
#include "hooks/db_redo.h"
#include "hooks/db_threads.h"

enum {
    BACKUP_NOT_RUNNING = 4146, /* MariaDB: BACKUP STAGE without START, so the lock was lost */
    IDLE_MS = 15 * 60 * 1000,  /* a session that blocks no writer may be silent so long */
    LET_GO_MS = 1000,          /* for letting go after a failure, whatever deadline has passed */
    ANSWER_MS = 1000,          /* for the answer, beyond the wait for the lock */
};

static int64_t wait_s(const struct db_lock *lock)
{
    return lock->lock_wait_ms >= 1000 ? lock->lock_wait_ms / 1000 : 1;
}

/* --- who is in the way -------------------------------------------------------------------- */

/* Refuses where a statement runs that FTWRL would wait for, since whoever writes would then wait
 * behind it. */
static bool look(const struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    struct db_threads threads;

    if (!db_threads_find(lock->db, &lock->server->facts.version, wait_s(lock), deadline_ms,
                         &threads, err))
        return err_wrap(err, "looking for long statements");
    if (threads.count == 0)
        return true;
    err_set(err, ERR_DB_LOCK, 0, "FLUSH TABLES WITH READ LOCK would wait for %s", threads.text);
    return err_suggest(err, "let it end, or KILL %s (SHOW FULL PROCESSLIST shows what it does)",
                       threads.first_id);
}

/* After a lock wait, with nothing held any more. What the message can't tell it leaves out. */
static void name_in_the_way(const struct db_lock *lock, struct err *err)
{
    struct err ignored = ERR_INIT; /* the lock wait is the news */
    struct db_threads threads;
    size_t used = strlen(err->text);

    if (!db_alive(lock->db) ||
        !db_threads_find(lock->db, &lock->server->facts.version, wait_s(lock),
                         clock_boot_ms() + LET_GO_MS, &threads, &ignored))
        return;
    if (threads.count == 0) {
        err_suggest(err, "no statement has run for as long: LOCK TABLES, another backup or a "
                         "change of a table may hold it (SHOW FULL PROCESSLIST), or raise "
                         "lock_wait under [backup]");
        return;
    }
    (void)snprintf(err->text + used, sizeof(err->text) - used, "; running: %s", threads.text);
    err_suggest(err,
                "let thread %s end or KILL it (SHOW FULL PROCESSLIST shows what it does), or "
                "raise lock_wait under [backup]",
                threads.first_id);
}

/* --- taking ------------------------------------------------------------------------------- */

/* MAY_HOLD is set first: whether an unanswered statement took the lock nobody knows. */
static bool take(struct db_lock *lock, bool *may_hold, const char *sql, int64_t deadline_ms,
                 struct err *err)
{
    *may_hold = true;
    return db_exec(lock->db, sql, true,
                   deadline_sooner(deadline_ms, wait_s(lock) * 1000 + ANSWER_MS), err);
}

bool db_lock_begin(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    if (lock->server->choice.method != DB_METHOD_BACKUP_STAGE || lock->stage)
        return true;
    if (!db_bound_session(lock->db, IDLE_MS, lock->lock_wait_ms, deadline_ms, err))
        return false;
    if (take(lock, &lock->stage, "BACKUP STAGE START", deadline_ms, err))
        return true;
    struct err ignored = ERR_INIT;
    (void)db_lock_release(lock, clock_boot_ms() + LET_GO_MS,
                          &ignored); /* nothing blocks a writer */
    if (err->kind == ERR_DB_LOCK)
        name_in_the_way(lock, err);
    return false;
}

bool db_lock_rehearse(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    enum db_method method = lock->server->choice.method;
    struct db_position *position = malloc(sizeof(*position)); /* large for a stack */
    struct err ignored = ERR_INIT;

    if (position == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a position");
    bool ok = db_bound_session(lock->db, IDLE_MS, lock->lock_wait_ms, deadline_ms, err) &&
              db_position_read(lock->db, lock->server, false, deadline_ms, position, err);
    free(position);
    /* Asks for RELOAD as FTWRL does, and leaves less to be flushed under it. */
    if (ok && method != DB_METHOD_NONE)
        ok = db_exec(lock->db, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS", true, deadline_ms, err);
    if (ok && method == DB_METHOD_LOCK_INSTANCE) {
        ok = take(lock, &lock->instance, "LOCK INSTANCE FOR BACKUP", deadline_ms, err);
        (void)db_lock_release(lock, clock_boot_ms() + LET_GO_MS, &ignored); /* blocks DDL alone */
    }
    if (!ok && err->kind == ERR_DB_LOCK && err->remedy[0] == '\0')
        name_in_the_way(lock, err);
    return ok;
}

/* A lock that comes in several statements shares one wait: what earlier ones used up is taken off,
 * since writers may be waiting already. */
static bool shorten_wait(struct db_lock *lock, int64_t begin_ms, int64_t deadline_ms,
                         struct err *err)
{
    int64_t used_ms = clock_boot_ms() - begin_ms, left_s = wait_s(lock) - used_ms / 1000;
    char sql[64];

    if (used_ms < 1000)
        return true;
    if (left_s < 1)
        return err_set(err, ERR_DB_LOCK, 0, "the lock took longer than %lld s",
                       (long long)wait_s(lock));
    (void)snprintf(sql, sizeof(sql), "SET SESSION lock_wait_timeout=%lld", (long long)left_s);
    return db_exec(lock->db, sql, true, deadline_ms, err);
}

static bool take_stages(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    static const char *const stages[] = {"BACKUP STAGE FLUSH", "BACKUP STAGE BLOCK_DDL",
                                         "BACKUP STAGE BLOCK_COMMIT"};
    int64_t begin_ms = clock_boot_ms();

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        if (!shorten_wait(lock, begin_ms, deadline_ms, err) ||
            !take(lock, &lock->stage, stages[i], deadline_ms, err))
            return false;
    return true;
}

static bool take_ftwrl(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    return look(lock, deadline_ms, err) &&
           take(lock, &lock->tables, "FLUSH TABLES WITH READ LOCK", deadline_ms, err);
}

/* Under FTWRL nothing is left for Percona's own locks to hold. */
static bool take_percona(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    int64_t begin_ms = clock_boot_ms();

    if (lock->server->choice.with_ftwrl)
        return take_ftwrl(lock, deadline_ms, err);
    if (!take(lock, &lock->tables, "LOCK TABLES FOR BACKUP", deadline_ms, err))
        return false;
    return lock->server->facts.version.number >= DB_MYSQL_LOCK_INSTANCE ||
           (shorten_wait(lock, begin_ms, deadline_ms, err) &&
            take(lock, &lock->binlog, "LOCK BINLOG FOR BACKUP", deadline_ms, err));
}

static bool take_method(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    const struct db_choice *choice = &lock->server->choice;

    switch (choice->method) {
    case DB_METHOD_BACKUP_STAGE:
        return take_stages(lock, deadline_ms, err);
    case DB_METHOD_LOCK_INSTANCE: /* waits for DDL, and blocks no writer meanwhile: first */
        return take(lock, &lock->instance, "LOCK INSTANCE FOR BACKUP", deadline_ms, err) &&
               (!choice->with_ftwrl || take_ftwrl(lock, deadline_ms, err));
    case DB_METHOD_PERCONA:
        return take_percona(lock, deadline_ms, err);
    case DB_METHOD_FTWRL:
        return take_ftwrl(lock, deadline_ms, err);
    case DB_METHOD_NONE:
        return true;
    case DB_METHOD_AUTO:  /* not reached: db_choose made a lock of it */
    case DB_METHOD_COUNT: /* not reached: nor is it one */
        break;
    }
    /* not reached: db_choose gives one of the above */
    return err_set(err, ERR_INTERNAL, 0, "no lock was chosen");
}

/* Else flow control would make the whole cluster wait for us. What somebody else has switched on
 * stays theirs. */
static bool desync(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!lock->server->galera)
        return true;
    if (!db_query(lock->db, "SELECT @@GLOBAL.wsrep_desync", true, deadline_ms, &rows, err))
        return false;
    bool on = rows.row_count == 1 && rows.cells[0] != NULL && strcmp(rows.cells[0], "1") == 0;
    db_rows_free(&rows);
    if (on || take(lock, &lock->desynced, "SET GLOBAL wsrep_desync=ON", deadline_ms, err))
        return true;
    /* Refused is not done; no answer may be done. */
    lock->desynced = db_errno(lock->db) == 0 || !db_alive(lock->db);
    return false;
}

static bool take_all(struct db_lock *lock, int64_t deadline_ms, struct db_position *ret_position,
                     struct err *err)
{
    const struct db_choice *choice = &lock->server->choice;

    return db_lock_begin(lock, deadline_ms, err) &&
           db_bound_session(lock->db, deadline_ms - clock_boot_ms(), lock->lock_wait_ms,
                            deadline_ms, err) &&
           desync(lock, deadline_ms, err) && take_method(lock, deadline_ms, err) &&
           (!choice->flush_engine_logs ||
            db_redo_flush(lock->db, &lock->server->facts, deadline_ms, err)) &&
           db_position_read(lock->db, lock->server, !choice->commits_go_on, deadline_ms,
                            ret_position, err);
}

bool db_lock_take(struct db_lock *lock, int64_t deadline_ms, struct db_position *ret_position,
                  struct err *err)
{
    struct err ignored = ERR_INIT;

    if (take_all(lock, deadline_ms, ret_position, err)) {
        lock->taken = true;
        return true;
    }
    (void)db_lock_release(lock, clock_boot_ms() + LET_GO_MS, &ignored); /* the first error counts */
    if (err->kind == ERR_DB_LOCK && err->remedy[0] == '\0')             /* nobody was named yet */
        name_in_the_way(lock, err);
    return false;
}

/* --- proving ------------------------------------------------------------------------------ */

static bool not_held(struct proof *ret_proof, const char *reason)
{
    *ret_proof = (struct proof){.held = false};
    (void)snprintf(ret_proof->reason, sizeof(ret_proof->reason), "%s", reason);
    return true;
}

static bool prove_stage(struct db_lock *lock, int64_t deadline_ms, struct proof *ret_proof,
                        struct err *err)
{
    if (!db_exec(lock->db, "BACKUP STAGE END", false, deadline_ms, err))
        return db_errno(lock->db) == BACKUP_NOT_RUNNING &&
               not_held(ret_proof, "the server's backup stage was ended by somebody else");
    lock->stage = false;
    *ret_proof = (struct proof){.held = true};
    return true;
}

/* These locks live and die with their connection: the same one answering is the proof. */
static bool prove_connection(struct db_lock *lock, int64_t deadline_ms, struct proof *ret_proof,
                             struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;

    if (!db_query(lock->db, "SELECT CONNECTION_ID()", false, deadline_ms, &rows, err))
        return false;
    const char *text = rows.row_count == 1 ? rows.cells[0] : NULL;
    bool same = text != NULL && strtoul(text, NULL, 10) == db_connection_id(lock->db);
    db_rows_free(&rows);
    if (!same)
        return not_held(ret_proof, "another connection answers than the one that took the lock");
    *ret_proof = (struct proof){.held = true};
    return true;
}

bool db_lock_prove(struct db_lock *lock, int64_t deadline_ms, struct proof *ret_proof,
                   struct err *err)
{
    enum db_method method = lock->server->choice.method;

    if (method == DB_METHOD_NONE)
        return not_held(ret_proof, "no lock was asked for (method = none)");
    if (!lock->taken)
        return not_held(ret_proof, "the lock was not taken");
    bool asked = method == DB_METHOD_BACKUP_STAGE
                     ? prove_stage(lock, deadline_ms, ret_proof, err)
                     : prove_connection(lock, deadline_ms, ret_proof, err);
    if (!asked && !db_alive(lock->db) && err->kind == ERR_DB)
        return not_held(ret_proof, "the connection that held the lock is gone: it was killed, or "
                                   "the server restarted or let go at the end of the lease");
    return asked;
}

/* --- letting go --------------------------------------------------------------------------- */

/* In this order; each is tried whatever became of the others; the first failure counts. */
static bool let_go_of_locks(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    const struct {
        bool *may_hold;
        const char *sql;
    } locks[] = {
        {&lock->binlog, "UNLOCK BINLOG"},
        {&lock->tables, "UNLOCK TABLES"},
        {&lock->instance, "UNLOCK INSTANCE"},
        {&lock->stage, "BACKUP STAGE END"},
    };
    bool ok = true;

    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        struct err own = ERR_INIT;
        if (!*locks[i].may_hold)
            continue;
        if (db_exec(lock->db, locks[i].sql, false, deadline_ms, &own) ||
            db_errno(lock->db) == BACKUP_NOT_RUNNING) {
            *locks[i].may_hold = false;
        } else if (ok) {
            *err = own;
            ok = false;
        }
    }
    return ok;
}

bool db_lock_resync(struct db_lock *lock, struct db *db, int64_t deadline_ms, struct err *err)
{
    if (!lock->desynced)
        return true;
    if (!db_exec(db, "SET GLOBAL wsrep_desync=OFF", false, deadline_ms, err)) {
        err_wrap(err, "the node is still out of step with its cluster");
        return err_suggest(err, "SET GLOBAL wsrep_desync=OFF on the server");
    }
    lock->desynced = false;
    return true;
}

bool db_lock_release(struct db_lock *lock, int64_t deadline_ms, struct err *err)
{
    bool held = lock->stage || lock->tables || lock->instance || lock->binlog;
    struct err own = ERR_INIT, resync_err = ERR_INIT, ignored = ERR_INIT;
    bool ok = true;

    lock->taken = false;
    if (held && db_alive(lock->db) && !let_go_of_locks(lock, deadline_ms, &own)) {
        /* A connection that the server ended took the lock along; one that we cut need not have. */
        ok = !db_alive(lock->db) && own.kind == ERR_DB;
        if (!ok) {
            *err = own;
            err_wrap(err, "the lock may still be held");
            err_suggest(err,
                        "the server lets go when the connection is closed, or at the end of its "
                        "wait_timeout; KILL %lu ends it by hand",
                        db_connection_id(lock->db));
        }
    }
    if (!db_alive(lock->db)) /* with it goes whatever it held */
        lock->stage = lock->tables = lock->instance = lock->binlog = false;
    /* From a dead one nothing can be set: lock->desynced tells, and another connection can. */
    if (!db_lock_resync(lock, lock->db, deadline_ms, &resync_err) && db_alive(lock->db) && ok) {
        *err = resync_err;
        ok = false;
    }
    if (held && db_alive(lock->db)) /* the next hold may be minutes away; not needed for this one */
        (void)db_bound_session(lock->db, IDLE_MS, lock->lock_wait_ms, deadline_ms, &ignored);
    return ok;
}
