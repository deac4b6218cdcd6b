/* SPDX-License-Identifier: BSD-2-Clause */
/* Every command and every option used wrongly, by the tables of cli_verbs.h: each is refused with
 * one line of cause and a remedy, before anything is done. A command that is new is judged with the
 * rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/cli_option_values.h"
#include "agent/cli/cli_options.h"
#include "agent/cli/cli_verbs.h"

enum { ARGS_MAX = 32, LINE_BYTES = 512 };

/* What a command needs beside its kind and its argument to be right. */
static const struct need {
    enum cli_command command;
    const char *kind;
    const char *words;
} needs[] = {
    {CLI_THAW, NULL, "--force"},
    {CLI_PRE_UPGRADE, NULL, "--apt"},
    {CLI_HOLD, NULL, "--lease 30s"},
    {CLI_IAM_POLICY, NULL, "--role node"},
    {CLI_RESTORE, "files", "/etc --to /root/back"},
};

static const char *needed(enum cli_command command, const char *kind)
{
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        bool same_kind = needs[i].kind == NULL || (kind && strcmp(needs[i].kind, kind) == 0);
        if (needs[i].command == command && same_kind)
            return needs[i].words;
    }
    return "";
}

static bool takes(enum cli_command command, const char *what)
{
    return cli_verbs[command].argument != NULL && strstr(cli_verbs[command].argument, what) != NULL;
}

/* WORDS are split at blanks; "''" is an empty one. */
static bool reads(const char *words, struct err *ret_err)
{
    char room[LINE_BYTES], *rest = NULL, empty[] = "", program[] = "stillpoint";
    char *argv[ARGS_MAX + 1] = {program};
    struct cli_options options;
    int argc = 1;

    *ret_err = (struct err)ERR_INIT;
    assert_true(snprintf(room, sizeof(room), "%s", words) < (int)sizeof(room));
    for (char *word = strtok_r(room, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_in_range(argc, 1, ARGS_MAX - 1);
        argv[argc++] = strcmp(word, "''") == 0 ? empty : word;
    }
    bool ok = cli_options_read(argc, argv, &options, ret_err);
    cli_options_free(&options);
    return ok;
}

static void refused(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void refused(const char *format, ...)
{
    char words[LINE_BYTES];
    struct err err;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    if (reads(words, &err))
        fail_msg("'%s' is taken", words);
    if (err.kind != ERR_USAGE)
        fail_msg("'%s' is refused, but not as wrong usage: %s", words, err.text);
    if (err.text[0] == '\0' || strchr(err.text, '\n') != NULL)
        fail_msg("'%s': not one line of cause: '%s'", words, err.text);
    if (err.remedy[0] == '\0')
        fail_msg("'%s': no remedy: '%s'", words, err.text);
}

typedef void each_use(enum cli_command command, const char *kind, const char *right);

/* RIGHT: the command as it would be taken, "restore files latest /etc --to /root/back"; where
 * COMMAND of the system's ends the options it is left out. */
static void use_with(enum cli_command command, const char *kind, each_use *use)
{
    char right[LINE_BYTES];

    (void)snprintf(right, sizeof(right), "%s %s %s %s", cli_verbs[command].name, kind ? kind : "",
                   takes(command, "ID") && cli_verbs[command].argument[0] != '[' ? "latest" : "",
                   needed(command, kind));
    use(command, kind, right);
}

static void each(each_use *use)
{
    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        enum cli_command command = (enum cli_command)i;
        const struct cli_kind *kind = cli_verbs_kinds(command);
        if (kind == NULL)
            use_with(command, NULL, use);
        for (; kind != NULL && kind->name != NULL; kind++)
            use_with(command, kind->name, use);
    }
}

static void is_right(enum cli_command command, const char *kind, const char *right)
{
    char words[LINE_BYTES];
    struct err err;

    (void)kind;
    (void)snprintf(words, sizeof(words), "%s %s", right,
                   takes(command, "COMMAND") ? "-- true" : "");
    if (!reads(words, &err))
        fail_msg("'%s': %s (%s): what it needs belongs into needs[]", words, err.text, err.remedy);
}

static void what_the_rest_begins_with_is_taken(void **state)
{
    (void)state;
    each(is_right);
}

static void has_unknown_options(enum cli_command command, const char *kind, const char *right)
{
    (void)command;
    (void)kind;
    refused("%s --nonsense", right);
    refused("%s --nonsense=1", right);
    refused("--nonsense %s", right);
    refused("%s -Z", right);
    refused("%s --=1", right);
    refused("%s ---", right);
}

static void an_unknown_option_is_refused(void **state)
{
    (void)state;
    each(has_unknown_options);
}

static void has_words(enum cli_command command, const char *kind, const char *right)
{
    const char *name = cli_verbs[command].name;
    bool more = takes(command, "ID...") || (kind && cli_verbs_kind(command, kind)->paths);

    if (takes(command, "COMMAND")) {
        refused("%s", right);
        refused("%s --", right);
        refused("%s -- ''", right);
        return;
    }
    if (!more)
        refused("%s %s surplus", right, takes(command, "[") ? "latest" : "");
    if (takes(command, "ID"))
        refused("%s %s ''", name, kind ? kind : "");
    if (takes(command, "ID") && !takes(command, "["))
        refused("%s %s", name, kind ? kind : "");
    if (kind != NULL) {
        refused("%s", name);
        refused("%s nonsense latest", name);
    }
}

static void a_word_too_many_or_too_few_is_refused(void **state)
{
    (void)state;
    refused("''");
    refused("nonsense");
    refused("--json");
    each(has_words);
}

static void has_options_of_others(enum cli_command command, const char *kind, const char *right)
{
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option *option = &cli_option_table[i];
        const char *const *words = cli_option_words((enum cli_option_id)i, command);
        if (!cli_verbs_option_fits((enum cli_option_id)i, command, kind))
            refused("%s --%s %s", right, option->name,
                    option->argument == NULL ? ""
                    : words != NULL          ? words[0]
                                             : "1");
    }
}

