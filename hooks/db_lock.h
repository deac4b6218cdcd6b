/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_LOCK_H
#define STILLPOINT_DB_LOCK_H

#include <limits.h>

#include "agent/base/buf.h"
#include "hooks/db.h"
#include "hooks/hook.h"

/* From the kind of server to the lock that holds it, and to the position under that lock.
 *
 * MariaDB >= 10.4   BACKUP STAGE       commits wait
 * MySQL >= 8.0      LOCK INSTANCE FOR BACKUP, which blocks DDL only: commits go on, and the
 *                   position is a lower bound. With FTWRL as well where other engines have tables,
 *                   the redo log is not flushed at each commit, or an exact position is wanted
 * Percona < 8.0     LOCK TABLES FOR BACKUP, LOCK BINLOG FOR BACKUP (binlog can't move: exact)
 * Percona >= 8.0    LOCK TABLES FOR BACKUP, log_status: commits to InnoDB go on
 * else              FLUSH TABLES WITH READ LOCK (FTWRL) */

enum db_kind { DB_KIND_MYSQL, DB_KIND_MARIADB, DB_KIND_PERCONA };

enum db_method {
    DB_METHOD_AUTO,
    DB_METHOD_BACKUP_STAGE,
    DB_METHOD_LOCK_INSTANCE,
    DB_METHOD_PERCONA,
    DB_METHOD_FTWRL,
    DB_METHOD_NONE, /* no lock: the label cannot be `application` for tables that need one */
};

const char *db_method_name(enum db_method method); /* as configured: "backup-stage" … Static. */
bool db_method_parse(const char *text, enum db_method *ret_method); /* false: none of them */
const char *db_kind_name(enum db_kind kind);                        /* "MariaDB" … Static. */

/* --- what the server is (pure) ------------------------------------------------------------- */

struct db_version {
    enum db_kind kind;
    int number; /* 10.11.6 is 101106, 8.0.36 is 80036 */
};

/* From VERSION() and @@version_comment; COMMENT may be "". False: no number in it. */
bool db_version_parse(const char *text, const char *comment, struct db_version *ret_version);

/* What the choice depends on. */
struct db_facts {
    struct db_version version;
    enum db_method asked; /* AUTO, or the operator's */
    bool exact_wanted;    /* the operator's, or the plan can't freeze the binlog's mount first */
    bool log_bin;         /* there is a binary log */
    int flush_at_commit;  /* innodb_flush_log_at_trx_commit; -1 unknown, taken for not 1 */
    int64_t other_tables; /* user tables of engines other than InnoDB; -1 unknown: taken for
                             some */
};

struct db_choice {
    enum db_method method;
    bool with_ftwrl;    /* LOCK_INSTANCE and FTWRL */
    bool commits_go_on; /* InnoDB commits between position and freeze: the binlog's mount must be
                           frozen before the data's, and the position is a lower bound */
    bool flush_engine_logs; /* before the position is read */
    char why[160];
};

/* False: ERR_CONFIG, the operator's method is not one that this server has. */
bool db_choose(const struct db_facts *facts, struct db_choice *ret_choice, struct err *err);

/* --- asking it ------------------------------------------------------------------------------- */

enum db_path_role {
    DB_PATH_DATA,        /* datadir */
    DB_PATH_INNODB_DATA, /* system and other tablespaces outside the datadir */
    DB_PATH_INNODB_LOG,  /* redo */
    DB_PATH_INNODB_UNDO,
    DB_PATH_BINLOG, /* the directory of the binary log */
    DB_PATH_RELAY_LOG,
    DB_PATH_ARIA_LOG,
    DB_PATH_SERVER_LOG, /* general, slow, error log: need not be in the set, but statements wait
                           while it is frozen */
};

const char *db_path_role_name(enum db_path_role role); /* "datadir", "binary log" … Static. */

struct db_path {
    enum db_path_role role;
    char path[PATH_MAX]; /* absolute directory; symbolic links not resolved */
};

enum { DB_PATHS_MAX = 64, DB_NAME_BYTES = 512, DB_GTID_BYTES = 8192, DB_CHANNELS_MAX = 16 };

