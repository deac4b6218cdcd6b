/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_ask.h"

#include <string.h>

#include "agent/cli/cli_client.h"
#include "agent/cli/cli_page.h"

enum { ANSWER_TIMEOUT_MS = 10000 };

json_t *cli_ask_status(const char *socket_path, struct err *err)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    struct cli_client client = CLI_CLIENT_INIT;
    json_t *event = NULL, *data = NULL;

    if (cli_client_open(&client, socket_path, err) &&
        control_add_request(&line, "status", NULL, err) && cli_client_send(&client, &line, err)) {
        while (data == NULL && cli_client_next(&client, -1, ANSWER_TIMEOUT_MS, &event, err)) {
            if (strcmp(cli_str(event, "event"), "result") == 0)
                data = json_incref(json_object_get(event, "data"));
            json_decref(event);
        }
    }
    cli_client_close(&client);
    return data;
}
