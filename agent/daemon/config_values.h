/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_VALUES_H
#define STILLPOINT_CONFIG_VALUES_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/daemon/config_keys.h"

/* One reader for each type of value, for the table of config_keys.c. SLOT is of the type named; its
 * old value is freed on success and stands on failure: ERR_USAGE with what would be good as remedy,
 * ERR_INTERNAL. */

/* char *; any text */
bool config_value_text(const struct config_key *key, const char *text, void *slot, struct err *err);
/* char *; a name as systems have them, of a group, a user, a region */
bool config_value_word(const struct config_key *key, const char *text, void *slot, struct err *err);
/* char *; absolute and plain; "" where the default is */
bool config_value_path(const struct config_key *key, const char *text, void *slot, struct err *err);
/* char *; a path that is not one of the system's own folders */
bool config_value_folder(const struct config_key *key, const char *text, void *slot,
                         struct err *err);
/* char *; of a service, https (http for this machine, and anywhere where key->max is 1); without a
 * path */
bool config_value_url(const struct config_key *key, const char *text, void *slot, struct err *err);
/* char *; a path that ends in .prom, which is what node_exporter reads; "" where the default is */
bool config_value_textfile(const struct config_key *key, const char *text, void *slot,
                           struct err *err);
/* struct secret; https or http, with a path to which /start can be added; "": not set. What was
 * refused is never in the message: it may be the secret with one letter wrong */
bool config_value_secret_url(const struct config_key *key, const char *text, void *slot,
                             struct err *err);
/* int64_t; ms from key->min to key->max */
bool config_value_duration(const struct config_key *key, const char *text, void *slot,
                           struct err *err);
/* int64_t */
bool config_value_number(const struct config_key *key, const char *text, void *slot,
                         struct err *err);
/* bool */
bool config_value_bool(const struct config_key *key, const char *text, void *slot, struct err *err);
/* an enum; key->names, the first of which has the value key->min */
bool config_value_enum(const struct config_key *key, const char *text, void *slot, struct err *err);
/* struct strs; absolute paths, each once */
bool config_value_paths(const struct config_key *key, const char *text, void *slot,
                        struct err *err);
/* struct strs; patterns for the names of packages, as fnmatch(3) takes them, each once */
bool config_value_patterns(const struct config_key *key, const char *text, void *slot,
                           struct err *err);
/* struct strs; KEY=VALUE as tag.h has it, each key once */
bool config_value_tags(const struct config_key *key, const char *text, void *slot, struct err *err);
/* struct config_backup.mounts, and mounts_auto beside it */
bool config_value_mounts(const struct config_key *key, const char *text, void *slot,
                         struct err *err);
/* unsigned; bits in the order of key->names */
bool config_value_phases(const struct config_key *key, const char *text, void *slot,
                         struct err *err);

#endif
