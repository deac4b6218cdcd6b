/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy session, the program, spoken to as the daemon does: what is on real disks, what it reads
 * of them, where it mounts them, whom and what it refuses. */
#include "tests/guard/copy_rig.h"

#include "agent/hookrun/hookrun_copy_room.h" /* COPY_READER */

#include <grp.h>

enum { EXT4, XFS, TABLE, EMPTY };

static int64_t soon(void)
{
    return clock_boot_ms() + COPY_RIG_MS;
}

/* ---- what is on them ---- */

static void assert_item(const struct copy_item *item, enum copy_item_kind kind, const char *where,
                        const char *type)
{
    assert_string_equal(item->where, where);
    assert_string_equal(item->type, type);
    assert_int_equal(item->kind, kind);
}

static void devices_show_what_is_on_them(void **state)
{
    struct copy_rig *rig = *state;
    size_t count = 0;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    for (size_t i = EXT4; i <= EMPTY; i++)
        (void)copy_rig_add(rig, &rig->disks[i]);

    const struct copy_item *items = copy_items(rig->copy, &count);
    assert_int_equal(count, 8);
    assert_item(&items[0], COPY_ITEM_FILESYSTEM, "", "ext4");
    assert_string_equal(items[0].label, "data one");
    assert_int_equal(strlen(items[0].uuid), 36);
    assert_int_equal(items[0].size_bytes, 64 << 20);
    assert_item(&items[1], COPY_ITEM_FILESYSTEM, "", "xfs");
    assert_item(&items[2], COPY_ITEM_OTHER, "", COPY_TYPE_TABLE);
    assert_item(&items[3], COPY_ITEM_FILESYSTEM, "p1", "vfat");
    assert_item(&items[4], COPY_ITEM_FILESYSTEM, "p2", "ext4");
    assert_item(&items[5], COPY_ITEM_SWAP, "p3", "swap");
    assert_item(&items[6], COPY_ITEM_OTHER, "p4", "crypto_LUKS");
    assert_int_equal(items[6].device, TABLE);
    assert_item(&items[7], COPY_ITEM_EMPTY, "", "");
    assert_int_equal(items[5].size_bytes, 10 << 20);
    copy_rig_close(rig);
    assert_int_equal(rig_sh("ls /sys/block/%s/ | grep -q '^%s'", /* nor has the kernel learned */
                            rig->disks[TABLE].path + strlen("/dev/"),
                            rig->disks[TABLE].path + strlen("/dev/")),
                     1);
}

/* Does ITEM of DISK give the manifest? */
static bool look(struct copy_rig *rig, uint32_t item, uint32_t flags, struct buf *text)
{
    rig->err = (struct err)ERR_INIT;
    return copy_look(rig->copy, item, flags, soon(), NULL, text, &rig->err);
}

static void manifest_is_read_and_nothing_written(void **state)
{
    struct copy_rig *rig = *state;

    for (size_t i = EXT4; i <= XFS; i++) {
        char before[300], after[300];
        AUTO_BUF struct buf text = BUF_INIT(COPY_DATA_BYTES);
        rig_format(before, sizeof(before), "{ sha256sum <%s >%s.sum; }", rig->disks[i].path,
                   rig->disks[i].image);
        rig_format(after, sizeof(after), "{ sha256sum <%s | cmp - %s.sum; }", rig->disks[i].path,
                   rig->disks[i].image);
        assert_int_equal(rig_sh("%s", before), 0);
        copy_rig_open_for(rig, COPY_VERIFY, NULL);
        if (!look(rig, copy_rig_add(rig, &rig->disks[i]), 0, &text))
            fail_msg("%s", rig->err.text);
        copy_rig_close(rig);

        assert_string_equal(buf_text(&text), COPY_RIG_MANIFEST);
        assert_int_equal(rig_sh("%s", after), 0);
    }
}

