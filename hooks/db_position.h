/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_POSITION_H
#define STILLPOINT_DB_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hooks/db_server.h"

/* Where the server's logs stood. */

enum { DB_NAME_BYTES = 512, DB_GTID_BYTES = 8192, DB_CHANNELS_MAX = 16 };

/* One source of a replica. */
struct db_channel {
    char name[65]; /* "" for the default one */
    char source_host[256];
    char source_file[DB_NAME_BYTES]; /* of the source's binary log, up to which was executed here */
    int64_t source_pos;
    bool exact; /* false: a lower bound, since commits went on or several threads apply: those note
                   their progress now and then; or the one that does was not seen to wait. (The
                   copy's own tables have it exactly) */
};

struct db_position {
    bool binlog;                     /* there is a binary log: the next three are facts */
    char binlog_file[DB_NAME_BYTES]; /* without a directory */
    int64_t binlog_pos;
    bool exact;               /* commits waited when it was read; false: a lower bound */
    char gtid[DB_GTID_BYTES]; /* executed here; "" none */
    bool gtid_cut;            /* longer than that, and left out */
    struct db_channel channels[DB_CHANNELS_MAX];
    size_t channel_count;
    int64_t wsrep_last_committed; /* -1 where this is no Galera node */
};

/* Reads it, under whatever lock is held now.
 *   exact  commits wait. A replica's applier is given some 20 ms to come to wait, too
 *   false  ret_position is untouched; ERR_DB, ERR_DEADLINE, … */
bool db_position_read(struct db *db, const struct db_server *server, bool exact,
                      int64_t deadline_ms, struct db_position *ret_position, struct err *err);

#endif
