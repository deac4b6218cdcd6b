/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_talk.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/tag.h"
#include "agent/cli/cli_client.h"
#include "agent/cli/cli_outcome.h"
#include "agent/cli/cli_progress.h"
#include "agent/cli/cli_restore.h"
#include "agent/cli/cli_status.h"

enum {
    ACCEPT_TIMEOUT_MS = 120000, /* until the daemon says anything to a backup */
    ANSWER_TIMEOUT_MS = 600000, /* silence of a question: its own deadlines are shorter */
    STATUS_TIMEOUT_MS = 30000,  /* it asks nobody but the guard */
    KEEP_TIMEOUT_MS = 5000,
    TICK_MS = 1000,    /* of the progress line */
    ROWS_MAX = 100000, /* kept whole; of a list (cli_list.h) ten times as many */
    LIST_ROWS_MAX = 10 * ROWS_MAX,
};

struct talk {
    const struct cli *cli;
    struct cli_client client;
    struct cli_progress progress;
    struct cli_outcome outcome;
    bool cancelled; /* a cancel was sent */
    bool interrupted;
    int64_t leave_ms; /* the answer is waited for no longer; 0: for ever */
};

/* --- asking ----------------------------------------------------------------------------------- */

static void set_text(json_t *args, const char *key, const char *text, bool *ok)
{
    if (text != NULL && json_object_set_new(args, key, control_text(text)) != 0)
        *ok = false;
}

static void set_true(json_t *args, const char *key, bool value, bool *ok)
{
    if (value && json_object_set_new(args, key, json_true()) != 0)
        *ok = false;
}

static void set_paths(json_t *args, const struct cli_options *options, bool *ok)
{
    json_t *paths = options->path_count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < options->path_count; i++) {
        if (json_array_append_new(paths, control_text(options->paths[i])) != 0)
            *ok = false;
    }
    if (options->path_count > 0 && json_object_set_new(args, "paths", paths) != 0)
        *ok = false;
}

/* Of delete all that were given, of the others the one. */
static void set_id(json_t *args, const struct cli_options *options, bool *ok)
{
    json_t *ids = options->id_count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < options->id_count; i++) {
        if (json_array_append_new(ids, control_text(options->ids[i])) != 0)
            *ok = false;
    }
    if (options->id_count > 0 && json_object_set_new(args, "ids", ids) != 0)
        *ok = false;
    if (options->id_count == 0)
        set_text(args, "id", options->id, ok);
}

static void set_hold_args(json_t *args, const struct cli_options *options, bool *ok)
{
    json_t *mounts = options->leave_out.count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < options->leave_out.count; i++) {
        if (json_array_append_new(mounts, control_text(options->leave_out.items[i])) != 0)
            *ok = false;
    }
    if (mounts != NULL && json_object_set_new(args, "leave_out", mounts) != 0)
        *ok = false;
    if (options->lease_ms != 0 &&
        json_object_set_new(args, "lease_ms", json_integer(options->lease_ms)) != 0)
        *ok = false;
}

static void set_moment(json_t *args, const char *key, const struct cli_when *when, bool *ok)
{
    if (when->given &&
        json_object_set_new(args, key, json_integer(cli_when_utc_us(when, clock_utc_us()))) != 0)
        *ok = false;
}

static void set_list_args(json_t *args, const struct cli_options *options, bool *ok)
{
    set_true(args, "by_node", options->by_node, ok);
    set_text(args, "group", options->group, ok);
    set_text(args, "node", options->node, ok);
    set_text(args, "state", options->state, ok);
    set_moment(args, "since_utc_us", &options->since, ok);
    set_moment(args, "until_utc_us", &options->until, ok);
    if (options->limit != 0 &&
        json_object_set_new(args, "limit", json_integer(options->limit)) != 0)
        *ok = false;
}