static void what_is_no_manifest_is_not_read(void **state)
{
    struct copy_rig *rig = *state;
    AUTO_BUF struct buf text = BUF_INIT(COPY_DATA_BYTES);
    static const char *const planted[] = {
        "true", "ln -s /etc/shadow .stillpoint-manifest.json", "mkfifo .stillpoint-manifest.json",
        "mkdir .stillpoint-manifest.json", "head -c 100000 /dev/zero >.stillpoint-manifest.json"};
    const enum err_kind kinds[] = {ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND,
                                   ERR_SYS};
    size_t kept = rig->disk_count;

    for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
        struct copy_disk *disk = copy_rig_fs(rig, "ext4", 16, planted[i]);
        copy_rig_open_for(rig, COPY_VERIFY, NULL);
        assert_false(look(rig, copy_rig_add(rig, disk), 0, &text));
        assert_int_equal(rig->err.kind, kinds[i]);
        copy_rig_close(rig);
        copy_rig_detach(disk);
        rig->disk_count = kept;
    }
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    (void)copy_rig_add(rig, &rig->disks[TABLE]);
    assert_false(look(rig, 4, 0, &text)); /* p4, LUKS: never passed over in silence */
    assert_int_equal(rig->err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(rig->err.text, "crypto_LUKS"));
    copy_rig_close(rig);
}

/* ---- checks ---- */

static struct copy_check check(struct copy_rig *rig, uint32_t item, uint32_t flags)
{
    struct copy_check found = {.exit_code = -1};

    rig->err = (struct err)ERR_INIT;
    if (!copy_check(rig->copy, item, flags, soon(), NULL, &found, &rig->err))
        fail_msg("%s", rig->err.text);
    return found;
}

static void check_tells_the_clean_from_the_broken(void **state)
{
    struct copy_rig *rig = *state;
    size_t kept = rig->disk_count;
    struct copy_disk *ext4 = copy_rig_fs(rig, "ext4", 16, "mkdir a b");
    struct copy_disk *xfs = copy_rig_fs(rig, "xfs", 320, "mkdir a b");

    /* a lost inode; a free count that lies */
    assert_int_equal(rig_sh("debugfs -w -R 'clri /a' %s; xfs_db -x -c 'agi 0' "
                            "-c 'write freecount 7' %s",
                            ext4->path, xfs->path),
                     0);
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    for (size_t i = EXT4; i <= TABLE; i++)
        (void)copy_rig_add(rig, &rig->disks[i]);
    uint32_t bad_ext4 = copy_rig_add(rig, ext4), bad_xfs = copy_rig_add(rig, xfs);

    assert_true(check(rig, 0, 0).clean);
    assert_true(check(rig, 1, 0).clean);
    assert_true(check(rig, 3, 0).clean); /* vfat */
    assert_true(check(rig, 4, COPY_REPLAY).clean);
    struct copy_check found = check(rig, bad_ext4, 0);
    assert_false(found.clean);
    assert_int_equal(found.exit_code, 4);
    assert_non_null(strstr(found.text, "WARNING: Filesystem still has errors"));
    assert_false(check(rig, bad_xfs, 0).clean);
    assert_false(check(rig, bad_xfs, COPY_REPLAY).clean);
    copy_rig_close(rig);
    copy_rig_detach(ext4);
    copy_rig_detach(xfs);
    rig->disk_count = kept;
}

/* ---- volume groups ---- */

#define LVM                                                                                        \
    "LVM_SYSTEM_DIR=%s LVM_SUPPRESS_FD_WARNINGS=1 lvm %s --driverloaded n -y "                     \
    "--config 'devices{filter=[\"a|^%s$|\",\"a|^%s$|\",\"r|.*|\"]} backup{backup=0 archive=0}' "

static int lvm(struct copy_rig *rig, const struct copy_disk *disks, const char *command,
               const char *rest)
{
    return rig_sh(LVM "%s", rig->rig->folder, command, disks[0].path, disks[1].path, rest);
}

