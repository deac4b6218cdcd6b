/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guard tells systemd, above all of the watchdog: on for the time of a lease, and no
 * longer. (A FIFREEZE that outlasts the deadline: test_guard_faults.c.) */
#include "tests/guard/rig.h"

#include "agent/guard/guard_notify.h"

static void expect_off(const struct rig *rig)
{
    rig_expect_note(rig, "WATCHDOG_USEC=0");
    rig_expect_no_note(rig, 200);
}

static void watchdog_bites_soon_after_the_deadline(void **state)
{
    struct rig *rig = *state;

    rig_expect_note(rig, "READY=1");
    assert_int_equal(rig_add(rig, 0, 0), GUARD_OK);
    int64_t before_ms = clock_boot_ms();
    assert_int_equal(rig_freeze(rig, 3000), GUARD_OK);
    int64_t after_ms = clock_boot_ms(), deadline_ms = rig->reply.lease.deadline_ms;
    int64_t span_ms = rig_expect_watchdog(rig) / 1000;

    assert_true(after_ms + span_ms > deadline_ms);
    assert_true(before_ms + span_ms <= deadline_ms + GUARD_NOTIFY_MARGIN_MS);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    expect_off(rig);
}

static void watchdog_is_on_for_the_time_of_a_lease_alone(void **state)
{
    struct rig *rig = *state;

    rig_expect_note(rig, "READY=1");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
        for (size_t m = 0; m < rig->mount_count; m++)
            assert_int_equal(rig_add(rig, m, 0), GUARD_OK);
        rig_expect_no_note(rig, 300); /* idle, and with mounts that are not frozen yet */
        assert_int_equal(rig_freeze(rig, 3000), GUARD_OK);
        (void)rig_expect_watchdog(rig);
        rig_expect_no_note(rig, 300); /* nor is it fed */
        assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
        expect_off(rig);
        assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    }
}

static void watchdog_is_off_again_however_the_lease_ends(void **state)
{
    struct rig *rig = *state;

    rig_expect_note(rig, "READY=1");
    rig_hold(rig, 1500); /* the freezes may wait for a busy disk */
    (void)rig_expect_watchdog(rig);
    expect_off(rig); /* the deadline */
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    rig_hold(rig, 3000);
    (void)rig_expect_watchdog(rig);
    rig_hang_up(rig);
    expect_off(rig);
    rig->client = rig_connect(rig);
    rig_hold(rig, 3000);
    (void)rig_expect_watchdog(rig);
    assert_int_equal(kill(rig->guard, SIGTERM), 0);

    rig_expect_note(rig, "WATCHDOG_USEC=0");
    rig_expect_note(rig, "STOPPING=1");
    assert_int_equal(rig_wait_guard(rig), 0);
}

static void freeze_that_is_refused_arms_nothing(void **state)
{
    struct rig *rig = *state;

    rig_expect_note(rig, "READY=1");
    assert_int_equal(rig_add(rig, 0, 0), GUARD_OK);
    assert_int_equal(rig_freeze(rig, -1), GUARD_DEADLINE);

    rig_expect_no_note(rig, 200);
}

static void systemd_that_does_not_listen_holds_up_nothing(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    rig_expect_note(rig, "READY=1");
    memcpy(address.sun_path, rig->notify_path, sizeof(rig->notify_path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    while (send(fd, "X=1", 3, MSG_DONTWAIT) == 3) /* until its queue is full */
        ;
    rig_hold(rig, 1500);
    int64_t deadline_ms = rig->reply.lease.deadline_ms;
    int64_t late_ms = rig_wait_loose(rig, 0, deadline_ms);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    (void)close(fd);
}

#define NOTIFIED(test) cmocka_unit_test_setup_teardown(test, rig_before_notified, rig_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NOTIFIED(watchdog_bites_soon_after_the_deadline),
        NOTIFIED(watchdog_is_on_for_the_time_of_a_lease_alone),
        NOTIFIED(watchdog_is_off_again_however_the_lease_ends),
        NOTIFIED(freeze_that_is_refused_arms_nothing),
        NOTIFIED(systemd_that_does_not_listen_holds_up_nothing),
    };

    return cmocka_run_group_tests(tests, rig_open_two, rig_close_all);
}
