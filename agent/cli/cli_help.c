/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_help.h"

#include <stdio.h>
#include <string.h>

static const char exit_codes[] =
    "Exit codes: 0 done as asked, 1 failed and nothing usable left behind (of verify: it does\n"
    "not restore), 2 wrong usage or configuration, 3 done with less than asked for (says what),\n"
    "4 another job holds the node, 5 a precondition failed and nothing was touched (no such\n"
    "backup, too), 6 the outcome is not known here, or the backup goes on (says how to look).\n";

static const char exit_codes_of_run[] =
    "Exit codes: COMMAND's own; 128 and the number of the signal that ended it; 127 there is no\n"
    "such program; 126 it can't be run; 125 COMMAND was not run, for a reason of ours.\n";

/* Where an option is another thing than its table says. */
static const struct differing {
    enum cli_option_id id;
    enum cli_command command;
    const char *kind; /* NULL: any */
    const char *about;
} differing[] = {
    {CLI_OPTION_REASON, CLI_LIST, NULL, "with TEXT in their reason, small or large letters alike"},
    {CLI_OPTION_CONSISTENCY, CLI_LIST, NULL, "of this level: application, filesystem or crash"},
    {CLI_OPTION_FORCE, CLI_SEAL, NULL,
     "give up what is not settled in EC2 yet: nobody looks for it\nany more"},
    {CLI_OPTION_WAIT, CLI_RUN, NULL,
     "cut (default): the instant is fixed and the node is free;\n"
     "complete: snapshots and image are ready"},
    {CLI_OPTION_JSON, CLI_RUN, NULL, "the backup's events and the way back, a line each on stderr"},
    {CLI_OPTION_WAIT, CLI_RESTORE, NULL, "running (default), or none"},
    {CLI_OPTION_TYPE, CLI_RESTORE, "volumes", "gp3 (default), gp2, io1, io2, st1, sc1 or standard"},
    {CLI_OPTION_ZONE, CLI_RESTORE, "volumes",
     "eu-west-1a; by default that of the instance, or this node's"},
    {CLI_OPTION_KMS_KEY, CLI_RESTORE, NULL,
     "encrypt the volumes, with that key: id, alias/NAME, ARN"},
};

const char *cli_help_option(enum cli_option_id id, enum cli_command command, const char *kind)
{
    for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
        const struct differing *one = &differing[i];
        if (one->id == id && one->command == command &&
            (one->kind == NULL || (kind != NULL && strcmp(one->kind, kind) == 0)))
            return one->about;
    }
    return cli_option_table[id].about;
}

/* ABOUT may have several lines: they are aligned. */
static bool add_option(const struct cli_option *option, const char *about, struct buf *text,
                       struct err *err)
{
    char left[40];

    if (option->letter != 0)
        (void)snprintf(left, sizeof(left), "-%c, --%s", option->letter, option->name);
    else
        (void)snprintf(left, sizeof(left), "    --%s%s%s", option->name,
                       option->argument ? " " : "", option->argument ? option->argument : "");
    for (const char *line = about; line != NULL;) {
        const char *end = strchr(line, '\n');
        int len = end ? (int)(end - line) : (int)strlen(line);
        if (!buf_printf(text, err, "  %-24s  %.*s\n", line == about ? left : "", len, line))
            return false;
        line = end ? end + 1 : NULL;
    }
    return true;
}

/* "restore KIND ID" */
static const char *how_written(enum cli_command command, char *text, size_t size)
{
    const struct cli_verb *verb = &cli_verbs[command];

    (void)snprintf(text, size, "%s%s%s%s", verb->name, cli_verbs_kinds(command) ? " KIND" : "",
                   verb->argument ? " " : "", verb->argument ? verb->argument : "");
    return text;
}

