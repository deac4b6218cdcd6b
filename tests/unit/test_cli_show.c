/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/cli/cli_progress.h"
#include "agent/cli/cli_status.h"
#include "agent/cli/cli_table.h"
#include "agent/cli/cli_timeline.h"

static const char whole_backup[] =
    "{'id':'sp-20261124T081530Z-k3f9x','instance':'i-0aaa','node':'kaltura-db1',"
    "'region':'eu-west-1','reason':'nightly','state':'complete','asked':'application',"
    "'consistency':'application','shortfall':[],"
    "'window':{'begin':'2026-11-24T08:15:31.206811Z','end':'2026-11-24T08:15:31.507112Z',"
    "'clock_error_ms':0.4},"
    "'timing_ms':{'hooks_hold':0.9,'freeze':1.4,'exchange':300.2,'thaw':0.5,'hooks_release':0.3,"
    "'hold':303.3},"
    "'mounts':[{'path':'/var/lib/mysql','fs':'ext4','volumes':['vol-0a'],'frozen':true},"
    "{'path':'/','fs':'xfs','volumes':['vol-0b','vol-0c'],'frozen':false}],"
    "'left_out':[{'path':'/opt/kaltura/web','why':'nfs4: not on a volume of this instance'}],"
    "'databases':[{'server':'10.11.19-MariaDB','method':'backup-stage',"
    "'binlog_file':'binlog.000007','binlog_pos':73421,'binlog_exact':true,'gtid':'0-1-991'}],"
    "'snapshots':[{'id':'snap-0a','volume':'vol-0a','device':'/dev/sdf','size_gib':20,"
    "'state':'completed'},{'id':'snap-0b','volume':'vol-0b','device':'/dev/sda1','size_gib':100,"
    "'state':'pending','progress':40}],"
    "'image':{'id':'ami-0a','state':'available','method':'register'},"
    "'expires':'2026-12-24T08:15:31Z','pinned':false,'verified':null}";

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
        fail_msg("%s", why.text);
    return value;
}

static struct cli_page plain_page(int columns)
{
    struct cli_page page = CLI_PAGE_INIT(((struct cli_look){.columns = columns}));

    return page;
}

static void page_is(struct cli_page *page, const char *want)
{
    assert_false(page->broken);
    assert_string_equal(buf_text(&page->text), want);
    cli_page_free(page);
}

static void a_backup_is_shown_whole(void **state)
{
    (void)state;
    struct cli_page page = plain_page(60);
    json_t *backup = json_of(whole_backup);

    cli_show_backup(&page, backup);

    page_is(&page, "sp-20261124T081530Z-k3f9x\n"
                   "  state        complete\n"
                   "  consistency  application\n"
                   "  taken        2026-11-24 09:15:31 CET\n"
                   "  node         kaltura-db1, i-0aaa in eu-west-1\n"
                   "  reason       nightly\n"
                   "  image        ami-0a, available (register)\n"
                   "  expires      2026-12-24 09:15:31 CET\n"
                   "  verified     not yet\n"
                   "\n"
                   "Hold\n"
                   "  writers  waited 303.3 ms at most\n"
                   "  window   2026-11-24 09:15:31.206811 CET to 09:15:31.507112 CET (300.3 ms)\n"
                   "  clock    right to within 0.4 ms\n"
                   "\n"
                   "  hooks hold          0.9 ms  |\n"
                   "  freeze              1.4 ms  |\n"
                   "  exchange          300.2 ms  ##############################\n"
                   "  all still         300.2 ms  [----------------------------]\n"
                   "  thaw                0.5 ms                               |\n"
                   "  hooks release       0.3 ms                               |\n"
                   "                             +----+----+----+----+----+---+\n"
                   "                             0 ms 50   100  150  200  250 300\n"
                   "\n"
                   "Mounts\n"
                   "  PATH            TYPE  FROZEN  VOLUMES\n"
                   "  /var/lib/mysql  ext4  yes     vol-0a\n"
                   "  /               xfs   no      vol-0b vol-0c\n"
                   "\n"
                   "Databases\n"
                   "  SERVER            METHOD        BINARY LOG     POSITION  EXACT  GTID\n"
                   "  10.11.19-MariaDB  backup-stage  binlog.000007     73421  yes    0-1-991\n"
                   "\n"
                   "Snapshots\n"
                   "  SNAPSHOT  VOLUME  DEVICE        SIZE  STATE\n"
                   "  snap-0a   vol-0a  /dev/sdf    20 GiB  completed\n"
                   "  snap-0b   vol-0b  /dev/sda1  100 GiB  pending 40%\n"
                   "\n"
                   "Left out\n"
                   "  PATH              WHY\n"
                   "  /opt/kaltura/web  nfs4: not on a volume of this instance\n");
    json_decref(backup);
}

