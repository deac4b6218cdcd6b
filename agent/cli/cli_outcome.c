/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_outcome.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/cli/cli_hold.h"
#include "agent/cli/cli_prune.h"
#include "agent/cli/cli_rollback.h"
#include "agent/cli/cli_restore.h"
#include "agent/cli/cli_show.h"
#include "agent/cli/cli_status.h"
#include "agent/cli/cli_verdict.h"

#define SETTLES                                                                                    \
    "stillpointd goes on with it if it still runs, and else settles it at its next start"

void cli_outcome_name(struct cli_page *page, const struct cli_options *options, const char *id)
{
    cli_page_text(page, cli_verbs[options->command].name);
    cli_page_text(page, " ");
    if (options->kind != NULL) {
        cli_page_text(page, options->kind); /* one of the table's */
        cli_page_text(page, " ");
    }
    cli_page_clean(page, id);
}

/* What is borrowed or made for a while only: the next daemon takes it away. */
static bool is_taken_back(const struct cli_options *options)
{
    return options->command == CLI_VERIFY ||
           (options->command == CLI_RESTORE && strcmp(options->kind, "instance") != 0);
}

static const char *same_again(const struct cli_options *options)
{
    if (options->command == CLI_HOLD)
        return "see in `stillpoint status' that nothing is held, then hold again";
    if (options->command == CLI_RELEASE)
        return "take what was snapshotted for crash consistent; `stillpoint status' says what the "
               "last hold came to";
    if (is_taken_back(options))
        return "see in `stillpoint status' that nothing of it is left, then give the same command "
               "again: it begins anew";
    if (options->command == CLI_PIN || options->command == CLI_UNPIN)
        return "give the same command again";
    if (options->command == CLI_PRUNE || options->command == CLI_DELETE)
        return "give the same command again: it goes on with what is begun";
    return "give the same command again: it goes on with what this one made, or says what became "
           "of it";
}

/* What another than a backup came to. */
static int end_other_unknown(const struct cli_outcome *outcome, const char *text)
{
    const struct cli_options *options = outcome->cli->options;
    struct err why = ERR_INIT;

    (void)err_set(&why, outcome->why.kind == ERR_NONE ? ERR_SENT : outcome->why.kind, 0,
                  "%s%s%s%s%s: %s", cli_verbs[options->command].name, options->kind ? " " : "",
                  options->kind ? options->kind : "", options->id ? " " : "",
                  options->id ? options->id : "", text);
    if (options->command == CLI_ROLLBACK)
        (void)err_suggest(&why,
                          "stillpoint rollback says how far it is; a node that reboots for it "
                          "answers when it is up again");
    (void)err_suggest(&why, "%s", same_again(options));
    return cli_fail(outcome->cli, CLI_EXIT_UNKNOWN, &why,
                    options->command == CLI_HOLD || options->command == CLI_RELEASE
                        ? "the guard lets go at the lease's end whatever happens"
                    : is_taken_back(options) ? "stillpointd goes on with it if it still runs, and "
                                               "else removes what was made at its next start"
                                             : "stillpointd goes on with it if it still runs");
}

static int end_unknown(const struct cli_outcome *outcome, const char *text, const char *now)
{
    struct err why = ERR_INIT;

    if (outcome->cli->options->command != CLI_BACKUP)
        return end_other_unknown(outcome, text);
    (void)err_set(&why, outcome->why.kind == ERR_NONE ? ERR_SENT : outcome->why.kind, 0, "%s%s%s%s",
                  outcome->id[0] ? "backup " : "", outcome->id, outcome->id[0] ? ": " : "", text);
    if (outcome->id[0] != '\0')
        (void)err_suggest(&why,
                          "see what becomes of it: stillpoint status, stillpoint show %s; show "
                          "finds nothing where all of it was undone",
                          outcome->id);
    else
        (void)err_suggest(&why, "see what became of it: stillpoint status, stillpoint list");
    return cli_fail(outcome->cli, CLI_EXIT_UNKNOWN, &why, now);
}

static int end_lost(const struct cli_outcome *outcome)
{
    struct err why = outcome->why;

    if (outcome->changes)
        return end_unknown(outcome, why.text,
                           outcome->released
                               ? "nothing is held; " SETTLES
                               : "the guard lets go at its deadline whatever happens; " SETTLES);
    (void)err_suggest(&why, "see systemctl status stillpointd, journalctl -u stillpointd");
    return cli_fail(outcome->cli, CLI_EXIT_FAILED, &why, NULL);
}

