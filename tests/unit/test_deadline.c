/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/deadline.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

static void what_is_left_is_at_least_one_and_zero_is_an_error(void **state)
{
    struct err err = ERR_INIT;
    int left_ms = 0;

    (void)state;
    assert_true(deadline_left_ms(clock_boot_ms() + 5000, &left_ms, &err));
    assert_in_range(left_ms, 4000, 5000);
    assert_true(deadline_left_ms(INT64_MAX - 1, &left_ms, &err));
    assert_int_equal(left_ms, INT32_MAX);
    left_ms = 42;
    assert_false(deadline_left_ms(clock_boot_ms(), &left_ms, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_false(deadline_left_ms(0, &left_ms, &err));
    assert_int_equal(left_ms, 42);
}

static void the_sooner_of_two_ends_counts(void **state)
{
    (void)state;
    int64_t now_ms = clock_boot_ms();

    assert_int_equal(deadline_sooner(now_ms + 10, 60000), now_ms + 10);
    assert_in_range(deadline_sooner(now_ms + 60000, 1000), now_ms + 1000, now_ms + 3000);
}

static void waiting_ends_when_there_is_something_to_read(void **state)
{
    struct err err = ERR_INIT;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(deadline_poll(ends[0], POLLIN, clock_boot_ms() + 5000, NULL, &err));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void waiting_ends_at_the_deadline(void **state)
{
    struct err err = ERR_INIT;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int64_t begin_ms = clock_boot_ms();
    assert_false(deadline_poll(ends[0], POLLIN, begin_ms + 50, NULL, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(clock_boot_ms() - begin_ms, 50, 2000);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void *ask_later(void *cancel)
{
    const struct timespec pause = {0, 50000000};

    (void)nanosleep(&pause, NULL);
    cancel_ask(cancel);
    return NULL;
}

static void a_cancel_from_another_thread_ends_a_wait_at_once(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    struct err err = ERR_INIT;
    pthread_t thread;

    (void)state;
    assert_true(cancel_open(&cancel, &err));
    int64_t begin_ms = clock_boot_ms();
    assert_int_equal(pthread_create(&thread, NULL, ask_later, &cancel), 0);
    assert_false(deadline_poll(-1, 0, begin_ms + 20000, &cancel, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(clock_boot_ms() - begin_ms < 10000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* It stays asked: the next wait does not even begin. */
    assert_false(deadline_sleep(begin_ms + 1, begin_ms + 20000, &cancel, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    cancel_close(&cancel);
    cancel_close(&cancel);
}

static void a_cancel_that_was_never_opened_can_be_asked_and_closed(void **state)
{
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    assert_false(cancel_asked(&cancel));
    assert_false(cancel_asked(NULL));
    cancel_ask(&cancel);
    assert_true(cancel_asked(&cancel));
    cancel_close(&cancel);
}

static void sleeping_ends_at_its_time_and_leaves_no_error(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    int64_t begin_ms = clock_boot_ms();
    assert_true(deadline_sleep(begin_ms + 30, begin_ms + 20000, NULL, &err));
    assert_in_range(clock_boot_ms() - begin_ms, 30, 2000);
    assert_int_equal(err.kind, ERR_NONE);
}

static void sleeping_past_the_deadline_fails_at_the_deadline(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    int64_t begin_ms = clock_boot_ms();
    assert_false(deadline_sleep(begin_ms + 20000, begin_ms + 30, NULL, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(clock_boot_ms() - begin_ms, 30, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_at_least_one_and_zero_is_an_error),
        cmocka_unit_test(the_sooner_of_two_ends_counts),
        cmocka_unit_test(waiting_ends_when_there_is_something_to_read),
        cmocka_unit_test(waiting_ends_at_the_deadline),
        cmocka_unit_test(a_cancel_from_another_thread_ends_a_wait_at_once),
        cmocka_unit_test(a_cancel_that_was_never_opened_can_be_asked_and_closed),
        cmocka_unit_test(sleeping_ends_at_its_time_and_leaves_no_error),
        cmocka_unit_test(sleeping_past_the_deadline_fails_at_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
