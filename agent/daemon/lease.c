/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/lease.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/fileio.h"

enum {
    THAW_ANSWER_MS = 10000, /* a FITHAW of a busy filesystem takes milliseconds */
    MOUNT_TABLE_MAX_BYTES = 8 * 1024 * 1024,
};

struct lease {
    int fd; /* -1: broken, see the header */
    uint64_t serial;
    const struct cancel *cancel;
    unsigned count; /* mounts added */
    char paths[GUARD_MOUNTS_MAX][GUARD_MOUNT_PATH_BYTES];
    union guard_request request; /* too large for some stacks */
    union guard_reply reply;
};

static bool broken(struct lease *lease, struct err *err)
{
    (void)close(lease->fd);
    lease->fd = -1;
    (void)err_wrap(err, "guard");
    return err_suggest(err, "see `systemctl status stillpoint-guard` and `stillpoint doctor`");
}

/* One message in, its length and a descriptor if one came. */
static bool receive(struct lease *lease, size_t size, int *ret_fd, struct err *err)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&lease->reply, sizeof(lease->reply)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    ssize_t got = recvmsg(lease->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0)
        return err_set(err, ERR_GUARD, errno, "receive");
    if (got == 0)
        return err_set(err, ERR_GUARD, 0, "it closed the connection");
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first != NULL && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(first), sizeof(int));
    const struct guard_reply_head *head = &lease->reply.head;
    if ((size_t)got < sizeof(*head) || head->version != GUARD_WIRE_VERSION)
        return err_set(err, ERR_GUARD, 0, "it speaks another version of the protocol");
    if ((size_t)got != size && head->status == GUARD_OK)
        return err_set(err, ERR_GUARD, 0, "an answer of %zd bytes where %zu were due", got, size);
    if (head->serial != lease->serial)
        return err_set(err, ERR_GUARD, 0, "an answer to another question");
    return true;
}

/* Sends lease->request (SIZE bytes) and waits for the answer in lease->reply. True as soon as the
 * guard has answered, whatever it said. */
