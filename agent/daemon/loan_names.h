/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_LOAN_NAMES_H
#define STILLPOINT_LOAN_NAMES_H

#include "agent/daemon/loan_record.h"
#include "agent/daemon/work.h"

/* The device names that volumes on loan are attached under. EC2 shows a name as taken only once
 * something is attached there, and minutes may lie between choosing and attaching: what one job was
 * given no other is given until loan_names_leave. Worker thread. */

/* One that was given out; in the agent, under its mutex. */
struct loan_name {
    const struct job *job;
    char instance[EC2_ID_BYTES], name[EC2_NAME_BYTES];
};

/* Finds a free device name for each volume of LOAN.
 *   instance  that they are to be attached to
 *   wanted    the name for the only volume; NULL: free ones
 *   false     ERR_PRECONDITION: none is free, or WANTED is taken; ERR_USAGE: WANTED is no name */
bool loan_place(struct work *work, const struct ec2_instance *instance, const char *wanted,
                struct loan *loan, struct err *err);
/* The next free name for VOLUME, whose own is taken after all. Asks EC2 what the instance has now.
 *   false  ERR_PRECONDITION: none is free; what EC2 said */
bool loan_place_next(struct work *work, const char *instance_id, struct loan_volume *volume,
                     int64_t deadline_ms, struct err *err);
/* All that JOB was given may be given to others. */
void loan_names_leave(struct agent *agent, const struct job *job);

#endif