/* Only what was given: the daemon's configuration decides the rest. NULL: no memory. */
static json_t *make_args(const struct cli_options *options)
{
    json_t *args = json_object();
    bool ok = args != NULL;

    set_text(args, "reason", options->reason, &ok);
    set_text(args, "consistency", options->consistency, &ok);
    set_text(args, "wait", options->wait, &ok);
    if (options->image != CLI_IMAGE_AS_CONFIGURED &&
        json_object_set_new(args, "image", json_boolean(options->image == CLI_IMAGE_YES)) != 0)
        ok = false;
    if (options->keep_ms != 0 &&
        json_object_set_new(args, "keep_ms", json_integer(options->keep_ms)) != 0)
        ok = false;
    if (options->max_age_ms != 0 &&
        json_object_set_new(args, "max_age_ms", json_integer(options->max_age_ms)) != 0)
        ok = false;
    set_true(args, "or_less", options->or_less, &ok);
    set_true(args, "pin", options->pin, &ok);
    if (options->tags != NULL && json_object_set(args, "tags", options->tags) != 0)
        ok = false;
    set_true(args, "dry_run", options->dry_run, &ok);
    set_true(args, "all_nodes", options->all_nodes, &ok);
    set_list_args(args, options, &ok);
    set_hold_args(args, options, &ok);
    set_id(args, options, &ok);
    set_true(args, "force", options->force, &ok);
    set_paths(args, options, &ok);
    set_true(args, "data_only", options->data_only, &ok);
    set_true(args, "no_backup", options->no_backup, &ok);
    set_true(args, "commit", options->commit, &ok);
    set_true(args, "undo", options->undo, &ok);
    set_true(args, "deep", options->deep, &ok);
    set_true(args, "again", options->again, &ok);
    if (ok)
        return args;
    json_decref(args);
    return NULL;
}

/* Tags can't be it, since each is short (tag.h), and so is their number. */
static bool too_long(const struct cli_options *options, struct err *err)
{
    if (options->reason != NULL &&
        (options->command == CLI_BACKUP || options->command == CLI_HOLD)) {
        (void)err_set(err, ERR_USAGE, 0, "reason and tags are longer than %d bytes together",
                      CONTROL_REQUEST_BYTES_MAX);
        return err_suggest(err, "shorten --reason: a tag has room for its first %d characters",
                           TAG_VALUE_CHARS_MAX);
    }
    if (options->path_count > 0) {
        (void)err_set(err, ERR_USAGE, 0, "the paths are longer than %d bytes together",
                      CONTROL_REQUEST_BYTES_MAX);
        return err_suggest(err, "name the folders that they lie in");
    }
    (void)err_set(err, ERR_USAGE, 0, "%s is longer than %d bytes",
                  options->id != NULL      ? "the id"
                  : options->group != NULL ? "--group"
                                           : "--node or --reason",
                  CONTROL_REQUEST_BYTES_MAX);
    return err_suggest(err, "stillpoint list shows the backups and their ids");
}

static bool ask(struct talk *talk, struct err *err)
{
    const struct cli_options *options = talk->cli->options;
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX + 1);
    json_t *args = make_args(options);
    char cmd[40];

    if (args == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (options->command == CLI_RESTORE && !cli_restore_args(options, args, err)) {
        json_decref(args);
        return false;
    }
    (void)snprintf(cmd, sizeof(cmd), "%s%s%s", cli_verbs[options->command].name,
                   options->kind ? "-" : "", options->kind ? options->kind : "");
    if (!control_add_request(&line, cmd, args, err)) {
        return err->kind == ERR_LIMIT ? too_long(options, err) : false;
    }
    return cli_client_send(&talk->client, &line, err);
}

/* The first Ctrl-C: whether it comes in time, the daemon says. */
static void cancel(struct talk *talk)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    struct err passed_over = ERR_INIT; /* the next read tells that the daemon is away */

    talk->cancelled = true;
    cli_progress_clear(&talk->progress);
    if (control_add_request(&line, "cancel", NULL, &passed_over))
        (void)cli_client_send(&talk->client, &line, &passed_over);
    if (!talk->cli->options->quiet && !talk->cli->options->json)
        (void)fputs(talk->outcome.timed_out
                        ? "stillpoint: the time to wait is over: asking the daemon to cancel\n"
                        : "stillpoint: asking the daemon to cancel; once more leaves it alone\n",
                    talk->cli->err);
}

/* Of what changes something every event is a line on stdout with --json. A question, and what would
 * be done, is one document. */
static bool is_event_stream(const struct talk *talk)
{
    return talk->cli->options->json && talk->outcome.changes;
}

/* --- hearing ---------------------------------------------------------------------------------- */

/* A line for people while the work goes on: on stdout, not with --quiet or --json. */
static void say(struct talk *talk, struct cli_page *page)
{
    cli_progress_clear(&talk->progress);
    if (!talk->cli->options->json)
        (void)cli_print_page(talk->cli, page);
}

