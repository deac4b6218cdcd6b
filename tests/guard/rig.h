/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TESTS_GUARD_RIG_H
#define STILLPOINT_TESTS_GUARD_RIG_H

/* What the guard's tests stand on: real filesystems on loop devices, real guards, a client that
 * says exactly what it is told to. Everything of a run lies under
 * /var/tmp/stillpoint-guard-test.PID; what a killed run left behind is thawed, unmounted and
 * removed by the next. */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_record.h"
#include "agent/guard/guard_wire.h"

#define RIG_MARK "/var/tmp/stillpoint-guard-test."

enum {
    RIG_MOUNTS_MAX = 12,
    RIG_THAW_S = 25, /* the independent thaw; no test may hold longer */
    RIG_ANSWER_MS = 15000,
};

struct rig_mount {
    char path[200];
    int fd; /* ours, to look with and to thaw by; -1 = not mounted */
    unsigned dev_major, dev_minor;
    uint64_t mnt_id;
};

struct rig {
    char folder[100];
    char program[400], socket[160], record[160], rcu[160], notify_path[100];
    struct rig_mount mounts[RIG_MOUNTS_MAX];
    size_t mount_count;
    pid_t guard; /* 0 = none */
    pid_t thawer;
    int thawer_fd; /* its end: when closed it thaws and ends */
    int client;    /* connected to the guard; -1 = not */
    int notify;    /* its $NOTIFY_SOCKET; -1 = it has none */
    uint64_t serial;
    union guard_reply reply; /* the last one, and what came with it */
    ssize_t reply_bytes;
    int reply_fd;
};

/* ---- small things ---- */

static inline void rig_nap_ms(long ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&span, &span) < 0 && errno == EINTR) {
    }
}

static inline bool rig_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

/* How long after its cause a thaw may come: 250 ms, a second where processes have to queue for the
 * CPU. */
static inline int64_t rig_late_ms(void)
{
    double load = 0;

    (void)getloadavg(&load, 1);
    return load > 2 * (double)sysconf(_SC_NPROCESSORS_ONLN) || rig_is_sanitized() ? 1000 : 250;
}

/* snprintf that has to fit. */
static __attribute__((noinline, unused, format(printf, 3, 4))) void rig_format(char *text,
                                                                               size_t bytes,
                                                                               const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(text, bytes, fmt, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < bytes);
}

/* The freezer closes its descriptors when it gets to it. */
static inline void rig_umount(const char *path)
{
    for (int left = 1000; umount(path) < 0; left--) {
        assert_int_equal(errno, EBUSY);
        assert_true(left > 0);
        (void)poll(NULL, 0, 5);
    }
}

