/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_frozen.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/base/clock.h"

/* ---- the deadline ---- */

static void arm(const struct guard_twin *twin, int64_t deadline_ms)
{
    struct itimerspec when;

    memset(&when, 0, sizeof(when)); /* all zero disarms */
    when.it_value.tv_sec = deadline_ms / 1000;
    when.it_value.tv_nsec = deadline_ms % 1000 * 1000000;
    (void)timerfd_settime(twin->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool is_over(const struct guard_twin *twin)
{
    return guard_record_cause(twin->record, twin->lease) != GUARD_END_NONE;
}

static void end(const struct guard_twin *twin, enum guard_end_cause cause)
{
    guard_record_end(twin->record, twin->lease, cause);
}

/* ---- grace periods of a freeze: a millisecond each instead of ten (rcu_expedited) ---- */

static void rcu_hurry(struct guard_twin *twin)
{
    char old = 0;

    /* the kernel's default is 0; anything else is somebody's wish, and no slower */
    if (twin->rcu_fd < 0 || pread(twin->rcu_fd, &old, 1, 0) != 1 || old != '0')
        return;
    atomic_store(&twin->record->rcu_old, 0); /* on record before it is changed */
    twin->record->rcu_was_set = pwrite(twin->rcu_fd, "1", 1, 0) == 1;
}

static void rcu_restore(struct guard_twin *twin)
{
    if (atomic_load(&twin->record->rcu_old) == 0 && twin->rcu_fd >= 0 &&
        pwrite(twin->rcu_fd, "0", 1, 0) == 1)
        atomic_store(&twin->record->rcu_old, -1);
}

/* ---- thaw ---- */

static void note_thaw_begin(struct guard_record *record)
{
    int64_t not_yet = 0, now_us = clock_boot_us();

    if (atomic_compare_exchange_strong(&record->thaw_begin_boot_us, &not_yet, now_us))
        record->thaw_begin_utc_us = clock_utc_us();
}

static void thaw_mount(struct guard_twin *twin, struct guard_record_mount *mount, int fd,
                       uint32_t state)
{
    int tries = 0, answer;

    if (!atomic_compare_exchange_strong(&mount->state, &state, GUARD_MOUNT_THAWING))
        return; /* somebody else was faster */
    note_thaw_begin(twin->record);
    mount->thaw_begin_boot_us = clock_boot_us();
    do {
        answer = ioctl(fd, FITHAW, 0);
    } while (answer < 0 && errno != EINVAL && ++tries < 3);
    mount->thaw_errno = answer == 0 ? 0 : errno;
    mount->thaw_end_boot_us = clock_boot_us();

    atomic_store(&mount->state, answer == 0                   ? GUARD_MOUNT_THAWED
                                : mount->thaw_errno == EINVAL ? GUARD_MOUNT_LET_GO
                                                              : GUARD_MOUNT_THAW_FAILED);
}

void guard_frozen_thaw(struct guard_twin *twin, bool twin_gone)
{
    struct guard_record *record = twin->record;

    for (uint32_t i = record->mount_count; i-- > 0;) {
        struct guard_record_mount *mount = &record->mounts[i];
        uint32_t state = atomic_load(&mount->state);
        /* FREEZING is left alone while the freezer lives: a FITHAW would sleep, uninterruptibly,
         * until its FIFREEZE has returned, and the freezer thaws it then */
        bool ours = state == GUARD_MOUNT_FROZEN ||
                    (twin_gone && (state == GUARD_MOUNT_FREEZING || state == GUARD_MOUNT_THAWING));
        if (ours && twin->mount_fds[i] >= 0)
            thaw_mount(twin, mount, twin->mount_fds[i], state);
    }
    if (twin_gone)
        rcu_restore(twin);
}

static bool has(const struct guard_record *record, uint32_t state, int *ret_index)
{
    for (uint32_t i = 0; i < record->mount_count; i++)
        if (atomic_load(&record->mounts[i].state) == state) {
            *ret_index = (int)i;
            return true;
        }
    return false;
}

static bool is_thawing(const struct guard_record *record)
{
    int index;

    return has(record, GUARD_MOUNT_THAWING, &index);
}

/* Each mount is looked at once: between two looks, one for each state, it could go from the one to
 * the other, and would be missed by both. */
static bool is_clear(const struct guard_record *record)
{
    for (uint32_t i = 0; i < record->mount_count; i++) {
        uint32_t state = atomic_load(&record->mounts[i].state);
        if (state == GUARD_MOUNT_FREEZING || state == GUARD_MOUNT_FROZEN ||
            state == GUARD_MOUNT_THAWING)
            return false;
    }
    return true;
}

/* ---- the freezer ---- */

static bool twin_is_gone(const struct guard_twin *twin)
{
    struct pollfd one = {twin->twin_fd, 0, 0};

    return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)) != 0;
}

