/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HELD_H
#define STILLPOINT_HELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* Where the job that holds and the one that releases meet: agent->held, under agent->mutex. All
 * functions: any thread. */

struct agent;
struct job;

struct held_state {
    struct cancel *ask;    /* the holder's, while it can be released; NULL */
    int64_t end_boot_ms;   /* of its lease */
    int64_t asked_boot_us; /* when its release was asked for; 0 */
    json_t *now;           /* the hold that there is, until all of it is let go of; NULL */
    json_t *last;          /* the one that ended last, NULL. Both as hold_record.h says */
    json_t *missed;        /* before it, ended by themselves, and nobody knows; NULL: none */
    int last_exit;         /* what its release comes to */
    unsigned ended;        /* how many have, since the start */
};

/* What an earlier daemon left in its state directory. */
void held_open(struct agent *agent);
/* All is held: from here it can be released.
 *   ask  the caller's until held_end */
void held_begin(struct agent *agent, struct cancel *ask, int64_t end_boot_ms, json_t *take_now);
/* From here no release comes in time any more.
 *   returns  clock_boot_us of the one that came, 0: none did */
int64_t held_close(struct agent *agent);
/* For the next daemon: how the hold went that now ends. Before the node is left, since this may
 * take as long as a disk is slow. NULL: no memory for it. */
void held_keep(struct agent *agent, const json_t *last);
/* All is let go of; LAST tells how it went. NULL: no memory for it. */
void held_end(struct agent *agent, json_t *take_last, int exit_code);

enum held_answer {
    HELD_NOTHING, /* nothing is held */
    HELD_OTHER,   /* what is held is not ID */
    HELD_ENDING,  /* it is being let go of already */
    HELD_ASKED,   /* its release is asked for: by us, and in time */
};

/* Asks for the release of what is held.
 *   id         NULL: whatever it is
 *   ret_ended  what held_wait_end waits to be passed */
enum held_answer held_ask(struct agent *agent, const char *id, unsigned *ret_ended);
/* Waits until the hold of then has ended. It ends by itself: nothing cancels this. */
void held_wait_end(struct agent *agent, unsigned ended);
/* The hold that ended last, and what its release came to; null: there was none.
 *   id        where given, the end of another is no news, and that of an earlier one is
 *   ret_news  it ended by itself, and nobody has been told so yet; after this somebody has */
json_t *held_take_last(struct agent *agent, const char *id, int *ret_exit, bool *ret_news);

/* For `status`: a copy, or null. */
json_t *held_now_json(struct agent *agent);
json_t *held_last_json(struct agent *agent);

enum held_end {
    HELD_END_RELEASED,
    HELD_END_LEASE,     /* its time is over */
    HELD_END_CANCELLED, /* the daemon ends, or whoever asked for it has gone */
    HELD_END_GUARD,     /* the guard is away, and with it the freeze */
};

/* The holder's wait. Touches neither disk nor network.
 *   guard_fd  readable or closed once the guard is away; -1: there is none */
enum held_end held_wait(const struct cancel *ask, const struct cancel *cancel, int guard_fd,
                        int64_t end_boot_ms);

#endif
