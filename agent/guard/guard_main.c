/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpoint-guard: starts the two processes, and leaves nothing frozen behind. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/guard/guard_freezer.h"
#include "agent/guard/guard_frozen.h"
#include "agent/guard/guard_frozen_bus.h"
#include "agent/guard/guard_keeper.h"
#include "agent/guard/guard_log.h"
#include "agent/guard/guard_notify.h"
#include "agent/guard/guard_options.h"
#include "agent/guard/guard_record.h"
#include "agent/guard/guard_watch.h"

#ifndef STILLPOINT_VERSION
#define STILLPOINT_VERSION "unknown"
#endif

enum { TMPFS_MAGIC_NUMBER = 0x01021994, RAMFS_MAGIC_NUMBER = (int)0x858458f6 };

static bool fail(const char *what)
{
    guard_log(GUARD_LOG_ERROR, "event=start_failed what=\"%s\" error=\"%s\"", what,
              strerror(errno));
    return false;
}

static int exit_usage(const char *error)
{
    guard_log(GUARD_LOG_ERROR, "stillpoint-guard: %s (see --help)", error);
    return 2;
}

static void log_recovery(const struct guard_recovery *recovery)
{
    if (!recovery->found)
        return;
    guard_log(recovery->failed_count > 0                         ? GUARD_LOG_ERROR
              : recovery->thawed_count + recovery->waiting_count ? GUARD_LOG_WARNING
                                                                 : GUARD_LOG_INFO,
              "event=recovered thawed=%u already_loose=%u failed=%u waiting=%u rcu_restored=%d",
              recovery->thawed_count, recovery->loose_count, recovery->failed_count,
              recovery->waiting_count, recovery->rcu_restored);
}

enum { EXIT_WRONG = 2 }; /* needs a person: the unit does not start it again for this one */

static int start_code = 1; /* of a start that fails */

static bool refuse_record(const char *path)
{
    start_code = EXIT_WRONG;
    guard_log(GUARD_LOG_ERROR,
              "event=not_a_record path=\"%s\" remedy=\"it is left as it is: name another with "
              "--record, or move it away\"",
              guard_log_text(path));
    return false;
}

static void log_damaged(const char *path)
{
    guard_log(GUARD_LOG_ERROR,
              "event=record_damaged path=\"%s\" remedy=\"what a guard may have left frozen is not "
              "known any more: fsfreeze --unfreeze MOUNT lets go of a mount\"",
              guard_log_text(path));
}

static void protect_from_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, "-1000", 5); /* systemd's OOMScoreAdjust= has done it where we may not */
        (void)close(fd);
    }
}

static __attribute__((noinline)) void touch_stack(void)
{
    volatile char room[32 * 1024];

    for (size_t i = 0; i < sizeof(room); i += 1024)
        room[i] = 1;
}

/* Nothing that the thaw needs may have to be read from a disk, least of all from a frozen or a full
 * one. */
static void lock_memory(const char *name)
{
    (void)prctl(PR_SET_NAME, name);
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        /* not reached: as the boot id */
        guard_log(GUARD_LOG_WARNING, "event=not_memory_locked error=\"%s\"", strerror(errno));
    touch_stack();
    guard_frozen_rehearse();
}

static int thaw_and_exit(const struct guard_options *options)
{
    char boot_id[GUARD_BOOT_ID_BYTES];
    struct guard_recovery recovery;

    if (!guard_record_boot_id(boot_id)) {
        /* not reached: syscalls-fail.sh has it fail, and is not counted */
        (void)fail("boot id");
        return 1;
    }
    guard_record_recover(options->record, boot_id, options->rcu_path, GUARD_RECOVERY_WAIT_MS,
                         &recovery);
    log_recovery(&recovery);
    if (recovery.is_other || recovery.is_planted) {
        (void)refuse_record(options->record);
        return start_code;
    }
    if (recovery.is_damaged)
        log_damaged(options->record);
    if (recovery.is_damaged || recovery.failed_count > 0)
        return 1; /* the record stays, for the next try or for who looks into it */
    guard_record_remove(options->record);
    return 0;
}

/* What stillpoint-guard-watch.service runs. */
static int watch_and_exit(const struct guard_options *options)
{
    char boot_id[GUARD_BOOT_ID_BYTES];

    if (!guard_record_boot_id(boot_id)) {
        (void)fail("boot id"); /* not reached: as in thaw_and_exit */
        return 1;
    }
    protect_from_oom();
    lock_memory("guard-watch");
    guard_watch_run(options, boot_id, log_recovery);
    (void)fail("watching the record's folder");
    return 1;
}

