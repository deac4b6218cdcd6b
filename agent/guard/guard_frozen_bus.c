/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_frozen_bus.h"

#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct guard_twin *watched;

/* One whose FIFREEZE still runs is waited for here: it is frozen then, and has to be thawed. */
static void on_bus(int number)
{
    (void)number;
    for (int i = GUARD_MOUNTS_MAX - 1; i >= 0; i--) {
        if (watched->mount_fds[i] >= 0 &&
            atomic_load(&watched->ledger->entries[i]) != GUARD_LEDGER_LOOSE)
            (void)ioctl(watched->mount_fds[i], FITHAW, 0);
    }
    _exit(1);
}

void guard_frozen_bus_watch(const struct guard_twin *twin)
{
    struct sigaction action;

    watched = twin;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_bus;
    (void)sigaction(SIGBUS, &action, NULL);
}
