/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_LOCK_H
#define STILLPOINT_DB_LOCK_H

#include "hooks/db_position.h"
#include "hooks/db_server.h"
#include "hooks/hook.h"

/* The lock that db_choose chose, on one connection, from begin to release. */

struct db_lock {
    struct db *db;                  /* borrowed */
    const struct db_server *server; /* borrowed */
    int64_t lock_wait_ms;           /* whole seconds are used, at least 1 */
    /* What may be held; set before the statement is sent that takes it. */
    bool stage;    /* BACKUP STAGE */
    bool instance; /* LOCK INSTANCE FOR BACKUP */
    bool tables;   /* FTWRL, or LOCK TABLES FOR BACKUP */
    bool binlog;   /* LOCK BINLOG FOR BACKUP */
    bool desynced; /* wsrep_desync is ON by us: a setting of the whole server, which outlives the
                      connection */
    bool taken;    /* db_lock_take succeeded */
};

#define DB_LOCK_INIT                                                                               \
    {                                                                                              \
        .db = NULL                                                                                 \
    }

/* Does once, while writers run, what needs a right, so that a missing one shows before the hold.
 *   lock   DB_LOCK_INIT with db, server and lock_wait_ms set
 *   false  nothing is held. ERR_DB names the right; ERR_DB_LOCK: DDL is under way */
bool db_lock_rehearse(struct db_lock *lock, int64_t deadline_ms, struct err *err);

/* What can be done while writers run: BACKUP STAGE START. Idempotent.
 *   false  nothing is held. ERR_DB_LOCK: another backup has it, or DDL is under way */
bool db_lock_begin(struct db_lock *lock, int64_t deadline_ms, struct err *err);

/* Begins where that was not done, takes the lock and reads the position under it. FTWRL is refused
 * where a statement runs that it would wait for (ERR_DB_LOCK names the threads, without their
 * statements): whoever writes would wait behind it.
 *   deadline_ms  end of the hold: the session's time-outs are set to it, so that the server lets
 *                go by itself
 *   false        everything is let go of before it returns (or the connection is dead, and the
 *                server lets go: at once, or by the session's time-outs). ERR_DB_LOCK: the lock was
 *                not to be had within lock_wait_ms; names who is in the way where that can be
 *                seen */
bool db_lock_take(struct db_lock *lock, int64_t deadline_ms, struct db_position *ret_position,
                  struct err *err);

/* Asks the server whether the same connection still holds; after the thaw. Under BACKUP STAGE the
 * proof is that BACKUP STAGE END succeeds, so the lock is gone afterwards.
 *   false  could not ask: not proved */
bool db_lock_prove(struct db_lock *lock, int64_t deadline_ms, struct proof *ret_proof,
                   struct err *err);

/* Lets go of all that may be held. Idempotent, not cancellable.
 *   false  the server refuses or does not answer: close it, and the server lets go
 * In both cases, where lock->desynced is still true: db_lock_resync from a new connection. */
bool db_lock_release(struct db_lock *lock, int64_t deadline_ms, struct err *err);

/* Takes wsrep_desync back through any connection. */
bool db_lock_resync(struct db_lock *lock, struct db *db, int64_t deadline_ms, struct err *err);

#endif
