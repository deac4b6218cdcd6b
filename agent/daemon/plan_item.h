/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PLAN_ITEM_H
#define STILLPOINT_PLAN_ITEM_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/daemon/plan.h"

/* What plan.c and plan_order.c share while a plan is made: one item for each superblock, and what
 * lies below it. */

enum { PLAN_WHY_BYTES = 640 };

enum plan_fate {
    PLAN_FATE_SILENT,   /* the kernel's own, or nobody's business: not even reported */
    PLAN_FATE_LEFT_OUT, /* reported */
    PLAN_FATE_TAKEN     /* among plan->mounts */
};

/* What is decided of one superblock, beside its entry in the list. */
struct plan_item {
    const struct mount_pick *pick;
    const struct device_trace *trace;
    enum device_kind kind;      /* of what lies below, loop devices followed */
    struct strs volumes;        /* those of the set */
    bool partly;                /* some of it is not on the set */
    bool in_file;               /* on a loop device */
    char below[PLAN_WHY_BYTES]; /* what it lies on, in words, where that is no volume of the set */
    bool listed, excluded;      /* by the configuration */
    bool left_out;              /* by this job's own wish */
    enum plan_fate fate;
    enum plan_use use;
};

struct plan_maker {
    const struct plan_input *input;
    struct plan *plan;
    struct plan_item *items; /* one for each of input->list */
    struct err *err;
};

/* Fills in kind, volumes, partly, in_file and below; plan->volumes must be there. False: no memory.
 */
bool plan_item_look_below(struct plan_maker *maker, struct plan_item *item);
/* The item of a pick, NULL for NULL. */
struct plan_item *plan_item_of(const struct plan_maker *maker, const struct mount_pick *pick);
/* The filesystem on which a database's folder lies, NULL where no mount shows it. */
struct plan_item *plan_item_of_path(const struct plan_maker *maker, const struct plan_path *path);
/* The filesystem that a loop device's file lies on, NULL where it is gone. */
struct plan_item *plan_item_holding(const struct plan_maker *maker, const char *file);

#endif
