/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CREDENTIALS_FILE_H
#define STILLPOINT_CREDENTIALS_FILE_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "aws/credentials.h"

/* Reads [PROFILE] of an AWS credentials file into RET_KEY (replaced on true, untouched on false).
 * Not through inih: its lines end at 200 bytes as distributions build it, a session token does not,
 * and it leaves secrets on the stack.
 *   false  ERR_CREDENTIALS no file, no such profile, a key missing; ERR_SYS, ERR_LIMIT */
bool credentials_read_file(const char *path, const char *profile, struct credentials_key *ret_key,
                           struct err *err);

#endif
