/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpoint-hook's second protocol: real file systems on loop devices of the test's own, in a
 * mount namespace of its own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hook_wire.h"
#include "agent/hookrun/hookrun_mount.h"
#include "agent/hookrun/hookrun_table.h"
#include "agent/hookrun/mount_wire.h"

#define FOLDER_MARK "/var/lib/stillpoint-mount-test."

enum { ANSWER_S = 30, FOREVER_S = 60 };

struct disk {
    char file[120], device[40];
    uint32_t dev_major, dev_minor;
};

struct bench {
    char program[400], folder[100], at[200], run[200], socket[220];
    struct disk one, other;
    int listener;
    struct mount_reply reply;
};

static void __attribute__((format(printf, 3, 4)))
format(char *text, size_t bytes, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(text, bytes, fmt, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < bytes);
}

static void __attribute__((format(printf, 1, 2))) run_line(const char *fmt, ...)
{
    char line[1200];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < sizeof(line));
    if (system(line) != 0)
        fail_msg("%s", line);
}

/* ---- the rig ---- */

static void make_disk(const struct bench *bench, const char *name, struct disk *disk)
{
    char line[600];
    struct stat st;

    format(disk->file, sizeof(disk->file), "%s/%s.img", bench->folder, name);
    format(line, sizeof(line),
           "truncate -s 32M %s && mkfs.ext4 -q -F %s && losetup --find --show %s", disk->file,
           disk->file, disk->file);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    assert_non_null(fgets(disk->device, sizeof(disk->device), out));
    assert_int_equal(pclose(out), 0);
    disk->device[strcspn(disk->device, "\n")] = '\0';
    assert_int_equal(stat(disk->device, &st), 0);
    disk->dev_major = major(st.st_rdev);
    disk->dev_minor = minor(st.st_rdev);
}

static void mount_one(const struct bench *bench, const char *options)
{
    run_line("mount -t ext4 -o %s %s %s", options, bench->one.device, bench->at);
}

/* A runner on an accepted connection, as systemd has it; its answer in bench->reply. */
static void ask_raw(struct bench *bench, const void *request, size_t bytes, void *reply,
                    size_t reply_bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval bound = {ANSWER_S, 0};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    format(address.sun_path, sizeof(address.sun_path), "%s", bench->socket);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int theirs = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(theirs >= 0);
    pid_t runner = fork();
    if (runner == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)dup2(theirs, 0);
        (void)execl(bench->program, bench->program, "--user", "nobody", (char *)NULL);
        _exit(127);
    }
    (void)close(theirs);
    assert_int_equal(send(fd, request, bytes, MSG_NOSIGNAL), bytes);
    assert_int_equal(recv(fd, reply, reply_bytes, MSG_TRUNC), reply_bytes);
    (void)close(fd);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
}

static struct mount_request request_for(const struct disk *disk, enum mount_op op, const char *path)
{
    struct mount_request request = {.version = MOUNT_WIRE_VERSION,
                                    .op = op,
                                    .deadline_ms = clock_boot_ms() + 300,
                                    .dev_major = disk->dev_major,
                                    .dev_minor = disk->dev_minor};

    format(request.path, sizeof(request.path), "%s", path);
    return request;
}

static enum mount_result ask(struct bench *bench, enum mount_op op, const struct disk *disk,
                             const char *path)
{
    const struct mount_request request = request_for(disk, op, path);

    ask_raw(bench, &request, sizeof(request), &bench->reply, sizeof(bench->reply));
    assert_int_equal(bench->reply.version, MOUNT_WIRE_VERSION);
    return (enum mount_result)bench->reply.result;
}

static enum mount_refusal refusal(struct bench *bench, enum mount_op op, const struct disk *disk,
                                  const char *path)
{
    assert_int_equal(ask(bench, op, disk, path), MOUNT_REFUSED);
    return (enum mount_refusal)bench->reply.refusal;
}

