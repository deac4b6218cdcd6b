/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_POSITION_H
#define STILLPOINT_VERIFY_POSITION_H

#include "agent/daemon/backup_record.h"

/* Where a backup says that its server's logs stood, against what the copy has. Pure. */

struct verify_log {
    char *name;    /* "binlog.000007" */
    int64_t bytes; /* 0: listed by the server, and not there */
    /* From here to its end there is no statement, only what the server notes for itself whatever is
     * locked: MariaDB's Binlog_checkpoint. 0: not known */
    int64_t idle_from;
};

struct verify_logs {
    struct verify_log *list; /* as the server on the copy lists them: the last is its own, begun
                                when it started */
    size_t count;
    char *gtid; /* executed there; NULL: not known */
};

void verify_logs_free(struct verify_logs *logs); /* idempotent */

/* Each finding is a sentence with both sides in it.
 *   recorded      binlog_file NULL: nothing is said of the logs, only of what lacks among them
 *   ret_findings  added to
 *   ret_found     where the copy's logs ended: "binlog.000007:73421"; "" unknown; 300 bytes */
bool verify_position_judge(const struct backup_database *recorded, const struct verify_logs *logs,
                           struct strs *ret_findings, char *ret_found, struct err *err);
enum { VERIFY_FOUND_BYTES = 300 };

/* Whether NAME can stand between quotes in a statement. */
bool verify_log_name_plain(const char *name);

#endif
