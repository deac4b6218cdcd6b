/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_SHOW_H
#define STILLPOINT_CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/cli/cli_page.h"

/* What the daemon answered, as pages for people. Every member may be missing or of another type:
 * such facts are left out or shown as "-". */

/* One backup (INTERFACE.md, A backup in JSON), whole. */
void cli_show_backup(struct cli_page *page, const json_t *backup);
/* The result of a backup that has just been made, in a few lines. */
void cli_show_made(struct cli_page *page, const json_t *backup);
/* The same of one that was used (with DRY_RUN: would be) in the place of a new one.
 *   as_asked  it is no less consistent than a new one was to be */
void cli_show_reused(struct cli_page *page, const json_t *backup, bool dry_run, bool as_asked);
/* Its mounts, what is left out and its databases, a table each. */
void cli_show_parts(struct cli_page *page, const json_t *backup);
/* What a backup would do: {"plan":{…}}. */
void cli_show_plan(struct cli_page *page, const json_t *data);

/* How a backup's state is to be coloured, and the moment that stands for it: its window's, or
 * EC2's. */
enum cli_style cli_state_style(const char *state);
/* The state of BACKUP in a word: its "state", but "broken" where its tags know nothing of what has
 * made it failed. */
const char *cli_state_word(const json_t *backup);
bool cli_taken_at(const json_t *backup, int64_t *ret_utc_us);
int64_t cli_total_gib(const json_t *backup); /* of its volumes; 0: not known */

#endif
