/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ROLLBACK_STATE_H
#define STILLPOINT_ROLLBACK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "aws/ec2_describe.h"

/* How far a rollback is, in tags: the journal's disk is among what it replaces. One tag on the
 * instance says which rollback, and its step, written before what the step does; tags on the
 * volumes say what each of them is in it. Pure but for rollback_id_new.
 *
 *   instance  stillpoint:rollback = "1 RB-ID SET-ID MODE STEP FRESH-ID"
 *   volumes   stillpoint:rollback = RB-ID
 *             stillpoint:rollback-role = "1 kept INSTANCE DEVICE DELETE" or "1 made …": attached
 *                 before the rollback, or made by it; DELETE: "yes" where it goes with the instance
 *             stillpoint:rollback-mount-N = "PARTITION PATH": what was unmounted of it and is to be
 *                 mounted again of the one that takes its place; partition 0: the whole disk
 *   snapshots of the set: stillpoint:rollback = RB-ID while it is needed, "-" afterwards (a node
 * may change tags of its snapshots, and take none off)
 *
 * The number in front is the format's version; one that is not known is refused, and nothing is
 * touched. */

#define ROLLBACK_TAG       "stillpoint:rollback"
#define ROLLBACK_ROLE_TAG  "stillpoint:rollback-role"
#define ROLLBACK_OWNER_TAG "stillpoint:instance"        /* as backups have it */
#define ROLLBACK_MOUNT_TAG "stillpoint:rollback-mount-" /* and a number from 0 */

#define ROLLBACK_NOT_IN_USE "-"

enum { ROLLBACK_ID_BYTES = 32, ROLLBACK_MOUNTS_MAX = 12, ROLLBACK_VALUE_BYTES = 4 * 256 + 1 };

enum rollback_mode { ROLLBACK_DATA_ONLY, ROLLBACK_FULL };

enum rollback_step {
    ROLLBACK_VOLUMES, /* new volumes are made; the node runs as before */
    ROLLBACK_STOP,    /* services are stopped, file systems unmounted */
    ROLLBACK_SWAP,    /* data volumes are detached and attached: from here on it goes forward */
    ROLLBACK_ROOT,    /* the root volume is replaced, with a reboot */
    ROLLBACK_START,   /* file systems are mounted, services started */
    ROLLBACK_DONE,    /* it runs as of the set; what was before is kept */
    ROLLBACK_COMMIT,  /* the kept volumes are deleted */
    ROLLBACK_UNDO_STOP,
    ROLLBACK_UNDO_SWAP,
    ROLLBACK_UNDO_ROOT,
    ROLLBACK_UNDO_START,
    ROLLBACK_UNDO_CLEAN, /* the volumes that the rollback made are deleted */
    ROLLBACK_STEP_COUNT
};

struct rollback_state {
    char id[ROLLBACK_ID_BYTES];  /* "rb-20261124T081530Z-k3f9x": of this one rollback */
    char set[BACKUP_ID_BYTES];   /* the backup that it goes back to */
    char fresh[BACKUP_ID_BYTES]; /* the backup that was taken before it; "" */
    enum rollback_mode mode;
    enum rollback_step step;
};

/* Volumes of it: what they are in it. */
enum rollback_role { ROLLBACK_KEPT, ROLLBACK_MADE };
struct rollback_part {
    enum rollback_role role;
    char instance[EC2_ID_BYTES];
    char device[EC2_NAME_BYTES];
    bool delete_on_termination;
};

struct rollback_mount {
    uint32_t partition; /* 0: the whole disk */
    char path[ROLLBACK_VALUE_BYTES];
};

const char *rollback_step_name(enum rollback_step step); /* "swap", "undo-swap"; static */
const char *rollback_mode_name(enum rollback_mode mode); /* "data-only", "full"; static */
/* A step in which the node is neither as before nor as after: no backup, no other rollback. */
bool rollback_is_under_way(enum rollback_step step);

bool rollback_id_new(int64_t now_utc_us, char *id, struct err *err);
bool rollback_is_id(const char *text);

/* VALUE has room for ROLLBACK_VALUE_BYTES; returns VALUE. */
char *rollback_state_format(const struct rollback_state *state, char *value);
/*   false  ERR_PRECONDITION: of a later version (names it); ERR_PROTOCOL: nothing of ours */
bool rollback_state_parse(const char *value, struct rollback_state *ret_state, struct err *err);

char *rollback_part_format(const struct rollback_part *part, char *value);
/* As rollback_state_parse. */
bool rollback_part_parse(const char *value, struct rollback_part *ret_part, struct err *err);

/* False: the path is longer than a tag takes. */
bool rollback_mount_format(const struct rollback_mount *mount, char *value);
bool rollback_mount_parse(const char *value, struct rollback_mount *ret_mount);

/* The token with which EC2 knows a request of this rollback again: WHAT is a device or "root". At
 * most 64 characters; TOKEN has room for 65; returns TOKEN. */
char *rollback_token(const struct rollback_state *state, const char *what, char *token);

#endif
