/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_RUN_H
#define STILLPOINT_CLI_RUN_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/base/err.h"
#include "agent/cli/cli_options.h"
#include "agent/cli/cli_page.h"

/* INTERFACE.md, Exit codes. */
enum cli_exit {
    CLI_EXIT_DONE = 0,
    CLI_EXIT_FAILED = 1,
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_LESS = 3,
    CLI_EXIT_BUSY = 4,
    CLI_EXIT_PRECONDITION = 5,
    CLI_EXIT_UNKNOWN = 6,
    CLI_EXIT_NOT_RUN = 125, /* of run: COMMAND was not, for a reason of ours */
    CLI_EXIT_NOT_EXECUTABLE = 126,
    CLI_EXIT_NO_PROGRAM = 127,
    CLI_EXIT_SIGNALLED = 128 /* and the signal's number */
};

enum { CLI_CANCEL_GRACE_MS = 3000 };

/* What one run of `stillpoint` has to do with. main makes it; tests make their own. */
struct cli {
    const struct cli_options *options;
    FILE *out, *err;
    struct cli_look look, err_look; /* of out and err */
    bool looks_only;                /* results are not printed, failures are */
    bool busy_is_told;              /* that another job has the node is no news, and not printed */
    int64_t deadline_ms;            /* clock_boot_ms(): a backup is cancelled then, and its answer
                                     * waited for CLI_CANCEL_GRACE_MS more; 0: never */
    int64_t busy_until_ms;          /* without a deadline: as long cli_first_take waits for a node
                                     * that another job has; 0: not at all */
    int signal_fd;                  /* SIGINT and SIGTERM as a signalfd, -1: they do what they do */
    const char *(*env)(const char *name);
    const char *group;       /* [daemon] group; NULL: not known yet */
    const char *self_folder; /* where our executable lies; NULL: not known */
    sigset_t own_mask;       /* what whoever started us has blocked, */
    bool pipe_ignored;       /* and whether SIGPIPE is ignored there: for what we run */
};

/* Does what the options say; returns the exit code. */
int cli_run(const struct cli *cli);

/* For the commands' own files: */

/* "stillpoint: TEXT", then the remedy and the state that the node is left in (NULL or "": none),
 * on stderr; with --json also as an error event on stdout. Returns EXIT_CODE. */
int cli_fail(const struct cli *cli, int exit_code, const struct err *why, const char *now);
/* One JSON value as a line on stdout. False: it could not be written, and that was said. */
bool cli_print_json(const struct cli *cli, const json_t *value);
/* The page on stdout, whatever was asked for; likewise. */
bool cli_print_raw(const struct cli *cli, const struct cli_page *page);
/* The page on stdout, likewise. With --quiet nothing. */
bool cli_print_page(const struct cli *cli, const struct cli_page *page);
/* The exit code that a failure of our own has. */
int cli_exit_of(enum err_kind kind);

#endif
