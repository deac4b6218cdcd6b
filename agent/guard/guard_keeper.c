/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_frozen.h"
#include "agent/guard/guard_log.h"
#include "agent/guard/guard_notify.h"

enum { LOOKUP_TIMEOUT_MS = 3000 };

static union guard_request request; /* one at a time */
static union guard_reply reply;

static void prepare_reply(enum guard_status status, int os_errno, int index)
{
    memset(&reply, 0, sizeof(reply));
    reply.head.status = status;
    reply.head.os_errno = os_errno;
    reply.head.index = index;
}

static void answer(struct guard_keeper *keeper, int client)
{
    guard_conn_answer(&keeper->conn, client, &reply, keeper->state, -1);
}

static void answer_status(struct guard_keeper *keeper, int client, enum guard_status status,
                          int os_errno, int index)
{
    prepare_reply(status, os_errno, index);
    answer(keeper, client);
}

static void start_wait(struct guard_wait *wait, int client, uint32_t timeout_ms,
                       uint32_t default_ms)
{
    wait->client = client;
    wait->begin_us = clock_boot_us();
    wait->until_ms = clock_boot_ms() + (timeout_ms != 0 ? timeout_ms : default_ms);
}

/* ---- the owner's coming and going ---- */

static void forget_mounts(struct guard_keeper *keeper)
{
    for (int i = 0; i < GUARD_MOUNTS_MAX; i++) {
        if (keeper->twin.mount_fds[i] >= 0)
            (void)close(keeper->twin.mount_fds[i]);
        keeper->twin.mount_fds[i] = -1;
    }
    if (!guard_frozen_order(keeper, GUARD_ORDER_FORGET, 0, 0, -1) && !keeper->twin_gone)
        /* not reached: its socket is full of orders, and it would have been asked about them */
        guard_log(GUARD_LOG_WARNING, "event=freezer_does_not_answer order=forget");
}

/* The story of the last lease stays for STATUS until a new owner comes. */
static void end_ownership(struct guard_keeper *keeper)
{
    if (keeper->lookup_wait.client >= 0 && keeper->lookup_wait.client == keeper->conn.owner) {
        /* not reached: a look-up that hangs (NFS) while its owner asks for RESET, or goes */
        guard_lookup_cancel(&keeper->lookup);
        keeper->lookup_wait.client = -1;
    }
    forget_mounts(keeper);
    keeper->manifest->length = 0;
    keeper->conn.owner = -1;
    keeper->state = GUARD_IDLE;
}

static void drop_client(struct guard_keeper *keeper, int i)
{
    if (keeper->conn.owner == i)
        end_ownership(keeper);
    if (keeper->order_wait.client == i)
        keeper->order_wait.client = -1; /* not reached: that client goes while the freezer hangs */
    if (keeper->lookup_wait.client == i) {
        /* not reached: a look-up that hangs (NFS) while its client goes */
        guard_lookup_cancel(&keeper->lookup);
        keeper->lookup_wait.client = -1;
    }
    guard_conn_drop(&keeper->conn, i, keeper->state);
}

static void begin_ownership(struct guard_keeper *keeper)
{
    guard_record_renew(keeper->twin.record, false);
    keeper->twin.lease = guard_record_lease(keeper->twin.record);
    keeper->manifest->length = 0;
    keeper->state = GUARD_LOADED;
}

/* ---- look-ups: DEVICE_OF, ADD_MOUNT ---- */

static bool is_added(const struct guard_record *record, const struct guard_msg_add_mount *wanted,
                     int *ret_index)
{
    for (uint32_t i = 0; i < record->mount_count; i++)
        if (record->mounts[i].dev_major == wanted->dev_major &&
            record->mounts[i].dev_minor == wanted->dev_minor) {
            *ret_index = (int)i;
            return true;
        }
    return false;
}

static void op_look_up(struct guard_keeper *keeper, int client)
{
    uint32_t timeout_ms;
    int index;

    if (request.head.op == GUARD_OP_ADD_MOUNT) {
        timeout_ms = request.add_mount.timeout_ms;
        keeper->adding = request.add_mount;
        if (is_added(keeper->twin.record, &request.add_mount, &index)) {
            answer_status(keeper, client, GUARD_DUPLICATE, 0, index);
            return;
        }
        if (keeper->twin.record->mount_count == GUARD_MOUNTS_MAX) {
            answer_status(keeper, client, GUARD_FULL, 0, -1);
            return;
        }
    } else {
        timeout_ms = request.device_of.timeout_ms;
    }
    if (keeper->lookup_wait.client >= 0) {
        answer_status(keeper, client, GUARD_BUSY, 0, -1);
        return;
    }
    if (!guard_lookup_start(&keeper->lookup, &request)) {
        /* not reached: no process or descriptor is left */
        answer_status(keeper, client, GUARD_SYSCALL_FAILED, errno, -1);
        return;
    }
    start_wait(&keeper->lookup_wait, client, timeout_ms, LOOKUP_TIMEOUT_MS);
}