/* This kernel may have no device-mapper: then it is told, after the copy was given its own name. */
static void volume_groups_get_names_of_their_own(void **state)
{
    struct copy_rig *rig = *state;
    size_t kept = rig->disk_count, count = 0;
    struct copy_disk *disks = copy_rig_image(rig, 48);
    char both[100], renamed[200];

    (void)copy_rig_image(rig, 48);
    copy_rig_attach(&disks[0]);
    copy_rig_attach(&disks[1]);
    rig_format(both, sizeof(both), "%s %s", disks[0].path, disks[1].path);
    assert_int_equal(lvm(rig, disks, "pvcreate", both), 0);
    rig_format(both, sizeof(both), "node %s %s", disks[0].path, disks[1].path);
    assert_int_equal(lvm(rig, disks, "vgcreate", both), 0);
    assert_int_equal(lvm(rig, disks, "lvcreate", "-an -Zn -Wn -L 60M -n da-ta node"), 0);
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    (void)copy_rig_add(rig, &rig->disks[EXT4]);
    assert_true(copy_find_groups(rig->copy, soon(), NULL, &rig->err)); /* there are none */
    uint32_t first = copy_rig_add(rig, &disks[0]);
    (void)copy_rig_add(rig, &disks[1]);
    bool found = copy_find_groups(rig->copy, soon(), NULL, &rig->err);
    const struct copy_item *items = copy_items(rig->copy, &count);

    assert_item(&items[first], COPY_ITEM_LVM, "", "LVM2_member");
    if (found) {
        assert_int_equal(count, first + 3);
        assert_item(&items[count - 1], COPY_ITEM_EMPTY, "lvm:node/da-ta", "");
    } else {
        assert_int_equal(rig->err.kind, ERR_PRECONDITION);
        assert_non_null(strstr(rig->err.text, "no device-mapper"));
        assert_int_equal(count, first + 2);
    }
    pid_t starter = rig->outer;
    copy_rig_close(rig);
    rig_format(renamed, sizeof(renamed),
               "--noheadings -o vg_name | grep -c stillpoint_%d_0 | "
               "grep -qx 2",
               (int)starter);
    assert_int_equal(lvm(rig, disks, "pvs", renamed), 0);
    for (size_t i = 0; i < 2; i++)
        copy_rig_detach(&disks[i]);
    rig->disk_count = kept;
}

static void assert_powerless(int inner, const char *program)
{
    char path[80], user[200];

    rig_format(path, sizeof(path), "/proc/%d/root/tmp/told.%s", inner, program);
    rig_format(user, sizeof(user), "Uid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\nGroups:\t \n",
               COPY_READER, COPY_READER, COPY_READER, COPY_READER, COPY_READER, COPY_READER,
               COPY_READER, COPY_READER);
    const char *told = rig_read(path);
    if (strstr(told, user) == NULL || strstr(told, "CapEff:\t0000000000000000\n") == NULL ||
        strstr(told, "reads\n") == NULL || strstr(told, "only\n") == NULL)
        fail_msg("%s: %s", program, told);
}

static void what_reads_a_disk_has_no_power(void **state)
{
    struct copy_rig *rig = *state;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    int inner = (int)copy_rig_child_of(rig->outer);
    assert_int_equal(rig_sh("cat tests/guard/aid/copy_reader.sh | nsenter -t %d -m sh -c 'set -e; "
                            "mkdir /run/real; cat >/run/told; chmod 755 /run/told; "
                            "for P in blkid partx fsck.vfat; do cp $(command -v $P) /run/real/; "
                            "mount --bind /run/told $(command -v $P); done'",
                            inner),
                     0);
    uint32_t table = copy_rig_add(rig, &rig->disks[TABLE]);
    assert_string_equal(copy_items(rig->copy, &(size_t){0})[table + 1].type, "vfat");
    (void)check(rig, table + 1, 0);

    assert_powerless(inner, "blkid");
    assert_powerless(inner, "partx");
    assert_powerless(inner, "fsck.vfat");
    copy_rig_close(rig);
}

