/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/daemon/config_values.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* A Kaltura node's own packages, the database servers of every vendor and distribution, and what
 * else keeps data there. */
#define CONFIG_UPGRADE_PACKAGES                                                                    \
    "kaltura-*, mysql*-server*, mariadb*-server*, percona-server*, elasticsearch*, opensearch*, "  \
    "sphinx, sphinxsearch*, manticore*, rabbitmq-server"

/* --- the table ------------------------------------------------------------------------ */

static const char *const identities[] = {"imds", "none", NULL};
static const char *const shortfalls[] = {"keep", "discard", NULL};
static const char *const policies[] = {"off", "best-effort", "required", NULL};
static const char *const labels[] = {"crash", "filesystem", "application", NULL};
static const char *const methods[] = {
    "auto", "backup-stage", "lock-instance", "percona", "ftwrl", "none", NULL};
static const char *const phases[] = {"prepare", "hold", "release", "finish", "stop", "start", NULL};

#define AWS(field)       offsetof(struct config_aws, field)
#define BACKUP(field)    offsetof(struct config_backup, field)
#define RETENTION(field) offsetof(struct config_retention, field)
#define UPGRADE(field)   offsetof(struct config_upgrade, field)
#define DEVICES(field)   offsetof(struct config_devices, field)
#define MYSQL(field)     offsetof(struct config_mysql, field)
#define HOOK(field)      offsetof(struct config_hook, field)
#define PATHS(field)     offsetof(struct config_paths, field)
#define DAEMON(field)    offsetof(struct config_daemon, field)
#define METRICS(field)   offsetof(struct config_metrics, field)

static const struct config_key aws_keys[] = {
    {"identity", "imds", config_value_enum, AWS(identity), CONFIG_IDENTITY_IMDS, 0, identities,
     false},
    {"profile", "", config_value_text, AWS(profile), 0, 0, NULL, false},
    {"region", "", config_value_word, AWS(region), 0, 0, NULL, false},
    {"endpoint_ec2", "", config_value_url, AWS(endpoint_ec2), 0, 0, NULL, false},
    {"endpoint_s3", "", config_value_url, AWS(endpoint_s3), 0, 0, NULL, false},
    {"endpoint_imds", "", config_value_url, AWS(endpoint_imds), 0, 1, NULL, false},
    {"ca_bundle", "", config_value_path, AWS(ca_bundle), 0, 0, NULL, false},
    {"connect_timeout", "3s", config_value_duration, AWS(connect_timeout_ms), 100, MINUTE, NULL,
     false},
    {"request_timeout", "8s", config_value_duration, AWS(request_timeout_ms), 500, 2L * MINUTE,
     NULL, false},
};

static const struct config_key backup_keys[] = {
    {"consistency", "application", config_value_enum, BACKUP(consistency), LABEL_CRASH, 0, labels,
     false},
    {"on_shortfall", "keep", config_value_enum, BACKUP(on_shortfall), CONFIG_SHORTFALL_KEEP, 0,
     shortfalls, false},
    {"hold_deadline", "10s", config_value_duration, BACKUP(hold_deadline_ms), 2L * SECOND,
     60L * SECOND, NULL, false},
    {"lock_wait", "2s", config_value_duration, BACKUP(lock_wait_ms), SECOND, 60L * SECOND, NULL,
     false},
    {"job_timeout", "10m", config_value_duration, BACKUP(job_timeout_ms), 10L * SECOND, DAY, NULL,
     false},
    {"finish_timeout", "24h", config_value_duration, BACKUP(finish_timeout_ms), MINUTE, 14L * DAY,
     NULL, false},
    {"retry_holds", "3", config_value_number, BACKUP(retry_holds), 0, 20, NULL, false},
    {"image", "yes", config_value_bool, BACKUP(image), 0, 0, NULL, false},
    {"mounts", "auto", config_value_mounts, BACKUP(mounts), 0, 0, NULL, true},
    {"exclude_mounts", "", config_value_paths, BACKUP(exclude_mounts), 0, 0, NULL, true},
    {"tags", "", config_value_tags, BACKUP(tags), 0, 0, NULL, true},
};

static const struct config_key retention_keys[] = {
    {"keep_last", "0", config_value_number, RETENTION(policy.keep[RETENTION_LAST]), 0, 10000, NULL,
     false},
    {"keep_hourly", "0", config_value_number, RETENTION(policy.keep[RETENTION_HOURLY]), 0, 10000,
     NULL, false},
    {"keep_daily", "0", config_value_number, RETENTION(policy.keep[RETENTION_DAILY]), 0, 10000,
     NULL, false},
    {"keep_weekly", "0", config_value_number, RETENTION(policy.keep[RETENTION_WEEKLY]), 0, 10000,
     NULL, false},
    {"keep_monthly", "0", config_value_number, RETENTION(policy.keep[RETENTION_MONTHLY]), 0, 10000,
     NULL, false},
    {"keep_yearly", "0", config_value_number, RETENTION(policy.keep[RETENTION_YEARLY]), 0, 10000,
     NULL, false},
    {"keep_within", "0", config_value_duration, RETENTION(policy.within_ms), 0, 3650L * DAY, NULL,
     false},
    {"after_backup", "no", config_value_bool, RETENTION(after_backup), 0, 0, NULL, false},
};

