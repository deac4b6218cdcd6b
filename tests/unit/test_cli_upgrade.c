/* SPDX-License-Identifier: BSD-2-Clause */
/* pre-upgrade, as far as it needs no daemon. */
#include "agent/cli/cli_upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cli/cli_lenient.h"
#include "tests/unit/tree.h"

struct world {
    struct tree tree;
    struct config *config;
    struct cli_options options;
    char *err;
    size_t err_len;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char text[TREE_PATH_BYTES];
    struct err err = ERR_INIT;

    assert_non_null(world);
    tree_make(&world->tree, "upgrade");
    tree_print(text, "[paths]\nrun = %s/run\n", world->tree.root);
    if (!config_from_text("stillpoint.conf", text, strlen(text), &world->config, &err))
        fail_msg("%s", err.text);
    world->options.command = CLI_PRE_UPGRADE;
    world->options.apt = true;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    tree_remove(&world->tree);
    config_free(world->config);
    free(world->err);
    free(world);
    return 0;
}

static const char *bad_descriptor(const char *name)
{
    return strcmp(name, "APT_HOOK_INFO_FD") == 0 ? "abc" : NULL;
}

static int upgrade(struct world *world)
{
    FILE *err = open_memstream(&world->err, &world->err_len);
    const struct cli cli = {.options = &world->options,
                            .out = err,
                            .err = err,
                            .look = {.columns = 80},
                            .err_look = {.columns = 80},
                            .signal_fd = -1,
                            .env = bad_descriptor};
    int exit_code = cli_upgrade(&cli, world->config, NULL);
    assert_int_equal(fclose(err), 0);
    return exit_code;
}

static void what_is_said_afterwards_ends_its_line(void **state)
{
    struct world *world = *state;

    tree_write(&world->tree, "run-upgrade", "one\ntwo\n");
    world->options.after = true;
    assert_int_equal(upgrade(world), 0);
    assert_string_equal(world->err, "one\ntwo\n");
}

/* best-effort, or no node: apt is not stopped. */
static void a_list_that_cannot_be_had_is_for_the_policy_to_judge(void **state)
{
    assert_int_equal(upgrade(*state), 0);
}

/* As the strict reader takes them off: else a list ends at the first, and a folder is called so. */
static void comments_are_no_part_of_what_a_faulty_configuration_says(void **state)
{
    const struct world *world = *state;
    char path[TREE_PATH_BYTES], run[64] = "";

    tree_write(&world->tree, "stillpoint.conf",
               "[paths]\nrun = /run/x # ours\n[upgrade]\npolicy = required # we mean it\n"
               "packages = kaltura-*, # the site\n  mysql-* # and its data\n[backup]\nnone = 1\n");
    tree_print(path, "%s/stillpoint.conf", world->tree.root);

    assert_true(cli_lenient_get(path, false, "paths", "run", run, sizeof(run)));
    struct config *config = cli_upgrade_salvage(path);

    assert_string_equal(run, "/run/x");
    assert_non_null(config);
    assert_string_equal(config->paths.run, "/run/x");
    assert_int_equal(config->upgrade.policy, CONFIG_UPGRADE_REQUIRED);
    assert_int_equal(config->upgrade.packages.count, 2);
    assert_string_equal(config->upgrade.packages.items[1], "mysql-*");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_said_afterwards_ends_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_cannot_be_had_is_for_the_policy_to_judge,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(comments_are_no_part_of_what_a_faulty_configuration_says,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
