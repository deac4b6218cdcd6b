/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { OWN_TAGS_MAX = 15 }; /* of EC2's 50; the rest are ours (catalog.h) */

static bool replace(char **slot, const char *text, struct err *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    free(*slot);
    *slot = copy;
    return true;
}

/* --- one reader for each type --------------------------------------------------------- */

static bool read_text(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    (void)key;
    return replace(slot, text, err);
}

/* A name as the system has them: of a group, a user, a region. */
static bool read_word(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    if (strspn(text, allowed) != strlen(text) || strlen(text) > 64) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not a name", text);
        return err_suggest(err, "letters, digits, '.', '_' and '-', at most 64");
    }
    if (*text == '\0' && *key->fallback != '\0')
        return err_set(err, ERR_USAGE, 0, "it can't be empty");
    return replace(slot, text, err);
}

/* Absolute, and without detours, so that two ways of writing one path compare equal. */
static bool path_ok(const char *path, struct err *err)
{
    size_t len = strlen(path);
    bool detour = strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
                  (len >= 2 && strcmp(path + len - 2, "/.") == 0) ||
                  (len >= 3 && strcmp(path + len - 3, "/..") == 0);

    if (*path == '/' && !detour && len < 1024 && (len == 1 || path[len - 1] != '/'))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "'%s' is not a plain absolute path", path);
    return err_suggest(err, "write it from / on, without //, /./, /../ and a / at its end");
}

static bool read_path(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    if (*text == '\0' && *key->fallback == '\0')
        return replace(slot, "", err);
    return path_ok(text, err) && replace(slot, text, err);
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

    for (size_t i = 0; i < COUNT(names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(host, names[i], len) == 0 && strchr(":/", host[len]) != NULL)
            return true; /* strchr finds the NUL too */
    }
    return false;
}

/* key->max 1: http is fine everywhere (the metadata service knows nothing else). */
static bool read_url(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    const char *host = strstr(text, "://");

    if (*text == '\0')
        return replace(slot, "", err);
    host = host ? host + 3 : text;
    bool https = strncmp(text, "https://", 8) == 0;
    bool http = strncmp(text, "http://", 7) == 0;
    if ((!https && !http) || strchr("/:", *host) != NULL ||
        strpbrk(text, " \t@?#\"'<>\\") != NULL) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not the address of a service", text);
        return err_suggest(err, "write https://HOST or https://HOST:PORT");
    }
    if (http && key->max == 0 && !is_loopback(host)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' would send requests in the clear", text);
        return err_suggest(err, "write https://; http:// is for this machine's own addresses");
    }
    if (!replace(slot, text, err))
        return false;
    char *kept = *(char **)slot;
    for (size_t len = strlen(kept); len > 0 && kept[len - 1] == '/'; len--)
        kept[len - 1] = '\0';
    return true;
}

static bool read_duration(const struct config_key *key, const char *text, void *slot,
                          struct err *err)
{
    return parse_duration_ms(text, key->min, key->max, slot, err);
}

static bool read_number(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    return parse_int64(text, key->min, key->max, slot, err);
}

static bool read_bool(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    (void)key;
    return parse_bool(text, slot, err);
}

static bool name_index(const struct config_key *key, const char *text, int *ret_index,
                       struct err *err)
{
    char known[200] = "";

    for (int i = 0; key->names[i] != NULL; i++) {
        if (strcmp(text, key->names[i]) == 0) {
            *ret_index = i;
            return true;
        }
        (void)strncat(known, i ? ", " : "", sizeof(known) - strlen(known) - 1);
        (void)strncat(known, key->names[i], sizeof(known) - strlen(known) - 1);
    }
    (void)err_set(err, ERR_USAGE, 0, "'%s' is none of its values", text);
    return err_suggest(err, "write one of: %s", known);
}

/* key->min is the value of the first name. */
static bool read_enum(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    int index = 0;

    if (!name_index(key, text, &index, err))
        return false;
    *(int *)slot = (int)key->min + index; /* enums are int here: asserted below */
    return true;
}

_Static_assert(sizeof(enum label) == sizeof(int) && sizeof(enum config_db_method) == sizeof(int) &&
                   sizeof(enum config_identity) == sizeof(int) &&
                   sizeof(enum config_shortfall) == sizeof(int),
               "enums are written as int");

