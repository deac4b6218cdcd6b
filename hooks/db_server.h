/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_SERVER_H
#define STILLPOINT_DB_SERVER_H

#include <limits.h>
#include <stddef.h>

#include "hooks/db.h"
#include "hooks/db_choice.h"

/* What the server says of itself: version, engines, replication, and where its files lie. */

enum db_path_role {
    DB_PATH_DATA,        /* datadir */
    DB_PATH_INNODB_DATA, /* system tablespace, and tablespaces that are elsewhere */
    DB_PATH_INNODB_LOG,  /* redo */
    DB_PATH_INNODB_UNDO,
    DB_PATH_BINLOG, /* the directory of the binary log */
    DB_PATH_RELAY_LOG,
    DB_PATH_ARIA_LOG,
    DB_PATH_SERVER_LOG, /* general or slow log in files: need not be in the set, but statements
                           wait while it is frozen */
};

const char *db_path_role_name(enum db_path_role role); /* "datadir", "binary log" … Static. */

/* As the server sees it: in a container or chroot not as we do. */
struct db_path {
    enum db_path_role role;
    char path[PATH_MAX]; /* a directory, absolute; symbolic links not resolved. (MyISAM and Aria
                            tables made with DATA DIRECTORY are links in the datadir: not listed) */
};

enum { DB_PATHS_MAX = 64 };

struct db_server {
    char version_text[DB_VERSION_BYTES]; /* "10.11.19-MariaDB" */
    struct db_facts facts;
    struct db_choice choice;
    bool replica;          /* has at least one channel configured */
    bool parallel_applier; /* several threads apply what the sources send */
    bool read_only;
    bool galera;           /* a Galera node: desynced for the hold */
    struct db_path *paths; /* path_count of them, each directory once per role */
    size_t path_count;     /* the datadir first */
    char *settings;        /* db_settings.h */
    char note[200];        /* what could not be found out and was taken for the worse; "" else */
};

#define DB_SERVER_INIT                                                                             \
    {                                                                                              \
        .path_count = 0                                                                            \
    }

/* Asks, and chooses. Each question is bounded; the one for engines gives up after a few seconds
 * and takes the worse.
 *   asked, exact_wanted  from the configuration
 *   ret_server           untouched on failure; the caller's, db_server_free
 *   false                ERR_DB with the missing grant in text or remedy; ERR_CONFIG from
 *                        db_choose; ERR_LIMIT; ERR_DEADLINE, ERR_CANCELLED */
bool db_server_ask(struct db *db, enum db_method asked, bool exact_wanted, int64_t deadline_ms,
                   struct db_server *ret_server, struct err *err);
void db_server_free(struct db_server *server); /* idempotent */

/* The statement that tells of all replication channels on such a server. Static. */
const char *db_server_replicas_sql(const struct db_version *version);

/* The directory of FILE (of FILE itself where it ends with a slash), made absolute below DATADIR.
 * Pure. False: it does not fit. */
bool db_path_directory(const char *datadir, const char *file, char ret_path[PATH_MAX]);

#endif
