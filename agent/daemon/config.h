/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONFIG_H
#define STILLPOINT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/secret.h"
#include "agent/daemon/label.h"
#include "agent/daemon/retention.h"
#include "agent/daemon/strs.h"

#define CONFIG_DEFAULT_PATH "/etc/stillpoint/stillpoint.conf"

enum {
    CONFIG_HOLD_RETRY_GAP_MS = 15000
}; /* after a request that was sent (aws-notes: per-volume
      rate); not a key */

enum config_identity { CONFIG_IDENTITY_IMDS, CONFIG_IDENTITY_NONE };
enum config_shortfall { CONFIG_SHORTFALL_KEEP, CONFIG_SHORTFALL_DISCARD };
enum config_db_method {
    CONFIG_DB_AUTO,
    CONFIG_DB_BACKUP_STAGE,
    CONFIG_DB_LOCK_INSTANCE,
    CONFIG_DB_PERCONA,
    CONFIG_DB_FTWRL,
    CONFIG_DB_NONE /* this server is not held; the label does not fall for it */
};
enum config_upgrade_policy { /* [upgrade] policy */
                             CONFIG_UPGRADE_OFF,
                             CONFIG_UPGRADE_BEST_EFFORT,
                             CONFIG_UPGRADE_REQUIRED
};
enum config_phase { /* bits, [hook] phases */
                    CONFIG_PHASE_PREPARE = 1,
                    CONFIG_PHASE_HOLD = 2,
                    CONFIG_PHASE_RELEASE = 4,
                    CONFIG_PHASE_FINISH = 8,
                    CONFIG_PHASE_STOP = 16,
                    CONFIG_PHASE_START = 32
};

/* Texts are never NULL: "" is "not set". */
struct config_aws {
    enum config_identity identity;
    char *profile;       /* of ~/.aws/credentials; "" */
    char *region;        /* "": from IMDS */
    char *endpoint_ec2;  /* "": https://ec2.REGION.amazonaws.com; no slash at the end */
    char *endpoint_s3;   /* likewise */
    char *endpoint_imds; /* "": http://169.254.169.254 */
    char *ca_bundle;     /* "": the system's */
    int64_t connect_timeout_ms;
    int64_t request_timeout_ms; /* inside a hold also never past hold_deadline */
};

struct config_backup {
    enum label consistency; /* asked for; never LABEL_UNCONFIRMED */
    enum config_shortfall on_shortfall;
    int64_t hold_deadline_ms;
    int64_t lock_wait_ms;
    int64_t job_timeout_ms;    /* until the cut */
    int64_t finish_timeout_ms; /* after it */
    int64_t retry_holds;       /* further holds after a failed one */
    bool image;
    bool mounts_auto;           /* mounts = auto; then mounts is empty */
    struct strs mounts;         /* absolute paths */
    struct strs exclude_mounts; /* absolute paths */
    struct strs tags;           /* KEY=VALUE, checked */
};

struct config_retention {
    struct retention_policy policy; /* retention_is_set: else nothing is ever pruned */
    bool after_backup;              /* this node's sets, once a backup is complete */
};

struct config_devices {
    char *map; /* path of a JSON file; "" */
};

struct config_upgrade {
    enum config_upgrade_policy policy;
    struct strs packages; /* patterns as in fnmatch(3) */
    int64_t wait_ms;      /* the package manager never waits longer */
    int64_t max_age_ms;   /* a good backup younger than that is used; 0: none */
};

struct config_daemon {
    char *group; /* may use the control socket, beside root */
};

struct config_metrics {
    char *textfile;     /* "": none is written */
    struct secret ping; /* URL, its path is as good as a password; not set: nobody is pinged */
};

struct config_paths {
    char *run;
    char *state;
};

struct config_mysql {
    char *name;      /* of [mysql NAME]; "mysql" for [mysql] */
    bool configured; /* false: no section names it; it is looked for, its absence is no shortfall */
    char *socket;    /* "": looked for in the usual places */
    char *user;
    char *defaults_file; /* "": socket authentication */
    enum config_db_method method;
    bool exact_position;
    bool required; /* can't be held: refuse, rather than lower the label */
};

struct config_hook {
    char *name;
    char *exec;      /* absolute */
    unsigned phases; /* CONFIG_PHASE_… */
    int64_t prepare_timeout_ms;
    int64_t hold_timeout_ms;
    int64_t release_timeout_ms;
    int64_t finish_timeout_ms;
    int64_t stop_timeout_ms;
    int64_t start_timeout_ms;
    bool required;
};

/* One key as it stands after everything was read. */
struct config_entry {
    char *section; /* "backup", "mysql replica" */
    char *key;
    char *value;  /* as text, durations and lists as they were written; a secret's is masked */
    char *origin; /* "default", "environment AWS_REGION", "/etc/…/x.conf:12" */
};

struct config {
    struct config_aws aws;
    struct config_backup backup;
    struct config_retention retention;
    struct config_upgrade upgrade;
    struct config_devices devices;
    struct config_daemon daemon;
    struct config_paths paths;
    struct config_metrics metrics;
    struct config_mysql *mysql; /* at least one; in the order of first mention */
    size_t mysql_count;
    struct config_hook *hooks; /* [hook NAME] in the order of first mention, then executables of
                                  hooks_dir that no section names, by name */
    size_t hook_count;

    char *path;                                        /* the main file that was asked for */
    char *hooks_dir;                                   /* hooks.d next to it */
    char *guard_socket, *hook_socket, *control_socket; /* in paths.run */

    struct config_entry *entries; /* every key of every section, a section's together */
    size_t entry_count;
};

struct config_source {
    const char *path;                     /* main file; conf.d/ and hooks.d/ are next to it */
    bool path_named;                      /* --config: it must be there. Else defaults do */
    const char *(*env)(const char *name); /* getenv's shape; NULL: no environment */
};

/* Reads the main file, then conf.d/?*.conf beside it in the order of names, then the environment;
 * later ones win. Any thread.
 *   ret_config  given to the caller (config_free); untouched on failure
 *   false       ERR_CONFIG: the text begins "FILE:LINE: " where a line is to blame, the remedy has
 *               the nearest known key or the accepted range; ERR_LIMIT, ERR_INTERNAL */
bool config_load(const struct config_source *source, struct config **ret_config, struct err *err);
/* The same from one text alone: no files beside it, no environment. NAME is for origins. */
bool config_from_text(const char *name, const char *text, size_t len, struct config **ret_config,
                      struct err *err);
void config_free(struct config *config);

/* getenv for config_source.env (whose const result getenv does not have). */
const char *config_getenv(const char *name);

/* Names as in the file: "auto", "backup-stage"… Static. */
const char *config_db_method_name(enum config_db_method method);

#endif