static bool may_go_on(struct guard_twin *twin)
{
    if (clock_boot_ms() >= twin->record->deadline_ms)
        end(twin, GUARD_END_DEADLINE);
    if (twin_is_gone(twin))
        end(twin, GUARD_END_TWIN_GONE);
    return !is_over(twin);
}

static void freeze_mount(struct guard_twin *twin, struct guard_record_mount *mount, int fd)
{
    /* on record before it happens; and asked after that whether the lease still stands, so that the
     * keeper, who ends it first and looks at the states then, misses nothing */
    atomic_store(&mount->state, GUARD_MOUNT_FREEZING);
    if (is_over(twin)) {
        atomic_store(&mount->state, GUARD_MOUNT_ADDED);
        return;
    }
    mount->freeze_begin_boot_us = clock_boot_us();
    int answer = ioctl(fd, FIFREEZE, 0);
    mount->freeze_errno = answer == 0 ? 0 : errno;
    mount->freeze_end_boot_us = clock_boot_us();
    atomic_store(&mount->state, answer == 0 ? GUARD_MOUNT_FROZEN : GUARD_MOUNT_FAILED);
    if (answer != 0)
        end(twin, GUARD_END_FREEZE_FAILED);
}

static void report(const struct guard_twin *twin, enum guard_report_kind kind, uint64_t serial)
{
    struct guard_report message;

    memset(&message, 0, sizeof(message));
    message.kind = kind;
    message.serial = serial;
    /* a keeper that is stopped or gone does not read; its own poll finds the record as it is */
    (void)send(twin->twin_fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What a freezer can hear while it waits: the end of its keeper, the keeper's word, the deadline,
 * and its crew (DONE_FD, -1 where none is at work). Once the lease is over, whoever has ended it,
 * what is frozen already is thawed, though others are still at it, and only the crew is waited for.
 * Returns how many jobs are done. */
static uint64_t freezer_hears(struct guard_twin *twin, int64_t deadline_ms, int done_fd)
{
    bool was_over = is_over(twin);
    struct pollfd three[3] = {{done_fd, POLLIN, 0},
                              {was_over ? -1 : twin->twin_fd, POLLIN, 0},
                              {was_over ? -1 : twin->timer_fd, POLLIN, 0}};
    struct guard_order order;
    uint64_t done = 0;

    if (was_over && done_fd >= 0)
        guard_frozen_thaw(twin, false); /* the keeper may have died between its word and its deed */
    (void)poll(three, 3, -1);
    if ((three[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        recv(twin->twin_fd, &order, sizeof(order), MSG_DONTWAIT) == 0)
        end(twin,
            GUARD_END_TWIN_GONE); /* an order can only be OVER: the record has said so before */
    if (!was_over && clock_boot_ms() >= deadline_ms)
        end(twin, GUARD_END_DEADLINE);
    if ((three[0].revents & POLLIN) != 0 &&
        read(done_fd, &done, sizeof(done)) != (ssize_t)sizeof(done))
        done = 0;
    return done;
}

/* Has COUNT jobs done, for the freeze from mount FIRST on, and waits for all of them. */
static void crew_does(struct guard_twin *twin, enum guard_job kind, uint32_t first, uint64_t count,
                      int64_t deadline_ms)
{
    atomic_store(&twin->crew.kind, kind);
    atomic_store(&twin->crew.next, first);
    if (write(twin->crew.job_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return;
    while (count > 0)
        count -= freezer_hears(twin, deadline_ms, twin->crew.done_fd);
}

static void freeze_one(struct guard_twin *twin, uint32_t index)
{
    struct guard_record_mount *mount = &twin->record->mounts[index];

    if (!is_over(twin) && atomic_load(&mount->state) == GUARD_MOUNT_ADDED)
        freeze_mount(twin, mount, twin->mount_fds[index]);
    if (is_over(
            twin)) /* it may have ended while the kernel was at it: nobody else thaws this one */
        guard_frozen_thaw(twin, false);
}

/* The pages of what is called later are wanted now, not while the disks are still. */
static __attribute__((noinline)) void touch_stack(void)
{
    volatile char room[8192];

    for (size_t i = 0; i < sizeof(room); i += 1024)
        room[i] = 0;
}

void *guard_frozen_worker(void *arg)
{
    struct guard_twin *twin = arg;
    uint64_t one;

    touch_stack();
    for (;;) {
        if (read(twin->crew.job_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
            continue;
        if (atomic_load(&twin->crew.kind) == GUARD_JOB_FREEZE)
            freeze_one(twin, atomic_fetch_add(&twin->crew.next, 1));
        else
            guard_frozen_thaw(twin, false);
        (void)!write(twin->crew.done_fd, &one, sizeof(one)); /* never full */
    }
    return NULL;
}

static void freeze_all(struct guard_twin *twin, int64_t deadline_ms)
{
    struct guard_record *record = twin->record;
    uint32_t next;

    rcu_hurry(twin);
    for (uint32_t first = 0; first < record->mount_count && may_go_on(twin); first = next) {
        next = first + 1;
        while (next < record->mount_count && (record->mounts[next].flags & GUARD_ADD_TOGETHER) != 0)
            next++;
        if (twin->crew.count > 0)
            crew_does(twin, GUARD_JOB_FREEZE, first, next - first, deadline_ms);
        else
            for (uint32_t i = first; i < next && may_go_on(twin); i++)
                freeze_one(twin, i);
    }
    if (may_go_on(twin)) {
        record->held_boot_us = clock_boot_us();
        record->held_utc_us = clock_utc_us();
    }
}

bool guard_frozen_freezer(struct guard_twin *twin, uint64_t serial)
{
    int64_t deadline_ms = twin->record->deadline_ms;

    /* an order that lay in the socket while we were stopped belongs to a lease that is over */
    if (may_go_on(twin)) {
        arm(twin, deadline_ms); /* before the first FIFREEZE */
        freeze_all(twin, deadline_ms);
        if (is_over(twin))
            guard_frozen_thaw(twin, false);
        rcu_restore(twin);
        report(twin, GUARD_REPORT_FROZE, serial);
        while (!is_over(twin))
            (void)freezer_hears(twin, deadline_ms, -1);
        if (twin->crew.count > 1)
            crew_does(twin, GUARD_JOB_THAW, 0, twin->crew.count, deadline_ms);
        guard_frozen_thaw(twin, twin_is_gone(twin));
        arm(twin, 0);
    }
    report(twin, GUARD_REPORT_OVER, serial);
    return !twin_is_gone(twin);
}

/* ---- the keeper ---- */

static union guard_request request; /* one message at a time; in memory that is locked */
static union guard_reply reply;

void guard_frozen_story(const struct guard_record *record, struct guard_reply_lease *story)
{
    enum guard_end_cause cause = guard_record_cause(record, guard_record_lease(record));
    bool told = cause == GUARD_END_TOLD;
    bool whole = record->held_boot_us != 0 && (told || cause == GUARD_END_NONE);

    memset(story, 0, sizeof(*story));
    story->head.index = -1;
    story->deadline_ms = record->deadline_ms;
    story->mount_count = record->mount_count;
    story->end_cause = cause;
    story->rcu_expedited = record->rcu_was_set;
    story->held_boot_us = record->held_boot_us;
    story->held_utc_us = record->held_utc_us;
    story->thaw_begin_boot_us = atomic_load(&record->thaw_begin_boot_us);
    story->thaw_begin_utc_us = record->thaw_begin_utc_us;

    for (uint32_t i = 0; i < record->mount_count; i++) {
        const struct guard_record_mount *mount = &record->mounts[i];
        struct guard_mount_story *line = &story->mounts[i];
        uint32_t state = atomic_load(&mount->state);

        line->state = state;
        line->freeze_begin_boot_us = mount->freeze_begin_boot_us;
        line->freeze_end_boot_us = mount->freeze_end_boot_us;
        line->thaw_begin_boot_us = mount->thaw_begin_boot_us;
        line->thaw_end_boot_us = mount->thaw_end_boot_us;
        line->freeze_errno = mount->freeze_errno;
        line->thaw_errno = mount->thaw_errno;
        line->until_thaw = told && state == GUARD_MOUNT_THAWED;
        story->frozen_count += state == GUARD_MOUNT_FROZEN;
        story->froze_count += mount->freeze_end_boot_us != 0 && mount->freeze_errno == 0;
        if (line->thaw_end_boot_us > story->thaw_end_boot_us)
            story->thaw_end_boot_us = line->thaw_end_boot_us;
        whole = whole && (state == GUARD_MOUNT_SYNC_ONLY ||
                          state == (told ? GUARD_MOUNT_THAWED : GUARD_MOUNT_FROZEN));
    }
    story->whole = whole;
    if (story->thaw_end_boot_us != 0)
        story->thaw_end_utc_us =
            story->thaw_begin_utc_us + story->thaw_end_boot_us - story->thaw_begin_boot_us;
}

void guard_frozen_hello(const struct guard_keeper *keeper, struct guard_reply_hello *hello)
{
    memset(hello, 0, sizeof(*hello));
    hello->head.index = -1;
    hello->keeper_pid = (uint32_t)getpid();
    hello->freezer_pid = (uint32_t)keeper->freezer_pid;
    hello->started_boot_us = keeper->started_boot_us;
    hello->recovered_count = keeper->recovered_count;
}

bool guard_frozen_order(struct guard_keeper *keeper, enum guard_order_kind kind, uint32_t index,
                        uint32_t flags, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct guard_order order;
    struct iovec part = {&order, sizeof(order)};
    struct msghdr msg;

    memset(&order, 0, sizeof(order));
    memset(&msg, 0, sizeof(msg));
    order.kind = kind;
    order.index = index;
    order.flags = flags;
    order.serial = ++keeper->order_serial;
    order.lease = keeper->twin.lease;
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    }
    return sendmsg(keeper->twin.twin_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)sizeof(order);
}

/* Does any mount of the lease have company? Then its thaw has, too. */
static bool is_parallel(const struct guard_record *record)
{
    for (uint32_t i = 0; i < record->mount_count; i++)
        if ((record->mounts[i].flags & GUARD_ADD_TOGETHER) != 0)
            return true;
    return false;
}

static void tell_freezer(struct guard_keeper *keeper)
{
    if (keeper->told_freezer || keeper->twin_gone)
        return;
    keeper->told_freezer = true;
    (void)guard_frozen_order(keeper, GUARD_ORDER_OVER, 0, 0,
                             -1); /* not taken: it sees the record */
}

/* Whoever has cause calls it; the first cause stays, and what is thawed already is passed over. */
static void end_lease(struct guard_keeper *keeper, enum guard_end_cause cause)
{
    end(&keeper->twin, cause);
    if (is_parallel(keeper->twin.record))
        tell_freezer(keeper); /* first, so that its crew takes part */
    guard_frozen_thaw(&keeper->twin, keeper->twin_gone);
    tell_freezer(keeper);
}

/* FREEZE's status, where the lease is over. */
static void judge_freeze(const struct guard_record *record, struct guard_reply_lease *lease)
{
    int index = -1;

    switch (lease->end_cause) {
    case GUARD_END_FREEZE_FAILED:
        lease->head.status = GUARD_SYSCALL_FAILED;
        if (has(record, GUARD_MOUNT_FAILED, &index))
            lease->head.os_errno = record->mounts[index].freeze_errno;
        else
            lease->head.os_errno = EIO; /* the freezer did not take the order */
        break;
    case GUARD_END_DEADLINE:
        lease->head.status = GUARD_DEADLINE;
        (void)has(record, GUARD_MOUNT_FREEZING, &index);
        break;
    default:
        lease->head.status = GUARD_CANCELLED;
        break;
    }
    lease->head.index = index;
}

/* Answers whoever waits for the lease: FREEZE once it is held or over, THAW and kin once it is
 * over. */
static void answer_pending(struct guard_keeper *keeper, bool *ret_reset)
{
    const struct guard_record *record = keeper->twin.record;

    for (int i = 0; i < GUARD_CLIENTS_MAX; i++) {
        uint32_t op = keeper->conn.clients[i].pending_op;
        if (op == 0)
            continue;
        guard_frozen_story(record, &reply.lease);
        enum guard_state state = keeper->state;
        if (op == GUARD_OP_FREEZE && is_over(&keeper->twin)) {
            judge_freeze(record, &reply.lease);
        } else if (op == GUARD_OP_RESET && keeper->state == GUARD_CLEARING) {
            reply.lease.head.status = GUARD_BUSY;
        } else if (op == GUARD_OP_RESET) {
            state = GUARD_IDLE;
            *ret_reset = true;
        }
        guard_conn_answer(&keeper->conn, i, &reply, state, -1);
    }
}

static void hear_client(struct guard_keeper *keeper, int i, short revents)
{
    switch (guard_conn_hear(&keeper->conn, i, revents, keeper->state, &request)) {
    case GUARD_HEARD_NOTHING:
    case GUARD_HEARD_REFUSED:
        return;
    case GUARD_HEARD_CLOSED:
    case GUARD_HEARD_BREACH:
        if (keeper->conn.owner == i)
            end_lease(keeper, GUARD_END_OWNER_GONE);
        guard_conn_drop(&keeper->conn, i, keeper->state);
        return;
    case GUARD_HEARD_REQUEST:
        break;
    }
    switch (request.head.op) {
    case GUARD_OP_THAW:
    case GUARD_OP_RESET:
        end_lease(keeper, GUARD_END_TOLD); /* answered with the others, once nothing is frozen */
        return;
    case GUARD_OP_THAW_FORCE:
        end_lease(keeper, GUARD_END_FORCED);
        return;
    case GUARD_OP_HELLO:
        guard_frozen_hello(keeper, &reply.hello);
        break;
    default: /* STATUS: the rules let nothing else through */
        guard_frozen_story(keeper->twin.record, &reply.lease);
        break;
    }
    guard_conn_answer(&keeper->conn, i, &reply, keeper->state, -1);
}

static void hear_freezer(struct guard_keeper *keeper, short revents, uint64_t serial)
{
    struct guard_report message;

    if ((revents & POLLIN) != 0 && recv(keeper->twin.twin_fd, &message, sizeof(message),
                                        MSG_DONTWAIT) == (ssize_t)sizeof(message)) {
        if (message.kind == GUARD_REPORT_FROZE && message.serial == serial &&
            !is_over(&keeper->twin))
            keeper->state = GUARD_HELD;
    } else if ((revents & (POLLHUP | POLLERR)) != 0) {
        keeper->twin_gone = true;
        end_lease(keeper, GUARD_END_TWIN_GONE);
    }
}

enum { POLL_TWIN, POLL_SIGNAL, POLL_TIMER, POLL_CONN };
enum { THAW_LOOK_MS = 2, CLEAR_LOOK_MS = 200 };

static struct pollfd polls[POLL_CONN + 1 + GUARD_CLIENTS_MAX];

static void keeper_waits(struct guard_keeper *keeper, uint64_t serial, bool is_ended)
{
    char room[128]; /* sizeof(struct signalfd_siginfo) */

    polls[POLL_TWIN].fd = keeper->twin_gone ? -1 : keeper->twin.twin_fd;
    polls[POLL_SIGNAL].fd = keeper->quit ? -1 : keeper->signal_fd;
    polls[POLL_TIMER].fd = is_ended ? -1 : keeper->twin.timer_fd;
    polls[POLL_TWIN].events = polls[POLL_SIGNAL].events = polls[POLL_TIMER].events = POLLIN;
    size_t count = POLL_CONN + guard_conn_polls(&keeper->conn, &polls[POLL_CONN]);
    /* a thaw by the freezer's crew ends without a word while another of them is kept by the kernel,
     * and a freezer that is stopped says nothing of a freeze that is done: after the end we look */
    int look_ms = is_thawing(keeper->twin.record) ? THAW_LOOK_MS : CLEAR_LOOK_MS;
    if (poll(polls, count, is_ended ? look_ms : -1) <= 0)
        return;

    /* the clock first: a THAW that comes too late must not count as one in time */
    if (clock_boot_ms() >= keeper->twin.record->deadline_ms)
        end_lease(keeper, GUARD_END_DEADLINE);
    hear_freezer(keeper, polls[POLL_TWIN].revents, serial);
    if ((polls[POLL_SIGNAL].revents & POLLIN) != 0 &&
        read(keeper->signal_fd, room, sizeof(room)) > 0) {
        keeper->quit = true;
        end_lease(keeper, GUARD_END_SIGNAL);
    }
    for (int i = 0; i < GUARD_CLIENTS_MAX; i++)
        hear_client(keeper, i, polls[POLL_CONN + 1 + i].revents);
    if ((polls[POLL_CONN].revents & POLLIN) != 0)
        guard_conn_accept(&keeper->conn);
}

/* After the lease's end, whoever has seen it, until nothing is frozen. */
static void wind_up(struct guard_keeper *keeper)
{
    const struct guard_record *record = keeper->twin.record;

    end_lease(keeper,
              GUARD_END_FORCED); /* it has its cause: this is for an end that nobody told us */
    keeper->state = is_clear(record) ? GUARD_ENDED : GUARD_CLEARING;
    /* it may have been stopped between two steps, or while the kernel is at its freeze: each look
     * sets it going */
    if (!keeper->twin_gone &&
        (keeper->state == GUARD_CLEARING ||
         guard_record_cause(record, keeper->twin.lease) == GUARD_END_DEADLINE))
        (void)kill(keeper->freezer_pid, SIGCONT);
}

void guard_frozen_keeper(struct guard_keeper *keeper)
{
    struct guard_record *record = keeper->twin.record;
    bool is_reset = false, is_ended = false;
    int index;

    keeper->state = GUARD_FREEZING;
    keeper->told_freezer = false;
    arm(&keeper->twin, record->deadline_ms); /* before the first FIFREEZE */
    bool is_taken = guard_frozen_order(keeper, GUARD_ORDER_FREEZE, 0, 0, -1);
    uint64_t serial = keeper->order_serial;
    if (!is_taken)
        end_lease(keeper, GUARD_END_FREEZE_FAILED);

    for (;;) {
        is_ended = is_over(&keeper->twin);
        if (is_ended)
            wind_up(keeper);
        /* a FIFREEZE that has not returned is no reason to let anyone wait for an answer */
        if (keeper->state == GUARD_HELD || keeper->state == GUARD_ENDED ||
            (is_ended && has(record, GUARD_MOUNT_FREEZING, &index) && !is_thawing(record)))
            answer_pending(keeper, &is_reset);
        if (keeper->state == GUARD_ENDED)
            break;
        keeper_waits(keeper, serial, is_ended);
    }
    arm(&keeper->twin, 0);
    if (keeper->conn.owner < 0 || is_reset)
        keeper->state = GUARD_IDLE;
}

/* ---- before any lease ---- */

void guard_frozen_rehearse(void)
{
    static struct guard_record scratch;
    struct guard_twin twin;

    memset(&twin, 0, sizeof(twin));
    memset(&request, 0, sizeof(request)); /* touched now, so that no page is wanted later */
    memset(&reply, 0, sizeof(reply));
    memset(polls, 0, sizeof(polls));
    twin.record = &scratch;
    twin.twin_fd = twin.timer_fd = twin.rcu_fd = -1;
    for (int i = 0; i < GUARD_MOUNTS_MAX; i++)
        twin.mount_fds[i] = -1;
    scratch.mount_count = 1; /* as good as new: this runs again after the fork */
    atomic_store(&scratch.lease, 0);
    atomic_store(&scratch.rcu_old, -1);
    atomic_store(&scratch.mounts[0].state, GUARD_MOUNT_ADDED);
    scratch.deadline_ms = clock_boot_ms() + GUARD_LEASE_MS_MAX;
    freeze_all(
        &twin,
        scratch.deadline_ms); /* EBADF: no descriptor at all is the only one that can do no harm */
    thaw_mount(&twin, &scratch.mounts[0], -1, GUARD_MOUNT_FAILED);
    guard_frozen_thaw(&twin, true);
    arm(&twin, 0);
    report(&twin, GUARD_REPORT_DONE, 0);
    guard_frozen_story(&scratch, &reply.lease);
}