/* ---- mounts ---- */

/* The node has the very filesystem mounted, by the same UUID, all the while. */
static void copy_is_mounted_beside_its_original_and_unseen(void **state)
{
    struct copy_rig *rig = *state;
    size_t i = rig_add_fs(rig->rig, "xfs"), kept = rig->disk_count;
    const struct rig_mount *original = &rig->rig->mounts[i];
    struct copy_disk *disk = copy_rig_image(rig, 320);

    assert_int_equal(
        rig_sh("{ echo one >%s/file; } && sync -f %s && cp --sparse=always %s/%zu.img %s",
               original->path, original->path, rig->rig->folder, i, disk->image),
        0);
    copy_rig_attach(disk);
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    uint32_t item = copy_rig_add(rig, disk);
    if (!copy_rig_mount(rig, item, original->path, COPY_WRITABLE))
        fail_msg("%s", rig->err.text);

    assert_false(copy_rig_is_seen(rig));
    assert_int_equal(rig_sh("grep -q ' %s ' /proc/%d/mountinfo", original->path,
                            (int)copy_rig_child_of(rig->outer)),
                     0);
    assert_int_equal(rig_sh("{ echo two >%s/file; }", original->path), 0); /* the node goes on */
    assert_false(copy_rig_mount(rig, item, "/mnt", 0));
    assert_int_equal(rig->err.kind, ERR_USAGE); /* it is mounted already */
    copy_rig_close(rig);
    assert_int_equal(rig_sh("test \"$(cat %s/file)\" = two", original->path), 0);
    copy_rig_detach(disk);
    rig->disk_count = kept;
}

static void mount_point_that_the_node_lacks_is_made_unseen(void **state)
{
    struct copy_rig *rig = *state;
    char below[200];

    rig_format(below, sizeof(below), "%s/not/there", rig->rig->folder);
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    uint32_t ext4 = copy_rig_add(rig, &rig->disks[EXT4]), xfs = copy_rig_add(rig, &rig->disks[XFS]);
    if (!copy_rig_mount(rig, ext4, "/stillpoint-copy-test/data", 0) ||
        !copy_rig_mount(rig, xfs, below, COPY_WRITABLE))
        fail_msg("%s", rig->err.text);

    assert_int_not_equal(access("/stillpoint-copy-test", F_OK), 0);
    assert_int_not_equal(access(below, F_OK), 0);
    copy_rig_close(rig);
    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    ext4 = copy_rig_add(rig, &rig->disks[EXT4]);
    xfs = copy_rig_add(rig, &rig->disks[XFS]);
    assert_false(copy_rig_mount(rig, ext4, "/usr/not-there", 0)); /* would hide the programs */
    assert_int_equal(rig->err.kind, ERR_LIMIT);
    assert_true(copy_rig_mount(rig, ext4, "/mnt", 0));
    assert_false(copy_rig_mount(rig, xfs, "/mnt/not-there", 0)); /* the copy itself lacks it */
    assert_false(copy_rig_mount(rig, xfs, "/", 0));              /* has to come first */
    assert_int_equal(rig->err.kind, ERR_USAGE);
    copy_rig_close(rig);
}

/* Where a backup says that its filesystems belong is for whoever wrote it to choose, and root runs
 * what lies here, and reads how it is to run. */
static void mount_is_over_nothing_that_root_runs_or_reads(void **state)
{
    static const char *const places[] = {"/usr",      "/usr/sbin",
                                         "/usr/lib",  "/bin",
                                         "/sbin",     "/lib",
                                         "/etc",      "/run",
                                         "/proc",     "/dev",
                                         "/dev/more", "/sys",
                                         "/etc/lvm",  "/run/lvm-of-the-copy",
                                         "/run/look", "/usr/local"};
    struct copy_rig *rig = *state;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    uint32_t ext4 = copy_rig_add(rig, &rig->disks[EXT4]);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (copy_rig_mount(rig, ext4, places[i], COPY_WRITABLE))
            fail_msg("%s is hidden from the session", places[i]);
        if (rig->err.kind != ERR_LIMIT)
            fail_msg("%s: %s", places[i], rig->err.text);
    }
    if (!copy_rig_mount(rig, ext4, "/usr/local/mysql/data", COPY_WRITABLE))
        fail_msg("%s", rig->err.text);
    copy_rig_close(rig);
}