static int end_goes_on(const struct cli_outcome *outcome)
{
    const char *text = cli_str(outcome->last, "text");
    struct err why = ERR_INIT;

    (void)err_set(&why, ERR_CANCELLED, 0, "%s", text ? text : "the cut was made before the cancel");
    if (outcome->cli->options->command == CLI_ROLLBACK) {
        (void)err_suggest(&why, "stillpoint rollback says how far it is");
        return cli_fail(outcome->cli, CLI_EXIT_UNKNOWN, &why,
                        "it goes on in stillpointd; when it is done, --undo takes it back");
    }
    (void)err_suggest(&why, "see what becomes of it: stillpoint show %s",
                      outcome->id[0] ? outcome->id : "latest");
    return cli_fail(outcome->cli, CLI_EXIT_UNKNOWN, &why,
                    "the node is free, and the backup goes on in stillpointd");
}

static int end_error(const struct cli_outcome *outcome, int exit_code)
{
    const char *text = cli_str(outcome->last, "text"), *remedy = cli_str(outcome->last, "remedy");
    struct err why = ERR_INIT;

    if (exit_code == CLI_EXIT_BUSY && outcome->cli->busy_is_told)
        return exit_code;
    (void)err_set(&why, err_kind_named(cli_str(outcome->last, "kind")), 0, "%s",
                  text ? text : "stillpointd gave no reason");
    if (remedy != NULL)
        (void)err_suggest(&why, "%s", remedy);
    /* A failure whose code says "done" would be one that nobody notices. */
    return cli_fail(outcome->cli, exit_code == 0 ? CLI_EXIT_FAILED : exit_code, &why,
                    cli_str(outcome->last, "now"));
}

/* Done, but with less than asked for: an exit code that is not 0 has its reason on stderr. */
static void say_less(const struct cli_outcome *outcome, const json_t *data)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(outcome->cli->err_look);
    struct err passed_over = ERR_INIT;
    const json_t *reason;
    const char *asked = cli_str(data, "asked"), *reached = cli_str(data, "consistency");
    bool as_consistent = asked != NULL && reached != NULL && strcmp(asked, reached) == 0;
    size_t i;

    cli_page_text(&page, "stillpoint: ");
    if (!outcome->cli->options->dry_run && as_consistent) { /* the image, then */
        cli_page_text(&page, "backup ");
        cli_page_clean(&page, cli_str(data, "id"));
        cli_page_text(&page, ": as consistent as asked for, but something else is missing\n");
        if (outcome->warned[0] != '\0') {
            cli_page_text(&page, "  why: ");
            cli_page_clean_lines(&page, outcome->warned, 7);
            cli_page_text(&page, "\n");
        }
    } else if (outcome->cli->options->dry_run) {
        cli_page_text(&page, "a backup would be less consistent than asked for\n");
    } else {
        cli_page_text(&page, "backup ");
        cli_page_clean(&page, cli_str(data, "id"));
        cli_page_text(&page, ": ");
        cli_page_clean(&page, cli_str(data, "consistency"));
        cli_page_text(&page, " consistent, ");
        cli_page_clean(&page, cli_str(data, "asked"));
        cli_page_text(&page, " was asked for\n");
    }
    json_array_foreach(json_object_get(data, "shortfall"), i, reason)
    {
        if (!json_is_string(reason))
            continue;
        cli_page_text(&page, "  why: ");
        cli_page_clean_lines(&page, json_string_value(reason), 7);
        cli_page_text(&page, "\n");
    }
    if (json_is_true(json_object_get(data, "reused")))
        cli_page_text(&page, "  now: it was there already; nothing was held for it\n");
    else if (!outcome->cli->options->dry_run)
        cli_page_printf(&page, "  now: the backup is kept%s%s\n",
                        as_consistent ? "" : ", and labelled as what it is",
                        outcome->released ? ""
                                          : "; what may still be held, `stillpoint thaw -n` shows");
    (void)cli_page_write(&page, outcome->cli->err, &passed_over);
}

/* The reasons were warnings on the way, which --quiet and --json leave out. */
static void say_less_restored(const struct cli_outcome *outcome, const json_t *data)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(outcome->cli->err_look);
    struct err passed_over = ERR_INIT;
    const json_t *reason;
    size_t i;

    cli_page_text(&page, "stillpoint: ");
    cli_outcome_name(&page, outcome->cli->options, cli_str(data, "backup"));
    cli_page_text(&page, outcome->cli->options->dry_run ? ": would be less than the original\n"
                                                        : ": less than the original\n");
    json_array_foreach(json_object_get(data, "less"), i, reason)
    {
        cli_page_text(&page, "  why: ");
        cli_page_clean_lines(&page, json_string_value(reason), 7);
        cli_page_text(&page, "\n");
    }
    (void)cli_page_write(&page, outcome->cli->err, &passed_over);
}

