/* SPDX-License-Identifier: BSD-2-Clause */
/* The lease when things go wrong: processes killed and stopped, a FIFREEZE that does not return, a
 * guard that has to clean up after another. Whatever happens, nothing stays frozen. */
#include "tests/guard/rig.h"

#include <sys/mman.h>
#include <sys/syscall.h>

/* SLOW lies in a file on OUTER: while OUTER is frozen, a FIFREEZE of SLOW with dirty pages waits.
 */
enum { FAST, OUTER, SLOW };

/* A lease that ends by itself: a freeze may wait for a busy disk, and has to be done before. */
enum { SHORT_MS = 1500 };

static void hold_fast(struct rig *rig, int64_t for_ms)
{
    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    assert_int_equal(rig_freeze(rig, for_ms), GUARD_OK);
    assert_true(rig_is_frozen(rig, FAST));
    assert_true(rig_is_frozen(rig, SLOW));
}

static void assert_loose_in_time(const struct rig *rig, int64_t since_ms)
{
    int64_t slow_ms = rig_wait_loose(rig, SLOW, since_ms);
    int64_t fast_ms = rig_wait_loose(rig, FAST, since_ms);

    assert_in_range(slow_ms, 0, rig_late_ms());
    assert_in_range(fast_ms, 0, rig_late_ms());
}

/* Kills both processes so that neither sees the other die: what they froze stays frozen. */
static void kill_both(struct rig *rig, pid_t freezer)
{
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    assert_int_equal(kill(rig->guard, SIGSTOP), 0);
    assert_int_equal(kill(freezer, SIGKILL), 0);
    assert_int_equal(kill(rig->guard, SIGKILL), 0);
    assert_int_equal(rig_wait_guard(rig), 128 + SIGKILL);
    assert_true(rig_wait_gone(freezer));
    rig_hang_up(rig);
}

static int run_thaw(const struct rig *rig)
{
    static const char *const more[] = {"--thaw", NULL};

    return rig_wait_pid(rig_spawn(rig, more));
}

/* ---- deaths ---- */

static void killed_keeper_is_outlived_by_a_freezer_that_thaws(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    assert_int_equal(kill(rig->guard, SIGKILL), 0);

    assert_loose_in_time(rig, now_ms);
    assert_int_equal(rig_wait_guard(rig), 128 + SIGKILL);
    assert_true(rig_wait_gone(freezer)); /* no orphan */
}

static void killed_freezer_is_outlived_by_a_keeper_that_thaws(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    assert_int_equal(kill(freezer, SIGKILL), 0);

    assert_loose_in_time(rig, now_ms);
    assert_int_equal(rig_wait_guard(rig), 1); /* so that systemd starts a new pair */
    assert_false(rig_receive(rig));
}

static void idle_guard_ends_when_either_process_dies(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    assert_int_equal(kill(freezer, SIGKILL), 0);
    assert_int_equal(rig_wait_guard(rig), 1);
    rig_hang_up(rig);
    rig_start_guard(rig, NULL);
    freezer = rig_freezer_pid(rig);
    assert_int_equal(kill(rig->guard, SIGKILL), 0);
    assert_int_equal(rig_wait_guard(rig), 128 + SIGKILL);

    assert_true(rig_wait_gone(freezer));
}

/* The keeper sees the death and the question in one look. */
static void question_after_the_freezers_death_is_not_answered_with_another_cause(void **state)
{
    struct rig *rig = *state;
    const struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), 0, 1000};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
        pid_t freezer = rig_freezer_pid(rig);
        assert_int_equal(kill(rig->guard, SIGSTOP), 0);
        assert_int_equal(kill(freezer, SIGKILL), 0);
        assert_true(rig_wait_gone(freezer));
        if (i == 0)
            rig_send(rig, &sync, sizeof(sync));
        else
            (void)rig_send_freeze(rig, 5000);
        assert_int_equal(kill(rig->guard, SIGCONT), 0);

        assert_int_equal(rig_receive(rig), i == 1); /* the story of a lease that was over at once */
        if (i == 1)
            assert_int_equal(rig->reply.lease.end_cause, GUARD_END_TWIN_GONE);
        assert_int_equal(rig_wait_guard(rig), 1);
        rig_hang_up(rig);
        rig_start_guard(rig, NULL);
    }
}

static void both_killed_are_cleaned_up_after_by_the_next_guard(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 20000);
    kill_both(rig, freezer);
    assert_true(rig_is_frozen(rig, FAST));
    assert_true(rig_is_frozen(rig, SLOW));
    rig_start_guard(rig, NULL);

    assert_false(rig_is_frozen(rig, FAST));
    assert_false(rig_is_frozen(rig, SLOW));
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);
    assert_int_equal(rig->reply.hello.recovered_count, 2);
    hold_fast(rig, 5000); /* and it works */
}

