/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/tag.h"
#include "agent/cli/cli_help.h"
#include "agent/cli/cli_option_values.h"
#include "agent/daemon/iam_policy.h"

enum { ARGS_MAX = 64 };

struct line {
    struct cli_options options;
    struct err err;
    bool ok;
};

/* WORDS are split at blanks; what needs blanks uses '_' for them. */
static struct line *read_line(const char *words)
{
    static struct line line;
    static char room[4096];
    static char *argv[ARGS_MAX]; /* run keeps a part of it */
    int argc = 1;

    memset(argv, 0, sizeof(argv));
    argv[0] = (char *)(uintptr_t) "stillpoint";
    cli_options_free(&line.options);
    memset(&line, 0, sizeof(line));
    assert_true(snprintf(room, sizeof(room), "%s", words) < (int)sizeof(room));
    for (char *word = strtok(room, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
        for (; *word != '\0'; word++)
            *word = *word == '_' ? ' ' : *word;
    }
    line.ok = cli_options_read(argc, argv, &line.options, &line.err);
    return &line;
}

static void refuses(const char *words, const char *text, const char *remedy)
{
    struct line *line = read_line(words);

    assert_false(line->ok);
    assert_int_equal(line->err.kind, ERR_USAGE);
    assert_string_equal(line->err.text, text);
    assert_string_equal(line->err.remedy, remedy);
}

static void a_backup_takes_all_its_options(void **state)
{
    (void)state;
    struct line *line = read_line("backup --reason before_the_upgrade --consistency=filesystem "
                                  "--wait cut --no-image --keep 30d --max-age 30m --tag A=1 "
                                  "--tag B=x=y -n --json --quiet --config /x.conf");

    assert_true(line->ok);
    const struct cli_options *options = &line->options;
    assert_int_equal(options->command, CLI_BACKUP);
    assert_string_equal(options->reason, "before the upgrade");
    assert_string_equal(options->consistency, "filesystem");
    assert_string_equal(options->wait, "cut");
    assert_int_equal(options->image, CLI_IMAGE_NO);
    assert_int_equal(options->keep_ms, 30LL * 86400 * 1000);
    assert_int_equal(options->max_age_ms, 30 * 60 * 1000);
    assert_string_equal(json_string_value(json_object_get(options->tags, "A")), "1");
    assert_string_equal(json_string_value(json_object_get(options->tags, "B")), "x=y");
    assert_true(options->dry_run && options->json && options->quiet && !options->pin);
    assert_string_equal(options->config, "/x.conf");
}

static void what_is_not_given_stays_for_the_configuration_to_decide(void **state)
{
    (void)state;
    struct line *line = read_line("backup");

    assert_true(line->ok);
    assert_null(line->options.reason);
    assert_null(line->options.consistency);
    assert_null(line->options.wait);
    assert_null(line->options.tags);
    assert_int_equal(line->options.image, CLI_IMAGE_AS_CONFIGURED);
    assert_int_equal(line->options.keep_ms, 0);
    assert_int_equal(line->options.max_age_ms, 0);
}

static void options_stand_before_or_behind_the_verb_and_its_argument(void **state)
{
    (void)state;
    static const char *const lines[] = {"--json show latest", "show --json latest",
                                        "show latest --json", "--json -- show latest"};

    for (size_t i = 0; i < 4; i++) {
        struct line *line = read_line(lines[i]);
        assert_true(line->ok);
        assert_int_equal(line->options.command, CLI_SHOW);
        assert_string_equal(line->options.id, "latest");
        assert_true(line->options.json);
    }
}

static void after_two_dashes_nothing_is_an_option(void **state)
{
    (void)state;
    struct line *line = read_line("show -- --json");

    assert_true(line->ok);
    assert_string_equal(line->options.id, "--json");
    assert_false(line->options.json);
}

static void a_kind_stands_before_the_id(void **state)
{
    (void)state;
    struct line *line = read_line("restore -n instance sp-1 --json");

    assert_true(line->ok);
    assert_int_equal(line->options.command, CLI_RESTORE);
    assert_string_equal(line->options.kind, "instance");
    assert_string_equal(line->options.id, "sp-1");
    assert_int_equal(line->options.path_count, 0);
    refuses("restore", "restore needs to know what",
            "write stillpoint restore KIND ID; KIND is one of: instance, volumes, files");
    refuses("restore instanse sp-1", "restore: 'instanse' is not known", "did you mean instance?");
    refuses("restore instance", "restore instance needs ID",
            "stillpoint list shows the ids; `latest' is the newest");
    refuses("restore instance sp-1 sp-2", "restore: 'sp-2' is one word too many",
            "see stillpoint restore --help");
    refuses("restore instance sp-1 --pin", "restore instance has no option --pin",
            "see stillpoint restore --help");
}

static void a_hold_needs_a_lease_that_the_guard_allows(void **state)
{
    (void)state;
    struct line *line = read_line("hold --lease 30s --leave-out / --leave-out /srv/ --reason dlm");

    assert_true(line->ok);
    assert_int_equal(line->options.lease_ms, 30000);
    assert_int_equal(line->options.leave_out.count, 2);
    assert_string_equal(line->options.leave_out.items[1], "/srv");
    assert_true(cli_options_change(&line->options));
    assert_true(read_line("hold --lease 60s -n")->ok);
    assert_true(read_line("release")->ok);
    assert_true(read_line("release sp-20261124T081530Z-k3f9x --json")->ok);
    refuses("hold", "hold needs --lease DURATION",
            "write how long it may last if nobody releases it: --lease 30s");
    static const char *const bad[] = {"0", "0s", "1s", "61s", "-3s", "1h", "x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char words[64];
        assert_true(snprintf(words, sizeof(words), "hold --lease=%s", bad[i]) > 0);
        line = read_line(words);
        assert_false(line->ok);
        assert_int_equal(line->err.kind, ERR_USAGE);
        assert_true(line->err.remedy[0] != '\0');
    }
    refuses("hold --lease 5s --consistency crash",
            "hold: at crash consistency there is nothing to hold",
            "take the snapshots, or write --consistency filesystem");
    refuses("hold --lease 5s --leave-out srv", "--leave-out: 'srv' is no mount point",
            "write its absolute path, as findmnt shows it");
    refuses("backup --lease 5s", "backup has no option --lease", "see stillpoint backup --help");
}

static void a_value_that_is_given_twice_is_refused(void **state)
{
    (void)state;

    refuses("restore volumes sp-1 --attach i-1 --attach i-2", "--attach: given twice",
            "keep one of the two");
    refuses("backup --reason=a --json --reason=a", "--reason: given twice", "keep one of the two");
    assert_true(read_line("restore volumes sp-1 --volume vol-1 --volume vol-2 -n -n")->ok);
    assert_true(read_line("restore instance sp-1 --security-group sg-1 --security-group sg-2")->ok);
    assert_true(read_line("backup --tag a=1 --tag b=2")->ok);
    assert_true(read_line("iam-policy --role node --with verify --with rollback")->ok);
}

static void delete_takes_several_ids_and_the_others_one(void **state)
{
    (void)state;
    struct line *line = read_line("delete sp-a --force sp-b -n latest");
    assert_true(line->ok);
    assert_int_equal(line->options.id_count, 3);
    assert_string_equal(line->options.ids[0], "sp-a");
    assert_string_equal(line->options.ids[2], "latest");
    assert_true(line->options.force && line->options.dry_run);

    refuses("delete", "delete needs ID...",
            "stillpoint list shows the ids; `latest' is the newest");
    refuses("pin sp-a sp-b", "pin: 'sp-b' is one word too many", "see stillpoint pin --help");
    refuses("prune sp-a", "prune: 'sp-a' is one word too many", "see stillpoint prune --help");
    refuses("unpin sp-a --force", "unpin has no option --force", "see stillpoint unpin --help");
    refuses("delete sp-a --all-nodes", "delete has no option --all-nodes",
            "see stillpoint delete --help");
}

static void a_new_instance_takes_all_its_options(void **state)
{
    (void)state;
    struct line *line = read_line(
        "restore instance latest --type t3.small --subnet subnet-1 --zone eu-west-1a "
        "--security-group sg-1 --security-group=sg-2 --private-ip 10.0.0.9 --key ops --profile p "
        "--user-data /f --name new_node --tag A=1 --replace --another --wait none");

    assert_true(line->ok);
    const struct cli_options *options = &line->options;
    assert_string_equal(options->type, "t3.small");
    assert_string_equal(options->subnet, "subnet-1");
    assert_string_equal(options->zone, "eu-west-1a");
    assert_int_equal(options->security_group_count, 2);
    assert_string_equal(options->security_groups[1], "sg-2");
    assert_string_equal(options->private_ip, "10.0.0.9");
    assert_string_equal(options->key, "ops");
    assert_string_equal(options->profile, "p");
    assert_string_equal(options->user_data_path, "/f");
    assert_string_equal(options->name, "new node");
    assert_string_equal(options->wait, "none");
    assert_true(options->replace && options->another);
}

static void what_can_be_waited_for_depends_on_the_command(void **state)
{
    (void)state;
    assert_true(read_line("--wait running restore instance latest")->ok);
    refuses("restore instance latest --wait cut", "--wait: 'cut' is not known",
            "write running or none");
    refuses("backup --wait running", "--wait: 'running' is not known", "write complete or cut");
    refuses("backup --type x", "backup has no option --type", "see stillpoint backup --help");
    refuses("restore instance latest --name=", "--name must not be empty",
            "name one, or leave --name out");
}

static void the_later_of_two_contradicting_options_wins(void **state)
{
    (void)state;
    assert_int_equal(read_line("backup --image --no-image")->options.image, CLI_IMAGE_NO);
    assert_int_equal(read_line("backup --no-image --image")->options.image, CLI_IMAGE_YES);
}

static void json_is_seen_behind_what_is_refused(void **state)
{
    char *empty[] = {(char *)(uintptr_t) "stillpoint", (char *)(uintptr_t) "rollback",
                     (char *)(uintptr_t) "", (char *)(uintptr_t) "--json"};
    struct cli_options options;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(cli_options_read(4, empty, &options, &err));
    assert_string_equal(err.text, "rollback: the id must not be empty");
    assert_true(options.json);
    assert_true(read_line("nonsense --json")->options.json);
    assert_true(read_line("show a b --json")->options.json);
    assert_false(read_line("nonsense -- --json")->options.json);
    assert_false(read_line("nonsense")->options.json);
}

static void an_unknown_word_is_answered_with_the_nearest_known(void **state)
{
    (void)state;
    refuses("bakcup", "unknown command 'bakcup'", "did you mean backup?");
    refuses("frobnicate", "unknown command 'frobnicate'", "see stillpoint --help");
    refuses("backup --resaon x", "unknown option --resaon", "did you mean --reason?");
    refuses("backup --cons x", "unknown option --cons", "did you mean --consistency?");
    refuses("backup --zzz", "unknown option --zzz", "see stillpoint --help");
    refuses("backup -x", "unknown option -x", "see stillpoint --help");
    refuses("backup --consistency app", "--consistency: 'app' is not known",
            "write application, filesystem or crash");
    refuses("backup --consistency aplication", "--consistency: 'aplication' is not known",
            "did you mean application?");
    refuses("backup --wait never", "--wait: 'never' is not known", "write complete or cut");
}

static void wrong_usage_says_what_would_be_right(void **state)
{
    (void)state;
    refuses("", "no command given", "see stillpoint --help");
    refuses("--json", "no command given", "see stillpoint --help");
    refuses("show", "show needs ID", "stillpoint list shows the ids; `latest' is the newest");
    refuses("show a b", "show: 'b' is one word too many", "see stillpoint show --help");
    refuses("status now", "status: 'now' is one word too many", "see stillpoint status --help");
    refuses("list --keep 3d", "list has no option --keep", "see stillpoint list --help");
    refuses("--pin doctor", "doctor has no option --pin", "see stillpoint doctor --help");
    refuses("backup --reason", "--reason needs a value", "write --reason TEXT");
    refuses("backup --pin=yes", "--pin takes no value", "write --pin alone");
    refuses("backup --keep 5", "--keep: '5' is not a duration",
            "write a number with its unit: 500ms, 10s, 5m, 2h, 7d, 4w");
    refuses("backup --keep 0", "--keep: 0 is out of range", "write a duration from 1s to 3650d");
    refuses("backup --max-age 0", "--max-age: 0 is out of range",
            "write a duration from 1s to 3650d");
    refuses("list --max-age 1h", "list has no option --max-age", "see stillpoint list --help");
    refuses("backup --pin --keep 3d", "--pin and --keep exclude each other",
            "a pinned backup never expires: leave one of them out");
    refuses("list --group=", "--group must not be empty", "name one, or leave --group out");
    refuses("list --all-nodes --node db1", "list: --all-nodes and --node exclude each other",
            "leave one of them out");
    refuses("list --by-node --limit 3", "list: --limit counts backups, --by-node shows nodes",
            "leave one of them out");
    assert_true(read_line("list --by-node --all-nodes")->ok);
    assert_true(read_line("list --by-node --node db1")->ok);
    refuses("thaw", "thaw ends the hold of a backup that runs: it needs --force",
            "stillpoint thaw -n shows what is held");
    refuses("backup --tag novalue", "--tag: 'novalue' is not KEY=VALUE", "write it as KEY=VALUE");
}

static void thaw_without_force_only_looks(void **state)
{
    (void)state;
    struct line *line = read_line("thaw -n");

    assert_true(line->ok);
    assert_true(line->options.dry_run);
    assert_false(line->options.force);
    assert_true(read_line("thaw --force")->options.force);
}

static void a_rollback_is_one_of_three_things_or_only_looked_at(void **state)
{
    const struct cli_options *options =
        &read_line("rollback sp-1 --data-only --no-backup -y")->options;

    (void)state;
    assert_true(options->data_only && options->no_backup && options->yes);
    assert_true(cli_options_change(options));
    options = &read_line("rollback")->options;
    assert_null(options->id);
    assert_false(cli_options_change(options));
    assert_false(cli_options_change(&read_line("rollback --undo -n")->options));
    assert_true(cli_options_change(&read_line("rollback --commit")->options));
    refuses("rollback sp-1 --undo", "rollback: an id, --commit and --undo exclude each other",
            "stillpoint rollback says in what state the last one is");
    refuses("rollback --commit --undo", "rollback: an id, --commit and --undo exclude each other",
            "stillpoint rollback says in what state the last one is");
    refuses("rollback --data-only", "rollback: --data-only needs the id of a backup",
            "stillpoint list shows the ids; `latest' is the newest");
    refuses("backup --yes", "backup has no option --yes", "see stillpoint backup --help");
}

static void tags_that_are_not_the_operators_are_refused(void **state)
{
    (void)state;
    char words[200] = "backup --tag ";

    refuses("backup --tag aws:x=1", "--tag: keys that begin with 'aws:' are not yours to set",
            "choose another key");
    refuses("backup --tag AWS:x=1", "--tag: keys that begin with 'AWS:' are not yours to set",
            "choose another key");
    refuses("backup --tag stillpoint:id=1",
            "--tag: keys that begin with 'stillpoint:' are not yours to set", "choose another key");
    refuses("backup --tag a=1 --tag a=2", "--tag: 'a' is given twice", "keep one of the two");
    refuses("backup --tag Name=1", "--tag: the tag Name is set by Stillpoint",
            "choose another key");
    memset(words + strlen(words), 'k', TAG_KEY_CHARS_MAX);
    strcat(words, "=1");
    assert_true(read_line(words)->ok);
    words[13] = 'k';
    memmove(words + 14, words + 13, strlen(words + 13) + 1);
    refuses(words,
            "--tag: the key 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…' has 129 characters, more "
            "than 128",
            "EC2 takes no longer one: shorten it");
}

static void a_tags_value_that_is_too_long_is_refused_not_cut(void **state)
{
    (void)state;
    char words[2 * TAG_VALUE_CHARS_MAX + 32] = "backup --tag Team=";

    for (int i = 0; i < TAG_VALUE_CHARS_MAX; i++)
        strcat(words, "\xc3\xa4");
    assert_true(read_line(words)->ok);
    strcat(words, "\xc3\xa4");
    refuses(words, "--tag: the value of 'Team' has 257 characters, more than 256",
            "EC2 takes no longer one: shorten it");
}

static void more_tags_than_a_resource_has_room_for_are_refused(void **state)
{
    (void)state;
    char words[1024] = "backup";

    for (int i = 0; i < TAG_OWN_MAX; i++)
        (void)snprintf(words + strlen(words), sizeof(words) - strlen(words), " --tag k%d=v", i);
    assert_true(read_line(words)->ok);
    strcat(words, " --tag more=v");
    refuses(words, "--tag: more than 15 tags",
            "EC2 takes 50, and most are Stillpoint's: set fewer");
}

static void bytes_that_are_no_text_are_refused_not_replaced(void **state)
{
    (void)state;
    refuses("backup --tag caf\xe9=1", "--tag: not UTF-8", "write it in UTF-8: see `locale`");
    refuses("backup --tag cafe=\xff", "--tag: not UTF-8", "write it in UTF-8: see `locale`");
    refuses("backup --reason \xc3", "--reason: not UTF-8", "write it in UTF-8: see `locale`");
    struct line *line = read_line("backup --tag caf\xc3\xa9=\xe2\x82\xac");
    assert_true(line->ok);
    assert_string_equal(json_string_value(json_object_get(line->options.tags, "caf\xc3\xa9")),
                        "\xe2\x82\xac");
}

static void what_stands_behind_the_command_of_run_is_its_own(void **state)
{
    (void)state;
    static const char *const lines[] = {"--json run --pin --best-effort -- apt-get --json -y",
                                        "run --json --pin --best-effort apt-get --json -y"};

    for (size_t i = 0; i < 2; i++) {
        struct line *line = read_line(lines[i]);
        assert_true(line->ok);
        const struct cli_options *options = &line->options;
        assert_int_equal(options->command, CLI_RUN);
        assert_true(options->json && options->pin && options->best_effort);
        assert_string_equal(options->words[0], "apt-get");
        assert_string_equal(options->words[1], "--json");
        assert_string_equal(options->words[2], "-y");
        assert_true(cli_options_change(options));
    }
    assert_string_equal(read_line("run -- --odd")->options.words[0], "--odd");
    assert_true(read_line("run --help")->options.help);
    refuses("run", "run needs a COMMAND",
            "write stillpoint run [OPTIONS] -- COMMAND [ARGUMENT]...");
    refuses("run --pin --", "run needs a COMMAND",
            "write stillpoint run [OPTIONS] -- COMMAND [ARGUMENT]...");
    refuses("run --force ls", "run has no option --force", "see stillpoint run --help");
    refuses("backup --best-effort", "backup has no option --best-effort",
            "see stillpoint backup --help");
    refuses("run --wait running ls", "--wait: 'running' is not known", "write complete or cut");
}

static void pre_upgrade_is_for_one_package_manager(void **state)
{
    (void)state;
    assert_true(read_line("pre-upgrade --apt")->options.apt);
    struct line *line = read_line("pre-upgrade --dnf --after");
    assert_true(line->ok && line->options.dnf && line->options.after && !line->options.apt);
    refuses("pre-upgrade", "pre-upgrade needs one of --apt and --dnf",
            "apt and dnf call it by themselves; for anything else there is stillpoint run");
    refuses("pre-upgrade --apt --dnf", "pre-upgrade needs one of --apt and --dnf",
            "apt and dnf call it by themselves; for anything else there is stillpoint run");
    refuses("pre-upgrade --apt now", "pre-upgrade: 'now' is one word too many",
            "see stillpoint pre-upgrade --help");
}

static void help_and_version_need_nothing_else(void **state)
{
    (void)state;
    assert_true(read_line("--help")->ok);
    assert_true(read_line("--version")->options.version);
    assert_true(read_line("version")->options.version);
    assert_true(read_line("help")->options.help);
    assert_int_equal(read_line("help show")->options.command, CLI_SHOW);
    struct line *line = read_line("show --help");
    assert_true(line->ok && line->options.help);
    assert_int_equal(line->options.command, CLI_SHOW);
}

static void help_of_a_command_names_each_option_that_it_takes(void **state)
{
    (void)state;
    for (int command = CLI_NO_COMMAND; command < CLI_COMMAND_COUNT; command++) {
        struct buf text = BUF_INIT(64 * 1024);
        struct err err = ERR_INIT;

        assert_true(cli_help_make((enum cli_command)command, &text, &err));

        for (unsigned id = 0; id < CLI_OPTION_COUNT; id++) {
            char name[64];
            bool takes = (cli_option_table[id].commands & CLI_FOR(command)) != 0;
            (void)snprintf(name, sizeof(name), "--%s", cli_option_table[id].name);
            assert_int_equal(strstr(buf_text(&text), name) != NULL, takes);
        }
        for (const char *line = buf_text(&text); *line != '\0'; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= 92);
        buf_free(&text);
    }
}

static void every_option_has_a_meaning(void **state)
{
    (void)state;
    for (unsigned id = 0; id < CLI_OPTION_COUNT; id++) {
        static const unsigned char before[sizeof(struct cli_options)]; /* all zero */
        unsigned char after[sizeof(before)];
        struct cli_options options;
        struct err err = ERR_INIT;
        memset(&options, 0, sizeof(options));

        bool ok = cli_option_apply(&options, (enum cli_option_id)id, "x", &err);

        if (!ok && err.kind != ERR_USAGE)
            fail_msg("--%s: %s", cli_option_table[id].name, err.text);
        memcpy(after, &options, sizeof(after));
        if (ok && memcmp(after, before, sizeof(after)) == 0)
            fail_msg("--%s changes nothing", cli_option_table[id].name);
        cli_options_free(&options);
    }
}

static void help_of_a_command_groups_its_options_by_kind(void **state)
{
    (void)state;
    for (const struct cli_kind *kind = cli_verbs_kinds(CLI_RESTORE); kind->name; kind++) {
        struct buf text = BUF_INIT(64 * 1024);
        struct err err = ERR_INIT;
        char name[64];

        assert_true(cli_help_make(CLI_RESTORE, &text, &err));
        (void)snprintf(name, sizeof(name), "\nOptions of %s\n", kind->name);
        char *group = strstr(buf_text(&text), name);

        assert_non_null(group);
        *strstr(group, "\n\n") = '\0';
        for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
            enum cli_option_id id = (enum cli_option_id)i;
            bool within = cli_verbs_option_fits(id, CLI_RESTORE, kind->name) &&
                          !cli_verbs_option_of_all(id, CLI_RESTORE);
            (void)snprintf(name, sizeof(name), " --%s ", cli_option_table[i].name);
            assert_int_equal(strstr(group, name) != NULL, within);
        }
        buf_free(&text);
    }
}

