/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_LENIENT_H
#define STILLPOINT_CLI_LENIENT_H

#include <stdbool.h>
#include <stddef.h>

/* One value of a configuration that has a fault somewhere: the last that stands in PATH and in
 * conf.d/ beside it, whatever else is wrong; a list's lines with ", " between. For what must not
 * hang on a typing error in another section. What is no regular file is passed over.
 *   only_ours  so is what others than its owner (root, or who calls) could have written:
 *              config_file_owner_ok
 *   ret_value  untouched where none is found, or it has no room
 *   false      none was found */
bool cli_lenient_get(const char *path, bool only_ours, const char *section, const char *key,
                     char *ret_value, size_t size);

#endif
