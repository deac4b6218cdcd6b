/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_WATCH_H
#define STILLPOINT_DB_WATCH_H

#include "agent/base/deadline.h"
#include "agent/base/err.h"

/* A thread that shuts a socket down at a deadline or a cancel, under a library that blocks on it.
 * It sleeps in the kernel and is woken by nothing else: arming and disarming are two cheap system
 * calls without a context switch. One other thread calls all of these. */
struct db_watch; /* opaque */

enum db_cut { DB_CUT_NONE, DB_CUT_DEADLINE, DB_CUT_CANCEL };

/* FD is borrowed and stays open until db_watch_stop; CANCEL too, or NULL. False: ERR_SYS,
 * ERR_INTERNAL. */
bool db_watch_start(int fd, const struct cancel *cancel, struct db_watch **ret_watch,
                    struct err *err);
void db_watch_stop(struct db_watch *watch); /* NULL is fine */

/* From here the socket is shut down (once, both ways) at the deadline, and on a cancel where
 * CANCELLABLE. */
void db_watch_arm(struct db_watch *watch, bool cancellable, int64_t deadline_ms);
/* Whether it was, since it was armed. After this it is not any more. */
enum db_cut db_watch_disarm(struct db_watch *watch);

#endif
