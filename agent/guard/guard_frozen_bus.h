/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_FROZEN_BUS_H
#define STILLPOINT_GUARD_FROZEN_BUS_H

#include "agent/guard/guard_twin.h"

/* The record is mapped from a file. If somebody cuts that short, the next look at it raises SIGBUS
 * (mmap(2)), and nobody can tell any more what is frozen. Then this process thaws every mount of
 * the lease that it is busy with, by its own descriptors, and ends with 1; so does its twin, which
 * sees it go and looks at the record too. What somebody else had frozen goes along: a freeze always
 * ends.
 *
 *   twin  of this process, for as long as it lives; without twin->holds nothing is thawed */
void guard_frozen_bus_watch(const struct guard_twin *twin);

#endif
