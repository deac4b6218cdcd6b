/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/guard_pass.h"

#ifndef SYS_close_range /* headers older than Linux 5.9; the number is the same everywhere */
#define SYS_close_range 436
#endif

static const char digit[] = "0123456789";

/* "/proc/self/fd/N" without stdio. */
static void fd_path(int fd, char text[32])
{
    static const char prefix[] = "/proc/self/fd/";
    char digits[12];
    size_t count = 0, at = sizeof(prefix) - 1;

    memcpy(text, prefix, at);
    do {
        digits[count++] = digit[fd % 10];
        fd /= 10;
    } while (fd > 0);
    while (count > 0)
        text[at++] = digits[--count];
    text[at] = '\0';
}

static void fail(struct guard_found *found, int os_errno)
{
    found->status = GUARD_SYSCALL_FAILED;
    found->os_errno = os_errno;
}

/* The mount id came with Linux 5.8, into the headers of some distributions later: its place in the
 * kernel's struct, which never changes. Older kernels leave its bit out of the mask. */
enum { STX_MNT_ID = 0x1000, STX_MNT_ID_OFFSET = 0x90 };
_Static_assert(sizeof(struct statx) == 256, "the kernel's struct statx");

static bool describe(int fd, struct guard_found *found)
{
    struct statx st;

    memset(&st, 0, sizeof(st));
    if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STX_MNT_ID, &st) < 0) {
        fail(found, errno); /* not reached: what is open can be asked */
        return false;
    }
    found->dev_major = st.stx_dev_major;
    found->dev_minor = st.stx_dev_minor;
    found->mode = st.stx_mode;
    found->inode = st.stx_ino;
    if ((st.stx_mask & STX_MNT_ID) != 0)
        memcpy(&found->mnt_id, (const char *)&st + STX_MNT_ID_OFFSET, sizeof(found->mnt_id));
    return true;
}

void guard_lookup_stat(const char *path, struct guard_found *found)
{
    char link[32];

    memset(found, 0, sizeof(*found));
    int fd =
        open(path, O_PATH | O_CLOEXEC); /* O_PATH: no device is opened, no automount triggered */
    if (fd < 0) {
        fail(found, errno);
        return;
    }
    if (describe(fd, found)) {
        fd_path(fd, link);
        ssize_t got = readlink(link, found->resolved, sizeof(found->resolved) - 1);
        found->resolved[got > 0 ? got : 0] = '\0';
    }
    (void)close(fd);
}

void guard_lookup_open_mount(const char *path, uint32_t dev_major, uint32_t dev_minor,
                             uint64_t mnt_id, struct guard_found *found, int *ret_fd)
{
    char link[32];

    *ret_fd = -1;
    memset(found, 0, sizeof(*found));
    int where_fd = open(path, O_PATH | O_CLOEXEC);
    if (where_fd < 0) {
        fail(found, errno);
        return;
    }
    if (!describe(where_fd, found))
        goto out; /* not reached: as in describe */

    /* btrfs shows in st_dev the subvolume's number, in mountinfo the filesystem's: the mount's id
     * decides */
    bool same_device = found->dev_major == dev_major && found->dev_minor == dev_minor;
    bool same_mount = mnt_id != 0 && found->mnt_id == mnt_id;
    if (!same_device && !same_mount) {
        found->status = GUARD_WRONG_DEVICE;
        goto out;
    }
    if (!S_ISDIR(found->mode) && !S_ISREG(found->mode)) {
        fail(found, ENOTDIR);
        goto out;
    }
    fd_path(where_fd, link); /* the very file that was judged, whatever the path leads to by now */
    *ret_fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*ret_fd < 0)
        fail(found, errno); /* not reached: what is open can be opened again by root */
out:
    (void)close(where_fd);
}

/* Everything but stderr's number range and OWN: else the helper would keep the freezer's pipe open.
 */
static void close_all_but(int own)
{
    if (own > 3)
        (void)syscall(SYS_close_range, 3u, (unsigned)own - 1, 0u);
    if (syscall(SYS_close_range, (unsigned)own + 1, ~0u, 0u) == 0)
        return;
    for (int fd = 3; fd < 1024; fd++) /* not reached: before Linux 5.9 */
        if (fd != own)
            (void)close(fd);
}

static _Noreturn void help(int fd, const union guard_request *request)
{
    struct guard_found found;
    int mount_fd = -1;

    close_all_but(fd);
    (void)prctl(PR_SET_NAME, "guard-lookup");
    if (request->head.op == GUARD_OP_ADD_MOUNT)
        guard_lookup_open_mount(request->add_mount.path, request->add_mount.dev_major,
                                request->add_mount.dev_minor, request->add_mount.mnt_id, &found,
                                &mount_fd);
    else
        guard_lookup_stat(request->device_of.path, &found);
    /* not taken: the keeper sees a closed socket */
    (void)guard_pass_send(fd, &found, sizeof(found), mount_fd, 0);
    _exit(0);
}

bool guard_lookup_start(struct guard_lookup *lookup, const union guard_request *request)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;                        /* not reached: no descriptor is left */
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* helpers that did not die at once */
    }
    pid_t keeper = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != keeper)
            _exit(1); /* not reached: it died in this very moment */
        help(pair[1], request);
    }
    int fork_errno = errno;
    (void)close(pair[1]);
    if (pid < 0) { /* not reached: no process is left */
        (void)close(pair[0]);
        errno = fork_errno;
        return false;
    }
    lookup->pid = pid;
    lookup->fd = pair[0];
    return true;
}

void guard_lookup_take(struct guard_lookup *lookup, struct guard_found *found, int *ret_fd)
{
    ssize_t got = guard_pass_receive(lookup->fd, found, sizeof(*found), ret_fd, MSG_DONTWAIT);
    if (got != (ssize_t)sizeof(*found)) { /* not reached: somebody has killed the helper */
        memset(found, 0, sizeof(*found));
        fail(found, EIO);
        if (*ret_fd >= 0)
            (void)close(*ret_fd);
        *ret_fd = -1;
    }
    (void)close(lookup->fd);
    (void)waitpid(lookup->pid, NULL, 0); /* it has sent its last, or is gone: nothing to wait for */
    lookup->fd = -1;
    lookup->pid = 0;
}

void guard_lookup_cancel(struct guard_lookup *lookup)
{
    if (lookup->pid == 0)
        return;
    (void)kill(lookup->pid, SIGKILL); /* still ours: it has not been waited for */
    (void)close(lookup->fd);
    (void)waitpid(lookup->pid, NULL,
                  WNOHANG); /* stuck in the kernel: guard_lookup_start reaps it later */
    lookup->fd = -1;
    lookup->pid = 0;
}
