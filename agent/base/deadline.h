/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DEADLINE_H
#define STILLPOINT_DEADLINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Turns an absolute deadline (clock_boot_ms()) into what poll or curl want, at the call itself.
 *   ret_left_ms  at least 1 (curl takes 0, poll takes -1 for "for ever"), at most INT32_MAX
 *   false        ERR_DEADLINE: it has passed */
bool deadline_left_ms(int64_t deadline_ms, int *ret_left_ms, struct err *err);

/* The earlier of a deadline and TIMEOUT_MS from now. */
int64_t deadline_sooner(int64_t deadline_ms, int64_t timeout_ms);

/* A request to stop, from any thread to the one that works. */
struct cancel {
    atomic_bool asked; /* written by cancel_ask from any thread */
    int event_fd;      /* readable once asked; -1 before cancel_open */
};

#define CANCEL_INIT                                                                                \
    {                                                                                              \
        false, -1                                                                                  \
    }

bool cancel_open(struct cancel *cancel, struct err *err);
void cancel_close(struct cancel *cancel); /* fine on a cancel that was never opened, and twice */
void cancel_ask(struct cancel *cancel);   /* any thread; async-signal-safe; idempotent */
/* CANCEL may be NULL everywhere below and means: can't be cancelled. */
bool cancel_asked(const struct cancel *cancel);

/* Waits until FD has one of EVENTS (poll's), the deadline or a cancel; fd -1 just waits.
 *   false  ERR_DEADLINE, ERR_CANCELLED, ERR_SYS */
bool deadline_poll(int fd, short events, int64_t deadline_ms, const struct cancel *cancel,
                   struct err *err);

/* Sleeps until WAKE_MS (absolute), not past the deadline.
 *   false  ERR_CANCELLED at once; ERR_DEADLINE where the deadline comes before WAKE_MS */
bool deadline_sleep(int64_t wake_ms, int64_t deadline_ms, const struct cancel *cancel,
                    struct err *err);

#endif
