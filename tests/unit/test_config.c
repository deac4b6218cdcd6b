/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/tag.h"
#include "agent/daemon/config_show.h"
#include "tests/unit/tree.h"

#define MAIN "stillpoint.conf"

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    assert_non_null(tree);
    tree_make(tree, "config");
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

static bool load_env(const struct tree *tree, const char *(*env)(const char *name),
                     struct config **ret_config, struct err *err)
{
    char path[TREE_PATH_BYTES];
    const struct config_source source = {tree_path(tree, MAIN, path), true, env};

    return config_load(&source, ret_config, err);
}

static struct config *load_good(const struct tree *tree)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    if (!load_env(tree, NULL, &config, &err))
        fail_msg("%s (%s)", err.text, err.remedy);
    return config;
}

/* Loads what must be refused: at FILE:LINE, with WORDS in the text and REMEDY in the remedy. */
static void refuse(const struct tree *tree, const char *place, const char *words,
                   const char *remedy)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    assert_false(load_env(tree, NULL, &config, &err));
    assert_null(config);
    assert_int_equal(err.kind, ERR_CONFIG);
    if (strstr(err.text, place) == NULL || strstr(err.text, words) == NULL ||
        strstr(err.remedy, remedy) == NULL)
        fail_msg("\"%s\" (\"%s\") lacks \"%s\", \"%s\" or \"%s\"", err.text, err.remedy, place,
                 words, remedy);
}

static void refuse_text(const struct tree *tree, const char *text, const char *place,
                        const char *words, const char *remedy)
{
    tree_write(tree, MAIN, text);
    refuse(tree, place, words, remedy);
}

static const struct config_entry *entry_of(const struct config *config, const char *section,
                                           const char *key)
{
    for (size_t i = 0; i < config->entry_count; i++) {
        if (strcmp(config->entries[i].section, section) == 0 &&
            strcmp(config->entries[i].key, key) == 0)
            return &config->entries[i];
    }
    fail_msg("no entry [%s] %s", section, key);
    return NULL;
}

/* --- what is good ------------------------------------------------------------------------------
 */

static void an_empty_file_gives_the_documented_defaults(void **state)
{
    tree_write(*state, MAIN, "");

    struct config *config = load_good(*state);

    assert_int_equal(config->aws.identity, CONFIG_IDENTITY_IMDS);
    assert_string_equal(config->aws.region, "");
    assert_int_equal(config->aws.request_timeout_ms, 8000);
    assert_int_equal(config->backup.consistency, LABEL_APPLICATION);
    assert_int_equal(config->backup.on_shortfall, CONFIG_SHORTFALL_KEEP);
    assert_int_equal(config->backup.hold_deadline_ms, 10000);
    assert_int_equal(config->backup.lock_wait_ms, 2000);
    assert_int_equal(config->backup.job_timeout_ms, 600000);
    assert_int_equal(config->backup.finish_timeout_ms, 86400000);
    assert_int_equal(config->backup.retry_holds, 3);
    assert_true(config->backup.image);
    assert_true(config->backup.mounts_auto);
    assert_int_equal(config->backup.exclude_mounts.count, 0);
    assert_string_equal(config->paths.run, "/run/stillpoint");
    assert_string_equal(config->paths.state, "/var/lib/stillpoint");
    assert_string_equal(config->guard_socket, "/run/stillpoint/guard.sock");
    assert_string_equal(config->control_socket, "/run/stillpoint/control.sock");
    assert_string_equal(config->hook_socket, "/run/stillpoint/hook.sock");
    assert_string_equal(config->daemon.group, "stillpoint");
    assert_int_equal(config->hook_count, 0);
    assert_string_equal(entry_of(config, "backup", "image")->origin, "default");
    config_free(config);
}

static void without_any_section_one_mysql_is_looked_for_but_not_configured(void **state)
{
    tree_write(*state, MAIN, "[mysql]\n");

    struct config *config = load_good(*state);

    assert_int_equal(config->mysql_count, 1);
    assert_string_equal(config->mysql[0].name, "mysql");
    assert_false(config->mysql[0].configured);
    assert_false(config->mysql[0].required);
    assert_string_equal(config->mysql[0].user, "stillpoint");
    config_free(config);
}

static void a_key_makes_the_mysql_section_a_configured_one(void **state)
{
    tree_write(*state, MAIN, "[mysql]\nmethod = ftwrl\n");

    struct config *config = load_good(*state);

    assert_true(config->mysql[0].configured);
    assert_int_equal(config->mysql[0].method, CONFIG_DB_FTWRL);
    assert_string_equal(config_db_method_name(config->mysql[0].method), "ftwrl");
    config_free(config);
}

