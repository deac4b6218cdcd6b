/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_MESSAGE_H
#define STILLPOINT_VERIFY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "hooks/db.h"

/* How the answer of CHECK TABLE is to be taken. It has the table's name in it, which is anything.
 * Pure. */

enum verify_message {
    VERIFY_MESSAGE_GOOD,
    VERIFY_MESSAGE_REMARK,
    VERIFY_MESSAGE_CLOSED, /* the server can't open the table: it has not its engine, or its key */
    VERIFY_MESSAGE_FAULT,
};

/* One row.
 *   application  the set answers for tables without transactions, too */
enum verify_message verify_message_judge(const char *type, const char *text, bool application);

/* All rows about one table (Msg_type, Msg_text): the worst that is said. Where it is closed, that
 * it could not be opened, and is called corrupt for that, is no fault besides.
 *   ret_row  the first that says so; 0 where all are good */
enum verify_message verify_message_whole(const struct db_rows *rows, bool application,
                                         size_t *ret_row);

#endif
