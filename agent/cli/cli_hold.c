/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_hold.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/cli_show.h"

static void put_until(struct cli_page *page, const json_t *hold, int64_t now_utc_us)
{
    char text[CLI_TIME_BYTES];
    int64_t until;

    if (!cli_time(hold, "until", &until))
        return;
    cli_page_printf(page, " until %s", cli_local_time(until, text));
    if (until > now_utc_us)
        cli_page_printf(page, " (%s)", cli_span((until - now_utc_us) / 1000000, text));
}

void cli_hold_show(struct cli_page *page, const json_t *hold, int64_t now_utc_us)
{
    cli_page_text(page, "held: ");
    cli_page_clean(page, cli_str(hold, "id"));
    put_until(page, hold, now_utc_us);
    cli_page_text(page, "; what is snapshotted now is ");
    cli_page_clean(page, cli_str(hold, "expected"));
    cli_page_text(page, " consistent\n  then: stillpoint release\n");
    cli_show_parts(page, hold);
}

static void put_window(struct cli_page *page, const json_t *hold)
{
    const json_t *window = json_object_get(hold, "window");
    char text[CLI_TIME_BYTES];
    int64_t begin, end;
    double held_ms;

    if (cli_time(window, "begin", &begin) && cli_time(window, "end", &end)) {
        cli_page_field(page, "still from", CLI_FIELD_WIDTH);
        cli_page_printf(page, "%s\n", cli_local_time_us(begin, text));
        cli_page_field(page, "until", CLI_FIELD_WIDTH);
        cli_page_printf(page, "%s\n", cli_local_time_us(end, text));
    }
    if (cli_num(hold, "held_ms", &held_ms)) {
        cli_page_field(page, "writers waited", CLI_FIELD_WIDTH);
        cli_page_printf(page, "%.1f ms\n", held_ms);
    }
}

void cli_hold_released(struct cli_page *page, const json_t *hold)
{
    cli_page_text(page, "released: ");
    cli_page_clean(page, cli_str(hold, "id"));
    cli_page_text(page, "; what was snapshotted since it was held is ");
    cli_page_clean(page, cli_str(hold, "consistency"));
    cli_page_text(page, " consistent\n");
    put_window(page, hold);
    cli_show_parts(page, hold);
}

void cli_hold_less(const struct cli *cli, const json_t *hold)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(cli->err_look);
    struct err passed_over = ERR_INIT;
    const char *reached = cli_str(hold, "consistency"), *asked = cli_str(hold, "asked");
    const char *left = cli_str(hold, "why"), *remedy = cli_str(hold, "remedy");
    const json_t *reason;
    size_t i;

    if (cli->options->dry_run) {
        cli_page_text(&page, "stillpoint: a hold would be less than asked for\n");
    } else {
        cli_page_text(&page, "stillpoint: hold ");
        cli_page_clean(&page, cli_str(hold, "id"));
        cli_page_text(&page, ": ");
        cli_page_clean(&page, reached != NULL ? reached : cli_str(hold, "expected"));
        cli_page_text(&page, " consistent, ");
        if (reached != NULL && asked != NULL && strcmp(reached, asked) == 0) {
            cli_page_text(&page, "as was asked for; not all of it was let go of\n");
        } else {
            cli_page_clean(&page, asked);
            cli_page_text(&page, " was asked for\n");
        }
    }
    json_array_foreach(json_object_get(hold, "shortfall"), i, reason)
    {
        if (!json_is_string(reason))
            continue;
        cli_page_text(&page, "  why: ");
        cli_page_clean_lines(&page, json_string_value(reason), 7);
        cli_page_text(&page, "\n");
    }
    if (left != NULL) {
        cli_page_text(&page, "  why: ");
        cli_page_clean_lines(&page, left, 7);
        cli_page_text(&page, "\n");
    }
    if (json_is_true(json_object_get(hold, "whole")))
        cli_page_text(&page, "  now: what was held was held until now, without a gap\n");
    if (remedy != NULL) {
        cli_page_text(&page, "  do: ");
        cli_page_clean_lines(&page, remedy, 6);
        cli_page_text(&page, "\n");
    }
    (void)cli_page_write(&page, cli->err, &passed_over);
}

static void put_last(struct cli_page *page, const json_t *last)
{
    const char *why = cli_str(last, "why"), *label = cli_str(last, "consistency");
    char text[CLI_TIME_BYTES];
    double held_ms;
    int64_t since;

    cli_page_field(page, "last hold", CLI_FIELD_WIDTH);
    cli_page_clean(page, cli_str(last, "id"));
    cli_page_text(page, ", ");
    cli_page_clean(page, cli_str(last, "state"));
    if (label != NULL || why != NULL) {
        cli_page_text(page, label != NULL ? ", " : ": ");
        cli_page_clean(page, label != NULL ? label : why);
    }
    if (cli_time(last, "since", &since))
        cli_page_printf(page, ", began %s", cli_local_time(since, text));
    if (cli_num(last, "held_ms", &held_ms))
        cli_page_printf(page, ", %.1f ms", held_ms);
    cli_page_text(page, "\n");
}

void cli_hold_status(struct cli_page *page, const json_t *status, int64_t now_utc_us)
{
    const json_t *hold = json_object_get(status, "hold"),
                 *last = json_object_get(status, "hold_last");

    if (json_is_object(hold)) {
        cli_page_field(page, "hold", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(hold, "id"));
        cli_page_text(page, ", ");
        cli_page_clean(page, cli_str(hold, "expected"));
        put_until(page, hold, now_utc_us);
        if (cli_str(hold, "reason") != NULL) {
            cli_page_text(page, ", for ");
            cli_page_clean(page, cli_str(hold, "reason"));
        }
        cli_page_text(page, "\n");
    }
    if (json_is_object(last))
        put_last(page, last);
}
