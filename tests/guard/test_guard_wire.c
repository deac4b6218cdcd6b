/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard's socket: who may speak, what it is deaf to, and what it knows of paths. */
#include "tests/guard/rig.h"

#include <grp.h>

enum { EXT4, XFS };

/* ---- breaches ---- */

/* Sends COUNT bytes and expects GUARD_BAD_MESSAGE and the end of the connection. */
static void assert_breach(struct rig *rig, const void *bytes, size_t count)
{
    if (rig->client < 0)
        rig->client = rig_connect(rig);
    rig_send(rig, bytes, count);
    assert_true(rig_receive(rig));
    assert_int_equal(rig->reply_bytes, sizeof(struct guard_reply_plain));
    assert_int_equal(rig->reply.head.status, GUARD_BAD_MESSAGE);
    assert_false(rig_receive(rig));
    rig_hang_up(rig);
}

static void breaches_are_told_and_dropped(void **state)
{
    struct rig *rig = *state;
    static unsigned char noise[150 * 1024];
    struct guard_msg_plain plain;
    struct guard_msg_device_of of;
    struct guard_msg_manifest chunk;

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (unsigned char)(i * 7 + 3);
    assert_breach(rig, noise, 1);
    assert_breach(rig, noise, sizeof(struct guard_request_head));
    assert_breach(rig, noise, sizeof(noise)); /* longer than any message */

    plain.head = rig_head(rig, GUARD_OP_HELLO);
    assert_breach(rig, &plain, sizeof(plain) - 1);
    plain.head.version++;
    assert_breach(rig, &plain, sizeof(plain));
    plain.head = rig_head(rig, GUARD_OP_COUNT);
    assert_breach(rig, &plain, sizeof(plain));
    plain.head = rig_head(rig, (enum guard_op)0);
    assert_breach(rig, &plain, sizeof(plain));
    plain.head = rig_head(rig, GUARD_OP_FREEZE); /* another operation's size */
    assert_breach(rig, &plain, sizeof(plain));

    memset(&of, 'a', sizeof(of));
    of.head = rig_head(rig, GUARD_OP_DEVICE_OF);
    of.timeout_ms = of.reserved = 0;
    of.path[0] = '/'; /* and no end */
    assert_breach(rig, &of, sizeof(of));

    memset(&chunk, 0, sizeof(chunk));
    chunk.head = rig_head(rig, GUARD_OP_MANIFEST);
    chunk.length = GUARD_MANIFEST_CHUNK_BYTES + 1;
    assert_breach(rig, &chunk, sizeof(chunk));
    chunk.length = 0;
    assert_breach(rig, &chunk, sizeof(chunk));

    rig->client = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK); /* none the worse */
}

static void breach_by_the_owner_thaws_first(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    rig_send(rig, "garbage", 7);
    assert_true(rig_receive(rig)); /* it comes after the thaw */

    assert_false(rig_is_frozen(rig, EXT4));
    assert_false(rig_is_frozen(rig, XFS));
    assert_int_equal(rig->reply.head.status, GUARD_BAD_MESSAGE);
    assert_false(rig_receive(rig));
}

static void breach_by_another_leaves_the_lease_alone(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    int owner = rig->client;
    rig->client = -1;
    assert_breach(rig, "garbage", 7);
    rig->client = owner;

    assert_true(rig_is_frozen(rig, EXT4));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
}

static void descriptors_sent_along_are_not_kept(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_plain message = {rig_head(rig, GUARD_OP_HELLO)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&message, sizeof(message)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &ends[1], sizeof(int));
    assert_int_equal(sendmsg(rig->client, &msg, 0), sizeof(message));
    assert_true(rig_receive(rig));
    (void)close(ends[1]);

    assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody else has the writing end */
    (void)close(ends[0]);
}

/* ---- who may ---- */