/* A link of the node's to where they lie, in the way to a folder that is not there. */
static void mount_point_behind_a_link_covers_nothing(void **state)
{
    struct copy_rig *rig = *state;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    int inner = (int)copy_rig_child_of(rig->outer);
    uint32_t ext4 = copy_rig_add(rig, &rig->disks[EXT4]);
    assert_int_equal(rig_sh("nsenter -t %d -m ln -s /usr/share /link", inner), 0);
    assert_false(copy_rig_mount(rig, ext4, "/link/not-there", COPY_WRITABLE));
    assert_int_not_equal(rig_sh("grep ' /usr/share ' /proc/%d/mountinfo", inner), 0);
    assert_int_equal(rig->err.kind, ERR_PRECONDITION);
    copy_rig_close(rig);
}

static void node_can_not_be_written_from_a_session(void **state)
{
    static const char *const hidden[] = {"/boot", "/home", "/media", "/mnt",
                                         "/root", "/srv",  "/var"};
    struct copy_rig *rig = *state;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    int inner = (int)copy_rig_child_of(rig->outer);

    assert_true(inner > 0);
    assert_int_not_equal(rig_sh("nsenter -t %d -m touch /opt/stillpoint-x /etc/stillpoint-x "
                                "/usr/stillpoint-x",
                                inner),
                         0);
    assert_int_equal(rig_sh("ls /opt/stillpoint-x /etc/stillpoint-x /usr/stillpoint-x "
                            "2>&1 | grep -vc 'No such file' | grep -qx 0"),
                     0);
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (rig_sh("nsenter -t %d -m test -e %s", inner, hidden[i]) != 1)
            fail_msg("%s is seen in the session", hidden[i]);
    assert_int_equal(
        rig_sh("nsenter -t %d -n cat /proc/self/net/dev | grep -c : | grep -qx 1", inner),
        0); /* lo alone */
    copy_rig_close(rig);
}

static void death_of_a_session_frees_its_disks(void **state)
{
    struct copy_rig *rig = *state;

    for (int i = 0; i < 2; i++) {
        copy_rig_open_for(rig, COPY_VERIFY, NULL);
        pid_t inner = copy_rig_child_of(rig->outer);
        uint32_t xfs = copy_rig_add(rig, &rig->disks[XFS]);
        uint32_t table = copy_rig_add(rig, &rig->disks[TABLE]);
        if (!copy_rig_mount(rig, xfs, "/mnt", 0) || !copy_rig_mount(rig, table + 2, "/opt", 0))
            fail_msg("%s", rig->err.text);
        assert_int_equal(kill(i == 0 ? inner : rig->outer, SIGKILL), 0);
        copy_rig_assert_nothing_left(rig, inner, 0);
        copy_free(rig->copy);
        rig->copy = NULL;
    }
}

/* A device that came back under its name has another number. */
static void device_is_what_its_number_says(void **state)
{
    struct copy_rig *rig = *state;

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    assert_int_equal(rig_sh("nsenter -t %d -m mknod %s b %u %u", (int)copy_rig_child_of(rig->outer),
                            rig->disks[EXT4].path, rig->disks[XFS].dev_major,
                            rig->disks[XFS].dev_minor),
                     0);
    size_t count = 0;
    (void)copy_rig_add(rig, &rig->disks[EXT4]);
    assert_string_equal(copy_items(rig->copy, &count)->type, "ext4");
    copy_rig_close(rig);
}

/* ---- refusals ---- */

