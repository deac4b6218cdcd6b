/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_THAW_H
#define STILLPOINT_CLI_THAW_H

#include "agent/cli/cli_run.h"

/* thaw --force: has the guard at RUN_FOLDER let go of everything that it holds or an earlier one
 * left, and says mount by mount what became of it. Where no guard answers, stillpoint-guard --thaw
 * does it from the record. With --dry-run only says what is held. Needs root. Returns the exit
 * code: 0 also where nothing was held. */
int cli_thaw(const struct cli *cli, const char *run_folder);

enum cli_held { CLI_HELD_NOTHING, CLI_HELD_SOMETHING, CLI_HELD_UNKNOWN };

/* What the guard's record in RUN_FOLDER says that is frozen now, by a living guard or one that has
 * gone; unknown: there is one that can't be believed, or whose boot can't be told. */
enum cli_held cli_thaw_look(const char *run_folder);

#endif