static void lease_has_one_owner(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_write_manifests manifests = {rig_head(rig, GUARD_OP_WRITE_MANIFESTS), 0, 0};
    struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), 0, 0};

    rig_hold(rig, 10000);
    int owner = rig->client;
    rig->client = rig_connect(rig);

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_NOT_OWNER);
    assert_int_equal(rig_freeze(rig, 1000), GUARD_NOT_OWNER);
    assert_int_equal(rig_ask(rig, &sync, sizeof(sync)), GUARD_NOT_OWNER);
    assert_int_equal(rig_ask(rig, &manifests, sizeof(manifests)), GUARD_NOT_OWNER);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_NOT_OWNER);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_NOT_OWNER);
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
    assert_int_equal(rig->reply.lease.frozen_count, 2);
    assert_true(rig_is_frozen(rig, EXT4));
    rig_hang_up(rig); /* nor does its going matter */
    rig->client = owner;
    assert_true(rig_is_frozen(rig, EXT4));
}

static void force_thaws_whoever_has_the_lease(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    int owner = rig->client;
    rig->client = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW_FORCE), GUARD_OK);
    assert_false(rig_is_frozen(rig, EXT4));
    assert_false(rig_is_frozen(rig, XFS));
    rig_hang_up(rig);
    rig->client = owner;

    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_FORCED);
    assert_int_equal(rig->reply.lease.whole, 0);
}

/* Connects as USER_ID; does HELLO get its answer? */
static bool is_answered(const struct rig *rig, uid_t user_id)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct guard_msg_plain hello = {{GUARD_WIRE_VERSION, GUARD_OP_HELLO, 1}};
        struct guard_reply_hello reply;
        if (setgroups(0, NULL) < 0 || setgid(user_id) < 0 || setuid(user_id) < 0)
            _exit(2);
        int fd = rig_connect(rig);
        if (fd < 0 || send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
            _exit(1);
        _exit(recv(fd, &reply, sizeof(reply), 0) == (ssize_t)sizeof(reply) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
    return WEXITSTATUS(status) == 0;
}

static void strangers_are_refused_even_where_they_can_connect(void **state)
{
    struct rig *rig = *state;
    struct stat st;

    assert_int_equal(stat(rig->socket, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0660u, 0);
    assert_int_equal(chmod(rig->socket, 0666), 0);

    assert_false(is_answered(rig, 65534));
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);
}

static void named_user_is_served(void **state)
{
    static const char *const more[] = {"--user", "nobody", NULL};
    struct rig *rig = *state;

    (void)rig_after(state);
    rig_arm_thaw(rig);
    rig_start_guard(rig, more);

    assert_true(is_answered(rig, 65534));
    assert_false(is_answered(rig, 1)); /* by the socket's mode */
    assert_int_equal(chmod(rig->socket, 0666), 0);
    assert_false(is_answered(rig, 1)); /* by its credentials */
}

static enum guard_status device_of(struct rig *rig, const char *path, uint32_t timeout_ms)
{
    struct guard_msg_device_of of;

    memset(&of, 0, sizeof(of));
    of.head = rig_head(rig, GUARD_OP_DEVICE_OF);
    of.timeout_ms = timeout_ms;
    memcpy(of.path, path, strlen(path) + 1);
    return rig_ask(rig, &of, sizeof(of));
}

/* As the unit runs it: three capabilities, and the daemon's group. */
static void three_capabilities_are_enough(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_manifest chunk;
    struct guard_msg_write_manifests manifests = {rig_head(rig, GUARD_OP_WRITE_MANIFESTS), 0, 0};
    char inside[300];

    (void)rig_after(state);
    rig_arm_thaw(rig);
    rig_format(inside, sizeof(inside), "%s/closed", rig->mounts[XFS].path);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(chown(inside, 1, 1), 0);
    assert_int_equal(chown(rig->mounts[XFS].path, 1, 1), 0);
    assert_int_equal(chmod(rig->mounts[XFS].path, 0700), 0);
    rig->guard = fork();
    assert_true(rig->guard >= 0);
    if (rig->guard == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(fd, STDERR_FILENO);
        (void)execlp("setpriv", "setpriv", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                     "--bounding-set=-all,+sys_admin,+dac_override,+ipc_lock", rig->program,
                     "--socket", rig->socket, "--record", rig->record, "--rcu-expedited", rig->rcu,
                     "--user", "nobody", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000 && rig->client < 0; i++) {
        rig_nap_ms(5);
        rig->client = rig_connect(rig);
    }
    assert_true(rig->client >= 0);
    memset(&chunk, 0, sizeof(chunk));
    chunk.head = rig_head(rig, GUARD_OP_MANIFEST);
    chunk.length = 2;
    assert_int_equal(rig_ask(rig, &chunk, sizeof(chunk)), GUARD_OK);
    rig_hold(rig, 10000);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
    enum guard_status wrote = rig_ask(rig, &manifests, sizeof(manifests));
    enum guard_status of = device_of(rig, inside, 0);
    enum guard_status table = rig_plain(rig, GUARD_OP_MOUNT_TABLE);
    bool is_own = rig->reply.mount_table.own != 0;
    bool answers_user = is_answered(rig, 65534);
    (void)rmdir(inside);
    assert_int_equal(chown(rig->mounts[XFS].path, 0, 0), 0);
    assert_int_equal(chmod(rig->mounts[XFS].path, 0755), 0);

    assert_int_equal(wrote, GUARD_OK);
    assert_int_equal(of, GUARD_OK);
    assert_int_equal(table, GUARD_OK);
    assert_false(is_own);
    assert_true(answers_user);
}

static void user_that_is_not_there_is_a_failure(void **state)
{
    static const char *const more[] = {"--user", "no-such-user-here", NULL};
    struct rig *rig = *state;

    (void)rig_after(state);
    rig_arm_thaw(rig);

    assert_int_equal(rig_wait_pid(rig_spawn(rig, more)), 1);
}

static void crowd_is_turned_away_and_room_comes_back(void **state)
{
    struct rig *rig = *state;
    int crowd[40];

    for (size_t i = 0; i < 40; i++)
        crowd[i] = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK); /* who was there stays */
    for (size_t i = 0; i < 40; i++)
        (void)close(crowd[i]);
    rig_nap_ms(50);
    rig_hang_up(rig);
    rig->client = rig_connect(rig);

    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);
}

