/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_THREADS_H
#define STILLPOINT_DB_THREADS_H

#include <stddef.h>

#include "hooks/db.h"
#include "hooks/db_choice.h"

/* Who runs long statements on the server, for messages: without the statements themselves, which
 * may have anything in them. */
struct db_threads {
    size_t count;
    char text[420]; /* "thread 12 (app in kaltura, 431 s: Sending data), …"; the longest three */
    char first_id[24]; /* of the longest */
};

/* Those that have been running for AT_LEAST_S and that FTWRL waits for on such a server. An open
 * transaction that does nothing delays none of the locks (measured).
 *   false  ERR_DB, ERR_DEADLINE */
bool db_threads_find(struct db *db, const struct db_version *version, int64_t at_least_s,
                     int64_t deadline_ms, struct db_threads *ret_threads, struct err *err);

#endif