static void named_servers_stand_beside_each_other_without_the_default_one(void **state)
{
    tree_write(*state, MAIN,
               "[mysql a]\nsocket = /run/a.sock\nrequired = yes\n[mysql b]\nexact_position = on\n");

    struct config *config = load_good(*state);

    assert_int_equal(config->mysql_count, 2);
    assert_string_equal(config->mysql[0].name, "a");
    assert_string_equal(config->mysql[0].socket, "/run/a.sock");
    assert_true(config->mysql[0].required);
    assert_string_equal(config->mysql[1].name, "b");
    assert_true(config->mysql[1].configured);
    assert_true(config->mysql[1].exact_position);
    assert_false(config->mysql[1].required);
    assert_string_equal(entry_of(config, "mysql a", "required")->value, "yes");
    assert_string_equal(entry_of(config, "mysql b", "required")->value, "no");
    assert_string_equal(entry_of(config, "mysql b", "required")->origin, "default");
    assert_string_equal(entry_of(config, "mysql a", "exact_position")->origin, "default");
    config_free(config);
}

static void later_files_win_in_the_order_of_their_names(void **state)
{
    char expected[TREE_PATH_BYTES + 8];

    tree_write(*state, MAIN, "[backup]\nretry_holds = 1\nimage = no\n");
    tree_write(*state, "conf.d/20-b.conf", "[backup]\n\nretry_holds = 3\n");
    tree_write(*state, "conf.d/10-a.conf", "[backup]\nretry_holds = 2\nlock_wait = 1s\n");
    tree_write(*state, "conf.d/30-c.conf.dpkg-old", "[nonsense]\n");
    tree_write(*state, "conf.d/.40-hidden.conf", "[nonsense]\n");

    struct config *config = load_good(*state);

    assert_int_equal(config->backup.retry_holds, 3);
    assert_int_equal(config->backup.lock_wait_ms, 1000);
    assert_false(config->backup.image);
    (void)snprintf(expected, sizeof(expected), "%s/conf.d/20-b.conf:3",
                   ((struct tree *)*state)->root);
    assert_string_equal(entry_of(config, "backup", "retry_holds")->origin, expected);
    assert_string_equal(entry_of(config, "backup", "retry_holds")->value, "3");
    config_free(config);
}

static void comments_are_cut_off_behind_white_space_only(void **state)
{
    tree_write(*state, MAIN,
               "# one\n; two\n[aws]  # three\nprofile = a;b#c ; four\nregion = eu-west-1 # five\n");

    struct config *config = load_good(*state);

    assert_string_equal(config->aws.profile, "a;b#c");
    assert_string_equal(config->aws.region, "eu-west-1");
    config_free(config);
}

static void a_list_goes_on_in_indented_lines(void **state)
{
    tree_write(*state, MAIN,
               "[backup]\nmounts = /a,\n    /b c , /d # not this\n\t/e\nexclude_mounts =\n  /f\n"
               "tags = Team=media, Cost Centre=4711\n");

    struct config *config = load_good(*state);

    assert_false(config->backup.mounts_auto);
    assert_int_equal(config->backup.mounts.count, 4);
    assert_string_equal(config->backup.mounts.items[0], "/a");
    assert_string_equal(config->backup.mounts.items[1], "/b c");
    assert_string_equal(config->backup.mounts.items[2], "/d");
    assert_string_equal(config->backup.mounts.items[3], "/e");
    assert_int_equal(config->backup.exclude_mounts.count, 1);
    assert_string_equal(config->backup.tags.items[1], "Cost Centre=4711");
    config_free(config);
}

static void a_later_file_replaces_a_list_as_a_whole(void **state)
{
    tree_write(*state, MAIN, "[backup]\nmounts = /a, /b\n");
    tree_write(*state, "conf.d/x.conf", "[backup]\nmounts = auto\n");

    struct config *config = load_good(*state);

    assert_true(config->backup.mounts_auto);
    assert_int_equal(config->backup.mounts.count, 0);
    config_free(config);
}

static void windows_line_ends_and_a_byte_order_mark_do_no_harm(void **state)
{
    tree_write(*state, MAIN, "\xef\xbb\xbf[backup]\r\nlock_wait = 3s\r\n");

    struct config *config = load_good(*state);

    assert_int_equal(config->backup.lock_wait_ms, 3000);
    config_free(config);
}

static void hooks_come_from_sections_first_then_from_the_folder_by_name(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN,
               "[hook zeta]\nphases = hold, release\nhold_timeout = 1s\n"
               "[hook other]\nexec = /opt/other\nrequired = yes\n");
    tree_write(tree, "hooks.d/zeta", "");
    tree_write(tree, "hooks.d/beta", "");
    tree_write(tree, "hooks.d/alpha", "");
    tree_write(tree, "hooks.d/README", "not a program\n");
    assert_int_equal(chmod(tree_path(tree, "hooks.d/zeta", path), 0755), 0);
    assert_int_equal(chmod(tree_path(tree, "hooks.d/beta", path), 0755), 0);
    assert_int_equal(chmod(tree_path(tree, "hooks.d/alpha", path), 0700), 0);

    struct config *config = load_good(tree);

    assert_int_equal(config->hook_count, 4);
    assert_string_equal(config->hooks[0].name, "zeta");
    assert_string_equal(config->hooks[0].exec, tree_path(tree, "hooks.d/zeta", path));
    assert_int_equal(config->hooks[0].phases, CONFIG_PHASE_HOLD | CONFIG_PHASE_RELEASE);
    assert_int_equal(config->hooks[0].hold_timeout_ms, 1000);
    assert_string_equal(config->hooks[1].exec, "/opt/other");
    assert_true(config->hooks[1].required);
    assert_string_equal(config->hooks[2].name, "alpha");
    assert_string_equal(config->hooks[3].name, "beta");
    assert_int_equal(config->hooks[3].phases, 15);
    assert_int_equal(config->hooks[3].prepare_timeout_ms, 30000);
    assert_int_equal(config->hooks[3].hold_timeout_ms, 2000);
    assert_int_equal(config->hooks[3].stop_timeout_ms, 120000);
    config_free(config);
}