static void thaw_option_cleans_up_and_removes_the_record(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 20000);
    kill_both(rig, freezer);
    int code = run_thaw(rig);

    assert_int_equal(code, 0);
    assert_false(rig_is_frozen(rig, FAST));
    assert_false(rig_is_frozen(rig, SLOW));
    assert_int_equal(access(rig->record, F_OK), -1);
    assert_int_equal(run_thaw(rig), 0); /* nothing to do is no failure */
}

static pid_t spawn_watch(const struct rig *rig)
{
    static const char *const more[] = {"--watch", NULL};
    pid_t pid = rig_spawn(rig, more);

    /* asleep on the record's lock */
    for (int64_t until_ms = clock_boot_ms() + 10000;; rig_nap_ms(5)) {
        char path[40];
        rig_format(path, sizeof(path), "/proc/%d/syscall", (int)pid);
        if (strtol(rig_read(path), NULL, 10) == SYS_flock)
            return pid;
        if (clock_boot_ms() > until_ms)
            fail_msg("the watch is at %s", rig_read(path));
    }
}

static void end_watch(pid_t watch)
{
    assert_int_equal(kill(watch, SIGTERM), 0);
    assert_int_equal(rig_wait_pid(watch), 128 + SIGTERM);
}

/* Without systemd, without a next guard: what is left where PID 1 waits for the frozen disk. */
static void watch_lets_go_when_both_are_killed(void **state)
{
    struct rig *rig = *state;
    pid_t watch = spawn_watch(rig);

    for (int i = 0; i < 3; i++) {
        hold_fast(rig, 20000);
        pid_t freezer = rig_freezer_pid(rig);
        int64_t now_ms = clock_boot_ms();
        kill_both(rig, freezer);

        assert_loose_in_time(rig, now_ms);
        rig_start_guard(rig, NULL); /* and of the next one, too */
    }
    end_watch(watch);
}

static void watch_leaves_a_living_guard_alone(void **state)
{
    struct rig *rig = *state;
    pid_t watch = spawn_watch(rig);

    hold_fast(rig, 10000);
    pid_t another = spawn_watch(rig);
    rig_nap_ms(300);
    assert_true(rig_is_frozen(rig, FAST));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_TOLD);

    assert_int_equal(kill(rig->guard, SIGTERM), 0); /* which takes its record along */
    assert_int_equal(rig_wait_guard(rig), 0);
    rig_hang_up(rig);
    rig_start_guard(rig, NULL);
    hold_fast(rig, 10000);
    rig_nap_ms(300);
    assert_true(rig_is_frozen(rig, FAST));
    end_watch(watch);
    end_watch(another);
}

static void watch_needs_a_folder(void **state)
{
    const char *more[] = {"--watch", "--record", NULL, NULL};
    struct rig *rig = *state;
    char record[200];

    rig_format(record, sizeof(record), "%s/nowhere/guard.lease", rig->folder);
    more[2] = record;
    assert_int_equal(rig_wait_pid(rig_spawn(rig, more)), 1);
    more[1] = "--thaw"; /* one of the two */
    more[2] = NULL;
    assert_int_equal(rig_wait_pid(rig_spawn(rig, more)), 2);
}

static void thaw_option_ends_the_lease_of_a_living_guard(void **state)
{
    struct rig *rig = *state;

    hold_fast(rig, 10000);
    assert_int_equal(run_thaw(rig), 0);
    assert_false(rig_is_frozen(rig, FAST));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);

    assert_int_equal(rig->reply.lease.whole, 0);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_FORCED);
    assert_int_equal(access(rig->record, F_OK), 0); /* it is still needed */
}

static void signals_thaw_before_the_guard_ends(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct rig *rig = *state;

    for (size_t i = 0; i < 3; i++) {
        pid_t freezer = rig_freezer_pid(rig);
        hold_fast(rig, 10000);
        assert_int_equal(kill(freezer, signals[i]), 0); /* systemd sends it to both */
        rig_nap_ms(20);
        assert_true(rig_is_frozen(rig, FAST));
        int64_t now_ms = clock_boot_ms();
        assert_int_equal(kill(rig->guard, signals[i]), 0);
        assert_loose_in_time(rig, now_ms);
        assert_int_equal(rig_wait_guard(rig), 0);
        assert_true(rig_wait_gone(freezer));
        assert_int_equal(access(rig->socket, F_OK), -1);
        assert_int_equal(access(rig->record, F_OK), -1);
        rig_hang_up(rig);
        rig_start_guard(rig, NULL);
    }
}

/* ---- stopped, not dead ---- */

static void stopped_keeper_does_not_keep_the_freezer_from_thawing(void **state)
{
    struct rig *rig = *state;

    hold_fast(rig, SHORT_MS);
    int64_t deadline_ms = rig->reply.lease.deadline_ms;
    assert_int_equal(kill(rig->guard, SIGSTOP), 0);
    assert_loose_in_time(rig, deadline_ms);
    assert_int_equal(kill(rig->guard, SIGCONT), 0);

    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_DEADLINE);
    assert_int_equal(rig->reply.lease.whole, 0);
}