static bool is_mounted(const struct bench *bench, const struct disk *disk)
{
    struct hookrun_mount_entry *entry = calloc(1, sizeof(*entry));

    assert_non_null(entry);
    bool found = hookrun_table_at(bench->at, entry) && entry->dev_major == disk->dev_major &&
                 entry->dev_minor == disk->dev_minor;
    free(entry);
    return found;
}

static bool has_holder(const struct bench *bench, pid_t pid, const char *name)
{
    for (uint32_t i = 0; i < bench->reply.holder_count && i < MOUNT_HOLDERS_MAX; i++) {
        if (bench->reply.holders[i].pid == pid && strcmp(bench->reply.holders[i].name, name) == 0)
            return true;
    }
    return false;
}

/* ---- what it does ---- */

static void what_was_unmounted_is_mounted_again_from_another_disk_as_it_was(void **state)
{
    struct bench *bench = *state;
    struct hookrun_mount_entry *entry = calloc(1, sizeof(*entry));

    assert_non_null(entry);
    mount_one(bench, "noatime,nodev,nosuid,commit=17");
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);
    assert_false(is_mounted(bench, &bench->one));
    assert_int_equal(ask(bench, MOUNT_RELEASED, &bench->one, ""), MOUNT_DONE);
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->other, bench->at), MOUNT_DONE);

    assert_true(hookrun_table_at(bench->at, entry));
    assert_int_equal(entry->dev_minor, bench->other.dev_minor);
    assert_string_equal(entry->type, "ext4");
    assert_non_null(strstr(entry->options, "nosuid"));
    assert_non_null(strstr(entry->options, "nodev"));
    assert_non_null(strstr(entry->options, "noatime"));
    assert_non_null(strstr(entry->options, "commit=17"));
    /* Once more is fine; another is not mounted over it. */
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->other, bench->at), MOUNT_DONE);
    assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_REFUSAL_OCCUPIED);
    free(entry);
}

static void what_is_mounted_again_is_forgotten(void **state)
{
    struct bench *bench = *state;

    mount_one(bench, "rw");
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_DONE);
    run_line("umount %s", bench->at);

    assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_REFUSAL_UNKNOWN);
}

static void nothing_is_mounted_where_nothing_was(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_REFUSAL_UNKNOWN);
    assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, "/etc"), MOUNT_REFUSAL_UNKNOWN);
}

static void fstab_serves_where_nothing_is_kept_in_mind(void **state)
{
    struct bench *bench = *state;
    struct hookrun_mount_entry *entry = calloc(1, sizeof(*entry));
    const struct mount_request request = request_for(&bench->other, MOUNT_MOUNT, bench->at);
    char fstab[300];

    assert_non_null(entry);
    format(fstab, sizeof(fstab), "%s/fstab", bench->folder);
    run_line("echo 'UUID=0-0 %s ext4 defaults,noexec,nofail,x-systemd.device-timeout=5 0 2' >%s",
             bench->at, fstab);
    hookrun_mount(&request, bench->run, fstab, &bench->reply);

    assert_int_equal(bench->reply.result, MOUNT_DONE);
    assert_true(hookrun_table_at(bench->at, entry));
    assert_int_equal(entry->dev_minor, bench->other.dev_minor);
    assert_non_null(strstr(entry->options, "noexec"));
    free(entry);
}

static void bound_folder_comes_back_once_the_whole_has(void **state)
{
    struct bench *bench = *state;
    struct hookrun_mount_entry *entry = calloc(1, sizeof(*entry));
    char folder[300];

    assert_non_null(entry);
    format(folder, sizeof(folder), "%s/bound", bench->folder);
    mount_one(bench, "rw");
    run_line("mkdir -p %s %s/inner && mount --bind %s/inner %s", folder, bench->at, bench->at,
             folder);
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, folder), MOUNT_DONE);
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);

    assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, folder), MOUNT_REFUSAL_NO_WHOLE);
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_DONE);
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->one, folder), MOUNT_DONE);
    assert_true(hookrun_table_at(folder, entry));
    assert_string_equal(entry->root, "/inner");
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, folder), MOUNT_DONE);
    free(entry);
}

