/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_WORK_JOURNAL_H
#define STILLPOINT_WORK_JOURNAL_H

#include "agent/daemon/journal.h"
#include "agent/daemon/work.h"

/* The journal's entry of the backup in hand. Worker thread, never between hold_take and
 * hold_release: the state directory may lie on what is frozen. */

/* Writes what the backup is about to do: STEP, what is known of it, and the exec hooks that were
 * prepared and not yet told of the end. With JOURNAL_HOLD the entry's time begins.
 *   false  ERR_SYS: the one before stands, and says no more than that something may have to go */
bool work_journal_note(struct work *work, enum journal_step step, struct err *err);
/* The same, to what was written before, where there is no way back: a failure is a warning. */
void work_journal_try(struct work *work, enum journal_step step);
/* The end of the backup: the entry goes, unless work->journal.stays; then resume.h takes it up.
 * Idempotent. */
void work_journal_end(struct work *work);

#endif
