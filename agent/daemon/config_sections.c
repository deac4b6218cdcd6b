/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- entries: each key as text, with where it comes from ------------------------------ */

const char *config_section_title(enum config_kind kind, const char *name, char *title, size_t size)
{
    const char *word = config_kind_info(kind)->name;
    bool plain = *name == '\0' || strcmp(name, word) == 0;

    (void)snprintf(title, size, "%s%s%s", word, plain ? "" : " ", plain ? "" : name);
    return title;
}

struct config_entry *config_entry_find(const struct config *config, const char *section,
                                       const char *key)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        struct config_entry *entry = &config->entries[i];
        if (strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

bool config_swap_text(char **slot, const char *text, struct err *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return no_memory(err);
    free(*slot);
    *slot = copy;
    return true;
}

bool config_entries_add(struct config *config, enum config_kind kind, const char *title,
                        struct err *err)
{
    const struct config_kind_info *info = config_kind_info(kind);
    size_t room = config->entry_count + info->key_count;
    struct config_entry *entries = realloc(config->entries, room * sizeof(*entries));

    if (entries == NULL)
        return no_memory(err);
    config->entries = entries;
    for (size_t i = 0; i < info->key_count; i++) {
        struct config_entry *entry = &entries[config->entry_count++];
        *entry = (struct config_entry){NULL, NULL, NULL, NULL};
        if (!config_swap_text(&entry->section, title, err) ||
            !config_swap_text(&entry->key, info->keys[i].name, err) ||
            !config_swap_text(&entry->value, info->keys[i].fallback, err) ||
            !config_swap_text(&entry->origin, "default", err))
            return false;
    }
    return true;
}

/* --- sections ------------------------------------------------------------------------- */

void *config_section_struct(struct config *config, enum config_kind kind, const char *name)
{
    switch (kind) {
    case CONFIG_AWS:
        return &config->aws;
    case CONFIG_BACKUP:
        return &config->backup;
    case CONFIG_RETENTION:
        return &config->retention;
    case CONFIG_UPGRADE:
        return &config->upgrade;
    case CONFIG_DEVICES:
        return &config->devices;
    case CONFIG_PATHS:
        return &config->paths;
    case CONFIG_DAEMON:
        return &config->daemon;
    case CONFIG_METRICS:
        return &config->metrics;
    case CONFIG_MYSQL:
        for (size_t i = 0; i < config->mysql_count; i++) {
            if (strcmp(config->mysql[i].name, name) == 0)
                return &config->mysql[i];
        }
        return NULL;
    case CONFIG_HOOK:
        for (size_t i = 0; i < config->hook_count; i++) {
            if (strcmp(config->hooks[i].name, name) == 0)
                return &config->hooks[i];
        }
        return NULL;
    case CONFIG_KIND_COUNT:
        break;
    }
    return NULL;
}

static struct config_mysql *add_mysql(struct config *config, const char *name)
{
    struct config_mysql *grown =
        realloc(config->mysql, (config->mysql_count + 1) * sizeof(*config->mysql));

    if (grown == NULL)
        return NULL;
    config->mysql = grown;
    memset(&grown[config->mysql_count], 0, sizeof(*grown));
    grown[config->mysql_count].name = strdup(name);
    if (grown[config->mysql_count].name == NULL)
        return NULL;
    return &grown[config->mysql_count++];
}

static struct config_hook *add_hook(struct config *config, const char *name)
{
    struct config_hook *grown =
        realloc(config->hooks, (config->hook_count + 1) * sizeof(*config->hooks));

    if (grown == NULL)
        return NULL;
    config->hooks = grown;
    memset(&grown[config->hook_count], 0, sizeof(*grown));
    grown[config->hook_count].name = strdup(name);
    if (grown[config->hook_count].name == NULL)
        return NULL;
    return &grown[config->hook_count++];
}

/* The section's struct, made with its defaults at first mention; NULL with err set. */
void *config_section_open(struct config *config, enum config_kind kind, const char *name,
                          struct err *err)
{
    void *section = config_section_struct(config, kind, name);
    char title[80];

    if (section != NULL || (kind != CONFIG_MYSQL && kind != CONFIG_HOOK))
        return section;
    if ((kind == CONFIG_MYSQL ? config->mysql_count : config->hook_count) >= CONFIG_SECTIONS_MAX) {
        (void)err_set(err, ERR_CONFIG, 0, "more than %d [%s] sections", CONFIG_SECTIONS_MAX,
                      config_kind_info(kind)->name);
        return NULL;
    }
    section =
        kind == CONFIG_MYSQL ? (void *)add_mysql(config, name) : (void *)add_hook(config, name);
    if (section == NULL) {
        (void)no_memory(err);
        return NULL;
    }
    (void)config_section_title(kind, name, title, sizeof(title));
    if (!config_kind_defaults(kind, section, err) || !config_entries_add(config, kind, title, err))
        return NULL;
    return section;
}

bool config_section_set(struct config *config, enum config_kind kind, const char *name,
                        const struct config_key *key, const char *value, const char *origin,
                        struct err *err)
{
    char title[80], shown[CONFIG_SHOWN_BYTES];
    void *section = config_section_open(config, kind, name, err);

    if (section == NULL)
        return false;
    if (!config_key_set(key, section, value, err)) {
        if (err->kind == ERR_USAGE)
            err->kind = ERR_CONFIG;
        return false;
    }
    if (kind == CONFIG_MYSQL)
        ((struct config_mysql *)section)->configured = true;
    struct config_entry *entry = config_entry_find(
        config, config_section_title(kind, name, title, sizeof(title)), key->name);
    if (entry == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no entry for %s", key->name);
    return config_swap_text(&entry->value, config_key_shown(key, value, shown), err) &&
           config_swap_text(&entry->origin, origin, err);
}

bool config_name_check(const char *word, const char *name, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    if (*name == '\0') {
        (void)err_set(err, ERR_CONFIG, 0, "[%s] needs a name", word);
        return err_suggest(err, "write [%s NAME]", word);
    }
    if (strspn(name, allowed) != strlen(name) || name[0] == '.' ||
        strlen(name) > CONFIG_NAME_CHARS) {
        (void)err_set(err, ERR_CONFIG, 0, "[%s %s]: not a name", word, name);
        return err_suggest(err, "letters, digits, '.' (not in front), '_' and '-', at most %d",
                           CONFIG_NAME_CHARS);
    }
    if (strcmp(name, word) == 0) {
        (void)err_set(err, ERR_CONFIG, 0, "[%s %s]: that is the name of [%s] itself", word, name,
                      word);
        return err_suggest(err, "choose another name");
    }
    return true;
}
