/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PRUNE_RECORD_H
#define STILLPOINT_PRUNE_RECORD_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Which sets this machine has begun to remove, in STATE/removing/ID.json: written before the first
 * call, removed after the last. So the next `prune` goes on with what a kill left half removed,
 * however young it is, and need not believe a tag for it. Of what another instance wrote (the disk
 * of a restored node) nothing is believed. Any thread. */

/*   instance  this node's; "" without identity
 *   false     ERR_SYS with the remedy */
bool prune_record_write(const char *state_dir, const char *id, const char *instance,
                        struct err *err);
/* Removes it; one that is not there is removed. */
bool prune_record_remove(const char *state_dir, const char *id, struct err *err);
/* The ids that have one; names that are no ids are passed over.
 *   ret_ids  added to */
bool prune_record_list(const char *state_dir, struct strs *ret_ids, struct err *err);
/* Whether there is one of ID that INSTANCE wrote. One that can't be read is none. */
bool prune_record_is(const char *state_dir, const char *id, const char *instance);

#endif