static void stopped_freezer_does_not_keep_the_keeper_from_thawing(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, SHORT_MS);
    int64_t deadline_ms = rig->reply.lease.deadline_ms;
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    assert_loose_in_time(rig, deadline_ms);

    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_DEADLINE);
    assert_int_equal(rig_freeze(rig, 5000), GUARD_OK); /* it was set going again */
}

static void stopped_freezer_freezes_nothing_after_the_deadline(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    assert_int_equal(rig_freeze(rig, 300), GUARD_DEADLINE);
    assert_int_equal(rig->reply.lease.froze_count, 0);
    assert_int_equal(kill(freezer, SIGCONT), 0);
    rig_nap_ms(200);

    assert_false(rig_is_frozen(rig, FAST));
    assert_int_equal(rig_freeze(rig, 5000), GUARD_OK);
}

static void order_that_takes_too_long_is_answered_and_its_report_passed_over(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), 0, 100};
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    assert_int_equal(rig_ask(rig, &sync, sizeof(sync)), GUARD_TIMEOUT);
    sync.head = rig_head(rig, GUARD_OP_SYNC);
    assert_int_equal(rig_ask(rig, &sync, sizeof(sync)), GUARD_BUSY); /* it is still at the first */
    struct guard_msg_freeze freeze = {rig_head(rig, GUARD_OP_FREEZE), clock_boot_ms() + 1000};
    assert_int_equal(rig_ask(rig, &freeze, sizeof(freeze)), GUARD_BUSY);
    assert_int_equal(kill(freezer, SIGCONT), 0);

    enum guard_status status = GUARD_BUSY;
    sync.timeout_ms = 5000;
    for (int i = 0; i < 100 && status == GUARD_BUSY; i++) {
        rig_nap_ms(20);
        sync.head = rig_head(rig, GUARD_OP_SYNC);
        status = rig_ask(rig, &sync, sizeof(sync));
    }
    assert_int_equal(status, GUARD_OK);
    assert_int_equal(rig_freeze(rig, 5000), GUARD_OK);
}

static void late_freezer_takes_a_new_lease_for_its_own_not(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 20000);
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK); /* the keeper alone */
    assert_int_equal(rig->reply.lease.whole, 1);
    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    (void)rig_send_freeze(rig, 5000);
    rig_nap_ms(50);
    assert_int_equal(kill(freezer, SIGCONT), 0);
    assert_true(rig_receive(rig));

    assert_int_equal(rig->reply.head.status, GUARD_OK);
    assert_true(rig_is_frozen(rig, FAST));
    assert_false(rig_is_frozen(rig, SLOW));
    rig_nap_ms(100);
    assert_true(rig_is_frozen(rig, FAST));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
}

/* ---- a FIFREEZE that does not return ---- */

static void block_slow(struct rig *rig)
{
    char path[300];
    static char dirty[1024 * 1024];

    rig_format(path, sizeof(path), "%s/dirty", rig->mounts[SLOW].path);
    memset(dirty, 'd', sizeof(dirty));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(write(fd, dirty, sizeof(dirty)), sizeof(dirty));
    (void)close(fd);
    assert_int_equal(ioctl(rig->mounts[OUTER].fd, FIFREEZE, 0), 0);
}

static void unblock_slow(struct rig *rig)
{
    assert_int_equal(ioctl(rig->mounts[OUTER].fd, FITHAW, 0), 0);
}