/* Where an order was just not taken. One that lives, its socket full of orders, is stopped. */
static bool freezer_died(struct guard_keeper *keeper)
{
    keeper->twin_gone = errno != EAGAIN;
    return keeper->twin_gone;
}

/* The mount point FD (swallowed) becomes the next mount of the lease, in both processes. */
static void add_mount(struct guard_keeper *keeper, const struct guard_found *found, int take_fd)
{
    const struct guard_msg_add_mount *wanted = &keeper->adding;
    struct guard_record *record = keeper->twin.record;
    uint32_t index = record->mount_count;
    struct guard_record_mount *mount = &record->mounts[index];

    reply.add_mount.dev_major = found->dev_major;
    reply.add_mount.dev_minor = found->dev_minor;
    reply.add_mount.mnt_id = found->mnt_id;
    if (take_fd < 0)
        return;
    if (makedev(found->dev_major, found->dev_minor) == keeper->record_dev) {
        reply.head.status = GUARD_RECORD_ON_MOUNT;
        (void)close(take_fd);
        return;
    }
    if (!guard_frozen_order(keeper, GUARD_ORDER_ADD, index, wanted->flags, take_fd)) {
        (void)freezer_died(keeper);
        reply.head.status = GUARD_BUSY;
        (void)close(take_fd);
        return;
    }
    memset(mount, 0, sizeof(*mount));
    mount->flags = wanted->flags;
    mount->dev_major = wanted->dev_major;
    mount->dev_minor = wanted->dev_minor;
    mount->mnt_id = wanted->mnt_id;
    memcpy(mount->path, wanted->path, sizeof(mount->path));
    atomic_store(&mount->state, (wanted->flags & GUARD_ADD_SYNC_ONLY) != 0 ? GUARD_MOUNT_SYNC_ONLY
                                                                           : GUARD_MOUNT_ADDED);
    keeper->twin.mount_fds[index] = take_fd;
    record->mount_count = index + 1;
    reply.head.index = (int32_t)index;
}

static void take_look_up(struct guard_keeper *keeper)
{
    static struct guard_found found;
    int client = keeper->lookup_wait.client, fd;

    guard_lookup_take(&keeper->lookup, &found, &fd);
    keeper->lookup_wait.client = -1;
    prepare_reply((enum guard_status)found.status, found.os_errno, -1);
    if (keeper->conn.clients[client].pending_op == GUARD_OP_ADD_MOUNT) {
        add_mount(keeper, &found, fd);
    } else {
        reply.device_of.dev_major = found.dev_major;
        reply.device_of.dev_minor = found.dev_minor;
        reply.device_of.mnt_id = found.mnt_id;
        reply.device_of.mode = found.mode;
        reply.device_of.inode = found.inode;
        memcpy(reply.device_of.resolved, found.resolved, sizeof(found.resolved));
    }
    if (!keeper->twin_gone)
        answer(keeper, client);
}

static void cancel_look_up(struct guard_keeper *keeper, enum guard_status status)
{
    int client = keeper->lookup_wait.client;

    if (client < 0)
        return;
    guard_lookup_cancel(&keeper->lookup);
    keeper->lookup_wait.client = -1;
    answer_status(keeper, client, status, 0, -1);
}

/* ---- what the freezer does: SYNC, WRITE_MANIFESTS, FREEZE ---- */

static void op_order(struct guard_keeper *keeper, int client)
{
    bool is_sync = request.head.op == GUARD_OP_SYNC;
    uint32_t index = is_sync ? request.sync.index : 0;
    uint32_t timeout_ms = is_sync ? request.sync.timeout_ms : request.write_manifests.timeout_ms;

    if (is_sync && index >= keeper->twin.record->mount_count) {
        answer_status(keeper, client, GUARD_BAD_ARGUMENT, 0, -1);
        return;
    }
    bool is_busy = keeper->busy_serial != 0;
    if (!is_busy && guard_frozen_order(keeper, is_sync ? GUARD_ORDER_SYNC : GUARD_ORDER_MANIFEST,
                                       index, 0, -1)) {
        keeper->busy_serial = keeper->order_serial;
        start_wait(&keeper->order_wait, client, timeout_ms, GUARD_TIMEOUT_MS_MAX);
    } else if (is_busy || !freezer_died(keeper)) { /* else our end is the answer */
        answer_status(keeper, client, GUARD_BUSY, 0, -1);
    }
}

