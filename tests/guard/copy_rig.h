/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_TESTS_GUARD_COPY_RIG_H
#define STILLPOINT_TESTS_GUARD_COPY_RIG_H

/* What the copy session's tests stand on, beside rig.h: disks (loop devices that go when this
 * process does), stillpoint-hook behind a socket as systemd would start it, and looks at what a
 * session has left on the machine. */

#include <dirent.h>
#include <linux/loop.h>

#include "agent/base/buf.h"
#include "agent/daemon/copy.h"
#include "tests/guard/rig.h"

#define COPY_RIG_ID       "sp-20261124T081530Z-k3f9x"
#define COPY_RIG_MANIFEST "{\"stillpoint\": 1, \"id\": \"" COPY_RIG_ID "\"}\n"

enum { COPY_RIG_DISKS = 8, COPY_RIG_MS = 20000 };

struct copy_disk {
    char image[200], path[40];
    int fd; /* of the loop device, which lives as long as this; -1 */
    unsigned dev_major, dev_minor;
};

struct copy_rig {
    struct rig *rig;
    char hook[400], socket[160];
    pid_t listener;
    int pids_fd; /* the listener tells the pid of each stillpoint-hook it starts */
    pid_t outer; /* the latest */
    struct copy_disk disks[COPY_RIG_DISKS];
    size_t disk_count;
    struct copy *copy; /* the session; NULL */
    struct err err;
};

/* ---- disks ---- */

/* A disk over an image of MIB; not attached yet. */
static inline struct copy_disk *copy_rig_image(struct copy_rig *rig, int mib)
{
    struct copy_disk *disk = &rig->disks[rig->disk_count];

    assert_true(rig->disk_count < COPY_RIG_DISKS);
    rig_format(disk->image, sizeof(disk->image), "%s/disk%zu.img", rig->rig->folder,
               rig->disk_count);
    assert_int_equal(rig_sh("truncate -s %dM %s", mib, disk->image), 0);
    disk->fd = -1;
    rig->disk_count++;
    return disk;
}

static inline void copy_rig_attach(struct copy_disk *disk)
{
    char line[300];
    struct stat st;

    rig_format(line, sizeof(line), "losetup -f --show %s", disk->image);
    FILE *out = popen(line, "re");
    assert_non_null(out);
    assert_non_null(fgets(disk->path, sizeof(disk->path), out));
    assert_int_equal(pclose(out), 0);
    disk->path[strcspn(disk->path, "\n")] = '\0';
    disk->fd = open(disk->path, O_RDWR | O_CLOEXEC);
    assert_true(disk->fd >= 0);
    struct loop_info64 info;
    assert_int_equal(ioctl(disk->fd, LOOP_GET_STATUS64, &info), 0);
    info.lo_flags |= LO_FLAGS_AUTOCLEAR;
    assert_int_equal(ioctl(disk->fd, LOOP_SET_STATUS64, &info), 0);
    assert_int_equal(fstat(disk->fd, &st), 0);
    disk->dev_major = major(st.st_rdev);
    disk->dev_minor = minor(st.st_rdev);
}

static inline void copy_rig_detach(struct copy_disk *disk)
{
    if (disk->fd >= 0)
        (void)close(disk->fd);
    disk->fd = -1;
}

/* A filesystem of KIND on the image, with SCRIPT run in it (as $M), attached afterwards. */
static inline struct copy_disk *copy_rig_fs(struct copy_rig *rig, const char *kind, int mib,
                                            const char *script)
{
    struct copy_disk *disk = copy_rig_image(rig, mib);

    assert_int_equal(
        rig_sh("mkfs.%s -q %s %s", kind, strcmp(kind, "ext4") == 0 ? "-F" : "-f", disk->image), 0);
    assert_int_equal(rig_sh("{ M=%s/work; mkdir -p $M && mount -o loop%s %s $M || exit; "
                            "(cd $M && %s); S=$?; umount $M && exit $S; }",
                            rig->rig->folder, strcmp(kind, "xfs") == 0 ? ",nouuid" : "",
                            disk->image, script),
                     0);
    copy_rig_attach(disk);
    return disk;
}

