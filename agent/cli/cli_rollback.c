/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_rollback.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_outcome.h"
#include "agent/cli/cli_talk.h"

enum { ANSWER_BYTES = 128 };

/* --- asking --------------------------------------------------------------------------------- */

/* Where nobody can be asked. What stands against it all the same, as -n finds it, is the better
 * answer: --yes would not help. */
static int refuse_unasked(const struct cli *cli, const char *socket_path)
{
    struct cli_options options = *cli->options;
    struct cli looking = *cli;
    struct err why = ERR_INIT;

    options.dry_run = options.quiet = true;
    looking.options = &options;
    looking.looks_only = true;
    int exit_code = cli_talk(&looking, socket_path);
    if (exit_code != CLI_EXIT_DONE && exit_code != CLI_EXIT_LESS)
        return exit_code;
    (void)err_set(&why, ERR_USAGE, 0,
                  cli->options->json ? "rollback: with --json nobody is asked to confirm it"
                                     : "rollback: nobody is at a terminal to confirm it");
    (void)err_suggest(&why, "look at it with -n first, then give --yes");
    return cli_fail(cli, CLI_EXIT_USAGE, &why, "nothing was done");
}

/* Ctrl-C and SIGTERM come over signal_fd, since they are blocked: false. */
static bool wait_for_answer(const struct cli *cli)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = cli->signal_fd, .events = POLLIN}};

    while (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
        if (errno != EINTR)
            return false;
    }
    return fds[1].revents == 0;
}

/* Whether the person types ID. */
static bool confirm(const struct cli *cli, const char *id)
{
    char answer[ANSWER_BYTES] = "";

    (void)fprintf(cli->err, "\nType the id of the backup, %s, to go on: ", id);
    (void)fflush(cli->err);
    if (!wait_for_answer(cli) || fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcmp(answer, id) == 0;
}

int cli_rollback(const struct cli *cli, const char *socket_path)
{
    struct cli_options options = *cli->options;
    struct cli asking = *cli;
    char id[CLI_ID_BYTES] = "";
    struct err why = ERR_INIT;

    if (!cli_options_change(&options) || options.yes)
        return cli_talk(cli, socket_path);
    if (options.json || isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0)
        return refuse_unasked(cli, socket_path);
    asking.options = &options;
    asking.signal_fd = -1;
    options.dry_run = true;
    options.quiet = false; /* a person is asked */
    int exit_code = cli_talk_named(&asking, socket_path, id);
    if (exit_code != CLI_EXIT_DONE && exit_code != CLI_EXIT_LESS)
        return exit_code;
    if (!confirm(cli, id)) {
        (void)err_set(&why, ERR_CANCELLED, 0, "rollback: not confirmed");
        return cli_fail(cli, CLI_EXIT_FAILED, &why, "nothing was done");
    }
    options = *cli->options;
    if (options.id != NULL)
        options.id = id; /* what was shown, not what is the latest by now */
    asking = *cli;
    asking.options = &options;
    return cli_talk(&asking, socket_path);
}

/* --- showing -------------------------------------------------------------------------------- */

static void show_list(struct cli_page *page, const char *heading, const json_t *list, bool numbered)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    cli_page_heading(page, heading);
    json_array_foreach(list, i, item)
    {
        if (numbered)
            cli_page_printf(page, "  %zu. ", i + 1);
        else
            cli_page_text(page, "  ");
        cli_page_clean_lines(page, json_string_value(item), numbered ? 5 : 2);
        cli_page_text(page, "\n");
    }
}

static void show_database(struct cli_page *page, const json_t *database)
{
    const char *then = cli_str(database, "then"), *now = cli_str(database, "now");
    int64_t transactions;

    if (then == NULL && now == NULL)
        return;
    cli_page_field(page, "database", CLI_FIELD_WIDTH);
    cli_page_clean(page, cli_str(database, "name"));
    cli_page_text(page, ": ");
    if (cli_int(database, "transactions", &transactions)) {
        cli_page_count(page, transactions, "transaction");
        cli_page_text(page, " since; ");
    }
    cli_page_text(page, "then ");
    cli_page_clean(page, then);
    cli_page_text(page, ", now ");
    cli_page_clean(page, now);
    cli_page_text(page, "\n");
}

