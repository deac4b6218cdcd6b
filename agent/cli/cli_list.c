/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/parse.h"
#include "agent/cli/cli_show.h"

enum {
    REASON_CHARS = 40,
    WRITTEN_BYTES = 64 * 1024, /* of JSON, at a time */
};

void cli_list_begin(struct cli_list *list, const struct cli *cli)
{
    static const char *const of_backups[] = {"ID",          "TAKEN",      "NODE",   "STATE",
                                             "CONSISTENCY", ">SNAPSHOTS", ">SIZE",  "IMAGE",
                                             "VERIFIED",    "EXPIRES",    "REASON", NULL};
    static const char *const of_nodes[] = {"NODE",        "INSTANCE",    ">BACKUPS",       ">GOOD",
                                           ">BROKEN",     ">UNFINISHED", ">FAILED VERIFY", ">SIZE",
                                           "NEWEST GOOD", ">AGE",        "OLDEST GOOD",    NULL};

    memset(list, 0, sizeof(*list));
    list->cli = cli;
    list->page = (struct cli_page)CLI_PAGE_INIT(cli->look);
    cli_table_begin(&list->table, &list->page, cli->options->by_node ? of_nodes : of_backups);
}

void cli_list_free(struct cli_list *list)
{
    cli_table_free(&list->table);
    cli_page_free(&list->page);
}

/* Whether other nodes' may be among them. */
static bool has_nodes(const struct cli_options *options)
{
    return options->all_nodes || options->group != NULL || options->node != NULL;
}

/* --- a row ------------------------------------------------------------------------------------ */

static bool differs(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) != 0;
}

/* As much of it as a row can bear; `show` has it whole. */
static void add_reason(struct cli_table *table, const char *reason)
{
    AUTO_FREE char *text = reason ? strdup(reason) : NULL;

    if (text == NULL) {
        cli_table_add(table, NULL);
        return;
    }
    parse_cut_utf8(text, REASON_CHARS, SIZE_MAX);
    cli_table_printf(table, "%s%s", text, strlen(text) < strlen(reason) ? "..." : "");
}

/* The verdict's first word: "ok 2026-11-25T…". */
static void add_verdict(struct cli_table *table, const char *verified)
{
    AUTO_FREE char *word = verified ? strndup(verified, REASON_CHARS) : NULL;

    if (word != NULL)
        word[strcspn(word, " ")] = '\0';
    if (word == NULL || *word == '\0')
        cli_table_add(table, NULL);
    else
        cli_table_add_styled(table, word, strcmp(word, "failed") == 0 ? CLI_BAD : CLI_PLAIN);
}

static void add_size(struct cli_table *table, int64_t gib)
{
    if (gib > 0)
        cli_table_printf(table, "%" PRId64 " GiB", gib);
    else
        cli_table_add(table, NULL);
}

static void add_count(struct cli_table *table, const json_t *row, const char *key, bool zero)
{
    int64_t count;

    if (cli_int(row, key, &count) && (count != 0 || zero))
        cli_table_printf(table, "%" PRId64, count);
    else
        cli_table_add(table, NULL);
}

static void backup_row(struct cli_list *list, const json_t *row)
{
    const char *label = cli_str(row, "consistency");
    struct cli_table *table = &list->table;
    char text[CLI_TIME_BYTES];
    int64_t at;
    bool with_nodes = has_nodes(list->cli->options);

    cli_table_add(table, cli_str(row, "id"));
    cli_table_add(table, cli_taken_at(row, &at) ? cli_local_time(at, text) : NULL);
    cli_table_add(table, !with_nodes            ? NULL
                         : cli_str(row, "node") ? cli_str(row, "node")
                                                : cli_str(row, "instance"));
    cli_table_add_styled(table, cli_state_word(row), cli_state_style(cli_str(row, "state")));
    cli_table_add_styled(table, label,
                         differs(label, cli_str(row, "asked")) ? CLI_WARN : CLI_PLAIN);
    cli_table_printf(table, "%zu", json_array_size(json_object_get(row, "snapshots")));
    add_size(table, cli_total_gib(row));
    cli_table_add(table, cli_str(json_object_get(row, "image"), "id"));
    add_verdict(table, cli_str(row, "verified"));
    cli_table_add(table, json_is_true(json_object_get(row, "pinned")) ? "pinned"
                         : cli_time(row, "expires", &at)              ? cli_local_date(at, text)
                                                                      : "never");
    add_reason(table, cli_str(row, "reason"));
}

