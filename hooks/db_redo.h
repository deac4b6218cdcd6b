/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_REDO_H
#define STILLPOINT_DB_REDO_H

#include "hooks/db.h"
#include "hooks/db_choice.h"

/* Where commits don't write InnoDB's log (innodb_flush_log_at_trx_commit other than 1) the newest
 * ones are in the server's memory, where no freeze reaches them, while the binary log has them. */

/* Has everything that is committed now written to the log's file. Under a lock at which commits
 * wait, before the position is read. Takes a millisecond; on MariaDB up to at least 10.11 with the
 * setting 0 up to a second, and fails where innodb_flush_log_at_timeout is longer than two.
 *   false  ERR_DB, ERR_DEADLINE, …: not known to be written */
bool db_redo_flush(struct db *db, const struct db_facts *facts, int64_t deadline_ms,
                   struct err *err);

#endif