/* Runs a shell line, its output to nowhere; the exit code. */
static inline int __attribute__((format(printf, 1, 2))) rig_sh(const char *fmt, ...)
{
    char line[1000];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(line, sizeof(line) - 24, fmt, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof(line) - 24);
    memcpy(line + length, " >/dev/null 2>&1", sizeof(" >/dev/null 2>&1"));
    int status = system(line);
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static inline bool rig_has(const char *program)
{
    return rig_sh("command -v %s", program) == 0;
}

static inline void rig_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

/* The file's text in a buffer that the next call overwrites; "" if it can't be read. */
static inline const char *rig_read(const char *path)
{
    static char text[128 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* ---- frozen or not, without writing (a writer would never come back) ---- */

static inline bool rig_fd_is_frozen(int fd)
{
    if (ioctl(fd, FIFREEZE, 0) == 0) {
        (void)ioctl(fd, FITHAW, 0);
        return false;
    }
    return errno == EBUSY;
}

static inline bool rig_is_frozen(const struct rig *rig, size_t i)
{
    return rig_fd_is_frozen(rig->mounts[i].fd);
}

/* Waits until mount I is loose; how long after SINCE_MS that was seen. Fails after five seconds. */
static inline int64_t rig_wait_loose(const struct rig *rig, size_t i, int64_t since_ms)
{
    while (rig_is_frozen(rig, i)) {
        if (clock_boot_ms() > since_ms + 5000)
            fail_msg("%s is still frozen after five seconds", rig->mounts[i].path);
        rig_nap_ms(2);
    }
    return clock_boot_ms() - since_ms;
}

/* ---- the independent thaw: armed before anything is frozen ---- */

static inline void rig_arm_thaw(struct rig *rig)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct pollfd one = {ends[0], POLLIN, 0};
        (void)close(ends[1]);
        for (int i = 0; i < 32; i++) /* whatever ends the test must not end this */
            if (i != SIGALRM)
                (void)signal(i, SIG_IGN);
        (void)poll(&one, 1, RIG_THAW_S * 1000); /* or the test has ended, one way or the other */
        for (size_t i = 0; i < rig->mount_count; i++)
            if (fork() == 0) /* one may have to wait for another's thaw */
                _exit(ioctl(rig->mounts[i].fd, FITHAW, 0) == 0);
        while (wait(NULL) > 0) {
        }
        _exit(0);
    }
    (void)close(ends[0]);
    rig->thawer = pid;
    rig->thawer_fd = ends[1];
}

static inline void rig_disarm_thaw(struct rig *rig)
{
    if (rig->thawer == 0)
        return;
    (void)close(rig->thawer_fd);
    (void)waitpid(rig->thawer, NULL, 0);
    rig->thawer = 0;
}

/* ---- filesystems ---- */

static inline void rig_describe(struct rig_mount *mount)
{
    struct statx st;

    memset(&st, 0, sizeof(st));
    mount->fd = open(mount->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(mount->fd >= 0);
    assert_int_equal(statx(mount->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | 0x1000u, &st), 0);
    mount->dev_major = st.stx_dev_major;
    mount->dev_minor = st.stx_dev_minor;
    memcpy(&mount->mnt_id, (const char *)&st + 0x90, sizeof(mount->mnt_id));
}

/* Makes a filesystem of KIND (ext4, xfs, btrfs) in a sparse file under FOLDER and mounts it; its
 * index. */
static inline size_t rig_add_fs_in(struct rig *rig, const char *kind, const char *folder)
{
    size_t i = rig->mount_count;
    struct rig_mount *mount = &rig->mounts[i];
    char image[400];

    assert_true(i < RIG_MOUNTS_MAX);
    rig_format(mount->path, sizeof(mount->path), "%s/m%zu", rig->folder, i);
    rig_format(image, sizeof(image), "%s/%zu.img", folder, i);
    assert_int_equal(mkdir(mount->path, 0755), 0);
    assert_int_equal(rig_sh("truncate -s %dM %s", strcmp(kind, "ext4") == 0 ? 48 : 320, image), 0);
    assert_int_equal(
        rig_sh("mkfs.%s -q %s %s", kind, strcmp(kind, "ext4") == 0 ? "-F" : "-f", image), 0);
    assert_int_equal(rig_sh("mount -o loop %s %s", image, mount->path), 0);
    rig_describe(mount);
    rig->mount_count++;
    return i;
}

static inline size_t rig_add_fs(struct rig *rig, const char *kind)
{
    return rig_add_fs_in(rig, kind, rig->folder);
}

/* The freezer puts it back when it has told that it is done. */
static inline void rig_wait_rcu(const struct rig *rig, char wanted)
{
    for (int i = 0; i < 400 && rig_read(rig->rcu)[0] != wanted; i++)
        rig_nap_ms(5);
    assert_int_equal(rig_read(rig->rcu)[0], wanted);
}

/* A tmpfs: what can't be frozen. Its index. */
static inline size_t rig_add_tmpfs(struct rig *rig)
{
    size_t i = rig->mount_count;
    struct rig_mount *one = &rig->mounts[i];

    rig_format(one->path, sizeof(one->path), "%s/m%zu", rig->folder, i);
    assert_int_equal(mkdir(one->path, 0755), 0);
    assert_int_equal(mount("none", one->path, "tmpfs", 0, "size=1m"), 0);
    rig_describe(one);
    rig->mount_count++;
    return i;
}

/* Thaws and unmounts every mount below FOLDER. */
static inline void rig_unmount_below(const char *folder)
{
    char line[4096], paths[128][256];
    size_t count = 0, length = strlen(folder);
    FILE *table = fopen("/proc/self/mounts", "re");

    while (table != NULL && fgets(line, sizeof(line), table) != NULL && count < 128) {
        char path[256];
        if (sscanf(line, "%*s %255s", path) == 1 && strncmp(path, folder, length) == 0 &&
            path[length] == '/')
            memcpy(paths[count++], path, sizeof(path));
    }
    if (table != NULL)
        (void)fclose(table);
    for (size_t i = 0; i < count; i++) { /* the outer first: the inner may wait for it */
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0) {
            (void)ioctl(fd, FITHAW, 0);
            (void)close(fd);
        }
    }
    for (size_t i = count; i-- > 0;)
        if (umount2(paths[i], 0) < 0)
            (void)umount2(paths[i], MNT_DETACH);
}

/* What runs that were killed have left. */
static inline void rig_sweep(void)
{
    FILE *list = popen("ls -d " RIG_MARK "* 2>/dev/null", "re");
    char folder[200];

    while (list != NULL && fgets(folder, sizeof(folder), list) != NULL) {
        folder[strcspn(folder, "\n")] = '\0';
        long pid = strtol(folder + strlen(RIG_MARK), NULL, 10);
        if (pid <= 0 || (pid != getpid() && kill((pid_t)pid, 0) == 0))
            continue; /* it runs beside us */
        rig_unmount_below(folder);
        (void)rig_sh("rm -rf --one-file-system %s", folder);
    }
    if (list != NULL)
        (void)pclose(list);
}

static inline struct rig *rig_open(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    char own[300] = "";

    if (rig == NULL || geteuid() != 0) {
        (void)fprintf(stderr, "the guard's tests need root\n");
        exit(77);
    }
    rig_sweep();
    rig_format(rig->folder, sizeof(rig->folder), RIG_MARK "%d", (int)getpid());
    assert_int_equal(mkdir(rig->folder, 0755), 0);
    ssize_t got = readlink("/proc/self/exe", own, sizeof(own) - 1); /* BUILD/tests/guard/test_X */
    assert_true(got > 0);
    for (int up = 0; up < 3; up++)
        *strrchr(own, '/') = '\0';
    rig_format(rig->program, sizeof(rig->program), "%s/stillpoint-guard", own);
    char run[140];
    rig_format(run, sizeof(run), "%s/run", rig->folder);
    assert_int_equal(mkdir(run, 0755), 0);
    assert_int_equal(mount("none", run, "tmpfs", 0, "size=2m,mode=755"), 0);
    rig_format(rig->socket, sizeof(rig->socket), "%s/guard.sock", run);
    rig_format(rig->record, sizeof(rig->record), "%s/guard.lease", run);
    rig_format(rig->rcu, sizeof(rig->rcu), "%s/rcu_expedited", run);
    rig_write(rig->rcu, "0\n");
    rig->client = rig->reply_fd = rig->notify = -1;
    return rig;
}

static inline void rig_close(struct rig *rig)
{
    for (size_t i = 0; i < rig->mount_count; i++)
        (void)close(rig->mounts[i].fd);
    rig_unmount_below(rig->folder);
    (void)rig_sh("rm -rf --one-file-system %s", rig->folder);
    free(rig);
}

/* ---- the guard ---- */

static inline int rig_connect(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval bound = {RIG_ANSWER_MS / 1000, 0};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, rig->socket, strlen(rig->socket) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    return fd;
}

/* Starts the guard's program with the rig's paths and MORE (NULL: none); its pid. */
static inline pid_t rig_spawn(const struct rig *rig, const char *const *more)
{
    const char *args[20] = {rig->program, "--socket",        rig->socket, "--record",
                            rig->record,  "--rcu-expedited", rig->rcu};
    size_t count = 7;

    for (; more != NULL && *more != NULL; more++)
        args[count++] = *more;
    args[count] = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that is killed leaves no guard */
        if (getenv("RIG_VERBOSE") == NULL) {
            int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
            (void)dup2(fd, STDERR_FILENO);
        }
        (void)execv(rig->program, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    return pid;
}

static inline void rig_start_guard(struct rig *rig, const char *const *more)
{
    rig->guard = rig_spawn(rig, more);
    for (int64_t until_ms = clock_boot_ms() + 10000; clock_boot_ms() < until_ms; rig_nap_ms(5)) {
        rig->client = rig_connect(rig);
        if (rig->client >= 0)
            return;
        if (waitpid(rig->guard, NULL, WNOHANG) == rig->guard)
            break;
    }
    rig->guard = 0;
    fail_msg("the guard did not start");
}

/* Waits for PID, a child of ours, to end by itself; its exit code, or 128 + signal. */
static inline int rig_wait_pid(pid_t pid)
{
    int status = 0;

    for (int64_t until_ms = clock_boot_ms() + 10000; clock_boot_ms() < until_ms; rig_nap_ms(5))
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    fail_msg("process %d did not end", (int)pid);
    return -1;
}

static inline int rig_wait_guard(struct rig *rig)
{
    pid_t pid = rig->guard;

    rig->guard = 0;
    return rig_wait_pid(pid);
}

static inline void rig_hang_up(struct rig *rig)
{
    if (rig->client >= 0)
        (void)close(rig->client);
    rig->client = -1;
}

/* Has process PID, not a child of ours, gone (or is it dead and only not reaped)? Waits for it. */
static inline bool rig_wait_gone(pid_t pid)
{
    char path[64];

    rig_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (int64_t until_ms = clock_boot_ms() + 5000; clock_boot_ms() < until_ms; rig_nap_ms(5)) {
        const char *after = strrchr(rig_read(path), ')');
        if (after == NULL || after[2] == 'Z' || after[2] == 'X')
            return true;
    }
    return false;
}

/* ---- the client ---- */

static inline void rig_send(struct rig *rig, const void *bytes, size_t count)
{
    assert_int_equal(send(rig->client, bytes, count, MSG_NOSIGNAL), count);
}

/* Receives the answer into rig->reply; false: the connection is closed. */
static inline bool rig_receive(struct rig *rig)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&rig->reply, sizeof(rig->reply)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};

    memset(&rig->reply, 0x5a, sizeof(rig->reply));
    if (rig->reply_fd >= 0)
        (void)close(rig->reply_fd);
    rig->reply_fd = -1;
    rig->reply_bytes = recvmsg(rig->client, &msg, MSG_CMSG_CLOEXEC);
    if (rig->reply_bytes < 0 && errno == EAGAIN)
        fail_msg("no answer");
    if (rig->reply_bytes <= 0)
        return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(&rig->reply_fd, CMSG_DATA(head), sizeof(int));
    return true;
}