/* ---- what it refuses ---- */

static void root_and_its_device_are_refused(void **state)
{
    struct bench *bench = *state;
    struct hookrun_mount_entry *root = calloc(1, sizeof(*root));
    struct disk disk = bench->one;
    char folder[300];

    assert_non_null(root);
    assert_true(hookrun_table_at("/", root));
    disk.dev_major = root->dev_major;
    disk.dev_minor = root->dev_minor;
    format(folder, sizeof(folder), "%s/bound", bench->folder);
    run_line("mkdir -p %s && mount --bind /usr %s", folder, folder);

    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &disk, "/"), MOUNT_REFUSAL_ROOT);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, "/"), MOUNT_REFUSAL_ROOT);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &disk, folder), MOUNT_REFUSAL_ROOT);
    run_line("umount %s", folder);
    free(root);
}

static void another_device_than_named_is_not_unmounted(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, bench->at),
                     MOUNT_REFUSAL_NOT_MOUNTED);
    mount_one(bench, "rw");
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->other, bench->at),
                     MOUNT_REFUSAL_NOT_MOUNTED);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, bench->folder),
                     MOUNT_REFUSAL_NOT_MOUNTED);
    assert_true(is_mounted(bench, &bench->one));
}

/* A rollback has to do with volumes alone: not with what the kernel or memory holds. */
static void what_lies_on_no_block_device_is_not_unmounted(void **state)
{
    struct bench *bench = *state;
    struct stat st;

    assert_int_equal(mount("none", bench->at, "tmpfs", 0, NULL), 0);
    assert_int_equal(stat(bench->at, &st), 0);
    const struct disk none = {.dev_major = major(st.st_dev), .dev_minor = minor(st.st_dev)};

    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &none, bench->at), MOUNT_REFUSAL_NO_DEVICE);
    assert_true(is_mounted(bench, &none));
}

static void device_that_is_not_there_is_refused(void **state)
{
    struct bench *bench = *state;
    struct disk none = {.dev_major = 4095, .dev_minor = 1};

    mount_one(bench, "rw");
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);
    assert_int_equal(refusal(bench, MOUNT_MOUNT, &none, bench->at), MOUNT_REFUSAL_NO_DEVICE);
    assert_int_equal(refusal(bench, MOUNT_RELEASED, &none, ""), MOUNT_REFUSAL_NO_DEVICE);
    assert_int_equal(ask(bench, MOUNT_MOUNT, &bench->one, bench->at), MOUNT_DONE);
}

static void record_that_others_own_is_not_believed(void **state)
{
    struct bench *bench = *state;

    mount_one(bench, "rw");
    run_line("rm -rf %s/unmounted && mkdir -m 755 %s/unmounted", bench->run, bench->run);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_REFUSAL_FOLDER);
    run_line("chmod 700 %s/unmounted && chown nobody %s/unmounted", bench->run, bench->run);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_REFUSAL_FOLDER);
    run_line("rm -rf %s/unmounted && ln -s /tmp %s/unmounted", bench->run, bench->run);
    assert_int_equal(refusal(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_REFUSAL_FOLDER);
    assert_true(is_mounted(bench, &bench->one));
    run_line("rm -f %s/unmounted", bench->run);
}

static void messages_that_are_none_are_refused(void **state)
{
    struct bench *bench = *state;
    static const char *const paths[] = {"",       "srv",     "/srv/", "//srv", "/srv/../etc",
                                        "/./srv", "/srv/..", "/a\nb"};
    struct mount_request request = request_for(&bench->one, MOUNT_UNMOUNT, bench->at);

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(refusal(bench, MOUNT_MOUNT, &bench->one, paths[i]), MOUNT_REFUSAL_MESSAGE);
    }
    request.op = MOUNT_OP_COUNT;
    assert_false(hookrun_mount_check(&request, sizeof(request)));
    request.op = MOUNT_UNMOUNT;
    assert_true(hookrun_mount_check(&request, sizeof(request)));
    assert_false(hookrun_mount_check(&request, sizeof(request) - 1));
    memset(request.path, 'x', sizeof(request.path));
    request.path[0] = '/';
    assert_false(hookrun_mount_check(&request, sizeof(request)));
}