/* Asks for FAST and SLOW; comes back when FAST is frozen and SLOW is being frozen. The deadline. */
static int64_t freeze_slowly(struct rig *rig, int64_t for_ms)
{
    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    block_slow(rig);
    int64_t deadline_ms = rig_send_freeze(rig, for_ms);
    const struct guard_record *record;
    int fd = open(rig->record, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    record = mmap(NULL, sizeof(*record), PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(record, MAP_FAILED);
    (void)close(fd);
    /* not by trying: a try that is in the guard's way makes it fail */
    for (int i = 0; i < 5000 && atomic_load(&record->mounts[1].state) != GUARD_MOUNT_FREEZING; i++)
        rig_nap_ms(1);
    (void)munmap((void *)(uintptr_t)record, sizeof(*record));
    rig_nap_ms(50);
    assert_true(rig_is_frozen(rig, FAST));
    return deadline_ms;
}

static enum guard_state wait_until_clear(struct rig *rig)
{
    for (int64_t until_ms = clock_boot_ms() + 5000; clock_boot_ms() < until_ms; rig_nap_ms(5)) {
        assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
        if (rig->reply.head.state != GUARD_CLEARING)
            break;
    }
    return (enum guard_state)rig->reply.head.state;
}

static void slow_freeze_does_not_hold_back_the_finished_ones(void **state)
{
    struct rig *rig = *state;

    int64_t deadline_ms = freeze_slowly(rig, SHORT_MS);
    assert_int_equal(rig_read(rig->rcu)[0], '1');
    int64_t late_ms = rig_wait_loose(rig, FAST, deadline_ms);
    assert_true(rig_receive(rig));
    assert_int_equal(rig->reply.head.status, GUARD_DEADLINE);
    assert_int_equal(rig->reply.head.index, 1);
    assert_int_equal(rig->reply.head.state, GUARD_CLEARING);
    assert_int_equal(rig->reply.lease.mounts[1].state, GUARD_MOUNT_FREEZING);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_BUSY);
    assert_int_equal(rig_freeze(rig, 1000), GUARD_BAD_STATE);
    unblock_slow(rig);
    enum guard_state end = wait_until_clear(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(end, GUARD_ENDED);
    const struct guard_mount_story *slow = &rig->reply.lease.mounts[1];
    assert_int_equal(slow->state, GUARD_MOUNT_THAWED); /* at once, when it had returned */
    assert_true(slow->thaw_end_boot_us - slow->freeze_end_boot_us < rig_late_ms() * 1000);
    assert_false(rig_is_frozen(rig, SLOW));
    rig_wait_rcu(rig, '0');
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
}

/* To be killed because the kernel keeps a FIFREEZE would help nobody. */
static void slow_freeze_and_a_watchdog_that_is_fed(void **state)
{
    struct rig *rig = *state;
    char note[RIG_NOTE_BYTES];

    rig_expect_note(rig, "READY=1");
    int64_t deadline_ms = freeze_slowly(rig, SHORT_MS);
    int64_t bites_ms = clock_boot_ms() + rig_expect_watchdog(rig) / 1000;
    rig_expect_no_note(rig, deadline_ms - clock_boot_ms() - 20);
    int count = 0;
    for (; clock_boot_ms() < deadline_ms + 2500;
         count++) { /* the first would have bitten long ago */
        int64_t span_us = rig_expect_watchdog(rig);
        assert_true(clock_boot_ms() < bites_ms);
        bites_ms = clock_boot_ms() + span_us / 1000;
    }
    assert_true(rig_receive(rig));
    unblock_slow(rig);
    assert_int_equal(wait_until_clear(rig), GUARD_ENDED);

    while (rig_take_note(rig, 500, note) && strcmp(note, "WATCHDOG_USEC=0") != 0)
        (void)rig_watchdog_us(note);
    assert_string_equal(note, "WATCHDOG_USEC=0");
    assert_in_range(count, 3, 40);
}

static void slow_freeze_and_a_client_that_goes(void **state)
{
    struct rig *rig = *state;

    (void)freeze_slowly(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    rig_hang_up(rig);
    int64_t late_ms = rig_wait_loose(rig, FAST, now_ms);
    rig->client = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
    assert_int_equal(rig->reply.head.state, GUARD_CLEARING);
    unblock_slow(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(wait_until_clear(rig), GUARD_IDLE);
    assert_false(rig_is_frozen(rig, SLOW));
}

static void slow_freeze_and_force_from_another_connection(void **state)
{
    struct rig *rig = *state;
    int owner;

    (void)freeze_slowly(rig, 10000);
    owner = rig->client;
    rig->client = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW_FORCE), GUARD_OK);
    assert_int_equal(rig->reply.head.state, GUARD_CLEARING);
    assert_false(rig_is_frozen(rig, FAST));
    rig_hang_up(rig);
    rig->client = owner;
    assert_true(rig_receive(rig));
    unblock_slow(rig);

    assert_int_equal(rig->reply.head.op, GUARD_OP_FREEZE);
    assert_int_equal(rig->reply.head.status, GUARD_CANCELLED);
    assert_int_equal(wait_until_clear(rig), GUARD_ENDED);
    assert_false(rig_is_frozen(rig, SLOW));
}

static void slow_freeze_and_a_signal(void **state)
{
    struct rig *rig = *state;

    (void)freeze_slowly(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    assert_int_equal(kill(rig->guard, SIGTERM), 0);
    int64_t late_ms = rig_wait_loose(rig, FAST, now_ms);
    rig_nap_ms(100);
    assert_int_equal(waitpid(rig->guard, NULL, WNOHANG), 0); /* waits for what it has begun */
    unblock_slow(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(rig_wait_guard(rig), 0);
    assert_false(rig_is_frozen(rig, SLOW));
}

static void slow_freeze_and_a_killed_freezer(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    int64_t deadline_ms = freeze_slowly(rig, SHORT_MS);
    assert_int_equal(kill(freezer, SIGKILL), 0); /* dies when the kernel lets it */
    int64_t late_ms = rig_wait_loose(rig, FAST, deadline_ms);
    unblock_slow(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(rig_wait_guard(rig), 1);
    assert_true(rig_wait_gone(freezer));
    assert_false(rig_is_frozen(rig, SLOW));
    rig_wait_rcu(rig, '0');
}

static void slow_freeze_and_a_killed_keeper(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    (void)freeze_slowly(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    assert_int_equal(kill(rig->guard, SIGKILL), 0);
    int64_t late_ms =
        rig_wait_loose(rig, FAST, now_ms); /* though the kernel has one of its threads */
    (void)rig_wait_guard(rig);
    unblock_slow(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_true(rig_wait_gone(freezer));
    (void)rig_wait_loose(rig, SLOW, clock_boot_ms());
    rig_wait_rcu(rig, '0');
}

/* A freeze that is done while its process is stopped is one that nobody thaws. */
static void slow_freeze_and_a_freezer_stopped_after_the_end(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    (void)freeze_slowly(rig, SHORT_MS);
    assert_true(rig_receive(rig));
    assert_int_equal(rig->reply.head.state, GUARD_CLEARING);
    rig_nap_ms(50);
    assert_int_equal(kill(freezer, SIGSTOP), 0);
    unblock_slow(rig);

    (void)rig_wait_loose(rig, SLOW, clock_boot_ms());
    assert_int_equal(wait_until_clear(rig), GUARD_ENDED);
}

static void slow_freeze_and_the_thaw_option(void **state)
{
    struct rig *rig = *state;

    (void)freeze_slowly(rig, 10000);
    int code = run_thaw(rig); /* while the guard lives */
    assert_false(rig_is_frozen(rig, FAST));
    unblock_slow(rig);
    assert_true(rig_receive(rig));

    assert_int_equal(code, 0);
    assert_int_equal(rig->reply.head.status, GUARD_CANCELLED);
    assert_int_equal(rig->reply.head.state, GUARD_ENDED);
    assert_false(rig_is_frozen(rig, SLOW));
}

static void company_is_frozen_while_the_first_is_slow(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;

    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, FAST, GUARD_ADD_TOGETHER), GUARD_OK);
    block_slow(rig);
    int64_t deadline_ms = rig_send_freeze(rig, SHORT_MS);
    rig_nap_ms(700);
    assert_true(rig_is_frozen(rig, FAST));
    int64_t late_ms = rig_wait_loose(rig, FAST, deadline_ms);
    assert_true(rig_receive(rig));
    assert_int_equal(lease->head.status, GUARD_DEADLINE);
    assert_int_equal(lease->head.index, 0);
    assert_int_equal(lease->mounts[0].state, GUARD_MOUNT_FREEZING);
    assert_int_equal(lease->mounts[1].state, GUARD_MOUNT_THAWED);
    unblock_slow(rig);

    assert_in_range(late_ms, 0, rig_late_ms());
    assert_int_equal(wait_until_clear(rig), GUARD_ENDED);
    assert_int_equal(lease->mounts[0].state, GUARD_MOUNT_THAWED);
    assert_false(rig_is_frozen(rig, SLOW));
}

static void company_is_not_begun_before_its_turn(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, FAST, GUARD_ADD_TOGETHER), GUARD_OK); /* the threads are there */
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK); /* in order, without the flag */
    block_slow(rig);
    (void)rig_send_freeze(rig, 600);
    assert_true(rig_receive(rig));
    unblock_slow(rig);

    assert_int_equal(rig->reply.head.status, GUARD_DEADLINE);
    assert_int_equal(rig->reply.lease.mounts[1].state, GUARD_MOUNT_ADDED);
    assert_int_equal(wait_until_clear(rig), GUARD_ENDED);
}

static void slow_freeze_and_both_killed(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    (void)freeze_slowly(rig, 20000);
    assert_int_equal(kill(freezer, SIGKILL), 0); /* first: it must not see the keeper die */
    assert_int_equal(kill(rig->guard, SIGKILL), 0);
    (void)rig_wait_guard(rig);
    rig_hang_up(rig);
    rig_start_guard(rig, NULL); /* though the freezer is still in the kernel */
    assert_false(rig_is_frozen(rig, FAST));
    rig_wait_rcu(rig, '0');
    unblock_slow(rig);

    assert_true(rig_wait_gone(freezer));
    (void)rig_wait_loose(rig, SLOW, clock_boot_ms());
    hold_fast(rig, 5000);
}

/* Without O_DIRECT a write would be over before the disk has it. */
static int open_for_writer(const struct rig *rig, void **ret_block, size_t bytes)
{
    char path[300];

    rig_format(path, sizeof(path), "%s/direct", rig->mounts[SLOW].path);
    int fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(posix_memalign(ret_block, 4096, bytes), 0);
    memset(*ret_block, 'w', bytes);
    assert_int_equal(pwrite(fd, *ret_block, bytes, 0), bytes);
    assert_int_equal(fsync(fd), 0);
    return fd;
}

/* While a FIFREEZE waits for writers that were at it before, a FITHAW does not sleep: it says that
 * nothing is frozen. */
static void after_a_freeze_that_waits_for_a_writer(struct rig *rig, void (*recover)(struct rig *))
{
    pid_t freezer = rig_freezer_pid(rig);
    void *block = NULL;
    int fd = open_for_writer(rig, &block, 65536), status = 0;

    assert_int_equal(rig_add(rig, SLOW, 0), GUARD_OK);
    block_slow(rig);
    pid_t writer = fork();
    if (writer == 0)
        _exit(pwrite(fd, block, 65536, 0) == 65536 ? 0 : 1);
    rig_nap_ms(100);
    (void)rig_send_freeze(rig, 20000);
    rig_nap_ms(200);
    assert_int_equal(waitpid(writer, &status, WNOHANG), 0); /* it is still at it */
    assert_int_equal(kill(freezer, SIGKILL), 0);
    assert_int_equal(kill(rig->guard, SIGKILL), 0);
    (void)rig_wait_guard(rig);
    rig_hang_up(rig);
    recover(rig);
    unblock_slow(rig);

    assert_true(rig_wait_gone(freezer));
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    (void)rig_wait_loose(rig, SLOW, clock_boot_ms());
    (void)close(fd);
    free(block);
}

static void start_the_next_guard(struct rig *rig)
{
    rig_start_guard(rig, NULL);
}

static void freeze_that_waits_for_a_writer_and_both_killed(void **state)
{
    after_a_freeze_that_waits_for_a_writer(*state, start_the_next_guard);
}

static void run_thaw_and_end_what_it_leaves(struct rig *rig)
{
    static const char *const more[] = {"--thaw", NULL};
    char path[64];
    pid_t pid = rig_spawn(rig, more);

    rig_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    rig_nap_ms(500);
    long child = strtol(rig_read(path), NULL, 10);
    assert_true(child > 0);
    assert_int_equal(rig_wait_pid(pid), 0);
    assert_int_equal(kill((pid_t)child, SIGTERM), 0);
    rig_nap_ms(100);
}

/* As ExecStopPost= does, with no guard to come: systemctl stop. */
static void freeze_that_waits_for_a_writer_and_the_thaw_option(void **state)
{
    after_a_freeze_that_waits_for_a_writer(*state, run_thaw_and_end_what_it_leaves);
}

/* ---- the record ---- */

static void write_record(const struct rig *rig, const char *boot_id, size_t bytes)
{
    struct guard_record *record = calloc(1, sizeof(*record) + 64);

    assert_non_null(record);
    memcpy(record->magic, GUARD_RECORD_MAGIC, 8);
    record->version = GUARD_RECORD_VERSION;
    record->bytes = sizeof(*record);
    memcpy(record->boot_id, boot_id, strlen(boot_id) + 1);
    record->mount_count = 1;
    atomic_store(&record->rcu_old, -1);
    atomic_store(&record->mounts[0].state, GUARD_MOUNT_FROZEN);
    record->mounts[0].dev_major = rig->mounts[FAST].dev_major;
    record->mounts[0].dev_minor = rig->mounts[FAST].dev_minor;
    memcpy(record->mounts[0].path, rig->mounts[FAST].path, strlen(rig->mounts[FAST].path) + 1);
    int fd = open(rig->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, record, bytes), bytes);
    (void)close(fd);
    free(record);
}

static void stop_guard(struct rig *rig)
{
    assert_int_equal(kill(rig->guard, SIGTERM), 0);
    assert_int_equal(rig_wait_guard(rig), 0);
    rig_hang_up(rig);
}

/* Is FAST, which somebody else froze, still frozen after a guard has started on the record there?
 */
static bool stays_frozen(struct rig *rig)
{
    assert_int_equal(ioctl(rig->mounts[FAST].fd, FIFREEZE, 0), 0);
    rig_start_guard(rig, NULL);
    bool stays = rig_is_frozen(rig, FAST);
    (void)ioctl(rig->mounts[FAST].fd, FITHAW, 0);
    stop_guard(rig);
    return stays;
}

static void record_that_can_not_be_believed_thaws_nothing(void **state)
{
    struct rig *rig = *state;
    char boot_id[GUARD_BOOT_ID_BYTES];

    stop_guard(rig);
    assert_true(guard_record_boot_id(boot_id));
    write_record(rig, "00000000-0000-0000-0000-000000000000", sizeof(struct guard_record));
    assert_true(stays_frozen(rig));
    write_record(rig, boot_id, sizeof(struct guard_record) - 1);
    assert_true(stays_frozen(rig));
    write_record(rig, boot_id, sizeof(struct guard_record) + 1);
    assert_true(stays_frozen(rig));
    rig_write(rig->record, "");
    assert_true(stays_frozen(rig));
    write_record(rig, boot_id, sizeof(struct guard_record));
    assert_int_equal(chown(rig->record, 65534, 65534), 0); /* not root's */
    assert_true(stays_frozen(rig));

    write_record(rig, boot_id, sizeof(struct guard_record)); /* the same, and good */
    assert_int_equal(chown(rig->record, 0, 0), 0);
    assert_false(stays_frozen(rig));
}

static void record_cut_short_in_a_hold_thaws_at_the_deadline(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 1000);
    int64_t end_ms = clock_boot_ms() + 1000;
    assert_int_equal(truncate(rig->record, 0), 0);

    assert_true(rig_wait_loose(rig, FAST, end_ms) <= rig_late_ms());
    assert_true(rig_wait_loose(rig, SLOW, end_ms) <= rig_late_ms());
    assert_int_equal(rig_wait_guard(rig), 1);
    assert_true(rig_wait_gone(freezer));
    rig_hang_up(rig);
    assert_int_equal(run_thaw(rig), 1); /* what is frozen is not known */
    assert_int_equal(access(rig->record, F_OK), 0);
    rig_start_guard(rig, NULL);
    hold_fast(rig, 5000);
}