static void a_program_of_the_folder_under_another_name_does_not_run_twice(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES], text[2 * TREE_PATH_BYTES];

    (void)snprintf(text, sizeof(text), "[hook nice]\nexec = %s\n",
                   tree_path(tree, "hooks.d/10-real", path));
    tree_write(tree, MAIN, text);
    tree_write(tree, "hooks.d/10-real", "");
    assert_int_equal(chmod(path, 0755), 0);

    struct config *config = load_good(tree);

    assert_int_equal(config->hook_count, 1);
    assert_string_equal(config->hooks[0].name, "nice");
    config_free(config);
}

static void what_a_package_manager_leaves_beside_a_hook_does_not_run(void **state)
{
    const struct tree *tree = *state;
    static const char *const names[] = {"hooks.d/real",           "hooks.d/real.dpkg-dist",
                                        "hooks.d/real.dpkg-old",  "hooks.d/real.ucf-dist",
                                        "hooks.d/real.rpmsave",   "hooks.d/real.rpmnew",
                                        "hooks.d/real.rpmorig",   "hooks.d/real~",
                                        "hooks.d/real.rpmnew.sh", NULL};
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN, "");
    for (size_t i = 0; names[i] != NULL; i++) {
        tree_write(tree, names[i], "");
        assert_int_equal(chmod(tree_path(tree, names[i], path), 0755), 0);
    }

    struct config *config = load_good(tree);

    assert_int_equal(config->hook_count, 2);
    assert_string_equal(config->hooks[0].name, "real");
    assert_string_equal(config->hooks[1].name, "real.rpmnew.sh");
    config_free(config);
}

static void a_relative_main_file_has_its_hooks_by_absolute_path(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES], home[TREE_PATH_BYTES];
    const struct config_source source = {"./" MAIN, true, NULL};
    struct config *config = NULL;
    struct err err = ERR_INIT;

    tree_write(tree, MAIN, "[hook a]\nrequired = yes\n");
    assert_non_null(getcwd(home, sizeof(home)));
    assert_int_equal(chdir(tree->root), 0);
    bool ok = config_load(&source, &config, &err);
    assert_int_equal(chdir(home), 0);

    assert_true(ok);
    assert_string_equal(config->hooks[0].exec, tree_path(tree, "hooks.d/a", path));
    config_free(config);
}

static const char *fake_env(const char *name)
{
    if (strcmp(name, "AWS_REGION") == 0)
        return "eu-central-1";
    if (strcmp(name, "AWS_ENDPOINT_URL") == 0)
        return "https://both.example/";
    if (strcmp(name, "AWS_ENDPOINT_URL_EC2") == 0)
        return "https://ec2.example:8443";
    if (strcmp(name, "AWS_CA_BUNDLE") == 0)
        return ""; /* set to nothing is not set */
    return NULL;
}

static void the_environment_overrides_as_the_aws_tools_do(void **state)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    tree_write(*state, MAIN, "[aws]\nregion = eu-west-1\nca_bundle = /etc/ca.pem\n");
    assert_true(load_env(*state, fake_env, &config, &err));

    assert_string_equal(config->aws.region, "eu-central-1");
    assert_string_equal(entry_of(config, "aws", "region")->origin, "environment AWS_REGION");
    assert_string_equal(config->aws.endpoint_ec2, "https://ec2.example:8443");
    assert_string_equal(config->aws.endpoint_s3, "https://both.example");
    assert_string_equal(config->aws.ca_bundle, "/etc/ca.pem");
    config_free(config);
}

static const char *bad_env(const char *name)
{
    return strcmp(name, "AWS_ENDPOINT_URL_EC2") == 0 ? "ec2.example" : NULL;
}

static void a_bad_value_in_the_environment_names_its_variable(void **state)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;

    tree_write(*state, MAIN, "");
    assert_false(load_env(*state, bad_env, &config, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "environment AWS_ENDPOINT_URL_EC2"));
}

static void http_is_for_this_machine_and_the_metadata_service(void **state)
{
    tree_write(*state, MAIN,
               "[aws]\nendpoint_ec2 = http://127.0.0.1:5000\nendpoint_imds = http://10.0.0.1\n");
    config_free(load_good(*state));
    refuse_text(*state, "[aws]\nendpoint_ec2 = http://127.0.0.1.evil.example/\n", MAIN ":2",
                "in the clear", "https://");
    refuse_text(*state, "[aws]\nendpoint_s3 = https://u:p@host/\n", MAIN ":2", "not the address",
                "https://HOST");
}

