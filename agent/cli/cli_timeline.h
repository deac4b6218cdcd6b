/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_TIMELINE_H
#define STILLPOINT_CLI_TIMELINE_H

#include <jansson.h>

#include "agent/cli/cli_page.h"

/* Draws the hold of BACKUP (its JSON) step by step on one scale: how long writers could have
 * waited and what for, and in which part of it everything was still. */
void cli_timeline_draw(struct cli_page *page, const json_t *backup);

#endif
