/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_frozen.h"
#include "agent/guard/guard_notify.h"
#include "agent/guard/guard_pass.h"

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
    struct guard_order order;

    memset(&order, 0, sizeof(order));
    order.kind = kind;
    order.index = index;
    order.flags = flags;
    order.serial = ++keeper->order_serial;
    order.lease = keeper->twin.lease;
    return guard_pass_send(keeper->twin.twin_fd, &order, sizeof(order), fd, MSG_DONTWAIT);
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
    guard_frozen_end(&keeper->twin, cause);
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
        if (guard_frozen_has(record, GUARD_MOUNT_FAILED, &index))
            lease->head.os_errno = record->mounts[index].freeze_errno;
        else
            lease->head.os_errno = EIO; /* not reached: the order was not taken, see below */
        break;
    case GUARD_END_DEADLINE:
        lease->head.status = GUARD_DEADLINE;
        (void)guard_frozen_has(record, GUARD_MOUNT_FREEZING, &index);
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
        if (op == GUARD_OP_FREEZE && guard_frozen_is_over(&keeper->twin)) {
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
            !guard_frozen_is_over(&keeper->twin))
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
    int look_ms = guard_frozen_is_thawing(keeper->twin.record) ? THAW_LOOK_MS : CLEAR_LOOK_MS;
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
    keeper->state = guard_frozen_is_clear(record) ? GUARD_ENDED : GUARD_CLEARING;
    /* it may have been stopped between two steps, or while the kernel is at its freeze: each look
     * sets it going */
    if (!keeper->twin_gone &&
        (keeper->state == GUARD_CLEARING ||
         guard_record_cause(record, keeper->twin.lease) == GUARD_END_DEADLINE))
        (void)kill(keeper->freezer_pid, SIGCONT);
}

/* A FIFREEZE that the kernel keeps beyond the deadline: to be killed would not end it, and a
 * freezer that lives thaws it at once, where a recovery has to wait for it. So the keeper, which
 * looks after it anyway, says that it lives. The watchdog stays on: were both of us stopped now,
 * the freeze would be done and nobody would thaw. */
static void feed_watchdog(struct guard_keeper *keeper)
{
    int64_t now_ms = clock_boot_ms();

    if (now_ms < keeper->alive_ms)
        return; /* it was armed until beyond the deadline: a thaw in time needs no word */
    (void)guard_notify_say(keeper->notify_fd, GUARD_NOTIFY_ALIVE, sizeof(GUARD_NOTIFY_ALIVE) - 1);
    keeper->alive_ms = now_ms + CLEAR_LOOK_MS;
}

void guard_frozen_keeper(struct guard_keeper *keeper)
{
    struct guard_record *record = keeper->twin.record;
    bool is_reset = false, is_ended = false;
    int index;

    keeper->state = GUARD_FREEZING;
    keeper->told_freezer = false;
    keeper->alive_ms = record->deadline_ms + CLEAR_LOOK_MS;
    guard_frozen_arm(&keeper->twin, record->deadline_ms); /* before the first FIFREEZE */
    bool is_taken = guard_frozen_order(keeper, GUARD_ORDER_FREEZE, 0, 0, -1);
    uint64_t serial = keeper->order_serial;
    if (!is_taken) { /* a freezer that is behind has not answered the order before: it has died */
        keeper->twin_gone = true;
        end_lease(keeper, GUARD_END_TWIN_GONE);
    }

    for (;;) {
        is_ended = guard_frozen_is_over(&keeper->twin);
        if (is_ended)
            wind_up(keeper);
        /* a FIFREEZE that has not returned is no reason to let anyone wait for an answer */
        if (keeper->state == GUARD_HELD || keeper->state == GUARD_ENDED ||
            (is_ended && guard_frozen_has(record, GUARD_MOUNT_FREEZING, &index) &&
             !guard_frozen_is_thawing(record)))
            answer_pending(keeper, &is_reset);
        if (keeper->state == GUARD_ENDED)
            break;
        if (keeper->state == GUARD_CLEARING)
            feed_watchdog(keeper);
        keeper_waits(keeper, serial, is_ended);
    }
    guard_frozen_arm(&keeper->twin, 0);
    if (keeper->conn.owner < 0 || is_reset)
        keeper->state = GUARD_IDLE;
}

void guard_frozen_touch(const struct guard_record *record)
{
    memset(&request, 0, sizeof(request));
    memset(polls, 0, sizeof(polls));
    guard_frozen_story(record, &reply.lease);
    memset(&reply, 0, sizeof(reply));
}
