/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_GTID_H
#define STILLPOINT_DB_GTID_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* What was executed, as the servers write it, compared. Pure.
 *
 * MariaDB: "0-1-991,5-2-17", the last of each domain (domain-server-sequence). MySQL: a set,
 * "UUID:1-991:995,UUID:TAG:3". */

enum db_gtid_order {
    DB_GTID_EQUAL,
    DB_GTID_BEHIND, /* all of A is in B, which has more */
    DB_GTID_BEYOND, /* A has what B has not */
};

/*   false  ERR_PROTOCOL: one of them is neither (cut, for instance); ERR_INTERNAL */
bool db_gtid_compare(const char *a, const char *b, enum db_gtid_order *ret_order, struct err *err);

#endif
