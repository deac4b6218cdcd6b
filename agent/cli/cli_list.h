/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_LIST_H
#define STILLPOINT_CLI_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/cli_run.h"
#include "agent/cli/cli_table.h"

/* `stillpoint list`: rows as they come. As JSON each is written at once; for people only the cells
 * of the table are kept (about 500 bytes a row), since columns are as wide as their widest. */

enum { CLI_LIST_BROKEN_MAX = 5, CLI_LIST_WHY_BYTES = 300 };

struct cli_list {
    const struct cli *cli;
    struct cli_page page; /* for people all of it; of JSON what is not written yet */
    struct cli_table table;
    size_t count;
    size_t broken; /* rows with a reason; the first are kept: */
    char broken_ids[CLI_LIST_BROKEN_MAX][64];
    char broken_whys[CLI_LIST_BROKEN_MAX][CLI_LIST_WHY_BYTES];
    bool unwritten; /* stdout took no more, which was said */
};

/* CLI and its options are borrowed. The list ends with cli_list_free. */
void cli_list_begin(struct cli_list *list, const struct cli *cli);
/* One row, of a backup or with --by-node of a node. */
void cli_list_row(struct cli_list *list, const json_t *row, int64_t now_utc_us);
/* All rows are there, SUMS is the daemon's last word: fills the page, and writes it.
 *   false  it could not be written, and that was said */
bool cli_list_end(struct cli_list *list, const json_t *sums, int64_t now_utc_us);
void cli_list_free(struct cli_list *list); /* idempotent */

#endif