static const struct config_key upgrade_keys[] = {
    {"policy", "best-effort", config_value_enum, UPGRADE(policy), CONFIG_UPGRADE_OFF, 0, policies,
     false},
    {"packages", CONFIG_UPGRADE_PACKAGES, config_value_patterns, UPGRADE(packages), 0, 0, NULL,
     true},
    {"wait", "5m", config_value_duration, UPGRADE(wait_ms), 5L * SECOND, HOUR, NULL, false},
    {"max_age", "30m", config_value_duration, UPGRADE(max_age_ms), 0, 7L * DAY, NULL, false},
};

static const struct config_key devices_keys[] = {
    {"map", "", config_value_path, DEVICES(map), 0, 0, NULL, false},
};

static const struct config_key mysql_keys[] = {
    {"socket", "", config_value_path, MYSQL(socket), 0, 0, NULL, false},
    {"user", "stillpoint", config_value_word, MYSQL(user), 0, 0, NULL, false},
    {"defaults_file", "", config_value_path, MYSQL(defaults_file), 0, 0, NULL, false},
    {"method", "auto", config_value_enum, MYSQL(method), CONFIG_DB_AUTO, 0, methods, false},
    {"exact_position", "no", config_value_bool, MYSQL(exact_position), 0, 0, NULL, false},
    {"required", "no", config_value_bool, MYSQL(required), 0, 0, NULL, false},
};

static const struct config_key hook_keys[] = {
    {"exec", "", config_value_path, HOOK(exec), 0, 0, NULL, false},
    {"phases", "prepare, hold, release, finish", config_value_phases, HOOK(phases), 0, 0, phases,
     true},
    {"prepare_timeout", "30s", config_value_duration, HOOK(prepare_timeout_ms), SECOND,
     10L * MINUTE, NULL, false},
    {"hold_timeout", "2s", config_value_duration, HOOK(hold_timeout_ms), 100, 30L * SECOND, NULL,
     false},
    {"release_timeout", "30s", config_value_duration, HOOK(release_timeout_ms), SECOND,
     10L * MINUTE, NULL, false},
    {"finish_timeout", "30s", config_value_duration, HOOK(finish_timeout_ms), SECOND, 10L * MINUTE,
     NULL, false},
    {"stop_timeout", "2m", config_value_duration, HOOK(stop_timeout_ms), SECOND, 10L * MINUTE, NULL,
     false},
    {"start_timeout", "2m", config_value_duration, HOOK(start_timeout_ms), SECOND, 10L * MINUTE,
     NULL, false},
    {"required", "no", config_value_bool, HOOK(required), 0, 0, NULL, false},
};

static const struct config_key paths_keys[] = {
    {"run", "/run/stillpoint", config_value_folder, PATHS(run), 0, 0, NULL, false},
    {"state", "/var/lib/stillpoint", config_value_folder, PATHS(state), 0, 0, NULL, false},
};

static const struct config_key daemon_keys[] = {
    {"group", "stillpoint", config_value_word, DAEMON(group), 0, 0, NULL, false},
};

static const struct config_key metrics_keys[] = {
    {"textfile", "", config_value_textfile, METRICS(textfile), 0, 0, NULL, false},
    {"ping", "", config_value_secret_url, METRICS(ping), 0, 0, NULL, false},
};

static const struct config_kind_info kinds[CONFIG_KIND_COUNT] = {
    [CONFIG_AWS] = {"aws", false, aws_keys, COUNT(aws_keys)},
    [CONFIG_BACKUP] = {"backup", false, backup_keys, COUNT(backup_keys)},
    [CONFIG_RETENTION] = {"retention", false, retention_keys, COUNT(retention_keys)},
    [CONFIG_UPGRADE] = {"upgrade", false, upgrade_keys, COUNT(upgrade_keys)},
    [CONFIG_DEVICES] = {"devices", false, devices_keys, COUNT(devices_keys)},
    [CONFIG_MYSQL] = {"mysql", true, mysql_keys, COUNT(mysql_keys)},
    [CONFIG_HOOK] = {"hook", true, hook_keys, COUNT(hook_keys)},
    [CONFIG_PATHS] = {"paths", false, paths_keys, COUNT(paths_keys)},
    [CONFIG_DAEMON] = {"daemon", false, daemon_keys, COUNT(daemon_keys)},
    [CONFIG_METRICS] = {"metrics", false, metrics_keys, COUNT(metrics_keys)},
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
    static const char *const planned[] = {"kaltura", "copy",  "share",     "archive",
                                          "lock",    "media", "media-rule"};

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

bool config_key_is_secret(const struct config_key *key)
{
    return key->read == config_value_secret_url;
}

const char *config_key_shown(const struct config_key *key, const char *text, char *shown)
{
    if (!config_key_is_secret(key) || *text == '\0')
        return text;
    const char *host = strstr(text, "://");
    size_t len = host ? (size_t)(host + 3 - text) : 0;
    len += strcspn(text + len, "/");
    (void)snprintf(shown, CONFIG_SHOWN_BYTES, "%.*s/(not shown)", (int)(len < 280 ? len : 280),
                   text);
    return shown;
}

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
        if (key->read == config_value_text || key->read == config_value_word ||
            key->read == config_value_path || key->read == config_value_folder ||
            key->read == config_value_url || key->read == config_value_textfile)
            free(*(char **)slot);
        else if (key->read == config_value_paths || key->read == config_value_tags ||
                 key->read == config_value_mounts || key->read == config_value_patterns)
            strs_free(slot);
        else if (config_key_is_secret(key))
            secret_free(slot);
    }
}