/* Calls EACH for every item of a list that commas part, without the blanks round it. */
static bool each_item(const struct config_key *key, const char *text, void *self,
                      bool (*each)(const struct config_key *key, char *item, void *self,
                                   struct err *err),
                      struct err *err)
{
    AUTO_FREE char *copy = strdup(text);
    char *rest = copy;

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (copy[strspn(copy, " \t")] == '\0')
        return true;
    while (rest != NULL) {
        char *item = strsep(&rest, ",");
        item += strspn(item, " \t");
        for (size_t len = strlen(item); len > 0 && strchr(" \t", item[len - 1]); len--)
            item[len - 1] = '\0';
        if (*item == '\0') {
            (void)err_set(err, ERR_USAGE, 0, "an empty item in '%s'", text);
            return err_suggest(err, "part the items with one comma");
        }
        if (!each(key, item, self, err))
            return false;
    }
    return true;
}

static bool add_path(const struct config_key *key, char *item, void *self, struct err *err)
{
    (void)key;
    if (strs_has(self, item))
        return err_set(err, ERR_USAGE, 0, "'%s' is there twice", item);
    return path_ok(item, err) && strs_add(self, item, err);
}

static bool add_tag(const struct config_key *key, char *item, void *self, struct err *err)
{
    struct strs *tags = self;
    size_t name_len = strcspn(item, "=");

    (void)key;
    if (item[name_len] == '\0' || name_len == 0 || name_len > 127) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not NAME=VALUE", item);
        return err_suggest(err, "write Name=Value, Name=Value; names have at most 127 bytes");
    }
    if (strncmp(item, "aws:", 4) == 0 || strncmp(item, "stillpoint:", 11) == 0)
        return err_set(err, ERR_USAGE, 0, "'%s': tags of that prefix are not yours to set", item);
    if (strlen(item + name_len + 1) > 256)
        return err_set(err, ERR_USAGE, 0, "'%s': a value has at most 256 characters", item);
    for (size_t i = 0; i < tags->count; i++) {
        if (strncmp(tags->items[i], item, name_len + 1) == 0)
            return err_set(err, ERR_USAGE, 0, "tag '%.*s' is there twice", (int)name_len, item);
    }
    if (tags->count >= OWN_TAGS_MAX)
        return err_set(err, ERR_USAGE, 0, "more than %d tags", OWN_TAGS_MAX);
    return strs_add(tags, item, err);
}

static bool read_list(const struct config_key *key, const char *text, struct strs *slot,
                      bool (*each)(const struct config_key *key, char *item, void *self,
                                   struct err *err),
                      struct err *err)
{
    struct strs fresh = {NULL, 0};

    if (!each_item(key, text, &fresh, each, err)) {
        strs_free(&fresh);
        return false;
    }
    strs_free(slot);
    *slot = fresh;
    return true;
}

static bool read_paths(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    return read_list(key, text, slot, add_path, err);
}

static bool read_tags(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    return read_list(key, text, slot, add_tag, err);
}

/* SLOT is the list; the flag beside it says whether it counts. */
static bool read_mounts(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    struct config_backup *backup =
        (struct config_backup *)(void *)((char *)slot - offsetof(struct config_backup, mounts));
    bool is_auto = strcmp(text, "auto") == 0;

    if (*text == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "it can't be empty");
        return err_suggest(err, "write auto, or the mount points");
    }
    if (!read_list(key, is_auto ? "" : text, slot, add_path, err))
        return false;
    backup->mounts_auto = is_auto;
    return true;
}

static bool add_phase(const struct config_key *key, char *item, void *self, struct err *err)
{
    unsigned *phases = self;
    int index = 0;

    if (!name_index(key, item, &index, err))
        return false;
    *phases |= 1U << index;
    return true;
}

static bool read_phases(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    unsigned phases = 0;

    if (!each_item(key, text, &phases, add_phase, err))
        return false;
    if (phases == 0)
        return err_set(err, ERR_USAGE, 0, "it names no phase");
    if ((phases & CONFIG_PHASE_HOLD) != 0 && (phases & CONFIG_PHASE_RELEASE) == 0)
        return err_set(err, ERR_USAGE, 0, "a hook that holds must release too");
    *(unsigned *)slot = phases;
    return true;
}

/* --- the table ------------------------------------------------------------------------ */

static const char *const identities[] = {"imds", "none", NULL};
static const char *const shortfalls[] = {"keep", "discard", NULL};
static const char *const labels[] = {"crash", "filesystem", "application", NULL};
static const char *const methods[] = {
    "auto", "backup-stage", "lock-instance", "percona", "ftwrl", "none", NULL};
