/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of volumes on loan, on a disk. */
#include "agent/daemon/loan_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "ln-20261129T081530Z-k3f9x"

struct scene {
    char state[64];
    struct loan loan;
    struct err err;
};

static int open_scene(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    strcpy(scene->state, "/tmp/loan-record.XXXXXX");
    assert_non_null(mkdtemp(scene->state));
    scene->loan.purpose = LOAN_RESTORE;
    strcpy(scene->loan.id, ID);
    strcpy(scene->loan.backup_id, "sp-20261128T081530Z-aaaaa");
    strcpy(scene->loan.instance, "i-0123456789abcdef0");
    strcpy(scene->loan.boot_id, "boot");
    scene->loan.written_boot_ms = 5;
    scene->loan.volumes = calloc(2, sizeof(*scene->loan.volumes));
    assert_non_null(scene->loan.volumes);
    scene->loan.count = 2;
    strcpy(scene->loan.volumes[0].snapshot_id, "snap-1");
    strcpy(scene->loan.volumes[0].source_id, "vol-1");
    strcpy(scene->loan.volumes[0].volume_id, "vol-9");
    strcpy(scene->loan.volumes[1].snapshot_id, "snap-2");
    strcpy(scene->loan.volumes[1].source_id, "vol-2");
    *state = scene;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *scene = *state;
    char command[128];

    loan_free(&scene->loan);
    (void)snprintf(command, sizeof(command), "rm -rf %s", scene->state);
    int failed = system(command);
    free(scene);
    return failed;
}

static void put_file(const struct scene *scene, const char *name, const char *text)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/loans/%s", scene->state, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_record_is_read_as_it_was_written(void **state)
{
    struct scene *scene = *state;
    struct loan back;

    assert_true(loan_record_write(scene->state, &scene->loan, &scene->err));
    scene->loan.step = LOAN_HANDING;
    assert_true(loan_record_write(scene->state, &scene->loan, &scene->err));
    assert_true(loan_record_read(scene->state, ID, &back, &scene->err));

    assert_string_equal(back.id, ID);
    assert_string_equal(back.backup_id, scene->loan.backup_id);
    assert_string_equal(back.instance, scene->loan.instance);
    assert_int_equal(back.purpose, LOAN_RESTORE);
    assert_int_equal(back.step, LOAN_HANDING);
    assert_int_equal(back.written_boot_ms, 5);
    assert_int_equal(back.count, 2);
    assert_string_equal(back.volumes[0].volume_id, "vol-9");
    assert_string_equal(back.volumes[1].volume_id, "");
    loan_free(&back);
}

static void only_whole_records_are_listed_and_half_a_write_goes(void **state)
{
    struct scene *scene = *state;
    struct strs ids = {NULL, 0};
    char path[160];

    assert_true(loan_record_list(scene->state, &ids, &scene->err)); /* no folder yet */
    assert_int_equal(ids.count, 0);
    assert_true(loan_record_write(scene->state, &scene->loan, &scene->err));
    put_file(scene, "ln-20261129T081530Z-k3f9y.json.new", "{");
    put_file(scene, "notes.json", "{}");
    assert_true(loan_record_list(scene->state, &ids, &scene->err));

    assert_int_equal(ids.count, 1);
    assert_string_equal(ids.items[0], ID);
    (void)snprintf(path, sizeof(path), "%s/loans/ln-20261129T081530Z-k3f9y.json.new", scene->state);
    assert_int_not_equal(access(path, F_OK), 0);
    strs_free(&ids);
}

static void a_record_goes_once_and_for_all(void **state)
{
    struct scene *scene = *state;
    struct loan back;

    assert_true(loan_record_write(scene->state, &scene->loan, &scene->err));
    assert_true(loan_record_remove(scene->state, ID, &scene->err));
    assert_true(loan_record_remove(scene->state, ID, &scene->err));
    assert_false(loan_record_read(scene->state, ID, &back, &scene->err));
    assert_int_equal(scene->err.kind, ERR_NOT_FOUND);
}

static void what_is_no_record_of_ours_is_refused(void **state)
{
    struct scene *scene = *state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"version\": 2}",
        "{\"version\":1,\"id\":\"ln-20261129T081530Z-zzzzz\",\"backup\":\"\",\"instance\":\"\","
        "\"purpose\":\"verify\",\"step\":\"lent\",\"boot_id\":\"\",\"volumes\":[{\"snapshot\":"
        "\"s\","
        "\"source\":\"v\",\"volume\":\"\"}]}", /* about another */
        "{\"version\":1,\"id\":\"" ID "\",\"backup\":\"\",\"instance\":\"\",\"purpose\":\"verify\","
        "\"step\":\"lent\",\"boot_id\":\"\",\"volumes\":[]}",
        "{\"version\":1,\"id\":\"" ID "\",\"backup\":\"\",\"instance\":\"\",\"purpose\":\"play\","
        "\"step\":\"lent\",\"boot_id\":\"\",\"volumes\":[{\"snapshot\":\"s\",\"source\":\"v\","
        "\"volume\":\"\"}]}"};
    struct loan back;

    assert_true(loan_record_write(scene->state, &scene->loan, &scene->err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file(scene, ID ".json", bad[i]);
        struct err err = ERR_INIT;
        if (loan_record_read(scene->state, ID, &back, &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void an_id_is_a_loans_and_no_backups(void **state)
{
    struct scene *scene = *state;
    char id[LOAN_ID_BYTES];

    assert_true(loan_id_new(1795940131000000, id, &scene->err));
    assert_true(loan_is_id(id));
    assert_true(loan_is_id(ID));
    assert_false(loan_is_id("sp-20261129T081530Z-k3f9x"));
    assert_false(loan_is_id("ln-../../etc/passwd"));
}

int main(void)
{
#define LOAN_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        LOAN_TEST(a_record_is_read_as_it_was_written),
        LOAN_TEST(only_whole_records_are_listed_and_half_a_write_goes),
        LOAN_TEST(a_record_goes_once_and_for_all),
        LOAN_TEST(what_is_no_record_of_ours_is_refused),
        LOAN_TEST(an_id_is_a_loans_and_no_backups),
    };

    return cmocka_run_group_tests_name("loan_record", tests, NULL, NULL);
}
