/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

static int watch_folder_of(const char *record)
{
    char folder[GUARD_PATH_BYTES];
    size_t length = (size_t)(strrchr(record, '/') - record);
    int fd = inotify_init1(IN_CLOEXEC);

    memcpy(folder, record, length);
    memcpy(folder + length, "/", 2);
    if (fd >= 0 && inotify_add_watch(fd, folder, IN_MOVED_TO | IN_ONLYDIR) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Until the lock of the record at PATH is free: its guard has ended, or has never been. The record
 * of that very guard, whatever lies at PATH by then; -1: there is none. */
static int wait_for_end(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            (void)close(fd);
            return -1; /* not reached: the kernel has no memory for a lock */
        }
    }
    return fd;
}

/* The next guard puts a record of its own in the place of that one. False: the folder is gone. */
static bool wait_for_next(int folder_fd)
{
    _Alignas(struct inotify_event) char events[4096];
    ssize_t got;

    do
        got = read(folder_fd, events, sizeof(events));
    while (got < 0 && errno == EINTR);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(events + at);
        if ((event->mask & IN_IGNORED) != 0) {
            errno = ENOENT;
            return false;
        }
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return got > 0;
}

void guard_watch_run(const struct guard_options *options, const char boot_id[GUARD_BOOT_ID_BYTES],
                     void (*told)(const struct guard_recovery *recovery))
{
    struct guard_recovery recovery;
    int folder_fd = watch_folder_of(options->record); /* first, so that no record is missed */

    if (folder_fd < 0)
        return;
    do {
        int record_fd = wait_for_end(options->record);
        if (record_fd >= 0) {
            guard_record_recover_fd(record_fd, boot_id, options->rcu_path, GUARD_RECOVERY_WAIT_MS,
                                    &recovery);
            if (recovery.thawed_count + recovery.waiting_count + recovery.failed_count > 0)
                told(&recovery);
        }
    } while (wait_for_next(folder_fd));
    int kept_errno = errno;
    (void)close(folder_fd);
    errno = kept_errno;
}