static void hear_accepted(struct talk *talk, const json_t *event)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(talk->cli->look);
    const struct cli_options *options = talk->cli->options;
    const char *id = cli_str(event, "id");

    (void)snprintf(talk->outcome.id, sizeof(talk->outcome.id), "%s", id ? id : "");
    if (!talk->outcome.changes || options->commit)
        return; /* a dry run starts nothing; what is committed was started long ago */
    if (id != NULL && strncmp(id, "sp-", 3) == 0 && options->command == CLI_ROLLBACK) {
        cli_page_text(&page, "backup "); /* the one before it */
        cli_page_clean(&page, id);
    } else {
        if (options->undo)
            cli_page_text(&page, "undo of ");
        cli_outcome_name(&page, options, id);
    }
    cli_page_text(&page, " started\n");
    say(talk, &page);
}

static void hear_released(struct talk *talk, const json_t *event)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(talk->cli->look);
    double hold_ms;

    talk->outcome.released = true;
    bool known = cli_num(event, "hold_ms", &hold_ms);
    if (known && hold_ms <= 0) /* crash consistency: nothing was asked to wait */
        cli_page_text(&page, "  the instant is fixed; nothing was held");
    else
        cli_page_text(&page, "  the instant is fixed, everything runs again");
    if (known && hold_ms > 0)
        cli_page_printf(&page, "; held for %.1f ms", hold_ms);
    cli_page_text(&page, "\n");
    say(talk, &page);
}

/* Warnings go to stderr, as all that is not the result. */
static void hear_warning(struct talk *talk, const char *lead, const json_t *event)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(talk->cli->err_look);
    struct err passed_over = ERR_INIT; /* stderr that can't be written: nowhere to say so */
    const char *text = cli_str(event, "text"), *remedy = cli_str(event, "remedy");

    (void)snprintf(talk->outcome.warned, sizeof(talk->outcome.warned), "%s", text ? text : "");
    if (talk->cli->options->quiet || is_event_stream(talk))
        return;
    cli_progress_clear(&talk->progress);
    cli_page_printf(&page, "stillpoint: %s", lead);
    cli_page_clean_lines(&page, text ? text : "-", 2);
    if (remedy != NULL && remedy[0] != '\0') {
        cli_page_text(&page, "\n  do:  ");
        cli_page_clean_lines(&page, remedy, 7);
    }
    cli_page_text(&page, "\n");
    (void)cli_page_write(&page, talk->cli->err, &passed_over);
}

static void hear_check(struct talk *talk, const json_t *event)
{
    AUTO_PAGE struct cli_page page = CLI_PAGE_INIT(talk->cli->look);
    struct err passed_over = ERR_INIT;
    const char *result = cli_str(event, "result");

    if (talk->cli->options->json)
        return;
    cli_status_check(&page, event);
    if (!talk->cli->options->quiet)
        (void)cli_print_page(talk->cli, &page);
    else if (result != NULL && strcmp(result, "failed") == 0)
        (void)cli_page_write(&page, talk->cli->err, &passed_over);
}

static bool collect(struct talk *talk, json_t *value)
{
    if (value == NULL || json_array_size(talk->outcome.rows) >= ROWS_MAX ||
        json_array_append(talk->outcome.rows, value) != 0)
        return err_set(&talk->outcome.why, ERR_LIMIT, 0,
                       "stillpointd sent more than %d rows, or an empty "
                       "one",
                       ROWS_MAX);
    return true;
}

static bool list_row(struct talk *talk, json_t *row)
{
    if (!json_is_object(row) || talk->outcome.list.count >= LIST_ROWS_MAX)
        return err_set(&talk->outcome.why, ERR_LIMIT, 0,
                       "stillpointd sent more than %d rows, or one that is none", LIST_ROWS_MAX);
    cli_list_row(&talk->outcome.list, row, clock_utc_us());
    return true;
}

/* False: the talk is over, *ret_end says how. Swallows EVENT. */
static bool hear(struct talk *talk, json_t *take_event, enum cli_end *ret_end)
{
    const char *name = cli_str(take_event, "event");
    bool goes_on = true;

    if (strcmp(name, "accepted") == 0) {
        hear_accepted(talk, take_event);
    } else if (strcmp(name, "step") == 0 || strcmp(name, "progress") == 0) {
        cli_progress_take(&talk->progress, take_event, clock_boot_ms());
    } else if (strcmp(name, "warning") == 0) {
        hear_warning(talk, "warning: ", take_event);
    } else if (strcmp(name, "cancelling") == 0) {
        hear_warning(talk, "cancelling: ", take_event);
    } else if (strcmp(name, "released") == 0) {
        hear_released(talk, take_event);
    } else if (strcmp(name, "item") == 0) {
        goes_on = (talk->cli->options->command == CLI_LIST ? list_row : collect)(
            talk, json_object_get(take_event, "data"));
        *ret_end = CLI_END_LOST;
    } else if (strcmp(name, "check") == 0) {
        hear_check(talk, take_event);
        goes_on = collect(talk, take_event);
        *ret_end = CLI_END_LOST;
    } else {
        goes_on = false;
        talk->outcome.last = json_incref(take_event);
        *ret_end = strcmp(name, "goes_on") == 0                                ? CLI_END_GOES_ON
                   : strcmp(name, "result") == 0 || strcmp(name, "error") == 0 ? CLI_END_ANSWERED
                                                                               : CLI_END_LOST;
        if (*ret_end == CLI_END_LOST)
            (void)err_set(&talk->outcome.why, ERR_PROTOCOL, 0,
                          "stillpointd sent an event that this stillpoint does not know");
    }
    /* As they come; the result is printed in full at the end. */
    if (is_event_stream(talk) && !talk->cli->options->quiet &&
        (goes_on || *ret_end == CLI_END_GOES_ON))
        (void)cli_print_json(talk->cli, take_event);
    json_decref(take_event);
    return goes_on;
}