static void fill_manifests(const struct guard_keeper *keeper, const struct guard_report *report)
{
    const struct guard_manifest *manifest = keeper->manifest;
    struct guard_reply_manifests *result = &reply.manifests;

    result->written_count = manifest->written_count;
    result->skipped_count = manifest->skipped_count;
    result->failed_count = manifest->failed_count;
    result->took_us = report->took_us;
    memcpy(result->os_errnos, manifest->os_errnos, sizeof(result->os_errnos));
    for (uint32_t i = keeper->twin.record->mount_count; manifest->failed_count > 0 && i-- > 0;) {
        int os_errno = manifest->os_errnos[i];
        bool skipped = (keeper->twin.record->mounts[i].flags & GUARD_ADD_SYNC_ONLY) != 0 ||
                       guard_manifest_passed_over(os_errno);
        if (os_errno == 0 || skipped)
            continue;
        result->head.status = GUARD_SYSCALL_FAILED; /* the first one stays */
        result->head.os_errno = os_errno;
        result->head.index = (int32_t)i;
    }
}

static void take_report(struct guard_keeper *keeper, const struct guard_report *report)
{
    int client = keeper->order_wait.client;

    if (report->kind != GUARD_REPORT_DONE || report->serial != keeper->busy_serial)
        return; /* the late end of a lease */
    keeper->busy_serial = 0;
    keeper->order_wait.client = -1;
    if (client < 0)
        return; /* it was answered GUARD_TIMEOUT, or has gone */
    prepare_reply(report->os_errno == 0 ? GUARD_OK : GUARD_SYSCALL_FAILED, report->os_errno, -1);
    if (keeper->conn.clients[client].pending_op == GUARD_OP_WRITE_MANIFESTS)
        fill_manifests(keeper, report);
    else
        reply.sync.took_us = report->took_us;
    answer(keeper, client);
}

static void op_manifest(struct guard_keeper *keeper, int client)
{
    const struct guard_msg_manifest *chunk = &request.manifest;
    struct guard_manifest *manifest = keeper->manifest;
    enum guard_status status = GUARD_OK;

    if (keeper->busy_serial != 0)
        status = GUARD_BUSY; /* not reached: the daemon sends it whole before anything */
    else if (chunk->offset != 0 && chunk->offset != manifest->length)
        status = GUARD_BAD_ARGUMENT;
    else if (chunk->length > GUARD_MANIFEST_BYTES_MAX - chunk->offset)
        status = GUARD_FULL;
    if (status == GUARD_OK) {
        memcpy(manifest->bytes + chunk->offset, chunk->bytes, chunk->length);
        manifest->length = chunk->offset + chunk->length;
    }
    answer_status(keeper, client, status, 0, -1);
}

static const char *cause_name(uint32_t cause)
{
    static const char *const names[] = {
        [GUARD_END_NONE] = "none",
        [GUARD_END_TOLD] = "told",
        [GUARD_END_DEADLINE] = "deadline",
        [GUARD_END_FREEZE_FAILED] = "freeze_failed",
        [GUARD_END_OWNER_GONE] = "owner_gone",
        [GUARD_END_FORCED] = "forced",
        [GUARD_END_SIGNAL] = "signal",
        [GUARD_END_TWIN_GONE] = "twin_gone",
    };
    return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "unknown";
}

static void log_lease(const struct guard_keeper *keeper)
{
    const struct guard_record *record = keeper->twin.record;
    struct guard_reply_lease *story = &reply.lease;

    guard_frozen_story(record, story);
    bool told = story->end_cause == GUARD_END_TOLD;
    int64_t held_us = story->held_boot_us != 0 && story->thaw_begin_boot_us != 0
                          ? story->thaw_begin_boot_us - story->held_boot_us
                          : 0;
    guard_log(told ? GUARD_LOG_INFO : GUARD_LOG_WARNING,
              "event=lease_end cause=%s whole=%u mounts=%u froze=%u held_us=%lld rcu_expedited=%u",
              cause_name(story->end_cause), story->whole, story->mount_count, story->froze_count,
              (long long)held_us, story->rcu_expedited);
    for (uint32_t i = 0; i < story->mount_count; i++) {
        const struct guard_mount_story *line = &story->mounts[i];
        if (line->freeze_errno != 0 || line->thaw_errno != 0)
            guard_log(line->state == GUARD_MOUNT_THAW_FAILED ? GUARD_LOG_ERROR : GUARD_LOG_WARNING,
                      "event=mount path=\"%s\" freeze_errno=%d thaw_errno=%d",
                      guard_log_text(record->mounts[i].path), line->freeze_errno, line->thaw_errno);
    }
}

