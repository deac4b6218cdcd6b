/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/quiet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/fileio.h"
#include "agent/daemon/metrics_file.h"
#include "tests/unit/tree.h"

enum { NAP_US = 50000 };

static struct quiet quiet;
static atomic_bool entered;

static void work(void *unused)
{
    (void)unused;
    quiet_enter(&quiet, QUIET_RECORD);
    atomic_store(&entered, true);
    quiet_leave(&quiet, QUIET_RECORD);
}

static void nobody_begins_in_a_hold(void **state)
{
    struct err err = ERR_INIT;
    uv_thread_t thread;

    (void)state;
    quiet_open(&quiet);
    quiet_hold(&quiet);
    quiet_hold(&quiet); /* of two, one beside the other */
    assert_true(quiet_thread(&thread, work, NULL, &err));
    (void)usleep(NAP_US);
    assert_false(atomic_load(&entered));
    quiet_release(&quiet);
    (void)usleep(NAP_US);
    assert_false(atomic_load(&entered));

    quiet_release(&quiet);

    (void)uv_thread_join(&thread);
    assert_true(atomic_load(&entered));
    quiet_close(&quiet);
}

static void a_hold_does_not_wait_for_what_hangs(void **state)
{
    (void)state;
    quiet_open(&quiet);
    quiet_enter(&quiet, QUIET_FILE); /* and never comes back */
    int64_t begun_ms = clock_boot_ms();

    quiet_hold(&quiet);
    quiet_settle(&quiet);

    int64_t first_ms = clock_boot_ms() - begun_ms;
    assert_in_range(first_ms, 400, 1500);
    quiet_release(&quiet);
    begun_ms = clock_boot_ms();
    quiet_hold(&quiet); /* the next one knows */
    quiet_settle(&quiet);
    assert_in_range(clock_boot_ms() - begun_ms, 0, 300);
    quiet_release(&quiet);
    quiet_leave(&quiet, QUIET_FILE);
    quiet_close(&quiet);
}

static void offer(struct metrics_file *file, const char *words)
{
    struct buf text = BUF_INIT(100);
    struct err err = ERR_INIT;

    assert_true(buf_add_text(&text, words, &err));
    metrics_file_offer(file, &text);
}

static void a_file_is_written_whole_after_the_hold_with_its_last_text(void **state)
{
    struct metrics_file *file = NULL;
    struct buf found = BUF_INIT(100);
    char path[TREE_PATH_BYTES];
    struct err err = ERR_INIT;
    struct tree tree;
    struct stat info;

    (void)state;
    tree_make(&tree, "metrics");
    (void)tree_path(&tree, "new/x.prom", path);
    quiet_open(&quiet);
    mode_t old = umask(077);
    assert_true(metrics_file_open(path, &quiet, &file, &err));
    quiet_hold(&quiet);
    offer(file, "first\n");
    offer(file, "second\n");
    assert_false(metrics_file_wait(file, clock_boot_ms() + 50, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_int_not_equal(access(path, F_OK), 0);

    quiet_release(&quiet);

    assert_true(metrics_file_wait(file, clock_boot_ms() + 5000, &err));
    assert_true(fileio_read(path, &found, &err));
    assert_string_equal(buf_text(&found), "second\n");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    (void)umask(old);
    assert_true(metrics_file_close(file));
    quiet_close(&quiet);
    buf_free(&found);
    tree_remove(&tree);
}

static void a_file_that_can_not_be_written_is_told_and_tried_again(void **state)
{
    struct metrics_file *file = NULL;
    char path[TREE_PATH_BYTES], folder[TREE_PATH_BYTES];
    struct err err = ERR_INIT;
    int64_t written_us = -1;
    struct tree tree;

    (void)state;
    tree_make(&tree, "metrics");
    tree_write(&tree, "sub", "no folder\n");
    (void)tree_path(&tree, "sub/x.prom", path);
    quiet_open(&quiet);
    assert_true(metrics_file_open(path, &quiet, &file, &err));
    offer(file, "first\n");
    assert_false(metrics_file_wait(file, clock_boot_ms() + 5000, &err));
    assert_int_equal(err.kind, ERR_SYS);
    assert_non_null(strstr(err.remedy, tree_path(&tree, "sub", folder)));
    metrics_file_tell(file, &written_us, &err);
    assert_int_equal(written_us, 0);
    assert_int_equal(unlink(folder), 0);

    offer(file, "second\n");

    assert_true(metrics_file_wait(file, clock_boot_ms() + 5000, &err));
    metrics_file_tell(file, &written_us, &err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_true(written_us > 0);
    assert_true(metrics_file_close(file));
    quiet_close(&quiet);
    tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_begins_in_a_hold),
        cmocka_unit_test(a_hold_does_not_wait_for_what_hangs),
        cmocka_unit_test(a_file_is_written_whole_after_the_hold_with_its_last_text),
        cmocka_unit_test(a_file_that_can_not_be_written_is_told_and_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
