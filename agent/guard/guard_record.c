/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_record.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h> /* rename */
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_lookup.h"

_Static_assert(sizeof(GUARD_RECORD_MAGIC) == 8, "magic");
_Static_assert(sizeof(_Atomic uint32_t) == 4 && sizeof(_Atomic int64_t) == 8, "plain atomics");

bool guard_record_boot_id(char ret_boot_id[GUARD_BOOT_ID_BYTES])
{
    char text[GUARD_BOOT_ID_BYTES] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false; /* not reached: syscalls-fail.sh has it fail, and is not counted */
    ssize_t got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (got <= 0)
        return false; /* not reached: as above */
    size_t length = strcspn(text, "\n");
    memset(text + length, 0, sizeof(text) - length);
    memcpy(ret_boot_id, text, sizeof(text));
    return true;
}

bool guard_record_check(const struct guard_record *record, size_t bytes,
                        const char boot_id[GUARD_BOOT_ID_BYTES], bool *ret_this_boot)
{
    if (bytes != sizeof(*record) || memcmp(record->magic, GUARD_RECORD_MAGIC, 8) != 0 ||
        record->version != GUARD_RECORD_VERSION || record->bytes != sizeof(*record) ||
        record->mount_count > GUARD_MOUNTS_MAX)
        return false;
    int32_t rcu_old = atomic_load(&record->rcu_old);
    if (rcu_old != -1 && rcu_old != 0)
        return false;
    for (uint32_t i = 0; i < record->mount_count; i++) {
        const struct guard_record_mount *mount = &record->mounts[i];
        if (atomic_load(&mount->state) > GUARD_MOUNT_THAW_FAILED || mount->path[0] != '/' ||
            memchr(mount->path, '\0', sizeof(mount->path)) == NULL)
            return false;
    }
    *ret_this_boot = memcmp(record->boot_id, boot_id, GUARD_BOOT_ID_BYTES) == 0;
    return true;
}

