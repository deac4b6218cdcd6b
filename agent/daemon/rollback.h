/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_H
#define STILLPOINT_ROLLBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/rollback_last.h"
#include "agent/daemon/rollback_plan.h"
#include "agent/daemon/rollback_state.h"
#include "agent/daemon/work.h"

/* What one rollback has in hand, on the worker thread of its job; rollback.c makes it. */

/* A volume of it, as EC2 has it and its tags say. */
struct rollback_volume {
    char id[EC2_ID_BYTES];
    struct rollback_part part; /* device: where it belongs */
    char state[EC2_ID_BYTES];  /* creating, available, in-use, error */
    bool attached;             /* to the instance, as anything and in any state */
    char attach_status[EC2_ID_BYTES];
    char attached_as[EC2_NAME_BYTES];
    bool elsewhere;                                    /* attached to another instance */
    struct rollback_mount mounts[ROLLBACK_MOUNTS_MAX]; /* that were unmounted of it */
    size_t mount_count;
};

struct rollback {
    struct job *job;
    struct work *work; /* identity, ec2 and instance are there */
    struct rollback_state state;
    struct rollback_volume *volumes;
    size_t count;
    struct rollback_last last; /* outcome and why: how it ends, once that is known */
    const struct cancel
        *cancel;  /* of a look before anything is done: what has begun isn't cancelled */
    bool ordered; /* by a person, now: not gone on with */
    bool less;    /* something is less than was asked for, and told: exit code 3 */
};

/* Warns, and notes that something is less than was asked for: exit code 3. */
void rollback_warn(struct rollback *rollback, const char *text, const char *remedy);

#endif
