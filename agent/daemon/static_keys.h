/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_STATIC_KEYS_H
#define STILLPOINT_STATIC_KEYS_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Secret access keys of AWS that lie in files which the daemon's start reads: in an image they
 * would be every node's. Looked at are the configuration's folder, the units with their drop-ins
 * and those for every service, what these name as EnvironmentFile=, the system manager's own
 * configuration (DefaultEnvironment=), /etc/default and /etc/sysconfig, and the .aws folder of the
 * daemon's user. */

/*   root         "" or a folder in place of /, without a slash at its end
 *   config_path  stillpoint.conf
 *   home         of the daemon's user; NULL: there is no such user
 *   ret_places   added to: "PATH:LINE", never what stands there. What can't be read is passed over
 *   false        ERR_INTERNAL, ERR_LIMIT */
bool static_keys_find(const char *root, const char *config_path, const char *home,
                      struct strs *ret_places, struct err *err);

/* The home folder of the daemon's user into HOME (PATH_MAX). False: there is no such user. */
bool static_keys_home(char *home);

#endif
