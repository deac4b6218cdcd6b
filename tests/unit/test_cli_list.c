/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/base/clock.h"

#define NOW_UTC_US 1795594530000000LL /* 2026-11-25T08:15:30Z */

struct listing {
    struct cli_options options;
    struct cli cli;
    struct cli_list list;
    char *written; /* of JSON */
    size_t written_len;
};

/* JSON with ' for ", so that it can be read. */
static json_t *json_of(const char *text)
{
    char *copy = strdup(text);
    json_error_t why;

    assert_non_null(copy);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *value = json_loads(copy, JSON_DECODE_ANY, &why);
    free(copy);
    if (value == NULL)
        fail_msg("%s: %s", text, why.text);
    return value;
}

/* What the list of ROWS is, with OPTIONS; the text stays until the next. */
static const char *list_of(struct listing *listing, struct cli_options options, const char *rows,
                           const char *sums)
{
    json_t *array = json_of(rows), *last = json_of(sums);
    const json_t *row;
    size_t i;

    cli_list_free(&listing->list);
    free(listing->written);
    listing->options = options;
    listing->options.quiet = !options.json; /* the page is enough */
    listing->cli = (struct cli){.options = &listing->options, .look = {.columns = 80}};
    listing->cli.out = open_memstream(&listing->written, &listing->written_len);
    listing->cli.err = stderr;
    cli_list_begin(&listing->list, &listing->cli);
    json_array_foreach(array, i, row) cli_list_row(&listing->list, row, NOW_UTC_US);
    assert_true(cli_list_end(&listing->list, last, NOW_UTC_US));
    assert_int_equal(fclose(listing->cli.out), 0);
    json_decref(array);
    json_decref(last);
    return options.json ? listing->written : buf_text(&listing->list.page.text);
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct listing));
    return *state == NULL;
}

static int tear_down(void **state)
{
    struct listing *listing = *state;

    cli_list_free(&listing->list);
    free(listing->written);
    free(listing);
    return 0;
}

/* --- rows -------------------------------------------------------------------------------------
 */

static void a_list_has_one_line_a_backup_and_only_columns_with_something_in_them(void **state)
{
    const char *text =
        list_of(*state, (struct cli_options){.all_nodes = false},
                "[{'id':'sp-20261124T081530Z-k3f9x','state':'complete','node':'db1',"
                "'consistency':'application','window':{'begin':'2026-07-24T08:15:31Z'},"
                "'snapshots':[{'size_gib':20},{'size_gib':100}],'expires':'2026-12-24T08:15:31Z'},"
                "{'id':'sp-2','state':'failed','consistency':'crash','pinned':true}]",
                "{}");

    assert_string_equal(
        text, "ID                         TAKEN                     STATE     CONSISTENCY  "
              "SNAPSHOTS     SIZE  EXPIRES\n"
              "sp-20261124T081530Z-k3f9x  2026-07-24 10:15:31 CEST  complete  application  "
              "        2  120 GiB  2026-12-24\n"
              "sp-2                       -                         failed    crash        "
              "        0        -  pinned\n"
              "2 backups\n");
}

static void a_row_without_a_window_has_ec2s_time_or_its_ids_and_a_long_reason_is_cut(void **state)
{
    const char *text =
        list_of(*state, (struct cli_options){.all_nodes = true},
                "[{'id':'sp-20261124T081530Z-k3f9x','state':'complete','instance':'i-0a',"
                "'consistency':'crash','snapshots':[],'verified':'ok 2026-11-25T00:00:00Z',"
                "'reason':'0123456789012345678901234567890123456789 and more'},"
                "{'id':'sp-20261124T081530Z-aaaaa','started':'2026-11-24T09:00:00.000Z'}]",
                "{}");

    assert_string_equal(text, "ID                         TAKEN                    NODE  STATE     "
                              "CONSISTENCY  SNAPSHOTS  VERIFIED  EXPIRES  REASON\n"
                              "sp-20261124T081530Z-k3f9x  2026-11-24 09:15:30 CET  i-0a  complete  "
                              "crash                0  ok        never    "
                              "0123456789012345678901234567890123456789...\n"
                              "sp-20261124T081530Z-aaaaa  2026-11-24 10:00:00 CET  -     -         "
                              "-                    0  -         never    -\n"
                              "2 backups\n");
}

