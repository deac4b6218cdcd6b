/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

void hookrun_reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for those that can't be caught */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int hookrun_watch_signals(void)
{
    sigset_t set;

    (void)signal(SIGCHLD, SIG_DFL); /* one that was ignored would never be told */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
