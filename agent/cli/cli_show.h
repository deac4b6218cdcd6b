/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_SHOW_H
#define STILLPOINT_CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/cli/cli_page.h"

/* What the daemon answered, as pages for people. Every member may be missing or of another type:
 * such facts are left out or shown as "-". */

/* One backup (INTERFACE.md, A backup in JSON), whole. */
void cli_show_backup(struct cli_page *page, const json_t *backup);
/* The result of a backup that has just been made, in a few lines. */
void cli_show_made(struct cli_page *page, const json_t *backup);
/* An array of backups as a table. WITH_NODES: also whose they are. */
void cli_show_list(struct cli_page *page, const json_t *backups, bool with_nodes);
/* What a backup would do: {"plan":{…}}. */
void cli_show_plan(struct cli_page *page, const json_t *data);
/*   now_utc_us  for ages */
void cli_show_status(struct cli_page *page, const json_t *data, int64_t now_utc_us);
/* One check of the doctor, and what they came to. */
void cli_show_check(struct cli_page *page, const json_t *check);
void cli_show_verdict(struct cli_page *page, const json_t *checks);

#endif
