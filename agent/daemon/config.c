/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/daemon/config_file.h"
#include "agent/daemon/config_folder.h"
#include "agent/daemon/config_hooks.h"
#include "agent/daemon/config_keys.h"
#include "agent/daemon/config_sections.h"

/* No command tells them while the configuration is wrong. */
static const char all_keys_remedy[] =
    "every section and key stands, commented, in the /etc/stillpoint/conf.d that is installed; "
    "see man stillpoint.conf";

/* Where the next key belongs. */
struct loader {
    struct config *config;
    enum config_kind kind;
    char name[CONFIG_NAME_CHARS + 1]; /* of [mysql NAME], [hook NAME]; "" for the rest */
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

static bool unknown_section(const char *word, struct err *err)
{
    const char *near = config_kind_nearest(word);

    if (config_kind_is_planned(word)) {
        (void)err_set(err, ERR_CONFIG, 0, "section [%s] is not in this version yet", word);
        return err_suggest(err, "take the section out until a version has it");
    }
    (void)err_set(err, ERR_CONFIG, 0, "unknown section [%s]", word);
    if (near != NULL)
        return err_suggest(err, "did you mean [%s]?", near);
    return err_suggest(err, "%s", all_keys_remedy);
}

static bool enter_section(void *self, const char *text, struct err *err)
{
    struct loader *loader = self;
    char word[64] = "", name[64] = "";

    size_t word_len = strcspn(text, " \t");
    const char *rest = text + word_len + strspn(text + word_len, " \t");
    (void)snprintf(word, sizeof(word), "%.*s", (int)word_len, text); /* at most 48 bytes come */
    (void)snprintf(name, sizeof(name), "%s", rest);
    if (!config_kind_by_name(word, &loader->kind))
        return unknown_section(word, err);
    if (!config_kind_info(loader->kind)->named && *name != '\0') {
        (void)err_set(err, ERR_CONFIG, 0, "[%s] takes no name", word);
        return err_suggest(err, "write [%s] alone", word);
    }
    /* [mysql] is the server called mysql; a hook has no such default. */
    bool bare_mysql = loader->kind == CONFIG_MYSQL && *name == '\0';
    if (config_kind_info(loader->kind)->named && !bare_mysql && !config_name_check(word, name, err))
        return false;
    (void)snprintf(loader->name, sizeof(loader->name), "%s", bare_mysql ? "mysql" : name);
    if (*name == '\0')
        return true; /* an empty [mysql] says nothing: made with its first key */
    void *section = config_section_open(loader->config, loader->kind, loader->name, err);
    if (section != NULL && loader->kind == CONFIG_MYSQL)
        ((struct config_mysql *)section)->configured = true;
    return section != NULL;
}

/* --- keys ----------------------------------------------------------------------------- */

static bool unknown_key(enum config_kind kind, const char *title, const char *key, struct err *err)
{
    const char *near = config_key_nearest(kind, key);
    const char *elsewhere = config_key_section(key);

    (void)err_set(err, ERR_CONFIG, 0, "unknown key '%s' in [%s]", key, title);
    if (near != NULL)
        return err_suggest(err, "did you mean %s?", near);
    if (elsewhere != NULL)
        return err_suggest(err, "%s belongs to [%s]", key, elsewhere);
    return err_suggest(err, "%s", all_keys_remedy);
}

/* A list over several lines: "/a," and "/b, /c" below it. */
static bool join(const char *before, const char *more, char **ret_text, struct err *err)
{
    size_t len = strlen(before);

    if (asprintf(ret_text, "%s%s%s", before, len ? ", " : "", more) < 0) {
        *ret_text = NULL;
        return no_memory(err);
    }
    len = strlen(*ret_text);
    if (len > 0 && (*ret_text)[len - 1] == ',')
        (*ret_text)[len - 1] = '\0';
    return true;
}

static bool take_value(void *self, const char *key_name, const char *value, bool more,
                       const char *origin, struct err *err)
{
    struct loader *loader = self;
    const struct config_key *key = config_key_by_name(loader->kind, key_name);
    AUTO_FREE char *list = NULL;
    char title[80];

    (void)config_section_title(loader->kind, loader->name, title, sizeof(title));
    if (key == NULL)
        return unknown_key(loader->kind, title, key_name, err);
    if (more && !key->list) {
        (void)err_set(err, ERR_CONFIG, 0, "the line goes on with %s, which takes one line",
                      key_name);
        return err_suggest(err, "begin a line with white space only to go on with a list");
    }
    if (key->list) {
        const struct config_entry *entry =
            more ? config_entry_find(loader->config, title, key_name) : NULL;
        if (!join(entry ? entry->value : "", value, &list, err))
            return false;
        value = list;
        origin = entry ? entry->origin : origin; /* where the list begins */
    }
    if (config_section_set(loader->config, loader->kind, loader->name, key, value, origin, err))
        return true;
    return err_wrap(err, "%s", key_name);
}

/* --- environment ---------------------------------------------------------------------- */

const char *config_getenv(const char *name)
{
    return getenv(name);
}

static bool apply_environment(struct config *config, const char *(*env)(const char *name),
                              struct err *err)
{
    /* As the AWS tools rank them: the later line wins. */
    static const struct {
        const char *variable, *key;
    } table[] = {
        {"AWS_REGION", "region"},
        {"AWS_ENDPOINT_URL", "endpoint_ec2"},
        {"AWS_ENDPOINT_URL", "endpoint_s3"},
        {"AWS_ENDPOINT_URL_EC2", "endpoint_ec2"},
        {"AWS_ENDPOINT_URL_S3", "endpoint_s3"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "endpoint_imds"},
        {"AWS_CA_BUNDLE", "ca_bundle"},
    };
    char origin[80];