static void an_endpoint_has_a_port_that_can_be_and_no_path(void **state)
{
    static const char *const bad[] = {
        "http://127.0.0.1:99999", "https://h:0",      "https://h:", "https://h:8x", "https://h/ec2",
        "https://[::1",           "https://h:000080", "https://[]", "https://"};
    char line[120];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(line, sizeof(line), "[aws]\nendpoint_%s = %s\n", i % 2 ? "imds" : "ec2",
                       bad[i]);
        refuse_text(*state, line, MAIN ":2: endpoint_", "not the address", "1 to 65535");
    }
    tree_write(*state, MAIN,
               "[aws]\nendpoint_ec2 = https://vpce-0.ec2.eu-west-1.vpce.amazonaws.com:65535/\n"
               "endpoint_s3 = http://[::1]:1\nendpoint_imds = http://[fd00:ec2::254]\n");
    config_free(load_good(*state));
}

/* --- what is not -------------------------------------------------------------------------------
 */

static void a_main_file_that_was_named_must_be_there(void **state)
{
    refuse(*state, MAIN, "No such file", "--config");
}

static void the_default_main_file_need_not_be_there_but_its_folder_is_read(void **state)
{
    char path[TREE_PATH_BYTES];
    const struct config_source source = {tree_path(*state, MAIN, path), false, NULL};
    struct config *config = NULL;
    struct err err = ERR_INIT;

    tree_write(*state, "conf.d/a.conf", "[backup]\nimage = no\n");
    assert_true(config_load(&source, &config, &err));

    assert_false(config->backup.image);
    config_free(config);
}

static void unknown_keys_and_sections_are_refused_with_the_nearest_known_one(void **state)
{
    refuse_text(*state, "[backup]\n\nlock_wiat = 2s\n", MAIN ":3", "unknown key 'lock_wiat'",
                "did you mean lock_wait?");
    refuse_text(*state, "[mysql]\nlock_wait = 2s\n", MAIN ":2",
                "unknown key 'lock_wait' in [mysql]", "belongs to [backup]");
    refuse_text(*state, "[backupp]\n", MAIN ":1", "unknown section [backupp]", "[backup]?");
    /* No command that fails alike. */
    refuse_text(*state, "[backup]\nzzzzzzzzzz = 1\n", MAIN ":2", "unknown key 'zzzzzzzzzz'",
                "man stillpoint.conf");
    refuse_text(*state, "[zzzzzzzzzz]\n", MAIN ":1", "unknown section [zzzzzzzzzz]",
                "man stillpoint.conf");
    refuse_text(*state, "[backup now]\n", MAIN ":1", "takes no name", "");
    refuse_text(*state, "[hook]\nexec = /x\n", MAIN ":1", "needs a name", "[hook NAME]");
    refuse_text(*state, "[hook a/b]\n", MAIN ":1", "not a name", "letters");
    refuse_text(*state, "[hook .]\n", MAIN ":1", "not a name", "not in front"); /* a path's end */
    refuse_text(*state, "[mysql mysql]\n", MAIN ":1", "itself", "another");
    refuse_text(*state, "image = no\n", MAIN ":1", "before any [section]", "");
}

static void sections_of_later_versions_are_told_apart_from_mistakes(void **state)
{
    refuse_text(*state, "[aws]\n[copy]\n", MAIN ":2", "[copy] is not in this version yet",
                "take the section out");
    refuse_text(*state, "[media-rule old]\nprefix = x\n", MAIN ":1", "not in this version", "");
}

static void a_policy_is_read_and_by_default_keeps_no_count(void **state)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;
    static const char text[] = "[retention]\nkeep_last = 3\nkeep_yearly = 10\n"
                               "keep_within = 7d\nafter_backup = yes\n";

    (void)state;
    assert_true(config_from_text("x", "", 0, &config, &err));
    assert_false(retention_is_set(&config->retention.policy));
    assert_false(config->retention.after_backup);
    config_free(config);

    assert_true(config_from_text("x", text, strlen(text), &config, &err));
    assert_int_equal(config->retention.policy.keep[RETENTION_LAST], 3);
    assert_int_equal(config->retention.policy.keep[RETENTION_DAILY], 0);
    assert_int_equal(config->retention.policy.keep[RETENTION_YEARLY], 10);
    assert_int_equal(config->retention.policy.within_ms, 7 * 86400000LL);
    assert_true(config->retention.after_backup);
    config_free(config);
}

static void an_upgrade_is_backed_up_before_unless_that_is_off(void **state)
{
    struct config *config = NULL;
    struct err err = ERR_INIT;
    static const char text[] =
        "[upgrade]\npolicy = required\npackages = my-app*,\n  [!a-c]?[a-z0-9-]\n"
        "wait = 10s\nmax_age = 0\n";

    (void)state;
    assert_true(config_from_text("x", "", 0, &config, &err));
    assert_int_equal(config->upgrade.policy, CONFIG_UPGRADE_BEST_EFFORT);
    assert_string_equal(config->upgrade.packages.items[0], "kaltura-*");
    assert_int_equal(config->upgrade.wait_ms, 5 * 60000);
    assert_int_equal(config->upgrade.max_age_ms, 30 * 60000);
    config_free(config);

    assert_true(config_from_text("x", text, strlen(text), &config, &err));
    assert_int_equal(config->upgrade.policy, CONFIG_UPGRADE_REQUIRED);
    assert_int_equal(config->upgrade.packages.count, 2);
    assert_string_equal(config->upgrade.packages.items[1], "[!a-c]?[a-z0-9-]");
    assert_int_equal(config->upgrade.wait_ms, 10000);
    assert_int_equal(config->upgrade.max_age_ms, 0);
    config_free(config);
}

