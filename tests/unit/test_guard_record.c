/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/guard/guard_options.h"

static const char boot[GUARD_BOOT_ID_BYTES] = "6a3c1d2e-0000-4000-8000-000000000001";
static const char other_boot[GUARD_BOOT_ID_BYTES] = "6a3c1d2e-0000-4000-8000-000000000002";

static struct guard_record *good(void)
{
    struct guard_record *record = calloc(1, sizeof(*record));

    assert_non_null(record);
    memcpy(record->magic, GUARD_RECORD_MAGIC, 8);
    record->version = GUARD_RECORD_VERSION;
    record->bytes = sizeof(*record);
    memcpy(record->boot_id, boot, sizeof(boot));
    record->mount_count = GUARD_MOUNTS_MAX;
    atomic_store(&record->rcu_old, -1);
    for (int i = 0; i < GUARD_MOUNTS_MAX; i++)
        record->mounts[i].path[0] = '/';
    return record;
}

static bool is_good(const struct guard_record *record)
{
    bool this_boot = false;

    return guard_record_check(record, sizeof(*record), boot, &this_boot) && this_boot;
}

static void whole_record_is_believed_in_its_own_boot(void **state)
{
    struct guard_record *record = good();
    bool this_boot = true;

    (void)state;
    assert_true(is_good(record));
    assert_true(guard_record_check(record, sizeof(*record), other_boot, &this_boot));
    assert_false(this_boot);
    free(record);
}

static void damaged_record_is_not_believed(void **state)
{
    struct guard_record *record = good();
    bool this_boot;

    (void)state;
    assert_false(guard_record_check(record, sizeof(*record) - 1, boot, &this_boot));
    assert_false(guard_record_check(record, sizeof(*record) + 1, boot, &this_boot));
    assert_false(guard_record_check(record, 0, boot, &this_boot));
    record->magic[0] ^= 1;
    assert_false(is_good(record));
    record->magic[0] ^= 1;
    record->version++;
    assert_false(is_good(record));
    record->version--;
    record->mount_count++;
    assert_false(is_good(record));
    record->mount_count--;
    atomic_store(&record->rcu_old, 7);
    assert_false(is_good(record));
    atomic_store(&record->rcu_old, 0);
    assert_true(is_good(record));
    struct guard_record_mount *last = &record->mounts[GUARD_MOUNTS_MAX - 1];
    memset(last->path, '/', sizeof(last->path));
    assert_false(is_good(record));
    memset(last->path, 0, sizeof(last->path));
    assert_false(is_good(record)); /* not absolute */
    last->path[0] = '/';
    atomic_store(&last->state, GUARD_MOUNT_THAW_FAILED + 1);
    assert_false(is_good(record));
    atomic_store(&last->state, GUARD_MOUNT_THAW_FAILED);
    assert_true(is_good(record));
    free(record);
}

static void lease_ends_once_and_only_by_its_number(void **state)
{
    struct guard_record *record = good();

    (void)state;
    guard_record_renew(record, false);
    uint64_t first = guard_record_lease(record);
    assert_int_equal(guard_record_cause(record, first), GUARD_END_NONE);
    guard_record_end(record, first - 1, GUARD_END_TOLD); /* of a lease before it */
    assert_int_equal(guard_record_cause(record, first), GUARD_END_NONE);
    guard_record_end(record, first, GUARD_END_DEADLINE);
    guard_record_end(record, first, GUARD_END_TOLD);
    assert_int_equal(guard_record_cause(record, first), GUARD_END_DEADLINE);

    guard_record_renew(record, true);
    assert_int_equal(guard_record_lease(record), first + 1);
    assert_int_equal(guard_record_cause(record, first + 1), GUARD_END_NONE);
    assert_int_not_equal(guard_record_cause(record, first),
                         GUARD_END_NONE); /* for a late process */
    free(record);
}

static void renewed_lease_keeps_mounts_where_it_should(void **state)
{
    struct guard_record *record = good();

    (void)state;
    record->mount_count = 2;
    record->mounts[1].flags = GUARD_ADD_SYNC_ONLY;
    record->mounts[0].thaw_errno = 5;
    atomic_store(&record->mounts[0].state, GUARD_MOUNT_THAWED);
    atomic_store(&record->mounts[1].state, GUARD_MOUNT_SYNC_ONLY);
    guard_record_renew(record, true);
    assert_int_equal(record->mount_count, 2);
    assert_int_equal(record->mounts[0].thaw_errno, 0);
    assert_int_equal(atomic_load(&record->mounts[0].state), GUARD_MOUNT_ADDED);
    assert_int_equal(atomic_load(&record->mounts[1].state), GUARD_MOUNT_SYNC_ONLY);
    guard_record_renew(record, false);
    assert_int_equal(record->mount_count, 0);
    assert_int_equal(record->mounts[0].path[0], '\0');
    free(record);
}