/* Within its first page nothing is raised: what is cut off reads as zero. */
static void record_cut_short_in_its_first_page_thaws_at_the_deadline(void **state)
{
    static const off_t sizes[] = {60, 100, 1000};
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        hold_fast(rig, 1000);
        int64_t end_ms = clock_boot_ms() + 1000;
        assert_int_equal(truncate(rig->record, sizes[i]), 0);
        assert_true(rig_wait_loose(rig, FAST, end_ms) <= rig_late_ms());
        assert_true(rig_wait_loose(rig, SLOW, end_ms) <= rig_late_ms());
        rig_hang_up(rig);
        int fd = rig_connect(rig);
        assert_int_equal(rig_wait_guard(rig), 1); /* with such a record it holds nothing more */
        if (fd >= 0)
            (void)close(fd);
        rig_start_guard(rig, NULL);
    }
}

static void record_that_others_may_write_is_believed(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    hold_fast(rig, 20000);
    assert_int_equal(chmod(rig->record, 0666), 0);
    kill_both(rig, freezer);
    assert_int_equal(run_thaw(rig), 0);
    assert_false(rig_is_frozen(rig, FAST));
    assert_false(rig_is_frozen(rig, SLOW));
    assert_int_equal(access(rig->record, F_OK), -1);
}