static void bad_values_are_refused_with_what_would_be_good(void **state)
{
    refuse_text(*state, "[upgrade]\npolicy = yes\n", MAIN ":2: policy", "none of its values",
                "required");
    refuse_text(*state, "[upgrade]\npackages = kaltura-* mysql\n", MAIN ":2: packages",
                "matches no name", "commas");
    refuse_text(*state, "[upgrade]\npackages =\n", MAIN ":2: packages", "can't be empty",
                "policy = off");
    static const char *const impossible[] = {"[", "a[bc", "[]", "[!]", "!a", "a]", "[z-a]", "[a*]"};
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "[upgrade]\npackages = b, %s\n", impossible[i]);
        refuse_text(*state, text, MAIN ":2: packages", "matches no name", "[a-z]");
    }
    refuse_text(*state, "[upgrade]\npackages = a, b, a\n", MAIN ":2: packages", "there twice",
                "keep one");
    refuse_text(*state, "[upgrade]\nwait = 2h\n", MAIN ":2: wait", "out of range", "5s to 1h");
    refuse_text(*state, "[retention]\nkeep_daily = -1\n", MAIN ":2: keep_daily", "out of range",
                "0 to 10000");
    refuse_text(*state, "[retention]\nkeep_daily = 7d\n", MAIN ":2: keep_daily",
                "not a whole number", "");
    refuse_text(*state, "[retention]\nkeep_within = 30\n", MAIN ":2: keep_within", "not a duration",
                "10s");
    refuse_text(*state, "[retention]\nkeep_dayly = 7\n", MAIN ":2", "keep_dayly", "keep_daily");
    refuse_text(*state, "[backup]\nhold_deadline = 10\n", MAIN ":2: hold_deadline",
                "not a duration", "10s");
    refuse_text(*state, "[backup]\nhold_deadline = 61s\n", MAIN ":2", "out of range", "2s to 1m");
    refuse_text(*state, "[backup]\nhold_deadline = 1s\n", MAIN ":2", "out of range", "2s to 1m");
    refuse_text(*state, "[backup]\nretry_holds = -1\n", MAIN ":2", "out of range", "0 to 20");
    refuse_text(*state, "[backup]\nretry_holds =\n", MAIN ":2", "not a whole number", "");
    refuse_text(*state, "[backup]\nimage = maybe\n", MAIN ":2", "neither yes nor no", "yes or no");
    refuse_text(*state, "[backup]\nconsistency = unconfirmed\n", MAIN ":2", "none of its values",
                "crash, filesystem, application");
    refuse_text(*state, "[backup]\nmounts = auto, /a\n", MAIN ":2", "'auto'", "from / on");
    refuse_text(*state, "[backup]\nmounts = /a,,/b\n", MAIN ":2", "empty item", "comma");
    refuse_text(*state, "[backup]\nmounts = /a, /a\n", MAIN ":2", "twice", "");
    refuse_text(*state, "[backup]\nmounts = /a/../b\n", MAIN ":2", "plain absolute path", "");
    refuse_text(*state, "[backup]\nmounts =\n", MAIN ":2", "empty", "auto");
    refuse_text(*state, "[backup]\ntags = stillpoint:id=1\n", MAIN ":2", "not yours", "");
    refuse_text(*state, "[backup]\ntags = A=1, A=2\n", MAIN ":2", "twice", "");
    refuse_text(*state, "[backup]\ntags = Team\n", MAIN ":2", "'Team' is not KEY=VALUE", "KEY=");
    refuse_text(*state, "[backup]\ntags = A=1, Name=x\n",
                MAIN ":2: tags: ", "the tag Name is set by Stillpoint", "choose another key");
    refuse_text(*state, "[paths]\nrun = run\n", MAIN ":2", "plain absolute path", "");
    refuse_text(
        *state,
        "[paths]\nrun = /a-folder-whose-name-alone-is-already-longer/than-any-socket/may-be/"
        "because-the-kernel-has-room-for-107-bytes\n",
        MAIN ":2", "too long for a socket", "name a folder of at most 85 characters");
    refuse_text(*state, "[paths]\nrun =\n", MAIN ":2", "plain absolute path", "");
    refuse_text(*state, "[paths]\nstate = /\n", MAIN ":2: state", "the system's own",
                "as /var/lib/stillpoint");
    refuse_text(*state, "[paths]\nstate = /etc\n", MAIN ":2", "the system's own", "");
    refuse_text(*state, "[paths]\nrun = /run\n", MAIN ":2", "the system's own",
                "as /run/stillpoint");
    refuse_text(*state, "[paths]\nrun = /proc/1\n", MAIN ":2", "the system's own", "");
    refuse_text(*state, "[daemon]\ngroup =\n", MAIN ":2", "empty", "it is stillpoint then");
    refuse_text(*state, "[daemon]\nsplines = 1\n", MAIN ":2", "unknown key", "man stillpoint.conf");
    refuse_text(*state, "[aws]\nregion = eu west\n", MAIN ":2", "not a name", "");
    refuse_text(*state, "[hook x]\nphases = hold\n", MAIN ":2", "must release", "");
    refuse_text(*state, "[hook x]\nphases = stop\n", MAIN ":2", "must start", "");
}