static void op_freeze(struct guard_keeper *keeper, int client)
{
    struct guard_record *record = keeper->twin.record;
    int64_t now_ms = clock_boot_ms(), deadline_ms = request.freeze.deadline_ms;
    enum guard_status status = GUARD_OK;

    if (keeper->busy_serial != 0)
        status = GUARD_BUSY;
    else if (record->mount_count == 0)
        status = GUARD_BAD_ARGUMENT;
    else if (deadline_ms <= now_ms)
        status = GUARD_DEADLINE;
    if (status != GUARD_OK) {
        guard_frozen_story(record, &reply.lease);
        reply.head.status = status;
        answer(keeper, client);
        return;
    }
    cancel_look_up(keeper, GUARD_BUSY); /* no look-up while frozen, whoever asked for it */
    guard_record_renew(record, true);
    keeper->twin.lease = guard_record_lease(record);
    record->deadline_ms =
        deadline_ms > now_ms + GUARD_LEASE_MS_MAX ? now_ms + GUARD_LEASE_MS_MAX : deadline_ms;

    bool is_watched = guard_notify_watch(keeper->notify_fd, record->deadline_ms);
    guard_frozen_keeper(keeper); /* returns when nothing is frozen any more */
    if (!guard_notify_say(keeper->notify_fd, GUARD_NOTIFY_WATCHDOG_OFF,
                          strlen(GUARD_NOTIFY_WATCHDOG_OFF)) ||
        !is_watched)
        guard_log(GUARD_LOG_WARNING, "event=watchdog_not_told armed=%d", is_watched);

    log_lease(keeper);
    if (keeper->state == GUARD_IDLE)
        end_ownership(keeper);
}

/* ---- the rest ---- */

static void op_mount_table(struct guard_keeper *keeper, int client)
{
    int fd = open("/proc/1/mountinfo", O_RDONLY | O_CLOEXEC);
    bool own = fd < 0;

    if (own)
        fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC); /* not reached: proc's hidepid= */
    prepare_reply(fd >= 0 ? GUARD_OK : GUARD_SYSCALL_FAILED, fd >= 0 ? 0 : errno, -1);
    reply.mount_table.own = own;
    guard_conn_answer(&keeper->conn, client, &reply, keeper->state, fd);
    if (fd >= 0)
        (void)close(fd);
}

/* STATUS, THAW, RESET and THAW_FORCE while nothing is frozen: there is only the story to tell. */
static void op_story(struct guard_keeper *keeper, int client)
{
    bool is_reset = request.head.op == GUARD_OP_RESET;

    guard_frozen_story(keeper->twin.record, &reply.lease);
    if (is_reset)
        end_ownership(keeper);
    answer(keeper, client);
}

static void handle(struct guard_keeper *keeper, int client)
{
    if (keeper->state == GUARD_IDLE && guard_rules_claims(request.head.op))
        begin_ownership(keeper);

    switch (request.head.op) {
    case GUARD_OP_HELLO:
        guard_frozen_hello(keeper, &reply.hello);
        answer(keeper, client);
        return;
    case GUARD_OP_MOUNT_TABLE:
        op_mount_table(keeper, client);
        return;
    case GUARD_OP_DEVICE_OF:
    case GUARD_OP_ADD_MOUNT:
        op_look_up(keeper, client);
        return;
    case GUARD_OP_SYNC:
    case GUARD_OP_WRITE_MANIFESTS:
        op_order(keeper, client);
        return;
    case GUARD_OP_MANIFEST:
        op_manifest(keeper, client);
        return;
    case GUARD_OP_FREEZE:
        op_freeze(keeper, client);
        return;
    default:
        op_story(keeper, client);
        return;
    }
}

