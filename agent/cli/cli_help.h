/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_HELP_H
#define STILLPOINT_CLI_HELP_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/cli/cli_verbs.h"

/* What --help prints: of COMMAND, or of the program for CLI_NO_COMMAND. Options that only some
 * kinds of a command have stand under each of these. Pure. */
bool cli_help_make(enum cli_command command, struct buf *ret_text, struct err *err);

/* What it says of that option; one line or more. KIND may be NULL. Static. */
const char *cli_help_option(enum cli_option_id id, enum cli_command command, const char *kind);

#endif
