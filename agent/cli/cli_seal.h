/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_SEAL_H
#define STILLPOINT_CLI_SEAL_H

#include "agent/cli/cli_run.h"
#include "agent/cli/cli_seal_places.h"
#include "agent/daemon/config.h"

/* seal: at the end of an image's build removes what makes this machine itself (cli_seal_places.h),
 * so that each instance launched from the image begins as a new node. Refuses while something is
 * held or the daemon runs, and where an unsettled backup would be forgotten. Needs root, and
 * nothing of EC2 or systemd: works in a chroot. Returns the exit code. */
int cli_seal(const struct cli *cli, const struct config *config,
             const struct cli_seal_machine *machine);

#endif
