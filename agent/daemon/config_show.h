/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_SHOW_H
#define STILLPOINT_CONFIG_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/config.h"

/* The effective configuration, for `stillpoint config`. */

/* The effective configuration as a conf file that could be read again, above each value a comment
 * with its origin. */
bool config_print(const struct config *config, struct buf *ret_text, struct err *err);
/* The same as [{"section","key","value","origin"}…]; NULL without memory. */
json_t *config_json(const struct config *config);

#endif