static void strangers_are_refused(void **state)
{
    struct bench *bench = *state;
    const struct mount_request request = request_for(&bench->one, MOUNT_UNMOUNT, bench->at);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int back[2];

    mount_one(bench, "rw");
    format(address.sun_path, sizeof(address.sun_path), "%s", bench->socket);
    assert_int_equal(chmod(bench->socket, 0666), 0);
    assert_int_equal(pipe2(back, O_CLOEXEC), 0);
    pid_t client = fork();
    if (client == 0) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (setgroups(0, NULL) < 0 || setgid(1) < 0 || setuid(1) < 0 ||
            connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            send(fd, &request, sizeof(request), 0) < 0 ||
            recv(fd, &bench->reply, sizeof(bench->reply), 0) < 0)
            _exit(1);
        _exit(write(back[1], &bench->reply, sizeof(bench->reply)) < 0);
    }
    (void)close(back[1]);
    int theirs = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
    pid_t runner = fork();
    if (runner == 0) {
        (void)dup2(theirs, 0);
        (void)execl(bench->program, bench->program, "--user", "nobody", (char *)NULL);
        _exit(127);
    }
    (void)close(theirs);
    assert_int_equal(read(back[0], &bench->reply, sizeof(bench->reply)), sizeof(bench->reply));
    (void)close(back[0]);
    (void)waitpid(client, NULL, 0);
    (void)waitpid(runner, NULL, 0);

    assert_int_equal(bench->reply.result, MOUNT_REFUSED);
    assert_int_equal(bench->reply.refusal, MOUNT_REFUSAL_PEER);
    assert_true(is_mounted(bench, &bench->one));
}

/* ---- who is in the way ---- */

static pid_t start_holder(const struct bench *bench, bool in_namespace)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, "in-the-way");
        if (in_namespace ? unshare(CLONE_NEWNS) != 0 ||
                               mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
                         : chdir(bench->at) != 0)
            _exit(1);
        (void)!write(ready[1], "", 1);
        (void)sleep(FOREVER_S);
        _exit(0);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return pid;
}

static void end_holder(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void who_has_files_open_is_named(void **state)
{
    struct bench *bench = *state;

    mount_one(bench, "rw");
    pid_t pid = start_holder(bench, false);
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_BUSY);
    assert_true(has_holder(bench, pid, "in-the-way"));
    assert_true(is_mounted(bench, &bench->one));
    end_holder(pid);
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);
}

static void loop_device_over_a_file_is_named(void **state)
{
    struct bench *bench = *state;
    struct disk inner;
    char device[40];

    mount_one(bench, "rw");
    run_line("cd %s && truncate -s 1M f && losetup --find f", bench->at);
    format(inner.file, sizeof(inner.file), "%s/f", bench->at);
    FILE *out = popen("losetup -n -O NAME,BACK-FILE | grep 'at/f$' | cut -d' ' -f1", "r");
    assert_non_null(out);
    assert_non_null(fgets(device, sizeof(device), out));
    (void)pclose(out);
    device[strcspn(device, "\n")] = '\0';
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_BUSY);
    assert_true(has_holder(bench, 0, device + strlen("/dev/")));
    run_line("losetup -d %s", device);
}

static void disk_that_another_namespace_has_mounted_is_not_released(void **state)
{
    struct bench *bench = *state;

    mount_one(bench, "rw");
    pid_t pid = start_holder(bench, true);
    assert_int_equal(ask(bench, MOUNT_UNMOUNT, &bench->one, bench->at), MOUNT_DONE);
    assert_int_equal(ask(bench, MOUNT_RELEASED, &bench->one, ""), MOUNT_BUSY);
    assert_true(has_holder(bench, pid, "in-the-way"));
    end_holder(pid);
    assert_int_equal(ask(bench, MOUNT_RELEASED, &bench->one, ""), MOUNT_DONE);
}

