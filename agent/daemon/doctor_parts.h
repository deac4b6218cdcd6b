/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DOCTOR_PARTS_H
#define STILLPOINT_DOCTOR_PARTS_H

#include "agent/daemon/job.h"
#include "agent/daemon/work.h"
#include "aws/ec2.h"

/* What the files of the doctor share (doctor.c has the command). */

enum { DOCTOR_TEXT_BYTES = 900 };

struct doctor {
    struct job *job;
    struct work work;
    char snapshot[EC2_ID_BYTES]; /* one to try rights on; "": none was found */
    int failed, warnings;
};

/* One check: RESULT is "ok", "warning", "failed" or "skipped". REMEDY may be NULL. */
void doctor_say(struct doctor *doctor, const char *name, const char *result, const char *text,
                const char *remedy);
/* The deadline of one step that begins now. */
int64_t doctor_soon(void);

/* What earlier backups left, as far as the journal knows of it. */
void doctor_check_unsettled(struct doctor *doctor);
/* The newest good backup of this node, and sets in EC2 that nobody works on. Needs work.ec2. */
void doctor_check_last_backup(struct doctor *doctor);

#endif