static void node_row(struct cli_list *list, const json_t *row, int64_t now_utc_us)
{
    struct cli_table *table = &list->table;
    const json_t *newest = json_object_get(row, "newest_good");
    const json_t *oldest = json_object_get(row, "oldest_good");
    char text[CLI_TIME_BYTES];
    int64_t gib = 0, at;

    (void)cli_int(row, "size_gib", &gib);
    cli_table_add(table, cli_str(row, "node"));
    cli_table_add(table, cli_str(row, "instance"));
    add_count(table, row, "sets", true);
    add_count(table, row, "good", true);
    add_count(table, row, "broken", false);
    add_count(table, row, "unfinished", false);
    add_count(table, row, "verify_failed", false);
    add_size(table, gib);
    bool good = cli_time(newest, "started", &at);
    cli_table_add_styled(table, good ? cli_local_time(at, text) : "none",
                         good ? CLI_PLAIN : CLI_BAD);
    cli_table_add(table, good ? cli_span((now_utc_us - at) / 1000000, text) : NULL);
    cli_table_add(table, cli_time(oldest, "started", &at) ? cli_local_time(at, text) : NULL);
}

static void keep_broken(struct cli_list *list, const json_t *row)
{
    const json_t *why = json_object_get(row, "broken");
    const char *state = cli_str(row, "state"), *id = cli_str(row, "id");
    const char *sentence = json_string_value(json_array_get(why, 0));

    if (state == NULL || strcmp(state, "failed") != 0 || id == NULL || sentence == NULL)
        return;
    if (list->broken < CLI_LIST_BROKEN_MAX) {
        (void)snprintf(list->broken_ids[list->broken], sizeof(list->broken_ids[0]), "%s", id);
        (void)snprintf(list->broken_whys[list->broken], CLI_LIST_WHY_BYTES, "%s", sentence);
        parse_cut_utf8(list->broken_whys[list->broken], CLI_LIST_WHY_BYTES, CLI_LIST_WHY_BYTES);
    }
    list->broken++;
}

/* A row of the one array; what was printed and has no end is no JSON, as it should be. */
static void write_row(struct cli_list *list, const json_t *row)
{
    struct buf *text = &list->page.text;
    struct err err = ERR_INIT;

    cli_page_text(&list->page, list->count == 0 ? "[" : ",");
    if (!control_add_line(text, row, &err)) {
        list->page.broken = true;
        return;
    }
    text->data[--text->len] = '\0'; /* its newline */
    if (text->len < WRITTEN_BYTES)
        return;
    list->unwritten = !cli_print_raw(list->cli, &list->page) || list->unwritten;
    text->len = 0;
}

void cli_list_row(struct cli_list *list, const json_t *row, int64_t now_utc_us)
{
    if (list->cli->options->json) {
        write_row(list, row);
    } else if (list->cli->options->by_node) {
        node_row(list, row, now_utc_us);
    } else {
        backup_row(list, row);
        keep_broken(list, row);
    }
    list->count++;
}

/* --- what they come to ------------------------------------------------------------------------ */

static void put_part(struct cli_page *page, const json_t *sums, const char *key, const char *words)
{
    int64_t count;

    if (cli_int(sums, key, &count) && count > 0)
        cli_page_printf(page, ", %" PRId64 " %s", count, words);
}

static void put_ages(struct cli_page *page, const json_t *sums, int64_t now_utc_us)
{
    char newest[CLI_TIME_BYTES], oldest[CLI_TIME_BYTES];
    int64_t newest_us, oldest_us, good = 0;

    if (!cli_int(sums, "good", &good))
        return;
    if (!cli_time(json_object_get(sums, "newest_good"), "started", &newest_us) ||
        !cli_time(json_object_get(sums, "oldest_good"), "started", &oldest_us)) {
        cli_page_styled(page, CLI_BAD, "none of them is good");
        cli_page_text(page, "\n");
        return;
    }
    (void)cli_span((now_utc_us - newest_us) / 1000000, newest);
    (void)cli_span((now_utc_us - oldest_us) / 1000000, oldest);
    if (good == 1)
        cli_page_printf(page, "the good one is %s old\n", newest);
    else
        cli_page_printf(page, "the newest good one is %s old, the oldest %s\n", newest, oldest);
}

