/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_TALK_H
#define STILLPOINT_CLI_TALK_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/cli/cli_outcome.h"
#include "agent/cli/cli_run.h"

/* backup, list, show, status, doctor: asks the daemon at SOCKET_PATH, shows what it says, returns
 * the exit code. Only backup changes anything; a connection that is lost once it was asked for is
 * CLI_EXIT_UNKNOWN, with how to look. */
int cli_talk(const struct cli *cli, const char *socket_path);
struct cli_heard {
    char id[CLI_ID_BYTES]; /* that the daemon has given or found; "" */
    json_t *data;          /* of the result; NULL: there was none. The caller's */
    bool interrupted;      /* a signal came */
    bool timed_out;        /* cli->deadline_ms did */
};

/* The same, and what was heard; ret_heard->data is to be given back. */
int cli_talk_heard(const struct cli *cli, const char *socket_path, struct cli_heard *ret_heard);
/* The same, and the id that the daemon has given or found; "". */
int cli_talk_named(const struct cli *cli, const char *socket_path, char ret_id[CLI_ID_BYTES]);

#endif
