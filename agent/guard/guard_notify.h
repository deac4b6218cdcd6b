/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_NOTIFY_H
#define STILLPOINT_GUARD_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* What systemd is told over $NOTIFY_SOCKET (sd_notify(3)), and the watchdog that it has on the
 * guard for the time of a lease: WATCHDOG_USEC=N in a message arms it anew, 0 switches it off
 * (systemd's service_override_watchdog_timeout). So an idle guard has no watchdog to feed and wakes
 * for nothing, and one that was stopped with a lease on is killed soon after its deadline; its
 * unit's ExecStopPost= thaws then. */

/* By how much the watchdog lets the deadline pass. A thaw writes each superblock, and on a slow
 * disk that takes its time; to be killed in the midst of it would win nothing. */
enum { GUARD_NOTIFY_MARGIN_MS = 1000 };

#define GUARD_NOTIFY_STOPPING     "STOPPING=1"
#define GUARD_NOTIFY_WATCHDOG_OFF "WATCHDOG_USEC=0"
#define GUARD_NOTIFY_ALIVE        "WATCHDOG_USEC=1000000\nWATCHDOG=1" /* the margin, from now */

/* Opens $NOTIFY_SOCKET and connects to it, so that nothing has to be looked up later. -1 where
 * there is none: then nothing is told. */
int guard_notify_open(void);

/* READY=1. Waits where systemd is behind with its reading: a start that it does not hear of has
 * failed. */
void guard_notify_ready(int fd);

/* Arms the watchdog: it bites at DEADLINE_MS (clock_boot_ms()) and the margin. Formats: before
 * anything is frozen. False as guard_notify_say. */
bool guard_notify_watch(int fd, int64_t deadline_ms);

/* Says TEXT without ever waiting, also while frozen. False: it was not taken, and FD is not -1. */
static inline bool guard_notify_say(int fd, const char *text, size_t length)
{
    return fd < 0 || send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

#endif
