/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_SEAL_PLACES_H
#define STILLPOINT_CLI_SEAL_PLACES_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"

/* Where a machine's own traces lie, and their removal. What is no trace of ours stays, and is told:
 * a folder that is named by mistake loses nothing. Who calls has seen that no daemon runs and that
 * nothing is frozen. */

struct cli_seal_machine {
    const char *root;        /* "" */
    const char *mount_table; /* /proc/self/mountinfo */
    const char *timers;      /* /var/lib/systemd/timers */
};

extern const struct cli_seal_machine cli_seal_this_machine;

struct cli_seal_places {
    const struct config *config;
    const struct cli_seal_machine *machine;
    bool dry_run;
    json_t *removed; /* added to: {"path", "what"} */
    json_t *left;    /* added to: {"path", "why", "remedy" or null} */
};

/* All of it, also after one thing that stays.
 *   false  ERR_INTERNAL: no memory */
bool cli_seal_places(struct cli_seal_places *places, struct err *err);

#endif
