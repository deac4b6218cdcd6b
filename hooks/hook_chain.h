/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_CHAIN_H
#define STILLPOINT_HOOK_CHAIN_H

#include <stddef.h>

#include "hooks/hook.h"

/* The hooks of one job, in the order of the configuration: prepared and held in order, released in
 * reverse. Worker thread only. */

enum { HOOK_CHAIN_MAX = 32 };

enum hook_step {
    HOOK_STEP_PREPARE,
    HOOK_STEP_HOLD,
    HOOK_STEP_ATTEST,
    HOOK_STEP_RELEASE,
    HOOK_STEP_FINISH,
    HOOK_STEP_COUNT
};

/* One step of one hook: its last run. begin_us is 0 where it did not run. */
struct hook_run {
    int64_t begin_us, end_us; /* clock_boot_us() */
    bool ok;
    struct err err; /* where not ok */
};

/* Read-only for callers. */
struct hook_link {
    struct hook hook;
    struct hook_run runs[HOOK_STEP_COUNT];
    bool prepared;    /* prepare succeeded: hold will be called */
    bool hold_called; /* and not yet released */
    bool held;        /* hold succeeded and release was not called since */
    struct proof proof;
};

struct hook_chain {
    struct hook_link links[HOOK_CHAIN_MAX];
    size_t count;
};

#define HOOK_CHAIN_INIT                                                                            \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* Puts a hook at the end.
 *   take_hook  owned by the chain from here; freed also on failure
 *   false      ERR_CONFIG: more than HOOK_CHAIN_MAX, or the name is there already */
bool hook_chain_add(struct hook_chain *chain, struct hook take_hook, struct err *err);

/* Prepares all, in order. A hook that fails and isn't prepare_required is left out of the hold:
 * its error stands in its link, and the label can't be `application`.
 *   false  a prepare_required hook failed, or ERR_CANCELLED, or ERR_DEADLINE before one was
 *          called: nothing is held. hook_chain_finish is still due. */
bool hook_chain_prepare(struct hook_chain *chain, const struct hook_job *job, int64_t deadline_ms,
                        const struct cancel *cancel, struct err *err);

/* Holds all that are prepared, in order. A hook that fails and isn't required is passed over, its
 * error in its link; a required one ends it at once.
 *   last_try  false: one that fails with ERR_DB_LOCK ends it too although it isn't required, so
 *             that the caller lets go and tries later
 *   false     the error of the hook that ended it, ERR_CANCELLED or ERR_DEADLINE: part of the
 *             chain may be held. In every case hook_chain_release is due now. */
bool hook_chain_hold(struct hook_chain *chain, bool last_try, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err);

/* Asks every hook that holds for its proof; after the thaw, before the release. The answers stand
 * in the links; a hook that can't say counts as not held.
 *   returns  every hook that held proved it (true also where there is none) */
bool hook_chain_attest(struct hook_chain *chain, int64_t deadline_ms);

/* Releases, in reverse, every hook whose hold was called, also after one fails or the deadline has
 * passed (each hook bounds itself then). Idempotent.
 *   false  the first failure, with the number of others */
bool hook_chain_release(struct hook_chain *chain, const char *outcome, int64_t deadline_ms,
                        struct err *err);

/* Tells every hook how it ended, in order; releases first what was not. The same error rule. */
bool hook_chain_finish(struct hook_chain *chain, const char *outcome, int64_t deadline_ms,
                       struct err *err);

/* Every hook of the chain is held (true for an empty one). */
bool hook_chain_all_held(const struct hook_chain *chain);
/* Every hook that was held at the last attest proved it, and none was left out: what the label
 * `application` needs of the hooks. Stays true after the release. */
bool hook_chain_all_proved(const struct hook_chain *chain);

void hook_chain_free(struct hook_chain *chain); /* frees the hooks; idempotent */

/* "prepare", "hold", … Static. */
const char *hook_step_name(enum hook_step step);

#endif