/* How long to wait for the next event. A tick, where a progress line is to be kept alive. */
static int patience_ms(const struct talk *talk, int64_t silent_since_ms, bool *ret_is_tick)
{
    int64_t limit_ms = talk->outcome.changes
                           ? (talk->outcome.id[0] != '\0' ? -1 : ACCEPT_TIMEOUT_MS)
                       : talk->cli->options->command == CLI_STATUS ? STATUS_TIMEOUT_MS
                                                                   : ANSWER_TIMEOUT_MS;
    int64_t left_ms = limit_ms < 0 ? -1 : limit_ms - (clock_boot_ms() - silent_since_ms);

    int64_t leave_left_ms = talk->leave_ms - clock_boot_ms();
    if (talk->leave_ms != 0 && (left_ms < 0 || leave_left_ms < left_ms))
        left_ms = leave_left_ms > 0 ? leave_left_ms : 0;
    *ret_is_tick = talk->progress.file != NULL && (left_ms < 0 || left_ms > TICK_MS);
    return *ret_is_tick ? TICK_MS : left_ms < 0 && limit_ms >= 0 ? 0 : (int)left_ms;
}

/* Whoever has a deadline hears soon whether a cancel came in time, or goes without. */
static void cancel_by(struct talk *talk)
{
    cancel(talk);
    if (talk->leave_ms != 0 && talk->leave_ms > clock_boot_ms() + CLI_CANCEL_GRACE_MS)
        talk->leave_ms = clock_boot_ms() + CLI_CANCEL_GRACE_MS;
}

static bool is_late(const struct talk *talk)
{
    return talk->leave_ms != 0 && clock_boot_ms() >= talk->leave_ms;
}

/* The deadline has passed. False: the answer to the cancel is still to come. */
static bool give_up(struct talk *talk)
{
    if (talk->cancelled)
        return true;
    talk->outcome.timed_out = true;
    talk->leave_ms = clock_boot_ms() + CLI_CANCEL_GRACE_MS;
    cancel(talk);
    return false;
}

static enum cli_end converse(struct talk *talk)
{
    int64_t silent_since_ms = clock_boot_ms();
    enum cli_end end = CLI_END_LOST;

    for (;;) {
        bool is_tick;
        json_t *event = NULL;
        if (is_late(talk) && give_up(talk))
            return CLI_END_LEFT;
        int timeout_ms = patience_ms(talk, silent_since_ms, &is_tick);
        cli_progress_draw(&talk->progress, clock_boot_ms());
        if (cli_client_next(&talk->client, talk->cli->signal_fd, timeout_ms, &event,
                            &talk->outcome.why)) {
            silent_since_ms = clock_boot_ms();
            if (!hear(talk, event, &end))
                return end;
        } else if (talk->outcome.why.kind == ERR_CANCELLED) {
            if (talk->cancelled)
                return CLI_END_LEFT;
            talk->interrupted = true;
            cancel_by(talk);
        } else if (talk->outcome.why.kind != ERR_DEADLINE || !(is_tick || is_late(talk))) {
            return CLI_END_LOST;
        }
    }
}

/* The hold is there, and whoever asked for it knows: from here it lasts without us. Where we were
 * interrupted meanwhile, or came too late (what we printed went to a disk that is held), it does
 * not. */