static void exec_hooks_are_still_served(void **state)
{
    struct bench *bench = *state;
    struct hook_request request = {.version = HOOK_WIRE_VERSION, .phase = HOOK_STOP};
    struct hook_reply reply;

    request.deadline_ms = clock_boot_ms() + 5000;
    memcpy(request.path, "/bin-is-not-here", 17);
    ask_raw(bench, &request, sizeof(request), &reply, sizeof(reply));
    assert_int_equal(reply.version, HOOK_WIRE_VERSION);
    assert_int_equal(reply.refusal, HOOK_REFUSAL_MISSING);
}

/* ---- */

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char own[300] = "";

    if (bench == NULL || geteuid() != 0 || access("/dev/loop-control", F_OK) != 0) {
        (void)fprintf(stderr, "the tests of mounts need root and loop devices\n");
        exit(77);
    }
    (void)!system("for d in " FOLDER_MARK "*; do kill -0 \"${d##*.}\" 2>/dev/null || { "
                  "losetup -n -O NAME,BACK-FILE | grep \"$d/\" | cut -d' ' -f1 | "
                  "xargs -r -n1 losetup -d; rm -rf \"$d\"; }; done");
    format(bench->folder, sizeof(bench->folder), FOLDER_MARK "%d", (int)getpid());
    format(bench->at, sizeof(bench->at), "%s/at", bench->folder);
    format(bench->run, sizeof(bench->run), "%s/run", bench->folder);
    format(bench->socket, sizeof(bench->socket), "%s/hook.sock", bench->run);
    run_line("mkdir -p %s %s && chmod 1775 %s", bench->at, bench->run, bench->run);
    /* What is mounted here ends with us, whatever ends us. */
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    make_disk(bench, "one", &bench->one);
    make_disk(bench, "other", &bench->other);
    assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    for (int up = 0; up < 3; up++)
        *strrchr(own, '/') = '\0';
    format(bench->program, sizeof(bench->program), "%s/stillpoint-hook", own);
    bench->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    format(address.sun_path, sizeof(address.sun_path), "%s", bench->socket);
    assert_int_equal(bind(bench->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(bench->listener, 1), 0);
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    char line[600];

    format(line, sizeof(line), "losetup -d %s %s; rm -rf --one-file-system %s", bench->one.device,
           bench->other.device, bench->folder);
    int status = system(line);
    (void)close(bench->listener);
    free(bench);
    return status;
}

/* Each test begins with nothing mounted and nothing kept in mind. */
static int clear_bench(void **state)
{
    const struct bench *bench = *state;

    while (umount2(bench->at, MNT_DETACH) == 0)
        continue;
    run_line("rm -rf %s/unmounted", bench->run);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, clear_bench, clear_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_unmounted_is_mounted_again_from_another_disk_as_it_was),
        T(what_is_mounted_again_is_forgotten),
        T(nothing_is_mounted_where_nothing_was),
        T(fstab_serves_where_nothing_is_kept_in_mind),
        T(bound_folder_comes_back_once_the_whole_has),
        T(root_and_its_device_are_refused),
        T(another_device_than_named_is_not_unmounted),
        T(what_lies_on_no_block_device_is_not_unmounted),
        T(device_that_is_not_there_is_refused),
        T(record_that_others_own_is_not_believed),
        T(messages_that_are_none_are_refused),
        T(strangers_are_refused),
        T(who_has_files_open_is_named),
        T(loop_device_over_a_file_is_named),
        T(disk_that_another_namespace_has_mounted_is_not_released),
        T(exec_hooks_are_still_served),
    };

    return cmocka_run_group_tests(tests, open_bench, close_bench);
}
