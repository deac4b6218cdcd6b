/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_FROZEN_BUS_H
#define STILLPOINT_GUARD_FROZEN_BUS_H

#include "agent/guard/guard_twin.h"

/* The record is mapped from a file. If somebody cuts that short, the next look at it raises SIGBUS
 * (mmap(2)). Then this process thaws by its own descriptors what the ledger says is frozen, and
 * ends with 1; so does its twin, which sees it go and looks at the record too.
 *
 *   twin  of this process, for as long as it lives; its ledger is there */
void guard_frozen_bus_watch(const struct guard_twin *twin);

#endif
