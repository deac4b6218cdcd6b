/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_OPTION_VALUES_H
#define STILLPOINT_CLI_OPTION_VALUES_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/cli/cli_options.h"
#include "agent/cli/cli_verbs.h"

/* What the value of each option may be, and where it goes. Pure. False is ERR_USAGE everywhere, and
 * names the option. */

/* VALUE: "" for an option that takes none; borrowed as long as OPTIONS. */
bool cli_option_apply(struct cli_options *options, enum cli_option_id id, const char *value,
                      struct err *err);

/* Whether it may be given again, each time with another value. */
bool cli_option_is_list(enum cli_option_id id);

/* The words that the option of COMMAND may have as its value, ended by NULL; NULL: it is no choice
 * of words. */
const char *const *cli_option_words(enum cli_option_id id, enum cli_command command);

/* One of WORDS, which NULL ends; else with the nearest, or all of them, as remedy. */
bool cli_value_one_of(const char *name, const char *text, const char *const *words,
                      const char **ret_text, struct err *err);
/* An argument may hold any bytes, a tag may not. */
bool cli_value_is_utf8(const char *name, const char *text, struct err *err);
/* One text that is handed on as it is; the daemon knows its form. */
bool cli_value_text(const char *name, const char *value, const char **ret_text, struct err *err);

#endif