/* ---- legal now? ---- */

static void nothing_but_the_lease_is_served_while_frozen(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_device_of of;

    memset(&of, 0, sizeof(of));
    rig_hold(rig, 10000);
    of.head = rig_head(rig, GUARD_OP_DEVICE_OF);
    memcpy(of.path, "/", 2);

    assert_int_equal(rig_ask(rig, &of, sizeof(of)), GUARD_BAD_STATE);
    assert_int_equal(rig_plain(rig, GUARD_OP_MOUNT_TABLE), GUARD_BAD_STATE);
    assert_int_equal(rig->reply_fd, -1);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_BAD_STATE);
    assert_int_equal(rig_freeze(rig, 1000), GUARD_BAD_STATE);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
}

static void freeze_without_mounts_is_refused(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_manifest chunk;

    assert_int_equal(rig_freeze(rig, 1000), GUARD_BAD_STATE);
    memset(&chunk, 0, sizeof(chunk));
    chunk.head = rig_head(rig, GUARD_OP_MANIFEST);
    chunk.length = 1;
    assert_int_equal(rig_ask(rig, &chunk, sizeof(chunk)), GUARD_OK);
    assert_int_equal(rig_freeze(rig, 1000), GUARD_BAD_ARGUMENT);
}

/* ---- mounts ---- */

static void mount_on_another_device_is_refused(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_add_mount add = rig_add_message(rig, &rig->mounts[EXT4], 0);

    add.dev_minor = rig->mounts[XFS].dev_minor;
    add.mnt_id = 0;

    assert_int_equal(rig_ask(rig, &add, sizeof(add)), GUARD_WRONG_DEVICE);
    assert_int_equal(rig->reply.add_mount.dev_minor, rig->mounts[EXT4].dev_minor);
    assert_int_equal(rig->reply.add_mount.mnt_id, rig->mounts[EXT4].mnt_id);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
    assert_int_equal(rig->reply.lease.mount_count, 0);
}

