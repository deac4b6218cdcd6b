/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_option_values.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/parse.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"
#include "agent/daemon/iam_arn.h"
#include "agent/daemon/iam_policy.h"
#include "agent/guard/guard_wire.h"

/* --- what a value may be ------------------------------------------------------------------ */

bool cli_value_one_of(const char *name, const char *text, const char *const *words,
                      const char **ret_text, struct err *err)
{
    char all[200] = "";

    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret_text = text;
            return true;
        }
    }
    const char *near = parse_nearest(text, words);
    (void)err_set(err, ERR_USAGE, 0, "--%s: '%s' is not known", name, text);
    if (near != NULL)
        return err_suggest(err, "did you mean %s?", near);
    for (size_t i = 0; words[i] != NULL; i++)
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
                       i == 0                 ? ""
                       : words[i + 1] == NULL ? " or "
                                              : ", ",
                       words[i]);
    return err_suggest(err, "write %s", all);
}

bool cli_value_is_utf8(const char *name, const char *text, struct err *err)
{
    if (utf8_is_valid(text))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--%s: not UTF-8", name);
    return err_suggest(err, "write it in UTF-8: see `locale`");
}

static bool not_empty(const char *name, const char *value, const char **ret_text, struct err *err)
{
    if (value[0] == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "--%s must not be empty", name);
        return err_suggest(err, "name one, or leave --%s out", name);
    }
    *ret_text = value;
    return true;
}

bool cli_value_text(const char *name, const char *value, const char **ret_text, struct err *err)
{
    return not_empty(name, value, ret_text, err) && cli_value_is_utf8(name, value, err);
}

static bool set_duration(const char *name, const char *value, int64_t *ret_ms, struct err *err)
{
    static const int64_t second_ms = 1000, ten_years_ms = 3650LL * 24 * 60 * 60 * 1000;

    return parse_duration_ms(value, second_ms, ten_years_ms, ret_ms, err) ||
           err_wrap(err, "--%s", name);
}

/* The guard's own cap, and what a database's session can be bounded to. */
static bool set_lease(const char *value, int64_t *ret_ms, struct err *err)
{
    if (parse_duration_ms(value, 2000, GUARD_LEASE_MS_MAX, ret_ms, err))
        return true;
    (void)err_wrap(err, "--lease");
    return err_suggest(err, "write 2s to %ds: longer nothing is held, whoever forgets it",
                       GUARD_LEASE_MS_MAX / 1000);
}

