/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/boot_units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

static struct tree tree;

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree, "units");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void one_that_nothing_wants_is_named(void **state)
{
    struct strs off = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;

    tree_write(&tree, "usr/lib/systemd/system/stillpointd.service", "");
    tree_write(&tree, "lib/systemd/system/stillpoint-guard.service", "");
    tree_write(&tree, "usr/lib/systemd/system/stillpoint-hook.socket", "");
    tree_link(&tree, "etc/systemd/system/multi-user.target.wants/stillpointd.service",
              "usr/lib/systemd/system/stillpointd.service");
    tree_link(&tree, "etc/systemd/system/kaltura.target.requires/stillpoint-hook.socket",
              "usr/lib/systemd/system/stillpoint-hook.socket");

    assert_true(boot_units_off(tree.root, &off, &err));

    assert_int_equal(off.count, 1);
    assert_string_equal(off.items[0], "stillpoint-guard.service");
    strs_free(&off);
}

static void where_none_is_installed_none_is_missed(void **state)
{
    struct strs off = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_true(boot_units_off(tree.root, &off, &err));

    assert_int_equal(off.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_nothing_wants_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_none_is_installed_none_is_missed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