static const char *const phases[] = {"prepare", "hold", "release", "finish", NULL};

#define AWS(field)     offsetof(struct config_aws, field)
#define BACKUP(field)  offsetof(struct config_backup, field)
#define DEVICES(field) offsetof(struct config_devices, field)
#define MYSQL(field)   offsetof(struct config_mysql, field)
#define HOOK(field)    offsetof(struct config_hook, field)
#define PATHS(field)   offsetof(struct config_paths, field)
#define DAEMON(field)  offsetof(struct config_daemon, field)

static const struct config_key aws_keys[] = {
    {"identity", "imds", read_enum, AWS(identity), CONFIG_IDENTITY_IMDS, 0, identities, false},
    {"profile", "", read_text, AWS(profile), 0, 0, NULL, false},
    {"region", "", read_word, AWS(region), 0, 0, NULL, false},
    {"endpoint_ec2", "", read_url, AWS(endpoint_ec2), 0, 0, NULL, false},
    {"endpoint_s3", "", read_url, AWS(endpoint_s3), 0, 0, NULL, false},
    {"endpoint_imds", "", read_url, AWS(endpoint_imds), 0, 1, NULL, false},
    {"ca_bundle", "", read_path, AWS(ca_bundle), 0, 0, NULL, false},
    {"connect_timeout", "3s", read_duration, AWS(connect_timeout_ms), 100, MINUTE, NULL, false},
    {"request_timeout", "8s", read_duration, AWS(request_timeout_ms), 500, 2L * MINUTE, NULL,
     false},
};

static const struct config_key backup_keys[] = {
    {"consistency", "application", read_enum, BACKUP(consistency), LABEL_CRASH, 0, labels, false},
    {"on_shortfall", "keep", read_enum, BACKUP(on_shortfall), CONFIG_SHORTFALL_KEEP, 0, shortfalls,
     false},
    {"hold_deadline", "10s", read_duration, BACKUP(hold_deadline_ms), 2L * SECOND, 60L * SECOND,
     NULL, false},
    {"lock_wait", "2s", read_duration, BACKUP(lock_wait_ms), SECOND, 60L * SECOND, NULL, false},
    {"job_timeout", "10m", read_duration, BACKUP(job_timeout_ms), 10L * SECOND, DAY, NULL, false},
    {"finish_timeout", "24h", read_duration, BACKUP(finish_timeout_ms), MINUTE, 14L * DAY, NULL,
     false},
    {"retry_holds", "3", read_number, BACKUP(retry_holds), 0, 20, NULL, false},
    {"image", "yes", read_bool, BACKUP(image), 0, 0, NULL, false},
    {"mounts", "auto", read_mounts, BACKUP(mounts), 0, 0, NULL, true},
    {"exclude_mounts", "", read_paths, BACKUP(exclude_mounts), 0, 0, NULL, true},
    {"tags", "", read_tags, BACKUP(tags), 0, 0, NULL, true},
};

static const struct config_key devices_keys[] = {
    {"map", "", read_path, DEVICES(map), 0, 0, NULL, false},
};

static const struct config_key mysql_keys[] = {
    {"socket", "", read_path, MYSQL(socket), 0, 0, NULL, false},
    {"user", "stillpoint", read_word, MYSQL(user), 0, 0, NULL, false},
    {"defaults_file", "", read_path, MYSQL(defaults_file), 0, 0, NULL, false},
    {"method", "auto", read_enum, MYSQL(method), CONFIG_DB_AUTO, 0, methods, false},
    {"exact_position", "no", read_bool, MYSQL(exact_position), 0, 0, NULL, false},
    {"required", "no", read_bool, MYSQL(required), 0, 0, NULL, false},
};

static const struct config_key hook_keys[] = {
    {"exec", "", read_path, HOOK(exec), 0, 0, NULL, false},
    {"phases", "prepare, hold, release, finish", read_phases, HOOK(phases), 0, 0, phases, true},
    {"prepare_timeout", "30s", read_duration, HOOK(prepare_timeout_ms), SECOND, 10L * MINUTE, NULL,
     false},
    {"hold_timeout", "2s", read_duration, HOOK(hold_timeout_ms), 100, 30L * SECOND, NULL, false},
    {"release_timeout", "30s", read_duration, HOOK(release_timeout_ms), SECOND, 10L * MINUTE, NULL,
     false},
    {"finish_timeout", "30s", read_duration, HOOK(finish_timeout_ms), SECOND, 10L * MINUTE, NULL,
     false},
    {"required", "no", read_bool, HOOK(required), 0, 0, NULL, false},
};

