/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_TABLES_H
#define STILLPOINT_VERIFY_TABLES_H

#include "agent/daemon/job.h"
#include "agent/daemon/strs.h"
#include "hooks/db.h"

/* CHECK TABLE on a copy's server. */

struct verify_tables_options {
    bool deep;        /* every table, the others than InnoDB's EXTENDED */
    bool application; /* the set answers for tables without transactions, too */
    const char *seed; /* the backup's id: each backup has another sample */
};

struct verify_tables {
    int64_t tables, checked;
    int64_t left;         /* InnoDB's that the sample has not */
    int64_t unpromised;   /* of engines without transactions, of a set that does not answer for
                             them: not looked at */
    struct strs findings; /* sentences */
    struct strs closed;   /* tables that this server can't open: of an engine that it has not, or
                             encrypted with a key that it has not */
    struct strs remarks;  /* what the server remarked on tables that it calls good */
    bool server_gone;     /* it ended in the middle of it: among the findings */
};

/* All that are not InnoDB's, and of those of InnoDB all (deep) or a sample: in an order that is
 * another for each backup, for some seconds and a few tables at least, none of them large.
 *   ret_tables  verify_tables_free, also after false
 *   false       ERR_DB: not even their list is to be had; ERR_DEADLINE, ERR_CANCELLED, … */
bool verify_tables_check(struct job *job, struct db *db,
                         const struct verify_tables_options *options, int64_t deadline_ms,
                         struct verify_tables *ret_tables, struct err *err);
void verify_tables_free(struct verify_tables *tables); /* idempotent */

#endif
