/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_WHEN_H
#define STILLPOINT_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

/* A moment as people write it. Pure, but for the zone that tzset has set. */
struct cli_when {
    bool given, ago;
    int64_t us; /* ago: so long before now; else since 1970 UTC */
};

/* "7d" (so long ago), "2026-11-24" (its first second), "2026-11-24T08:15", "2026-11-24 08:15:31" in
 * local time, with a Z behind it in UTC.
 *   false  ERR_USAGE, with the accepted forms as remedy */
bool cli_when_parse(const char *text, struct cli_when *ret_when, struct err *err);
int64_t cli_when_utc_us(const struct cli_when *when, int64_t now_utc_us);

#endif
