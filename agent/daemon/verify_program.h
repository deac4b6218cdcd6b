/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_PROGRAM_H
#define STILLPOINT_VERIFY_PROGRAM_H

#include <stdbool.h>

#include "agent/hookrun/copy_wire.h"

/* Which of the installed servers is started on a copy: one of the set's kind and release series
 * (MariaDB 10.11, MySQL 8.4). Another one would refuse the files, or upgrade them, and neither says
 * anything of the set. Percona Server counts as the MySQL that it is made of. Pure. */

enum verify_program_fit {
    VERIFY_PROGRAM_NONE,
    VERIFY_PROGRAM_UNSURE, /* it may refuse files that are good: a later one of MySQL's series
                              (8.0.30 takes no redo log of 8.0.28 that has to be recovered), or what
                              the set's server was is not known */
    VERIFY_PROGRAM_FITS,   /* another one of MariaDB's series */
    VERIFY_PROGRAM_SAME,
};

struct verify_program {
    enum verify_program_fit fit;
    bool mariadb;
    char path[COPY_PATH_BYTES];
    char version[100]; /* "9.7.4-2", "10.11.19-MariaDB-0+deb12u1" */
};

enum { VERIFY_PROGRAM_WHY_BYTES = 400 };

/*   lines     of copy_list_programs
 *   recorded  the set's: VERSION(); NULL: not known, the first server that tells a version is taken
 *   ret_why   where none fits: a sentence with what there is and what to do */
enum verify_program_fit verify_program_pick(const char *lines, const char *recorded,
                                            struct verify_program *ret_program, char *ret_why);

#endif
