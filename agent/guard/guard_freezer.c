/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_frozen.h"
#include "agent/guard/guard_pass.h"

enum { CREW_STACK_BYTES = 128 * 1024 }; /* address space: a page or two is touched */

#define MANIFEST_TEMPORARY GUARD_MANIFEST_NAME ".new"

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue; /* not reached: signals are blocked */
        if (wrote <= 0)
            return false;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return true;
}

static int write_manifest(int dir_fd, const uint8_t *bytes, size_t length)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, MANIFEST_TEMPORARY, flags, 0600);

    if (fd < 0 && errno == EEXIST) { /* an interrupted run, or planted: unlink follows nothing */
        if (unlinkat(dir_fd, MANIFEST_TEMPORARY, 0) < 0)
            return errno;
        fd = openat(dir_fd, MANIFEST_TEMPORARY, flags, 0600);
    }
    if (fd < 0)
        return errno;
    bool ok = write_all(fd, bytes, length) && fchmod(fd, 0644) == 0;
    int os_errno = errno;
    if (close(fd) < 0 && ok) {
        ok = false; /* not reached: only network filesystems fail so late */
        os_errno = errno;
    }
    if (ok && renameat(dir_fd, MANIFEST_TEMPORARY, dir_fd, GUARD_MANIFEST_NAME) == 0)
        return 0;
    if (ok)
        os_errno = errno;
    (void)unlinkat(dir_fd, MANIFEST_TEMPORARY, 0);
    return os_errno;
}

/* An older backup's must not go for this one's on a copy, where there is no room for ours. */
int guard_freezer_write_manifest(int dir_fd, const uint8_t *bytes, size_t length)
{
    int os_errno = write_manifest(dir_fd, bytes, length);

    if (os_errno != 0)
        (void)unlinkat(dir_fd, GUARD_MANIFEST_NAME, 0);
    return os_errno;
}

static void write_manifests(const struct guard_twin *twin, struct guard_manifest *manifest)
{
    const struct guard_record *record = twin->record;

    manifest->written_count = manifest->skipped_count = manifest->failed_count = 0;
    for (uint32_t i = 0; i < record->mount_count; i++) {
        bool skip = (record->mounts[i].flags & GUARD_ADD_SYNC_ONLY) != 0;
        int os_errno = skip ? EOPNOTSUPP
                            : guard_freezer_write_manifest(twin->mount_fds[i], manifest->bytes,
                                                           manifest->length);
        manifest->os_errnos[i] = os_errno;
        if (os_errno == 0)
            manifest->written_count++;
        else if (skip || guard_manifest_passed_over(os_errno))
            manifest->skipped_count++;
        else
            manifest->failed_count++;
    }
}

static void forget(struct guard_twin *twin)
{
    for (int i = 0; i < GUARD_MOUNTS_MAX; i++) {
        if (twin->mount_fds[i] >= 0)
            (void)close(twin->mount_fds[i]);
        twin->mount_fds[i] = -1;
    }
}

/* Threads for WANTED freezes at a time; with fewer it takes longer, with none it still works. */
static void grow_crew(struct guard_twin *twin, unsigned wanted)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (wanted > GUARD_CREW_MAX)
        wanted = GUARD_CREW_MAX;
    if (twin->crew.count >= wanted || twin->crew.job_fd < 0 || twin->crew.done_fd < 0 ||
        pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setstacksize(&attributes, CREW_STACK_BYTES); /* else the default */
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (twin->crew.count < wanted &&
           pthread_create(&thread, &attributes, guard_frozen_worker, twin) == 0)
        twin->crew.count++;
    (void)pthread_attr_destroy(&attributes);
}

/* *company counts the mounts that are to be frozen together, up to this one. */
static void add(struct guard_twin *twin, const struct guard_order *order, int fd, unsigned *company)
{
    uint32_t index = order->index;

    if (index >= GUARD_MOUNTS_MAX) { /* not reached: the keeper refuses it */
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    if (twin->mount_fds[index] >= 0)
        (void)close(twin->mount_fds[index]); /* not reached: FORGET comes before */
    twin->mount_fds[index] = fd;
    *company = index > 0 && (order->flags & GUARD_ADD_TOGETHER) != 0 ? *company + 1 : 1;
    grow_crew(twin, *company);
    /* this process's page of the record, before it matters */
    (void)atomic_fetch_or(&twin->record->mounts[index].state, 0);
}

static void report_done(int twin_fd, uint64_t serial, int os_errno, int64_t begin_us)
{
    struct guard_report report;

    memset(&report, 0, sizeof(report));
    report.kind = GUARD_REPORT_DONE;
    report.serial = serial;
    report.os_errno = os_errno;
    report.took_us = clock_boot_us() - begin_us;
    (void)send(twin_fd, &report, sizeof(report),
               MSG_NOSIGNAL); /* a keeper that is gone: seen next */
}

static int sync_one(const struct guard_twin *twin, uint32_t index)
{
    if (index >= GUARD_MOUNTS_MAX)
        return EBADF; /* not reached: the keeper refuses it */
    return syncfs(twin->mount_fds[index]) == 0 ? 0 : errno;
}

int guard_freezer_run(struct guard_twin *twin, struct guard_manifest *manifest)
{
    struct guard_order order = {0};
    unsigned company = 0;
    int fd;

    twin->crew.count = 0;
    twin->crew.job_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    twin->crew.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    while (guard_pass_receive(twin->twin_fd, &order, sizeof(order), &fd, 0) ==
           (ssize_t)sizeof(order)) {
        int64_t begin_us = clock_boot_us();
        switch (order.kind) {
        case GUARD_ORDER_ADD:
            add(twin, &order, fd, &company);
            break;
        case GUARD_ORDER_FORGET:
            forget(twin);
            break;
        case GUARD_ORDER_SYNC:
            report_done(twin->twin_fd, order.serial, sync_one(twin, order.index), begin_us);
            break;
        case GUARD_ORDER_MANIFEST:
            write_manifests(twin, manifest);
            report_done(twin->twin_fd, order.serial, 0, begin_us);
            break;
        case GUARD_ORDER_FREEZE:
            twin->lease = order.lease;
            (void)guard_frozen_freezer(twin, order.serial); /* a keeper that is gone: seen next */
            break;
        default: /* OVER, of a lease whose end was seen without it */
            break;
        }
    }
    guard_frozen_thaw(twin, true); /* should the keeper have died between its word and its deed */
    return 1;
}
