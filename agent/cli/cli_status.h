/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_STATUS_H
#define STILLPOINT_CLI_STATUS_H

#include <jansson.h>
#include <stdint.h>

#include "agent/cli/cli_page.h"

/* Answers about the node, as pages. Members that are missing or of another type show as "-". */

/*   now_utc_us  for ages */
void cli_status_show(struct cli_page *page, const json_t *data, int64_t now_utc_us);
/* One check of the doctor, and what all came to. */
void cli_status_check(struct cli_page *page, const json_t *check);
void cli_status_verdict(struct cli_page *page, const json_t *checks);

#endif
