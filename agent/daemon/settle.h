/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_SETTLE_H
#define STILLPOINT_SETTLE_H

#include "agent/daemon/cut.h"
#include "agent/daemon/work.h"

/* How a backup that did not go well ends: nothing that was made is forgotten. Worker thread, with
 * the node released. */

enum { SETTLE_NOW_BYTES = 256 };

/* How long a lost answer's snapshots are looked for before their absence counts: five minutes. */
int64_t settle_lost_ms(void);

/* What the client is told, besides the error. */
struct verdict {
    int exit_code;
    char now[SETTLE_NOW_BYTES]; /* in what state node and cloud are left */
    bool goes_on; /* the daemon's end came first: the set is good, and the next start ends it */
};

/* Sets both; gives false, so that failing is one line. */
bool settle_end(struct verdict *verdict, int exit_code, const char *now);
/* The same after a hold: says first whether the node is free. REST goes on from there: ", …". */
bool settle_end_released(const struct work *work, struct verdict *verdict, int exit_code,
                         const char *rest);
/* The same with an outcome that is still open: the journal's entry stays, and resume.h goes on. */
bool settle_end_open(struct work *work, struct verdict *verdict, int exit_code, const char *rest);

/* No good answer: what may exist is looked for; a whole set is adopted, a part removed.
 *   cause  the cut's error
 *   true   adopted: cut->set has it, but nobody can say that it was taken while the node was held
 *   false  ERR is the cause's, VERDICT says what is left */
bool settle_cut(struct work *work, struct cut *cut, const struct err *cause,
                struct verdict *verdict, struct err *err);
/* The set can't be used or is not wanted: it goes, or is tagged `failed`. Gives false; the caller's
 * err says why. */
bool settle_discard(struct work *work, struct cut *cut, struct verdict *verdict);

#endif
