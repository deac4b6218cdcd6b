/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_complete.h"

#include <stdint.h>
#include <string.h>

#include "agent/cli/cli_help.h"
#include "agent/cli/cli_option_values.h"
#include "agent/cli/cli_verbs.h"

enum { NO_OPTION = CLI_OPTION_COUNT };

/* What stands before the word that is being written. */
struct line {
    enum cli_command command;
    const char *kind;
    int words;               /* behind the command and its kind */
    bool help, version;      /* these words, in a command's place or before it */
    unsigned waits;          /* the option whose value is next; NO_OPTION */
    uint64_t seen;           /* bits by enum cli_option_id */
    bool only_words, broken; /* behind "--"; a word that is nothing */
    int command_at;          /* of a command of the system's; 0: none */
    const char *config;
};

static bool takes(const struct line *line, const char *what)
{
    const char *argument = cli_verbs[line->command].argument;

    return line->command != CLI_NO_COMMAND && argument != NULL && strstr(argument, what) != NULL;
}

/* By its name, which ends at LEN. */
static unsigned find_option(const char *name, size_t len)
{
    unsigned id = 0;

    while (id < CLI_OPTION_COUNT && (strncmp(cli_option_table[id].name, name, len) != 0 ||
                                     cli_option_table[id].name[len] != '\0'))
        id++;
    return id;
}

static unsigned find_letter(char letter)
{
    unsigned id = 0;

    while (id < CLI_OPTION_COUNT && cli_option_table[id].letter != letter)
        id++;
    return id;
}

static void pass_option(struct line *line, const char *word)
{
    const char *equals = strchr(word, '=');
    unsigned id = NO_OPTION;

    if (word[1] == '-')
        id = find_option(word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word + 2));
    for (const char *at = word + 1; word[1] != '-' && *at != '\0'; at++) {
        id = find_letter(*at);
        line->seen |= id < NO_OPTION ? UINT64_C(1) << id : 0;
    }
    if (id == NO_OPTION)
        return;
    line->seen |= UINT64_C(1) << id;
    if (cli_option_table[id].argument != NULL && equals == NULL)
        line->waits = id;
    else if (id == CLI_OPTION_CONFIG)
        line->config = equals + 1;
}

static void pass_word(struct line *line, const char *word)
{
    if (line->command != CLI_NO_COMMAND) {
        const struct cli_kind *kind = cli_verbs_kind(line->command, word);
        if (cli_verbs_kinds(line->command) == NULL || line->kind != NULL)
            line->words++;
        else if (kind != NULL)
            line->kind = kind->name;
        else
            line->broken = true;
        return;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "version") == 0) {
        line->help = line->help || word[0] == 'h';
        line->version = line->version || word[0] == 'v';
        return;
    }
    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        if (strcmp(cli_verbs[i].name, word) == 0)
            line->command = (enum cli_command)i;
    }
    line->broken = line->command == CLI_NO_COMMAND;
}

/* NUMBER: counted from 1. */
static void pass(struct line *line, int number, const char *word)
{
    bool option = !line->only_words && word[0] == '-' && word[1] != '\0';

    if (line->command_at != 0)
        return;
    if (line->waits != NO_OPTION) {
        if (line->waits == CLI_OPTION_CONFIG)
            line->config = word;
        line->waits = NO_OPTION;
    } else if (option && strcmp(word, "--") == 0) {
        line->only_words = true;
    } else if (option) {
        pass_option(line, word);
    } else if (takes(line, "COMMAND") && !line->help) {
        line->command_at = number;
    } else {
        pass_word(line, word);
    }
}

/* --- what may come -------------------------------------------------------------------------- */

/* ABOUT: its first line. */
static bool offer(struct buf *lines, const char *before, const char *word, const char *about,
                  struct err *err)
{
    return buf_printf(lines, err, "%s%s\t%.*s\n", before, word, (int)strcspn(about, "\n"), about);
}

/* BEFORE: "--wait=" where that stands in the same word. */
static bool offer_value(const struct line *line, unsigned id, const char *before, size_t before_len,
                        struct buf *lines, struct err *err)
{
    const char *argument = cli_option_table[id].argument;
    const char *const *words = cli_option_words((enum cli_option_id)id, line->command);
    bool ok = true;

