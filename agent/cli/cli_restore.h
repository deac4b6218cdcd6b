/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_RESTORE_H
#define STILLPOINT_CLI_RESTORE_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/cli/cli_options.h"
#include "agent/cli/cli_page.h"

/* `restore`, this end of it. */

/* Adds what the options say of a restore to ARGS. The file of --user-data is read here: it is the
 * caller's, with the caller's rights.
 *   false  ERR_USAGE: that file can't be read, or is larger than EC2 takes */
bool cli_restore_args(const struct cli_options *options, json_t *args, struct err *err);

/* What was made, or (with --dry-run) what would be. */
void cli_restore_show(struct cli_page *page, const struct cli_options *options, const json_t *data);

#endif
