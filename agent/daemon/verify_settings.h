/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_VERIFY_SETTINGS_H
#define STILLPOINT_VERIFY_SETTINGS_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/daemon/strs.h"

/* What a set's server was set to, as a copy session takes it (copy_server.settings). Pure.
 *
 *   recorded      "name=value" each, of any length
 *   ret_text      is added to: all that a session takes; its cap must allow COPY_SETTINGS_BYTES
 *   ret_left_out  is added to: the names of what is longer than that
 *   false         ERR_INTERNAL */
bool verify_settings_text(const struct strs *recorded, bool mariadb, struct buf *ret_text,
                          struct strs *ret_left_out, struct err *err);

#endif
