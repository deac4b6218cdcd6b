/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_show.h"

#include <stdio.h>
#include <string.h>

#include "agent/daemon/config_keys.h"

/* NULL: there is none. */
static const struct config_key *key_of(const struct config_entry *entry)
{
    char word[32];
    enum config_kind kind;

    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(entry->section, " "), entry->section);
    return config_kind_by_name(word, &kind) ? config_key_by_name(kind, entry->key) : NULL;
}

static bool is_list(const struct config_entry *entry)
{
    const struct config_key *key = key_of(entry);

    return key != NULL && key->list;
}

/* A secret that is set: what is shown in its place must not be taken for its value. */
static bool is_masked(const struct config_entry *entry)
{
    const struct config_key *key = key_of(entry);

    return key != NULL && config_key_is_secret(key) && entry->value[0] != '\0';
}

/* A list that one line of inih has no room for goes on in further lines. */
static bool print_value(const struct config_entry *entry, struct buf *ret_text, struct err *err)
{
    const char *at = entry->value;

    if (!buf_printf(ret_text, err, "%s%s =%s", is_masked(entry) ? "#" : "", entry->key,
                    *at ? " " : ""))
        return false;
    while (is_list(entry) && strlen(at) > 100) {
        const char *comma = strchr(at + 60, ',');
        if (comma == NULL || comma[1] == '\0')
            break;
        if (!buf_add(ret_text, at, (size_t)(comma - at) + 1, err) ||
            !buf_add_text(ret_text, "\n    ", err))
            return false;
        at = comma + 1 + strspn(comma + 1, " ");
    }
    return buf_add_text(ret_text, at, err);
}

bool config_print(const struct config *config, struct buf *ret_text, struct err *err)
{
    const char *section = "";

    for (size_t i = 0; i < config->entry_count; i++) {
        const struct config_entry *entry = &config->entries[i];
        if (strcmp(section, entry->section) != 0 &&
            !buf_printf(ret_text, err, "%s[%s]\n", i ? "\n" : "", entry->section))
            return false;
        section = entry->section;
        if (!buf_printf(ret_text, err, "# %s\n", entry->origin) ||
            !print_value(entry, ret_text, err) || !buf_add_text(ret_text, "\n", err))
            return false;
    }
    return true;
}

json_t *config_json(const struct config *config)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < config->entry_count; i++) {
        const struct config_entry *entry = &config->entries[i];
        json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "section", entry->section, "key",
                                 entry->key, "value", entry->value, "origin", entry->origin);
        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
