/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_SWEEP_H
#define STILLPOINT_CLI_SWEEP_H

#include <stdbool.h>

#include "agent/base/err.h"

/* Removing as root what lies in folders of others. The state directory belongs to the daemon's
 * user: whatever that puts there, root must not be led out of it. So everything is opened step by
 * step and removed by name in the open folder, no link is followed, and no mount is gone into. */

/* Opens the folder at PATH (absolute). A symbolic link on the way is followed only where it and the
 * folder that it is in are root's alone (/var -> /data/var).
 *   false  ERR_NOT_FOUND: no such folder; ERR_PRECONDITION: a link that somebody else could have
 *          made; ERR_SYS */
bool cli_sweep_open(const char *path, int *ret_fd, struct err *err);

enum cli_swept {
    CLI_SWEPT_ABSENT, /* there was none */
    CLI_SWEPT_GONE,   /* it is removed, or would be */
    CLI_SWEPT_LEFT    /* ERR says why, and what to do: ERR_PRECONDITION, ERR_SYS */
};

/* A file, a link (itself), a socket: all but a folder.
 *   folder_fd  of the folder that it is in
 *   name       without a slash */
enum cli_swept cli_sweep_file(int folder_fd, const char *name, bool dry_run, struct err *err);
/* A folder of files, with them. What is a folder in it stays, and so it, too. */
enum cli_swept cli_sweep_folder(int folder_fd, const char *name, bool dry_run, struct err *err);

#endif
