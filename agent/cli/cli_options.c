/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/cli/cli_option_values.h"
#include "agent/daemon/iam_arn.h"

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
    if (option->argument != NULL && (reading->seen & UINT64_C(1) << id) != 0 &&
        !cli_option_is_list((enum cli_option_id)id)) {
        (void)err_set(err, ERR_USAGE, 0, "--%s: given twice", option->name);
        return err_suggest(err, "keep one of the two");
    }
    reading->seen |= UINT64_C(1) << id;
    return cli_option_apply(reading->options, (enum cli_option_id)id, value != NULL ? value : "",
                            err);
}

static bool read_long(struct reading *reading, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    char name[64], shown[80];

    if (len >= sizeof(name)) {
        (void)err_set(err, ERR_USAGE, 0, "unknown option --%.60s…", text);
        return err_suggest(err, "see stillpoint --help");
    }
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
    if (!cli_value_is_utf8("PATH", word, err))
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
    if (options->command == CLI_RUN) { /* and whatever looks like an option of ours behind it */
        options->words = &reading->argv[reading->at];
        reading->at = reading->argc;
        return true;
    }
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
        (void)err_set(err, ERR_USAGE, 0, "%s: the id must not be empty", verb->name);
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

/* --by-node shows all nodes as it is, so --all-nodes beside it is no fault; with --node it is that
 * one's line. */
static bool check_list(const struct cli_options *options, struct err *err)
{
    if (options->all_nodes && options->node != NULL) {
        (void)err_set(err, ERR_USAGE, 0, "list: --all-nodes and --node exclude each other");
        return err_suggest(err, "leave one of them out");
    }
    if (options->by_node && options->limit != 0) {
        (void)err_set(err, ERR_USAGE, 0, "list: --limit counts backups, --by-node shows nodes");
        return err_suggest(err, "leave one of them out");
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

static bool check_hold(const struct cli_options *options, struct err *err)
{
    if (options->lease_ms == 0) {
        (void)err_set(err, ERR_USAGE, 0, "hold needs --lease DURATION");
        return err_suggest(err, "write how long it may last if nobody releases it: --lease 30s");
    }
    if (options->consistency == NULL || strcmp(options->consistency, "crash") != 0)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "hold: at crash consistency there is nothing to hold");
    return err_suggest(err, "take the snapshots, or write --consistency filesystem");
}

static bool check_wait(const struct cli_options *options, struct err *err)
{
    const char *known = NULL;

    return options->wait == NULL ||
           cli_value_one_of("wait", options->wait,
                            cli_option_words(CLI_OPTION_WAIT, options->command), &known, err);
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
        return cli_value_text("kms-key", options->kms_key, &same, err);
    (void)err_set(err, ERR_USAGE, 0, "--kms-key: given twice");
    return err_suggest(err, "keep one of the two");
}

static bool check_fit(const struct reading *reading, struct err *err)
{
    const struct cli_options *options = reading->options;
    const struct cli_verb *verb = &cli_verbs[options->command];

    for (unsigned id = 0; id < CLI_OPTION_COUNT; id++) {
        if ((reading->seen & UINT64_C(1) << id) != 0 &&
            !cli_verbs_option_fits((enum cli_option_id)id, options->command, options->kind)) {
            (void)err_set(err, ERR_USAGE, 0, "%s%s%s has no option --%s", verb->name,
                          options->kind ? " " : "", options->kind ? options->kind : "",
                          cli_option_table[id].name);
            return err_suggest(err, "see stillpoint %s --help", verb->name);
        }
    }
    return true;
}

static bool check_words(const struct cli_options *options, struct err *err)
{
    const struct cli_verb *verb = &cli_verbs[options->command];

    if (cli_verbs_kinds(options->command) != NULL && options->kind == NULL)
        return unknown_kind(options->command, NULL, err);
    if (options->command == CLI_RUN) {
        if (options->words != NULL && options->words[0][0] != '\0')
            return true;
        (void)err_set(err, ERR_USAGE, 0, "run needs a COMMAND");
        return err_suggest(err, "write stillpoint run [OPTIONS] -- COMMAND [ARGUMENT]...");
    }
    if (options->command == CLI_PRE_UPGRADE && options->apt == options->dnf) {
        (void)err_set(err, ERR_USAGE, 0, "pre-upgrade needs one of --apt and --dnf");
        return err_suggest(err, "apt and dnf call it by themselves; for anything else there is "
                                "stillpoint run");
    }
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
    return true;
}

/* What only makes sense once all is read. */
static bool check(const struct reading *reading, struct err *err)
{
    const struct cli_options *options = reading->options;

    if (options->help || options->version)
        return true;
    if (options->command == CLI_NO_COMMAND) {
        (void)err_set(err, ERR_USAGE, 0, "no command given");
        return err_suggest(err, "see stillpoint --help");
    }
    if (!check_fit(reading, err) || !check_words(options, err))
        return false;
    if (!check_wait(options, err) || !check_keys(options, err))
        return false;
    if (options->command == CLI_THAW && !options->force && !options->dry_run) {
        (void)err_set(err, ERR_USAGE, 0,
                      "thaw ends the hold of a backup that runs: it needs --force");
        return err_suggest(err, "stillpoint thaw -n shows what is held");
    }
    if (options->command == CLI_ROLLBACK && !check_rollback(options, err))
        return false;
    if (options->command == CLI_HOLD && !check_hold(options, err))
        return false;
    if (options->command == CLI_LIST && !check_list(options, err))
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

/* Whoever asked for JSON gets the failure so, too, wherever the reading stopped. */
static void see_json(struct reading *reading)
{
    for (int i = reading->at; i < reading->argc && strcmp(reading->argv[i], "--") != 0; i++) {
        if (strcmp(reading->argv[i], "--json") == 0)
            reading->options->json = true;
    }
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
        if (!ok) {
            see_json(&reading);
            return false;
        }
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
    strs_free(&options->leave_out);
    strs_free(&options->kms_keys);
    strs_free(&options->pass_roles);
}