static void help_says_what_an_option_is_to_that_command_and_kind(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(64 * 1024);
    struct err err = ERR_INIT;

    assert_true(cli_help_make(CLI_RESTORE, &text, &err));

    const char *volumes = strstr(buf_text(&text), "\nOptions of volumes\n");
    assert_non_null(volumes);
    assert_true(strstr(buf_text(&text), "m5.large") < volumes);
    assert_null(strstr(volumes, "m5.large"));
    assert_non_null(strstr(volumes, "gp3 (default)"));
    assert_null(strstr(buf_text(&text), "cut: the instant"));
    buf_free(&text);
}

/* Each hyphen of TEXT from AT on as \-. */
static void as_in_roff(char *text, size_t at)
{
    for (char *dash = strchr(text + at, '-'); dash != NULL; dash = strchr(dash + 2, '-')) {
        memmove(dash + 1, dash, strlen(dash) + 1);
        *dash = '\\';
    }
}

static void the_man_page_names_every_command_and_option(void **state)
{
    (void)state;
    FILE *file = fopen("packaging/man/stillpoint.8", "r");
    static char page[128 * 1024];
    char wanted[80];

    if (file == NULL)
        skip(); /* run from elsewhere than the tree's root */
    size_t len = fread(page, 1, sizeof(page) - 1, file);
    (void)fclose(file);
    page[len] = '\0';

    for (int i = 1; i < CLI_COMMAND_COUNT; i++) {
        (void)snprintf(wanted, sizeof(wanted), ".SS %s", cli_verbs[i].name);
        as_in_roff(wanted, 0);
        if (strstr(page, wanted) == NULL)
            fail_msg("%s is missing", wanted);
    }
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        (void)snprintf(wanted, sizeof(wanted), "\\-\\-%s", cli_option_table[i].name);
        as_in_roff(wanted, 4);
        if (strstr(page, wanted) == NULL)
            fail_msg("%s is missing", wanted);
    }
}