static bool add_kinds(enum cli_command command, struct buf *text, struct err *err)
{
    const struct cli_kind *kind = cli_verbs_kinds(command);
    bool ok = kind == NULL || buf_add_text(text, "\nKinds\n", err);

    for (; ok && kind && kind->name; kind++) {
        char left[40];
        (void)snprintf(left, sizeof(left), "%s %s%s", kind->name, cli_verbs[command].argument,
                       kind->paths ? " PATH..." : "");
        ok = buf_printf(text, err, "  %-24s  %s\n", left, kind->line);
    }
    return ok;
}

/* Those of every command. */
static bool add_common(enum cli_command command, struct buf *text, struct err *err)
{
    bool ok = buf_add_text(text, "\nOptions of every command\n", err);

    for (unsigned id = 0; ok && id < CLI_OPTION_COUNT; id++) {
        if (cli_option_table[id].commands == CLI_FOR_ALL)
            ok = add_option(&cli_option_table[id],
                            cli_help_option((enum cli_option_id)id, command, NULL), text, err);
    }
    return ok;
}

/* KIND: those that are not for every kind; NULL: all others. No heading where there are none. */
static bool add_options(enum cli_command command, const char *kind, struct buf *text,
                        struct err *err)
{
    bool any = false, ok = true;

    for (unsigned i = 0; ok && i < CLI_OPTION_COUNT; i++) {
        enum cli_option_id id = (enum cli_option_id)i;
        if (cli_option_table[id].commands == CLI_FOR_ALL ||
            cli_verbs_option_of_all(id, command) != (kind == NULL) ||
            !cli_verbs_option_fits(id, command, kind))
            continue;
        if (!any)
            ok = buf_printf(text, err, "\nOptions%s%s\n", kind ? " of " : "", kind ? kind : "");
        any = true;
        ok = ok && add_option(&cli_option_table[id], cli_help_option(id, command, kind), text, err);
    }
    return ok;
}

static bool add_options_of_kinds(enum cli_command command, struct buf *text, struct err *err)
{
    bool ok = true;

    for (const struct cli_kind *kind = cli_verbs_kinds(command); ok && kind && kind->name; kind++)
        ok = add_options(command, kind->name, text, err);
    return ok;
}

static bool help_of_program(struct buf *text, struct err *err)
{
    bool ok = buf_add_text(text,
                           "usage: stillpoint COMMAND [OPTIONS]\n\n"
                           "Consistent backups of a Kaltura node on EC2: all volumes at one "
                           "instant.\n\nCommands\n",
                           err);

    for (int i = 1; ok && i < CLI_COMMAND_COUNT; i++) {
        char left[32];
        ok = buf_printf(text, err, "  %-15s  %s\n",
                        how_written((enum cli_command)i, left, sizeof(left)), cli_verbs[i].line);
    }
    return ok && add_common(CLI_NO_COMMAND, text, err) &&
           buf_add_text(text,
                        "\n`stillpoint COMMAND --help' has a command's own options; "
                        "stillpoint(8) has it all.\n",
                        err) &&
           buf_add_text(text, exit_codes, err);
}

bool cli_help_make(enum cli_command command, struct buf *ret_text, struct err *err)
{
    char written[32];

    if (command == CLI_NO_COMMAND)
        return help_of_program(ret_text, err);
    const char *usage = command == CLI_RUN ? "run [OPTIONS] -- COMMAND [ARGUMENT]..."
                                           : how_written(command, written, sizeof(written));
    return buf_printf(ret_text, err, "usage: stillpoint %s%s\n\n%s\n", usage,
                      command == CLI_RUN ? "" : " [OPTIONS]", cli_verbs[command].about) &&
           add_kinds(command, ret_text, err) && add_options(command, NULL, ret_text, err) &&
           add_options_of_kinds(command, ret_text, err) && add_common(command, ret_text, err) &&
           buf_add_text(ret_text, "\n", err) &&
           buf_add_text(ret_text, command == CLI_RUN ? exit_codes_of_run : exit_codes, err);
}