static void what_they_come_to_is_said_below(void **state)
{
    const char *text =
        list_of(*state, (struct cli_options){.limit = 1},
                "[{'id':'sp-1','state':'failed','tagged':'complete','consistency':'crash',"
                "'broken':['3 of 4 snapshots are there','snapshot snap-0a is in error']}]",
                "{'sets':12,'good':9,'broken':1,'failed':0,'unfinished':2,'size_gib':240,"
                "'newest_good':{'id':'sp-3','started':'2026-11-25T03:03:30Z'},"
                "'oldest_good':{'id':'sp-9','started':'2026-10-26T06:15:30Z'}}");

    assert_non_null(strstr(text, "sp-1  broken  crash"));
    assert_non_null(strstr(text, "\n1 of 12 backups: 9 good, 1 broken, 2 unfinished\n"
                                 "the newest good one is 5h 12m old, the oldest 30d 2h\n"
                                 "240 GiB of volumes: their size, not what EC2 keeps and bills\n"
                                 "sp-1: 3 of 4 snapshots are there\n"));
    text = list_of(*state, (struct cli_options){.limit = 0}, "[{'id':'sp-1'}]",
                   "{'sets':2,'good':0,'broken':0,'failed':0,'unfinished':1,'verify_failed':1,"
                   "'size_gib':0,'newest_good':null,'oldest_good':null}");
    assert_non_null(strstr(text,
                           "\n1 of 2 backups: 0 good, 1 unfinished, 1 complete, but failed by "
                           "verify\nnone of them is good\n"));
}

static void only_the_first_broken_ones_are_named(void **state)
{
    const char *text = list_of(
        *state, (struct cli_options){.limit = 0},
        "[{'id':'sp-1','state':'failed','broken':['a']},{'id':'sp-2','state':'failed','broken':"
        "['a']},{'id':'sp-3','state':'failed','broken':['a']},{'id':'sp-4','state':'failed',"
        "'broken':['a']},{'id':'sp-5','state':'failed','broken':['a']},{'id':'sp-6','state':"
        "'failed','broken':['a']},{'id':'sp-7','state':'cut','broken':['a']}]",
        "{}");

    assert_non_null(strstr(text, "sp-5: a\nand 1 more, whose reasons `stillpoint show ID' has\n"));
}

static void by_node_has_a_line_for_each(void **state)
{
    const char *text =
        list_of(*state, (struct cli_options){.by_node = true},
                "[{'node':'db1','instance':'i-0a','sets':30,'good':28,'broken':2,'size_gib':600,"
                "'newest_good':{'started':'2026-11-25T03:03:30Z'},"
                "'oldest_good':{'started':'2026-10-26T06:15:30Z'}},"
                "{'node':null,'instance':'i-0b','sets':1,'good':0,'broken':0,'newest_good':null}]",
                "{'sets':31,'good':28,'broken':2,'size_gib':600,"
                "'newest_good':{'started':'2026-11-25T03:03:30Z'},"
                "'oldest_good':{'started':'2026-10-26T06:15:30Z'}}");

    assert_string_equal(
        text, "NODE  INSTANCE  BACKUPS  GOOD  BROKEN     SIZE  NEWEST GOOD                 AGE  "
              "OLDEST GOOD\n"
              "db1   i-0a           30    28       2  600 GiB  2026-11-25 04:03:30 CET  5h 12m  "
              "2026-10-26 07:15:30 CET\n"
              "-     i-0b            1     0       -        -  none                          -  -\n"
              "31 backups of 2 nodes: 28 good, 2 broken\n"
              "the newest good one is 5h 12m old, the oldest 30d 2h\n"
              "600 GiB of volumes: their size, not what EC2 keeps and bills\n");
}

static void an_empty_list_says_how_to_get_one(void **state)
{
    struct cli_options options = {.all_nodes = false};

    assert_string_equal(list_of(*state, options, "[]", "{'sets':0,'unfiltered':0,'own':true}"),
                        "no backups; `stillpoint backup' takes one\n");
    options.group = "cluster\x1b[2J";
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':0,'own':true}"),
                        "no backups of this node in the group cluster\\x1b[2J; with --all-nodes "
                        "those of the others are looked at, too\n");
    options.all_nodes = true;
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':0,'own':false}"),
                        "no backups in the group cluster\\x1b[2J; `stillpoint list --all-nodes' "
                        "shows those of all groups\n");
    options = (struct cli_options){.node = "db7"};
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':0,'own':false}"),
                        "no backups of the node db7; `stillpoint list --by-node' shows which nodes "
                        "have some\n");
}