static bool fill(int fd, const char boot_id[GUARD_BOOT_ID_BYTES])
{
    static const char zeros[4096];
    struct guard_record *record = NULL;

    /* written, not only made longer: a full tmpfs must say so now, not with SIGBUS while frozen */
    for (size_t left = sizeof(*record); left > 0;) {
        ssize_t wrote = write(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
        if (wrote <= 0)
            return false; /* not reached: a full tmpfs; syscalls-fail.sh is not counted */
        left -= (size_t)wrote;
    }
    record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (record == MAP_FAILED)
        return false; /* not reached: as the boot id */
    memcpy(record->magic, GUARD_RECORD_MAGIC, 8);
    record->version = GUARD_RECORD_VERSION;
    record->bytes = sizeof(*record);
    memcpy(record->boot_id, boot_id, GUARD_BOOT_ID_BYTES);
    atomic_store(&record->rcu_old, -1);
    guard_record_renew(record, false);
    return munmap(record, sizeof(*record)) == 0;
}

bool guard_record_make(const char *path, const char boot_id[GUARD_BOOT_ID_BYTES],
                       struct guard_record **ret_record, int *ret_fd)
{
    char temporary[GUARD_PATH_BYTES];
    int kept_errno;

    if (strlen(path) + sizeof(".new") > sizeof(temporary)) {
        errno = ENAMETOOLONG; /* not reached: guard_options.c refuses it */
        return false;
    }
    memcpy(temporary, path, strlen(path));
    memcpy(temporary + strlen(path), ".new", sizeof(".new"));
    (void)unlink(
        temporary); /* of a guard that died here; whoever may plant one gets EEXIST below */
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false; /* not reached: as the boot id */
    void *record = MAP_FAILED;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || !fill(fd, boot_id))
        goto fail; /* not reached: as the boot id */
    record = mmap(NULL, sizeof(struct guard_record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (record == MAP_FAILED || rename(temporary, path) < 0)
        goto fail; /* not reached: as the boot id */
    *ret_record = record;
    *ret_fd = fd;
    return true;
fail: /* not reached: as the boot id */
    kept_errno = errno;
    if (record != MAP_FAILED)
        (void)munmap(record, sizeof(struct guard_record));
    (void)unlink(temporary);
    (void)close(fd);
    errno = kept_errno;
    return false;
}

void guard_record_renew(struct guard_record *record, bool keep_mounts)
{
    for (uint32_t i = 0; i < record->mount_count; i++) {
        struct guard_record_mount *mount = &record->mounts[i];
        if (!keep_mounts) {
            memset(mount, 0, sizeof(*mount));
            continue;
        }
        mount->freeze_begin_boot_us = mount->freeze_end_boot_us = 0;
        mount->thaw_begin_boot_us = mount->thaw_end_boot_us = 0;
        mount->freeze_errno = mount->thaw_errno = 0;
        atomic_store(&mount->state, (mount->flags & GUARD_ADD_SYNC_ONLY) != 0
                                        ? GUARD_MOUNT_SYNC_ONLY
                                        : GUARD_MOUNT_ADDED);
    }
    if (!keep_mounts)
        record->mount_count = 0;
    record->deadline_ms = 0;
    record->rcu_was_set = 0;
    record->held_boot_us = record->held_utc_us = 0;
    record->thaw_begin_utc_us = 0;
    atomic_store(&record->thaw_begin_boot_us, 0);
    atomic_store(&record->lease, (guard_record_lease(record) + 1) << 8);
}

/* A record that a guard has left, or still has. */
struct left {
    struct guard_record *record;
    int fd;           /* for its lock, which a process of that guard has for as long as it lives */
    int64_t until_ms; /* how long to wait for what is thawed by a process of its own */
    struct guard_recovery *recovery;
};

/* A record that lost its end still has its beginning, or nothing at all. */
static void judge_disbelieved(struct left *left)
{
    char magic[sizeof(left->record->magic)];
    struct stat st;
    bool ours = fstat(left->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
    bool begins = pread(left->fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
                  memcmp(magic, GUARD_RECORD_MAGIC, sizeof(magic)) == 0;

    left->recovery->is_damaged = ours && (st.st_size == 0 || begins);
    left->recovery->is_other = ours && !left->recovery->is_damaged;
    left->recovery->is_planted = !ours;
}

/* Maps the record, if it is a regular file of ours with the right size. */
static bool map_existing(struct left *left)
{
    struct stat st;
    void *record = MAP_FAILED;

    /* Whoever may write into it: root has made it, and a freeze that stays is worse than a thaw. */
    if (fstat(left->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        st.st_size == (off_t)sizeof(struct guard_record))
        record = mmap(NULL, sizeof(struct guard_record), PROT_READ | PROT_WRITE, MAP_SHARED,
                      left->fd, 0);
    if (record == MAP_FAILED) {
        judge_disbelieved(left);
        return false;
    }
    left->record = record;
    return true;
}

static void nap(long ms)
{
    struct timespec span = {0, ms * 1000000};

    (void)nanosleep(&span, NULL);
}

/* Thaws what a FIFREEZE of that guard may still be at. While that writes out what is dirty, FITHAW
 * sleeps until it is done; but while it still waits for writers that were there before it, FITHAW
 * says EINVAL at once, and the filesystem would be frozen later, by a thread that was killed and
 * thaws nothing. So EINVAL counts only where no process of that guard lives any more, or one is
 * past the freeze and thaws by itself. Returns 0 thawed, 2 was loose, 1 failed. */
static int thaw_late(const struct left *left, const struct guard_record_mount *mount, int fd)
{
    uint64_t lease = guard_record_lease(left->record);

    for (;;) {
        /* asked first: once nobody lives, no freeze is on its way that FITHAW could come too early
         * for */
        bool alone = flock(left->fd, LOCK_EX | LOCK_NB) == 0;
        if (ioctl(fd, FITHAW, 0) == 0)
            return 0;
        if (errno != EINVAL)
            return 1; /* not reached: a disk that fails */
        if (alone || !guard_mount_is_held(atomic_load(&mount->state)) ||
            guard_record_lease(left->record) != lease)
            return 2;
        nap(20);
    }
}

/* The wait may be long, so a process of its own waits. */
static bool thaw_in_child(const struct left *left, const struct guard_record_mount *mount, int fd)
{
    struct guard_recovery *recovery = left->recovery;
    pid_t pid = fork();

    if (pid == 0) {
        /* systemd ends what ExecStopPost= leaves behind */
        (void)signal(SIGTERM, SIG_IGN);
        _exit(thaw_late(left, mount, fd));
    }
    if (pid < 0)
        return false; /* not reached: no process is left */
    for (;;) {
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            recovery->thawed_count += code == 0;
            recovery->loose_count += code == 2;
            return code != 1;
        }
        if (clock_boot_ms() >= left->until_ms)
            break;
        nap(5);
    }
    recovery->waiting_count++;
    return true;
}

static bool thaw_one(const struct left *left, struct guard_record_mount *mount, uint32_t state)
{
    struct guard_recovery *recovery = left->recovery;
    struct guard_found found;
    int fd;
    bool ok = true;

    guard_lookup_open_mount(mount->path, mount->dev_major, mount->dev_minor, mount->mnt_id, &found,
                            &fd);
    if (fd < 0)
        return false;
    if (state == GUARD_MOUNT_FREEZING) {
        ok = thaw_in_child(left, mount, fd);
    } else if (atomic_compare_exchange_strong(&mount->state, &state, GUARD_MOUNT_THAWING)) {
        int answer = ioctl(fd, FITHAW, 0);
        ok = answer == 0 || errno == EINVAL;
        recovery->thawed_count += answer == 0;
        recovery->loose_count += answer != 0 && ok;
        atomic_store(&mount->state, answer == 0 ? GUARD_MOUNT_THAWED
                                    : ok        ? GUARD_MOUNT_LET_GO
                                                : GUARD_MOUNT_THAW_FAILED);
    }
    (void)close(fd);
    return ok;
}

static void restore_rcu(struct guard_record *record, const char *rcu_path,
                        struct guard_recovery *recovery)
{
    if (atomic_load(&record->rcu_old) != 0)
        return;
    int fd = open(rcu_path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* not reached: as the boot id */
    if (write(fd, "0", 1) == 1) {
        atomic_store(&record->rcu_old, -1);
        recovery->rcu_restored = true;
    }
    (void)close(fd);
}

void guard_record_recover_fd(int take_fd, const char boot_id[GUARD_BOOT_ID_BYTES],
                             const char *rcu_path, int wait_ms, struct guard_recovery *ret_recovery)
{
    struct left left = {
        .fd = take_fd, .until_ms = clock_boot_ms() + wait_ms, .recovery = ret_recovery};

    memset(ret_recovery, 0, sizeof(*ret_recovery));
    if (!map_existing(&left)) {
        (void)close(left.fd);
        return;
    }
    struct guard_record *record = left.record;
    if (!guard_record_check(record, sizeof(*record), boot_id, &ret_recovery->found)) {
        ret_recovery->found = false;
        judge_disbelieved(&left);
        goto out;
    }
    if (!ret_recovery->found)
        goto out;
    /* a guard of that record that still lives must freeze nothing more */
    guard_record_end(record, guard_record_lease(record), GUARD_END_FORCED);

    /* what is frozen for certain goes first: the one that may still be freezing can take its time
     */
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = record->mount_count; i-- > 0;) {
            struct guard_record_mount *mount = &record->mounts[i];
            uint32_t state = atomic_load(&mount->state);
            if (guard_mount_is_held(state) && (state != GUARD_MOUNT_FREEZING || pass == 1) &&
                !thaw_one(&left, mount, state))
                ret_recovery->failed_count += pass == 1; /* the second pass tries again */
        }
    restore_rcu(record, rcu_path, ret_recovery);
out:
    (void)munmap(record, sizeof(*record));
    (void)close(left.fd);
}

void guard_record_recover(const char *path, const char boot_id[GUARD_BOOT_ID_BYTES],
                          const char *rcu_path, int wait_ms, struct guard_recovery *ret_recovery)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        guard_record_recover_fd(fd, boot_id, rcu_path, wait_ms, ret_recovery);
        return;
    }
    memset(ret_recovery, 0, sizeof(*ret_recovery));
    ret_recovery->is_planted = errno != ENOENT;
}

bool guard_record_is_gone(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 &&
           (st.st_nlink == 0 || st.st_size < (off_t)sizeof(struct guard_record));
}

void guard_record_remove(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlink(path);
    (void)close(fd);
}
