/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_TALK_H
#define STILLPOINT_CLI_TALK_H

#include "agent/cli/cli_outcome.h"
#include "agent/cli/cli_run.h"

/* backup, list, show, status, doctor: asks the daemon at SOCKET_PATH, shows what it says, returns
 * the exit code. Only backup changes anything; a connection that is lost once it was asked for is
 * CLI_EXIT_UNKNOWN, with how to look. */
int cli_talk(const struct cli *cli, const char *socket_path);
/* The same, and the id that the daemon has given or found; "". */
int cli_talk_named(const struct cli *cli, const char *socket_path, char ret_id[CLI_ID_BYTES]);

#endif
