/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_CHOICE_H
#define STILLPOINT_DB_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* From the kind of server to the lock that holds it. Pure: no I/O, decided by tables.
 *
 * MariaDB >= 10.4     BACKUP STAGE: commits wait
 * MySQL >= 8.0        LOCK INSTANCE FOR BACKUP, which blocks DDL only: commits go on, and the
 *                     position is a lower bound. FTWRL as well where other engines have tables, the
 *                     redo log is not flushed at each commit, or an exact position is wanted
 * Percona >= 8.0      LOCK TABLES FOR BACKUP, which holds other engines too: commits to InnoDB go
 *                     on. FTWRL as well for the other two reasons
 * Percona 5.6, 5.7    LOCK TABLES FOR BACKUP, LOCK BINLOG FOR BACKUP: nothing reaches the binary
 *                     log, so commits wait where there is one
 * else                FLUSH TABLES WITH READ LOCK (FTWRL) */

enum db_kind { DB_KIND_MYSQL, DB_KIND_MARIADB, DB_KIND_PERCONA };

enum db_method {
    DB_METHOD_AUTO,
    DB_METHOD_BACKUP_STAGE,
    DB_METHOD_LOCK_INSTANCE,
    DB_METHOD_PERCONA,
    DB_METHOD_FTWRL,
    DB_METHOD_NONE, /* no lock: never proved, so the label is never `application` */
    DB_METHOD_COUNT
};

const char *db_method_name(enum db_method method); /* as configured: "backup-stage" … Static. */
bool db_method_parse(const char *text, enum db_method *ret_method); /* false: none of them */
const char *db_kind_name(enum db_kind kind);                        /* "MariaDB" … Static. */

struct db_version {
    enum db_kind kind;
    int number; /* 10.11.6 is 101106, 8.0.36 is 80036 */
};

/* Versions at which something changed, as numbers. */
enum {
    DB_MARIADB_BACKUP_STAGE = 100400,
    DB_MYSQL_LOCK_INSTANCE = 80000,
    DB_PERCONA_BACKUP_LOCKS = 50616,
};

/* From VERSION() (or the greeting's text) and @@version_comment, which may be "".
 *   false  there is no version number in it; ret_version is untouched */
bool db_version_parse(const char *text, const char *comment, struct db_version *ret_version);

/* What the choice depends on. */
struct db_facts {
    struct db_version version;
    enum db_method asked; /* AUTO, or the operator's */
    bool exact_wanted;    /* the operator's, or the plan can't freeze the binlog's mount first */
    bool log_bin;         /* there is a binary log */
    int flush_at_commit;  /* innodb_flush_log_at_trx_commit; -1 unknown: taken for not 1 */
    int64_t other_tables; /* user tables of engines other than InnoDB; -1 unknown: taken for some */
};

struct db_choice {
    enum db_method method;
    bool with_ftwrl;    /* FTWRL as well as the method */
    bool commits_go_on; /* InnoDB commits between position and freeze: the binlog's mount must be
                           frozen before the data's, and the position is a lower bound */
    bool flush_engine_logs; /* before the position is read */
    char why[160];
};

/* False: ERR_CONFIG, the operator's method is not one that this server has. */
bool db_choose(const struct db_facts *facts, struct db_choice *ret_choice, struct err *err);

/* The CREATE USER and GRANT statements, one a line, that let USER (a login of this machine, by the
 * socket alone) do what the choices above need on such a server, and nothing else.
 *   galera  is one: SUPER too, for wsrep_desync */
bool db_grants_text(const struct db_version *version, const char *user, bool galera,
                    struct buf *ret_text, struct err *err);

#endif
