/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

struct pair {
    int fds[2];
    struct cancel cancel;
    struct db_watch *watch;
};

static void open_pair(struct pair *pair)
{
    struct err err = ERR_INIT;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fds), 0);
    assert_true(db_watch_start(pair->fds[0], &pair->cancel, &pair->watch, &err));
}

static void close_pair(struct pair *pair)
{
    db_watch_stop(pair->watch);
    (void)close(pair->fds[0]);
    (void)close(pair->fds[1]);
}

static int make(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct err err = ERR_INIT;

    pair->cancel = (struct cancel)CANCEL_INIT;
    if (!cancel_open(&pair->cancel, &err))
        return -1;
    open_pair(pair);
    *state = pair;
    return 0;
}

static int drop(void **state)
{
    struct pair *pair = *state;

    close_pair(pair);
    cancel_close(&pair->cancel);
    free(pair);
    return 0;
}

static void sleep_us(long us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    (void)nanosleep(&time, NULL);
}

/* The end of the stream, without waiting for it. */
static bool is_shut(const struct pair *pair)
{
    char byte;

    return recv(pair->fds[1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_blocked_read_ends_at_the_deadline(void **state)
{
    struct pair *pair = *state;
    char byte;

    int64_t deadline_ms = clock_boot_ms() + 120;
    db_watch_arm(pair->watch, true, deadline_ms);
    assert_int_equal(read(pair->fds[0], &byte, 1), 0);
    assert_in_range(clock_boot_ms() - deadline_ms, 0, 500);
    assert_int_equal(db_watch_disarm(pair->watch), DB_CUT_DEADLINE);
    assert_true(is_shut(pair));
}

static void a_cancel_is_heeded_only_where_it_was_asked_for(void **state)
{
    struct pair *pair = *state;
    char byte;

    cancel_ask(&pair->cancel);
    db_watch_arm(pair->watch, false, clock_boot_ms() + 5000);
    sleep_us(50000);
    assert_int_equal(db_watch_disarm(pair->watch), DB_CUT_NONE);
    assert_false(is_shut(pair));

    db_watch_arm(pair->watch, true, clock_boot_ms() + 5000);
    assert_int_equal(read(pair->fds[0], &byte, 1), 0);
    assert_int_equal(db_watch_disarm(pair->watch), DB_CUT_CANCEL);
}

static void what_lets_go_after_a_cancel_ends_at_its_own_deadline(void **state)
{
    struct pair *pair = *state;
    char byte;

    cancel_ask(&pair->cancel);
    db_watch_arm(pair->watch, false, clock_boot_ms() + 60);
    assert_int_equal(read(pair->fds[0], &byte, 1), 0);
    assert_int_equal(db_watch_disarm(pair->watch), DB_CUT_DEADLINE);
}

/* The timer fires, and before the watcher gets to look the next statement is under way. */
static void a_timer_that_fired_for_an_earlier_statement_cuts_nothing(void **state)
{
    struct pair *pair = *state;
    unsigned close_calls = 0;

    for (int i = 0; i < 1500; i++) {
        int64_t deadline_ms = clock_boot_ms() + 1, until_us = deadline_ms * 1000 - 30 + i % 60;
        db_watch_arm(pair->watch, true, deadline_ms);
        while (clock_boot_us() < until_us)
            continue;
        bool cut = db_watch_disarm(pair->watch) != DB_CUT_NONE;
        if (!cut) {
            db_watch_arm(pair->watch, true, clock_boot_ms() + 10000);
            sleep_us(20);
            assert_int_equal(db_watch_disarm(pair->watch), DB_CUT_NONE);
            close_calls++;
        } else {
            close_pair(pair);
            open_pair(pair);
        }
    }
    assert_true(close_calls > 100);
}

static void an_idle_watch_is_woken_by_nothing(void **state)
{
    struct pair *pair = *state;
    struct rusage before, after;

    for (int i = 0; i < 100; i++) { /* arming and disarming included */
        db_watch_arm(pair->watch, true, clock_boot_ms() + 5000);
        (void)db_watch_disarm(pair->watch);
    }
    sleep_us(10000);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    for (int i = 0; i < 100; i++) {
        db_watch_arm(pair->watch, true, clock_boot_ms() + 5000);
        (void)db_watch_disarm(pair->watch);
    }
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, 5);
}

static void stopping_while_armed_is_fine(void **state)
{
    struct pair *pair = *state;

    db_watch_arm(pair->watch, true, clock_boot_ms() + 5000);
    db_watch_stop(pair->watch);
    db_watch_stop(NULL);
    pair->watch = NULL;
    assert_false(is_shut(pair));
}

static unsigned open_count(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void without_a_descriptor_for_each_part_it_does_not_start_and_leaves_none(void **state)
{
    enum { PARTS = 3 };
    struct pair *pair = *state;
    struct rlimit limit, low;
    unsigned before = open_count();
    int free_fd = dup(pair->fds[0]); /* the lowest; those above it are free as well */

    assert_true(free_fd >= 0);
    (void)close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    for (unsigned i = 0; i < PARTS; i++) {
        struct db_watch *watch = NULL;
        struct err err = ERR_INIT;

        low.rlim_cur = (rlim_t)free_fd + i;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        bool ok = db_watch_start(pair->fds[0], &pair->cancel, &watch, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

        assert_false(ok);
        assert_int_equal(err.kind, ERR_SYS);
        assert_int_equal(err.os_errno, EMFILE);
        assert_int_equal(open_count(), before);
    }
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_PAIR(a_blocked_read_ends_at_the_deadline),
        ON_PAIR(a_cancel_is_heeded_only_where_it_was_asked_for),
        ON_PAIR(what_lets_go_after_a_cancel_ends_at_its_own_deadline),
        ON_PAIR(a_timer_that_fired_for_an_earlier_statement_cuts_nothing),
        ON_PAIR(an_idle_watch_is_woken_by_nothing),
        ON_PAIR(stopping_while_armed_is_fine),
        ON_PAIR(without_a_descriptor_for_each_part_it_does_not_start_and_leaves_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
