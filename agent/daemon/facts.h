/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FACTS_H
#define STILLPOINT_FACTS_H

#include "agent/daemon/work.h"

/* From what a job has in hand to the record of the backup (catalog.h). Worker thread, no I/O. */

/* Before the hold: who, what, why, volumes, mounts, what is left out. Makes work->backup. */
bool facts_begin(struct work *work, struct err *err);
/* In the hold, once the hooks hold: each server's version, method and position. */
bool facts_positions(struct work *work, struct err *err);

#endif
