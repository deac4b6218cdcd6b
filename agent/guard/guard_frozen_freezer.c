/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/point.h"
#include "agent/guard/guard_frozen.h"

static bool twin_is_gone(const struct guard_twin *twin)
{
    struct pollfd one = {twin->twin_fd, 0, 0};

    return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)) != 0;
}

static bool may_go_on(struct guard_twin *twin)
{
    if (clock_boot_ms() >= twin->record->deadline_ms)
        guard_frozen_end(twin, GUARD_END_DEADLINE);
    if (twin_is_gone(twin))
        guard_frozen_end(twin, GUARD_END_TWIN_GONE);
    return !guard_frozen_is_over(twin);
}

static void freeze_mount(struct guard_twin *twin, struct guard_record_mount *mount, int fd)
{
    /* on record before it happens; and asked after that whether the lease still stands, so that the
     * keeper, who ends it first and looks at the states then, misses nothing */
    atomic_store(&mount->state, GUARD_MOUNT_FREEZING);
    if (guard_frozen_is_over(twin)) {
        /* not reached: it ends between two lines, or never here */
        atomic_store(&mount->state, GUARD_MOUNT_ADDED);
        return;
    }
    uint32_t index = (uint32_t)(mount - twin->record->mounts);
    point_reach_number("freeze", index);
    mount->freeze_begin_boot_us = clock_boot_us();
    atomic_store(&twin->ledger->entries[index], GUARD_LEDGER_FREEZING);
    int answer = ioctl(fd, FIFREEZE, 0);
    atomic_store(&twin->ledger->entries[index],
                 answer == 0 ? GUARD_LEDGER_FROZEN : GUARD_LEDGER_LOOSE);
    mount->freeze_errno = answer == 0 ? 0 : errno;
    mount->freeze_end_boot_us = clock_boot_us();
    atomic_store(&mount->state, answer == 0 ? GUARD_MOUNT_FROZEN : GUARD_MOUNT_FAILED);
    if (answer != 0)
        guard_frozen_end(twin, GUARD_END_FREEZE_FAILED);
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
    bool was_over = guard_frozen_is_over(twin);
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
        guard_frozen_end(
            twin,
            GUARD_END_TWIN_GONE); /* an order can only be OVER: the record has said so before */
    if (!was_over && clock_boot_ms() >= deadline_ms)
        guard_frozen_end(twin, GUARD_END_DEADLINE);
    if ((three[0].revents & POLLIN) != 0 &&
        read(done_fd, &done, sizeof(done)) != (ssize_t)sizeof(done))
        done = 0; /* not reached: an eventfd gives eight bytes */
    return done;
}

/* Has COUNT jobs done, for the freeze from mount FIRST on, and waits for all of them. */
static void crew_does(struct guard_twin *twin, enum guard_job kind, uint32_t first, uint64_t count,
                      int64_t deadline_ms)
{
    atomic_store(&twin->crew.kind, kind);
    atomic_store(&twin->crew.next, first);
    if (write(twin->crew.job_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return; /* not reached: an eventfd takes them */
    while (count > 0)
        count -= freezer_hears(twin, deadline_ms, twin->crew.done_fd);
}

static void freeze_one(struct guard_twin *twin, uint32_t index)
{
    struct guard_record_mount *mount = &twin->record->mounts[index];

    if (!guard_frozen_is_over(twin) && atomic_load(&mount->state) == GUARD_MOUNT_ADDED)
        freeze_mount(twin, mount, twin->mount_fds[index]);
    if (guard_frozen_is_over(
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
            continue; /* not reached: an eventfd gives eight bytes */
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

    guard_frozen_rcu_hurry(twin);
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
        guard_frozen_arm(twin, deadline_ms); /* before the first FIFREEZE */
        freeze_all(twin, deadline_ms);
        if (guard_frozen_is_over(twin))
            guard_frozen_thaw(twin, false);
        guard_frozen_rcu_restore(twin);
        report(twin, GUARD_REPORT_FROZE, serial);
        while (!guard_frozen_is_over(twin))
            (void)freezer_hears(twin, deadline_ms, -1);
        if (twin->crew.count > 1)
            crew_does(twin, GUARD_JOB_THAW, 0, twin->crew.count, deadline_ms);
        guard_frozen_thaw(twin, twin_is_gone(twin));
        guard_frozen_arm(twin, 0);
    }
    report(twin, GUARD_REPORT_OVER, serial);
    return !twin_is_gone(twin);
}

/* ---- before any lease ---- */

void guard_frozen_rehearse(void)
{
    static struct guard_record scratch;
    static struct guard_ledger ledger;
    struct guard_twin twin;

    memset(&twin, 0, sizeof(twin));
    twin.ledger = &ledger;
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
    guard_frozen_thaw_mount(&twin, &scratch.mounts[0], -1, GUARD_MOUNT_FAILED);
    guard_frozen_thaw(&twin, true);
    guard_frozen_arm(&twin, 0);
    report(&twin, GUARD_REPORT_DONE, 0);
    guard_frozen_touch(&scratch);
}