static void device_in_use_or_another_is_refused(void **state)
{
    struct copy_rig *rig = *state;
    struct copy_device device = copy_rig_device(&rig->disks[EXT4]);

    copy_rig_open_for(rig, COPY_VERIFY, NULL);
    assert_int_equal(rig_sh("mkdir -p %s/used && mount -o ro %s %s/used", rig->rig->folder,
                            device.name[0] != '\0' ? rig->disks[EXT4].path : "", rig->rig->folder),
                     0);
    bool used = copy_add_device(rig->copy, &device, soon(), NULL, &rig->err);
    assert_int_equal(rig_sh("umount %s/used", rig->rig->folder), 0);
    assert_false(used);
    assert_int_equal(rig->err.kind, ERR_BUSY);
    device.name = rig->disks[XFS].path + strlen("/dev/");
    assert_false(copy_add_device(rig->copy, &device, soon(), NULL, &rig->err));
    assert_int_equal(rig->err.kind, ERR_PRECONDITION);
    device.dev_minor = 1048000;
    assert_false(copy_add_device(rig->copy, &device, soon(), NULL, &rig->err));
    assert_int_equal(rig->err.kind, ERR_PRECONDITION);
    device.name = "../null";
    assert_false(copy_add_device(rig->copy, &device, soon(), NULL, &rig->err));
    assert_int_equal(rig->err.kind, ERR_USAGE);
    device = copy_rig_device(&rig->disks[EXT4]);
    assert_true(copy_add_device(rig->copy, &device, soon(), NULL, &rig->err));
    assert_false(copy_add_device(rig->copy, &device, soon(), NULL, &rig->err)); /* twice */
    assert_int_equal(rig->err.kind, ERR_USAGE);
    copy_rig_close(rig);
}

static int dial(const struct copy_rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval bound = {15, 0};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, rig->socket, strlen(rig->socket) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    return fd;
}

/* The status that BYTES are answered with on FD, and whether the connection ends with it. */
static enum copy_status answer_to(int fd, const void *bytes, size_t count, bool *ret_over)
{
    static struct copy_reply reply;

    assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
    assert_true(recv(fd, &reply, sizeof(reply), 0) >= COPY_REPLY_HEAD_BYTES);
    struct pollfd one = {fd, POLLIN, 0};
    *ret_over = poll(&one, 1, 300) == 1 && recv(fd, &reply, 1, 0) == 0;
    return (enum copy_status)reply.status;
}

static union copy_request opening(void)
{
    static union copy_request request;

    memset(&request, 0, sizeof(request));
    request.head =
        (struct copy_request_head){COPY_WIRE_VERSION, COPY_OP_OPEN, 1, clock_boot_ms() + 60000};
    request.open.purpose = COPY_VERIFY;
    memcpy(request.open.id, "sp-1", 5);
    return request;
}

static void first_message_that_is_none_is_refused(void **state)
{
    struct copy_rig *rig = *state;
    union copy_request request = opening();
    const size_t size = sizeof(request.open);
    bool over = false;
    int fd;

#define ASSERT_FIRST(status, change, bytes)                                                        \
    do {                                                                                           \
        request = opening();                                                                       \
        change;                                                                                    \
        fd = dial(rig);                                                                            \
        assert_int_equal(answer_to(fd, &request, (bytes), &over), status);                         \
        assert_true(over);                                                                         \
        (void)close(fd);                                                                           \
        assert_int_equal(read(rig->pids_fd, &rig->outer, sizeof(pid_t)), sizeof(pid_t));           \
        assert_true(rig_wait_gone(rig->outer));                                                    \
    } while (0)
    ASSERT_FIRST(COPY_BAD_MESSAGE, , size - 1);
    ASSERT_FIRST(COPY_BAD_MESSAGE, , 4);
    ASSERT_FIRST(COPY_BAD_MESSAGE, , sizeof(request));
    ASSERT_FIRST(COPY_BAD_MESSAGE, request.head.op = COPY_OP_COUNT, size);
    ASSERT_FIRST(COPY_BAD_MESSAGE, request.head.op = 0, size);
    ASSERT_FIRST(COPY_BAD_MESSAGE, memset(request.open.id, 'x', sizeof(request.open.id)), size);
    ASSERT_FIRST(COPY_BAD_MESSAGE, memcpy(request.open.id, "a\nb", 4), size);
    ASSERT_FIRST(COPY_BAD_MESSAGE, request.open.flags = COPY_PREVIEW, size);
    ASSERT_FIRST(COPY_BAD_ARGUMENT, request.open.purpose = COPY_PURPOSE_COUNT, size);
    ASSERT_FIRST(COPY_BAD_ARGUMENT, request.open.id[0] = '\0', size);
    ASSERT_FIRST(COPY_BAD_ARGUMENT, request.open.destination[0] = '/', size);
    ASSERT_FIRST(COPY_DEADLINE, request.head.deadline_ms = clock_boot_ms() - 1, size);
    ASSERT_FIRST(COPY_BAD_STATE, request.head.op = COPY_OP_CLOSE, sizeof(request.plain));
}