static void less_than_asked_says_so_and_why(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *backup = json_of("{'id':'sp-1','state':'pending','asked':'application',"
                             "'consistency':'filesystem','shortfall':['mysql: away','other'],"
                             "'pinned':true,'verified':{'verdict':'good'}}");

    cli_show_backup(&page, backup);

    page_is(&page, "sp-1\n"
                   "  state        pending\n"
                   "  consistency  filesystem, application was asked for\n"
                   "               mysql: away\n"
                   "               other\n"
                   "  expires      never: pinned\n"
                   "  verified     good\n"
                   "\n"
                   "Hold\n"
                   "  not measured\n"
                   "  window   not measured\n");
    json_decref(backup);
}

static void any_json_can_be_shown(void **state)
{
    (void)state;
    static const char *const values[] = {
        "{}",
        "[]",
        "7",
        "null",
        ("{'id':7,'state':[],'window':7,'timing_ms':[],'mounts':{},'databases':'x','snapshots':[7],"
         "'image':[],'expires':'never','pinned':'yes','left_out':[null],'shortfall':{'a':'b'}}"),
        "{'mounts':[7,{},{'volumes':7,'path':null}],'databases':[{},[]],'snapshots':[{},null]}",
        "{'timing_ms':{'hold':1e300,'freeze':-5,'exchange':0}}",
        "{'timing_ms':{'hold':1e-300,'exchange':1e-300}}",
        "{'plan':7}",
        "{'plan':{'volumes':[7],'mounts':[{}],'hooks':[7,null],'shortfalls':[{}]}}",
        "{'daemon':7,'guard':[],'identity':7,'job':{},'last':{}}",
        "{'name':7,'result':'perhaps','text':null,'remedy':7}",
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        json_t *value = json_of(values[i]);
        struct cli_page page = plain_page(80);
        cli_show_backup(&page, value);
        cli_show_made(&page, value);
        cli_show_reused(&page, value, false, true);
        cli_show_plan(&page, value);
        cli_status_show(&page, value, 0);
        cli_status_check(&page, value);
        cli_status_verdict(&page, value);
        assert_false(page.broken);
        assert_true(page.text.len < 8192);
        cli_page_free(&page);
        json_decref(value);
    }
}

static void what_comes_from_outside_cannot_move_the_cursor(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *backup =
        json_of("{'id':'sp-1','reason':'a\\u001b[2Jb\\u009bc\\nd\\re','node':'x\\u202egpj'}");

    page.look.unicode = true;
    cli_show_backup(&page, backup);
    cli_show_made(&page, backup);

    assert_null(strchr(buf_text(&page.text), '\033'));
    assert_null(strchr(buf_text(&page.text), '\r'));
    assert_null(strstr(buf_text(&page.text), "\xc2\x9b"));
    assert_null(strstr(buf_text(&page.text), "\xe2\x80\xae"));
    assert_non_null(strstr(buf_text(&page.text), "a\\x1b[2Jb\\u009bc\\x0ad\\x0de\n"));
    assert_non_null(strstr(buf_text(&page.text), "x\\u202egpj"));
    cli_page_free(&page);
    json_decref(backup);
}

