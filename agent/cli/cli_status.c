/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_status.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/cli_hold.h"
#include "agent/cli/cli_rollback.h"
#include "agent/cli/cli_show.h"

/* --- status ----------------------------------------------------------------------------------- */

static void status_daemon(struct cli_page *page, const json_t *daemon)
{
    char text[CLI_TIME_BYTES];
    int64_t number;

    cli_page_field(page, "daemon", CLI_FIELD_WIDTH);
    cli_page_text(page, "stillpointd ");
    cli_page_clean(page, cli_str(daemon, "version"));
    if (cli_int(daemon, "pid", &number))
        cli_page_printf(page, ", pid %" PRId64, number);
    if (cli_int(daemon, "uptime_s", &number))
        cli_page_printf(page, ", up %s", cli_span(number, text));
    cli_page_text(page, "\n");
    cli_page_fact(page, "config", cli_str(daemon, "config"));
}

static void status_guard(struct cli_page *page, const json_t *guard)
{
    int64_t number;

    cli_page_field(page, "guard", CLI_FIELD_WIDTH);
    if (!json_is_true(json_object_get(guard, "reachable"))) {
        cli_page_styled(page, CLI_BAD, "does not answer");
        if (cli_str(guard, "why") != NULL) {
            cli_page_text(page, ": ");
            cli_page_clean(page, cli_str(guard, "why"));
        }
        cli_page_text(page, "; what is frozen, `stillpoint thaw -n` says; why it is away: "
                            "systemctl status stillpoint-guard\n");
        return;
    }
    const char *state = cli_str(guard, "state");
    bool ended =
        state != NULL && strcmp(state, "ended") == 0; /* of the last lease: nothing is held */
    cli_page_clean(page, ended ? "idle" : state);
    if (cli_int(guard, "pid", &number))
        cli_page_printf(page, ", pid %" PRId64, number);
    if (cli_int(guard, "recovered", &number) && number > 0)
        cli_page_printf(page, "; at its start it thawed %" PRId64 " mount%s of an earlier one",
                        number, number == 1 ? "" : "s");
    cli_page_text(page, "\n");
}

static void status_identity(struct cli_page *page, const json_t *identity)
{
    const char *where =
        cli_str(identity, "az") ? cli_str(identity, "az") : cli_str(identity, "region");

    cli_page_field(page, "instance", CLI_FIELD_WIDTH);
    if (!json_is_object(identity)) {
        cli_page_text(page, "not known: `stillpoint doctor' says why\n");
        return;
    }
    cli_page_clean(page, cli_str(identity, "instance"));
    cli_page_text(page, " in ");
    cli_page_clean(page, where);
    if (cli_str(identity, "account") != NULL) {
        cli_page_text(page, ", account ");
        cli_page_clean(page, cli_str(identity, "account"));
    }
    cli_page_text(page, "\n");
}

/* An ISO time as its age; a clock that went back makes it zero. */
static void put_age(struct cli_page *page, int64_t then_utc_us, int64_t now_utc_us)
{
    char text[CLI_TIME_BYTES];

    cli_page_text(page, cli_span((now_utc_us - then_utc_us) / 1000000, text));
}

static void put_job(struct cli_page *page, const json_t *job, int64_t now_utc_us)
{
    int64_t at;

    cli_page_clean(page, cli_str(job, "cmd") ? cli_str(job, "cmd") : cli_str(job, "id"));
    cli_page_text(page, ", step ");
    cli_page_clean(page, cli_str(job, "step"));
    if (cli_time(job, "since", &at)) {
        cli_page_text(page, ", for ");
        put_age(page, at, now_utc_us);
    }
    cli_page_text(page, "\n");
}

static void status_jobs(struct cli_page *page, const json_t *data, int64_t now_utc_us)
{
    const json_t *job = json_object_get(data, "job"), *finishing;
    size_t i;

    cli_page_field(page, "job", CLI_FIELD_WIDTH);
    if (json_is_object(job))
        put_job(page, job, now_utc_us);
    else
        cli_page_text(page, "none has the node\n");
    json_array_foreach(json_object_get(data, "finishing"), i, finishing)
    {
        cli_page_field(page, "finishing", CLI_FIELD_WIDTH);
        put_job(page, finishing, now_utc_us);
    }
    if (json_is_object(json_object_get(data, "removing"))) {
        cli_page_field(page, "removing", CLI_FIELD_WIDTH);
        put_job(page, json_object_get(data, "removing"), now_utc_us);
    }
}

