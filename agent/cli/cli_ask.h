/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_ASK_H
#define STILLPOINT_CLI_ASK_H

#include <jansson.h>

#include "agent/base/err.h"

/* The result of `status`, for commands that want to know something on the way. Waits 10 s at most
 * for each word of it.
 *   NULL  ERR says why; else given to the caller */
json_t *cli_ask_status(const char *socket_path, struct err *err);

#endif
