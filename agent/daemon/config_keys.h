/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_KEYS_H
#define STILLPOINT_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"

/* The table of all keys, and how a text becomes a value. Used by config.c alone. */

enum config_kind { /* of section */
                   CONFIG_AWS,
                   CONFIG_BACKUP,
                   CONFIG_RETENTION,
                   CONFIG_UPGRADE,
                   CONFIG_DEVICES,
                   CONFIG_MYSQL,
                   CONFIG_HOOK,
                   CONFIG_PATHS,
                   CONFIG_DAEMON,
                   CONFIG_METRICS,
                   CONFIG_KIND_COUNT
};

struct config_key {
    const char *name;
    const char *fallback; /* the default, as it would be written */
    bool (*read)(const struct config_key *key, const char *text, void *slot, struct err *err);
    size_t offset;            /* of the value in the section's struct */
    int64_t min, max;         /* durations in ms, numbers */
    const char *const *names; /* of an enum or of phases, in the order of their values */
    bool list;                /* may go on in lines that begin with white space */
};

struct config_kind_info {
    const char *name;
    bool named; /* [mysql NAME], [hook NAME] */
    const struct config_key *keys;
    size_t key_count;
};

const struct config_kind_info *config_kind_info(enum config_kind kind);
/* False: no such section. */
bool config_kind_by_name(const char *name, enum config_kind *ret_kind);
const char *config_kind_nearest(const char *name); /* or NULL */
/* Whether INTERFACE.md has the section, but this version does not. */
bool config_kind_is_planned(const char *name);

const struct config_key *config_key_by_name(enum config_kind kind, const char *name);
const char *config_key_nearest(enum config_kind kind, const char *name); /* or NULL */
/* The section that has a key of this name, for "that key is in [x]"; NULL. */
const char *config_key_section(const char *name);

/* TEXT as it may be shown to anybody: itself, of a secret only what is none. SHOWN has room for
 * CONFIG_SHOWN_BYTES; borrowed. */
enum { CONFIG_SHOWN_BYTES = 320 };
const char *config_key_shown(const struct config_key *key, const char *text, char *shown);
bool config_key_is_secret(const struct config_key *key);

/* Reads TEXT into the section's struct; the old value is freed. On failure it stands. */
bool config_key_set(const struct config_key *key, void *section, const char *text, struct err *err);
bool config_kind_defaults(enum config_kind kind, void *section, struct err *err);
void config_kind_free(enum config_kind kind, void *section); /* what its keys own */

#endif
