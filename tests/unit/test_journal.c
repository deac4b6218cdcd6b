/* SPDX-License-Identifier: BSD-2-Clause */
/* What a backup is about to do, across the death of the daemon. */
#include "agent/daemon/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/tree.h"

#define ID    "sp-20261124T081530Z-k3f9x"
#define LATER "sp-20261124T091530Z-00000"

struct scene {
    struct tree tree;
    struct err err;
    struct journal_entry entry;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    *state = scene;
    tree_make(&scene->tree, "journal");
    assert_true(journal_open(scene->tree.root, &scene->err));
    scene->entry = (struct journal_entry){.step = JOURNAL_HOLD,
                                          .written_boot_ms = clock_boot_ms(),
                                          .written_utc_us = 1795500000000000,
                                          .image = true,
                                          .keep = true,
                                          .backup = backup_new()};
    assert_non_null(scene->entry.backup);
    assert_true(strs_dup(&scene->entry.backup->id, ID, &scene->err));
    assert_true(strs_dup(&scene->entry.backup->instance, "i-1", &scene->err));
    assert_true(strs_add(&scene->entry.hooks, "queue", &scene->err));
    journal_boot_id(scene->entry.boot_id);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    journal_entry_free(&scene->entry);
    tree_remove(&scene->tree);
    free(scene);
    return 0;
}

static void an_entry_comes_back_as_it_was_written(void **state)
{
    struct scene *scene = *state;
    struct journal_entry read = {.step = JOURNAL_ABSENT};
    struct backup_snapshot *snapshot = backup_add_snapshot(scene->entry.backup);

    scene->entry.step = JOURNAL_RAISE;
    scene->entry.backup->consistency = LABEL_APPLICATION;
    scene->entry.backup->asked = LABEL_APPLICATION;
    assert_true(strs_dup(&snapshot->volume, "vol-1", &scene->err));
    assert_true(journal_write(scene->tree.root, &scene->entry, &scene->err));
    assert_true(journal_read(scene->tree.root, ID, &read, &scene->err));

    assert_int_equal(read.step, JOURNAL_RAISE);
    assert_string_equal(read.boot_id, scene->entry.boot_id);
    assert_int_equal(read.written_boot_ms, scene->entry.written_boot_ms);
    assert_int_equal(read.written_utc_us, scene->entry.written_utc_us);
    assert_true(read.image && read.keep);
    assert_int_equal(read.hooks.count, 1);
    assert_string_equal(read.hooks.items[0], "queue");
    assert_int_equal(read.backup->consistency, LABEL_APPLICATION);
    assert_string_equal(read.backup->snapshots[0].volume, "vol-1");
    journal_entry_free(&read);
}

static void entries_are_listed_by_age_and_removed_one_by_one(void **state)
{
    struct scene *scene = *state;
    struct strs ids = {NULL, 0};
    char id[] = LATER;

    assert_true(journal_write(scene->tree.root, &scene->entry, &scene->err));
    char *first = scene->entry.backup->id;
    scene->entry.backup->id = id;
    assert_true(journal_write(scene->tree.root, &scene->entry, &scene->err));
    scene->entry.backup->id = first;
    tree_write(&scene->tree, "journal/notes.json", "{}");
    tree_write(&scene->tree, "journal/" ID ".txt", "{}");

    assert_true(journal_list(scene->tree.root, &ids, &scene->err));
    assert_int_equal(ids.count, 2);
    assert_string_equal(ids.items[0], ID);
    assert_string_equal(ids.items[1], LATER);
    strs_free(&ids);

    assert_true(journal_remove(scene->tree.root, ID, &scene->err));
    assert_true(journal_remove(scene->tree.root, ID, &scene->err));
    assert_true(journal_list(scene->tree.root, &ids, &scene->err));
    assert_int_equal(ids.count, 1);
    strs_free(&ids);
}

static void what_is_no_entry_is_refused_with_its_path(void **state)
{
    struct scene *scene = *state;
    static const char of_another[] =
        "{\"version\": 1, \"step\": \"hold\", \"boot_id\": \"\", "
        "\"backup\": {\"id\": \"" LATER "\", \"instance\": \"i-1\", \"state\": \"held\"}}";
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"version\": 2}",
        "{\"version\": 1, \"step\": \"dance\", \"boot_id\": \"\", \"backup\": {}}",
        "{\"version\": 1, \"step\": \"hold\", \"boot_id\": \"\"}",
        of_another,
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct journal_entry read = {.step = JOURNAL_HOLD};
        struct err err = ERR_INIT;
        tree_write(&scene->tree, "journal/" ID ".json", bad[i]);
        assert_false(journal_read(scene->tree.root, ID, &read, &err));
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_non_null(strstr(err.text, ID ".json"));
    }
}

static void an_interrupted_write_is_swept_and_the_entry_before_it_stands(void **state)
{
    struct scene *scene = *state;
    struct journal_entry read = {.step = JOURNAL_ABSENT};
    char path[TREE_PATH_BYTES];

    assert_true(journal_write(scene->tree.root, &scene->entry, &scene->err));
    tree_write(&scene->tree, "journal/" ID ".json.new", "{\"vers");
    tree_write(&scene->tree, "identity.json.new", "{");
    assert_true(journal_open(scene->tree.root, &scene->err));

    assert_int_equal(access(tree_path(&scene->tree, "journal/" ID ".json.new", path), F_OK), -1);
    assert_int_equal(access(tree_path(&scene->tree, "identity.json.new", path), F_OK), -1);
    assert_true(journal_read(scene->tree.root, ID, &read, &scene->err));
    journal_entry_free(&read);
}

static void a_folder_that_cannot_be_written_says_what_to_do(void **state)
{
    struct scene *scene = *state;

    assert_false(journal_write("/nonexistent", &scene->entry, &scene->err));
    assert_int_equal(scene->err.kind, ERR_SYS);
    assert_non_null(strstr(scene->err.text, "the journal: "));
    assert_non_null(strstr(scene->err.remedy, "make the folder /nonexistent"));
}

/* The wall clock may have been set, and in another boot the steady one says nothing. */
static void an_entry_of_another_boot_is_as_old_as_this_daemon(void **state)
{
    struct scene *scene = *state;
    int64_t now_ms = clock_boot_ms();

    scene->entry.written_boot_ms = now_ms - 400000;
    assert_true(journal_age_ms(&scene->entry, now_ms - 5000) >= 400000);
    strcpy(scene->entry.boot_id, "another");
    int64_t age_ms = journal_age_ms(&scene->entry, now_ms - 5000);
    assert_true(age_ms >= 5000 && age_ms < 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entry_comes_back_as_it_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_are_listed_by_age_and_removed_one_by_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_entry_is_refused_with_its_path, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            an_interrupted_write_is_swept_and_the_entry_before_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_says_what_to_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_entry_of_another_boot_is_as_old_as_this_daemon, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