/* The user database can load whole libraries (sssd, LDAP): in a process of its own, which ends. */
static bool find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    struct {
        uid_t uid;
        gid_t gid;
    } ids;
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return false; /* not reached: as the boot id */
    pid_t pid = fork();
    if (pid == 0) {
        char *end = NULL;
        unsigned long number = strtoul(name, &end, 10);
        bool is_number = name[0] >= '0' && name[0] <= '9' && *end == '\0';
        const struct passwd *user = is_number ? getpwuid((uid_t)number) : getpwnam(name);
        if (user == NULL)
            _exit(1);
        ids.uid = user->pw_uid;
        ids.gid = user->pw_gid;
        _exit(write(pair[1], &ids, sizeof(ids)) == (ssize_t)sizeof(ids) ? 0 : 1);
    }
    (void)close(pair[1]);
    bool ok = pid > 0 && read(pair[0], &ids, sizeof(ids)) == (ssize_t)sizeof(ids);
    (void)close(pair[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    if (ok) {
        *ret_uid = ids.uid;
        *ret_gid = ids.gid;
    }
    return ok;
}

/* Without CAP_CHOWN the group can't be given, but it is there already where systemd's Group= says
 * so. */
static bool give(const char *path, gid_t gid, mode_t mode)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_gid == gid || chown(path, (uid_t)-1, gid) == 0) &&
           chmod(path, mode) == 0;
}

/* Root's, so that nobody replaces socket or record; sticky, so that the daemon can have its own
 * files there. */
static bool make_run_folder(const char *run, bool has_user, gid_t gid)
{
    if (mkdir(run, 0755) < 0)
        return errno == EEXIST || fail("run folder");
    return !has_user || give(run, gid, 01775) || fail("run folder's group");
}

/* Where others can rename what is in the record's folder, a restarted guard can be made to miss it.
 */
static void warn_if_open(const char *record)
{
    char folder[GUARD_PATH_BYTES];
    struct stat st;
    size_t length = (size_t)(strrchr(record, '/') - record);

    memcpy(folder, record, length);
    folder[length] = '\0';
    if (stat(length > 0 ? folder : "/", &st) == 0 &&
        (st.st_uid != 0 || ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)))
        guard_log(
            GUARD_LOG_WARNING,
            "event=record_not_protected folder=\"%s\" remedy=\"root's, and sticky where others "
            "may write\"",
            guard_log_text(folder));
}

static void set_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path) + 1); /* its length was checked with the options */
}

static bool is_served(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    set_address(&address, path);
    /* EAGAIN: its backlog is full; so somebody listens */
    bool served = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
                              errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd);
    return served;
}

static int listen_at(const char *path, bool has_user, gid_t gid)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    set_address(&address, path);
    (void)unlink(path);
    mode_t old_mask = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    (void)umask(old_mask);
    if (ok && has_user)
        ok = give(path, gid, 0660);
    if (ok && listen(fd, GUARD_CLIENTS_MAX) == 0)
        return fd;
    if (fd >= 0) /* not reached: as the boot id */
        (void)close(fd);
    return -1; /* not reached: as the boot id */
}

