/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/prune_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

#define ID    "sp-20261124T081530Z-k3f9x"
#define OTHER "sp-20261123T081530Z-aaaaa"
#define NODE  "i-0123456789abcdef0"

static struct err err;

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree == NULL)
        return 1;
    tree_make(tree, "prune-record");
    err = (struct err)ERR_INIT;
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

static void what_was_begun_is_known_until_it_is_done(void **state)
{
    const char *dir = ((struct tree *)*state)->root;
    struct strs ids = {NULL, 0};

    assert_true(prune_record_list(dir, &ids, &err)); /* there is no folder yet */
    assert_int_equal(ids.count, 0);
    assert_false(prune_record_is(dir, ID, NODE));

    assert_true(prune_record_write(dir, ID, NODE, &err));
    assert_true(prune_record_write(dir, OTHER, "", &err));
    assert_true(prune_record_is(dir, ID, NODE));
    assert_true(prune_record_is(dir, OTHER, ""));
    assert_true(prune_record_list(dir, &ids, &err));
    assert_int_equal(ids.count, 2);
    strs_free(&ids);

    assert_true(prune_record_remove(dir, ID, &err));
    assert_true(prune_record_remove(dir, ID, &err));
    assert_false(prune_record_is(dir, ID, NODE));
}

static void another_instances_record_is_nobodys_order(void **state)
{
    const char *dir = ((struct tree *)*state)->root;

    assert_true(prune_record_write(dir, ID, NODE, &err));

    assert_false(prune_record_is(dir, ID, "i-0fedcba9876543210"));
    assert_false(prune_record_is(dir, ID, ""));
}

static void what_is_no_record_is_passed_over(void **state)
{
    struct tree *tree = *state;
    struct strs ids = {NULL, 0};

    tree_write(tree, "removing/" ID ".json", "{\"version\": 2, \"instance\": \"" NODE "\"}");
    tree_write(tree, "removing/" OTHER ".json", "{\"version\": 1, \"inst");
    tree_write(tree, "removing/notes.json", "{}");
    tree_write(tree, "removing/" ID ".json.new", "");

    assert_false(prune_record_is(tree->root, ID, NODE));
    assert_false(prune_record_is(tree->root, OTHER, NODE));
    assert_true(prune_record_list(tree->root, &ids, &err));
    assert_int_equal(ids.count, 2);
    strs_free(&ids);
}

static void a_folder_that_cant_be_written_is_told_with_what_to_do(void **state)
{
    struct tree *tree = *state;

    tree_write(tree, "removing", "no folder");
    assert_false(prune_record_write(tree->root, ID, NODE, &err));
    assert_int_equal(err.kind, ERR_SYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_begun_is_known_until_it_is_done, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_instances_record_is_nobodys_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_record_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cant_be_written_is_told_with_what_to_do,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