/* What an earlier daemon left: what is still open, and what became of the rest. */
static void status_left(struct cli_page *page, const json_t *data, int64_t now_utc_us)
{
    const json_t *item;
    int64_t at;
    size_t i;

    json_array_foreach(json_object_get(data, "unsettled"), i, item)
    {
        cli_page_field(page, "unsettled", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(item, "id"));
        if (cli_time(item, "since", &at)) {
            cli_page_text(page, ", for ");
            put_age(page, at, now_utc_us);
        }
        if (cli_str(item, "why") != NULL) {
            cli_page_text(page, ": ");
            cli_page_clean(page, cli_str(item, "why"));
        }
        cli_page_text(page, "\n");
    }
    json_array_foreach(json_object_get(data, "settled"), i, item)
    {
        cli_page_field(page, "settled", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(item, "id"));
        cli_page_text(page, ", ");
        cli_page_clean(page, cli_str(item, "outcome"));
        cli_page_text(page, ": ");
        cli_page_clean(page, cli_str(item, "text"));
        cli_page_text(page, "\n");
    }
}

/* Volumes made from a set: those of a job that runs, and those that are still to be given back. */
static void status_loans(struct cli_page *page, const json_t *data, int64_t now_utc_us)
{
    const json_t *loan;
    int64_t at;
    size_t i;

    json_array_foreach(json_object_get(data, "loans"), i, loan)
    {
        bool in_use = json_is_true(json_object_get(loan, "in_use"));
        cli_page_field(page, in_use ? "on loan" : "unreturned", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(loan, "id"));
        if (cli_str(loan, "backup") != NULL) {
            cli_page_printf(page, ", %zu volumes of ",
                            json_array_size(json_object_get(loan, "volumes")));
            cli_page_clean(page, cli_str(loan, "backup"));
            cli_page_text(page, " for ");
            cli_page_clean(page, cli_str(loan, "purpose"));
        }
        if (cli_time(loan, "since", &at)) {
            cli_page_text(page, ", for ");
            put_age(page, at, now_utc_us);
        }
        if (cli_str(loan, "why") != NULL) {
            cli_page_text(page, ": ");
            cli_page_clean(page, cli_str(loan, "why"));
        }
        cli_page_text(page, "\n");
    }
}

/* What monitoring sees; nothing where nothing is configured. */
static void status_metrics(struct cli_page *page, const json_t *metrics, int64_t now_utc_us)
{
    const json_t *ping = json_object_get(metrics, "ping");
    int64_t at;

    if (cli_str(metrics, "textfile") != NULL || cli_str(metrics, "trouble") != NULL) {
        cli_page_field(page, "metrics", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(metrics, "textfile"));
        if (cli_str(metrics, "trouble") != NULL) {
            cli_page_styled(page, CLI_BAD, ", not up to date: ");
            cli_page_clean(page, cli_str(metrics, "trouble"));
        } else if (cli_time(metrics, "written_at", &at)) {
            cli_page_text(page, ", written ");
            put_age(page, at, now_utc_us);
            cli_page_text(page, " ago");
        } else {
            cli_page_text(page, ", not written yet");
        }
        cli_page_text(page, "\n");
    }
    if (!json_is_object(ping))
        return;
    cli_page_field(page, "ping", CLI_FIELD_WIDTH);
    if (cli_time(ping, "at", &at)) {
        cli_page_clean(page, cli_str(ping, "kind"));
        cli_page_text(page, ", ");
        put_age(page, at, now_utc_us);
        cli_page_text(page, " ago");
    } else {
        cli_page_text(page, "none since the daemon's start");
    }
    if (cli_str(ping, "trouble") != NULL) {
        cli_page_styled(page, CLI_BAD, ", did not get through: ");
        cli_page_clean(page, cli_str(ping, "trouble"));
    }
    cli_page_text(page, "\n");
}