static void filesystem_is_added_once(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, XFS, 0), GUARD_OK);
    assert_int_equal(rig->reply.head.index, 0);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig->reply.head.index, 1);

    assert_int_equal(rig_add(rig, XFS, 0), GUARD_DUPLICATE);
    assert_int_equal(rig->reply.head.index, 0);
}

static void mount_that_is_not_there_says_why(void **state)
{
    struct rig *rig = *state;
    struct rig_mount ghost = rig->mounts[EXT4];

    rig_format(ghost.path, sizeof(ghost.path), "%s/nowhere", rig->folder);
    struct guard_msg_add_mount add = rig_add_message(rig, &ghost, 0);
    assert_int_equal(rig_ask(rig, &add, sizeof(add)), GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.os_errno, ENOENT);

    memcpy(add.path, "relative", 9);
    add.head = rig_head(rig, GUARD_OP_ADD_MOUNT);
    assert_int_equal(rig_ask(rig, &add, sizeof(add)), GUARD_BAD_ARGUMENT);
}

static void device_node_is_no_mount_point(void **state)
{
    struct rig *rig = *state;
    struct rig_mount node = rig->mounts[EXT4];
    struct stat st;

    memcpy(node.path, "/dev/null", 10);
    assert_int_equal(stat("/dev", &st), 0);
    node.dev_major = major(st.st_dev);
    node.dev_minor = minor(st.st_dev);
    struct guard_msg_add_mount add = rig_add_message(rig, &node, 0);

    assert_int_equal(rig_ask(rig, &add, sizeof(add)), GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.os_errno, ENOTDIR);
}

static void sixty_fifth_mount_is_one_too_many(void **state)
{
    struct rig *rig = *state;
    struct rig_mount small = {.fd = -1};
    enum guard_status last = GUARD_OK;
    int count = 0;

    for (; count <= GUARD_MOUNTS_MAX && last == GUARD_OK; count++) {
        rig_format(small.path, sizeof(small.path), "%s/t%d", rig->folder, count);
        assert_int_equal(mkdir(small.path, 0755), 0);
        assert_int_equal(mount("none", small.path, "tmpfs", 0, "size=64k"), 0);
        rig_describe(&small);
        (void)close(small.fd);
        struct guard_msg_add_mount add = rig_add_message(rig, &small, GUARD_ADD_SYNC_ONLY);
        last = rig_ask(rig, &add, sizeof(add));
    }
    struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), GUARD_MOUNTS_MAX - 1, 5000};
    enum guard_status synced = rig_ask(rig, &sync, sizeof(sync));
    enum guard_status froze = rig_freeze(rig, 5000); /* nothing to freeze is held at once */
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    for (int i = 0; i < count; i++) {
        rig_format(small.path, sizeof(small.path), "%s/t%d", rig->folder, i);
        rig_umount(small.path); /* RESET has let go of them */
        assert_int_equal(rmdir(small.path), 0);
    }

    assert_int_equal(last, GUARD_FULL);
    assert_int_equal(count, GUARD_MOUNTS_MAX + 1);
    assert_int_equal(synced, GUARD_OK);
    assert_int_equal(froze, GUARD_OK);
}

/* ---- what only root can see ---- */