struct db_server {
    char version_text[DB_VERSION_BYTES]; /* "10.11.19-MariaDB" */
    struct db_facts facts;
    struct db_choice choice;
    bool replica; /* has at least one channel configured */
    bool read_only;
    bool galera;           /* wsrep_on: desynced for the hold */
    bool gtid;             /* MySQL: gtid_mode ON */
    struct db_path *paths; /* path_count of them, each directory once per role */
    size_t path_count;
    char note[200]; /* what could not be found out and was taken for the worse; "" else */
};

#define DB_SERVER_INIT                                                                             \
    {                                                                                              \
        .path_count = 0                                                                            \
    }

/* Asks, and chooses.
 *   asked, exact_wanted  from the configuration
 *   false  ERR_DB with the missing grant in the remedy, ERR_CONFIG from db_choose, ERR_DEADLINE… */
bool db_server_ask(struct db *db, enum db_method asked, bool exact_wanted, int64_t deadline_ms,
                   struct db_server *ret_server, struct err *err);
void db_server_free(struct db_server *server); /* idempotent */

/* --- the position ----------------------------------------------------------------------------- */

struct db_channel {
    char name[65]; /* "" for the default one */
    char source_host[256];
    char source_file[DB_NAME_BYTES]; /* of the source's binary log, up to which was executed here */
    int64_t source_pos;
};

struct db_position {
    bool binlog;                     /* there is one, and the next four are facts */
    char binlog_file[DB_NAME_BYTES]; /* base name */
    int64_t binlog_pos;
    bool exact;               /* false: lower bound */
    char gtid[DB_GTID_BYTES]; /* "" none or unknown; longer ones are left out: gtid_cut */
    bool gtid_cut;
    struct db_channel channels[DB_CHANNELS_MAX];
    size_t channel_count;
    int64_t wsrep_last_committed; /* -1 where this is no Galera node */
};

/* --- the lock -----------------------------------------------------------------------------------
 */

/* The caller's, all zero before db_lock_begin. */
struct db_lock {
    struct db *db; /* borrowed */
    struct db_choice choice;
    enum db_kind kind;
    int version_number;
    bool begun, taken, desynced;
    bool stage;            /* a BACKUP STAGE may be open */
    bool tables, instance; /* FTWRL (or Percona's), LOCK INSTANCE may be held */
    unsigned long connection_id;
};

/* What can be done while writers run: BACKUP STAGE START, the look for what the lock would wait
 * for. False: nothing is held. ERR_DB_LOCK names the threads in the way. */
bool db_lock_begin(struct db_lock *lock, struct db *db, const struct db_server *server,
                   int64_t lock_wait_ms, int64_t deadline_ms, struct err *err);

/* Takes the lock and reads the position under it. Waits LOCK_WAIT_MS at most for it (whole
 * seconds). False: everything is let go before it returns; ERR_DB_LOCK names who was in the way,
 * where the server tells. */
bool db_lock_take(struct db_lock *lock, const struct db_server *server, int64_t lock_wait_ms,
                  int64_t deadline_ms, struct db_position *ret_position, struct err *err);

/* Asks the server whether the same connection still holds. After the thaw. Under BACKUP STAGE the
 * proof is BACKUP STAGE END itself, so the lock is gone afterwards.
 *   false  could not ask: not proved */
bool db_lock_prove(struct db_lock *lock, int64_t deadline_ms, struct proof *ret_proof,
                   struct err *err);

/* Lets go. Idempotent, good for a half-taken lock, not cancellable. False: the connection did not
 * answer; the caller closes it, at which the server lets go. */
bool db_lock_release(struct db_lock *lock, int64_t deadline_ms, struct err *err);

/* --- rights --------------------------------------------------------------------------------------
 */

/* The CREATE USER and GRANT statements, one a line, that let USER (a login of this machine, by the
 * socket alone) do what CHOICE needs on such a server, and nothing else.
 *   galera, replica  from struct db_server, or false where unknown */
bool db_grants_text(const struct db_version *version, const char *user, bool galera,
                    struct buf *ret_text, struct err *err);

#endif
