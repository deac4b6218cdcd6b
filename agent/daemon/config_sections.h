/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_SECTIONS_H
#define STILLPOINT_CONFIG_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"
#include "agent/daemon/config_keys.h"

/* The sections of a configuration in the making: their structs, and each key as text with its
 * origin. NAME is that of [mysql NAME] and [hook NAME], "" for the rest. Used by config*.c alone.
 */

enum { CONFIG_SECTIONS_MAX = 32, CONFIG_NAME_CHARS = 32 };

/* "backup", "mysql", "mysql replica" into TITLE (SIZE); returns TITLE. */
const char *config_section_title(enum config_kind kind, const char *name, char *title, size_t size);
struct config_entry *config_entry_find(const struct config *config, const char *section,
                                       const char *key); /* or NULL */
/* An entry for each key of the kind, with its default. */
bool config_entries_add(struct config *config, enum config_kind kind, const char *title,
                        struct err *err);
/* The section's struct; NULL where no such one was opened yet. Moves when another one is opened. */
void *config_section_struct(struct config *config, enum config_kind kind, const char *name);
/* The same, made with its defaults at first mention. NULL: ERR_CONFIG (too many), ERR_INTERNAL. */
void *config_section_open(struct config *config, enum config_kind kind, const char *name,
                          struct err *err);
/* Reads VALUE into the section, opened if need be, and notes where it comes from.
 *   false  ERR_CONFIG with what would be good; the old value stands */
bool config_section_set(struct config *config, enum config_kind kind, const char *name,
                        const struct config_key *key, const char *value, const char *origin,
                        struct err *err);
/* Whether [WORD NAME] can be: letters, digits, … of at most CONFIG_NAME_CHARS, and not WORD itself.
 */
bool config_name_check(const char *word, const char *name, struct err *err);
/* Puts a copy of TEXT in place of *slot. TEXT may be *slot itself. */
bool config_swap_text(char **slot, const char *text, struct err *err);

#endif
