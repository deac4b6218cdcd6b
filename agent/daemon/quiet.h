/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_QUIET_H
#define STILLPOINT_QUIET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent/base/err.h"

/* While the node is held nothing is written for monitoring, and nobody is pinged: a file on what is
 * frozen would sleep until the thaw, and a hold has the network to itself. Any thread. */

enum quiet_who { QUIET_RECORD, QUIET_FILE, QUIET_PING, QUIET_COUNT };

struct quiet {
    uv_mutex_t mutex;  /* guards all below; before no other */
    uv_cond_t changed; /* libuv's: its timed waits run on the steady clock */
    unsigned holds;
    int64_t since_ms[QUIET_COUNT]; /* at it since then; 0: not */
};

void quiet_open(struct quiet *quiet);
void quiet_close(struct quiet *quiet); /* nobody is at it any more */

/* WHO's turn to work, once no hold lasts and no other thread is at WHO's; until quiet_leave. */
void quiet_enter(struct quiet *quiet, enum quiet_who who);
void quiet_leave(struct quiet *quiet, enum quiet_who who);

/* From here nobody begins. */
void quiet_hold(struct quiet *quiet);
/* Waits for those who are at it, until each has had half a second: what takes longer hangs, and for
 * that no backup waits. After quiet_hold, before anything is held. */
void quiet_settle(struct quiet *quiet);
void quiet_release(struct quiet *quiet);
bool quiet_is_held(struct quiet *quiet);

/* A thread that signals do not reach: they are the loop's.
 *   false  ERR_SYS */
bool quiet_thread(uv_thread_t *ret_thread, void (*run)(void *self), void *self, struct err *err);

#endif