static inline struct guard_request_head rig_head(struct rig *rig, enum guard_op op)
{
    return (struct guard_request_head){GUARD_WIRE_VERSION, op, ++rig->serial};
}

/* Sends a request and takes its answer, checked for version, operation and serial; its status. */
static inline enum guard_status rig_ask(struct rig *rig, const void *request, size_t bytes)
{
    const struct guard_request_head *head = request;

    rig_send(rig, request, bytes);
    assert_true(rig_receive(rig));
    assert_int_equal(rig->reply.head.version, GUARD_WIRE_VERSION);
    assert_int_equal(rig->reply.head.op, head->op);
    assert_int_equal(rig->reply.head.serial, head->serial);
    return (enum guard_status)rig->reply.head.status;
}

static inline enum guard_status rig_plain(struct rig *rig, enum guard_op op)
{
    struct guard_msg_plain message = {rig_head(rig, op)};

    return rig_ask(rig, &message, sizeof(message));
}

static inline struct guard_msg_add_mount rig_add_message(struct rig *rig,
                                                         const struct rig_mount *mount,
                                                         uint32_t flags)
{
    struct guard_msg_add_mount message;

    memset(&message, 0, sizeof(message));
    message.head = rig_head(rig, GUARD_OP_ADD_MOUNT);
    message.dev_major = mount->dev_major;
    message.dev_minor = mount->dev_minor;
    message.mnt_id = mount->mnt_id;
    message.flags = flags;
    memcpy(message.path, mount->path, strlen(mount->path) + 1);
    return message;
}

