/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONTROL_GROUP_H
#define STILLPOINT_CONTROL_GROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/base/err.h"

/* [daemon] group, whose members may use the control socket. All: false with cause and remedy. */

bool control_group_find(const char *name, gid_t *ret_group, struct err *err);
/* So that its members can open the socket's file. A user without capabilities can give it only to
 * a group of his own. */
bool control_group_give(const char *name, gid_t group, const char *socket_path, struct err *err);
/* Whether that was done, for the doctor. */
bool control_group_check(const char *name, const char *socket_path, struct err *err);

#endif
