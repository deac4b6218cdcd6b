/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_complete_run.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/control_wire.h"
#include "agent/cli/cli_client.h"
#include "agent/cli/cli_complete.h"
#include "agent/cli/cli_outcome.h"
#include "agent/daemon/config.h"

enum { LINES_BYTES_MAX = 64 * 1024, TIME_S = 2, IDS_MAX = 50 };

static void print_lines(const struct buf *lines)
{
    (void)fwrite(buf_text(lines), 1, lines->len, stdout); /* a shell that has gone needs none */
    (void)fflush(stdout);
}

/* "sp-…", and what is told of it beside: its state, its level, its reason. */
static void print_backup(json_t *event)
{
    AUTO_BUF struct buf line = BUF_INIT(LINES_BYTES_MAX);
    const char *id = NULL, *state = "", *consistency = "", *reason = "";
    struct err err = ERR_INIT;
    json_t *data = NULL;

    if (control_get_object(event, "data", &data, &err) &&
        control_get_string(data, "id", &id, &err) &&
        control_opt_string(data, "state", &state, &err) &&
        control_opt_string(data, "consistency", &consistency, &err) &&
        control_opt_string(data, "reason", &reason, &err) && strpbrk(id, "\t\n :") == NULL &&
        buf_printf(&line, &err, "%s\t%s %s %.*s\n", id, state, consistency,
                   (int)strcspn(reason, "\n\r\t"), reason))
        print_lines(&line);
}

static void print_backups(const char *socket_path)
{
    struct cli_client client = CLI_CLIENT_INIT;
    AUTO_BUF struct buf request = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    struct err err = ERR_INIT;
    bool more =
        cli_client_open(&client, socket_path, &err) &&
        control_add_request(&request, "list", json_pack("{s:i}", "limit", (int)IDS_MAX), &err) &&
        cli_client_send(&client, &request, &err);

    while (more) {
        const char *name = "";
        json_t *event = NULL;
        more = cli_client_next(&client, -1, TIME_S * 1000, &event, &err) &&
               control_get_string(event, "event", &name, &err) && strcmp(name, "result") != 0 &&
               strcmp(name, "error") != 0;
        if (more && strcmp(name, "item") == 0)
            print_backup(event);
        json_decref(event);
    }
    cli_client_close(&client);
}

/* No death of a signal: shells tell of these. */
static void end_now(int number)
{
    (void)number;
    _exit(CLI_EXIT_DONE);
}

int cli_complete_run(int argc, char *const *argv, const char *(*env)(const char *name))
{
    AUTO_BUF struct buf lines = BUF_INIT(LINES_BYTES_MAX);
    struct cli_complete_rest rest;
    struct config *config = NULL;
    struct err err = ERR_INIT;

    (void)signal(SIGALRM, end_now);
    (void)alarm(TIME_S);
    if (argc < 1 || !cli_complete(argc, argv, &lines, &rest, &err))
        return CLI_EXIT_FAILED;
    print_lines(&lines);
    const struct config_source source = {.path = rest.config ? rest.config : CONFIG_DEFAULT_PATH,
                                         .path_named = rest.config != NULL,
                                         .env = env};
    if (rest.ids && config_load(&source, &config, &err)) {
        print_backups(config->control_socket);
        config_free(config);
    }
    return CLI_EXIT_DONE;
}