static void record_cut_short_while_idle_thaws_nothing(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, FAST, 0), GUARD_OK);
    assert_int_equal(ioctl(rig->mounts[FAST].fd, FIFREEZE, 0), 0);
    assert_int_equal(truncate(rig->record, 0), 0);
    rig_hang_up(rig);
    int fd = rig_connect(rig); /* it is seen when somebody comes */

    assert_int_equal(rig_wait_guard(rig), 1);
    assert_int_equal(ioctl(rig->mounts[FAST].fd, FITHAW, 0), 0);
    if (fd >= 0)
        (void)close(fd);
}

static void what_is_no_record_is_left_alone(void **state)
{
    struct rig *rig = *state;

    stop_guard(rig);
    rig_write(rig->record, "somebody's file");
    assert_int_equal(run_thaw(rig), 2);
    assert_int_equal(rig_wait_pid(rig_spawn(rig, NULL)), 2);
    assert_string_equal(rig_read(rig->record), "somebody's file");
    assert_int_equal(truncate(rig->record, sizeof(struct guard_record)), 0); /* of the right size */
    assert_int_equal(run_thaw(rig), 2);
    assert_int_equal(rig_wait_pid(rig_spawn(rig, NULL)), 2);
    assert_string_equal(rig_read(rig->record), "somebody's file");

    assert_int_equal(chown(rig->record, 65534, 65534), 0); /* nor what others have */
    assert_int_equal(run_thaw(rig), 2);
    assert_int_equal(access(rig->record, F_OK), 0);
    assert_int_equal(unlink(rig->record), 0);
    assert_int_equal(mkfifo(rig->record, 0600), 0);
    assert_int_equal(run_thaw(rig), 2);
    assert_int_equal(unlink(rig->record), 0);
    rig_start_guard(rig, NULL);
}