static void mount_table_comes_as_a_descriptor(void **state)
{
    struct rig *rig = *state;
    static char text[512 * 1024];
    size_t length = 0;
    ssize_t got;

    assert_int_equal(rig_plain(rig, GUARD_OP_MOUNT_TABLE), GUARD_OK);
    assert_true(rig->reply_fd >= 0);
    while ((got = read(rig->reply_fd, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';

    assert_non_null(strstr(text, rig->mounts[EXT4].path));
    assert_non_null(strstr(text, rig->mounts[XFS].path));
}

static void device_of_a_path_below_a_closed_folder_is_known(void **state)
{
    struct rig *rig = *state;
    char closed[300], inside[400], link[300];

    rig_format(closed, sizeof(closed), "%s/closed", rig->mounts[XFS].path);
    rig_format(inside, sizeof(inside), "%s/data", closed);
    rig_format(link, sizeof(link), "%s/link", rig->mounts[EXT4].path);
    assert_int_equal(mkdir(closed, 0700), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(chown(closed, 65534, 65534), 0);
    assert_int_equal(symlink(inside, link), 0);
    enum guard_status status = device_of(rig, link, 0);
    (void)unlink(link);
    (void)rmdir(inside);
    (void)rmdir(closed);

    const struct guard_reply_device_of *answer = &rig->reply.device_of;
    assert_int_equal(status, GUARD_OK);
    assert_int_equal(answer->dev_major, rig->mounts[XFS].dev_major);
    assert_int_equal(answer->dev_minor, rig->mounts[XFS].dev_minor);
    assert_int_equal(answer->mnt_id, rig->mounts[XFS].mnt_id);
    assert_true(S_ISDIR(answer->mode));
    assert_string_equal(answer->resolved, inside);
}

static void device_of_what_is_not_there_says_so(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(device_of(rig, "/nowhere/at/all", 0), GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.os_errno, ENOENT);
    assert_int_equal(device_of(rig, "relative", 0), GUARD_BAD_ARGUMENT);
}

/* A FUSE filesystem that nobody serves stands for a dead network: whoever looks at it sleeps. */
static void dead_filesystem_keeps_nobody_but_its_helper(void **state)
{
    struct rig *rig = *state;
    char dead[200], options[100];
    struct guard_msg_device_of of;

    rig_format(dead, sizeof(dead), "%s/dead", rig->folder);
    int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0)
        skip();
    rig_format(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
    assert_int_equal(mkdir(dead, 0755), 0);
    assert_int_equal(mount("none", dead, "fuse", 0, options), 0);
    strcat(dead, "/file"); /* the root's own attributes may be known */
    memset(&of, 0, sizeof(of));
    of.head = rig_head(rig, GUARD_OP_DEVICE_OF);
    of.timeout_ms = 1500;
    memcpy(of.path, dead, strlen(dead) + 1);
    int64_t begin_ms = clock_boot_ms();
    rig_send(rig, &of, sizeof(of));

    struct rig other = *rig; /* others are served meanwhile */
    other.client = rig_connect(rig);
    other.reply_fd = -1;
    enum guard_status hello = rig_plain(&other, GUARD_OP_HELLO);
    int64_t hello_ms = clock_boot_ms() - begin_ms;
    enum guard_status busy = device_of(&other, "/", 0);
    (void)close(other.client);
    assert_true(rig_receive(rig));
    int64_t took_ms = clock_boot_ms() - begin_ms;
    enum guard_status status = (enum guard_status)rig->reply.head.status;
    enum guard_status after = device_of(rig, "/", 0);
    (void)close(fuse); /* whoever still waits there gets an error */
    *strrchr(dead, '/') = '\0';
    (void)umount2(dead, MNT_DETACH);
    (void)rmdir(dead);

    assert_int_equal(hello, GUARD_OK);
    assert_in_range(hello_ms, 0, 1000);
    assert_int_equal(busy, GUARD_BUSY);
    assert_int_equal(status, GUARD_TIMEOUT);
    assert_in_range(took_ms, 1500, 4000);
    assert_int_equal(after, GUARD_OK);
}

/* ---- options ---- */

static void configuration_names_the_run_folder(void **state)
{
    struct rig *rig = *state;
    char main_file[300], extra[300], run[300], socket[400];
    int status = 0;

    rig_format(main_file, sizeof(main_file), "%s/stillpoint.conf", rig->folder);
    rig_format(extra, sizeof(extra), "%s/conf.d", rig->folder);
    assert_int_equal(mkdir(extra, 0755), 0);
    rig_format(extra, sizeof(extra), "%s/conf.d/10.conf", rig->folder);
    rig_format(run, sizeof(run), "%s/run/from-conf", rig->folder);
    rig_format(socket, sizeof(socket), "%s/" GUARD_SOCKET_NAME, run);
    rig_write(main_file, "[paths]\nrun = /nowhere\n");
    char text[400];
    rig_format(text, sizeof(text), "[mysql]\nrun = /wrong\n[paths]\n# run = /no\n run=%s\n", run);
    rig_write(extra, text);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(fd, STDERR_FILENO);
        (void)execl(rig->program, rig->program, "--config", main_file, (char *)NULL);
        _exit(127);
    }
    bool listens = false;
    for (int i = 0; i < 2000 && !listens; i++) {
        rig_nap_ms(5);
        listens = access(socket, F_OK) == 0;
    }
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, &status, 0);
    assert_int_equal(chmod(main_file, 0666), 0);
    int writable = rig_sh("%s --config %s", rig->program, main_file);
    int thaws = rig_sh("%s --config %s --thaw", rig->program, main_file);
    int missing = rig_sh("%s --config %s.not --thaw", rig->program, main_file);

    assert_true(listens);
    assert_int_equal(writable, 2);
    assert_int_equal(thaws, 0); /* for that it is good enough */
    assert_int_equal(missing, 2);
    assert_int_equal(rig_sh("%s --nonsense", rig->program), 2);
    assert_int_equal(rig_sh("%s --version", rig->program), 0);
    assert_int_equal(rig_sh("%s --help", rig->program), 0);
}

static void ready_is_told_to_systemd(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[200], text[100] = "";

    (void)rig_after(state);
    rig_arm_thaw(rig);
    rig_format(path, sizeof(path), "%s/notify", rig->folder);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    rig_start_guard(rig, NULL);
    (void)unsetenv("NOTIFY_SOCKET");
    struct pollfd one = {fd, POLLIN, 0};
    assert_int_equal(poll(&one, 1, 3000), 1);
    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
    (void)close(fd);
    (void)unlink(path);

    assert_string_equal(text, "READY=1");
}

#define WITH_GUARD(test) cmocka_unit_test_setup_teardown(test, rig_before, rig_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GUARD(breaches_are_told_and_dropped),
        WITH_GUARD(breach_by_the_owner_thaws_first),
        WITH_GUARD(breach_by_another_leaves_the_lease_alone),
        WITH_GUARD(descriptors_sent_along_are_not_kept),
        WITH_GUARD(lease_has_one_owner),
        WITH_GUARD(force_thaws_whoever_has_the_lease),
        WITH_GUARD(strangers_are_refused_even_where_they_can_connect),
        WITH_GUARD(named_user_is_served),
        WITH_GUARD(three_capabilities_are_enough),
        WITH_GUARD(user_that_is_not_there_is_a_failure),
        WITH_GUARD(crowd_is_turned_away_and_room_comes_back),
        WITH_GUARD(nothing_but_the_lease_is_served_while_frozen),
        WITH_GUARD(freeze_without_mounts_is_refused),
        WITH_GUARD(mount_on_another_device_is_refused),
        WITH_GUARD(filesystem_is_added_once),
        WITH_GUARD(mount_that_is_not_there_says_why),
        WITH_GUARD(device_node_is_no_mount_point),
        WITH_GUARD(sixty_fifth_mount_is_one_too_many),
        WITH_GUARD(mount_table_comes_as_a_descriptor),
        WITH_GUARD(device_of_a_path_below_a_closed_folder_is_known),
        WITH_GUARD(device_of_what_is_not_there_says_so),
        WITH_GUARD(dead_filesystem_keeps_nobody_but_its_helper),
        WITH_GUARD(configuration_names_the_run_folder),
        WITH_GUARD(ready_is_told_to_systemd),
    };

    return cmocka_run_group_tests(tests, rig_open_two, rig_close_all);
}
