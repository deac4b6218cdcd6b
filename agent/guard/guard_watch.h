/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_WATCH_H
#define STILLPOINT_GUARD_WATCH_H

#include "agent/guard/guard_options.h"
#include "agent/guard/guard_record.h"

/* Waits beside the guard, in a control group of its own, for the death of both its processes, and
 * lets go then of what its record says is frozen. systemd does the same (ExecStopPost=), but not
 * while PID 1 itself waits for a frozen /. It sleeps on the record's lock, which the kernel frees
 * with the last process of a guard: it wakes for nothing else.
 *   told     called where something was frozen, once it is let go
 *   returns  only where it can't watch: errno */
void guard_watch_run(const struct guard_options *options, const char boot_id[GUARD_BOOT_ID_BYTES],
                     void (*told)(const struct guard_recovery *recovery));

#endif