static bool exchange(struct lease *lease, enum guard_op op, size_t size, size_t reply_size,
                     int64_t deadline_ms, const struct cancel *cancel, int *ret_fd, struct err *err)
{
    int passed_fd = -1;

    if (lease->fd < 0)
        return err_set(err, ERR_GUARD, 0, "the connection to the guard was lost");
    lease->request.head = (struct guard_request_head){GUARD_WIRE_VERSION, op, ++lease->serial};
    memset(&lease->reply, 0, sizeof(lease->reply));
    if (send(lease->fd, &lease->request, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size) {
        (void)err_set(err, ERR_GUARD, errno, "send");
        return broken(lease, err);
    }
    if (!deadline_poll(lease->fd, POLLIN, deadline_ms, cancel, err) ||
        !receive(lease, reply_size, &passed_fd, err)) {
        if (passed_fd >= 0)
            (void)close(passed_fd);
        return broken(lease, err);
    }
    if (ret_fd != NULL)
        *ret_fd = passed_fd;
    else if (passed_fd >= 0)
        (void)close(passed_fd);
    return true;
}

static const char *path_of(const struct lease *lease, int32_t index)
{
    return index >= 0 && (unsigned)index < lease->count ? lease->paths[index] : "guard";
}

/* Words for a reply that is not GUARD_OK. */
static bool refused(const struct lease *lease, const char *what, struct err *err)
{
    const struct guard_reply_head *head = &lease->reply.head;
    const char *path = path_of(lease, head->index);

    switch ((enum guard_status)head->status) {
    case GUARD_NOT_OWNER:
    case GUARD_BUSY:
    case GUARD_BAD_STATE:
        (void)err_set(err, ERR_BUSY, 0, "%s: the guard is busy (%s)", what,
                      head->status == GUARD_NOT_OWNER ? "another connection has the lease"
                                                      : "an earlier step has not come back");
        return err_suggest(err, "wait for it, or let go of everything: `stillpoint thaw --force`");
    case GUARD_SYSCALL_FAILED:
        return err_set(err, ERR_SYS, head->os_errno, "%s: %s", what, path);
    case GUARD_WRONG_DEVICE:
        (void)err_set(err, ERR_PRECONDITION, 0, "%s: another filesystem is mounted there now",
                      what);
        return err_suggest(err, "mounts changed meanwhile; start the backup again");
    case GUARD_DUPLICATE:
        return err_set(err, ERR_INTERNAL, 0, "%s: named twice", what);
    case GUARD_FULL:
        return err_set(err, ERR_LIMIT, 0, "%s: more than the guard takes", what);
    case GUARD_TIMEOUT:
        return err_set(err, ERR_DEADLINE, 0, "%s: no answer from the filesystem in time", what);
    case GUARD_DEADLINE:
        return err_set(err, ERR_DEADLINE, 0, "%s: the lease ended first", what);
    case GUARD_CANCELLED:
        return err_set(err, ERR_CANCELLED, 0, "%s: the guard was told to let go", what);
    case GUARD_RECORD_ON_MOUNT:
        (void)err_set(err, ERR_PRECONDITION, 0, "%s: the guard's own record lies on it", what);
        return err_suggest(err, "point [paths] run to a tmpfs, such as /run/stillpoint");
    default:
        return err_set(err, ERR_GUARD, head->os_errno, "%s: refused (status %u)", what,
                       head->status);
    }
}

static bool call(struct lease *lease, enum guard_op op, size_t size, size_t reply_size,
                 const char *what, int64_t deadline_ms, struct err *err)
{
    if (!exchange(lease, op, size, reply_size, deadline_ms, lease->cancel, NULL, err))
        return err_wrap(err, "%s", what);
    return lease->reply.head.status == GUARD_OK || refused(lease, what, err);
}

bool lease_open(const char *socket_path, int64_t deadline_ms, const struct cancel *cancel,
                struct lease **ret_lease, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct guard_reply_hello hello;

    if (strlen(socket_path) >= sizeof(address.sun_path))
        return err_set(err, ERR_CONFIG, 0, "path of the guard's socket too long: %s", socket_path);
    strcpy(address.sun_path, socket_path);
    struct lease *lease = calloc(1, sizeof(*lease));
    if (lease == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    lease->cancel = cancel;
    /* a guard that is stopped lets connections queue up, and the next one would wait for ever */
    lease->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (lease->fd < 0 ||
        connect(lease->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)err_set(err, ERR_GUARD, errno, "connect to the guard at %s", socket_path);
        (void)err_suggest(err, err->os_errno == EAGAIN
                                   ? "it hears nobody: `systemctl restart stillpoint-guard`"
                                   : "start it: `systemctl start stillpoint-guard`");
        lease_close(lease);
        return false;
    }
    if (!lease_hello(lease, deadline_ms, &hello, err)) {
        lease_close(lease);
        return false;
    }
    *ret_lease = lease;
    return true;
}

void lease_close(struct lease *lease)
{
    if (lease == NULL)
        return;
    if (lease->fd >= 0)
        (void)close(lease->fd);
    free(lease);
}

void lease_forget_cancel(struct lease *lease)
{
    if (lease != NULL)
        lease->cancel = NULL;
}

int lease_fd(const struct lease *lease)
{
    return lease->fd;
}

bool lease_hello(struct lease *lease, int64_t deadline_ms, struct guard_reply_hello *ret_hello,
                 struct err *err)
{
    if (!call(lease, GUARD_OP_HELLO, sizeof(struct guard_msg_plain), sizeof(*ret_hello), "hello",
              deadline_ms, err))
        return false;
    *ret_hello = lease->reply.hello;
    return true;
}

bool lease_mount_table(struct lease *lease, int64_t deadline_ms, struct buf *ret_text,
                       struct err *err)
{
    AUTO_CLOSE int fd = -1;

    ret_text->max = MOUNT_TABLE_MAX_BYTES;
    if (!exchange(lease, GUARD_OP_MOUNT_TABLE, sizeof(struct guard_msg_plain),
                  sizeof(struct guard_reply_mount_table), deadline_ms, lease->cancel, &fd, err))
        return err_wrap(err, "mount table");
    if (lease->reply.head.status != GUARD_OK || fd < 0)
        return refused(lease, "mount table", err);
    return fileio_read_fd(fd, "mount table", ret_text, err);
}

/* Puts a path into a request's array. */
static bool put_path(char *array, size_t size, const char *path, struct err *err)
{
    if (strlen(path) >= size)
        return err_set(err, ERR_LIMIT, 0, "path too long: %.80s…", path);
    memset(array, 0, size);
    strcpy(array, path);
    return true;
}

/* The guard's own time-out, a little shorter than ours so that its answer still comes. */
static uint32_t guard_timeout_ms(int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_boot_ms() - 200;

    if (left_ms < 1)
        left_ms = 1;
    return left_ms > GUARD_TIMEOUT_MS_MAX ? GUARD_TIMEOUT_MS_MAX : (uint32_t)left_ms;
}

bool lease_device_of(struct lease *lease, const char *path, int64_t deadline_ms,
                     struct guard_reply_device_of *ret_device, struct err *err)
{
    struct guard_msg_device_of *message = &lease->request.device_of;

    if (!put_path(message->path, sizeof(message->path), path, err))
        return false;
    message->timeout_ms = guard_timeout_ms(deadline_ms);
    message->reserved = 0;
    if (!call(lease, GUARD_OP_DEVICE_OF, sizeof(*message), sizeof(*ret_device), path, deadline_ms,
              err)) {
        if (err->kind == ERR_SYS && (err->os_errno == ENOENT || err->os_errno == ENOTDIR))
            err->kind = ERR_NOT_FOUND;
        return false;
    }
    *ret_device = lease->reply.device_of;
    ret_device->resolved[sizeof(ret_device->resolved) - 1] = '\0';
    return true;
}

bool lease_add_mount(struct lease *lease, const char *path, unsigned dev_major, unsigned dev_minor,
                     uint64_t mnt_id, uint32_t flags, int64_t deadline_ms, struct err *err)
{
    struct guard_msg_add_mount *message = &lease->request.add_mount;

    if (lease->count >= GUARD_MOUNTS_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d mounts", GUARD_MOUNTS_MAX);
    if (!put_path(message->path, sizeof(message->path), path, err))
        return false;
    message->dev_major = dev_major;
    message->dev_minor = dev_minor;
    message->mnt_id = mnt_id;
    message->flags = flags;
    message->timeout_ms = guard_timeout_ms(deadline_ms);
    if (!call(lease, GUARD_OP_ADD_MOUNT, sizeof(*message), sizeof(struct guard_reply_add_mount),
              path, deadline_ms, err))
        return false;
    strcpy(lease->paths[lease->count++], path);
    return true;
}

bool lease_sync(struct lease *lease, unsigned index, int64_t deadline_ms, int64_t *ret_took_us,
                struct err *err)
{
    struct guard_msg_sync *message = &lease->request.sync;

    message->index = index;
    message->timeout_ms = guard_timeout_ms(deadline_ms);
    if (!call(lease, GUARD_OP_SYNC, sizeof(*message), sizeof(struct guard_reply_sync),
              "writing out what is dirty", deadline_ms, err))
        return false;
    *ret_took_us = lease->reply.sync.took_us;
    return true;
}

bool lease_write_manifest(struct lease *lease, const char *text, size_t len, int64_t deadline_ms,
                          int32_t *ret_errnos, struct err *err)
{
    struct guard_msg_manifest *piece = &lease->request.manifest;

    for (size_t at = 0; at < len; at += piece->length) {
        size_t take = len - at < sizeof(piece->bytes) ? len - at : sizeof(piece->bytes);
        memset(piece->bytes, 0, sizeof(piece->bytes));
        memcpy(piece->bytes, text + at, take);
        piece->offset = (uint32_t)at;
        piece->length = (uint32_t)take;
        if (!call(lease, GUARD_OP_MANIFEST, sizeof(*piece), sizeof(struct guard_reply_plain),
                  "manifest", deadline_ms, err))
            return false;
    }
    lease->request.write_manifests.timeout_ms = guard_timeout_ms(deadline_ms);
    lease->request.write_manifests.reserved = 0;
    if (!exchange(lease, GUARD_OP_WRITE_MANIFESTS, sizeof(struct guard_msg_write_manifests),
                  sizeof(struct guard_reply_manifests), deadline_ms, lease->cancel, NULL, err))
        return err_wrap(err, "manifest");
    if (lease->reply.head.status != GUARD_OK && (lease->reply.head.status != GUARD_SYSCALL_FAILED ||
                                                 lease->reply.manifests.failed_count == 0))
        return refused(lease, "manifest", err);
    memcpy(ret_errnos, lease->reply.manifests.os_errnos, sizeof(lease->reply.manifests.os_errnos));
    return true;
}

bool lease_explain_freeze(const char *path, int freeze_errno, struct err *err)
{
    switch (freeze_errno) {
    case EBUSY:
        (void)err_set(err, ERR_BUSY, 0, "%s is frozen already, by somebody else", path);
        return err_suggest(err,
                           "it was left as it is; find who froze it (another backup tool, "
                           "fsfreeze, LVM), or thaw it: `fsfreeze -u %s`",
                           path);
    case EOPNOTSUPP:
    case ENOTTY:
        (void)err_set(err, ERR_PRECONDITION, freeze_errno, "%s can't be frozen", path);
        return err_suggest(err, "leave it out with [backup] exclude_mounts (the label falls), or "
                                "put its data on ext4 or XFS");
    case EPERM:
    case EACCES:
        (void)err_set(err, ERR_GUARD, freeze_errno, "the guard may not freeze %s", path);
        return err_suggest(err, "it needs CAP_SYS_ADMIN: see stillpoint-guard.service");
    default:
        return err_set(err, ERR_SYS, freeze_errno, "freezing %s", path);
    }
}

/* Who ended the lease while it was being frozen. */
static bool explain_end(uint32_t cause, struct err *err)
{
    switch (cause) {
    case GUARD_END_TWIN_GONE:
        (void)err_set(err, ERR_GUARD, 0, "freeze: one of the guard's two processes died");
        return err_suggest(err, "start the backup again; why it died may stand in `journalctl -u "
                                "stillpoint-guard`");
    case GUARD_END_SIGNAL:
        (void)err_set(err, ERR_GUARD, 0, "freeze: the guard was told to end");
        return err_suggest(err, "start the backup again once it runs: `systemctl status "
                                "stillpoint-guard`");
    default:
        (void)err_set(err, ERR_GUARD, 0, "freeze: somebody had the guard let go of everything");
        return err_suggest(err, "start the backup again; find out who ran `stillpoint thaw`");
    }
}

bool lease_freeze(struct lease *lease, int64_t lease_deadline_ms,
                  struct guard_reply_lease *ret_story, struct err *err)
{
    lease->request.freeze.deadline_ms = lease_deadline_ms;
    /* The guard answers at the lease's end at the latest; the second is for its answer. */
    if (!exchange(lease, GUARD_OP_FREEZE, sizeof(struct guard_msg_freeze), sizeof(*ret_story),
                  lease_deadline_ms + 1000, lease->cancel, NULL, err))
        return err_wrap(err, "freeze");
    *ret_story = lease->reply.lease;
    if (lease->reply.head.status == GUARD_OK)
        return true;
    if (lease->reply.head.status == GUARD_SYSCALL_FAILED && lease->reply.head.index >= 0)
        return lease_explain_freeze(path_of(lease, lease->reply.head.index),
                                    lease->reply.head.os_errno, err);
    if (lease->reply.head.status == GUARD_CANCELLED)
        return explain_end(lease->reply.lease.end_cause, err);
    if (lease->reply.head.status == GUARD_DEADLINE) {
        (void)err_set(err, ERR_DEADLINE, 0, "freeze: %s took longer than the hold may last",
                      path_of(lease, lease->reply.head.index));
        return err_suggest(err, "the disk is slow or much was dirty: try when it is quieter, or "
                                "raise [backup] hold_deadline");
    }
    return refused(lease, "freeze", err);
}

bool lease_thaw(struct lease *lease, struct guard_reply_lease *ret_story, struct err *err)
{
    if (!exchange(lease, GUARD_OP_THAW, sizeof(struct guard_msg_plain), sizeof(*ret_story),
                  clock_boot_ms() + THAW_ANSWER_MS, NULL, NULL, err))
        return err_wrap(err, "thaw");
    *ret_story = lease->reply.lease;
    return lease->reply.head.status == GUARD_OK || refused(lease, "thaw", err);
}

bool lease_all_loose(const struct lease *lease, const struct guard_reply_lease *story,
                     struct err *err)
{
    for (uint32_t i = 0; i < story->mount_count && i < GUARD_MOUNTS_MAX; i++) {
        const struct guard_mount_story *mount = &story->mounts[i];
        const char *path = path_of(lease, (int32_t)i);
        if (mount->state == GUARD_MOUNT_THAW_FAILED) {
            (void)err_set(err, ERR_SYS, mount->thaw_errno, "%s is still frozen: thawing it", path);
            return err_suggest(err,
                               "try again: `systemctl restart stillpoint-guard`, or "
                               "`fsfreeze -u %s`; the kernel's log may say what is wrong",
                               path);
        }
        if (mount->state == GUARD_MOUNT_FREEZING) {
            (void)err_set(err, ERR_DEADLINE, 0, "the kernel is still at freezing %s", path);
            return err_suggest(err, "writers there wait until it has done so; the guard thaws it "
                                    "at once then (`stillpoint status`)");
        }
    }
    return true;
}
