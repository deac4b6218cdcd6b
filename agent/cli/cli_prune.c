/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_prune.h"

#include <inttypes.h>
#include <string.h>

#include "agent/cli/cli_show.h"
#include "agent/cli/cli_table.h"

static enum cli_style action_style(const char *action)
{
    if (action == NULL || strcmp(action, "keep") == 0)
        return CLI_PLAIN;
    return strcmp(action, "failed") == 0 ? CLI_BAD : CLI_WARN;
}

static void add_why(struct cli_table *table, const json_t *row)
{
    const char *text = cli_str(row, "text"), *user = cli_str(row, "user");
    char whole[256];

    (void)snprintf(whole, sizeof(whole), "%s%s%s", text ? text : "-", user ? ": " : "",
                   user ? user : "");
    cli_table_add_styled(table, whole, action_style(cli_str(row, "action")));
}

static void add_row(struct cli_table *table, const json_t *row, bool with_nodes)
{
    const char *node = cli_str(row, "node");
    char text[CLI_TIME_BYTES];
    int64_t number;

    cli_table_add(table, cli_str(row, "id"));
    cli_table_add(table, cli_time(row, "started", &number) ? cli_local_time(number, text) : NULL);
    cli_table_add(table, !with_nodes ? NULL : node ? node : cli_str(row, "instance"));
    cli_table_add_styled(table, cli_state_word(row), cli_state_style(cli_str(row, "state")));
    if (cli_int(row, "snapshots", &number))
        cli_table_printf(table, "%" PRId64, number);
    else
        cli_table_add(table, NULL);
    if (cli_int(row, "size_gib", &number))
        cli_table_printf(table, "%" PRId64 " GiB", number);
    else
        cli_table_add(table, NULL);
    add_why(table, row);
}

static int64_t number_of(const json_t *data, const char *key)
{
    int64_t number = 0;

    return cli_int(data, key, &number) ? number : 0;
}

static void put_sums(struct cli_page *page, const json_t *data)
{
    bool dry_run = json_is_true(json_object_get(data, "dry_run"));
    int64_t orphans = number_of(data, "orphans_gone");
    int64_t stuck = number_of(data, "stuck") + number_of(data, "orphans_stuck");

    cli_page_count(page, number_of(data, "gone"), "set");
    if (orphans > 0) {
        cli_page_text(page, " and ");
        cli_page_count(page, orphans, "orphan");
    }
    cli_page_text(page, dry_run ? " would go (" : " removed (");
    cli_page_count(page, number_of(data, "snapshots"), "snapshot");
    cli_page_text(page, ", ");
    cli_page_count(page, number_of(data, "images"), "image");
    cli_page_printf(page, "), %" PRId64 " stay%s", number_of(data, "kept"),
                    number_of(data, "kept") == 1 ? "s" : "");
    if (stuck > 0)
        cli_page_printf(page, ", %" PRId64 " could not be removed", stuck);
    cli_page_text(page, "\n");
}

void cli_prune_show(struct cli_page *page, const json_t *rows, const json_t *data, bool with_nodes)
{
    static const char *const titles[] = {"ID",         "TAKEN", "NODE", "STATE",
                                         ">SNAPSHOTS", ">SIZE", "WHY",  NULL};
    struct cli_table table;
    const json_t *row;
    size_t i;

    if (json_array_size(rows) > 0) {
        cli_table_begin(&table, page, titles);
        json_array_foreach(rows, i, row) add_row(&table, row, with_nodes);
        cli_table_end(&table, 0);
    }
    put_sums(page, data);
}

void cli_pin_show(struct cli_page *page, const json_t *data)
{
    bool pinned = json_is_true(json_object_get(data, "pinned"));
    bool was = json_is_true(json_object_get(data, "was"));
    bool dry_run = json_is_true(json_object_get(data, "dry_run"));

    cli_page_clean(page, cli_str(data, "id"));
    if (was == pinned)
        cli_page_printf(page,
                        dry_run  ? " is %s: nothing would change\n"
                        : pinned ? " is %s, as it was before\n"
                                 : " is %s, and was not before\n",
                        pinned ? "pinned" : "not pinned");
    else if (dry_run)
        cli_page_printf(page, " would be %s\n", pinned ? "pinned" : "unpinned");
    else
        cli_page_printf(page, " is %s\n", pinned ? "pinned" : "no longer pinned");
}
