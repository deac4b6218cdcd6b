/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_UPGRADE_H
#define STILLPOINT_CLI_UPGRADE_H

#include "agent/cli/cli_run.h"
#include "agent/daemon/config.h"

/* Behind the name of [paths] run: the file with what `pre-upgrade --after' is to say. */
#define CLI_UPGRADE_RECORD "-upgrade"

/* pre-upgrade: reads what the package manager is about to do, and takes a backup first where
 * [upgrade] says so. All that is said goes to stderr, and nothing is said where nothing matches.
 * Never longer than [upgrade] wait. Returns the exit code: with any but 0 the package manager
 * stops. fault  of the configuration: no backup can be taken, and CONFIG is cli_upgrade_salvage's;
 * NULL */
int cli_upgrade(const struct cli *cli, const struct config *config, const struct err *fault);

/* Of a configuration with a fault what it says of upgrades, and the defaults for all else; required
 * where it names a policy that is none. NULL: no memory. */
struct config *cli_upgrade_salvage(const char *path);

#endif