static void record_that_was_removed_is_made_anew_by_the_next_guard(void **state)
{
    struct rig *rig = *state;

    rig_hang_up(rig);
    assert_int_equal(unlink(rig->record), 0);
    int fd = rig_connect(rig);
    assert_int_equal(rig_wait_guard(rig), 1); /* so that systemd starts it again */
    if (fd >= 0)
        (void)close(fd);
    rig_start_guard(rig, NULL);
    assert_int_equal(access(rig->record, F_OK), 0);
}

static void record_path_is_not_followed(void **state)
{
    struct rig *rig = *state;
    char victim[300];

    stop_guard(rig);
    rig_format(victim, sizeof(victim), "%s/victim", rig->folder);
    rig_write(victim, "untouched");
    assert_int_equal(symlink(victim, rig->record), 0);
    rig_start_guard(rig, NULL);

    assert_string_equal(rig_read(victim), "untouched");
    hold_fast(rig, 5000);
}

static void second_guard_does_not_start_and_harms_nothing(void **state)
{
    struct rig *rig = *state;

    hold_fast(rig, 10000);
    assert_int_equal(rig_wait_pid(rig_spawn(rig, NULL)), 1);

    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
}

static void record_on_the_mount_itself_is_refused(void **state)
{
    struct rig *rig = *state;
    char kept[sizeof(rig->record)];

    stop_guard(rig);
    memcpy(kept, rig->record, sizeof(kept));
    rig_format(rig->record, sizeof(rig->record), "%s/guard.lease", rig->mounts[FAST].path);
    rig_start_guard(rig, NULL);
    enum guard_status status = rig_add(rig, FAST, 0);
    stop_guard(rig);
    memcpy(rig->record, kept, sizeof(kept));

    assert_int_equal(status, GUARD_RECORD_ON_MOUNT);
}

