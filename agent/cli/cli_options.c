/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"
#include "agent/daemon/iam_arn.h"
#include "agent/daemon/iam_policy.h"

enum { KINDS_MAX = 8 };

#define CLI_IDS_REMEDY "stillpoint list shows the ids; `latest' is the newest"

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
    struct cli_options *options;
    uint64_t seen; /* bits by enum cli_option_id */
    char *const *argv;
    int argc, at;
};

_Static_assert(CLI_OPTION_COUNT <= 64, "reading.seen has a bit for each");
_Static_assert(CLI_COMMAND_COUNT <= 32, "cli_option.commands has a bit for each");

static const char *nearest_option(const char *name)
{
    const char *names[CLI_OPTION_COUNT + 1];
    size_t len = strlen(name);

    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++)
        names[i] = cli_option_table[i].name;
    names[CLI_OPTION_COUNT] = NULL;
    for (unsigned i = 0; len > 1 && i < CLI_OPTION_COUNT; i++) {
        if (strncmp(names[i], name, len) == 0)
            return names[i];
    }
    return parse_nearest(name, names);
}

static bool unknown_option(const char *shown, const char *name, struct err *err)
{
    const char *near = nearest_option(name);

    (void)err_set(err, ERR_USAGE, 0, "unknown option %s", shown);
    return near != NULL ? err_suggest(err, "did you mean --%s?", near)
                        : err_suggest(err, "see stillpoint --help");
}

