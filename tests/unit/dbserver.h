/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TESTS_DBSERVER_H
#define STILLPOINT_TESTS_DBSERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hooks/db.h"

/* A real MariaDB of the test's own: a directory below /tmp, a socket in it, no network, dead with
 * the test. root of the database has no password. */
struct dbserver {
    char dir[64];
    char socket[96];
    pid_t pid;
};

bool dbserver_available(void); /* mariadbd is installed */
/* Only the directory, for a server some of whose files shall lie elsewhere in it. */
void dbserver_make_dir(struct dbserver *server);
/* Makes an empty database and runs the server with these further OPTIONS (NULL-ended, or NULL).
 * Fails the test on trouble. */
void dbserver_start(struct dbserver *server, const char *const *options);
void dbserver_stop(struct dbserver *server); /* removes everything; idempotent */
void dbserver_kill(struct dbserver *server); /* SIGKILL; the directory stays */
void dbserver_run(struct dbserver *server, const char *const *options); /* again, after a kill */

/* A connection as root that fails the test on trouble. */
struct db *dbserver_connect(const struct dbserver *server);
/* Runs one statement as root; fails the test on trouble. */
void dbserver_sql(const struct dbserver *server, const char *sql);
/* The same, and its only cell as text (free) or a number. */
char *dbserver_text(const struct dbserver *server, const char *sql);
long dbserver_number(const struct dbserver *server, const char *sql);

/* A statement run beside the test, on a connection and a thread of its own. */
struct dbside {
    pthread_t thread;
    char socket[96];
    char sql[3][200]; /* run one after the other; "" ends */
    bool ok;          /* after dbside_join */
    int64_t took_ms;
    unsigned long connection_id; /* once started */
    _Atomic bool connected;
};

void dbside_start(struct dbside *side, const struct dbserver *server, const char *first,
                  const char *second, const char *third);
/* Waits until the server has it in its process list with this state or command for statements
 * that wait; STATE is a part of STATE or COMMAND. */
void dbside_await(const struct dbserver *server, unsigned long connection_id, const char *state);
void dbside_join(struct dbside *side);

#endif
