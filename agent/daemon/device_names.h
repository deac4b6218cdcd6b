/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEVICE_NAMES_H
#define STILLPOINT_DEVICE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Names under which volumes may be attached. Pure. */

/* COUNT free names: /dev/sdf to sdp first, as EC2 recommends, then sdq to sdz and xvdba to xvddz.
 * The kernel shows /dev/sdf as xvdf, or the other way round, so a letter that is in use under
 * either is taken.
 *   taken      names in use: of the instance's block device mapping ("/dev/sda1"), of the kernel
 *              ("xvdb1"); others ("nvme0n1") take nothing
 *   ret_names  added to
 *   false      ERR_PRECONDITION: not that many are free */
bool device_names_pick(const struct strs *taken, size_t count, struct strs *ret_names,
                       struct err *err);
/* Whether EC2 would take NAME for a data volume: one of the above, or /dev/sd[b-e], xvd[b-z]. */
bool device_names_valid(const char *name);
/* Whether NAME's letter is in use. */
bool device_names_taken(const struct strs *taken, const char *name);

#endif
