/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DOCTOR_PARTS_H
#define STILLPOINT_DOCTOR_PARTS_H

#include "agent/daemon/inventory.h"
#include "agent/daemon/job.h"
#include "agent/daemon/work.h"
#include "aws/ec2.h"

/* What the files of the doctor share (doctor.c has the command). */

enum { DOCTOR_TEXT_BYTES = 900 };

struct doctor {
    struct job *job;
    struct work work;
    struct inventory inventory; /* this node's sets */
    bool inventory_ok;          /* it was asked for and is whole */
    struct err inventory_err;   /* else why not */
    int failed, warnings;
};

/* One check: RESULT is "ok", "warning", "failed" or "skipped". REMEDY may be NULL. */
void doctor_say(struct doctor *doctor, const char *name, const char *result, const char *text,
                const char *remedy);
/* The deadline of one step that begins now. */
int64_t doctor_soon(void);

/* Asks for this node's sets, once: the checks look at doctor->inventory. Needs work.ec2. */
void doctor_find_backups(struct doctor *doctor);
/* The rights, by dry runs; those of the image need to know the instance. False: of anything more
 * EC2 would say the same as of the last one. */
bool doctor_check_backup_rights(struct doctor *doctor);
bool doctor_check_image_rights(struct doctor *doctor);
/* Those of the ways back, for information: none is missed. */
bool doctor_check_restore_rights(struct doctor *doctor);
/* Those of prune and delete, on what is in doctor->inventory; likewise. */
bool doctor_check_removal_rights(struct doctor *doctor);
/* Keys, region and backups, for a machine that is no node. */
void doctor_check_far(struct doctor *doctor);
/* What a copy of these disks would have, or this one has from another: told only where it is so. */
void doctor_check_image(struct doctor *doctor);
/* What earlier backups left, as far as the journal knows of it. */
void doctor_check_unsettled(struct doctor *doctor);
/* The newest good backup of this node, and sets in EC2 that nobody works on. */
void doctor_check_last_backup(struct doctor *doctor);

#endif
