/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_H
#define STILLPOINT_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* One connection to a MySQL or MariaDB server over its unix socket, every statement bounded by an
 * absolute deadline. The client libraries can't do that themselves (their time-outs have whole
 * seconds, and are ignored once connected), so each connection has a thread that sleeps in the
 * kernel until a timer or the cancel fires, and then shuts the socket down under the statement.
 * After that the connection is dead and never comes back by itself: a lock that it held is gone
 * (or goes when the server notices), and nothing may take a new connection for the old.
 *
 * One thread at a time. Nothing here logs; no error text has a password or a statement's values. */
struct db;

struct db_target {
    const char *socket;        /* absolute path of the server's socket */
    const char *user;          /* NULL: the name of the user that we run as */
    const char *defaults_file; /* NULL: no password, the socket itself is the credential; else the
                                  [client] group of this file, in which user and password stand */
};

/* The first of the usual places where a socket lies, or NULL. Static. */
const char *db_find_socket(void);

/* Connects and logs in.
 *   cancel  borrowed until db_close, NULL for none; heeded by db_query and db_exec unless told
 *   false   ERR_DB with db_server_errno-like number in the text and a remedy; ERR_DEADLINE;
 *           ERR_CANCELLED. Bounded by the deadline to the second above it, at most 5 s. */
bool db_open(const struct db_target *target, int64_t deadline_ms, const struct cancel *cancel,
             struct db **ret_db, struct err *err);
void db_close(struct db *db); /* NULL is fine; bounded; the server lets go of everything */

/* The server's version as its greeting tells it to everybody, without logging in: for the remedy
 * where nobody can log in yet. VERSION has room for DB_VERSION_BYTES. */
enum { DB_VERSION_BYTES = 128 };
bool db_peek_version(const char *socket, int64_t deadline_ms, char *ret_version, struct err *err);

/* An answer, whole in memory. */
struct db_rows {
    size_t row_count, column_count;
    char **names; /* column_count */
    char **cells; /* row_count * column_count, row after row; NULL is SQL's NULL */
};

#define DB_ROWS_INIT                                                                               \
    {                                                                                              \
        0, 0, NULL, NULL                                                                           \
    }

enum {
    DB_ROWS_MAX = 10000,
    DB_ROWS_BYTES_MAX = 1024 * 1024,
};

/* SQL is a constant or has numbers of ours in it, nothing from outside.
 *   cancel     heed the connection's cancel; false where letting go must go on
 *   ret_rows   caller's, db_rows_free; empty for a statement without an answer; NULL: not wanted
 *   false      ERR_DB: the server refused (db_errno says how), the connection is as before, or it
 *              is gone (db_alive); ERR_DB_LOCK: lock wait time-out, the server's own or a deadlock;
 *              ERR_DEADLINE, ERR_CANCELLED: the connection is dead; ERR_LIMIT: more rows or bytes
 *              than above, the connection is dead */
bool db_query(struct db *db, const char *sql, bool cancellable, int64_t deadline_ms,
              struct db_rows *ret_rows, struct err *err);
bool db_exec(struct db *db, const char *sql, bool cancellable, int64_t deadline_ms,
             struct err *err);

void db_rows_free(struct db_rows *rows); /* idempotent */
/* The cell of the named column (case does not matter), or NULL where it is NULL or not there. */
const char *db_rows_get(const struct db_rows *rows, size_t row, const char *column);

/* Facts of the last failed statement, and of the connection. */
unsigned db_errno(const struct db *db); /* the server's number, 0 where it was not it */
bool db_alive(const struct db *db);     /* false after a cut or lost connection */
unsigned long db_connection_id(const struct db *db); /* as the server named it at log-in */

/* What makes the server itself let go where we are stopped and can't: wait_timeout,
 * net_read_timeout and net_write_timeout of this session, LEASE_MS rounded down to whole seconds,
 * at least 1. lock_wait_timeout (and InnoDB's) to LOCK_WAIT_MS, whole seconds, at least 1. */
bool db_bound_session(struct db *db, int64_t lease_ms, int64_t lock_wait_ms, int64_t deadline_ms,
                      struct err *err);

#endif
