/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_PRUNE_H
#define STILLPOINT_CLI_PRUNE_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/cli/cli_page.h"

/* What prune, delete, pin and unpin came to, as pages for people. */

/* ROWS: what went, or with -n what there is, and why; DATA: the sums.
 *   with_nodes  also whose they are */
void cli_prune_show(struct cli_page *page, const json_t *rows, const json_t *data, bool with_nodes);
void cli_pin_show(struct cli_page *page, const json_t *data);

#endif
