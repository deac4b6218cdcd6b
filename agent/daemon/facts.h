/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FACTS_H
#define STILLPOINT_FACTS_H

#include "agent/daemon/work.h"
#include "hooks/db_server.h"

/* From what a job has in hand to the record of the backup (catalog.h). Worker thread, no I/O. */

/* Before the hold: who, what, why, volumes, mounts, what is left out. Makes work->backup. */
bool facts_begin(struct work *work, struct err *err);
/* Where a hook is not to hold: where the files of the server NAME lie, after facts_begin. */
bool facts_server(struct work *work, const char *name, const struct db_server *server,
                  struct err *err);
/* In the hold, once the hooks hold: each server's version, method and position. */
bool facts_positions(struct work *work, struct err *err);

#endif