static inline struct copy_device copy_rig_device(const struct copy_disk *disk)
{
    return (struct copy_device){disk->path + strlen("/dev/"), disk->dev_major, disk->dev_minor,
                                "vol-0123456789abcdef0"};
}

/* ---- stillpoint-hook behind its socket ---- */

static inline void copy_rig_start_one(const struct copy_rig *rig, int fd)
{
    char pid[20];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    if (fd != 3)
        (void)dup2(fd, 3);
    else
        (void)fcntl(3, F_SETFD, 0);
    (void)execl(rig->hook, rig->hook, "--user", "nobody", (char *)NULL);
    _exit(127);
}

static inline void copy_rig_listen(struct copy_rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int ends[2], fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    rig_format(rig->socket, sizeof(rig->socket), "%s/hook.sock", rig->rig->folder);
    memcpy(address.sun_path, rig->socket, strlen(rig->socket) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(chmod(rig->socket, 0666), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    rig->listener = fork();
    assert_true(rig->listener >= 0);
    if (rig->listener == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
            if (one < 0)
                _exit(1);
            pid_t pid = fork();
            if (pid == 0)
                copy_rig_start_one(rig, one);
            (void)!write(ends[1], &pid, sizeof(pid));
            (void)close(one);
        }
    }
    (void)close(fd);
    (void)close(ends[1]);
    rig->pids_fd = ends[0];
}

/* ---- the session ---- */

static inline bool copy_rig_try_open(struct copy_rig *rig, enum copy_purpose purpose,
                                     const char *destination)
{
    struct copy_config config = {rig->socket, COPY_RIG_ID, purpose, destination,
                                 clock_boot_ms() + 120000};

    rig->err = (struct err)ERR_INIT;
    bool opened = copy_open(&config, clock_boot_ms() + COPY_RIG_MS, NULL, &rig->copy, &rig->err);
    assert_int_equal(read(rig->pids_fd, &rig->outer, sizeof(pid_t)), sizeof(pid_t));
    return opened;
}

static inline void copy_rig_open_for(struct copy_rig *rig, enum copy_purpose purpose,
                                     const char *destination)
{
    if (!copy_rig_try_open(rig, purpose, destination))
        fail_msg("open: %s", rig->err.text);
}

/* Adds DISK; the index of its first item. */
static inline uint32_t copy_rig_add(struct copy_rig *rig, const struct copy_disk *disk)
{
    struct copy_device device = copy_rig_device(disk);
    size_t first = 0, count = 0;

    (void)copy_items(rig->copy, &first);
    if (!copy_add_device(rig->copy, &device, clock_boot_ms() + COPY_RIG_MS, NULL, &rig->err))
        fail_msg("add %s: %s", disk->path, rig->err.text);
    (void)copy_items(rig->copy, &count);
    assert_true(count > first);
    return (uint32_t)first;
}

static inline bool copy_rig_mount(struct copy_rig *rig, uint32_t item, const char *at,
                                  uint32_t flags)
{
    rig->err = (struct err)ERR_INIT;
    return copy_mount(rig->copy, item, at, flags, clock_boot_ms() + COPY_RIG_MS, NULL, &rig->err);
}

/* ---- what is left ---- */

/* Does a loop device of a session's stand on a disk? */
static inline bool copy_rig_has_slices(const struct copy_rig *rig)
{
    for (size_t i = 0; i < rig->disk_count; i++)
        if (rig->disks[i].fd >= 0 &&
            rig_sh("losetup -n -O BACK-FILE -a | grep -qx '%s'", rig->disks[i].path) == 0)
            return true;
    return false;
}

/* Is a disk mounted where the machine sees it, or anything else of a session's? */
static inline bool copy_rig_is_seen(const struct copy_rig *rig)
{
    const char *table = rig_read("/proc/self/mountinfo");

    for (size_t i = 0; i < rig->disk_count; i++) {
        char number[40];
        rig_format(number, sizeof(number), " %u:%u ", rig->disks[i].dev_major,
                   rig->disks[i].dev_minor);
        if (rig->disks[i].fd >= 0 && strstr(table, number) != NULL)
            return true;
    }
    return strstr(table, " stillpoint rw") != NULL || strstr(table, " stillpoint ro") != NULL;
}

/* The parent of process PID; 0 where there is none (or it is dead and only not reaped). */
static inline pid_t copy_rig_parent(pid_t pid)
{
    char path[64];
    int parent = 0;

    rig_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
    const char *after = strrchr(rig_read(path), ')');
    return after == NULL || after[2] == 'Z' || after[2] == 'X' ||
                   sscanf(after + 3, "%d", &parent) != 1
               ? 0
               : parent;
}

/* A child of PARENT, but none of the pids up to AFTER; 0. */
static inline pid_t copy_rig_child_of(pid_t parent)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry = NULL;
    pid_t found = 0;

    assert_non_null(folder);
    while (found == 0 && (entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && copy_rig_parent(pid) == parent)
            found = pid;
    }
    (void)closedir(folder);
    return found;
}