static void show_lost(struct cli_page *page, const json_t *lost)
{
    const json_t *newer = json_object_get(lost, "newer_backups"), *database;
    int64_t seconds, at_us;
    char text[CLI_TIME_BYTES];
    size_t i;

    cli_page_heading(page, "What is lost");
    if (cli_time(lost, "since", &at_us) && cli_int(lost, "seconds", &seconds)) {
        cli_page_field(page, "since", CLI_FIELD_WIDTH);
        cli_page_text(page, cli_local_time(at_us, text));
        cli_page_text(page, ", all that was written in ");
        cli_page_text(page, cli_span(seconds, text));
        cli_page_text(page, "\n");
    }
    json_array_foreach(json_object_get(lost, "databases"), i, database)
    {
        show_database(page, database);
    }
    if (!json_is_array(newer))
        return;
    cli_page_field(page, "newer", CLI_FIELD_WIDTH);
    cli_page_count(page, (int64_t)json_array_size(newer), "backup");
    cli_page_printf(page, " of this node (%s)\n",
                    json_array_size(newer) == 1 ? "it stays" : "they stay");
}

static void show_volumes(struct cli_page *page, const char *name, const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        cli_page_field(page, i == 0 ? name : "", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(item, "volume"));
        cli_page_text(page, "  ");
        cli_page_clean(page, cli_str(item, "device"));
        cli_page_text(page, "\n");
    }
}

static void show_state(struct cli_page *page, const json_t *data)
{
    const char *step = cli_str(data, "step");
    int64_t deleted;

    cli_page_fact(page, "rollback", cli_str(data, "id"));
    cli_page_fact(page, "to", cli_str(data, "set"));
    cli_page_fact(page, "mode", cli_str(data, "mode"));
    cli_page_fact(page, "step", step);
    cli_page_fact(page, "backup", cli_str(data, "backup"));
    show_volumes(page, "kept", json_object_get(data, "kept"));
    show_volumes(page, "made", json_object_get(data, "made"));
    if (cli_int(data, "deleted", &deleted)) {
        cli_page_field(page, "deleted", CLI_FIELD_WIDTH);
        cli_page_count(page, deleted, "volume");
        cli_page_text(page, "\n");
    }
    if (step != NULL && strcmp(step, "done") == 0)
        cli_page_text(page, "\nThe volumes of before are kept. `stillpoint rollback --commit' "
                            "deletes them,\n`stillpoint rollback --undo' brings them back.\n");
}

/* "rb-… to sp-… was undone, 2026-11-24 08:15:30 CET"; nothing where none is known of. */
static void put_last(struct cli_page *page, const char *lead, const json_t *last)
{
    char text[CLI_TIME_BYTES];
    int64_t at_us;

    if (!json_is_object(last))
        return;
    cli_page_text(page, lead);
    cli_page_clean(page, cli_str(last, "id"));
    cli_page_text(page, " to ");
    cli_page_clean(page, cli_str(last, "set"));
    cli_page_text(page, ", was ");
    cli_page_clean(page, cli_str(last, "outcome"));
    if (cli_time(last, "at", &at_us)) {
        cli_page_text(page, " at ");
        cli_page_text(page, cli_local_time(at_us, text));
    }
    if (cli_str(last, "why") != NULL) {
        cli_page_text(page, ": ");
        cli_page_clean(page, cli_str(last, "why"));
    }
    cli_page_text(page, "\n");
}

void cli_rollback_show(struct cli_page *page, const json_t *data)
{
    const json_t *steps = json_object_get(data, "steps");

    if (cli_str(data, "id") == NULL) {
        cli_page_text(page, "no rollback is under way or to be committed\n");
        put_last(page, "the last, ", json_object_get(data, "last"));
        return;
    }
    if (json_object_get(data, "lost") == NULL) {
        show_state(page, data);
        show_list(page, "What will be done", steps, true);
        return;
    }
    cli_page_fact(page, "back to", cli_str(data, "id"));
    cli_page_fact(page, "is", cli_str(data, "consistency"));
    cli_page_fact(page, "mode", cli_str(data, "mode"));
    show_lost(page, json_object_get(data, "lost"));
    show_list(page, "What will be done", steps, true);
    show_list(page, "What stays as it is", json_object_get(data, "stays"), false);
    show_list(page, "What is not brought back", json_object_get(data, "missing"), false);
    show_list(page, "What to know", json_object_get(data, "warnings"), false);
}

void cli_rollback_status(struct cli_page *page, const json_t *rollback, const json_t *last)
{
    if (!json_is_object(rollback) && !json_is_object(last))
        return;
    cli_page_field(page, "rollback", CLI_FIELD_WIDTH);
    if (!json_is_object(rollback)) {
        put_last(page, "none; the last, ", last);
        return;
    }
    cli_page_clean(page, cli_str(rollback, "id"));
    cli_page_text(page, " to ");
    cli_page_clean(page, cli_str(rollback, "set"));
    cli_page_text(page, ", step ");
    cli_page_clean(page, cli_str(rollback, "step"));
    cli_page_text(page, ", ");
    cli_page_count(page, (int64_t)json_array_size(json_object_get(rollback, "kept")), "volume");
    cli_page_text(page, " kept\n");
}