static void iam_policy_takes_roles_rights_and_arns(void **state)
{
    (void)state;
    struct line *line = read_line("iam-policy --role node --with rollback --with verify --billed "
                                  "--kms-key arn:aws:kms:eu-west-1:123456789012:key/1 "
                                  "--kms-key arn:aws-cn:kms:cn-north-1:123456789012:key/2");

    assert_true(line->ok);
    assert_int_equal(line->options.command, CLI_IAM_POLICY);
    assert_string_equal(line->options.role, "node");
    assert_int_equal(line->options.with, IAM_WITH_VERIFY | IAM_WITH_ROLLBACK);
    assert_true(line->options.billed);
    assert_int_equal(line->options.kms_keys.count, 2);
    line = read_line("iam-policy --role restore --pass-role arn:aws:iam::123456789012:role/a/b");
    assert_true(line->ok);
    assert_int_equal(line->options.pass_roles.count, 1);
}

static void iam_policy_says_what_it_wants_instead(void **state)
{
    (void)state;
    refuses("iam-policy", "iam-policy needs --role",
            "write --role node, --role pruner or --role restore");
    refuses("iam-policy --role prunner", "--role: 'prunner' is not known", "did you mean pruner?");
    refuses("iam-policy --role x", "--role: 'x' is not known", "write node, pruner or restore");
    refuses("iam-policy --role node --with prune", "--with: 'prune' is not known",
            "write verify or rollback");
    refuses("iam-policy --role node more", "iam-policy: 'more' is one word too many",
            "see stillpoint iam-policy --help");
    refuses("backup --role node", "backup has no option --role", "see stillpoint backup --help");
    static const char *const no_keys[] = {
        "alias/aws/ebs",
        "arn:aws:kms:eu-west-1:123456789012:alias/aws/ebs",
        "arn:aws:kms:eu-west-1:123456789012:key/",
        "arn:aws:kms:eu-west-1:123456789012:key/a:b",
        "arn:aws:kms:eu-west-1:key/1",
        "arn:aws:kms:*:123456789012:key/*",
        "arn:aws:iam::123456789012:role/a",
        "",
    };
    for (size_t i = 0; i < sizeof(no_keys) / sizeof(no_keys[0]); i++) {
        char words[200];
        (void)snprintf(words, sizeof(words), "iam-policy --role node --kms-key=%s", no_keys[i]);
        struct line *line = read_line(words);
        assert_false(line->ok);
        assert_int_equal(line->err.kind, ERR_USAGE);
        assert_non_null(strstr(line->err.text, "--kms-key: '"));
        assert_non_null(strstr(line->err.remedy, "aws kms describe-key"));
    }
    struct line *line = read_line("iam-policy --role restore --pass-role NAME");
    assert_false(line->ok);
    assert_string_equal(line->err.text, "--pass-role: 'NAME' is no role's ARN");
}

