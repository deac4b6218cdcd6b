/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_COMPLETE_RUN_H
#define STILLPOINT_CLI_COMPLETE_RUN_H

/* Prints what cli_complete.h says, and ids of backups where the daemon names them in time. A shell
 * waits for it with the cursor in the middle of a line: it ends after two seconds, whatever hangs,
 * with what is known by then, and never says what went wrong. argv  the words behind --complete env
 * getenv's shape Returns the exit code. */
int cli_complete_run(int argc, char *const *argv, const char *(*env)(const char *name));

#endif
