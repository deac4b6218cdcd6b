/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_PROGRESS_H
#define STILLPOINT_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/cli/cli_page.h"

/* The one line at the terminal's foot that says what a backup is doing. */
struct cli_progress {
    FILE *file;           /* NULL: no terminal, nothing is drawn */
    struct cli_look look; /* of that file */
    char step[32];
    char text[256];
    int64_t done, total; /* total 0: no bar */
    int64_t since_ms;    /* clock_boot_ms() of the step's begin */
    bool shown;
};

/* Takes in a "step" or "progress" event; others change nothing. */
void cli_progress_take(struct cli_progress *progress, const json_t *event, int64_t now_boot_ms);
/* The line, without its end, at most as wide as the terminal. Pure. */
void cli_progress_line(const struct cli_progress *progress, int64_t now_boot_ms,
                       struct cli_page *page);
void cli_progress_draw(struct cli_progress *progress, int64_t now_boot_ms);
void cli_progress_clear(struct cli_progress *progress); /* before anything else is written */

#endif