static void letters_beyond_ascii_are_shown_where_the_locale_has_them(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);

    cli_page_clean(&page, "caf\xc3\xa9 \xff");
    page.look.unicode = true;
    cli_page_clean(&page, " caf\xc3\xa9 \xff");

    page_is(&page, "caf\\u00e9 \\xff caf\xc3\xa9 \\xff");
}

static void colour_is_used_only_where_it_is_wanted(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *backup = json_of("{'id':'sp-1','state':'failed','consistency':'crash'}");

    cli_show_backup(&page, backup);
    assert_null(strchr(buf_text(&page.text), '\033'));
    cli_page_free(&page);
    page.look.colour = true;
    cli_show_backup(&page, backup);
    assert_non_null(strstr(buf_text(&page.text), "\033[1;31mfailed\033[0m"));

    cli_page_free(&page);
    json_decref(backup);
}

/* --- the timeline ----------------------------------------------------------------------------- */

static void the_hold_is_drawn_to_scale(void **state)
{
    (void)state;
    struct cli_page page = plain_page(70); /* 40 cells */
    json_t *backup = json_of("{'timing_ms':{'hooks_hold':100,'freeze':50,'exchange':200,"
                             "'thaw':25,'hooks_release':25,'hold':400}}");

    page.look.unicode = true;
    cli_timeline_draw(&page, backup);

    page_is(&page, "\n"
                   "Hold\n"
                   "  writers  waited 400.0 ms at most\n"
                   "  window   not measured\n"
                   "\n"
                   "  hooks hold        100.0 ms  ██████████\n"
                   "  freeze             50.0 ms            █████\n"
                   "  exchange          200.0 ms                 ████████████████████\n"
                   "  all still         200.0 ms                 ├──────────────────┤\n"
                   "  thaw               25.0 ms                                     ███\n"
                   "  hooks release      25.0 ms                                        ██\n"
                   "                             ┴─────────┴─────────┴─────────┴────────┴\n"
                   "                             0 ms      100       200       300      400\n");
    json_decref(backup);
}

static void time_that_no_step_explains_shows_as_a_gap(void **state)
{
    (void)state;
    struct cli_page page = plain_page(70);
    json_t *backup = json_of("{'timing_ms':{'hooks_hold':100,'freeze':100,'exchange':100,"
                             "'thaw':null,'hooks_release':50,'hold':400}}");

    cli_timeline_draw(&page, backup);

    page_is(&page, "\n"
                   "Hold\n"
                   "  writers  waited 400.0 ms at most\n"
                   "  window   not measured\n"
                   "\n"
                   "  hooks hold        100.0 ms  ##########\n"
                   "  freeze            100.0 ms            ##########\n"
                   "  exchange          100.0 ms                      ##########\n"
                   "  thaw                     -\n"
                   "  hooks release      50.0 ms                                     #####\n"
                   "                             +---------+---------+---------+--------+\n"
                   "                             0 ms      100       200       300      400\n");
    json_decref(backup);
}

static void a_clock_of_which_nothing_is_known_is_not_called_right(void **state)
{
    (void)state;
    /* One that was set in the hold may be wrong by any amount, and still has a bound. */
    static const char *const errors[] = {"null", "20000.4"};
    static const char *const words[] = {"how right it was is not known",
                                        "right to within 20000.4 ms"};

    for (int i = 0; i < 2; i++) {
        struct cli_page page = plain_page(80);
        char text[200];
        (void)snprintf(text, sizeof(text),
                       "{'window':{'begin':'2026-11-24T08:15:31Z','end':'2026-11-24T08:15:32.5Z',"
                       "'clock_error_ms':%s}}",
                       errors[i]);
        json_t *backup = json_of(text);

        cli_timeline_draw(&page, backup);

        (void)snprintf(
            text, sizeof(text),
            "\nHold\n"
            "  not measured\n"
            "  window   2026-11-24 09:15:31.000000 CET to 09:15:32.500000 CET (1500.0 ms)\n"
            "  clock    %s\n",
            words[i]);
        page_is(&page, text);
        json_decref(backup);
    }
}

