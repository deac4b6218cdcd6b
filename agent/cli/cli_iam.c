/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_iam.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/cli_ask.h"
#include "agent/daemon/iam_policy.h"

static void say(const struct cli *cli, const char *text)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT; /* stderr that can't be written: nowhere to say so */

    if (cli->options->quiet)
        return;
    cli_page_text(&page, "stillpoint: ");
    cli_page_clean_lines(&page, text, 2);
    cli_page_text(&page, "\n");
    (void)cli_page_write(&page, cli->err, &passed_over);
}

/* What an instance knows of itself. NULL: nobody is there to ask, or it is no instance. */
static json_t *ask_identity(const struct cli *cli, const struct config *config)
{
    struct err why = ERR_INIT;
    char text[ERR_TEXT_BYTES + 160];

    if (config->aws.identity != CONFIG_IDENTITY_IMDS)
        return NULL;
    json_t *status = cli_ask_status(config->control_socket, &why);
    json_t *identity = json_incref(json_object_get(status, "identity"));
    json_decref(status);
    if (json_is_object(identity))
        return identity;
    json_decref(identity);
    if (cli->options->role != NULL && strcmp(cli->options->role, "node") == 0) {
        (void)snprintf(text, sizeof(text),
                       "%s\naccount and billing are not known: for any account%s",
                       why.text[0] ? why.text : "stillpointd does not know which instance it is on",
                       cli->options->billed
                           ? ""
                           : ", and for an image without billing product codes (else: --billed)");
        say(cli, text);
    }
    return NULL;
}

static bool print(const struct cli *cli, const json_t *policy)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->look);
    AUTO_FREE char *text = json_dumps(policy, JSON_INDENT(2));

    if (cli->options->json)
        return cli_print_json(cli, policy);
    if (text == NULL)
        return false;
    cli_page_clean_lines(&page, text, 0);
    cli_page_text(&page, "\n");
    return cli_print_raw(cli, &page); /* it is for a file, also with --quiet */
}

static enum iam_role role_of(const char *name)
{
    const char *const *names = iam_role_names();
    int role = 0;

    while (names[role + 1] != NULL && strcmp(names[role], name) != 0)
        role++;
    return (enum iam_role)role;
}

int cli_iam(const struct cli *cli, const struct config *config)
{
    const struct cli_options *options = cli->options;
    json_t *identity = NULL, *policy = NULL;
    struct err err = ERR_INIT;
    struct iam_policy_want want = {
        .role = role_of(options->role),
        .with = options->with,
        .region = config->aws.region[0] ? config->aws.region : NULL,
        .image = config->backup.image,
        .billed = options->billed,
        .kms_keys = options->kms_keys,
        .pass_roles = options->pass_roles,
    };
    int exit_code;

    /* What can't be is said before who is not there to be asked. */
    if (!iam_policy_make(&want, &policy, &err))
        return cli_fail(cli, cli_exit_of(err.kind), &err, NULL);
    json_decref(policy);
    identity = ask_identity(cli, config);
    want.account = cli_str(identity, "account");
    if (want.region == NULL)
        want.region = cli_str(identity, "region");
    if (want.role == IAM_NODE && json_is_true(json_object_get(identity, "billed")))
        want.billed = true;
    if (iam_policy_make(&want, &policy, &err)) {
        if (want.role == IAM_RESTORE && want.pass_roles.count == 0)
            say(cli, "an instance that has a profile can't be launched with this: name the "
                     "profile's role with --pass-role");
        exit_code = print(cli, policy) ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
    } else {
        exit_code = cli_fail(cli, cli_exit_of(err.kind), &err, NULL);
    }
    json_decref(policy);
    json_decref(identity);
    return exit_code;
}
