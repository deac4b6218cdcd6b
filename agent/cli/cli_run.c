/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_run.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/control_wire.h"
#include "agent/cli/cli_command.h"
#include "agent/cli/cli_files.h"
#include "agent/cli/cli_help.h"
#include "agent/cli/cli_iam.h"
#include "agent/cli/cli_lenient.h"
#include "agent/cli/cli_rollback.h"
#include "agent/cli/cli_seal.h"
#include "agent/cli/cli_talk.h"
#include "agent/cli/cli_thaw.h"
#include "agent/cli/cli_upgrade.h"
#include "agent/daemon/config.h"
#include "agent/daemon/config_show.h"

#ifndef STILLPOINT_VERSION
#define STILLPOINT_VERSION "unknown"
#endif

#define DEFAULT_RUN "/run/stillpoint"

int cli_exit_of(enum err_kind kind)
{
    switch (kind) {
    case ERR_USAGE:
    case ERR_CONFIG:
        return CLI_EXIT_USAGE;
    case ERR_BUSY:
        return CLI_EXIT_BUSY;
    case ERR_PRECONDITION:
        return CLI_EXIT_PRECONDITION;
    case ERR_SENT:
        return CLI_EXIT_UNKNOWN;
    default:
        return CLI_EXIT_FAILED;
    }
}

static void fail_in_words(const struct cli *cli, const struct err *why, const char *now)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT; /* stderr that can't be written: nowhere to say so */

    cli_page_style(&page, CLI_BAD);
    cli_page_text(&page, "stillpoint: ");
    cli_page_style(&page, CLI_PLAIN);
    cli_page_clean_lines(&page, why->text, 2);
    if (why->remedy[0] != '\0') {
        cli_page_text(&page, "\n  do:  ");
        cli_page_clean_lines(&page, why->remedy, 7);
    }
    if (now != NULL && now[0] != '\0') {
        cli_page_text(&page, "\n  now: ");
        cli_page_clean_lines(&page, now, 7);
    }
    cli_page_text(&page, "\n");
    (void)cli_page_write(&page, cli->err, &passed_over);
}

int cli_fail(const struct cli *cli, int exit_code, const struct err *why, const char *now)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    struct err passed_over = ERR_INIT; /* the words on stderr say the same */

    fail_in_words(cli, why, now);
    if (cli->options->json && control_add_error(&line, why, exit_code, now, &passed_over)) {
        (void)fwrite(buf_text(&line), 1, line.len, cli->out);
        (void)fflush(cli->out);
    }
    return exit_code;
}

/* A stream that took one page no more takes none after it: said once, not for every line. */
static bool write_page(const struct cli *cli, const struct cli_page *page)
{
    struct err err = ERR_INIT;
    bool told = ferror(cli->out) != 0;

    if (!told && cli_page_write(page, cli->out, &err))
        return true;
    if (!told)
        fail_in_words(cli, &err, NULL);
    return false;
}

bool cli_print_json(const struct cli *cli, const json_t *value)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->look);
    struct err err = ERR_INIT;

    if (control_add_line(&page.text, value, &err))
        return write_page(cli, &page);
    fail_in_words(cli, &err, NULL);
    return false;
}

bool cli_print_raw(const struct cli *cli, const struct cli_page *page)
{
    return write_page(cli, page);
}

bool cli_print_page(const struct cli *cli, const struct cli_page *page)
{
    return cli->options->quiet || write_page(cli, page);
}

static int print_text(const struct cli *cli, const char *text)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->look);

    cli_page_text(&page, text);
    return write_page(cli, &page) ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
}

static int help(const struct cli *cli)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    struct err err = ERR_INIT;

    if (!cli_help_make(cli->options->command, &text, &err))
        return cli_fail(cli, CLI_EXIT_FAILED, &err, NULL);
    return print_text(cli, buf_text(&text));
}

