/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_HOLD_H
#define STILLPOINT_CLI_HOLD_H

#include "agent/cli/cli_page.h"
#include "agent/cli/cli_run.h"

/* A hold for somebody else, for people: agent/daemon/hold_record.h says what there is of it. Every
 * member may be missing or of another type. */

/* What is held, and until when. */
void cli_hold_show(struct cli_page *page, const json_t *hold, int64_t now_utc_us);
/* What was proved of it. */
void cli_hold_released(struct cli_page *page, const json_t *hold);
/* On stderr: why it is less than asked for. */
void cli_hold_less(const struct cli *cli, const json_t *hold);
/* Lines of `status`. */
void cli_hold_status(struct cli_page *page, const json_t *status, int64_t now_utc_us);

#endif