/* --- plans, status, doctor ------------------------------------------------------------- */

static void a_plan_says_what_would_be_held_and_what_not(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *data = json_of(
        "{'plan':{'asked':'application','at_most':'filesystem','image':true,"
        "'volumes':[{'id':'vol-0b','device':'/dev/sda1','size_gib':8,'root':true}],"
        "'mounts':[{'path':'/','fs':'ext4','use':'freeze','volumes':['vol-0b']}],"
        "'hooks':[{'name':'mysql','ready':false,'server':null,'method':null,'why':'down'}],"
        "'left_out':[{'path':'/mnt','why':'instance store'}],'shortfalls':['mysql: down']}}");

    cli_show_plan(&page, data);

    page_is(&page, "Dry run: nothing was held, nothing was made\n"
                   "\n"
                   "Volumes that one CreateSnapshots would record\n"
                   "  VOLUME  DEVICE      SIZE  NOTE\n"
                   "  vol-0b  /dev/sda1  8 GiB  root\n"
                   "\n"
                   "Mounts that would be held, in this order\n"
                   "  PATH  TYPE  HOW     VOLUMES\n"
                   "  /     ext4  freeze  vol-0b\n"
                   "\n"
                   "Hooks, in this order\n"
                   "  NAME   READY  NOTE\n"
                   "  mysql  no     down\n"
                   "\n"
                   "Left out\n"
                   "  PATH  WHY\n"
                   "  /mnt  instance store\n"
                   "\n"
                   "Less than application consistency, because\n"
                   "  mysql: down\n");
    json_decref(data);
}

static void what_was_used_says_that_nothing_new_was_taken(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *backup =
        json_of("{'id':'sp-1','state':'complete','consistency':'application',"
                "'snapshots':[{'id':'snap-1','size_gib':8}],'reused':true,'age_s':723}");

    cli_show_reused(&page, backup, false, true);

    page_is(&page, "nothing new was taken: there is a backup as good, 12m 3s old\n"
                   "backup sp-1 complete: application consistent; 1 snapshot, 8 GiB\n"
                   "  more: stillpoint show sp-1\n");
    page = plain_page(80);
    cli_show_reused(&page, backup, false, false);
    page_is(&page, "nothing new was taken: there is a backup, 12m 3s old\n"
                   "backup sp-1 complete: application consistent; 1 snapshot, 8 GiB\n"
                   "  more: stillpoint show sp-1\n");
    json_decref(backup);
}

static void what_was_made_is_said_in_two_lines(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *backup = json_of(whole_backup);

    cli_show_made(&page, backup);

    page_is(&page, "backup sp-20261124T081530Z-k3f9x complete: application consistent; "
                   "2 snapshots, 120 GiB; image ami-0a available\n"
                   "  more: stillpoint show sp-20261124T081530Z-k3f9x\n");
    json_decref(backup);
}

static void status_tells_daemon_guard_node_job_and_last_backup(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *data = json_of(
        "{'daemon':{'version':'0.1.0','pid':12,'uptime_s':4000,'config':'/etc/x.conf'},"
        "'guard':{'reachable':true,'state':'held','pid':11,'recovered':2},"
        "'identity':{'instance':'i-0a','region':'eu-west-1','az':'eu-west-1a','account':'123'},"
        "'job':{'id':'sp-2','step':'finish','since':'2026-11-24T08:00:00Z'},"
        "'finishing':[{'id':'sp-1','step':'finish','since':'2026-11-24T07:59:00Z'}],"
        "'last':{'id':'sp-1','state':'complete','consistency':'application',"
        "'window':{'begin':'2026-11-22T06:00:00Z'}}}");
    int64_t now_utc_us;

    assert_true(clock_utc_parse("2026-11-24T08:01:05Z", &now_utc_us));
    cli_status_show(&page, data, now_utc_us);

    page_is(&page,
            "  daemon       stillpointd 0.1.0, pid 12, up 1h 6m\n"
            "  config       /etc/x.conf\n"
            "  guard        held, pid 11; at its start it thawed 2 mounts of an earlier one\n"
            "  instance     i-0a in eu-west-1a, account 123\n"
            "  job          sp-2, step finish, for 1m 5s\n"
            "  finishing    sp-1, step finish, for 2m 5s\n"
            "  last backup  sp-1, complete, application, 2d 2h ago\n");
    json_decref(data);
}

