/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BACKUP_WITHIN_H
#define STILLPOINT_BACKUP_WITHIN_H

#include <stdbool.h>

#include "agent/daemon/job.h"

/* A backup as a part of another job, which has the node and keeps it: application consistency is
 * asked for, no image, and it returns once the instant is fixed and proved; that EC2 completes it,
 * the journal sees to (resume.h), which is to be asked for as soon as the job has another id again.
 * Backup.c has it. Worker thread.
 *   ret_id        BACKUP_ID_BYTES; the job has it as its own meanwhile
 *   ret_as_asked  false: less consistent; warnings said why
 *   ret_now       SETTLE_NOW_BYTES: in what state things are left, where it failed
 *   false         there is no backup */
bool backup_within(struct job *job, const char *reason, char *ret_id, bool *ret_as_asked,
                   char *ret_now, struct err *err);

#endif
