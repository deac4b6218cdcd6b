/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/cli/cli_table.h"
#include "agent/cli/cli_timeline.h"

/* The moment in an id, "sp-20261124T081530Z-k3f9x": when the job began. */
static bool id_moment(const char *id, int64_t *ret_utc_us)
{
    char text[32];

    if (id == NULL || strlen(id) < 19 || strncmp(id, "sp-", 3) != 0)
        return false;
    (void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id + 3, id + 7, id + 9,
                   id + 12, id + 14, id + 16);
    return clock_utc_parse(text, ret_utc_us);
}

bool cli_taken_at(const json_t *backup, int64_t *ret_utc_us)
{
    return cli_time(json_object_get(backup, "window"), "begin", ret_utc_us) ||
           cli_time(backup, "started", ret_utc_us) || id_moment(cli_str(backup, "id"), ret_utc_us);
}

enum cli_style cli_state_style(const char *state)
{
    if (state == NULL)
        return CLI_PLAIN;
    return strcmp(state, "complete") == 0 ? CLI_GOOD
           : strcmp(state, "failed") == 0 ? CLI_BAD
                                          : CLI_WARN;
}

static bool differs(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) != 0;
}

const char *cli_state_word(const json_t *backup)
{
    const json_t *why = json_object_get(backup, "broken");
    const char *state = cli_str(backup, "state"), *tagged = cli_str(backup, "tagged");

    return differs(state, "failed") || !differs(tagged, state) || json_array_size(why) == 0
               ? state
               : "broken";
}

/* An array of texts, a line each. */
static void put_lines(struct cli_page *page, const json_t *array, int indent)
{
    const json_t *item;
    size_t i;

    json_array_foreach(array, i, item)
    {
        if (!json_is_string(item))
            continue;
        cli_page_printf(page, "%*s", indent, "");
        cli_page_clean_lines(page, json_string_value(item), indent + 2);
        cli_page_text(page, "\n");
    }
}

/* An array of texts in one table cell. */
static void add_list(struct cli_table *table, const json_t *array)
{
    AUTO_BUF struct buf text = BUF_INIT(16 * 1024);
    struct err cut = ERR_INIT; /* a longer list is shown as far as it fits */
    const json_t *item;
    size_t i;

    json_array_foreach(array, i, item)
    {
        if (json_is_string(item) && (text.len == 0 || buf_add_text(&text, " ", &cut)))
            (void)buf_add_text(&text, json_string_value(item), &cut);
    }
    cli_table_add(table, buf_text(&text));
}

static void add_bool(struct cli_table *table, const json_t *value)
{
    cli_table_add(table, json_is_true(value) ? "yes" : json_is_false(value) ? "no" : NULL);
}

static void add_gib(struct cli_table *table, const json_t *object)
{
    int64_t gib;

    if (cli_int(object, "size_gib", &gib))
        cli_table_printf(table, "%" PRId64 " GiB", gib);
    else
        cli_table_add(table, NULL);
}

/* --- tables of a backup ----------------------------------------------------------------------- */

static void show_mounts(struct cli_page *page, const json_t *mounts)
{
    static const char *const titles[] = {"PATH", "TYPE", "FROZEN", "VOLUMES", NULL};
    struct cli_table table;
    const json_t *mount;
    size_t i;

    if (json_array_size(mounts) == 0)
        return;
    cli_page_heading(page, "Mounts");
    cli_table_begin(&table, page, titles);
    json_array_foreach(mounts, i, mount)
    {
        cli_table_add(&table, cli_str(mount, "path"));
        cli_table_add(&table, cli_str(mount, "fs"));
        add_bool(&table, json_object_get(mount, "frozen"));
        add_list(&table, json_object_get(mount, "volumes"));
    }
    cli_table_end(&table, 2);
}