static int keep_hold(struct talk *talk, int exit_code)
{
    AUTO_BUF struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    json_t *event = NULL;
    struct err err = ERR_INIT;

    if (cli_client_next(&talk->client, talk->cli->signal_fd, 0, &event, &err) ||
        err.kind == ERR_DEADLINE) {
        json_decref(event);
        event = NULL;
        if (control_add_request(&line, "keep", NULL, &err) &&
            cli_client_send(&talk->client, &line, &err) &&
            cli_client_next(&talk->client, talk->cli->signal_fd, KEEP_TIMEOUT_MS, &event, &err)) {
            bool kept = strcmp(cli_str(event, "event"), "kept") == 0;
            json_decref(event);
            if (kept)
                return exit_code;
        }
    }
    bool interrupted = err.kind == ERR_CANCELLED;
    err = (struct err)ERR_INIT;
    (void)err_set(&err, ERR_LEASE, 0, "hold %s %s", talk->outcome.id,
                  interrupted ? "was interrupted" : "ended before it could be counted on");
    (void)err_suggest(&err, interrupted ? "hold again"
                                        : "see that the output goes to no filesystem of this node, "
                                          "and hold again");
    return cli_fail(talk->cli, CLI_EXIT_FAILED, &err,
                    "everything is let go of, at the end of its lease at the latest");
}

/* Whoever has a deadline waits no longer for a daemon that takes nothing. */
static void shorten_send(struct talk *talk)
{
    int64_t left_ms = talk->leave_ms - clock_boot_ms();

    if (talk->leave_ms != 0 && left_ms < talk->client.send_timeout_ms)
        talk->client.send_timeout_ms = left_ms > 0 ? (int)left_ms : 1; /* 0 would be for ever */
}

static int talk_through(struct talk *talk, const char *socket_path)
{
    struct err err = ERR_INIT;
    enum cli_end end;

    if (talk->outcome.rows == NULL)
        return cli_fail(talk->cli, CLI_EXIT_FAILED,
                        &(struct err){ERR_INTERNAL, 0, "out of memory", ""}, NULL);
    talk->client.group = talk->cli->group;
    shorten_send(talk);
    if (!cli_client_open(&talk->client, socket_path, &err))
        return cli_fail(talk->cli, cli_exit_of(err.kind), &err,
                        talk->outcome.changes ? "nothing was asked for and nothing was done"
                                              : NULL);
    if (!ask(talk, &err)) {
        if (err.kind != ERR_SENT)
            return cli_fail(talk->cli, cli_exit_of(err.kind), &err, NULL);
        talk->outcome.why = err;
        return cli_outcome_tell(&talk->outcome, CLI_END_LOST);
    }
    end = converse(talk);
    cli_progress_clear(&talk->progress);
    int exit_code = cli_outcome_tell(&talk->outcome, end);
    bool is_held = talk->cli->options->command == CLI_HOLD && talk->outcome.changes &&
                   (exit_code == CLI_EXIT_DONE || exit_code == CLI_EXIT_LESS);
    return is_held ? keep_hold(talk, exit_code) : exit_code;
}

int cli_talk(const struct cli *cli, const char *socket_path)
{
    char passed_over[CLI_ID_BYTES];

    return cli_talk_named(cli, socket_path, passed_over);
}

int cli_talk_named(const struct cli *cli, const char *socket_path, char ret_id[CLI_ID_BYTES])
{
    struct cli_heard heard;

    int exit_code = cli_talk_heard(cli, socket_path, &heard);
    memcpy(ret_id, heard.id, CLI_ID_BYTES);
    json_decref(heard.data);
    return exit_code;
}

int cli_talk_heard(const struct cli *cli, const char *socket_path, struct cli_heard *ret_heard)
{
    const struct cli_options *options = cli->options;
    struct talk talk = {.cli = cli,
                        .client = CLI_CLIENT_INIT,
                        .outcome = {.cli = cli,
                                    .rows = json_array(),
                                    .changes = cli_options_change(options),
                                    .why = ERR_INIT},
                        .leave_ms = cli->deadline_ms};

    if (cli->err_look.moving && !options->quiet && !options->json) {
        talk.progress.file = cli->err;
        talk.progress.look = cli->err_look;
    }
    cli_list_begin(&talk.outcome.list, cli);
    int exit_code = talk_through(&talk, socket_path);
    *ret_heard = (struct cli_heard){.data = json_incref(json_object_get(talk.outcome.last, "data")),
                                    .interrupted = talk.interrupted,
                                    .timed_out = talk.outcome.timed_out};
    memcpy(ret_heard->id, talk.outcome.id, CLI_ID_BYTES);
    cli_list_free(&talk.outcome.list);
    cli_client_close(&talk.client);
    json_decref(talk.outcome.rows);
    json_decref(talk.outcome.last);
    return exit_code;
}