static void later_message_that_is_none_is_refused(void **state)
{
    struct copy_rig *rig = *state;
    static union copy_request request;
    bool over = true;
    int fd = dial(rig);

    request = opening();
    assert_int_equal(answer_to(fd, &request, sizeof(request.open), &over), COPY_OK);
    assert_false(over);
    assert_int_equal(answer_to(fd, &request, sizeof(request.open), &over), COPY_BAD_STATE);
    request.head.op = COPY_OP_LOOK;
    memset(request.item.at, 0, sizeof(request.item.at));
    request.item.item = 3;
    request.item.flags = 0;
    assert_int_equal(answer_to(fd, &request, sizeof(request.item), &over), COPY_BAD_ARGUMENT);
    request.head.op = COPY_OP_MOUNT;
    memcpy(request.item.at, "/var/../etc", 12);
    assert_int_equal(answer_to(fd, &request, sizeof(request.item), &over), COPY_BAD_ARGUMENT);
    request.head.op = COPY_OP_FILES; /* not what it was opened for */
    memset(&request.files.paths_bytes, 0, sizeof(request.files) - sizeof(request.head));
    memcpy(request.files.paths, "/etc", 5);
    request.files.paths_bytes = 5;
    assert_int_equal(answer_to(fd, &request, sizeof(request.files), &over), COPY_BAD_STATE);
    assert_false(over);
    request.head.op = COPY_OP_CLOSE;
    assert_int_equal(answer_to(fd, &request, sizeof(request.plain) + 1, &over), COPY_BAD_MESSAGE);
    assert_true(over);
    (void)close(fd);
    assert_int_equal(read(rig->pids_fd, &rig->outer, sizeof(pid_t)), sizeof(pid_t));
    copy_rig_assert_nothing_left(rig, 0, 0);
}

static void strangers_are_refused(void **state)
{
    struct copy_rig *rig = *state;
    const uid_t users[2] = {1, 65534}; /* the second is the one named */
    const enum copy_status wanted[2] = {COPY_PEER, COPY_OK};

    for (int i = 0; i < 2; i++) {
        int status = 0;
        pid_t client = fork();
        if (client == 0) {
            union copy_request request = opening();
            bool over = false;
            if (setgroups(0, NULL) < 0 || setgid(users[i]) < 0 || setuid(users[i]) < 0)
                _exit(255);
            _exit((int)answer_to(dial(rig), &request, sizeof(request.open), &over));
        }
        assert_int_equal(waitpid(client, &status, 0), client);
        assert_int_equal(read(rig->pids_fd, &rig->outer, sizeof(pid_t)), sizeof(pid_t));
        assert_int_equal(WEXITSTATUS(status), wanted[i]);
        copy_rig_assert_nothing_left(rig, 0, 0);
    }
}

/* ---- set-up ---- */