static void warn_if_on_disk(int record_fd)
{
    struct statfs fs;

    if (fstatfs(record_fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC_NUMBER &&
        (int)fs.f_type != RAMFS_MAGIC_NUMBER)
        guard_log(GUARD_LOG_WARNING,
                  "event=record_not_on_tmpfs remedy=\"put [paths] run on a tmpfs: "
                  "the filesystem that it is on can't be frozen\"");
}

static void block_signals(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGTERM);
    (void)sigaddset(ret_set, SIGINT);
    (void)sigaddset(ret_set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, ret_set,
                      NULL); /* the freezer keeps them blocked: it ends with the keeper */
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool open_record(const struct guard_options *options, struct guard_keeper *keeper)
{
    char boot_id[GUARD_BOOT_ID_BYTES];
    struct guard_recovery recovery;
    struct stat st;

    if (!guard_record_boot_id(boot_id))
        return fail("boot id"); /* not reached: as in thaw_and_exit */
    guard_record_recover(options->record, boot_id, options->rcu_path, GUARD_RECOVERY_WAIT_MS,
                         &recovery);
    log_recovery(&recovery);
    if (recovery.is_other)
        return refuse_record(options->record);
    if (recovery.is_damaged)
        log_damaged(options->record);
    keeper->recovered_count = recovery.thawed_count;
    if (!guard_record_make(options->record, boot_id, &keeper->twin.record, &keeper->record_fd) ||
        fstat(keeper->record_fd, &st) < 0)
        return fail("record"); /* not reached: as the boot id */
    keeper->record_dev = st.st_dev;
    warn_if_on_disk(keeper->record_fd);
    warn_if_open(options->record);
    return true;
}

static bool open_socket(const struct guard_options *options, struct guard_keeper *keeper)
{
    gid_t gid = 0;

    if (is_served(options->socket)) {
        errno = EADDRINUSE;
        return fail("another guard is running");
    }
    keeper->conn.has_user = find_user(options->user, &keeper->conn.user_uid, &gid);
    if (!keeper->conn.has_user && options->is_user_named) {
        errno = ENOENT;
        return fail("user");
    }
    if (!keeper->conn.has_user) /* not reached: who tests has made the user */
        guard_log(GUARD_LOG_WARNING,
                  "event=no_such_user user=\"%s\" remedy=\"only root can connect\"",
                  guard_log_text(options->user));
    if (!make_run_folder(options->run, keeper->conn.has_user, gid))
        return false;                  /* not reached: as the boot id */
    if (!open_record(options, keeper)) /* recovers before anyone can connect */
        return false;
    keeper->conn.listen_fd = listen_at(options->socket, keeper->conn.has_user, gid);
    return keeper->conn.listen_fd >= 0 || fail("socket");
}

/* In the freezer nothing is left of what only the keeper has. */
static _Noreturn void become_freezer(struct guard_keeper *keeper, int twin_fd)
{
    struct guard_twin twin = keeper->twin;

    (void)close(keeper->conn.listen_fd);
    (void)close(keeper->twin.twin_fd);
    twin.twin_fd = twin_fd;
    guard_frozen_bus_watch(&twin);
    twin.timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (twin.timer_fd < 0)
        _exit(1); /* not reached: as the boot id */
    lock_memory("guard-freezer");
    _exit(guard_freezer_run(&twin, keeper->manifest));
}

/* What both processes see, and no path leads to. */
static void *share(size_t bytes)
{
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return room == MAP_FAILED ? NULL : room;
}

static bool start_freezer(struct guard_keeper *keeper)
{
    int pair[2];

    keeper->manifest = share(sizeof(*keeper->manifest));
    keeper->twin.ledger = share(sizeof(*keeper->twin.ledger));
    if (keeper->manifest == NULL || keeper->twin.ledger == NULL)
        return fail("memory"); /* not reached: as the boot id */
    guard_frozen_bus_watch(&keeper->twin);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fail("socketpair"); /* not reached: as the boot id */
    keeper->twin.twin_fd = pair[0];
    keeper->freezer_pid = fork();
    if (keeper->freezer_pid == 0)
        become_freezer(keeper, pair[1]);
    (void)close(pair[1]);
    return keeper->freezer_pid > 0 || fail("fork");
}

static bool start(const struct guard_options *options, struct guard_keeper *keeper)
{
    sigset_t signals;

    for (int i = 0; i < GUARD_MOUNTS_MAX; i++)
        keeper->twin.mount_fds[i] = -1;
    for (int i = 0; i < GUARD_CLIENTS_MAX; i++)
        keeper->conn.clients[i].fd = -1;
    keeper->conn.owner = keeper->order_wait.client = keeper->lookup_wait.client = -1;
    keeper->lookup.fd = -1;
    keeper->state = GUARD_IDLE;
    keeper->started_boot_us = clock_boot_us();
    block_signals(&signals);
    (void)prctl(PR_SET_DUMPABLE, 0);
    protect_from_oom();
    if (!open_socket(options, keeper))
        return false;
    keeper->twin.rcu_fd = open(options->rcu_path, O_RDWR | O_CLOEXEC); /* -1: go on without */
    if (!start_freezer(keeper))
        return false; /* not reached: as the boot id */
    keeper->twin.timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (keeper->twin.timer_fd < 0 || keeper->signal_fd < 0)
        return fail("timer"); /* not reached: as the boot id */
    keeper->notify_fd = guard_notify_open();
    lock_memory("guard-keeper");
    return true;
}

static bool is_all_loose(const struct guard_record *record)
{
    for (uint32_t i = 0; i < record->mount_count; i++) {
        if (guard_mount_is_held(atomic_load(&record->mounts[i].state)))
            return false; /* not reached: a disk that fails; else it ends when all is thawed */
    }
    return true;
}

/* Its unit starts it again at once, which must not become a spin. */
static int not_started(void)
{
    const struct timespec pause = {0, 200 * 1000 * 1000};

    if (getenv("NOTIFY_SOCKET") != NULL)
        (void)nanosleep(&pause, NULL); /* not reached: syscalls-fail.sh, not counted */
    return start_code;
}

int main(int argc, char **argv)
{
    static struct guard_options options;
    static struct guard_keeper keeper;
    static char error[GUARD_PATH_BYTES];

    if (!guard_options_read(argc, argv, &options, error))
        return exit_usage(error);
    if (options.version || options.help) {
        const char *text =
            options.help ? guard_options_help : "stillpoint-guard " STILLPOINT_VERSION "\n";
        return write(STDOUT_FILENO, text, strlen(text)) < 0 ? 1 : 0;
    }
    if (geteuid() != 0) {
        guard_log(GUARD_LOG_ERROR, "stillpoint-guard: it freezes filesystems and needs root");
        return 1;
    }
    if (options.thaw)
        return thaw_and_exit(&options);
    if (options.watch)
        return watch_and_exit(&options);
    if (!start(&options, &keeper))
        return not_started();
    guard_log(GUARD_LOG_INFO, "event=start version=%s keeper=%d freezer=%d", STILLPOINT_VERSION,
              (int)getpid(), (int)keeper.freezer_pid);
    guard_notify_ready(keeper.notify_fd);
    int code = guard_keeper_run(&keeper);
    (void)guard_notify_say(keeper.notify_fd, GUARD_NOTIFY_STOPPING, strlen(GUARD_NOTIFY_STOPPING));
    (void)unlink(options.socket);
    /* else the next guard needs it, or what is there is not this one */
    if (is_all_loose(keeper.twin.record) && !guard_record_is_gone(keeper.record_fd))
        (void)unlink(options.record);
    return code;
}