static inline enum guard_status rig_add(struct rig *rig, size_t i, uint32_t flags)
{
    struct guard_msg_add_mount message = rig_add_message(rig, &rig->mounts[i], flags);

    return rig_ask(rig, &message, sizeof(message));
}

/* Asks for a freeze without waiting for the answer. */
static inline int64_t rig_send_freeze(struct rig *rig, int64_t for_ms)
{
    struct guard_msg_freeze message = {rig_head(rig, GUARD_OP_FREEZE), clock_boot_ms() + for_ms};

    rig_send(rig, &message, sizeof(message));
    return message.deadline_ms;
}

static inline enum guard_status rig_freeze(struct rig *rig, int64_t for_ms)
{
    (void)rig_send_freeze(rig, for_ms);
    assert_true(rig_receive(rig));
    assert_int_equal(rig->reply.head.op, GUARD_OP_FREEZE);
    return (enum guard_status)rig->reply.head.status;
}

/* Adds every mount of the rig and freezes them. */
static inline void rig_hold(struct rig *rig, int64_t for_ms)
{
    for (size_t i = 0; i < rig->mount_count; i++)
        assert_int_equal(rig_add(rig, i, 0), GUARD_OK);
    assert_int_equal(rig_freeze(rig, for_ms), GUARD_OK);
    for (size_t i = 0; i < rig->mount_count; i++)
        assert_true(rig_is_frozen(rig, i));
}