/* A line has less room than the longest value needs: of both it is the key that can be too long. */
static void a_tags_key_is_as_long_as_with_the_commands_option(void **state)
{
    char text[256], key[TAG_KEY_CHARS_MAX + 2];

    strcpy(text, "[backup]\ntags = ");
    for (int i = 0; i < 80; i++)
        strcat(text, "\xc3\xa4");
    strcat(text, "=x\n");
    tree_write(*state, MAIN, text);
    config_free(load_good(*state));

    memset(key, 'k', TAG_KEY_CHARS_MAX + 1);
    key[TAG_KEY_CHARS_MAX + 1] = '\0';
    (void)snprintf(text, sizeof(text), "[backup]\ntags = %s=x\n", key + 1);
    tree_write(*state, MAIN, text);
    config_free(load_good(*state));
    (void)snprintf(text, sizeof(text), "[backup]\ntags = %s=x\n", key);
    refuse_text(*state, text, MAIN ":2: tags: ", "has 129 characters, more than 128", "shorten it");
}

static void a_bad_value_is_refused_also_where_a_later_one_would_win(void **state)
{
    tree_write(*state, "conf.d/a.conf", "[backup]\nimage = no\n");
    refuse_text(*state, "[backup]\nimage = perhaps\n", MAIN ":2", "neither", "");
}

static void a_lock_is_not_waited_for_longer_than_the_hold(void **state)
{
    refuse_text(*state, "[backup]\nhold_deadline = 4s\nlock_wait = 5s\n", MAIN ":3",
                "longer than hold_deadline (4s)", "shorter");
    tree_write(*state, MAIN, "[backup]\nhold_deadline = 2s\n");
    config_free(load_good(*state));
}

static void a_mount_is_not_both_wanted_and_excluded(void **state)
{
    refuse_text(*state, "[backup]\nmounts = /a\nexclude_mounts = /a\n", MAIN ":2",
                "in mounts and in exclude_mounts", "");
}

static void a_key_twice_in_a_file_is_refused_also_across_sections_of_one_name(void **state)
{
    refuse_text(*state, "[backup]\nimage = no\n[aws]\n[backup]\nimage = no\n", MAIN ":5",
                "'image' is in [backup] of this file already", "one of the two");
}

static void lines_that_are_nothing_are_refused(void **state)
{
    refuse_text(*state, "[backup]\nimage\n", MAIN ":2", "neither [section] nor key", "comments");
    refuse_text(*state, "[backup\nimage = no\n", MAIN ":1", "neither [section] nor key", "");
    refuse_text(*state, "[backup] image = no\n", MAIN ":1", "text behind a section's name", "");
    refuse_text(*state, "[backup]\nimage = yes\n  lock_wait = 2s\n", MAIN ":3",
                "goes on with image", "white space");
    refuse_text(*state, "[backup]\nimage = n\x01o\n", MAIN ":2", "control character", "");
}

static void a_line_that_inih_would_cut_in_two_is_refused(void **state)
{
    char text[600];

    (void)snprintf(text, sizeof(text), "[backup]\nexclude_mounts = /%0300d\n", 7);
    refuse_text(*state, text, MAIN ":2", "a line of more than", "further lines");
    (void)snprintf(text, sizeof(text), "[backup]\n# %0300d\nimage = no\n", 7);
    refuse_text(*state, text, MAIN ":2", "a line of more than", "");
    (void)snprintf(text, sizeof(text), "[hook %060d]\n", 7);
    refuse_text(*state, text, MAIN ":1", "a section's name of more than", "");
}

static void a_line_of_any_length_is_taken_whole_or_refused(void **state)
{
    char path[400], text[600];
    int taken = 0, refused = 0;

    for (int len = 100; len < 300; len++) {
        struct config *config = NULL;
        struct err err = ERR_INIT;
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[len] = '\0';
        (void)snprintf(text, sizeof(text), "[backup]\nexclude_mounts = %s\n", path);
        tree_write(*state, MAIN, text);
        if (!load_env(*state, NULL, &config, &err)) {
            assert_non_null(strstr(err.text, "a line of more than"));
            refused++;
            continue;
        }
        assert_string_equal(config->backup.exclude_mounts.items[0], path);
        taken++;
        config_free(config);
    }
    assert_true(taken > 50 && refused > 50);
}

static void a_file_that_others_can_write_is_refused(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN, "");
    assert_int_equal(chmod(tree_path(tree, MAIN, path), 0646), 0);
    refuse(tree, MAIN, "can write it (mode 0646)", "chmod go-w");
    assert_int_equal(chmod(path, 0664), 0);
    refuse(tree, MAIN, "can write it (mode 0664)", "chmod go-w");
    assert_int_equal(chmod(path, 0640), 0);
    config_free(load_good(tree));
}

