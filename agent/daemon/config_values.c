/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_values.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/parse.h"
#include "agent/base/tag.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool replace(char **slot, const char *text, struct err *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    free(*slot);
    *slot = copy;
    return true;
}

bool config_value_text(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    (void)key;
    return replace(slot, text, err);
}

/* A name as the system has them: of a group, a user, a region. */
bool config_value_word(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";

    if (strspn(text, allowed) != strlen(text) || strlen(text) > 64) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not a name", text);
        return err_suggest(err, "letters, digits, '.', '_' and '-', at most 64");
    }
    if (*text == '\0' && *key->fallback != '\0') {
        (void)err_set(err, ERR_USAGE, 0, "it can't be empty");
        return err_suggest(err, "write a name, or take the line out: it is %s then", key->fallback);
    }
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

bool config_value_path(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    if (*text == '\0' && *key->fallback == '\0')
        return replace(slot, "", err);
    return path_ok(text, err) && replace(slot, text, err);
}

/* What is not ours to keep sockets and records in, as `stillpoint seal` empties both. */
static bool is_of_the_system(const char *path)
{
    static const char *const itself[] = {
        "/",        "/dev",       "/dev/shm",  "/home",      "/media",     "/mnt",
        "/opt",     "/root",      "/run",      "/run/lock",  "/srv",       "/tmp",
        "/usr",     "/usr/local", "/var",      "/var/lib",   "/var/cache", "/var/log",
        "/var/run", "/var/tmp",   "/run/user", "/lost+found"};
    static const char *const and_below[] = {"/bin",   "/boot", "/etc",  "/lib",
                                            "/lib64", "/proc", "/sbin", "/sys"};

    for (size_t i = 0; i < COUNT(itself); i++) {
        if (strcmp(path, itself[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT(and_below); i++) {
        size_t len = strlen(and_below[i]);
        if (strncmp(path, and_below[i], len) == 0 && strchr("/", path[len]) != NULL)
            return true; /* strchr finds the NUL too */
    }
    return false;
}

bool config_value_folder(const struct config_key *key, const char *text, void *slot,
                         struct err *err)
{
    if (!path_ok(text, err))
        return false;
    if (is_of_the_system(text)) {
        (void)err_set(err, ERR_USAGE, 0, "%s is the system's own", text);
        return err_suggest(err, "name a folder for it alone, as %s", key->fallback);
    }
    return replace(slot, text, err);
}

/* Behind HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT. NULL: it is none of them. */
static const char *behind_host(const char *host)
{
    static const char digits[] = "0123456789";
    const char *end = host;

    if (*host == '[') {
        end = host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (end == host + 1 || *end++ != ']')
            return NULL;
    } else {
        end += strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
        if (end == host)
            return NULL;
    }
    if (*end != ':')
        return end;
    size_t len = strspn(end + 1, digits);
    long port = len > 0 && len <= 5 ? strtol(end + 1, NULL, 10) : 0;
    return port >= 1 && port <= 65535 ? end + 1 + len : NULL;
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
bool config_value_url(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    const char *host = strstr(text, "://");

    if (*text == '\0')
        return replace(slot, "", err);
    host = host ? host + 3 : text;
    const char *end = behind_host(host);
    bool https = strncmp(text, "https://", 8) == 0;
    bool http = strncmp(text, "http://", 7) == 0;
    if ((!https && !http) || end == NULL || end[strspn(end, "/")] != '\0') {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is not the address of a service", text);
        return err_suggest(err, "write https://HOST or https://HOST:PORT, a port from 1 to 65535, "
                                "without a path");
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

bool config_value_textfile(const struct config_key *key, const char *text, void *slot,
                           struct err *err)
{
    const char *name = strrchr(text, '/');
    size_t len = name ? strlen(name + 1) : 0;

    if (*text != '\0' && (len <= 5 || strcmp(name + 1 + len - 5, ".prom") != 0)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is no file that node_exporter would read", text);
        return err_suggest(err, "write a path that ends in .prom, as "
                                "/run/stillpoint/metrics/stillpoint.prom");
    }
    return config_value_path(key, text, slot, err);
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

bool config_value_secret_url(const struct config_key *key, const char *text, void *slot,
                             struct err *err)
{
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : NULL;
    const char *path = host ? behind_host(host) : NULL;
    size_t len = strlen(text);

    (void)key;
    while (len > 0 && text[len - 1] == '/')
        len--;
    if (*text == '\0') {
        secret_free(slot);
        return true;
    }
    bool whole = path != NULL && *path == '/' && text + len > path; /* with a path, that is */
    if (!whole || len > 1000 || strpbrk(text, " \t@?#\"'<>\\") != NULL) {
        (void)err_set(err, ERR_USAGE, 0, "it is not an address that can be pinged");
        return err_suggest(err, "write https://HOST/PATH or https://HOST:PORT/PATH, a port from 1 "
                                "to 65535, without user, ? and #");
    }
    if (ends_with(text, len, "/start") || ends_with(text, len, "/fail")) {
        (void)err_set(err, ERR_USAGE, 0, "it ends with what is put behind it");
        return err_suggest(err, "write https://HOST/PATH without /start and /fail");
    }
    return secret_set(slot, text, len, err);
}

bool config_value_duration(const struct config_key *key, const char *text, void *slot,
                           struct err *err)
{
    return parse_duration_ms(text, key->min, key->max, slot, err);
}

bool config_value_number(const struct config_key *key, const char *text, void *slot,
                         struct err *err)
{
    return parse_int64(text, key->min, key->max, slot, err);
}

bool config_value_bool(const struct config_key *key, const char *text, void *slot, struct err *err)
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
bool config_value_enum(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    int index = 0;

    if (!name_index(key, text, &index, err))
        return false;
    *(int *)slot = (int)key->min + index; /* enums are int here: asserted below */
    return true;
}

_Static_assert(sizeof(enum label) == sizeof(int) && sizeof(enum config_db_method) == sizeof(int) &&
                   sizeof(enum config_identity) == sizeof(int) &&
                   sizeof(enum config_shortfall) == sizeof(int) &&
                   sizeof(enum config_upgrade_policy) == sizeof(int),
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
    if (strs_has(self, item)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is there twice", item);
        return err_suggest(err, "keep one of the two");
    }
    return path_ok(item, err) && strs_add(self, item, err);
}

static bool is_of_name(char c)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._+-";

    return c != '\0' && strchr(allowed, c) != NULL;
}

/* Behind the "[...]" that begins at AT; NULL: it matches nothing that a package is called. */
static const char *after_brackets(const char *at)
{
    const char *first = at + (at[1] == '!' ? 2 : 1), *end = first;

    for (; is_of_name(*end); end++) {
        if (*end == '-' && end > first && is_of_name(end[1]) && end[-1] > end[1])
            return NULL;
    }
    return *end == ']' && end > first ? end + 1 : NULL;
}

/* Whether it can match a name at all. */
static bool pattern_ok(const char *at)
{
    while (at != NULL && *at != '\0') {
        if (*at == '[')
            at = after_brackets(at);
        else
            at = is_of_name(*at) || *at == '*' || *at == '?' ? at + 1 : NULL;
    }
    return at != NULL;
}

static bool add_pattern(const struct config_key *key, char *item, void *self, struct err *err)
{
    (void)key;
    if (!pattern_ok(item)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' matches no name of a package", item);
        return err_suggest(err, "write names, with * ? and [a-z] or [!a-z] where more than one is "
                                "meant, and commas between them");
    }
    if (strs_has(self, item)) {
        (void)err_set(err, ERR_USAGE, 0, "'%s' is there twice", item);
        return err_suggest(err, "keep one of the two");
    }
    return strs_add(self, item, err);
}

static bool add_tag(const struct config_key *key, char *item, void *self, struct err *err)
{
    AUTO_FREE char *name = NULL;
    AUTO_FREE char *value = NULL;
    struct strs *tags = self;

    (void)key;
    if (!parse_key_value(item, &name, &value, err) || !tag_check_own(name, value, err))
        return false;
    size_t name_len = strlen(name);
    for (size_t i = 0; i < tags->count; i++) {
        if (strncmp(tags->items[i], item, name_len + 1) != 0)
            continue;
        (void)err_set(err, ERR_USAGE, 0, "tag '%s' is there twice", name);
        return err_suggest(err, "keep one of the two");
    }
    if (tags->count >= TAG_OWN_MAX) {
        (void)err_set(err, ERR_USAGE, 0, "more than %d tags", TAG_OWN_MAX);
        return err_suggest(err, "EC2 takes 50, and most are Stillpoint's: set fewer");
    }
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

bool config_value_paths(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    return read_list(key, text, slot, add_path, err);
}

bool config_value_patterns(const struct config_key *key, const char *text, void *slot,
                           struct err *err)
{
    if (*text == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "it can't be empty");
        return err_suggest(err, "write patterns of names, or policy = off where no upgrade is "
                                "to be asked about");
    }
    return read_list(key, text, slot, add_pattern, err);
}

bool config_value_tags(const struct config_key *key, const char *text, void *slot, struct err *err)
{
    return read_list(key, text, slot, add_tag, err);
}

/* SLOT is the list; the flag beside it says whether it counts. */
bool config_value_mounts(const struct config_key *key, const char *text, void *slot,
                         struct err *err)
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

bool config_value_phases(const struct config_key *key, const char *text, void *slot,
                         struct err *err)
{
    unsigned phases = 0;

    if (!each_item(key, text, &phases, add_phase, err))
        return false;
    if (phases == 0) {
        (void)err_set(err, ERR_USAGE, 0, "it names no phase");
        return err_suggest(err, "name some of prepare, hold, release, finish, stop, start");
    }
    if ((phases & CONFIG_PHASE_HOLD) != 0 && (phases & CONFIG_PHASE_RELEASE) == 0) {
        (void)err_set(err, ERR_USAGE, 0, "a hook that holds must release too");
        return err_suggest(err, "add release to phases");
    }
    if ((phases & CONFIG_PHASE_STOP) != 0 && (phases & CONFIG_PHASE_START) == 0) {
        (void)err_set(err, ERR_USAGE, 0, "a hook that stops must start too");
        return err_suggest(err, "add start to phases");
    }
    *(unsigned *)slot = phases;
    return true;
}