static int free_last(void **state)
{
    (void)state;
    (void)read_line("status");
    return 0;
}

static void verify_and_the_restores_of_volumes_take_their_options(void **state)
{
    (void)state;

    struct line *line = read_line("verify latest --deep --again -n");
    assert_true(line->ok);
    assert_int_equal(line->options.command, CLI_VERIFY);
    assert_true(line->options.deep && line->options.again && line->options.dry_run);

    line =
        read_line("restore volumes sp-1 --zone eu-west-1b --type io2 --iops 500 --kms-key alias/k "
                  "--volume vol-1 --volume /dev/sdf --attach i-1 --initialize 200");
    assert_true(line->ok);
    assert_string_equal(line->options.kind, "volumes");
    assert_int_equal(line->options.iops, 500);
    assert_int_equal(line->options.initialize, 200);
    assert_int_equal(line->options.volume_count, 2);
    assert_string_equal(line->options.kms_key, "alias/k");

    line = read_line("restore files sp-1 /etc /srv --to /tmp/back");
    assert_true(line->ok);
    assert_int_equal(line->options.path_count, 2);
    assert_string_equal(line->options.to, "/tmp/back");
}

static void what_verify_and_the_restores_can_not_use_is_refused(void **state)
{
    static const char *const bad[] = {
        "verify",
        "verify latest --zone x",
        "verify latest --deep=yes",
        "restore volumes sp-1 --to /x",
        "restore volumes sp-1 --iops many",
        "restore volumes sp-1 --kms-key a --kms-key b",
        "restore volumes sp-1 --kms-key=",
        "restore volumes sp-1 /etc",
        "restore volumes sp-1 --tag a=b",
        "restore files sp-1 /etc",
        "restore files sp-1 --to /x",
        "restore files sp-1 /etc --to=",
        "restore instance sp-1 --deep",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct line *line = read_line(bad[i]);
        if (line->ok)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(line->err.kind, ERR_USAGE);
        assert_string_not_equal(line->err.remedy, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_takes_all_its_options),
        cmocka_unit_test(what_is_not_given_stays_for_the_configuration_to_decide),
        cmocka_unit_test(options_stand_before_or_behind_the_verb_and_its_argument),
        cmocka_unit_test(after_two_dashes_nothing_is_an_option),
        cmocka_unit_test(a_kind_stands_before_the_id),
        cmocka_unit_test(a_hold_needs_a_lease_that_the_guard_allows),
        cmocka_unit_test(a_value_that_is_given_twice_is_refused),
        cmocka_unit_test(delete_takes_several_ids_and_the_others_one),
        cmocka_unit_test(a_new_instance_takes_all_its_options),
        cmocka_unit_test(what_can_be_waited_for_depends_on_the_command),
        cmocka_unit_test(the_later_of_two_contradicting_options_wins),
        cmocka_unit_test(json_is_seen_behind_what_is_refused),
        cmocka_unit_test(an_unknown_word_is_answered_with_the_nearest_known),
        cmocka_unit_test(wrong_usage_says_what_would_be_right),
        cmocka_unit_test(thaw_without_force_only_looks),
        cmocka_unit_test(a_rollback_is_one_of_three_things_or_only_looked_at),
        cmocka_unit_test(tags_that_are_not_the_operators_are_refused),
        cmocka_unit_test(a_tags_value_that_is_too_long_is_refused_not_cut),
        cmocka_unit_test(more_tags_than_a_resource_has_room_for_are_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_not_replaced),
        cmocka_unit_test(what_stands_behind_the_command_of_run_is_its_own),
        cmocka_unit_test(pre_upgrade_is_for_one_package_manager),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(help_of_a_command_names_each_option_that_it_takes),
        cmocka_unit_test(every_option_has_a_meaning),
        cmocka_unit_test(help_of_a_command_groups_its_options_by_kind),
        cmocka_unit_test(help_says_what_an_option_is_to_that_command_and_kind),
        cmocka_unit_test(the_man_page_names_every_command_and_option),
        cmocka_unit_test(iam_policy_takes_roles_rights_and_arns),
        cmocka_unit_test(iam_policy_says_what_it_wants_instead),
        cmocka_unit_test(verify_and_the_restores_of_volumes_take_their_options),
        cmocka_unit_test(what_verify_and_the_restores_can_not_use_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, free_last);
}