static void show_databases(struct cli_page *page, const json_t *databases)
{
    static const char *const titles[] = {"NAME",  "SERVER", "METHOD", "BINARY LOG", ">POSITION",
                                         "EXACT", "GTID",   "SOURCE", NULL};
    struct cli_table table;
    const json_t *db;
    size_t i;

    if (json_array_size(databases) == 0)
        return;
    cli_page_heading(page, "Databases");
    cli_table_begin(&table, page, titles);
    json_array_foreach(databases, i, db)
    {
        const json_t *source = json_object_get(db, "source");
        int64_t position;
        cli_table_add(&table, cli_str(db, "name"));
        cli_table_add(&table, cli_str(db, "server"));
        cli_table_add(&table, cli_str(db, "method"));
        cli_table_add(&table, cli_str(db, "binlog_file"));
        if (cli_int(db, "binlog_pos", &position))
            cli_table_printf(&table, "%" PRId64, position);
        else
            cli_table_add(&table, NULL);
        add_bool(&table, cli_str(db, "binlog_file") ? json_object_get(db, "binlog_exact") : NULL);
        cli_table_add(&table, cli_str(db, "gtid"));
        if (cli_str(source, "file") && cli_int(source, "pos", &position))
            cli_table_printf(&table, "%s:%" PRId64, cli_str(source, "file"), position);
        else
            cli_table_add(&table, NULL);
    }
    cli_table_end(&table, 2);
}

static void show_snapshots(struct cli_page *page, const json_t *snapshots)
{
    static const char *const titles[] = {"SNAPSHOT", "VOLUME", "DEVICE", ">SIZE", "STATE", NULL};
    struct cli_table table;
    const json_t *snapshot;
    size_t i;

    if (json_array_size(snapshots) == 0)
        return;
    cli_page_heading(page, "Snapshots");
    cli_table_begin(&table, page, titles);
    json_array_foreach(snapshots, i, snapshot)
    {
        const char *state = cli_str(snapshot, "state");
        int64_t progress;
        cli_table_add(&table, cli_str(snapshot, "id"));
        cli_table_add(&table, cli_str(snapshot, "volume"));
        cli_table_add(&table, cli_str(snapshot, "device"));
        add_gib(&table, snapshot);
        if (differs(state, "completed") && cli_int(snapshot, "progress", &progress))
            cli_table_printf(&table, "%s %" PRId64 "%%", state, progress);
        else
            cli_table_add(&table, state);
    }
    cli_table_end(&table, 2);
}

static void show_left_out(struct cli_page *page, const json_t *object)
{
    const json_t *left_out = json_object_get(object, "left_out");
    static const char *const titles[] = {"PATH", "WHY", NULL};
    struct cli_table table;
    const json_t *item;
    int64_t more = 0;
    size_t i;

    (void)cli_int(object, "left_out_more", &more);
    if (json_array_size(left_out) == 0 && more <= 0)
        return;
    cli_page_heading(page, "Left out");
    cli_table_begin(&table, page, titles);
    json_array_foreach(left_out, i, item)
    {
        cli_table_add(&table,
                      json_is_string(item) ? json_string_value(item) : cli_str(item, "path"));
        cli_table_add(&table, cli_str(item, "why"));
    }
    cli_table_end(&table, 2);
    if (more > 0)
        cli_page_printf(page, "  and %" PRId64 " more, for which a tag has no room\n", more);
}

void cli_show_parts(struct cli_page *page, const json_t *backup)
{
    show_mounts(page, json_object_get(backup, "mounts"));
    show_databases(page, json_object_get(backup, "databases"));
    show_left_out(page, backup);
}

/* --- one backup ------------------------------------------------------------------------------- */

static void put_consistency(struct cli_page *page, const json_t *backup)
{
    const char *label = cli_str(backup, "consistency"), *asked = cli_str(backup, "asked");
    bool less = differs(label, asked);

    cli_page_field(page, "consistency", CLI_FIELD_WIDTH);
    cli_page_styled(page, less ? CLI_WARN : CLI_GOOD, label);
    if (less) {
        cli_page_text(page, ", ");
        cli_page_clean(page, asked);
        cli_page_text(page, " was asked for");
    }
    cli_page_text(page, "\n");
}

static void put_image(struct cli_page *page, const json_t *image)
{
    if (cli_str(image, "id") == NULL)
        return;
    cli_page_field(page, "image", CLI_FIELD_WIDTH);
    cli_page_clean(page, cli_str(image, "id"));
    cli_page_text(page, ", ");
    cli_page_clean(page, cli_str(image, "state"));
    if (cli_str(image, "method") != NULL) {
        cli_page_text(page, " (");
        cli_page_clean(page, cli_str(image, "method"));
        cli_page_text(page, ")");
    }
    cli_page_text(page, "\n");
}

