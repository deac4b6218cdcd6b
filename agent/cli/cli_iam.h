/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_IAM_H
#define STILLPOINT_CLI_IAM_H

#include "agent/cli/cli_run.h"
#include "agent/daemon/config.h"

/* iam-policy: made here, so that there is a policy before the daemon has any right; what only an
 * instance knows (account, billing) is asked of a daemon that runs. Returns the exit code. */
int cli_iam(const struct cli *cli, const struct config *config);

#endif