static void status_tells_how_the_last_rollback_ended(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *data =
        json_of("{'rollback':null,'rollback_last':{'id':'rb-1','set':'sp-1','outcome':'taken back',"
                "'at':'2026-11-24T08:00:00Z','why':'EC2 refused'}}");

    cli_status_show(&page, data, 0);

    assert_non_null(strstr(buf_text(&page.text),
                           "  rollback     none; the last, rb-1 to sp-1, was taken back at "));
    assert_non_null(strstr(buf_text(&page.text), ": EC2 refused\n"));
    cli_page_free(&page);
    json_decref(data);
}

static void status_tells_what_is_on_loan(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *data = json_of(
        "{'loans':[{'id':'ln-1','backup':'sp-1','purpose':'verify','volumes':['vol-1','vol-2'],"
        "'since':'2026-11-24T08:00:00Z','in_use':true,'why':null},"
        "{'id':'ln-2','backup':null,'purpose':null,'volumes':[],'since':null,'in_use':false,"
        "'why':'it is no record'}]}");
    int64_t now_utc_us;

    assert_true(clock_utc_parse("2026-11-24T08:01:05Z", &now_utc_us));
    cli_status_show(&page, data, now_utc_us);

    assert_non_null(strstr(buf_text(&page.text),
                           "  on loan      ln-1, 2 volumes of sp-1 for verify, for 1m 5s\n"
                           "  unreturned   ln-2: it is no record\n"));
    cli_page_free(&page);
    json_decref(data);
}

static void status_says_what_is_not_there(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *data = json_of("{'daemon':{'version':'0.1.0'},'guard':{'reachable':false,"
                           "'why':'no guard at /run/x'},'identity':null,'job':null,'last':null}");

    cli_status_show(&page, data, 0);

    page_is(&page, "  daemon       stillpointd 0.1.0\n"
                   "  guard        does not answer: no guard at /run/x; what is frozen, "
                   "`stillpoint thaw -n` says; why it is away: systemctl status "
                   "stillpoint-guard\n"
                   "  instance     not known: `stillpoint doctor' says why\n"
                   "  job          none has the node\n"
                   "  last backup  none since the daemon's start\n");
    json_decref(data);
}

static void a_check_has_its_remedy_below_it_line_by_line(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    json_t *checks = json_of("[{'name':'clock','result':'ok','text':'right'},"
                             "{'name':'database','result':'failed','text':'no grants',"
                             "'remedy':'CREATE USER x;\\nGRANT y;\\n'},"
                             "{'name':'a-name-longer-than-its-column','result':'skipped',"
                             "'text':'-','remedy':''}]");
    const json_t *check;
    size_t i;

    json_array_foreach(checks, i, check) cli_status_check(&page, check);
    cli_status_verdict(&page, checks);

    page_is(&page, "ok       clock           right\n"
                   "failed   database        no grants\n"
                   "                         do: CREATE USER x;\n"
                   "                             GRANT y;\n"
                   "skipped  a-name-longer-than-its-column  -\n"
                   "3 checks: 1 ok, 0 warnings, 1 failed, 1 skipped\n");
    json_decref(checks);
}

