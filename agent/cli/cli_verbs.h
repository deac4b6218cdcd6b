/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_VERBS_H
#define STILLPOINT_CLI_VERBS_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* The verbs and options of `stillpoint`, as two tables, and the help made of them. */

enum cli_command {
    CLI_NO_COMMAND,
    CLI_BACKUP,
    CLI_LIST,
    CLI_SHOW,
    CLI_STATUS,
    CLI_DOCTOR,
    CLI_CONFIG,
    CLI_THAW,
    CLI_IAM_POLICY,
    CLI_COMMAND_COUNT
};

#define CLI_FOR(command) (1U << (command))
#define CLI_FOR_ALL      ((1U << CLI_COMMAND_COUNT) - 1)

struct cli_verb {
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *line;     /* in the list of commands */
    const char *about;    /* in its own help */
};

enum cli_option_id {
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_CONFIG,
    CLI_OPTION_VERSION,
    CLI_OPTION_HELP,
    CLI_OPTION_DRY_RUN,
    CLI_OPTION_REASON,
    CLI_OPTION_CONSISTENCY,
    CLI_OPTION_WAIT,
    CLI_OPTION_IMAGE,
    CLI_OPTION_NO_IMAGE,
    CLI_OPTION_KEEP,
    CLI_OPTION_PIN,
    CLI_OPTION_TAG,
    CLI_OPTION_ALL_NODES,
    CLI_OPTION_GROUP,
    CLI_OPTION_BY_NODE,
    CLI_OPTION_NODE,
    CLI_OPTION_SINCE,
    CLI_OPTION_UNTIL,
    CLI_OPTION_STATE,
    CLI_OPTION_LIMIT,
    CLI_OPTION_FORCE,
    CLI_OPTION_ROLE,
    CLI_OPTION_WITH,
    CLI_OPTION_BILLED,
    CLI_OPTION_KMS_KEY,
    CLI_OPTION_PASS_ROLE,
    CLI_OPTION_COUNT
};

struct cli_option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: takes none */
    unsigned commands;    /* CLI_FOR(…) bits */
    const char *about;
};

extern const struct cli_verb cli_verbs[CLI_COMMAND_COUNT]; /* that of CLI_NO_COMMAND is empty */
extern const struct cli_option cli_option_table[CLI_OPTION_COUNT];

/* What --help prints: of COMMAND, or of the program for CLI_NO_COMMAND. */
bool cli_verbs_help(enum cli_command command, struct buf *ret_text, struct err *err);

#endif