static const struct config_key paths_keys[] = {
    {"run", "/run/stillpoint", read_path, PATHS(run), 0, 0, NULL, false},
    {"state", "/var/lib/stillpoint", read_path, PATHS(state), 0, 0, NULL, false},
};

static const struct config_key daemon_keys[] = {
    {"group", "stillpoint", read_word, DAEMON(group), 0, 0, NULL, false},
};

static const struct config_kind_info kinds[CONFIG_KIND_COUNT] = {
    [CONFIG_AWS] = {"aws", false, aws_keys, COUNT(aws_keys)},
    [CONFIG_BACKUP] = {"backup", false, backup_keys, COUNT(backup_keys)},
    [CONFIG_DEVICES] = {"devices", false, devices_keys, COUNT(devices_keys)},
    [CONFIG_MYSQL] = {"mysql", true, mysql_keys, COUNT(mysql_keys)},
    [CONFIG_HOOK] = {"hook", true, hook_keys, COUNT(hook_keys)},
    [CONFIG_PATHS] = {"paths", false, paths_keys, COUNT(paths_keys)},
    [CONFIG_DAEMON] = {"daemon", false, daemon_keys, COUNT(daemon_keys)},
};

/* --- looking things up ---------------------------------------------------------------- */

const struct config_kind_info *config_kind_info(enum config_kind kind)
{
    return &kinds[kind];
}

bool config_kind_by_name(const char *name, enum config_kind *ret_kind)
{
    for (size_t i = 0; i < CONFIG_KIND_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *ret_kind = (enum config_kind)i;
            return true;
        }
    }
    return false;
}

const char *config_kind_nearest(const char *name)
{
    const char *known[CONFIG_KIND_COUNT + 1] = {NULL};

    for (size_t i = 0; i < CONFIG_KIND_COUNT; i++)
        known[i] = kinds[i].name;
    return parse_nearest(name, known);
}

bool config_kind_is_planned(const char *name)
{
    static const char *const planned[] = {"kaltura", "retention", "copy",       "share",  "archive",
                                          "lock",    "media",     "media-rule", "metrics"};

    for (size_t i = 0; i < COUNT(planned); i++) {
        if (strcmp(planned[i], name) == 0)
            return true;
    }
    return false;
}

const struct config_key *config_key_by_name(enum config_kind kind, const char *name)
{
    for (size_t i = 0; i < kinds[kind].key_count; i++) {
        if (strcmp(kinds[kind].keys[i].name, name) == 0)
            return &kinds[kind].keys[i];
    }
    return NULL;
}

const char *config_key_nearest(enum config_kind kind, const char *name)
{
    const char *known[24] = {NULL};

    for (size_t i = 0; i < kinds[kind].key_count && i < COUNT(known) - 1; i++)
        known[i] = kinds[kind].keys[i].name;
    return parse_nearest(name, known);
}

const char *config_key_section(const char *name)
{
    for (size_t i = 0; i < CONFIG_KIND_COUNT; i++) {
        if (config_key_by_name((enum config_kind)i, name) != NULL)
            return kinds[i].name;
    }
    return NULL;
}

/* --- setting -------------------------------------------------------------------------- */

bool config_key_set(const struct config_key *key, void *section, const char *text, struct err *err)
{
    return key->read(key, text, (char *)section + key->offset, err);
}

bool config_kind_defaults(enum config_kind kind, void *section, struct err *err)
{
    for (size_t i = 0; i < kinds[kind].key_count; i++) {
        const struct config_key *key = &kinds[kind].keys[i];
        if (!config_key_set(key, section, key->fallback, err))
            return err_wrap(err, "default of %s", key->name);
    }
    return true;
}

void config_kind_free(enum config_kind kind, void *section)
{
    for (size_t i = 0; i < kinds[kind].key_count; i++) {
        const struct config_key *key = &kinds[kind].keys[i];
        void *slot = (char *)section + key->offset;
        if (key->read == read_text || key->read == read_word || key->read == read_path ||
            key->read == read_url)
            free(*(char **)slot);
        else if (key->read == read_paths || key->read == read_tags || key->read == read_mounts)
            strs_free(slot);
    }
}