static void render(const struct cli_outcome *outcome, int exit_code, struct cli_page *page,
                   const json_t *data)
{
    const struct cli_options *options = outcome->cli->options;

    switch (options->command) {
    case CLI_BACKUP:
        if (json_is_true(json_object_get(data, "reused")))
            cli_show_reused(page, data, options->dry_run, exit_code != CLI_EXIT_LESS);
        else if (options->dry_run)
            cli_show_plan(page, data);
        else
            cli_show_made(page, data);
        break;
    case CLI_HOLD:
        if (options->dry_run)
            cli_show_plan(page, data);
        else
            cli_hold_show(page, data, clock_utc_us());
        break;
    case CLI_RELEASE:
        cli_hold_released(page, data);
        break;
    case CLI_SHOW:
        cli_show_backup(page, data);
        break;
    case CLI_STATUS:
        cli_status_show(page, data, clock_utc_us());
        break;
    case CLI_PRUNE:
    case CLI_DELETE:
        cli_prune_show(page, outcome->rows, data,
                       options->all_nodes || options->command == CLI_DELETE);
        break;
    case CLI_PIN:
    case CLI_UNPIN:
        cli_pin_show(page, data);
        break;
    case CLI_DOCTOR:
        cli_status_verdict(page, outcome->rows);
        break;
    case CLI_ROLLBACK:
        cli_rollback_show(page, data);
        break;
    case CLI_VERIFY:
        cli_verdict_show(page, data);
        break;
    case CLI_RESTORE:
        cli_restore_show(page, options, data);
        break;
    case CLI_NO_COMMAND:
    case CLI_LIST: /* cli_list_end */
    case CLI_RUN:  /* asked as backup */
    case CLI_PRE_UPGRADE:
    case CLI_CONFIG:
    case CLI_THAW:
    case CLI_IAM_POLICY:
    case CLI_SEAL:
    case CLI_COMMAND_COUNT:
        break; /* never asked of the daemon */
    }
}

/* The one document of --json. NULL: no memory. */
static json_t *document(const struct cli_outcome *outcome, json_t *data)
{
    json_t *whole;

    bool rows =
        outcome->cli->options->command == CLI_PRUNE || outcome->cli->options->command == CLI_DELETE;
    if (!rows && outcome->cli->options->command != CLI_DOCTOR)
        return json_incref(data);
    whole = json_pack("{s:O}", rows ? "rows" : "checks", outcome->rows);
    if (whole != NULL && json_object_update(whole, data) != 0) {
        json_decref(whole);
        return NULL;
    }
    return whole;
}

static int end_result(struct cli_outcome *outcome, int exit_code)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(outcome->cli->look);
    json_t *data = json_object_get(outcome->last, "data");
    bool written;

    if (outcome->cli->looks_only)
        return exit_code;
    if (outcome->cli->options->command == CLI_LIST) {
        written = cli_list_end(&outcome->list, data, clock_utc_us());
    } else if (outcome->cli->options->json) {
        json_t *whole = document(outcome, data);
        written = whole != NULL && cli_print_json(outcome->cli, whole);
        json_decref(whole);
    } else {
        render(outcome, exit_code, &page, data);
        written = cli_print_page(outcome->cli, &page);
    }
    if (exit_code == CLI_EXIT_LESS && outcome->cli->options->command == CLI_BACKUP)
        say_less(outcome, data);
    if (exit_code == CLI_EXIT_LESS && outcome->cli->options->command == CLI_RESTORE)
        say_less_restored(outcome, data);
    if (exit_code == CLI_EXIT_LESS && (outcome->cli->options->command == CLI_HOLD ||
                                       outcome->cli->options->command == CLI_RELEASE))
        cli_hold_less(outcome->cli, data);
    /* A backup that was made stays one, even if we could not print so. */
    return written || exit_code != 0 || outcome->changes ? exit_code : CLI_EXIT_FAILED;
}

static int end_answered(struct cli_outcome *outcome)
{
    bool is_result = strcmp(cli_str(outcome->last, "event"), "result") == 0;
    json_t *data = NULL;
    int64_t exit_code;

    if (!control_get_int(outcome->last, "exit", 0, CLI_EXIT_UNKNOWN, &exit_code, &outcome->why) ||
        (is_result && !control_get_object(outcome->last, "data", &data, &outcome->why))) {
        (void)err_wrap(&outcome->why, "stillpointd's last word makes no sense");
        return end_lost(outcome);
    }
    return is_result ? end_result(outcome, (int)exit_code) : end_error(outcome, (int)exit_code);
}

int cli_outcome_tell(struct cli_outcome *outcome, enum cli_end end)
{
    switch (end) {
    case CLI_END_ANSWERED:
        return end_answered(outcome);
    case CLI_END_GOES_ON:
        return end_goes_on(outcome);
    case CLI_END_LEFT:
        if (!outcome->changes)
            break;
        /* Past the cut no cancel comes in time. */
        return end_unknown(
            outcome,
            outcome->timed_out ? "stillpointd did not answer in the time that there was"
                               : "left alone before the daemon had answered the cancel",
            outcome->released ? "nothing is held; the backup goes on"
                              : "stillpointd lets go of it if the cancel came in time; else the "
                                "backup goes on");
    case CLI_END_LOST:
        break;
    }
    return end_lost(outcome);
}