void cli_status_show(struct cli_page *page, const json_t *data, int64_t now_utc_us)
{
    const json_t *last = json_object_get(data, "last");
    int64_t at;

    status_daemon(page, json_object_get(data, "daemon"));
    status_guard(page, json_object_get(data, "guard"));
    status_identity(page, json_object_get(data, "identity"));
    status_jobs(page, data, now_utc_us);
    cli_hold_status(page, data, now_utc_us);
    status_left(page, data, now_utc_us);
    cli_rollback_status(page, json_object_get(data, "rollback"),
                        json_object_get(data, "rollback_last"));
    status_loans(page, data, now_utc_us);
    cli_page_field(page, "last backup", CLI_FIELD_WIDTH);
    if (json_is_object(last)) {
        cli_page_clean(page, cli_str(last, "id"));
        cli_page_text(page, ", ");
        cli_page_styled(page, cli_state_style(cli_str(last, "state")), cli_str(last, "state"));
        cli_page_text(page, ", ");
        cli_page_clean(page, cli_str(last, "consistency"));
        if (cli_taken_at(last, &at)) {
            cli_page_text(page, ", ");
            put_age(page, at, now_utc_us);
            cli_page_text(page, " ago");
        }
    } else {
        cli_page_text(page, "none since the daemon's start");
    }
    cli_page_text(page, "\n");
    status_metrics(page, json_object_get(data, "metrics"), now_utc_us);
}

/* --- doctor ----------------------------------------------------------------------------------- */

enum { RESULT_WIDTH = 7, NAME_WIDTH = 14 };

void cli_status_check(struct cli_page *page, const json_t *check)
{
    const char *result = cli_str(check, "result"), *name = cli_str(check, "name");
    const char *text = cli_str(check, "text"), *remedy = cli_str(check, "remedy");
    bool good = result != NULL && strcmp(result, "ok") == 0;
    bool bad = result == NULL || strcmp(result, "failed") == 0;
    bool skipped = result != NULL && strcmp(result, "skipped") == 0;
    AUTO_BUF struct buf clean = BUF_INIT(64 * 1024);
    struct err err = ERR_INIT;

    cli_page_styled(page, good ? CLI_GOOD : bad ? CLI_BAD : skipped ? CLI_DIM : CLI_WARN, result);
    cli_page_printf(page, "%*s",
                    RESULT_WIDTH + 2 - (result ? (int)strnlen(result, RESULT_WIDTH) : 1), "");
    if (!cli_clean(&clean, name ? name : "-", page->look.unicode, &err))
        page->broken = true;
    cli_page_text(page, buf_text(&clean));
    int pad = NAME_WIDTH - cli_columns(buf_text(&clean));
    cli_page_printf(page, "%*s", pad > 0 ? pad + 2 : 2, "");
    cli_page_clean_lines(page, text ? text : "-", RESULT_WIDTH + NAME_WIDTH + 4);
    cli_page_text(page, "\n");
    if (remedy == NULL || remedy[0] == '\0')
        return;
    cli_page_printf(page, "%*sdo: ", RESULT_WIDTH + NAME_WIDTH + 4, "");
    cli_page_clean_lines(page, remedy, RESULT_WIDTH + NAME_WIDTH + 8);
    cli_page_text(page, "\n");
}

void cli_status_verdict(struct cli_page *page, const json_t *checks)
{
    static const char *const results[] = {"ok", "warning", "failed", "skipped"};
    size_t counts[4] = {0}, i;
    const json_t *check;

    json_array_foreach(checks, i, check)
    {
        const char *result = cli_str(check, "result");
        for (size_t k = 0; result != NULL && k < 4; k++)
            counts[k] += strcmp(results[k], result) == 0;
    }
    cli_page_printf(page, "%zu check%s: %zu ok, %zu warning%s, %zu failed, %zu skipped\n",
                    json_array_size(checks), json_array_size(checks) == 1 ? "" : "s", counts[0],
                    counts[1], counts[1] == 1 ? "" : "s", counts[2], counts[3]);
}