static void put_node(struct cli_page *page, const json_t *backup)
{
    const char *node = cli_str(backup, "node"), *instance = cli_str(backup, "instance");

    if (node == NULL && instance == NULL)
        return;
    cli_page_field(page, "node", CLI_FIELD_WIDTH);
    cli_page_clean(page, node ? node : instance);
    if (node != NULL && instance != NULL) {
        cli_page_text(page, ", ");
        cli_page_clean(page, instance);
    }
    if (cli_str(backup, "region") != NULL) {
        cli_page_text(page, " in ");
        cli_page_clean(page, cli_str(backup, "region"));
    }
    cli_page_text(page, "\n");
}

static void put_kept(struct cli_page *page, const json_t *backup)
{
    char text[CLI_TIME_BYTES];
    int64_t expires;

    cli_page_field(page, "expires", CLI_FIELD_WIDTH);
    if (json_is_true(json_object_get(backup, "pinned")))
        cli_page_text(page, "never: pinned\n");
    else if (cli_time(backup, "expires", &expires))
        cli_page_printf(page, "%s\n", cli_local_time(expires, text));
    else
        cli_page_text(page, "never\n");
}

/* A verdict may be a text or an object of its own. */
static void put_verified(struct cli_page *page, const json_t *verified)
{
    if (json_is_object(verified))
        cli_page_fact(page, "verified", cli_str(verified, "verdict"));
    else
        cli_page_fact(page, "verified",
                      json_is_string(verified) ? json_string_value(verified) : "not yet");
}

void cli_show_backup(struct cli_page *page, const json_t *backup)
{
    char text[CLI_TIME_BYTES];
    int64_t taken;

    cli_page_styled(page, CLI_BOLD, cli_str(backup, "id"));
    cli_page_text(page, "\n");
    cli_page_field(page, "state", CLI_FIELD_WIDTH);
    cli_page_styled(page, cli_state_style(cli_str(backup, "state")), cli_state_word(backup));
    cli_page_text(page, "\n");
    put_lines(page, json_object_get(backup, "broken"), 2 + CLI_FIELD_WIDTH + 2);
    put_consistency(page, backup);
    put_lines(page, json_object_get(backup, "shortfall"), 2 + CLI_FIELD_WIDTH + 2);
    if (cli_taken_at(backup, &taken))
        cli_page_fact(page, "taken", cli_local_time(taken, text));
    put_node(page, backup);
    cli_page_fact(page, "reason", cli_str(backup, "reason"));
    cli_page_fact(page, "group", cli_str(backup, "group"));
    put_image(page, json_object_get(backup, "image"));
    put_kept(page, backup);
    put_verified(page, json_object_get(backup, "verified"));
    cli_timeline_draw(page, backup);
    show_mounts(page, json_object_get(backup, "mounts"));
    show_databases(page, json_object_get(backup, "databases"));
    show_snapshots(page, json_object_get(backup, "snapshots"));
    show_left_out(page, backup);
}

int64_t cli_total_gib(const json_t *backup)
{
    const json_t *snapshot;
    int64_t sum = 0, gib;
    size_t i;

    json_array_foreach(json_object_get(backup, "snapshots"), i, snapshot)
    {
        if (cli_int(snapshot, "size_gib", &gib) && gib > 0 && gib < INT32_MAX && sum < INT32_MAX)
            sum += gib;
    }
    return sum;
}

void cli_show_made(struct cli_page *page, const json_t *backup)
{
    const char *id = cli_str(backup, "id"), *state = cli_str(backup, "state");
    const json_t *image = json_object_get(backup, "image");
    size_t count = json_array_size(json_object_get(backup, "snapshots"));

    cli_page_text(page, "backup ");
    cli_page_clean(page, id);
    cli_page_text(page, " ");
    cli_page_styled(page, cli_state_style(state), state);
    cli_page_text(page, ": ");
    cli_page_clean(page, cli_str(backup, "consistency"));
    cli_page_printf(page, " consistent; %zu snapshot%s", count, count == 1 ? "" : "s");
    if (cli_total_gib(backup) > 0)
        cli_page_printf(page, ", %" PRId64 " GiB", cli_total_gib(backup));
    if (cli_str(image, "id") != NULL) {
        cli_page_text(page, "; image ");
        cli_page_clean(page, cli_str(image, "id"));
        cli_page_text(page, " ");
        cli_page_clean(page, cli_str(image, "state"));
    }
    cli_page_text(page, "\n  more: stillpoint show ");
    cli_page_clean(page, id);
    cli_page_text(page, "\n");
}

