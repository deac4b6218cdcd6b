/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VOLUME_KIND_H
#define STILLPOINT_VOLUME_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/loan.h"

/* What EBS takes of a volume, by its type, before EC2 is asked: as CreateVolume's reference has it,
 * and where a region is not that far yet EC2 says so. Pure. */

/* What the options of `restore volumes` say, each by its own name.
 *   false  ERR_USAGE, with what is taken */
bool volume_kind_check(const struct loan_kind *kind, struct err *err);

/* Whether a volume of SIZE_GIB can be of a kind that was checked.
 *   what   names the volume
 *   false  ERR_PRECONDITION, with the limit */
bool volume_kind_fits(const struct loan_kind *kind, int64_t size_gib, const char *what,
                      struct err *err);

#endif