static void renewed_lease_still_knows_what_is_to_be_put_back(void **state)
{
    struct guard_record *record = good();

    (void)state;
    atomic_store(&record->rcu_old, 0); /* a freezer was stopped before it put the setting back */
    guard_record_renew(record, true);
    assert_int_equal(atomic_load(&record->rcu_old), 0);
    guard_record_renew(record, false);
    assert_int_equal(atomic_load(&record->rcu_old), 0);
    free(record);
}

static void record_that_is_made_is_one_that_is_believed(void **state)
{
    char folder[] = "/tmp/stillpoint-record.XXXXXX", path[64];
    struct guard_record *record = NULL;
    struct stat st;
    int fd = -1;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/guard.lease", folder);
    assert_true(guard_record_make(path, boot, &record, &fd));

    assert_true(is_good(record));
    assert_int_equal(atomic_load(&record->rcu_old), -1); /* nothing to put back */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, sizeof(*record));
    guard_record_remove(path); /* its guard lives: we hold its lock */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(munmap(record, sizeof(*record)), 0);
    (void)close(fd);
    guard_record_remove(path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

static void what_is_not_there_any_more_could_not_be_thawed(void **state)
{
    char folder[] = "/tmp/stillpoint-record.XXXXXX", path[64];
    struct guard_record *record = NULL;
    struct guard_recovery recovery;
    int fd = -1;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/guard.lease", folder);
    assert_true(guard_record_make(path, boot, &record, &fd));
    record->mount_count = 1;
    (void)snprintf(record->mounts[0].path, sizeof(record->mounts[0].path), "%s/gone", folder);
    atomic_store(&record->mounts[0].state, GUARD_MOUNT_FROZEN);
    assert_int_equal(munmap(record, sizeof(*record)), 0);
    (void)close(fd);
    guard_record_recover(path, boot, "/nonexistent", 100, &recovery);

    assert_true(recovery.found);
    assert_int_equal(recovery.failed_count, 1);
    assert_int_equal(recovery.thawed_count, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void run_is_read_from_its_section_alone(void **state)
{
    char run[64] = "";

    (void)state;
    assert_int_equal(guard_options_find_run("", run, sizeof(run)), 0);
    assert_int_equal(guard_options_find_run("run = /a\n[mysql]\nrun=/b\n", run, sizeof(run)), 0);
    assert_int_equal(guard_options_find_run("[paths]\r\n  run =  /run/x \r\n", run, sizeof(run)),
                     1);
    assert_string_equal(run, "/run/x");
    assert_int_equal(guard_options_find_run("[paths]\nrun=/a\nrun=/b ; why\n#run=/c\n;run=/d\n",
                                            run, sizeof(run)),
                     1);
    assert_string_equal(run, "/b");
    assert_int_equal(guard_options_find_run("[paths]\nrunner=/a\nstate=/s", run, sizeof(run)), 0);
    assert_int_equal(guard_options_find_run("[paths]\nrun=relative", run, sizeof(run)), -2);
    assert_int_equal(guard_options_find_run("[paths]\nrun=", run, sizeof(run)), -2);
    assert_int_equal(guard_options_find_run("[paths]\nrun=/too/long", run, 5), -2);
}

/* Else the guard serves where nobody looks for it: config_file.c is what the others read with. */
static void run_is_read_as_the_other_programs_read_it(void **state)
{
    static const char *const texts[] = {
        "[paths]\nrun = /run/x # why\n",       "[paths]\nrun = /run/x\t; why\n",
        "[paths] ; where\nrun = /run/x\n",     "[paths]\nrun : /run/x\n",
        "\xef\xbb\xbf[paths]\nrun = /run/x\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char run[64] = "";
        assert_int_equal(guard_options_find_run(texts[i], run, sizeof(run)), 1);
        assert_string_equal(run, "/run/x");
    }
    char run[64] = "";
    assert_int_equal(guard_options_find_run("[paths]\nrun = /run/x#1;2\n", run, sizeof(run)), 1);
    assert_string_equal(run, "/run/x#1;2");
    assert_int_equal(guard_options_find_run("[paths]\nrun = # none\n", run, sizeof(run)), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_record_is_believed_in_its_own_boot),
        cmocka_unit_test(damaged_record_is_not_believed),
        cmocka_unit_test(lease_ends_once_and_only_by_its_number),
        cmocka_unit_test(renewed_lease_keeps_mounts_where_it_should),
        cmocka_unit_test(renewed_lease_still_knows_what_is_to_be_put_back),
        cmocka_unit_test(record_that_is_made_is_one_that_is_believed),
        cmocka_unit_test(what_is_not_there_any_more_could_not_be_thawed),
        cmocka_unit_test(run_is_read_from_its_section_alone),
        cmocka_unit_test(run_is_read_as_the_other_programs_read_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