    for (size_t i = 0; env != NULL && i < sizeof(table) / sizeof(table[0]); i++) {
        const char *value = env(table[i].variable);
        if (value == NULL || *value == '\0')
            continue;
        (void)snprintf(origin, sizeof(origin), "environment %s", table[i].variable);
        if (!config_section_set(config, CONFIG_AWS, "",
                                config_key_by_name(CONFIG_AWS, table[i].key), value, origin, err))
            return err_wrap(err, "%s", origin);
    }
    return true;
}

/* --- files ---------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool read_files(struct loader *loader, const struct config_source *source, struct err *err)
{
    const struct config_file_sink sink = {loader, enter_section, take_value};
    struct strs names = {NULL, 0};
    AUTO_FREE char *folder = NULL;
    bool ok = config_file_read(source->path, &sink, err);

    if (!ok && err->kind == ERR_NOT_FOUND && !source->path_named) {
        *err = (struct err)ERR_INIT;
        ok = true;
    } else if (!ok && err->kind == ERR_NOT_FOUND) {
        err->kind = ERR_CONFIG;
        (void)err_suggest(err, "name a file that is there with --config");
    }
    if (!ok || !config_folder_beside(source->path, "conf.d", &folder, err))
        return false;
    ok = config_folder_list(folder, &names, err);
    for (size_t i = 0; ok && i < names.count; i++) {
        AUTO_FREE char *path = NULL;
        if (!ends_with(names.items[i], ".conf"))
            continue;
        ok = asprintf(&path, "%s/%s", folder, names.items[i]) >= 0 || no_memory(err);
        ok = ok && config_file_read(path, &sink, err);
        if (!ok && err->kind == ERR_NOT_FOUND) {
            err->kind = ERR_CONFIG;
            (void)err_suggest(err, "it links to nothing: remove it");
        }
    }
    strs_free(&names);
    return ok;
}

static bool derive_paths(struct config *config, struct err *err)
{
    struct {
        char **slot;
        const char *name;
    } const sockets[] = {
        {&config->guard_socket, "guard.sock"},
        {&config->hook_socket, "hook.sock"},
        {&config->control_socket, "control.sock"},
    };

    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        if (asprintf(sockets[i].slot, "%s/%s", config->paths.run, sockets[i].name) < 0) {
            *sockets[i].slot = NULL;
            return no_memory(err);
        }
        if (strlen(*sockets[i].slot) > 100) { /* sockaddr_un has room for 107 */
            (void)err_set(err, ERR_CONFIG, 0, "%s: run: %s is too long for a socket",
                          config_entry_find(config, "paths", "run")->origin, *sockets[i].slot);
            return err_suggest(err, "name a folder of at most 85 characters");
        }
    }
    return true;
}