static inline pid_t rig_freezer_pid(struct rig *rig)
{
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);
    return (pid_t)rig->reply.hello.freezer_pid;
}

/* ---- systemd's end of $NOTIFY_SOCKET ---- */

enum { RIG_NOTE_BYTES = 128 };

/* What the guard says next, if it says something within WAIT_MS. */
static inline bool rig_take_note(const struct rig *rig, int wait_ms, char ret_note[RIG_NOTE_BYTES])
{
    struct pollfd one = {rig->notify, POLLIN, 0};

    if (poll(&one, 1, wait_ms) != 1)
        return false;
    ssize_t got = recv(rig->notify, ret_note, RIG_NOTE_BYTES - 1, MSG_DONTWAIT);
    assert_true(got > 0);
    ret_note[got] = '\0';
    return true;
}

static inline void rig_expect_note(const struct rig *rig, const char *wanted)
{
    char note[RIG_NOTE_BYTES] = "";

    assert_true(rig_take_note(rig, 5000, note));
    assert_string_equal(note, wanted);
}

static inline void rig_expect_no_note(const struct rig *rig, int64_t for_ms)
{
    char note[RIG_NOTE_BYTES];

    if (rig_take_note(rig, for_ms > 0 ? (int)for_ms : 0, note))
        fail_msg("systemd was told %s", note);
}

/* After how many microseconds the watchdog bites that NOTE arms. */
static inline int64_t rig_watchdog_us(const char *note)
{
    char *end;

    assert_int_equal(strncmp(note, "WATCHDOG_USEC=", 14), 0);
    int64_t span_us = strtoll(note + 14, &end, 10);
    assert_string_equal(end, "\nWATCHDOG=1");
    return span_us;
}

static inline int64_t rig_expect_watchdog(const struct rig *rig)
{
    char note[RIG_NOTE_BYTES] = "";

    assert_true(rig_take_note(rig, 5000, note));
    return rig_watchdog_us(note);
}

/* ---- around each test ---- */

/* A rig with an ext4 and an XFS: a group's setup and teardown. */
static inline int rig_open_two(void **state)
{
    struct rig *rig = rig_open();

    (void)rig_add_fs(rig, "ext4");
    (void)rig_add_fs(rig, "xfs");
    *state = rig;
    return 0;
}

static inline int rig_close_all(void **state)
{
    rig_close(*state);
    return 0;
}

static inline int rig_before(void **state)
{
    struct rig *rig = *state;

    rig_write(rig->rcu, "0\n");
    rig_arm_thaw(rig);
    rig_start_guard(rig, NULL);
    return 0;
}

/* The same with a $NOTIFY_SOCKET. */
static inline int rig_before_notified(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    rig->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(rig->notify >= 0);
    rig_format(rig->notify_path, sizeof(rig->notify_path), "%s/run/notify", rig->folder);
    memcpy(address.sun_path, rig->notify_path, sizeof(rig->notify_path));
    assert_int_equal(bind(rig->notify, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", rig->notify_path, 1), 0);
    return rig_before(state);
}

static inline int rig_after(void **state)
{
    struct rig *rig = *state;

    rig_hang_up(rig);
    if (rig->reply_fd >= 0)
        (void)close(rig->reply_fd);
    rig->reply_fd = -1;
    rig_disarm_thaw(rig); /* thaws what a failed test has left, so that the guard can end */
    if (rig->guard != 0) {
        (void)kill(rig->guard, SIGCONT);
        (void)kill(rig->guard, SIGTERM);
        pid_t ended = 0;
        for (int i = 0; i < 400 && (ended = waitpid(rig->guard, NULL, WNOHANG)) == 0; i++)
            rig_nap_ms(5);
        if (ended == 0) {
            (void)kill(rig->guard, SIGKILL);
            (void)waitpid(rig->guard, NULL, 0);
        }
        rig->guard = 0;
    }
    (void)unlink(rig->record);
    if (rig->notify >= 0) {
        (void)close(rig->notify);
        (void)unlink(rig->notify_path);
        (void)unsetenv("NOTIFY_SOCKET");
        rig->notify = -1;
    }
    return 0;
}

#endif
