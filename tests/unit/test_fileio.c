/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    assert_non_null(tree);
    tree_make(tree, "fileio");
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

static void assert_holds(const char *path, const char *text)
{
    struct buf buf = BUF_INIT(100000);
    struct err err = ERR_INIT;

    assert_true(fileio_read(path, &buf, &err));
    assert_string_equal(buf_text(&buf), text);
    buf_free(&buf);
}

static void a_file_is_read_whole_behind_what_was_there(void **state)
{
    char path[TREE_PATH_BYTES], big[10001];
    struct buf buf = BUF_INIT(20000);
    struct err err = ERR_INIT;

    memset(big, 'b', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    tree_write(*state, "big", big);
    assert_true(buf_add_text(&buf, "front", &err));
    assert_true(fileio_read(tree_path(*state, "big", path), &buf, &err));

    assert_int_equal(buf.len, 10005);
    assert_memory_equal(buf.data, "frontbbb", 8);
    buf_free(&buf);
}

static void a_file_larger_than_the_cap_is_an_error_that_names_it(void **state)
{
    char path[TREE_PATH_BYTES];
    struct buf buf = BUF_INIT(4);
    struct err err = ERR_INIT;

    tree_write(*state, "five", "12345");
    assert_false(fileio_read(tree_path(*state, "five", path), &buf, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, path));
    buf_free(&buf);
}

static void what_is_not_there_is_told_from_what_cant_be_read(void **state)
{
    char path[TREE_PATH_BYTES];
    struct buf buf = BUF_INIT(100);
    struct err err = ERR_INIT;

    assert_false(fileio_read(tree_path(*state, "none", path), &buf, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(fileio_read(((struct tree *)*state)->root, &buf, &err)); /* a folder */
    assert_int_equal(err.kind, ERR_SYS);
    assert_non_null(strstr(err.text, ((struct tree *)*state)->root));
    buf_free(&buf);
}

static void a_fifo_without_writer_does_not_hold_us(void **state)
{
    char path[TREE_PATH_BYTES];
    struct buf buf = BUF_INIT(100);
    struct err err = ERR_INIT;

    assert_int_equal(mkfifo(tree_path(*state, "fifo", path), 0600), 0);
    assert_true(fileio_read(path, &buf, &err)); /* nobody writes: its end at once */
    assert_int_equal(buf.len, 0);
    buf_free(&buf);
}

static void replacing_puts_the_new_text_with_its_mode_and_leaves_nothing_beside(void **state)
{
    char path[TREE_PATH_BYTES], beside[TREE_PATH_BYTES];
    struct err err = ERR_INIT;
    struct stat st;

    (void)tree_path(*state, "f", path);
    (void)umask(0);
    assert_true(fileio_replace(path, "one", 3, 0640, &err));
    assert_holds(path, "one");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    tree_write(*state, "f.new", "left by a crash");
    assert_true(fileio_replace(path, "second", 6, 0600, &err));
    assert_holds(path, "second");
    assert_int_not_equal(access(tree_path(*state, "f.new", beside), F_OK), 0);
}

static void a_link_in_the_way_is_replaced_not_followed(void **state)
{
    char path[TREE_PATH_BYTES], victim[TREE_PATH_BYTES];
    struct err err = ERR_INIT;

    tree_write(*state, "victim", "untouched");
    tree_link(*state, "f.new", "victim");
    tree_link(*state, "f", "victim");
    assert_true(fileio_replace(tree_path(*state, "f", path), "new", 3, 0600, &err));
    assert_holds(path, "new");
    assert_holds(tree_path(*state, "victim", victim), "untouched");
}

/* A file size limit fails a write as a full disk does, half way through. */
static void a_write_that_fails_half_way_leaves_the_old_file_alone(void **state)
{
    char path[TREE_PATH_BYTES], beside[TREE_PATH_BYTES], big[5000];
    struct err err = ERR_INIT;
    struct rlimit limit, small;

    (void)tree_path(*state, "f", path);
    assert_true(fileio_replace(path, "old", 3, 0600, &err));
    memset(big, 'n', sizeof(big));
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = fileio_replace(path, big, sizeof(big), 0600, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, before);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_SYS);
    assert_holds(path, "old");
    assert_int_not_equal(access(tree_path(*state, "f.new", beside), F_OK), 0);
}

static void replacing_in_a_folder_that_is_not_there_names_the_path(void **state)
{
    char path[TREE_PATH_BYTES], far_too_long[PATH_MAX + 10];
    struct err err = ERR_INIT;

    assert_false(fileio_replace(tree_path(*state, "no/f", path), "x", 1, 0600, &err));
    assert_int_equal(err.kind, ERR_SYS);
    assert_non_null(strstr(err.text, path));
    memset(far_too_long, 'p', sizeof(far_too_long) - 1);
    far_too_long[sizeof(far_too_long) - 1] = '\0';
    assert_false(fileio_replace(far_too_long, "x", 1, 0600, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void writing_all_fails_where_the_disk_is_full(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(fileio_write_all(fd, "x", 1, &err));
    assert_int_equal(err.kind, ERR_SYS);
    assert_true(fileio_write_all(fd, "x", 0, &err));
    (void)close(fd);
}

static void the_remedy_for_a_write_goes_by_what_was_wrong(void **state)
{
    static const struct {
        int os_errno;
        const char *remedy;
    } cases[] = {
        {ENOSPC, "make room in /state"},
        {EDQUOT, "make room in /state"},
        {EACCES, "the daemon's user must be able to write in /state: see whose it and the folders "
                 "above it are"},
        {EPERM, "the daemon's user must be able to write in /state: see whose it and the folders "
                "above it are"},
        {EISDIR, "a folder has this name: move it away, or name a file"},
        {ENOTDIR, "/state, or what it lies in, is not a folder: move it away, or name a file in a "
                  "folder"},
        {ENOENT, "make the folder /state; it must belong to the daemon's user"},
        {EIO, "see that /state is a folder that the daemon's user can write in"},
        {EROFS,
         "/state is on a filesystem that is read-only here: mount it read-write, or name the "
         "folder in ReadWritePaths= of stillpointd.service"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        (void)err_set(&err, ERR_SYS, cases[i].os_errno, "create");
        (void)err_wrap(&err, "the journal");

        assert_false(fileio_suggest_room("/state", &err));

        assert_string_equal(err.remedy, cases[i].remedy);
    }
}

static void a_folder_is_made_once_and_found_again(void **state)
{
    char path[TREE_PATH_BYTES];
    struct err err = ERR_INIT;
    struct stat st;

    (void)umask(022);
    assert_true(fileio_mkdir(tree_path(*state, "d", path), 0750, &err));
    assert_true(fileio_mkdir(path, 0750, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_false(fileio_mkdir(tree_path(*state, "x/y", path), 0750, &err));
    assert_int_equal(err.kind, ERR_SYS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_is_read_whole_behind_what_was_there),
        T(a_file_larger_than_the_cap_is_an_error_that_names_it),
        T(what_is_not_there_is_told_from_what_cant_be_read),
        T(a_fifo_without_writer_does_not_hold_us),
        T(replacing_puts_the_new_text_with_its_mode_and_leaves_nothing_beside),
        T(a_link_in_the_way_is_replaced_not_followed),
        T(a_write_that_fails_half_way_leaves_the_old_file_alone),
        T(replacing_in_a_folder_that_is_not_there_names_the_path),
        T(writing_all_fails_where_the_disk_is_full),
        T(the_remedy_for_a_write_goes_by_what_was_wrong),
        T(a_folder_is_made_once_and_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
