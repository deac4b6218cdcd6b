/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_COMMAND_H
#define STILLPOINT_CLI_COMMAND_H

#include "agent/cli/cli_run.h"
#include "agent/daemon/config.h"

/* run: takes a backup, then runs cli->options->words with our stdin and stdout, in our process
 * group (so that Ctrl-C and Ctrl-Z at the terminal are its own), passing on the signals that only
 * we get. Afterwards, how to go back is said on stderr. Returns the exit code: COMMAND's, or
 * CLI_EXIT_NOT_RUN and what follows it. With --max-age a node that another job has is waited for,
 * as long as [upgrade] wait.
 *   fault  of the configuration, with --best-effort: no backup can be taken, and CONFIG is NULL;
 *          NULL */
int cli_command(const struct cli *cli, const struct config *config, const struct err *fault);

#endif