static void hear_client(struct guard_keeper *keeper, int i, short revents)
{
    switch (guard_conn_hear(&keeper->conn, i, revents, keeper->state, &request)) {
    case GUARD_HEARD_NOTHING:
    case GUARD_HEARD_REFUSED:
        return;
    case GUARD_HEARD_CLOSED:
        drop_client(keeper, i);
        return;
    case GUARD_HEARD_BREACH:
        guard_log(GUARD_LOG_WARNING, "event=breach");
        drop_client(keeper, i);
        return;
    case GUARD_HEARD_REQUEST:
        handle(keeper, i);
        return;
    }
}

static void hear_freezer(struct guard_keeper *keeper, short revents)
{
    struct guard_report report;

    if ((revents & POLLIN) != 0 && recv(keeper->twin.twin_fd, &report, sizeof(report),
                                        MSG_DONTWAIT) == (ssize_t)sizeof(report))
        take_report(keeper, &report);
    else if ((revents & (POLLHUP | POLLERR)) != 0)
        keeper->twin_gone = true;
}

static int timeout_of(const struct guard_keeper *keeper)
{
    int64_t until_ms = INT64_MAX;

    if (keeper->order_wait.client >= 0)
        until_ms = keeper->order_wait.until_ms;
    if (keeper->lookup_wait.client >= 0 && keeper->lookup_wait.until_ms < until_ms)
        until_ms = keeper->lookup_wait.until_ms;
    if (until_ms == INT64_MAX)
        return -1; /* idle: wakes for nothing */
    int64_t left_ms = until_ms - clock_boot_ms();
    return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void check_timeouts(struct guard_keeper *keeper)
{
    int64_t now_ms = clock_boot_ms();

    if (keeper->lookup_wait.client >= 0 && now_ms >= keeper->lookup_wait.until_ms)
        cancel_look_up(keeper, GUARD_TIMEOUT);
    if (keeper->order_wait.client >= 0 && now_ms >= keeper->order_wait.until_ms) {
        int client = keeper->order_wait.client;
        keeper->order_wait.client = -1; /* busy_serial stays: the freezer is still at it */
        answer_status(keeper, client, GUARD_TIMEOUT, 0, -1);
    }
}

enum { POLL_TWIN, POLL_SIGNAL, POLL_LOOKUP, POLL_CONN };

int guard_keeper_run(struct guard_keeper *keeper)
{
    static struct pollfd polls[POLL_CONN + 1 + GUARD_CLIENTS_MAX];
    bool is_gone = false;

    while (!keeper->quit && !keeper->twin_gone) {
        polls[POLL_TWIN].fd = keeper->twin.twin_fd;
        polls[POLL_SIGNAL].fd = keeper->signal_fd;
        polls[POLL_LOOKUP].fd = keeper->lookup.fd;
        polls[POLL_TWIN].events = polls[POLL_SIGNAL].events = polls[POLL_LOOKUP].events = POLLIN;
        size_t count = POLL_CONN + guard_conn_polls(&keeper->conn, &polls[POLL_CONN]);
        int ready = poll(polls, count, timeout_of(keeper));

        check_timeouts(keeper);
        if (ready <= 0)
            continue;
        if (polls[POLL_LOOKUP].revents != 0 && keeper->lookup_wait.client >= 0)
            take_look_up(keeper);
        hear_freezer(keeper, polls[POLL_TWIN].revents);
        keeper->quit = keeper->quit || (polls[POLL_SIGNAL].revents & POLLIN) != 0;
        /* a lease takes place inside of one request: what was polled before it is stale after it */
        uint64_t before = keeper->twin.lease;
        for (int i = 0; i < GUARD_CLIENTS_MAX && keeper->twin.lease == before; i++)
            hear_client(keeper, i, polls[POLL_CONN + 1 + i].revents);
        if ((polls[POLL_CONN].revents & POLLIN) == 0)
            continue;
        /* Without it nobody could thaw what two dead processes leave: a new guard makes a new one.
         */
        is_gone = keeper->conn.owner < 0 && guard_record_is_gone(keeper->record_fd);
        keeper->quit = keeper->quit || is_gone;
        if (!is_gone)
            guard_conn_accept(&keeper->conn);
    }
    guard_lookup_cancel(&keeper->lookup);
    guard_log(keeper->twin_gone || is_gone ? GUARD_LOG_ERROR : GUARD_LOG_NOTICE,
              "event=stop cause=%s",
              keeper->twin_gone ? "freezer_died"
              : is_gone         ? "record_gone"
                                : "signal");
    return keeper->twin_gone || is_gone ? 1 : 0;
}