/* What no key can say for itself. */
static bool check_whole(const struct config *config, struct err *err)
{
    const struct config_entry *wait = config_entry_find(config, "backup", "lock_wait");

    if (config->backup.lock_wait_ms > config->backup.hold_deadline_ms) {
        const struct config_entry *hold = config_entry_find(config, "backup", "hold_deadline");
        const struct config_entry *blame = strcmp(wait->origin, "default") != 0 ? wait : hold;
        (void)err_set(err, ERR_CONFIG, 0, "%s: lock_wait (%s) is longer than hold_deadline (%s)",
                      blame->origin, wait->value, hold->value);
        return err_suggest(err, "a lock is waited for within the hold: make lock_wait the shorter");
    }
    if (config->backup.mounts_auto)
        return true;
    for (size_t i = 0; i < config->backup.mounts.count; i++) {
        if (!strs_has(&config->backup.exclude_mounts, config->backup.mounts.items[i]))
            continue;
        (void)err_set(err, ERR_CONFIG, 0, "%s: %s is in mounts and in exclude_mounts",
                      config_entry_find(config, "backup", "mounts")->origin,
                      config->backup.mounts.items[i]);
        return err_suggest(err, "take it out of one of the two");
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

static bool start(struct config *config, const char *path, struct err *err)
{
    static const enum config_kind single[] = {CONFIG_AWS,     CONFIG_BACKUP,  CONFIG_RETENTION,
                                              CONFIG_UPGRADE, CONFIG_DEVICES, CONFIG_PATHS,
                                              CONFIG_DAEMON,  CONFIG_METRICS};

    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (!config_kind_defaults(single[i], config_section_struct(config, single[i], ""), err) ||
            !config_entries_add(config, single[i], config_kind_info(single[i])->name, err))
            return false;
    }
    return config_swap_text(&config->path, path, err) &&
           config_hooks_dir(path, &config->hooks_dir, err);
}

static bool end_with(struct config *config, bool ok, struct config **ret_config, struct err *err)
{
    ok = ok &&
         (config->mysql_count > 0 || config_section_open(config, CONFIG_MYSQL, "mysql", err)) &&
         config_hooks_fill(config, err) && derive_paths(config, err) && check_whole(config, err);
    if (!ok) {
        config_free(config);
        return false;
    }
    *ret_config = config;
    return true;
}

bool config_load(const struct config_source *source, struct config **ret_config, struct err *err)
{
    struct config *config = calloc(1, sizeof(*config));
    struct loader loader = {.config = config};

    if (config == NULL)
        return no_memory(err);
    bool ok = start(config, source->path, err) && read_files(&loader, source, err) &&
              apply_environment(config, source->env, err) && config_hooks_find(config, err);
    return end_with(config, ok, ret_config, err);
}

bool config_from_text(const char *name, const char *text, size_t len, struct config **ret_config,
                      struct err *err)
{
    struct config *config = calloc(1, sizeof(*config));
    struct loader loader = {.config = config};
    const struct config_file_sink sink = {&loader, enter_section, take_value};

    if (config == NULL)
        return no_memory(err);
    bool ok = start(config, name, err) && config_file_parse(name, text, len, &sink, err);
    return end_with(config, ok, ret_config, err);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    config_kind_free(CONFIG_AWS, &config->aws);
    config_kind_free(CONFIG_BACKUP, &config->backup);
    config_kind_free(CONFIG_RETENTION, &config->retention);
    config_kind_free(CONFIG_UPGRADE, &config->upgrade);
    config_kind_free(CONFIG_DEVICES, &config->devices);
    config_kind_free(CONFIG_PATHS, &config->paths);
    config_kind_free(CONFIG_DAEMON, &config->daemon);
    config_kind_free(CONFIG_METRICS, &config->metrics);
    for (size_t i = 0; i < config->mysql_count; i++) {
        config_kind_free(CONFIG_MYSQL, &config->mysql[i]);
        free(config->mysql[i].name);
    }
    for (size_t i = 0; i < config->hook_count; i++) {
        config_kind_free(CONFIG_HOOK, &config->hooks[i]);
        free(config->hooks[i].name);
    }
    for (size_t i = 0; i < config->entry_count; i++) {
        free(config->entries[i].section);
        free(config->entries[i].key);
        free(config->entries[i].value);
        free(config->entries[i].origin);
    }
    free(config->mysql);
    free(config->hooks);
    free(config->entries);
    free(config->path);
    free(config->hooks_dir);
    free(config->guard_socket);
    free(config->hook_socket);
    free(config->control_socket);
    free(config);
}

const char *config_db_method_name(enum config_db_method method)
{
    return config_key_by_name(CONFIG_MYSQL, "method")->names[method];
}