static void an_option_of_another_command_is_refused(void **state)
{
    (void)state;
    each(has_options_of_others);
}

/* LINE, with VALUE of OPTION behind it, is refused for that; the system's command behind it is
 * right. */
static void refused_for(const struct cli_option *option, const char *line, const char *value)
{
    char words[LINE_BYTES];
    struct err err;

    (void)snprintf(words, sizeof(words), "%s%s%s", line, value,
                   *value != '\0' && strncmp(line, "run ", 4) == 0 ? " -- true" : "");
    refused("%s", words);
    (void)reads(words, &err);
    if (strstr(err.text, option->name) == NULL)
        fail_msg("'%s' is refused for something else: %s", words, err.text);
}

static void has_bad_value(const struct cli_option *option, const char *const *words,
                          const char *line)
{
    static const char *const durations[] = {" 10",  " -1s", " 1.5h", " 10y", " s",
                                            " 0ms", " 1s1", " 1S",   " ''",  " 99999999w"};
    static const char *const numbers[] = {
        " 0", " -1", " x", " 1.5", " 0x10", " ''", " 99999999999999999999"};

    if (option->argument == NULL) {
        refused_for(option, line, "=yes");
        return;
    }
    refused_for(option, line, "");
    if (words != NULL) {
        refused_for(option, line, " nonsense");
        refused_for(option, line, "=");
    }
    for (size_t i = 0;
         strcmp(option->argument, "DURATION") == 0 && i < sizeof(durations) / sizeof(durations[0]);
         i++)
        refused_for(option, line, durations[i]);
    for (size_t i = 0;
         strcmp(option->argument, "N") == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        refused_for(option, line, numbers[i]);
}

static void has_bad_values(enum cli_command command, const char *kind, const char *right)
{
    char given[64], line[LINE_BYTES];

    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        enum cli_option_id id = (enum cli_option_id)i;
        const struct cli_option *option = &cli_option_table[id];
        if (!cli_verbs_option_fits(id, command, kind))
            continue;
        (void)snprintf(given, sizeof(given), "--%s ", option->name);
        const char *twice = strstr(right, given);
        (void)snprintf(line, sizeof(line), "%.*s --%s", (int)(twice ? twice - right : LINE_BYTES),
                       right, option->name);
        has_bad_value(option, cli_option_words(id, command), line);
    }
}

static void a_value_that_is_none_is_refused(void **state)
{
    (void)state;
    each(has_bad_values);
}

static void options_that_exclude_each_other_are_refused(void **state)
{
    (void)state;
    refused("backup --pin --keep 3d");
    refused("backup --reason a --reason b");
    refused("list --all-nodes --node a");
    refused("list --by-node --limit 3");
    refused("rollback latest --commit");
    refused("rollback --undo --commit");
    refused("rollback --data-only");
    refused("thaw");
    refused("iam-policy");
    refused("hold");
    refused("pre-upgrade");
    refused("pre-upgrade --apt --dnf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rest_begins_with_is_taken),
        cmocka_unit_test(an_unknown_option_is_refused),
        cmocka_unit_test(a_word_too_many_or_too_few_is_refused),
        cmocka_unit_test(an_option_of_another_command_is_refused),
        cmocka_unit_test(a_value_that_is_none_is_refused),
        cmocka_unit_test(options_that_exclude_each_other_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