void cli_show_reused(struct cli_page *page, const json_t *backup, bool dry_run, bool as_asked)
{
    char age[CLI_TIME_BYTES];
    int64_t age_s;

    cli_page_printf(page, "nothing new %s taken: there is a backup%s", dry_run ? "would be" : "was",
                    as_asked ? " as good" : "");
    if (cli_int(backup, "age_s", &age_s))
        cli_page_printf(page, ", %s old", cli_span(age_s, age));
    cli_page_text(page, "\n");
    cli_show_made(page, backup);
}

/* --- what a backup would do ------------------------------------------------------------------- */

static void plan_volumes(struct cli_page *page, const json_t *volumes)
{
    static const char *const titles[] = {"VOLUME", "DEVICE", ">SIZE", "NOTE", NULL};
    struct cli_table table;
    const json_t *volume;
    size_t i;

    cli_page_text(page, "Volumes that one CreateSnapshots would record\n");
    if (json_array_size(volumes) == 0) {
        cli_page_text(page, "  none\n");
        return;
    }
    cli_table_begin(&table, page, titles);
    json_array_foreach(volumes, i, volume)
    {
        cli_table_add(&table,
                      json_is_string(volume) ? json_string_value(volume) : cli_str(volume, "id"));
        cli_table_add(&table, cli_str(volume, "device"));
        add_gib(&table, volume);
        cli_table_add(&table, json_is_true(json_object_get(volume, "root")) ? "root" : NULL);
    }
    cli_table_end(&table, 2);
}

static void plan_mounts(struct cli_page *page, const json_t *mounts)
{
    static const char *const titles[] = {"PATH", "TYPE", "HOW", "VOLUMES", NULL};
    struct cli_table table;
    const json_t *mount;
    size_t i;

    if (json_array_size(mounts) == 0)
        return;
    cli_page_heading(page, "Mounts that would be held, in this order");
    cli_table_begin(&table, page, titles);
    json_array_foreach(mounts, i, mount)
    {
        cli_table_add(&table,
                      json_is_string(mount) ? json_string_value(mount) : cli_str(mount, "path"));
        cli_table_add(&table, cli_str(mount, "fs"));
        cli_table_add(&table, cli_str(mount, "use"));
        add_list(&table, json_object_get(mount, "volumes"));
    }
    cli_table_end(&table, 2);
}

static void plan_hooks(struct cli_page *page, const json_t *hooks)
{
    static const char *const titles[] = {"NAME", "READY", "SERVER", "METHOD", "NOTE", NULL};
    struct cli_table table;
    const json_t *hook;
    size_t i;

    if (json_array_size(hooks) == 0)
        return;
    cli_page_heading(page, "Hooks, in this order");
    cli_table_begin(&table, page, titles);
    json_array_foreach(hooks, i, hook)
    {
        cli_table_add(&table,
                      json_is_string(hook) ? json_string_value(hook) : cli_str(hook, "name"));
        add_bool(&table, json_object_get(hook, "ready"));
        cli_table_add(&table, cli_str(hook, "server"));
        cli_table_add(&table, cli_str(hook, "method"));
        cli_table_add(&table, cli_str(hook, "why"));
    }
    cli_table_end(&table, 2);
}

void cli_show_plan(struct cli_page *page, const json_t *data)
{
    const json_t *plan = json_object_get(data, "plan");

    cli_page_text(page, "Dry run: nothing was held, nothing was made\n\n");
    plan_volumes(page, json_object_get(plan, "volumes"));
    if (cli_str(plan, "asked") == NULL || strcmp(cli_str(plan, "asked"), "crash") != 0)
        plan_mounts(page, json_object_get(plan, "mounts")); /* else nothing is held */
    plan_hooks(page, json_object_get(plan, "hooks"));
    show_left_out(page, plan);
    if (json_array_size(json_object_get(plan, "shortfalls")) > 0) {
        cli_page_heading(page, "Less than application consistency, because");
        put_lines(page, json_object_get(plan, "shortfalls"), 2);
    }
}