static void where_filters_leave_nothing_they_are_named_and_how_many_there_are_without(void **state)
{
    struct cli_options options = {.all_nodes = true, .state = "broken"};

    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':12,'own':false}"),
                        "no such backups: without --state there are 12\n");
    options.reason = "nightly";
    options.since.given = true;
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':1,'own':false}"),
                        "no such backups: without --since, --state and --reason there is 1\n");
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':0,'own':false}"),
                        "no backups; `stillpoint backup' takes one\n");
    options.all_nodes = false;
    assert_string_equal(list_of(*state, options, "[]", "{'unfiltered':0,'own':true}"),
                        "no backups of this node; with --all-nodes those of the others are looked "
                        "at, too\n");
}

static void what_comes_from_outside_cannot_move_the_cursor(void **state)
{
    const char *text =
        list_of(*state, (struct cli_options){.all_nodes = true},
                "[{'id':'sp-1','state':'failed','reason':'a\\u001b[2Jb','node':'x\\u202egpj',"
                "'broken':['\\u001b]0;owned']}]",
                "{}");

    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "a\\x1b[2Jb"));
    assert_non_null(strstr(text, "sp-1: \\x1b]0;owned\n"));
}

static void any_json_can_be_a_row(void **state)
{
    static const char *const rows[] = {
        "[{}]",
        "[[],7,null,'x']",
        ("[{'id':7,'state':[],'tagged':{},'window':7,'snapshots':[7],'image':[],'expires':'never',"
         "'pinned':'yes','broken':{'a':'b'},'verified':[],'sets':'x','newest_good':[]}]"),
        "[{'state':'failed','id':'sp-1','broken':[null]}]",
        "[{'size_gib':9223372036854775807,'snapshots':[{'size_gib':9223372036854775807}]}]",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int by_node = 0; by_node < 2; by_node++)
            (void)list_of(*state, (struct cli_options){.by_node = by_node == 1}, rows[i], "[]");
    }
}

/* --- JSON -------------------------------------------------------------------------------------
 */

static void in_json_it_is_one_array_on_a_line(void **state)
{
    const struct cli_options options = {.json = true};

    assert_string_equal(list_of(*state, options, "[]", "{}"), "[]\n");
    assert_string_equal(list_of(*state, options, "[{'id':'sp-2'},{'id':'sp-1'}]", "{}"),
                        "[{\"id\":\"sp-2\"},{\"id\":\"sp-1\"}]\n");
}

static void a_long_list_in_json_is_written_as_it_comes(void **state)
{
    struct listing *listing = *state;
    json_t *row = json_pack("{s:s}", "reason", "0123456789012345678901234567890123456789");
    enum { ROWS = 20000 };

    (void)list_of(listing, (struct cli_options){.json = true}, "[]", "{}");
    cli_list_free(&listing->list);
    free(listing->written);
    listing->written = NULL;
    listing->cli.out = open_memstream(&listing->written, &listing->written_len);
    cli_list_begin(&listing->list, &listing->cli);
    for (int i = 0; i < ROWS; i++)
        cli_list_row(&listing->list, row, NOW_UTC_US);
    assert_true(listing->list.page.text.len < 128 * 1024);
    assert_true(cli_list_end(&listing->list, NULL, NOW_UTC_US));
    assert_int_equal(fclose(listing->cli.out), 0);

    json_t *array = json_loads(listing->written, 0, NULL);
    assert_int_equal(json_array_size(array), ROWS);
    json_decref(array);
    json_decref(row);
}

static int set_zone(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_has_one_line_a_backup_and_only_columns_with_something_in_them),
        TEST(a_row_without_a_window_has_ec2s_time_or_its_ids_and_a_long_reason_is_cut),
        TEST(what_they_come_to_is_said_below),
        TEST(only_the_first_broken_ones_are_named),
        TEST(by_node_has_a_line_for_each),
        TEST(an_empty_list_says_how_to_get_one),
        TEST(where_filters_leave_nothing_they_are_named_and_how_many_there_are_without),
        TEST(what_comes_from_outside_cannot_move_the_cursor),
        TEST(any_json_can_be_a_row),
        TEST(in_json_it_is_one_array_on_a_line),
        TEST(a_long_list_in_json_is_written_as_it_comes),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