static void make_table(struct copy_rig *rig)
{
    static const unsigned mib[] = {10, 20, 10, 8}, types[] = {0x0c, 0x83, 0x82, 0x83};
    struct copy_disk *disk = copy_rig_image(rig, 64);
    unsigned char sector[512] = {0};
    const unsigned char luks[] = {'L', 'U', 'K', 'S', 0xba, 0xbe, 0, 1};
    uint32_t start = 2048;
    int fd = open(disk->image, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < 4; i++) {
        uint32_t count = mib[i] * 2048;
        unsigned char *entry = sector + 446 + 16 * i;
        entry[4] = (unsigned char)types[i];
        memcpy(entry + 8, &start, 4);
        memcpy(entry + 12, &count, 4);
        start += count;
    }
    sector[510] = 0x55;
    sector[511] = 0xaa;
    assert_int_equal(pwrite(fd, sector, sizeof(sector), 0), sizeof(sector));
    assert_int_equal(pwrite(fd, luks, sizeof(luks), 41L << 20), sizeof(luks));
    (void)close(fd);
    assert_int_equal(rig_sh("{ mkfs.vfat --offset 2048 %s 10240 && "
                            "mke2fs -q -F -t ext4 -E offset=$((11 << 20)) %s 20M && "
                            "truncate -s 10M %s.swap && mkswap %s.swap && "
                            "dd if=%s.swap of=%s bs=1M seek=31 conv=notrunc; }",
                            disk->image, disk->image, disk->image, disk->image, disk->image,
                            disk->image),
                     0);
    copy_rig_attach(disk);
}

static int open_all(void **state)
{
    struct copy_rig *rig = copy_rig_start();
    char script[300];

    rig_format(script, sizeof(script), "printf '%%s' '%s' >.stillpoint-manifest.json",
               "{\"stillpoint\": 1, \"id\": \"" COPY_RIG_ID "\"}\n");
    (void)copy_rig_fs(rig, "ext4", 64, script);
    (void)copy_rig_fs(rig, "xfs", 320, script);
    assert_int_equal(rig_sh("e2label %s 'data one'", rig->disks[EXT4].path), 0);
    make_table(rig);
    copy_rig_attach(copy_rig_image(rig, 16));
    *state = rig;
    return 0;
}

static int close_all(void **state)
{
    copy_rig_end(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(devices_show_what_is_on_them, copy_rig_tear),
        cmocka_unit_test_teardown(manifest_is_read_and_nothing_written, copy_rig_tear),
        cmocka_unit_test_teardown(what_is_no_manifest_is_not_read, copy_rig_tear),
        cmocka_unit_test_teardown(check_tells_the_clean_from_the_broken, copy_rig_tear),
        cmocka_unit_test_teardown(what_reads_a_disk_has_no_power, copy_rig_tear),
        cmocka_unit_test_teardown(volume_groups_get_names_of_their_own, copy_rig_tear),
        cmocka_unit_test_teardown(copy_is_mounted_beside_its_original_and_unseen, copy_rig_tear),
        cmocka_unit_test_teardown(mount_point_that_the_node_lacks_is_made_unseen, copy_rig_tear),
        cmocka_unit_test_teardown(mount_is_over_nothing_that_root_runs_or_reads, copy_rig_tear),
        cmocka_unit_test_teardown(mount_point_behind_a_link_covers_nothing, copy_rig_tear),
        cmocka_unit_test_teardown(node_can_not_be_written_from_a_session, copy_rig_tear),
        cmocka_unit_test_teardown(death_of_a_session_frees_its_disks, copy_rig_tear),
        cmocka_unit_test_teardown(device_is_what_its_number_says, copy_rig_tear),
        cmocka_unit_test_teardown(device_in_use_or_another_is_refused, copy_rig_tear),
        cmocka_unit_test_teardown(first_message_that_is_none_is_refused, copy_rig_tear),
        cmocka_unit_test_teardown(later_message_that_is_none_is_refused, copy_rig_tear),
        cmocka_unit_test_teardown(strangers_are_refused, copy_rig_tear),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
