/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_OUTCOME_H
#define STILLPOINT_CLI_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/cli/cli_list.h"
#include "agent/cli/cli_run.h"

/* What a talk with the daemon came to, and how that is said. */

enum cli_end {
    CLI_END_ANSWERED, /* last is a result or an error */
    CLI_END_LOST,     /* why: nothing more is coming */
    CLI_END_LEFT,     /* told by a second signal to leave */
    CLI_END_GOES_ON   /* last says that the job is past its cut and goes on without us */
};

enum { CLI_ID_BYTES = 64 };

struct cli_outcome {
    const struct cli *cli;
    json_t *rows;                /* items or checks, as they came; */
    struct cli_list list;        /* but those of `list` */
    json_t *last;                /* the event that ended it, or NULL */
    char id[CLI_ID_BYTES];       /* of the backup, once it was accepted; else "" */
    bool changes;                /* what was asked for changes something */
    bool released;               /* the daemon has said that everything runs again */
    bool timed_out;              /* cli->deadline_ms came first */
    char warned[ERR_TEXT_BYTES]; /* the last warning's text; "" */
    struct err why;
};

/* "backup sp-…", "restore instance sp-…": what is being done, with what. */
void cli_outcome_name(struct cli_page *page, const struct cli_options *options, const char *id);

/* Prints the result or the failure; returns the exit code. A backup that was asked for and of which
 * no end was heard is CLI_EXIT_UNKNOWN. */
int cli_outcome_tell(struct cli_outcome *outcome, enum cli_end end);

#endif