static int open_mounts(void **state)
{
    (void)rig_open_two(state);
    struct rig *rig = *state;

    (void)rig_add_fs_in(rig, "ext4", rig->mounts[OUTER].path);
    return 0;
}

#define WITH_GUARD(test) cmocka_unit_test_setup_teardown(test, rig_before, rig_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GUARD(killed_keeper_is_outlived_by_a_freezer_that_thaws),
        WITH_GUARD(killed_freezer_is_outlived_by_a_keeper_that_thaws),
        WITH_GUARD(question_after_the_freezers_death_is_not_answered_with_another_cause),
        WITH_GUARD(idle_guard_ends_when_either_process_dies),
        WITH_GUARD(both_killed_are_cleaned_up_after_by_the_next_guard),
        WITH_GUARD(thaw_option_cleans_up_and_removes_the_record),
        WITH_GUARD(watch_lets_go_when_both_are_killed),
        WITH_GUARD(watch_leaves_a_living_guard_alone),
        WITH_GUARD(watch_needs_a_folder),
        WITH_GUARD(thaw_option_ends_the_lease_of_a_living_guard),
        WITH_GUARD(signals_thaw_before_the_guard_ends),
        WITH_GUARD(stopped_keeper_does_not_keep_the_freezer_from_thawing),
        WITH_GUARD(stopped_freezer_does_not_keep_the_keeper_from_thawing),
        WITH_GUARD(stopped_freezer_freezes_nothing_after_the_deadline),
        WITH_GUARD(order_that_takes_too_long_is_answered_and_its_report_passed_over),
        WITH_GUARD(late_freezer_takes_a_new_lease_for_its_own_not),
        WITH_GUARD(slow_freeze_does_not_hold_back_the_finished_ones),
        cmocka_unit_test_setup_teardown(slow_freeze_and_a_watchdog_that_is_fed, rig_before_notified,
                                        rig_after),
        WITH_GUARD(slow_freeze_and_a_client_that_goes),
        WITH_GUARD(slow_freeze_and_force_from_another_connection),
        WITH_GUARD(slow_freeze_and_a_signal),
        WITH_GUARD(slow_freeze_and_a_killed_freezer),
        WITH_GUARD(slow_freeze_and_a_killed_keeper),
        WITH_GUARD(slow_freeze_and_a_freezer_stopped_after_the_end),
        WITH_GUARD(slow_freeze_and_both_killed),
        WITH_GUARD(freeze_that_waits_for_a_writer_and_both_killed),
        WITH_GUARD(freeze_that_waits_for_a_writer_and_the_thaw_option),
        WITH_GUARD(slow_freeze_and_the_thaw_option),
        WITH_GUARD(company_is_frozen_while_the_first_is_slow),
        WITH_GUARD(company_is_not_begun_before_its_turn),
        WITH_GUARD(record_that_can_not_be_believed_thaws_nothing),
        WITH_GUARD(record_cut_short_in_a_hold_thaws_at_the_deadline),
        WITH_GUARD(record_cut_short_in_its_first_page_thaws_at_the_deadline),
        WITH_GUARD(record_that_others_may_write_is_believed),
        WITH_GUARD(record_cut_short_while_idle_thaws_nothing),
        WITH_GUARD(what_is_no_record_is_left_alone),
        WITH_GUARD(record_that_was_removed_is_made_anew_by_the_next_guard),
        WITH_GUARD(record_path_is_not_followed),
        WITH_GUARD(second_guard_does_not_start_and_harms_nothing),
        WITH_GUARD(record_on_the_mount_itself_is_refused),
    };

    return cmocka_run_group_tests(tests, open_mounts, rig_close_all);
}
