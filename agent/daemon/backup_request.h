/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BACKUP_REQUEST_H
#define STILLPOINT_BACKUP_REQUEST_H

#include <jansson.h>

#include "agent/daemon/work.h"

/* The arguments of a `backup` request over what the configuration says. Pure.
 *   options  holds the configuration's values; set from ARGS
 *   false    ERR_USAGE with the accepted form */
bool backup_request_read(const json_t *args, const struct config *config,
                         struct work_options *options, struct err *err);

#endif