/* Without the slashes that a shell's completion puts behind it. */
static bool add_leave_out(struct strs *mounts, const char *value, struct err *err)
{
    size_t len = strlen(value);

    if (!cli_value_is_utf8("leave-out", value, err))
        return false;
    if (value[0] == '/') {
        while (len > 1 && value[len - 1] == '/')
            len--;
        AUTO_FREE char *mount = strndup(value, len);
        return mount != NULL ? strs_add_once(mounts, mount, err)
                             : err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    (void)err_set(err, ERR_USAGE, 0, "--leave-out: '%s' is no mount point", value);
    return err_suggest(err, "write its absolute path, as findmnt shows it");
}

static bool set_number(const char *name, const char *value, int64_t *ret_number, struct err *err)
{
    return parse_int64(value, 1, 1000000, ret_number, err) || err_wrap(err, "--%s", name);
}

/* --- options that set one member ---------------------------------------------------------- */

enum plain_kind {
    NOT_PLAIN,
    FLAG,    /* a bool */
    TEXT,    /* a const char *, in UTF-8 */
    BYTES,   /* a const char *, as it is given */
    NUMBER,  /* an int64_t */
    DURATION /* an int64_t in ms */
};

static const struct plain {
    enum plain_kind kind;
    size_t at; /* in struct cli_options */
} plain_options[CLI_OPTION_COUNT] = {
#define SETS(option, kind, member)                                                                 \
    [CLI_OPTION_##option] = {kind, offsetof(struct cli_options, member)}
    SETS(JSON, FLAG, json),
    SETS(QUIET, FLAG, quiet),
    SETS(CONFIG, BYTES, config),
    SETS(VERSION, FLAG, version),
    SETS(HELP, FLAG, help),
    SETS(DRY_RUN, FLAG, dry_run),
    SETS(KEEP, DURATION, keep_ms),
    SETS(MAX_AGE, DURATION, max_age_ms),
    SETS(PIN, FLAG, pin),
    SETS(ALL_NODES, FLAG, all_nodes),
    SETS(GROUP, BYTES, group),
    SETS(BY_NODE, FLAG, by_node),
    SETS(NODE, BYTES, node),
    SETS(LIMIT, NUMBER, limit),
    SETS(FORCE, FLAG, force),
    SETS(DEEP, FLAG, deep),
    SETS(AGAIN, FLAG, again),
    SETS(BILLED, FLAG, billed),
    SETS(TYPE, TEXT, type),
    SETS(SUBNET, TEXT, subnet),
    SETS(ZONE, TEXT, zone),
    SETS(PRIVATE_IP, TEXT, private_ip),
    SETS(KEY, TEXT, key),
    SETS(PROFILE, TEXT, profile),
    SETS(USER_DATA, BYTES, user_data_path),
    SETS(NAME, TEXT, name),
    SETS(REPLACE, FLAG, replace),
    SETS(ANOTHER, FLAG, another),
    SETS(DATA_ONLY, FLAG, data_only),
    SETS(NO_BACKUP, FLAG, no_backup),
    SETS(COMMIT, FLAG, commit),
    SETS(UNDO, FLAG, undo),
    SETS(YES, FLAG, yes),
    SETS(IOPS, NUMBER, iops),
    SETS(THROUGHPUT, NUMBER, throughput),
    SETS(INITIALIZE, NUMBER, initialize),
    SETS(ENCRYPTED, FLAG, encrypted),
    SETS(ATTACH, TEXT, attach),
    SETS(DEVICE, TEXT, device),
    SETS(TO, TEXT, to),
    SETS(BEST_EFFORT, FLAG, best_effort),
    SETS(APT, FLAG, apt),
    SETS(DNF, FLAG, dnf),
    SETS(AFTER, FLAG, after),
#undef SETS
};

static bool set_plain(struct cli_options *options, enum cli_option_id id, const char *value,
                      struct err *err)
{
    const char *name = cli_option_table[id].name;
    void *member = (char *)options + plain_options[id].at;

    switch (plain_options[id].kind) {
    case FLAG:
        return *(bool *)member = true;
    case TEXT:
        return cli_value_text(name, value, member, err);
    case BYTES:
        return not_empty(name, value, member, err);
    case NUMBER:
        return set_number(name, value, member, err);
    case DURATION:
        return set_duration(name, value, member, err);
    case NOT_PLAIN:
        break;
    }
    return err_set(err, ERR_INTERNAL, 0, "--%s: option without a meaning", name);
}

/* --- and all others ----------------------------------------------------------------------- */

static bool add_tag(struct cli_options *options, const char *text, struct err *err)
{
    char *key = NULL, *value = NULL;
    bool ok = false;

    if (!cli_value_is_utf8("tag", text, err))
        return false;
    if (!parse_key_value(text, &key, &value, err) || !tag_check_own(key, value, err)) {
        (void)err_wrap(err, "--tag");
        goto out;
    }
    if (json_object_get(options->tags, key) != NULL) {
        (void)err_set(err, ERR_USAGE, 0, "--tag: '%s' is given twice", key);
        (void)err_suggest(err, "keep one of the two");
        goto out;
    }
    if (options->tags == NULL)
        options->tags = json_object();
    if (options->tags == NULL || json_object_set_new(options->tags, key, json_string(value)) != 0) {
        (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
        goto out;
    }
    ok = json_object_size(options->tags) <= TAG_OWN_MAX ||
         err_set(err, ERR_USAGE, 0, "--tag: more than %d tags", TAG_OWN_MAX) ||
         err_suggest(err, "EC2 takes 50, and most are Stillpoint's: set fewer");
out:
    free(key);
    free(value);
    return ok;
}

static bool add_security_group(struct cli_options *options, const char *value, struct err *err)
{
    if (options->security_group_count == CLI_GROUPS_MAX) {
        (void)err_set(err, ERR_USAGE, 0, "--security-group: more than %d", CLI_GROUPS_MAX);
        return err_suggest(err, "an instance's interface takes no more");
    }
    return not_empty("security-group", value,
                     &options->security_groups[options->security_group_count++], err);
}

static bool add_volume(struct cli_options *options, const char *value, struct err *err)
{
    if (options->volume_count == CLI_VOLUMES_MAX) {
        (void)err_set(err, ERR_USAGE, 0, "--volume: more than %d", CLI_VOLUMES_MAX);
        return err_suggest(err, "no instance has more: leave it out for all of the backup's");
    }
    return cli_value_text("volume", value, &options->volumes[options->volume_count++], err);
}

const char *const *cli_option_words(enum cli_option_id id, enum cli_command command)
{
    static const char *const levels[] = {"application", "filesystem", "crash", NULL};
    static const char *const states[] = {"complete", "pending", "failed", "broken",
                                         "cut",      "held",    NULL};
    static const char *const moments[] = {"complete", "cut", NULL};
    static const char *const instance_states[] = {"running", "none", NULL};

    switch (id) {
    case CLI_OPTION_CONSISTENCY:
        return levels;
    case CLI_OPTION_STATE:
        return states;
    case CLI_OPTION_WAIT:
        return command == CLI_RESTORE ? instance_states : moments;
    case CLI_OPTION_ROLE:
        return iam_role_names();
    case CLI_OPTION_WITH:
        return iam_with_names();
    default:
        return NULL;
    }
}

static bool add_with(struct cli_options *options, const char *value, struct err *err)
{
    const char *const *names = iam_with_names();
    const char *name = NULL;

    if (!cli_value_one_of("with", value, names, &name, err))
        return false;
    for (unsigned i = 0; names[i] != NULL; i++)
        options->with |= strcmp(names[i], name) == 0 ? 1U << i : 0;
    return true;
}

static bool add_arn(const char *name, const char *value, bool (*check)(const char *, struct err *),
                    struct strs *list, struct err *err)
{
    return (check(value, err) || err_wrap(err, "--%s", name)) && strs_add_once(list, value, err);
}

bool cli_option_is_list(enum cli_option_id id)
{
    return id == CLI_OPTION_TAG || id == CLI_OPTION_SECURITY_GROUP || id == CLI_OPTION_VOLUME ||
           id == CLI_OPTION_WITH || id == CLI_OPTION_LEAVE_OUT || id == CLI_OPTION_KMS_KEY ||
           id == CLI_OPTION_PASS_ROLE;
}

bool cli_option_apply(struct cli_options *options, enum cli_option_id id, const char *value,
                      struct err *err)
{
    const char *const *words = cli_option_words(id, options->command);

    switch (id) {
    case CLI_OPTION_REASON:
        options->reason = value;
        return cli_value_is_utf8("reason", value, err);
    case CLI_OPTION_CONSISTENCY:
        return cli_value_one_of("consistency", value, words, &options->consistency, err);
    case CLI_OPTION_WAIT:
        options->wait = value; /* what it may be, the command says */
        return true;
    case CLI_OPTION_IMAGE:
        options->image = CLI_IMAGE_YES;
        return true;
    case CLI_OPTION_NO_IMAGE:
        options->image = CLI_IMAGE_NO;
        return true;
    case CLI_OPTION_LEASE:
        return set_lease(value, &options->lease_ms, err);
    case CLI_OPTION_LEAVE_OUT:
        return add_leave_out(&options->leave_out, value, err);
    case CLI_OPTION_TAG:
        return add_tag(options, value, err);
    case CLI_OPTION_SINCE:
        return cli_when_parse(value, &options->since, err) || err_wrap(err, "--since");
    case CLI_OPTION_UNTIL:
        return cli_when_parse(value, &options->until, err) || err_wrap(err, "--until");
    case CLI_OPTION_STATE:
        return cli_value_one_of("state", value, words, &options->state, err);
    case CLI_OPTION_SECURITY_GROUP:
        return add_security_group(options, value, err);
    case CLI_OPTION_VOLUME:
        return add_volume(options, value, err);
    case CLI_OPTION_ROLE:
        return cli_value_one_of("role", value, words, &options->role, err);
    case CLI_OPTION_WITH:
        return add_with(options, value, err);
    case CLI_OPTION_KMS_KEY:
        options->kms_key = value; /* of which form, the command says */
        return strs_add_once(&options->kms_keys, value, err);
    case CLI_OPTION_PASS_ROLE:
        return add_arn("pass-role", value, iam_arn_check_role, &options->pass_roles, err);
    default:
        return set_plain(options, id, value, err);
    }
}
