/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_OPTIONS_H
#define STILLPOINT_CLI_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/cli/cli_verbs.h"
#include "agent/cli/cli_when.h"
#include "agent/daemon/strs.h"

/* The command line of `stillpoint`, read by the tables of cli_verbs.h. Pure. */

enum cli_image { CLI_IMAGE_AS_CONFIGURED, CLI_IMAGE_YES, CLI_IMAGE_NO };

enum { CLI_GROUPS_MAX = 16, CLI_VOLUMES_MAX = 128 };

struct cli_options {
    enum cli_command command; /* CLI_NO_COMMAND: none was given (with help or version only) */
    bool help, version, json, quiet, dry_run;
    const char *config; /* NULL: the default one. All texts are borrowed from ARGV */
    const char *reason, *consistency, *wait; /* backup, list; NULL: not given */
    enum cli_image image;
    int64_t keep_ms, max_age_ms; /* 0: not given */
    int64_t lease_ms;            /* hold */
    struct strs leave_out;       /* hold: mount points. Owned */
    bool pin;
    json_t *tags;            /* {"K":"V"}; NULL: none. Owned */
    bool all_nodes, by_node; /* list */
    const char *group, *node, *state;
    struct cli_when since, until;
    int64_t limit;    /* 0: not given */
    const char *kind; /* "instance" of `restore instance`; NULL: the command has no kinds */
    const char *id;
    const char **ids; /* delete: all of them; the list is owned */
    size_t id_count;
    const char **paths; /* behind the id; the list is owned */
    size_t path_count;
    bool force;
    bool data_only, no_backup, commit, undo, yes; /* rollback */
    bool deep, again;                             /* verify */
    const char *type, *subnet, *zone, *private_ip, *key, *profile, *user_data_path, *name;
    const char *security_groups[CLI_GROUPS_MAX];
    size_t security_group_count;
    bool replace, another;
    int64_t iops, throughput, initialize; /* restore volumes; 0: not given */
    const char *kms_key, *attach, *device;
    bool encrypted;
    const char *volumes[CLI_VOLUMES_MAX];
    size_t volume_count;
    const char *to;   /* restore files */
    const char *role; /* iam-policy: a name of iam_role_names() */
    unsigned with;    /* IAM_WITH_… */
    bool billed;
    struct strs kms_keys, pass_roles; /* ARNs, checked. Owned */
    char *const *words;               /* run: COMMAND and its arguments, NULL at the end */
    bool best_effort;
    bool apt, dnf, after; /* pre-upgrade: one of the first two */
    bool or_less;         /* of pre-upgrade's backup: work.h */
};

/* Reads ARGV[1..]. Options stand before or behind the verb and its argument; "--" ends them,
 * and so does the COMMAND of run: what stands behind it is its own.
 *   ret_options  given to the caller (cli_options_free), also on false
 *   false        ERR_USAGE, with the nearest known word as remedy; what was read so far is set, so
 *                that --json holds for the error too */
bool cli_options_read(int argc, char *const *argv, struct cli_options *ret_options,
                      struct err *err);
/* Whether what is asked for changes something: a dry run doesn't, nor does looking at a rollback.
 */
bool cli_options_change(const struct cli_options *options);
void cli_options_free(struct cli_options *options); /* idempotent */

#endif
