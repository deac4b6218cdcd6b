/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_ATTEST_H
#define STILLPOINT_ATTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/label.h"
#include "agent/daemon/plan.h"
#include "agent/daemon/strs.h"

/* From proofs to the label. Pure. What was not proved is not claimed: the label starts at what was
 * asked for and every fact that is missing lowers it, each with its sentence. */

/* One application hook (MySQL, exec). The filesystem hook is the lease below. */
struct attest_hook {
    const char *name;
    bool held;       /* its hold returned success before the request was sent */
    bool kept;       /* proved after the thaw: held without a gap until then */
    const char *why; /* where one of them is false; NULL: no more is known */
};

/* One mount of the plan, as the guard tells its story. */
struct attest_mount {
    const char *path;
    enum plan_use use;
    bool until_thaw;            /* PLAN_FREEZE: struct guard_mount_story */
    int64_t freeze_end_boot_us; /* 0: never returned */
    int64_t thaw_begin_boot_us; /* 0: never thawed */
    bool counted;               /* PLAN_SYNC_ONLY: the counters could be read, before and after */
    bool moved;                 /* one of them moved */
    const char *why;            /* NULL, or what the guard said of it */
};

struct attest_input {
    enum label asked;
    bool lent;                /* a hold for somebody else: "sent" is when it was told, "answered"
                                 when its release was asked for */
    bool cut;                 /* a good answer came */
    int64_t sent_boot_us;     /* the first byte of the request left at or after this */
    int64_t answered_boot_us; /* the answer was complete at or before this */
    bool hold_tried;          /* false: asked crash, nothing was held or frozen on purpose */
    bool lease_whole;      /* the guard's: frozen without a gap until told, before the deadline */
    const char *lease_why; /* where not whole; NULL */
    const struct attest_mount *mounts;
    size_t mount_count;
    const struct attest_hook *hooks;
    size_t hook_count;
    const struct plan_shortfall *shortfalls; /* the plan's */
    size_t shortfall_count;
    /* The wall clock against the steady one over the hold: by how much it was set. */
    int64_t clock_step_us;
    int64_t clock_error_us; /* the kernel's bound; -1: not known, or there is none */
};

struct attest_result {
    enum label label;       /* LABEL_UNCONFIRMED where there was no cut */
    struct strs shortfall;  /* why it is below what was asked; each sentence once */
    struct strs notes;      /* what does not touch the label: the clock was set, … */
    int64_t clock_error_us; /* of the window: the bound and the step together; -1: not known */
    bool as_asked;          /* label >= asked */
};

enum { ATTEST_CLOCK_STEP_US = 1000 }; /* a smaller difference is slewing and rounding */

/*   ret_result  given to the caller (attest_result_free)
 *   false       ERR_INTERNAL: no memory */
bool attest_judge(const struct attest_input *input, struct attest_result *ret_result,
                  struct err *err);
void attest_result_free(struct attest_result *result); /* idempotent */

#endif