    for (size_t i = 0; ok && words != NULL && words[i] != NULL; i++)
        ok = buf_printf(lines, err, "%.*s%s\t\n", (int)before_len, before, words[i]);
    if (argument != NULL && strcmp(argument, "FILE") == 0)
        ok = ok && buf_add_text(lines, ":files\n", err);
    if (argument != NULL && (strcmp(argument, "DIR") == 0 || strcmp(argument, "MOUNT") == 0))
        ok = ok && buf_add_text(lines, ":folders\n", err);
    return ok;
}

static bool may_come(const struct line *line, enum cli_option_id id)
{
    bool again = cli_option_is_list(id) || (line->seen & UINT64_C(1) << id) == 0;

    if (line->command == CLI_NO_COMMAND)
        return again && cli_option_table[id].commands == CLI_FOR_ALL;
    return again && cli_verbs_option_fits(id, line->command, line->kind);
}

static bool offer_options(const struct line *line, struct buf *lines, struct err *err)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < CLI_OPTION_COUNT; i++) {
        enum cli_option_id id = (enum cli_option_id)i;
        if (may_come(line, id))
            ok = offer(lines, "--", cli_option_table[id].name,
                       cli_help_option(id, line->command, line->kind), err);
    }
    return ok;
}

static bool offer_commands(const struct line *line, struct buf *lines, struct err *err)
{
    if (line->version)
        return true;
    bool ok =
        line->help || (offer(lines, "", "help", "what a command does, and its options", err) &&
                       offer(lines, "", "version", "the version of this program", err));
    for (int i = 1; ok && i < CLI_COMMAND_COUNT; i++)
        ok = offer(lines, "", cli_verbs[i].name, cli_verbs[i].line, err);
    return ok;
}

static bool offer_kinds(const struct line *line, struct buf *lines, struct err *err)
{
    bool ok = true;

    for (const struct cli_kind *kind = cli_verbs_kinds(line->command); ok && kind->name; kind++)
        ok = offer(lines, "", kind->name, kind->line, err);
    return ok;
}

static bool offer_words(const struct line *line, struct buf *lines, bool *ret_ids, struct err *err)
{
    const struct cli_kind *kind = line->kind ? cli_verbs_kind(line->command, line->kind) : NULL;

    if (line->command == CLI_NO_COMMAND)
        return offer_commands(line, lines, err);
    if (line->help)
        return true;
    if (cli_verbs_kinds(line->command) != NULL && kind == NULL)
        return offer_kinds(line, lines, err);
    *ret_ids = takes(line, "ID") && line->command != CLI_RELEASE && /* a hold's, and there is one */
               (line->words == 0 || takes(line, "ID..."));
    if (*ret_ids)
        return offer(lines, "", "latest", "this node's newest", err);
    if (kind != NULL && kind->paths)
        return buf_add_text(lines, ":files\n", err);
    return line->only_words || offer_options(line, lines, err);
}

bool cli_complete(int count, char *const *words, struct buf *ret_lines,
                  struct cli_complete_rest *ret_rest, struct err *err)
{
    struct line line = {.waits = NO_OPTION};
    const char *word = words[count - 1];

    for (int i = 0; i < count - 1 && !line.broken; i++)
        pass(&line, i + 1, words[i]);
    bool option = !line.only_words && word[0] == '-';
    const char *equals = option ? strchr(word, '=') : NULL;

    *ret_rest = (struct cli_complete_rest){.config = line.config};
    if (line.broken)
        return true;
    if (line.command_at == 0 && line.waits == NO_OPTION && !option && !line.help &&
        takes(&line, "COMMAND"))
        line.command_at = count;
    if (line.command_at != 0)
        return buf_printf(ret_lines, err, ":command %d\n", line.command_at);
    if (line.waits != NO_OPTION)
        return offer_value(&line, line.waits, "", 0, ret_lines, err);
    if (equals != NULL) {
        unsigned id = strncmp(word, "--", 2) == 0
                          ? find_option(word + 2, (size_t)(equals - word) - 2)
                          : (unsigned)NO_OPTION;
        return id == NO_OPTION ||
               offer_value(&line, id, word, (size_t)(equals - word) + 1, ret_lines, err);
    }
    return option ? offer_options(&line, ret_lines, err)
                  : offer_words(&line, ret_lines, &ret_rest->ids, err);
}
