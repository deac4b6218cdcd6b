/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_H
#define STILLPOINT_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* What holds a part of the node still: a database, an operator's program, a filesystem.
 *
 * The life of a hook within one job, on the job's worker thread, in this order:
 *
 *     prepare ─ hold ─ (the cut) ─ attest ─ release ─ finish
 *
 * hold and release may come again in pairs (the cut was throttled and is tried later). attest is
 * called after the thaw and before release, only where there was a cut to attest. release is
 * called once for every hold that was *called*, whatever came of it and whatever else failed.
 * Nothing of a hook is called between the first freeze and the last thaw.
 *
 * A missing step (NULL) is nothing to do and counts as done; a missing attest counts as held. */

/* What a hook is told about the job; borrowed, valid until finish has returned. */
struct hook_job {
    const char *id;     /* the backup's id */
    const char *reason; /* the operator's words, may be "" */
};

enum { PROOF_REASON_BYTES = 240 };

/* Whether what hold took was there without a gap until now. */
struct proof {
    bool held;
    char reason[PROOF_REASON_BYTES]; /* why not, for the label's shortfall; "" where held */
};

struct hook {
    const char *name;      /* in configuration, errors, tags; belongs to self */
    bool required;         /* hold failing refuses the backup; else the label falls */
    bool prepare_required; /* prepare failing refuses the backup (exec hooks: always) */
    void *self;
    /* Writers run; may take as long as the deadline (absolute, clock_boot_ms()) says. */
    bool (*prepare)(void *self, const struct hook_job *job, int64_t deadline_ms,
                    const struct cancel *cancel, struct err *err);
    /* Writers wait from here. DEADLINE_MS is the end of the whole hold, at which what was taken
     * must go by itself. False: whatever makes writers wait is let go before it returns, as far as
     * the hook can; ERR_DB_LOCK says that the cause passes by itself. */
    bool (*hold)(void *self, int64_t deadline_ms, const struct cancel *cancel, struct err *err);
    /* False: could not find out, which the chain takes for not held. */
    bool (*attest)(void *self, int64_t deadline_ms, struct proof *ret_proof, struct err *err);
    /* Idempotent, not cancellable. OUTCOME: "complete", "failed", … for exec hooks' environment.
     * False: the error says in words what may still be held, and until when. */
    bool (*release)(void *self, const char *outcome, int64_t deadline_ms, struct err *err);
    /* After everything, for each whose prepare was called, also where that failed; writers run. */
    bool (*finish)(void *self, const char *outcome, int64_t deadline_ms, struct err *err);
    void (*free)(void *self); /* lets go of whatever is still held, then frees */
};

#endif