static int show_config(const struct cli *cli, const struct config *config)
{
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    struct err err = ERR_INIT;

    if (cli->options->json) {
        json_t *whole = config_json(config);
        bool ok = whole != NULL && cli_print_json(cli, whole);
        json_decref(whole);
        return ok ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
    }
    if (!config_print(config, &text, &err))
        return cli_fail(cli, CLI_EXIT_FAILED, &err, NULL);
    return cli->options->quiet ? CLI_EXIT_DONE : print_text(cli, buf_text(&text));
}

/* --- the last resort, whatever is wrong with the configuration ------------------------------- */

/* [paths] run of a configuration that has a fault: as stillpoint-guard --thaw finds it. */
static void find_run(const char *path, char run[PATH_MAX])
{
    char found[PATH_MAX];

    strcpy(run, DEFAULT_RUN);
    if (cli_lenient_get(path, false, "paths", "run", found, sizeof(found)) && found[0] == '/')
        strcpy(run, found);
}

static int thaw_anyway(const struct cli *cli, const struct config_source *source,
                       const struct err *err)
{
    char run[PATH_MAX], going_on[PATH_MAX + 32];

    if (source->path_named && access(source->path, F_OK) != 0) /* else another node's is thawed */
        return cli_fail(cli, CLI_EXIT_USAGE, err, "nothing was touched");
    find_run(source->path, run);
    (void)snprintf(going_on, sizeof(going_on), "going on with %s", run);
    fail_in_words(cli, err, going_on);
    return cli_thaw(cli, run);
}

/* Whether a fault in the configuration stops an upgrade is for its policy to say. */
static int upgrade_anyway(const struct cli *cli, const struct config_source *source,
                          const struct err *err)
{
    struct config *config = cli_upgrade_salvage(source->path);

    if (config == NULL)
        return cli_fail(cli, CLI_EXIT_USAGE, err, NULL);
    int exit_code = cli_upgrade(cli, config, err);
    config_free(config);
    return exit_code;
}

static int run_with_config(const struct cli *asked)
{
    struct cli known = *asked;
    const struct cli *cli = &known;
    const struct cli_options *options = cli->options;
    struct config_source source = {.path = options->config ? options->config : CONFIG_DEFAULT_PATH,
                                   .path_named = options->config != NULL,
                                   .env = cli->env};
    struct config *config = NULL;
    struct err err = ERR_INIT;
    int exit_code;

    if (!config_load(&source, &config, &err)) {
        if (options->command == CLI_PRE_UPGRADE)
            return upgrade_anyway(cli, &source, &err);
        if (options->command == CLI_RUN && options->best_effort)
            return cli_command(cli, NULL, &err);
        /* The last resort must not hang on a typing error in a file. */
        if (options->command != CLI_THAW)
            return cli_fail(cli, options->command == CLI_RUN ? CLI_EXIT_NOT_RUN : CLI_EXIT_USAGE,
                            &err, cli_verbs_changes(options->command) ? "nothing was done" : NULL);
        return thaw_anyway(cli, &source, &err);
    }
    known.group = config->daemon.group;
    if (options->command == CLI_THAW)
        exit_code = cli_thaw(cli, config->paths.run);
    else if (options->command == CLI_SEAL)
        exit_code = cli_seal(cli, config, &cli_seal_this_machine);
    else if (options->command == CLI_RUN)
        exit_code = cli_command(cli, config, NULL);
    else if (options->command == CLI_PRE_UPGRADE)
        exit_code = cli_upgrade(cli, config, NULL);
    else if (options->command == CLI_CONFIG)
        exit_code = show_config(cli, config);
    else if (options->command == CLI_ROLLBACK)
        exit_code = cli_rollback(cli, config->control_socket);
    else if (options->command == CLI_RESTORE && strcmp(options->kind, "files") == 0)
        exit_code = cli_files(cli, config->control_socket);
    else if (options->command == CLI_IAM_POLICY)
        exit_code = cli_iam(cli, config);
    else
        exit_code = cli_talk(cli, config->control_socket);
    config_free(config);
    return exit_code;
}

int cli_run(const struct cli *cli)
{
    if (cli->options->version)
        return print_text(cli, "stillpoint " STILLPOINT_VERSION "\n");
    if (cli->options->help)
        return help(cli);
    return run_with_config(cli);
}
