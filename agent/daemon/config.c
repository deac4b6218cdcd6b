/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/auto.h"
#include "agent/base/parse.h"
#include "agent/daemon/config_file.h"
#include "agent/daemon/config_keys.h"

enum { SECTIONS_MAX = 32, FILES_MAX = 256, NAME_MAX_CHARS = 32 };

/* Where the next key belongs. */
struct loader {
    struct config *config;
    enum config_kind kind;
    char name[NAME_MAX_CHARS + 1]; /* of [mysql NAME], [hook NAME]; "" for the rest */
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

/* --- entries: each key as text, with where it comes from ------------------------------ */

static const char *section_title(enum config_kind kind, const char *name, char *title, size_t size)
{
    const char *word = config_kind_info(kind)->name;
    bool plain = *name == '\0' || strcmp(name, word) == 0;

    (void)snprintf(title, size, "%s%s%s", word, plain ? "" : " ", plain ? "" : name);
    return title;
}

static struct config_entry *find_entry(const struct config *config, const char *section,
                                       const char *key)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        struct config_entry *entry = &config->entries[i];
        if (strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static bool swap_text(char **slot, const char *text, struct err *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return no_memory(err);
    free(*slot);
    *slot = copy;
    return true;
}

static bool add_entries(struct config *config, enum config_kind kind, const char *title,
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
        if (!swap_text(&entry->section, title, err) ||
            !swap_text(&entry->key, info->keys[i].name, err) ||
            !swap_text(&entry->value, info->keys[i].fallback, err) ||
            !swap_text(&entry->origin, "default", err))
            return false;
    }
    return true;
}

/* --- sections ------------------------------------------------------------------------- */

static void *section_struct(struct config *config, enum config_kind kind, const char *name)
{
    switch (kind) {
    case CONFIG_AWS:
        return &config->aws;
    case CONFIG_BACKUP:
        return &config->backup;
    case CONFIG_DEVICES:
        return &config->devices;
    case CONFIG_PATHS:
        return &config->paths;
    case CONFIG_DAEMON:
        return &config->daemon;
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
static void *open_section(struct config *config, enum config_kind kind, const char *name,
                          struct err *err)
{
    void *section = section_struct(config, kind, name);
    char title[80];

    if (section != NULL)
        return section;
    if ((kind == CONFIG_MYSQL ? config->mysql_count : config->hook_count) >= SECTIONS_MAX) {
        (void)err_set(err, ERR_CONFIG, 0, "more than %d [%s] sections", SECTIONS_MAX,
                      config_kind_info(kind)->name);
        return NULL;
    }
    section =
        kind == CONFIG_MYSQL ? (void *)add_mysql(config, name) : (void *)add_hook(config, name);
    if (section == NULL) {
        (void)no_memory(err);
        return NULL;
    }
    (void)section_title(kind, name, title, sizeof(title));
    if (!config_kind_defaults(kind, section, err) || !add_entries(config, kind, title, err))
        return NULL;
    return section;
}

static bool check_name(const char *word, const char *name, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    if (*name == '\0') {
        (void)err_set(err, ERR_CONFIG, 0, "[%s] needs a name", word);
        return err_suggest(err, "write [%s NAME]", word);
    }
    if (strspn(name, allowed) != strlen(name) || strlen(name) > NAME_MAX_CHARS) {
        (void)err_set(err, ERR_CONFIG, 0, "[%s %s]: not a name", word, name);
        return err_suggest(err, "letters, digits, '.', '_' and '-', at most %d", NAME_MAX_CHARS);
    }
    if (strcmp(name, word) == 0) {
        (void)err_set(err, ERR_CONFIG, 0, "[%s %s]: that is the name of [%s] itself", word, name,
                      word);
        return err_suggest(err, "choose another name");
    }
    return true;
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
    return err_suggest(err, "stillpoint config prints all sections and keys");
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
    if (!config_kind_info(loader->kind)->named && *name != '\0')
        return err_set(err, ERR_CONFIG, 0, "[%s] takes no name", word);
    /* [mysql] is the server called mysql; a hook has no such default. */
    bool bare_mysql = loader->kind == CONFIG_MYSQL && *name == '\0';
    if (config_kind_info(loader->kind)->named && !bare_mysql && !check_name(word, name, err))
        return false;
    (void)snprintf(loader->name, sizeof(loader->name), "%s", bare_mysql ? "mysql" : name);
    if (*name == '\0')
        return true; /* an empty [mysql] says nothing: made with its first key */
    void *section = open_section(loader->config, loader->kind, loader->name, err);
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
    return err_suggest(err, "stillpoint config prints all keys");
}

static bool set_key(struct config *config, enum config_kind kind, const char *name,
                    const struct config_key *key, const char *value, const char *origin,
                    struct err *err)
{
    char title[80];
    void *section = open_section(config, kind, name, err);

    if (section == NULL)
        return false;
    if (!config_key_set(key, section, value, err)) {
        if (err->kind == ERR_USAGE)
            err->kind = ERR_CONFIG;
        return false;
    }
    if (kind == CONFIG_MYSQL)
        ((struct config_mysql *)section)->configured = true;
    struct config_entry *entry =
        find_entry(config, section_title(kind, name, title, sizeof(title)), key->name);
    if (entry == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no entry for %s", key->name);
    return swap_text(&entry->value, value, err) && swap_text(&entry->origin, origin, err);
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

    (void)section_title(loader->kind, loader->name, title, sizeof(title));
    if (key == NULL)
        return unknown_key(loader->kind, title, key_name, err);
    if (more && !key->list) {
        (void)err_set(err, ERR_CONFIG, 0, "the line goes on with %s, which takes one line",
                      key_name);
        return err_suggest(err, "begin a line with white space only to go on with a list");
    }
    if (key->list) {
        const struct config_entry *entry =
            more ? find_entry(loader->config, title, key_name) : NULL;
        if (!join(entry ? entry->value : "", value, &list, err))
            return false;
        value = list;
        origin = entry ? entry->origin : origin; /* where the list begins */
    }
    if (set_key(loader->config, loader->kind, loader->name, key, value, origin, err))
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
        if (!set_key(config, CONFIG_AWS, "", config_key_by_name(CONFIG_AWS, table[i].key), value,
                     origin, err))
            return err_wrap(err, "%s", origin);
    }
    return true;
}

/* --- files ---------------------------------------------------------------------------- */

static bool beside(const char *path, const char *name, char **ret_path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 1;

    if (asprintf(ret_path, "%.*s/%s", len, slash ? path : ".", name) < 0) {
        *ret_path = NULL;
        return no_memory(err);
    }
    return true;
}

/* hooks.d next to the file, absolute and without links on the way: stillpoint-hook takes no other
 * path. Where the folder is not there (then there is no file either) it stays as it was written. */
static bool find_hooks_dir(const char *path, char **ret_path, struct err *err)
{
    AUTO_FREE char *folder = NULL;

    if (!beside(path, ".", &folder, err))
        return false;
    AUTO_FREE char *real = realpath(folder, NULL);
    if (real == NULL)
        return beside(path, "hooks.d", ret_path, err);
    if (asprintf(ret_path, "%s/hooks.d", strcmp(real, "/") == 0 ? "" : real) < 0) {
        *ret_path = NULL;
        return no_memory(err);
    }
    return true;
}

static bool list_folder(const char *folder, struct strs *ret_names, struct err *err)
{
    DIR *dir = opendir(folder);
    bool ok = true;

    if (dir == NULL && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (dir == NULL)
        return err_set(err, ERR_CONFIG, errno, "%s", folder);
    errno = 0;
    for (struct dirent *entry = readdir(dir); ok && entry != NULL; entry = readdir(dir)) {
        if (ret_names->count >= FILES_MAX)
            ok = err_set(err, ERR_LIMIT, 0, "%s: more than %d files", folder, FILES_MAX);
        else if (entry->d_name[0] != '.')
            ok = strs_add(ret_names, entry->d_name, err);
        errno = 0;
    }
    if (ok && errno != 0)
        ok = err_set(err, ERR_CONFIG, errno, "%s", folder);
    (void)closedir(dir); /* only read from */
    strs_sort(ret_names);
    return ok;
}

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
    if (!ok || !beside(source->path, "conf.d", &folder, err))
        return false;
    ok = list_folder(folder, &names, err);
    for (size_t i = 0; ok && i < names.count; i++) {
        AUTO_FREE char *path = NULL;
        if (!ends_with(names.items[i], ".conf"))
            continue;
        ok = asprintf(&path, "%s/%s", folder, names.items[i]) >= 0 || no_memory(err);
        ok = ok && config_file_read(path, &sink, err);
        if (!ok && err->kind == ERR_NOT_FOUND)
            err->kind = ERR_CONFIG; /* a dangling link */
    }
    strs_free(&names);
    return ok;
}

/* Executables of hooks.d that no section names run too, with defaults. */
static bool find_hooks(struct config *config, struct err *err)
{
    struct strs names = {NULL, 0};
    bool ok = list_folder(config->hooks_dir, &names, err);

    for (size_t i = 0; ok && i < names.count; i++) {
        AUTO_FREE char *path = NULL;
        const char *name = names.items[i];
        struct stat st;
        bool named = section_struct(config, CONFIG_HOOK, name) != NULL;
        if (asprintf(&path, "%s/%s", config->hooks_dir, name) < 0) {
            path = NULL;
            ok = no_memory(err);
            break;
        }
        for (size_t k = 0; k < config->hook_count; k++)
            named = named || strcmp(config->hooks[k].exec, path) == 0;
        /* What is not executable is a README, an editor's backup of one, … */
        if (named || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0)
            continue;
        ok = check_name("hook", name, err) || err_wrap(err, "%s", path);
        ok = ok && set_key(config, CONFIG_HOOK, name, config_key_by_name(CONFIG_HOOK, "exec"), path,
                           config->hooks_dir, err);
    }
    strs_free(&names);
    return ok;
}

static bool fill_hook_paths(struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->hook_count; i++) {
        struct config_hook *hook = &config->hooks[i];
        AUTO_FREE char *path = NULL;
        if (*hook->exec != '\0')
            continue;
        if (asprintf(&path, "%s/%s", config->hooks_dir, hook->name) < 0) {
            path = NULL;
            return no_memory(err);
        }
        if (!set_key(config, CONFIG_HOOK, hook->name, config_key_by_name(CONFIG_HOOK, "exec"), path,
                     "default", err))
            return err_wrap(err, "[hook %s]", hook->name);
    }
    return true;
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
        if (strlen(*sockets[i].slot) > 100) /* sockaddr_un has room for 107 */
            return err_set(err, ERR_CONFIG, 0, "%s: run: %s is too long for a socket",
                           find_entry(config, "paths", "run")->origin, *sockets[i].slot);
    }
    return true;
}

/* What no key can say for itself. */
static bool check_whole(const struct config *config, struct err *err)
{
    const struct config_entry *wait = find_entry(config, "backup", "lock_wait");

    if (config->backup.lock_wait_ms > config->backup.hold_deadline_ms) {
        const struct config_entry *hold = find_entry(config, "backup", "hold_deadline");
        const struct config_entry *blame = strcmp(wait->origin, "default") != 0 ? wait : hold;
        (void)err_set(err, ERR_CONFIG, 0, "%s: lock_wait (%s) is longer than hold_deadline (%s)",
                      blame->origin, wait->value, hold->value);
        return err_suggest(err, "a lock is waited for within the hold: make lock_wait the shorter");
    }
    if (config->backup.mounts_auto)
        return true;
    for (size_t i = 0; i < config->backup.mounts.count; i++) {
        if (strs_has(&config->backup.exclude_mounts, config->backup.mounts.items[i]))
            return err_set(err, ERR_CONFIG, 0, "%s: %s is in mounts and in exclude_mounts",
                           find_entry(config, "backup", "mounts")->origin,
                           config->backup.mounts.items[i]);
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

static bool start(struct config *config, const char *path, struct err *err)
{
    static const enum config_kind single[] = {CONFIG_AWS, CONFIG_BACKUP, CONFIG_DEVICES,
                                              CONFIG_PATHS, CONFIG_DAEMON};

    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (!config_kind_defaults(single[i], section_struct(config, single[i], ""), err) ||
            !add_entries(config, single[i], config_kind_info(single[i])->name, err))
            return false;
    }
    return swap_text(&config->path, path, err) && find_hooks_dir(path, &config->hooks_dir, err);
}

static bool end_with(struct config *config, bool ok, struct config **ret_config, struct err *err)
{
    ok = ok && (config->mysql_count > 0 || open_section(config, CONFIG_MYSQL, "mysql", err)) &&
         fill_hook_paths(config, err) && derive_paths(config, err) && check_whole(config, err);
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
              apply_environment(config, source->env, err) && find_hooks(config, err);
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
    config_kind_free(CONFIG_DEVICES, &config->devices);
    config_kind_free(CONFIG_PATHS, &config->paths);
    config_kind_free(CONFIG_DAEMON, &config->daemon);
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

/* --- showing it ----------------------------------------------------------------------- */

/* A list that one line of inih has no room for goes on in further lines. */
static bool print_value(const struct config_entry *entry, struct buf *ret_text, struct err *err)
{
    const char *at = entry->value;

    if (!buf_printf(ret_text, err, "%s =%s", entry->key, *at ? " " : ""))
        return false;
    while (strlen(at) > 100) {
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

const char *config_db_method_name(enum config_db_method method)
{
    return config_key_by_name(CONFIG_MYSQL, "method")->names[method];
}
