/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BOOT_UNITS_H
#define STILLPOINT_BOOT_UNITS_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Our units that lie where systemd finds them, and that nothing starts at boot: an image of this
 * machine would be one whose nodes are not backed up. Asks systemd for nothing.
 *   root       "" or a folder in place of /, without a slash at its end
 *   ret_units  added to: "stillpointd.service", …; none where no unit of ours is installed
 *   false      ERR_INTERNAL, ERR_LIMIT */
bool boot_units_off(const char *root, struct strs *ret_units, struct err *err);

#endif
