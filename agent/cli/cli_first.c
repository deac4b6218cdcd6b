/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_first.h"

#include <poll.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/cli/cli_talk.h"

enum { BUSY_AGAIN_MS = 2000 };

static void take_heard(const struct cli_heard *heard, int exit_code, struct cli_first *ret_first)
{
    const char *id = cli_str(heard->data, "id"), *label = cli_str(heard->data, "consistency");
    bool usable = exit_code == CLI_EXIT_DONE || exit_code == CLI_EXIT_LESS;

    *ret_first = (struct cli_first){.exit_code = exit_code,
                                    .interrupted = heard->interrupted,
                                    .timed_out = heard->timed_out,
                                    .age_s = -1};
    if (usable && id != NULL)
        (void)snprintf(ret_first->id, sizeof(ret_first->id), "%s", id);
    if (exit_code == CLI_EXIT_UNKNOWN)
        memcpy(ret_first->open_id, heard->id, sizeof(ret_first->open_id));
    if (usable && label != NULL)
        (void)snprintf(ret_first->label, sizeof(ret_first->label), "%s", label);
    if (json_is_true(json_object_get(heard->data, "reused")))
        (void)cli_int(heard->data, "age_s", &ret_first->age_s);
}

/* False: a signal came, or there is no more time. */
static bool wait_a_little(const struct cli *cli, int64_t until_ms)
{
    struct pollfd polled = {.fd = cli->signal_fd, .events = POLLIN};
    int64_t left_ms = until_ms - clock_boot_ms();

    return left_ms > 0 &&
           poll(&polled, 1, (int)(left_ms < BUSY_AGAIN_MS ? left_ms : BUSY_AGAIN_MS)) == 0;
}

static void take(const struct cli *cli, const char *socket_path, struct cli_first *ret_first)
{
    struct cli_options options = *cli->options;
    struct cli asking = *cli;
    struct cli_heard heard;
    int64_t until_ms = cli->deadline_ms != 0 ? cli->deadline_ms : cli->busy_until_ms;

    options.command = CLI_BACKUP;
    if (options.wait == NULL)
        options.wait = "cut";
    asking.options = &options;
    asking.out = cli->err;
    asking.look = cli->err_look;
    for (;;) {
        int exit_code = cli_talk_heard(&asking, socket_path, &heard);
        take_heard(&heard, exit_code, ret_first);
        json_decref(heard.data);
        if (exit_code != CLI_EXIT_BUSY || until_ms == 0 || ret_first->interrupted)
            return;
        if (!asking.busy_is_told && !options.json)
            (void)fputs("stillpoint: waiting until that is done\n", cli->err);
        asking.busy_is_told = true;
        if (wait_a_little(cli, until_ms))
            continue;
        ret_first->timed_out = clock_boot_ms() >= until_ms;
        ret_first->interrupted = !ret_first->timed_out;
        return;
    }
}

void cli_first_take(const struct cli *cli, const char *socket_path, struct cli_first *ret_first)
{
    struct pollfd polled = {.fd = cli->signal_fd, .events = POLLIN};

    take(cli, socket_path, ret_first);
    /* One that came when nobody listened: while it was told, or where there was no daemon. */
    ret_first->interrupted = ret_first->interrupted || poll(&polled, 1, 0) > 0;
}

/* What is to be known before one goes back. */
static void put_reserve(struct cli_page *page, const struct cli_first *first)
{
    char age[CLI_TIME_BYTES];

    if (first->label[0] != '\0') {
        cli_page_text(page, "  it is ");
        cli_page_clean(page, first->label);
        cli_page_text(page, " consistent");
    }
    if (first->age_s >= 0) {
        cli_page_text(page, first->label[0] ? "; " : "  ");
        cli_page_text(page, "it was there already, ");
        cli_page_text(page, cli_span(first->age_s, age));
        cli_page_text(page, " old: what was done since is taken back, too");
    }
    if (first->label[0] != '\0' || first->age_s >= 0)
        cli_page_text(page, "\n");
}

void cli_first_way_back(struct cli_page *page, const struct cli_first *first, const char *what)
{
    cli_page_text(page, "stillpoint: ");
    if (first->id[0] != '\0') {
        cli_page_text(page, "to go back to before ");
        cli_page_text(page, what);
        cli_page_text(page, ": stillpoint rollback ");
        cli_page_styled(page, CLI_BOLD, first->id);
        cli_page_text(page, "\n");
        put_reserve(page, first);
    } else if (first->open_id[0] != '\0') {
        cli_page_text(page, "whether there is a way back to before ");
        cli_page_text(page, what);
        cli_page_text(page, " is not known yet: stillpoint show ");
        cli_page_clean(page, first->open_id);
        cli_page_text(page, "\n");
    } else {
        cli_page_styled(page, CLI_WARN, "there is no way back to before ");
        cli_page_text(page, what);
        cli_page_text(page, ": no backup was taken\n");
    }
}
