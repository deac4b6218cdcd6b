/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_HOOKS_H
#define STILLPOINT_CONFIG_HOOKS_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"

/* Exec hooks: which programs, where. Used by config.c alone. */

/* The folder of PATH's hooks. *ret_path is given to the caller. */
bool config_hooks_dir(const char *path, char **ret_path, struct err *err);
/* A section without exec means the program of its name in config->hooks_dir. */
bool config_hooks_fill(struct config *config, struct err *err);
/* Adds the executables of config->hooks_dir that no section names, by name. After
 * config_hooks_fill. */
bool config_hooks_find(struct config *config, struct err *err);

#endif