/* Waits until OUTER and all below it have ended and the disks are free; fails where they are not.
 */
static inline void copy_rig_assert_nothing_left(struct copy_rig *rig, pid_t inner, pid_t server)
{
    if (!rig_wait_gone(rig->outer))
        fail_msg("the session's starter is still there");
    if (inner != 0 && !rig_wait_gone(inner))
        fail_msg("the session is still there");
    if (server != 0 && !rig_wait_gone(server))
        fail_msg("the server is still there");
    assert_false(copy_rig_is_seen(rig));
    for (size_t i = 0; i < rig->disk_count; i++) {
        int fd = -1;
        if (rig->disks[i].fd < 0)
            continue;
        for (int64_t until_ms = clock_boot_ms() + 3000; fd < 0 && clock_boot_ms() < until_ms;
             rig_nap_ms(10))
            fd = open(rig->disks[i].path, O_RDONLY | O_EXCL | O_CLOEXEC);
        if (fd < 0)
            fail_msg("%s is still in use", rig->disks[i].path);
        (void)close(fd);
    }
    assert_false(copy_rig_has_slices(rig));
    assert_int_not_equal(access("/run/look", F_OK), 0);
    assert_int_not_equal(access("/run/stillpoint/tmp", F_OK), 0);
}

static inline void copy_rig_close(struct copy_rig *rig)
{
    bool closed = copy_close(rig->copy, clock_boot_ms() + COPY_RIG_MS, &rig->err);

    copy_free(rig->copy);
    rig->copy = NULL;
    if (!closed)
        fail_msg("close: %s", rig->err.text);
    /* at once: that is what the close promises */
    for (size_t i = 0; i < rig->disk_count; i++) {
        int fd = rig->disks[i].fd < 0 ? dup(0) : open(rig->disks[i].path, O_RDONLY | O_EXCL);
        if (fd < 0)
            fail_msg("%s is in use after the close", rig->disks[i].path);
        (void)close(fd);
    }
    copy_rig_assert_nothing_left(rig, 0, 0);
}

/* ---- a group's set-up ---- */

static inline struct copy_rig *copy_rig_start(void)
{
    struct copy_rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->rig = rig_open();
    memcpy(rig->hook, rig->rig->program, sizeof(rig->hook));
    memcpy(strrchr(rig->hook, '/'), "/stillpoint-hook", sizeof("/stillpoint-hook"));
    copy_rig_listen(rig);
    return rig;
}

/* After each test: the session of one that failed. */
static inline int copy_rig_tear(void **state)
{
    struct copy_rig *rig = *state;

    copy_free(rig->copy);
    rig->copy = NULL;
    return 0;
}

static inline void copy_rig_end(struct copy_rig *rig)
{
    copy_free(rig->copy);
    (void)kill(rig->listener, SIGKILL);
    (void)waitpid(rig->listener, NULL, 0);
    for (size_t i = 0; i < rig->disk_count; i++)
        copy_rig_detach(&rig->disks[i]);
    rig_close(rig->rig);
    free(rig);
}

#endif