static void columns_are_aligned_by_what_is_seen_not_by_bytes(void **state)
{
    (void)state;
    static const char *const titles[] = {"A", ">N", "EMPTY", "B", NULL};
    struct cli_page page = plain_page(80);
    struct cli_table table;

    page.look.unicode = page.look.colour = true;
    cli_table_begin(&table, &page, titles);
    cli_table_add_styled(&table, "\xc3\xa9\xc3\xa9\xc3\xa9", CLI_BAD);
    cli_table_printf(&table, "%d", 5);
    cli_table_add(&table, NULL);
    cli_table_add(&table, "x");
    cli_table_add(&table, "plain");
    cli_table_printf(&table, "%d", 1234);
    cli_table_add(&table, "");
    cli_table_add(&table, "y");
    cli_table_end(&table, 0);

    page_is(&page, "\033[2mA\033[0m         \033[2mN\033[0m  \033[2mB\033[0m\n"
                   "\033[1;31m\xc3\xa9\xc3\xa9\xc3\xa9\033[0m       5  x\n"
                   "plain  1234  y\n");
}

/* --- progress --------------------------------------------------------------------------------- */

static void take(struct cli_progress *progress, const char *event, int64_t now_ms)
{
    json_t *value = json_of(event);

    cli_progress_take(progress, value, now_ms);
    json_decref(value);
}

static void the_progress_line_tells_step_part_and_time(void **state)
{
    (void)state;
    struct cli_page page = plain_page(80);
    struct cli_progress progress = {.file = NULL};

    take(&progress, "{'event':'step','step':'identify'}", 1000);
    cli_progress_line(&progress, 1500, &page);
    page_is(&page, "identify  asking who this node is");

    take(&progress, "{'event':'step','step':'finish'}", 2000);
    take(&progress, "{'event':'progress','step':'finish','done':40,'total':100,'text':'2 of 4'}",
         3000);
    take(&progress, "{'event':'warning','step':'hold'}", 3000);
    cli_progress_line(&progress, 67000, &page);
    page_is(&page, "finish  [########............]  40%  2 of 4  1m 5s");
}

static void the_progress_line_never_wraps_and_never_shows_more_than_all(void **state)
{
    (void)state;
    struct cli_page page = plain_page(40);
    struct cli_progress progress = {.file = NULL};

    take(&progress,
         "{'event':'progress','step':'finish','done':900,'total':100,"
         "'text':'\\u001b[1m and a long text that would wrap'}",
         0);
    cli_progress_line(&progress, 0, &page);

    page_is(&page, "finish  [####################] 100%  \\x");
}

static int set_zone(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_shown_whole),
        cmocka_unit_test(less_than_asked_says_so_and_why),
        cmocka_unit_test(any_json_can_be_shown),
        cmocka_unit_test(what_comes_from_outside_cannot_move_the_cursor),
        cmocka_unit_test(letters_beyond_ascii_are_shown_where_the_locale_has_them),
        cmocka_unit_test(colour_is_used_only_where_it_is_wanted),
        cmocka_unit_test(the_hold_is_drawn_to_scale),
        cmocka_unit_test(time_that_no_step_explains_shows_as_a_gap),
        cmocka_unit_test(a_clock_of_which_nothing_is_known_is_not_called_right),
        cmocka_unit_test(a_plan_says_what_would_be_held_and_what_not),
        cmocka_unit_test(what_was_used_says_that_nothing_new_was_taken),
        cmocka_unit_test(what_was_made_is_said_in_two_lines),
        cmocka_unit_test(status_tells_daemon_guard_node_job_and_last_backup),
        cmocka_unit_test(status_tells_how_the_last_rollback_ended),
        cmocka_unit_test(status_tells_what_is_on_loan),
        cmocka_unit_test(status_says_what_is_not_there),
        cmocka_unit_test(a_check_has_its_remedy_below_it_line_by_line),
        cmocka_unit_test(columns_are_aligned_by_what_is_seen_not_by_bytes),
        cmocka_unit_test(the_progress_line_tells_step_part_and_time),
        cmocka_unit_test(the_progress_line_never_wraps_and_never_shows_more_than_all),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
