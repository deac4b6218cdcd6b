/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_FIRST_H
#define STILLPOINT_CLI_FIRST_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/cli_outcome.h"
#include "agent/cli/cli_run.h"

/* The backup that is taken before something else: by `run` and by `pre-upgrade`. */

struct cli_first {
    int exit_code;         /* of the backup */
    bool interrupted;      /* by a signal, whatever became of the backup: nothing else is done */
    bool timed_out;        /* the time to wait was over first */
    char id[CLI_ID_BYTES]; /* of what one can go back to; "": there is no such backup */
    char open_id[CLI_ID_BYTES]; /* of one whose outcome is not known; "" */
    char label[24];             /* what it is: "application"; "" */
    int64_t age_s;              /* of one that was there already; -1: it is new */
};

/* Asks for a backup as cli->options say (of whatever command) and says on stderr what becomes of
 * it; nothing goes to stdout. With a deadline, or cli->busy_until_ms, a node that another job has
 * is waited for. */
void cli_first_take(const struct cli *cli, const char *socket_path, struct cli_first *ret_first);

/* "to go back: stillpoint rollback ID", with what is to be known of it; or that there is none. Two
 * lines at most.
 *   what  before which it was taken: "the upgrade" */
void cli_first_way_back(struct cli_page *page, const struct cli_first *first, const char *what);

#endif
