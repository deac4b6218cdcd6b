/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_GUARD_OPTIONS_H
#define STILLPOINT_GUARD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/guard/guard_wire.h"

/* The guard's command line, and the one line of stillpoint.conf that it needs: [paths] run. */

enum { GUARD_SOCKET_PATH_BYTES = 108 }; /* sockaddr_un */

struct guard_options {
    char run[GUARD_PATH_BYTES];    /* the folder of socket and record */
    char socket[GUARD_PATH_BYTES]; /* checked: fits into a sockaddr_un */
    char record[GUARD_PATH_BYTES];
    const char *user;     /* who may connect besides root */
    bool is_user_named;   /* on the command line: then it must exist */
    const char *rcu_path; /* /sys/kernel/rcu_expedited */
    bool thaw;
    bool watch;
    bool version;
    bool help;
};

/* Reads the command line and the configuration. With --thaw or --watch a configuration that has a
 * fault is no reason to leave something frozen: what it says of [paths] run is taken where that is
 * a path, also from a file that others can write (a record is judged by itself, and nothing is made
 * or removed but one). Only a --config that is not there is refused then.
 *   false  ret_error says what is wrong, for a person; exit code 2 */
bool guard_options_read(int argc, char **argv, struct guard_options *ret_options,
                        char ret_error[GUARD_PATH_BYTES]);

/* The value of [paths] run in the text of a configuration file: the last one wins.
 *   returns 1 found, 0 not named, -N named in line N, but not an absolute path that fits into
 *   BYTES */
int guard_options_find_run(const char *text, char *ret_run, size_t bytes);

extern const char guard_options_help[];

#endif
