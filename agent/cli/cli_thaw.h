/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_THAW_H
#define STILLPOINT_CLI_THAW_H

#include "agent/cli/cli_run.h"

/* thaw --force: has the guard at RUN_FOLDER let go of everything that it holds or an earlier one
 * left, and says mount by mount what became of it. Where no guard answers, stillpoint-guard --thaw
 * does it from the record. With --dry-run only says what is held. Needs root. Returns the exit
 * code: 0 also where nothing was held. */
int cli_thaw(const struct cli *cli, const char *run_folder);

#endif
