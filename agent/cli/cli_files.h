/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_FILES_H
#define STILLPOINT_CLI_FILES_H

#include "agent/cli/cli_page.h"
#include "agent/cli/cli_run.h"

/* `restore files`, this end of it: root's own part. stillpoint-hook writes as root what a daemon
 * without rights asks for, so it demands a marker of root's in the folder (copy_wire.h): only who
 * may write there anyway has files restored there. */

/* Makes the folder or sees that it is empty, marks it with the backup's id, has the daemon restore,
 * takes the marker away. Two at a time have no folder together: the marker is locked for the run,
 * and who comes second is told so and changes nothing. Returns the exit code; where it failed the
 * folder is as before. */
int cli_files(const struct cli *cli, const char *socket_path);

/* What `restore volumes` and `restore files` made, or (with --dry-run) would make. */
void cli_files_show(struct cli_page *page, const struct cli_options *options, const json_t *data);

#endif
