/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_COMPLETE_H
#define STILLPOINT_CLI_COMPLETE_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* What a shell offers at the end of a command line, from the tables of cli_verbs.h: so the scripts
 * of packaging/completion know no command and no option. They ask
 *
 *   stillpoint --complete WORD…     the words behind `stillpoint'; the last is the one being
 * written, "" where none is begun
 *
 * and get a line each: a word with a tab and what it is behind it; or what the shell knows better:
 *
 *   :files  :folders   of this machine; behind the = where the word has one
 *   :command N         a command of the system and its arguments, from WORD N on, counted from 1
 *
 * Words are not chosen by what is written already: that is the shell's way to do. */

/* What only the daemon can say. */
struct cli_complete_rest {
    bool ids;           /* of backups */
    const char *config; /* of --config; NULL: not given. Borrowed from WORDS */
};

/* Pure. COUNT is at least 1. */
bool cli_complete(int count, char *const *words, struct buf *ret_lines,
                  struct cli_complete_rest *ret_rest, struct err *err);

#endif