/* Who can write the folder can put a file into it. */
static void a_folder_that_others_can_write_is_refused(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN, "");
    tree_write(tree, "conf.d/x.conf", "");
    assert_int_equal(chmod(tree_path(tree, "conf.d", path), 0777), 0);
    refuse(tree, "conf.d", "can write it (mode 0777)", "chmod go-w");
    assert_int_equal(chmod(path, 0755), 0);
    config_free(load_good(tree));
}

static void a_file_in_place_of_the_folder_is_refused(void **state)
{
    const struct tree *tree = *state;

    tree_write(tree, MAIN, "");
    tree_write(tree, "conf.d", "");
    refuse(tree, "conf.d", "Not a directory", "make it a folder");
}

static void a_link_to_nothing_is_refused(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN, "");
    tree_folder(tree, "conf.d");
    assert_int_equal(symlink("nowhere", tree_path(tree, "conf.d/x.conf", path)), 0);
    refuse(tree, "conf.d/x.conf", "", "it links to nothing: remove it");
}

static void a_file_of_somebody_else_is_refused(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    tree_write(tree, MAIN, "");
    tree_write(tree, "conf.d/x.conf", "");
    assert_int_equal(chown(tree_path(tree, "conf.d/x.conf", path), 65534, 0), 0);
    refuse(tree, "conf.d/x.conf", "belongs to user 65534", "chown root");
}

/* As root has it where only root looks: neither the daemon nor a person can read it. */
static void a_file_that_can_t_be_read_is_refused_with_what_lets_the_daemon_read_it(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];
    int status;

    tree_write(tree, MAIN, "");
    assert_int_equal(chmod(tree->root, 0755), 0);
    assert_int_equal(chmod(tree_path(tree, MAIN, path), 0), 0);
    pid_t pid = fork();
    if (pid == 0) { /* root may read everything */
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(9);
        refuse(tree, MAIN, "Permission denied", "chown root:stillpoint ");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_folder_or_fifo_in_place_of_a_file_is_refused_without_waiting(void **state)
{
    const struct tree *tree = *state;
    char path[TREE_PATH_BYTES];

    tree_write(tree, MAIN, "");
    tree_folder(tree, "conf.d");
    assert_int_equal(mkfifo(tree_path(tree, "conf.d/x.conf", path), 0600), 0);
    refuse(tree, "conf.d/x.conf", "not a regular file",
           "put the settings into a file of that name");
    assert_int_equal(unlink(path), 0);
    tree_folder(tree, "conf.d/x.conf");
    refuse(tree, "conf.d/x.conf", "not a regular file",
           "put the settings into a file of that name");
}

static void the_earliest_of_several_faults_is_told(void **state)
{
    refuse_text(*state, "[backup]\nnonsense\nimage = maybe\n", MAIN ":2", "neither [section]", "");
    refuse_text(*state, "[backup]\nimage = maybe\nnonsense\n", MAIN ":2", "neither yes nor no", "");
}

/* --- showing it --------------------------------------------------------------------------------
 */

static void what_is_printed_can_be_read_again_and_means_the_same(void **state)
{
    const struct tree *tree = *state;
    struct buf first = BUF_INIT(65536);
    struct err err = ERR_INIT;
    char long_list[400] = "[backup]\nmounts = /a\n";

    for (int i = 0; i < 20; i++)
        (void)snprintf(long_list + strlen(long_list), 20, "  /mount-%02d\n", i);
    tree_write(tree, MAIN, long_list);
    tree_write(tree, "conf.d/a.conf", "[mysql b]\nrequired = yes\n[hook c]\nexec = /c\n");
    struct config *config = load_good(tree);
    assert_true(config_print(config, &first, &err));
    config_free(config);

    tree_write(tree, "conf.d/a.conf", "");
    tree_write(tree, MAIN, buf_text(&first));
    config = load_good(tree);

    assert_int_equal(config->backup.mounts.count, 21);
    assert_true(config->mysql[0].required);
    assert_string_equal(config->hooks[0].exec, "/c");
    assert_non_null(strstr(buf_text(&first), "/conf.d/a.conf:2\nrequired = yes\n"));
    assert_non_null(strstr(buf_text(&first), "# default\nimage = yes\n"));
    config_free(config);
    buf_free(&first);
}

/* A secret with one letter wrong is still one. */
static void the_ping_s_path_is_in_no_output_and_no_message(void **state)
{
    static const char *const bad[] = {
        "ftp://hc/SECRET", "https://u:p@hc/SECRET",   "https://hc/SECRET?a",     "https:///SECRET",
        "SECRET",          "https://hc/SECRET two",   "https://hc:99999/SECRET", "https://hc",
        "https://hc:80//", "https://hc/SECRET/start", "https://hc/SECRET/fail/"};
    struct buf text = BUF_INIT(1 << 20);
    char line[200];
    struct err err = ERR_INIT;

    tree_write(*state, MAIN, "[metrics]\nping = https://hc-ping.com:8000/SECRET/\n");
    struct config *config = load_good(*state);
    assert_string_equal(config->metrics.ping.bytes, "https://hc-ping.com:8000/SECRET");
    assert_string_equal(entry_of(config, "metrics", "ping")->value,
                        "https://hc-ping.com:8000/(not shown)");
    assert_true(config_print(config, &text, &err));
    assert_non_null(strstr(buf_text(&text), "\n#ping = https://hc-ping.com:8000/(not shown)\n"));
    assert_null(strstr(buf_text(&text), "SECRET"));
    config_free(config);
    buf_free(&text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(line, sizeof(line), "[metrics]\nping = %s\n", bad[i]);
        tree_write(*state, MAIN, line);
        assert_false(load_env(*state, NULL, &config, &err));
        assert_non_null(strstr(err.text, MAIN ":2"));
        assert_non_null(strstr(err.remedy, "https://HOST/PATH"));
        assert_null(strstr(err.text, "SECRET"));
        err = (struct err)ERR_INIT;
    }
}

static void a_textfile_is_one_that_node_exporter_reads(void **state)
{
    static const char *const bad[] = {"/run/x/stillpoint.txt", "/run/x/.prom", "stillpoint.prom",
                                      "/run/../stillpoint.prom"};
    char line[200];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(line, sizeof(line), "[metrics]\ntextfile = %s\n", bad[i]);
        refuse_text(*state, line, MAIN ":2", bad[i], i < 2 ? ".prom" : "/");
    }
    tree_write(*state, MAIN, "[metrics]\ntextfile = /run/x/s.prom\n");
    struct config *config = load_good(*state);
    assert_string_equal(config->metrics.textfile, "/run/x/s.prom");
    assert_false(secret_is_set(&config->metrics.ping));
    config_free(config);
}

