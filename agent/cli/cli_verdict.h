/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_VERDICT_H
#define STILLPOINT_CLI_VERDICT_H

#include <jansson.h>

#include "agent/cli/cli_page.h"

/* What a verify came to; its checks were shown as they came. Or, of a dry run, what it would make.
 */
void cli_verdict_show(struct cli_page *page, const json_t *data);

#endif
