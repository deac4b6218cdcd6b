/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_SERVER_LOG_H
#define STILLPOINT_VERIFY_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum { VERIFY_SERVER_LOG_WHY_BYTES = 1232 };

/* The lines of a server's log that say why it ended, in one: those of the level ERROR, and those
 * without a level that its libraries write ("mysqld: File '…' not found"). Pure.
 *   ret_why  room for VERIFY_SERVER_LOG_WHY_BYTES */
void verify_server_log_why(const char *log, char *ret_why);
/* Does it say that a key is missing, of an encrypted redo log or dictionary? The names of files and
 * tables in it don't count. Pure.
 *   why  of verify_server_log_why */
bool verify_server_log_wants_key(const char *why);

#endif