static bool one_of(const char *name, const char *text, const char *const *words,
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

/* An argument may hold any bytes, a tag may not. */
static bool check_utf8(const char *name, const char *text, struct err *err)
{
    if (utf8_is_valid(text))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--%s: not UTF-8", name);
    return err_suggest(err, "write it in UTF-8: see `locale`");
}

static bool add_tag(struct cli_options *options, const char *text, struct err *err)
{
    char *key = NULL, *value = NULL;
    bool ok = false;

    if (!check_utf8("tag", text, err))
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

static bool set_duration(const char *name, const char *value, int64_t *ret_ms, struct err *err)
{
    static const int64_t second_ms = 1000, ten_years_ms = 3650LL * 24 * 60 * 60 * 1000;

    return parse_duration_ms(value, second_ms, ten_years_ms, ret_ms, err) ||
           err_wrap(err, "--%s", name);
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

static bool add_security_group(struct cli_options *options, const char *value, struct err *err)
{
    if (options->security_group_count == CLI_GROUPS_MAX) {
        (void)err_set(err, ERR_USAGE, 0, "--security-group: more than %d", CLI_GROUPS_MAX);
        return err_suggest(err, "an instance's interface takes no more");
    }
    return not_empty("security-group", value,
                     &options->security_groups[options->security_group_count++], err);
}

/* One text that is handed on as it is; the daemon knows its form. */
static bool set_text(const char *name, const char *value, const char **ret_text, struct err *err)
{
    return not_empty(name, value, ret_text, err) && check_utf8(name, value, err);
}

static bool add_volume(struct cli_options *options, const char *value, struct err *err)
{
    if (options->volume_count == CLI_VOLUMES_MAX)
        return err_set(err, ERR_USAGE, 0, "--volume: more than %d", CLI_VOLUMES_MAX);
    return set_text("volume", value, &options->volumes[options->volume_count++], err);
}

static bool set_number(const char *name, const char *value, int64_t *ret_number, struct err *err)
{
    return parse_int64(value, 1, 1000000, ret_number, err) || err_wrap(err, "--%s", name);
}

/* `restore volumes` and `restore files`. */
static bool apply_to_volumes(struct cli_options *options, enum cli_option_id id, const char *value,
                             struct err *err)
{
    const char *name = cli_option_table[id].name;

    switch (id) {
    case CLI_OPTION_IOPS:
        return set_number(name, value, &options->iops, err);
    case CLI_OPTION_THROUGHPUT:
        return set_number(name, value, &options->throughput, err);
    case CLI_OPTION_INITIALIZE:
        return set_number(name, value, &options->initialize, err);
    case CLI_OPTION_ENCRYPTED:
        options->encrypted = true;
        return true;
    case CLI_OPTION_ATTACH:
        return set_text(name, value, &options->attach, err);
    case CLI_OPTION_DEVICE:
        return set_text(name, value, &options->device, err);
    case CLI_OPTION_VOLUME:
        return add_volume(options, value, err);
    case CLI_OPTION_TO:
        return set_text(name, value, &options->to, err);
    default:
        return err_set(err, ERR_INTERNAL, 0, "option without a meaning");
    }
}

static bool apply_to_restore(struct cli_options *options, enum cli_option_id id, const char *value,
                             struct err *err)
{
    const char *name = cli_option_table[id].name;

    switch (id) {
    case CLI_OPTION_TYPE:
        return set_text(name, value, &options->type, err);
    case CLI_OPTION_SUBNET:
        return set_text(name, value, &options->subnet, err);
    case CLI_OPTION_ZONE:
        return set_text(name, value, &options->zone, err);
    case CLI_OPTION_SECURITY_GROUP:
        return add_security_group(options, value, err);
    case CLI_OPTION_PRIVATE_IP:
        return set_text(name, value, &options->private_ip, err);
    case CLI_OPTION_KEY:
        return set_text(name, value, &options->key, err);
    case CLI_OPTION_PROFILE:
        return set_text(name, value, &options->profile, err);
    case CLI_OPTION_USER_DATA:
        return not_empty(name, value, &options->user_data_path, err);
    case CLI_OPTION_NAME:
        return set_text(name, value, &options->name, err);
    case CLI_OPTION_REPLACE:
        options->replace = true;
        return true;
    case CLI_OPTION_ANOTHER:
        options->another = true;
        return true;
    default:
        return apply_to_volumes(options, id, value, err);
    }
}

static bool add_with(struct cli_options *options, const char *value, struct err *err)
{
    const char *const *names = iam_with_names();
    const char *name = NULL;

    if (!one_of("with", value, names, &name, err))
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

static bool apply(struct cli_options *options, enum cli_option_id id, const char *value,
                  struct err *err)
{
    static const char *const levels[] = {"application", "filesystem", "crash", NULL};
    static const char *const states[] = {"complete", "pending", "failed", "broken",
                                         "cut",      "held",    NULL};

    switch (id) {
    case CLI_OPTION_JSON:
        options->json = true;
        return true;
    case CLI_OPTION_QUIET:
        options->quiet = true;
        return true;
    case CLI_OPTION_CONFIG:
        return not_empty("config", value, &options->config, err);
    case CLI_OPTION_VERSION:
        options->version = true;
        return true;
    case CLI_OPTION_HELP:
        options->help = true;
        return true;
    case CLI_OPTION_DRY_RUN:
        options->dry_run = true;
        return true;
    case CLI_OPTION_REASON:
        options->reason = value;
        return check_utf8("reason", value, err);
    case CLI_OPTION_CONSISTENCY:
        return one_of("consistency", value, levels, &options->consistency, err);
    case CLI_OPTION_WAIT:
        options->wait = value; /* what it may be, the command says: check_wait */
        return true;
    case CLI_OPTION_IMAGE:
        options->image = CLI_IMAGE_YES;
        return true;
    case CLI_OPTION_NO_IMAGE:
        options->image = CLI_IMAGE_NO;
        return true;
    case CLI_OPTION_KEEP:
        return set_duration("keep", value, &options->keep_ms, err);
    case CLI_OPTION_MAX_AGE:
        return set_duration("max-age", value, &options->max_age_ms, err);
    case CLI_OPTION_PIN:
        options->pin = true;
        return true;
    case CLI_OPTION_TAG:
        return add_tag(options, value, err);
    case CLI_OPTION_ALL_NODES:
        options->all_nodes = true;
        return true;
    case CLI_OPTION_GROUP:
        return not_empty("group", value, &options->group, err);
    case CLI_OPTION_BY_NODE:
        options->by_node = true;
        return true;
    case CLI_OPTION_NODE:
        return not_empty("node", value, &options->node, err);
    case CLI_OPTION_SINCE:
        return cli_when_parse(value, &options->since, err) || err_wrap(err, "--since");
    case CLI_OPTION_UNTIL:
        return cli_when_parse(value, &options->until, err) || err_wrap(err, "--until");
    case CLI_OPTION_STATE:
        return one_of("state", value, states, &options->state, err);
    case CLI_OPTION_LIMIT:
        return parse_int64(value, 1, 1000000, &options->limit, err) || err_wrap(err, "--limit");
    case CLI_OPTION_FORCE:
        options->force = true;
        return true;
    case CLI_OPTION_DATA_ONLY:
        return options->data_only = true;
    case CLI_OPTION_NO_BACKUP:
        return options->no_backup = true;
    case CLI_OPTION_COMMIT:
        return options->commit = true;
    case CLI_OPTION_UNDO:
        return options->undo = true;
    case CLI_OPTION_YES:
        return options->yes = true;
    case CLI_OPTION_DEEP:
        options->deep = true;
        return true;
    case CLI_OPTION_AGAIN:
        options->again = true;
        return true;
    case CLI_OPTION_ROLE:
        return one_of("role", value, iam_role_names(), &options->role, err);
    case CLI_OPTION_WITH:
        return add_with(options, value, err);
    case CLI_OPTION_BILLED:
        options->billed = true;
        return true;
    case CLI_OPTION_KMS_KEY:
        options->kms_key = value; /* of which form: check_keys */
        return strs_add_once(&options->kms_keys, value, err);
    case CLI_OPTION_PASS_ROLE:
        return add_arn("pass-role", value, iam_arn_check_role, &options->pass_roles, err);
    default:
        return apply_to_restore(options, id, value, err);
    }
}

/* VALUE: what stood behind '=', or NULL. */
static bool take_option(struct reading *reading, unsigned id, const char *value, struct err *err)
{
    const struct cli_option *option = &cli_option_table[id];

    if (option->argument == NULL && value != NULL) {
        (void)err_set(err, ERR_USAGE, 0, "--%s takes no value", option->name);
        return err_suggest(err, "write --%s alone", option->name);
    }
    if (option->argument != NULL && value == NULL) {
        if (reading->at + 1 >= reading->argc) {
            (void)err_set(err, ERR_USAGE, 0, "--%s needs a value", option->name);
            return err_suggest(err, "write --%s %s", option->name, option->argument);
        }
        value = reading->argv[++reading->at];
    }
    reading->seen |= UINT64_C(1) << id;
    return apply(reading->options, (enum cli_option_id)id, value != NULL ? value : "", err);
}

static bool read_long(struct reading *reading, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    char name[64], shown[80];

    if (len >= sizeof(name))
        return err_set(err, ERR_USAGE, 0, "unknown option --%.60s…", text);
    memcpy(name, text, len);
    name[len] = '\0';
    for (unsigned id = 0; id < CLI_OPTION_COUNT; id++) {
        if (strcmp(cli_option_table[id].name, name) == 0)
            return take_option(reading, id, equals ? equals + 1 : NULL, err);
    }
    (void)snprintf(shown, sizeof(shown), "--%s", name);
    return unknown_option(shown, name, err);
}

static bool read_letters(struct reading *reading, const char *letters, struct err *err)
{
    for (; *letters != '\0'; letters++) {
        unsigned id = 0;
        while (id < CLI_OPTION_COUNT && cli_option_table[id].letter != *letters)
            id++;
        if (id == CLI_OPTION_COUNT) {
            char shown[8];
            (void)snprintf(shown, sizeof(shown), "-%c", *letters);
            return unknown_option(shown, "", err);
        }
        if (!take_option(reading, id, NULL, err))
            return false;
    }
    return true;
}

static bool read_verb(struct reading *reading, const char *word, struct err *err)
{
    const char *names[CLI_COMMAND_COUNT];

    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        names[i - 1] = cli_verbs[i].name;
        if (strcmp(cli_verbs[i].name, word) == 0) {
            reading->options->command = (enum cli_command)i;
            return true;
        }
    }
    names[CLI_COMMAND_COUNT - 1] = NULL;
    const char *near = parse_nearest(word, names);
    (void)err_set(err, ERR_USAGE, 0, "unknown command '%s'", word);
    return near != NULL ? err_suggest(err, "did you mean %s?", near)
                        : err_suggest(err, "see stillpoint --help");
}

static bool unknown_kind(enum cli_command command, const char *word, struct err *err)
{
    const struct cli_verb *verb = &cli_verbs[command];
    const struct cli_kind *kinds = cli_verbs_kinds(command);
    const char *names[KINDS_MAX + 1] = {NULL};
    char all[80] = "";

    for (size_t i = 0; i < KINDS_MAX && kinds[i].name != NULL; i++) {
        size_t len = strlen(all);
        names[i] = kinds[i].name;
        (void)snprintf(all + len, sizeof(all) - len, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *near = word != NULL ? parse_nearest(word, names) : NULL;
    if (word != NULL)
        (void)err_set(err, ERR_USAGE, 0, "%s: '%s' is not known", verb->name, word);
    else
        (void)err_set(err, ERR_USAGE, 0, "%s needs to know what", verb->name);
    return near != NULL ? err_suggest(err, "did you mean %s?", near)
                        : err_suggest(err, "write stillpoint %s KIND %s; KIND is one of: %s",
                                      verb->name, verb->argument, all);
}

static bool read_path(struct reading *reading, const char *word, struct err *err)
{
    struct cli_options *options = reading->options;

    if (word[0] == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "%s %s: a path must not be empty",
                      cli_verbs[options->command].name, options->kind);
        return err_suggest(err, "name the files and folders as they are called on the node");
    }
    if (!check_utf8("PATH", word, err))
        return false;
    if (options->paths == NULL)
        options->paths = calloc((size_t)reading->argc, sizeof(*options->paths));
    if (options->paths == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    options->paths[options->path_count++] = word;
    return true;
}

static bool read_id(struct reading *reading, const char *word, struct err *err)
{
    struct cli_options *options = reading->options;

    if (options->ids == NULL)
        options->ids = calloc((size_t)reading->argc, sizeof(*options->ids));
    if (options->ids == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    options->ids[options->id_count++] = word;
    options->id = options->ids[0];
    return true;
}

static bool read_word(struct reading *reading, const char *word, struct err *err)
{
    struct cli_options *options = reading->options;

    if (options->command == CLI_NO_COMMAND && strcmp(word, "help") == 0)
        return options->help = true; /* as most programs take it, too */
    if (options->command == CLI_NO_COMMAND && strcmp(word, "version") == 0)
        return options->version = true;
    if (options->command == CLI_NO_COMMAND)
        return read_verb(reading, word, err);
    const struct cli_verb *verb = &cli_verbs[options->command];
    if (cli_verbs_kinds(options->command) != NULL && options->kind == NULL) {
        if (cli_verbs_kind(options->command, word) == NULL)
            return unknown_kind(options->command, word, err);
        options->kind = word;
        return true;
    }
    if (options->id != NULL && options->kind != NULL &&
        cli_verbs_kind(options->command, options->kind)->paths)
        return read_path(reading, word, err);
    if (verb->argument == NULL || (options->id != NULL && options->command != CLI_DELETE)) {
        (void)err_set(err, ERR_USAGE, 0, "%s: '%s' is one word too many", verb->name, word);
        return err_suggest(err, "see stillpoint %s --help", verb->name);
    }
    if (word[0] == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "%s: %s must not be empty", verb->name, verb->argument);
        return err_suggest(err, CLI_IDS_REMEDY);
    }
    if (options->command == CLI_DELETE)
        return read_id(reading, word, err);
    options->id = word;
    return true;
}

static bool check_rollback(const struct cli_options *options, struct err *err)
{
    if ((options->id != NULL) + options->commit + options->undo > 1) {
        (void)err_set(err, ERR_USAGE, 0, "rollback: an id, --commit and --undo exclude each other");
        return err_suggest(err, "stillpoint rollback says in what state the last one is");
    }
    if (options->id == NULL && (options->data_only || options->no_backup)) {
        (void)err_set(err, ERR_USAGE, 0, "rollback: --%s needs the id of a backup",
                      options->data_only ? "data-only" : "no-backup");
        return err_suggest(err, CLI_IDS_REMEDY);
    }
    return true;
}

bool cli_options_change(const struct cli_options *options)
{
    if (options->dry_run || !cli_verbs_changes(options->command))
        return false;
    return options->command != CLI_ROLLBACK || options->id != NULL || options->commit ||
           options->undo;
}

static bool check_wait(const struct cli_options *options, struct err *err)
{
    static const char *const moments[] = {"complete", "cut", NULL};
    static const char *const states[] = {"running", "none", NULL};
    const char *known = NULL;

    return options->wait == NULL ||
           one_of("wait", options->wait, options->command == CLI_RESTORE ? states : moments, &known,
                  err);
}

/* iam-policy wants ARNs, and any number of them; restore volumes one, of any form. */
static bool check_keys(const struct cli_options *options, struct err *err)
{
    const struct strs *keys = &options->kms_keys;
    const char *same;

    for (size_t i = 0; options->command == CLI_IAM_POLICY && i < keys->count; i++) {
        if (!iam_arn_check_key(keys->items[i], err))
            return err_wrap(err, "--kms-key");
    }
    if (options->command != CLI_RESTORE || keys->count == 0)
        return true;
    if (keys->count == 1)
        return set_text("kms-key", options->kms_key, &same, err);
    (void)err_set(err, ERR_USAGE, 0, "--kms-key: given twice");
    return err_suggest(err, "keep one of the two");
}

/* What only makes sense once all is read. */
static bool check(const struct reading *reading, struct err *err)
{
    const struct cli_options *options = reading->options;
    const struct cli_verb *verb = &cli_verbs[options->command];

    if (options->help || options->version)
        return true;
    if (options->command == CLI_NO_COMMAND) {
        (void)err_set(err, ERR_USAGE, 0, "no command given");
        return err_suggest(err, "see stillpoint --help");
    }
    for (unsigned id = 0; id < CLI_OPTION_COUNT; id++) {
        if ((reading->seen & UINT64_C(1) << id) != 0 &&
            !cli_verbs_option_fits((enum cli_option_id)id, options->command, options->kind)) {
            (void)err_set(err, ERR_USAGE, 0, "%s%s%s has no option --%s", verb->name,
                          options->kind ? " " : "", options->kind ? options->kind : "",
                          cli_option_table[id].name);
            return err_suggest(err, "see stillpoint %s --help", verb->name);
        }
    }
    if (cli_verbs_kinds(options->command) != NULL && options->kind == NULL)
        return unknown_kind(options->command, NULL, err);
    if (verb->argument != NULL && verb->argument[0] != '[' && options->id == NULL) {
        (void)err_set(err, ERR_USAGE, 0, "%s%s%s needs %s", verb->name, options->kind ? " " : "",
                      options->kind ? options->kind : "", verb->argument);
        return err_suggest(err, CLI_IDS_REMEDY);
    }
    if (options->kind != NULL && cli_verbs_kind(options->command, options->kind)->paths &&
        options->path_count == 0) {
        (void)err_set(err, ERR_USAGE, 0, "%s %s needs a path", verb->name, options->kind);
        return err_suggest(err, "name the files and folders as they are called on the node");
    }
    if (options->kind != NULL && strcmp(options->kind, "files") == 0 && options->to == NULL) {
        (void)err_set(err, ERR_USAGE, 0, "restore files needs --to DIR");
        return err_suggest(err, "name a folder that is not there yet, or is empty");
    }
    if (!check_wait(options, err) || !check_keys(options, err))
        return false;
    if (options->command == CLI_THAW && !options->force && !options->dry_run) {
        (void)err_set(err, ERR_USAGE, 0,
                      "thaw ends the hold of a backup that runs: it needs --force");
        return err_suggest(err, "stillpoint thaw -n shows what is held");
    }
    if (options->command == CLI_ROLLBACK && !check_rollback(options, err))
        return false;
    if (options->command == CLI_IAM_POLICY && options->role == NULL) {
        (void)err_set(err, ERR_USAGE, 0, "iam-policy needs --role");
        return err_suggest(err, "write --role node, --role pruner or --role restore");
    }
    if (options->pin && options->keep_ms != 0) {
        (void)err_set(err, ERR_USAGE, 0, "--pin and --keep exclude each other");
        return err_suggest(err, "a pinned backup never expires: leave one of them out");
    }
    return true;
}

bool cli_options_read(int argc, char *const *argv, struct cli_options *ret_options, struct err *err)
{
    struct reading reading = {.options = ret_options, .argv = argv, .argc = argc};
    bool only_words = false;

    memset(ret_options, 0, sizeof(*ret_options));
    for (reading.at = 1; reading.at < argc; reading.at++) {
        const char *text = argv[reading.at];
        bool ok;
        if (only_words || text[0] != '-' || text[1] == '\0')
            ok = read_word(&reading, text, err);
        else if (strcmp(text, "--") == 0)
            ok = only_words = true;
        else if (text[1] == '-')
            ok = read_long(&reading, text + 2, err);
        else
            ok = read_letters(&reading, text + 1, err);
        if (!ok)
            return false;
    }
    return check(&reading, err);
}

void cli_options_free(struct cli_options *options)
{
    json_decref(options->tags);
    options->tags = NULL;
    free(options->paths);
    options->paths = NULL;
    free(options->ids);
    options->ids = NULL;
    strs_free(&options->kms_keys);
    strs_free(&options->pass_roles);
}
