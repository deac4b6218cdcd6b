/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_FOLDER_H
#define STILLPOINT_CONFIG_FOLDER_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/strs.h"

/* Folders beside the configuration's main file. Used by config*.c alone. */

/* NAME in the folder of PATH. *ret_path is given to the caller. */
bool config_folder_beside(const char *path, const char *name, char **ret_path, struct err *err);
/* The names in a folder that don't begin with a dot, sorted; none where there is no such folder.
 *   false  ERR_CONFIG: it can't be read, or others could put files into it (config_file_owner_ok);
 * ERR_LIMIT, ERR_INTERNAL */
bool config_folder_list(const char *folder, struct strs *ret_names, struct err *err);

#endif
