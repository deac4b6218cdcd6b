/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOKRUN_SIGNALS_H
#define STILLPOINT_HOOKRUN_SIGNALS_H

/* In a child before exec: every signal as a new program expects it, none blocked. */
void hookrun_reset_signals(void);
/* A descriptor that tells of SIGCHLD, SIGTERM and SIGINT, which are blocked from then on; -1. */
int hookrun_watch_signals(void);

#endif
