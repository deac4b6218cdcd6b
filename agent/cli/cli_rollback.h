/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_ROLLBACK_H
#define STILLPOINT_CLI_ROLLBACK_H

#include <jansson.h>

#include "agent/cli/cli_page.h"
#include "agent/cli/cli_run.h"

/* Asks the daemon for a rollback; returns the exit code. What changes something is shown first and
 * has to be confirmed at a terminal, unless --yes was given. */
int cli_rollback(const struct cli *cli, const char *socket_path);

/* The daemon's result: a preview (it has steps), or in what state the rollback is. */
void cli_rollback_show(struct cli_page *page, const json_t *data);
/* Its line in `status`: how far it is, else how the LAST one ended; none where there was none. */
void cli_rollback_status(struct cli_page *page, const json_t *rollback, const json_t *last);

#endif
