/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_HOOK_OUTPUT_H
#define STILLPOINT_HOOK_OUTPUT_H

#include "hooks/hook_chain.h"

/* Logs what the chain's exec hooks wrote in the last run of each phase, a line an event; quoted,
 * since nothing in it is to be trusted. Worker thread, writers running.
 *   id  the backup's */
void hook_output_log(const struct hook_chain *chain, const char *id);

#endif
