/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_LENIENT_H
#define STILLPOINT_CLI_LENIENT_H

#include <stdbool.h>
#include <stddef.h>

/* One value of a configuration that has a fault somewhere: the last that stands in PATH and in
 * conf.d/ beside it, whatever else is wrong; a list's lines with ", " between. For what must not
 * hang on a typing error in another section.
 *   ret_value  untouched where none is found, or it has no room
 *   false      none was found */
bool cli_lenient_get(const char *path, const char *section, const char *key, char *ret_value,
                     size_t size);

#endif
