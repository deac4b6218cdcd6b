/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_INVENTORY_JUDGE_H
#define STILLPOINT_INVENTORY_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/strs.h"
#include "aws/ec2_snapshots.h"

/* Is a set whole, and if not, why. Pure. */

/* Damaged: what is there is no whole set. Disputed: something is there that does not belong, and a
 * whole set may be among it. Whoever may tag a snapshot of its own can bring another's set into
 * dispute: such a set is nobody's good backup until someone has looked, and nothing that removes
 * by itself may touch it. */
enum set_fault {
    SET_FAULT_NONE,
    /* damaged */
    SET_FAULT_TAGGED,   /* whoever made it tagged it as failed. By a tag, as MISSING is */
    SET_FAULT_MISSING,  /* fewer members than stillpoint:members says */
    SET_FAULT_ERROR,    /* EC2 could not make a member */
    SET_FAULT_RECYCLED, /* a member was deleted: in the Recycle Bin */
    /* disputed */
    SET_FAULT_UNCOUNTED,    /* no member says how many make the set, or they differ */
    SET_FAULT_SURPLUS,      /* more members than make the set, each of a volume of its own */
    SET_FAULT_VOLUME_TWICE, /* a member of a volume that another one is of */
    SET_FAULT_OWNER,        /* another account's */
    SET_FAULT_INSTANCE,     /* its tags say another instance */
    SET_FAULT_TIME,         /* EC2 took it at another time than the others */
    SET_FAULT_COUNT
};

#define SET_FAULT_BIT(fault) (1U << (fault))
#define SET_FAULTS_DAMAGED                                                                         \
    (SET_FAULT_BIT(SET_FAULT_TAGGED) | SET_FAULT_BIT(SET_FAULT_MISSING) |                          \
     SET_FAULT_BIT(SET_FAULT_ERROR) | SET_FAULT_BIT(SET_FAULT_RECYCLED))
#define SET_FAULTS_DISPUTED                                                                        \
    (SET_FAULT_BIT(SET_FAULT_UNCOUNTED) | SET_FAULT_BIT(SET_FAULT_SURPLUS) |                       \
     SET_FAULT_BIT(SET_FAULT_VOLUME_TWICE) | SET_FAULT_BIT(SET_FAULT_OWNER) |                      \
     SET_FAULT_BIT(SET_FAULT_INSTANCE) | SET_FAULT_BIT(SET_FAULT_TIME))
/* Those that EC2 itself tells of, whatever the tags say. */
#define SET_FAULTS_OF_EC2 (SET_FAULT_BIT(SET_FAULT_ERROR) | SET_FAULT_BIT(SET_FAULT_RECYCLED))

/* A snapshot of a set. Texts are in the inventory's pool: equal ones are the same pointer. */
struct set_member {
    const char *id;
    const char *volume;   /* NULL: EC2 does not know any more (a copy) */
    const char *owner;    /* NULL where not told */
    const char *instance; /* by its tags; NULL */
    int64_t start_utc_us; /* EC2's own; 0 where not told */
    uint32_t set;         /* index of its set */
    int32_t size_gib;
    uint8_t state;  /* enum ec2_snapshot_state */
    uint8_t tagged; /* enum backup_state, by its tag */
    uint8_t fault;  /* enum set_fault: its own */
    bool archived, locked;
    bool of_image; /* made by CreateImage for the set's image: no member of the set itself */
};

struct inventory_set;

/* Fills in SET's instance, tagged, faults and state, and each member's fault. COUNT members that
 * are its own. IMAGE_PENDING: EC2 still makes its image. */
void set_judge(struct inventory_set *set, struct set_member *members, size_t count,
               bool image_pending);
/* A sentence for each fault. */
bool set_judge_why(const struct inventory_set *set, const struct set_member *members, size_t count,
                   struct strs *ret_why, struct err *err);

#endif