static void the_json_has_every_key_with_its_origin(void **state)
{
    tree_write(*state, MAIN, "[backup]\nimage = no\n");
    struct config *config = load_good(*state);

    json_t *json = config_json(config);

    bool found = false;
    assert_int_equal(json_array_size(json), config->entry_count);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *item = json_array_get(json, i);
        if (strcmp(json_string_value(json_object_get(item, "key")), "image") != 0)
            continue;
        found = true;
        assert_string_equal(json_string_value(json_object_get(item, "value")), "no");
        assert_non_null(strstr(json_string_value(json_object_get(item, "origin")), MAIN ":2"));
    }
    assert_true(found);
    json_decref(json);
    config_free(config);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_file_gives_the_documented_defaults),
        T(without_any_section_one_mysql_is_looked_for_but_not_configured),
        T(a_key_makes_the_mysql_section_a_configured_one),
        T(named_servers_stand_beside_each_other_without_the_default_one),
        T(later_files_win_in_the_order_of_their_names),
        T(comments_are_cut_off_behind_white_space_only),
        T(a_list_goes_on_in_indented_lines),
        T(a_later_file_replaces_a_list_as_a_whole),
        T(windows_line_ends_and_a_byte_order_mark_do_no_harm),
        T(hooks_come_from_sections_first_then_from_the_folder_by_name),
        T(a_program_of_the_folder_under_another_name_does_not_run_twice),
        T(what_a_package_manager_leaves_beside_a_hook_does_not_run),
        T(a_relative_main_file_has_its_hooks_by_absolute_path),
        T(the_environment_overrides_as_the_aws_tools_do),
        T(a_bad_value_in_the_environment_names_its_variable),
        T(http_is_for_this_machine_and_the_metadata_service),
        T(an_endpoint_has_a_port_that_can_be_and_no_path),
        T(a_main_file_that_was_named_must_be_there),
        T(the_default_main_file_need_not_be_there_but_its_folder_is_read),
        T(unknown_keys_and_sections_are_refused_with_the_nearest_known_one),
        T(sections_of_later_versions_are_told_apart_from_mistakes),
        T(a_policy_is_read_and_by_default_keeps_no_count),
        T(an_upgrade_is_backed_up_before_unless_that_is_off),
        T(bad_values_are_refused_with_what_would_be_good),
        T(a_tags_key_is_as_long_as_with_the_commands_option),
        T(a_bad_value_is_refused_also_where_a_later_one_would_win),
        T(a_lock_is_not_waited_for_longer_than_the_hold),
        T(a_mount_is_not_both_wanted_and_excluded),
        T(a_key_twice_in_a_file_is_refused_also_across_sections_of_one_name),
        T(lines_that_are_nothing_are_refused),
        T(a_line_that_inih_would_cut_in_two_is_refused),
        T(a_line_of_any_length_is_taken_whole_or_refused),
        T(a_file_that_others_can_write_is_refused),
        T(a_folder_that_others_can_write_is_refused),
        T(a_file_in_place_of_the_folder_is_refused),
        T(a_link_to_nothing_is_refused),
        T(a_file_of_somebody_else_is_refused),
        T(a_file_that_can_t_be_read_is_refused_with_what_lets_the_daemon_read_it),
        T(a_folder_or_fifo_in_place_of_a_file_is_refused_without_waiting),
        T(the_earliest_of_several_faults_is_told),
        T(what_is_printed_can_be_read_again_and_means_the_same),
        T(the_ping_s_path_is_in_no_output_and_no_message),
        T(a_textfile_is_one_that_node_exporter_reads),
        T(the_json_has_every_key_with_its_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