static void put_sums(struct cli_list *list, const json_t *sums, int64_t now_utc_us)
{
    struct cli_page *page = &list->page;
    int64_t sets = (int64_t)list->count, good, gib;

    (void)cli_int(sums, "sets", &sets);
    if (!list->cli->options->by_node && sets > (int64_t)list->count)
        cli_page_printf(page, "%zu of ", list->count);
    cli_page_count(page, sets, "backup");
    if (list->cli->options->by_node) {
        cli_page_text(page, " of ");
        cli_page_count(page, (int64_t)list->count, "node");
    }
    if (cli_int(sums, "good", &good)) {
        cli_page_printf(page, ": %" PRId64 " good", good);
        put_part(page, sums, "broken", "broken");
        put_part(page, sums, "failed", "failed");
        put_part(page, sums, "unfinished", "unfinished");
        put_part(page, sums, "verify_failed", "complete, but failed by verify");
    }
    cli_page_text(page, "\n");
    put_ages(page, sums, now_utc_us);
    if (cli_int(sums, "size_gib", &gib) && gib > 0)
        cli_page_printf(
            page, "%" PRId64 " GiB of volumes: their size, not what EC2 keeps and bills\n", gib);
}

static void put_broken(struct cli_list *list)
{
    struct cli_page *page = &list->page;

    for (size_t i = 0; i < list->broken && i < CLI_LIST_BROKEN_MAX; i++) {
        cli_page_clean(page, list->broken_ids[i]);
        cli_page_text(page, ": ");
        cli_page_clean(page, list->broken_whys[i]);
        cli_page_text(page, "\n");
    }
    if (list->broken > CLI_LIST_BROKEN_MAX)
        cli_page_printf(page, "and %zu more, whose reasons `stillpoint show ID' has\n",
                        list->broken - CLI_LIST_BROKEN_MAX);
}

enum { FILTERS = 5 };

/* Those that were given; returns how many. Where was looked (--node, --group) is none. */
static size_t filters_of(const struct cli_options *options, const char *names[FILTERS])
{
    size_t count = 0;

    if (options->since.given)
        names[count++] = "--since";
    if (options->until.given)
        names[count++] = "--until";
    if (options->state != NULL)
        names[count++] = "--state";
    if (options->consistency != NULL)
        names[count++] = "--consistency";
    if (options->reason != NULL)
        names[count++] = "--reason";
    return count;
}

/* "--since, --state and --reason" */
static void put_filters(struct cli_page *page, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cli_page_printf(page, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
}

/* OWN: of this node alone. */
static void put_nowhere(struct cli_page *page, const struct cli_options *options, bool own,
                        bool filtered)
{
    cli_page_text(page, "no backups");
    if (options->node != NULL) {
        cli_page_text(page, " of the node ");
        cli_page_clean(page, options->node);
    } else if (own && (options->group != NULL || filtered)) {
        cli_page_text(page, " of this node");
    }
    if (options->group != NULL) {
        cli_page_text(page, " in the group ");
        cli_page_clean(page, options->group);
    }
    if (options->node != NULL)
        cli_page_text(page, "; `stillpoint list --by-node' shows which nodes have some\n");
    else if (own && (options->group != NULL || filtered))
        cli_page_text(page, "; with --all-nodes those of the others are looked at, too\n");
    else if (options->group != NULL)
        cli_page_text(page, "; `stillpoint list --all-nodes' shows those of all groups\n");
    else
        cli_page_text(page, "; `stillpoint backup' takes one\n");
}

/* The likely cause: the filters where there are backups without them, else where was looked. */
static void put_nothing(struct cli_list *list, const json_t *sums)
{
    const struct cli_options *options = list->cli->options;
    const char *names[FILTERS];
    size_t count = filters_of(options, names);
    int64_t unfiltered = 0;

    (void)cli_int(sums, "unfiltered", &unfiltered);
    if (count == 0 || unfiltered == 0) {
        put_nowhere(&list->page, options, json_is_true(json_object_get(sums, "own")), count > 0);
        return;
    }
    cli_page_text(&list->page, "no such backups: without ");
    put_filters(&list->page, names, count);
    cli_page_printf(&list->page, " there %s %" PRId64 "\n", unfiltered == 1 ? "is" : "are",
                    unfiltered);
}

bool cli_list_end(struct cli_list *list, const json_t *sums, int64_t now_utc_us)
{
    if (list->cli->options->json) {
        cli_page_text(&list->page, list->count == 0 ? "[]\n" : "]\n");
        return cli_print_raw(list->cli, &list->page) && !list->unwritten;
    }
    if (list->count == 0) {
        put_nothing(list, sums);
    } else {
        cli_table_end(&list->table, 0);
        put_sums(list, sums, now_utc_us);
        put_broken(list);
    }
    return cli_print_page(list->cli, &list->page);
}
