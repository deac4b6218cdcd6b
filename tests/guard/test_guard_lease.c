/* SPDX-License-Identifier: BSD-2-Clause */
/* The lease in good order: what is frozen, when, and what the story says. Real ext4 and XFS. */
#include "tests/guard/rig.h"

enum { EXT4, XFS };

static void guard_says_who_it_is(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_plain(rig, GUARD_OP_HELLO), GUARD_OK);

    assert_int_equal(rig->reply_bytes, sizeof(struct guard_reply_hello));
    assert_int_equal(rig->reply.hello.keeper_pid, rig->guard);
    assert_int_not_equal(rig->reply.hello.freezer_pid, rig->guard);
    assert_int_equal(rig->reply.head.state, GUARD_IDLE);
    assert_int_equal(rig->reply.hello.recovered_count, 0);
}

static void lease_freezes_in_order_and_thaws_in_reverse(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;

    rig_hold(rig, 10000);
    assert_int_equal(lease->head.state, GUARD_HELD);
    assert_int_equal(lease->frozen_count, 2);
    assert_int_equal(lease->whole, 1);
    assert_true(lease->mounts[EXT4].freeze_begin_boot_us > 0);
    assert_true(lease->mounts[EXT4].freeze_end_boot_us <= lease->mounts[XFS].freeze_begin_boot_us);
    assert_true(lease->mounts[XFS].freeze_end_boot_us <= lease->held_boot_us);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);

    assert_false(rig_is_frozen(rig, EXT4));
    assert_false(rig_is_frozen(rig, XFS));
    assert_int_equal(lease->head.state, GUARD_ENDED);
    assert_int_equal(lease->end_cause, GUARD_END_TOLD);
    assert_int_equal(lease->whole, 1);
    assert_int_equal(lease->frozen_count, 0);
    assert_int_equal(lease->froze_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lease->mounts[i].state, GUARD_MOUNT_THAWED);
        assert_int_equal(lease->mounts[i].until_thaw, 1);
    }
    assert_true(lease->held_boot_us <= lease->thaw_begin_boot_us);
    assert_true(lease->held_utc_us <= lease->thaw_begin_utc_us);
    assert_true(lease->thaw_begin_boot_us <= lease->mounts[XFS].thaw_begin_boot_us);
    assert_true(lease->mounts[XFS].thaw_end_boot_us <= lease->mounts[EXT4].thaw_begin_boot_us);
    assert_true(lease->mounts[EXT4].thaw_end_boot_us <= lease->thaw_end_boot_us);
}

static void one_guard_can_hold_many_times(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig_freeze(rig, 10000), GUARD_OK); /* the same mounts */
    assert_true(rig_is_frozen(rig, EXT4));
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
    assert_int_equal(rig->reply.head.state, GUARD_IDLE);
    rig_hold(rig, 10000); /* added anew */
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);

    assert_false(rig_is_frozen(rig, EXT4));
    assert_false(rig_is_frozen(rig, XFS));
}

/* More mounts than the freezer has threads, all of them at the same time; and one of them can't. */
static void many_mounts_are_held_together(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;
    const size_t own = rig->mount_count;

    for (int i = 0; i < 8; i++)
        (void)rig_add_fs(rig, "ext4");
    rig_disarm_thaw(rig);
    rig_arm_thaw(rig);
    for (size_t i = 0; i < rig->mount_count; i++)
        assert_int_equal(rig_add(rig, i, GUARD_ADD_TOGETHER), GUARD_OK);
    assert_int_equal(rig_freeze(rig, 10000), GUARD_OK);
    for (size_t i = 0; i < rig->mount_count; i++)
        assert_true(rig_is_frozen(rig, i));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    uint32_t whole = lease->whole, thawed = 0;
    int64_t last_us = 0;
    for (size_t i = 0; i < rig->mount_count; i++) {
        thawed += lease->mounts[i].until_thaw;
        last_us = lease->mounts[i].thaw_end_boot_us > last_us ? lease->mounts[i].thaw_end_boot_us
                                                              : last_us;
    }
    assert_int_equal(lease->thaw_end_boot_us, last_us);
    assert_int_equal(ioctl(rig->mounts[5].fd, FIFREEZE, 0), 0);
    enum guard_status second = rig_freeze(rig, 10000);
    int32_t culprit = lease->head.index;
    assert_int_equal(ioctl(rig->mounts[5].fd, FITHAW, 0), 0);
    bool is_frozen = false;
    for (size_t i = 0; i < rig->mount_count; i++)
        is_frozen = is_frozen || rig_is_frozen(rig, i);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    rig_disarm_thaw(rig);
    while (rig->mount_count > own) {
        struct rig_mount *last = &rig->mounts[--rig->mount_count];
        (void)close(last->fd);
        rig_umount(last->path);
        assert_int_equal(rmdir(last->path), 0);
    }
    rig_arm_thaw(rig);

    assert_int_equal(whole, 1);
    assert_int_equal(thawed, 10);
    assert_int_equal(second, GUARD_SYSCALL_FAILED);
    assert_int_equal(culprit, 5);
    assert_false(is_frozen);
}

static void deadline_thaws_and_the_story_says_so(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;

    rig_hold(rig, 1500); /* the freezes may wait for a busy disk */
    int64_t deadline_ms = lease->deadline_ms;
    int64_t late0 = rig_wait_loose(rig, XFS, deadline_ms);
    int64_t late1 = rig_wait_loose(rig, EXT4, deadline_ms);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);

    assert_in_range(late0, 0, rig_late_ms());
    assert_in_range(late1, 0, rig_late_ms());
    assert_int_equal(lease->end_cause, GUARD_END_DEADLINE);
    assert_int_equal(lease->whole, 0);
    assert_int_equal(lease->mounts[EXT4].until_thaw, 0);
    assert_int_equal(lease->mounts[EXT4].state, GUARD_MOUNT_THAWED);
    assert_true(lease->thaw_begin_boot_us >= deadline_ms * 1000);
    assert_true(lease->thaw_end_boot_us < (deadline_ms + rig_late_ms()) * 1000);
}

static void deadline_is_cut_to_the_guards_own_cap(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_freeze(rig, 3600 * 1000), GUARD_OK);

    int64_t left_ms = rig->reply.lease.deadline_ms - clock_boot_ms();
    assert_in_range(left_ms, GUARD_LEASE_MS_MAX - 2000, GUARD_LEASE_MS_MAX);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
}

static void deadline_in_the_past_freezes_nothing(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_freeze(rig, -1), GUARD_DEADLINE);

    assert_false(rig_is_frozen(rig, EXT4));
    assert_int_equal(rig->reply.lease.froze_count, 0);
    assert_int_equal(rig->reply.head.state, GUARD_LOADED);
}

static void status_changes_nothing(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);

    assert_int_equal(rig->reply.head.state, GUARD_HELD);
    assert_int_equal(rig->reply.lease.frozen_count, 2);
    assert_int_equal(rig->reply.lease.whole, 1);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_NONE);
    assert_true(rig_is_frozen(rig, EXT4));
}

static void closed_socket_thaws(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);
    int64_t now_ms = clock_boot_ms();
    rig_hang_up(rig);
    int64_t late_ms = rig_wait_loose(rig, EXT4, now_ms);
    (void)rig_wait_loose(rig, XFS, now_ms);

    assert_in_range(late_ms, 0, rig_late_ms());
    rig->client = rig_connect(rig);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
    assert_int_equal(rig->reply.head.state, GUARD_IDLE);
    assert_int_equal(rig->reply.lease.end_cause, GUARD_END_OWNER_GONE);
    assert_int_equal(rig->reply.lease.whole, 0);
    rig_hold(rig, 10000); /* and it serves the next */
}

static void frozen_by_somebody_else_is_refused_and_left_frozen(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;

    assert_int_equal(ioctl(rig->mounts[XFS].fd, FIFREEZE, 0), 0);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, XFS, 0), GUARD_OK);
    enum guard_status status = rig_freeze(rig, 10000);
    bool others_is_frozen = rig_is_frozen(rig, XFS);
    assert_int_equal(ioctl(rig->mounts[XFS].fd, FITHAW, 0), 0);

    assert_int_equal(status, GUARD_SYSCALL_FAILED);
    assert_int_equal(lease->head.os_errno, EBUSY);
    assert_int_equal(lease->head.index, 1);
    assert_int_equal(lease->end_cause, GUARD_END_FREEZE_FAILED);
    assert_true(others_is_frozen);
    assert_false(rig_is_frozen(rig, EXT4));
    assert_int_equal(lease->mounts[0].state, GUARD_MOUNT_THAWED);
    assert_int_equal(lease->whole, 0);
}

static void thawed_by_somebody_else_is_not_whole(void **state)
{
    struct rig *rig = *state;
    const struct guard_reply_lease *lease = &rig->reply.lease;

    rig_hold(rig, 10000);
    assert_int_equal(ioctl(rig->mounts[EXT4].fd, FITHAW, 0), 0);
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);

    assert_int_equal(lease->mounts[EXT4].state, GUARD_MOUNT_LET_GO);
    assert_int_equal(lease->mounts[EXT4].until_thaw, 0);
    assert_int_equal(lease->mounts[XFS].until_thaw, 1);
    assert_int_equal(lease->whole, 0);
}

static void one_that_can_not_be_frozen_lets_the_others_go(void **state)
{
    struct rig *rig = *state;
    size_t tmpfs = rig_add_tmpfs(rig);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig_add(rig, i, 0), GUARD_OK);
    enum guard_status status = rig_freeze(rig, 10000);
    bool is_frozen = rig_is_frozen(rig, EXT4) || rig_is_frozen(rig, XFS);
    (void)close(rig->mounts[tmpfs].fd);
    assert_int_equal(rig_plain(rig, GUARD_OP_STATUS), GUARD_OK);
    assert_int_equal(rig->reply.lease.froze_count, 2);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    rig_umount(rig->mounts[tmpfs].path);
    assert_int_equal(rmdir(rig->mounts[tmpfs].path), 0);
    rig->mount_count--;

    assert_int_equal(status, GUARD_SYSCALL_FAILED);
    assert_false(is_frozen);
}

static void sync_only_mount_is_synced_and_not_frozen(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), 1, 5000};

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, XFS, GUARD_ADD_SYNC_ONLY), GUARD_OK);
    assert_int_equal(rig_ask(rig, &sync, sizeof(sync)), GUARD_OK);
    assert_in_range(rig->reply.sync.took_us, 1, 5000000);
    assert_int_equal(rig_freeze(rig, 10000), GUARD_OK);

    assert_true(rig_is_frozen(rig, EXT4));
    assert_false(rig_is_frozen(rig, XFS));
    assert_int_equal(rig_plain(rig, GUARD_OP_THAW), GUARD_OK);
    assert_int_equal(rig->reply.lease.whole, 1);
    assert_int_equal(rig->reply.lease.mounts[1].state, GUARD_MOUNT_SYNC_ONLY);
}

static void sync_of_what_was_not_added_is_refused(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_sync sync = {rig_head(rig, GUARD_OP_SYNC), 1, 5000};

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);

    assert_int_equal(rig_ask(rig, &sync, sizeof(sync)), GUARD_BAD_ARGUMENT);
}

static void mount_point_that_is_a_file_can_be_frozen(void **state)
{
    struct rig *rig = *state;
    struct rig_mount file = rig->mounts[EXT4];
    char source[300];

    rig_format(source, sizeof(source), "%s/a-file", rig->mounts[EXT4].path);
    rig_format(file.path, sizeof(file.path), "%s/bound", rig->folder);
    rig_write(source, "x");
    rig_write(file.path, "");
    assert_int_equal(mount(source, file.path, NULL, MS_BIND, NULL), 0);
    struct guard_msg_add_mount add = rig_add_message(rig, &file, 0);
    enum guard_status added = rig_ask(rig, &add, sizeof(add));
    enum guard_status froze = rig_freeze(rig, 10000);
    bool is_frozen = rig_is_frozen(rig, EXT4);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    rig_umount(file.path);
    (void)unlink(file.path);

    assert_int_equal(added, GUARD_OK);
    assert_int_equal(froze, GUARD_OK);
    assert_true(is_frozen);
}

static void btrfs_is_known_by_its_mount(void **state)
{
    struct rig *rig = *state;
    struct guard_msg_add_mount add;

    if (!rig_has("mkfs.btrfs")) {
        print_message("skipped: mkfs.btrfs (btrfs-progs) is not installed\n");
        skip();
    }
    size_t btrfs = rig_add_fs(rig, "btrfs");
    rig_disarm_thaw(rig);
    rig_arm_thaw(rig); /* this one too */
    add = rig_add_message(rig, &rig->mounts[btrfs], 0);
    add.dev_minor += 1000; /* mountinfo's number, which is not st_dev's */
    enum guard_status by_mount = rig_ask(rig, &add, sizeof(add));
    enum guard_status froze = rig_freeze(rig, 10000);
    bool is_frozen = rig_is_frozen(rig, btrfs);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    add.head = rig_head(rig, GUARD_OP_ADD_MOUNT);
    add.mnt_id = 0;
    enum guard_status by_nothing = rig_ask(rig, &add, sizeof(add));
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    (void)close(rig->mounts[btrfs].fd);
    rig->mount_count--;
    rig_disarm_thaw(rig);
    rig_arm_thaw(rig);
    rig_umount(rig->mounts[btrfs].path);
    assert_int_equal(rmdir(rig->mounts[btrfs].path), 0);

    assert_int_equal(by_mount, GUARD_OK);
    assert_int_equal(froze, GUARD_OK);
    assert_true(is_frozen);
    assert_int_equal(by_nothing, GUARD_WRONG_DEVICE);
}

/* ---- the manifest ---- */

static enum guard_status send_chunk(struct rig *rig, uint32_t offset, const char *bytes,
                                    uint32_t length)
{
    struct guard_msg_manifest chunk;

    memset(&chunk, 0, sizeof(chunk));
    chunk.head = rig_head(rig, GUARD_OP_MANIFEST);
    chunk.offset = offset;
    chunk.length = length;
    memcpy(chunk.bytes, bytes, length);
    return rig_ask(rig, &chunk, sizeof(chunk));
}

static enum guard_status write_manifests(struct rig *rig)
{
    struct guard_msg_write_manifests message = {rig_head(rig, GUARD_OP_WRITE_MANIFESTS), 5000, 0};

    return rig_ask(rig, &message, sizeof(message));
}

static const char *manifest_of(const struct rig *rig, size_t i)
{
    static char path[400];

    rig_format(path, sizeof(path), "%s/" GUARD_MANIFEST_NAME, rig->mounts[i].path);
    return path;
}

static void manifest_is_on_every_mount_before_the_freeze(void **state)
{
    struct rig *rig = *state;
    static char big[GUARD_MANIFEST_CHUNK_BYTES + 1];
    struct stat st;

    memset(big, 'm', sizeof(big) - 1);
    assert_int_equal(send_chunk(rig, 0, "lost when begun anew", 10), GUARD_OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(
            send_chunk(rig, i * GUARD_MANIFEST_CHUNK_BYTES, big, GUARD_MANIFEST_CHUNK_BYTES),
            GUARD_OK);
    assert_int_equal(send_chunk(rig, 3 * GUARD_MANIFEST_CHUNK_BYTES, "end", 3), GUARD_OK);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, XFS, 0), GUARD_OK);
    assert_int_equal(write_manifests(rig), GUARD_OK);

    assert_int_equal(rig->reply.manifests.written_count, 2);
    assert_int_equal(rig->reply.manifests.failed_count, 0);
    for (size_t i = 0; i < 2; i++) {
        const char *text = rig_read(manifest_of(rig, i));
        assert_int_equal(strlen(text), 3 * GUARD_MANIFEST_CHUNK_BYTES + 3);
        assert_int_equal(strspn(text, "m"), 3 * GUARD_MANIFEST_CHUNK_BYTES);
        assert_string_equal(text + 3 * GUARD_MANIFEST_CHUNK_BYTES, "end");
        assert_int_equal(stat(manifest_of(rig, i), &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0644);
    }
}

static void manifest_replaces_the_last_one(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(send_chunk(rig, 0, "first and longer", 16), GUARD_OK);
    assert_int_equal(write_manifests(rig), GUARD_OK);
    assert_int_equal(send_chunk(rig, 0, "second", 6), GUARD_OK);
    assert_int_equal(write_manifests(rig), GUARD_OK);

    assert_string_equal(rig_read(manifest_of(rig, EXT4)), "second");
}

/* On a copy the older one would say that it is of another backup. */
static void manifest_that_can_not_be_replaced_takes_the_last_one_with_it(void **state)
{
    struct rig *rig = *state;
    char in_the_way[400];
    struct stat st;

    rig_format(in_the_way, sizeof(in_the_way), "%s.new", manifest_of(rig, EXT4));
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(send_chunk(rig, 0, "first", 5), GUARD_OK);
    assert_int_equal(write_manifests(rig), GUARD_OK);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    assert_int_equal(send_chunk(rig, 0, "second", 6), GUARD_OK);
    (void)write_manifests(rig);
    uint32_t failed_count = rig->reply.manifests.failed_count;
    int there = lstat(manifest_of(rig, EXT4), &st);
    (void)rmdir(in_the_way);

    assert_int_equal(failed_count, 1);
    assert_int_equal(there, -1);
}

static void manifest_follows_no_planted_link(void **state)
{
    struct rig *rig = *state;
    char victim[300], trap[400];
    struct stat st;

    rig_format(victim, sizeof(victim), "%s/victim", rig->folder);
    rig_format(trap, sizeof(trap), "%s.new", manifest_of(rig, EXT4));
    rig_write(victim, "untouched");
    assert_int_equal(symlink(victim, trap), 0);
    (void)unlink(manifest_of(rig, EXT4));
    assert_int_equal(symlink(victim, manifest_of(rig, EXT4)), 0);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(send_chunk(rig, 0, "{}", 2), GUARD_OK);
    assert_int_equal(write_manifests(rig), GUARD_OK);

    assert_string_equal(rig_read(victim), "untouched");
    assert_int_equal(lstat(manifest_of(rig, EXT4), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(lstat(trap, &st), -1);
    assert_string_equal(rig_read(manifest_of(rig, EXT4)), "{}");
}

static void manifest_that_can_not_be_written_names_the_mount(void **state)
{
    struct rig *rig = *state;

    (void)unlink(manifest_of(rig, XFS));
    assert_int_equal(mkdir(manifest_of(rig, XFS), 0755), 0);
    assert_int_equal(send_chunk(rig, 0, "{}", 2), GUARD_OK);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, XFS, 0), GUARD_OK);
    enum guard_status status = write_manifests(rig);
    assert_int_equal(rmdir(manifest_of(rig, XFS)), 0);

    assert_int_equal(status, GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.index, 1);
    assert_int_equal(rig->reply.head.os_errno, EISDIR);
    assert_int_equal(rig->reply.manifests.written_count, 1);
    assert_int_equal(rig->reply.manifests.failed_count, 1);
    assert_int_equal(rig_freeze(rig, 5000), GUARD_OK); /* the daemon decides */
}

static void manifest_that_finds_no_room_names_the_mount(void **state)
{
    struct rig *rig = *state;
    const char *path = rig->mounts[EXT4].path;

    (void)unlink(manifest_of(rig, EXT4));
    (void)rig_sh("dd if=/dev/zero of=%s/filler bs=1M 2>/dev/null", path); /* until it is full */
    (void)rig_sh("dd if=/dev/zero of=%s/filler2 bs=1k 2>/dev/null", path);
    assert_int_equal(send_chunk(rig, 0, "{}", 2), GUARD_OK);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    enum guard_status status = write_manifests(rig);
    assert_int_equal(rig_sh("rm %s/filler %s/filler2", path, path), 0);

    assert_int_equal(status, GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.os_errno, ENOSPC);
    assert_int_equal(access(manifest_of(rig, EXT4), F_OK), -1);
}

static void what_lies_in_the_manifests_way_is_named(void **state)
{
    struct rig *rig = *state;
    char way[400];

    rig_format(way, sizeof(way), "%s.new", manifest_of(rig, EXT4));
    assert_int_equal(mkdir(way, 0755), 0);
    assert_int_equal(send_chunk(rig, 0, "{}", 2), GUARD_OK);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    enum guard_status status = write_manifests(rig);
    assert_int_equal(rmdir(way), 0);

    assert_int_equal(status, GUARD_SYSCALL_FAILED);
    assert_int_equal(rig->reply.head.os_errno, EISDIR);
}

static void manifest_passes_over_read_only_mounts(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_sh("mount -o remount,ro %s", rig->mounts[XFS].path), 0);
    assert_int_equal(send_chunk(rig, 0, "{}", 2), GUARD_OK);
    assert_int_equal(rig_add(rig, EXT4, 0), GUARD_OK);
    assert_int_equal(rig_add(rig, XFS, 0), GUARD_OK);
    enum guard_status status = write_manifests(rig);
    assert_int_equal(rig_sh("mount -o remount,rw %s", rig->mounts[XFS].path), 0);

    assert_int_equal(status, GUARD_OK);
    assert_int_equal(rig->reply.manifests.skipped_count, 1);
    assert_int_equal(rig->reply.manifests.os_errnos[1], EROFS);
}

static void manifest_has_a_cap_and_no_gaps(void **state)
{
    struct rig *rig = *state;
    static char big[GUARD_MANIFEST_CHUNK_BYTES];

    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(send_chunk(rig, i * GUARD_MANIFEST_CHUNK_BYTES, big, sizeof(big)),
                         GUARD_OK);

    assert_int_equal(send_chunk(rig, GUARD_MANIFEST_BYTES_MAX, "x", 1), GUARD_FULL);
    assert_int_equal(send_chunk(rig, 1, "x", 1), GUARD_BAD_ARGUMENT);
    assert_int_equal(send_chunk(rig, 0xfffffff0u, "x", 1), GUARD_BAD_ARGUMENT);
}

/* ---- grace periods ---- */

static void rcu_expedited_is_put_back_after_the_freeze(void **state)
{
    struct rig *rig = *state;

    rig_hold(rig, 10000);

    assert_int_equal(rig->reply.lease.rcu_expedited, 1);
    rig_wait_rcu(rig, '0'); /* test_guard_faults sees it set meanwhile */
}

static void rcu_expedited_of_somebody_else_stays(void **state)
{
    struct rig *rig = *state;

    rig_write(rig->rcu, "1\n");
    rig_hold(rig, 10000);

    assert_int_equal(rig->reply.lease.rcu_expedited, 0);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    assert_int_equal(rig_read(rig->rcu)[0], '1');
}

/* ---- weight ---- */

static long status_number(pid_t pid, const char *file, const char *key)
{
    char path[64];

    rig_format(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    const char *at = strstr(rig_read(path), key);
    return at == NULL ? -1 : strtol(at + strlen(key), NULL, 10);
}

static void idle_guard_wakes_for_nothing(void **state)
{
    struct rig *rig = *state;
    pid_t freezer = rig_freezer_pid(rig);

    rig_hold(rig, 10000);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    rig_nap_ms(200);
    long keeper_before = status_number(rig->guard, "status", "\nvoluntary_ctxt_switches:");
    long freezer_before = status_number(freezer, "status", "\nvoluntary_ctxt_switches:");
    rig_nap_ms(3000);

    assert_true(keeper_before > 0 && freezer_before > 0);
    assert_int_equal(status_number(rig->guard, "status", "\nvoluntary_ctxt_switches:"),
                     keeper_before);
    assert_int_equal(status_number(freezer, "status", "\nvoluntary_ctxt_switches:"),
                     freezer_before);
}

static void both_processes_weigh_less_than_a_mebibyte(void **state)
{
    struct rig *rig = *state;

    if (rig_is_sanitized())
        skip();
    pid_t freezer = rig_freezer_pid(rig);
    rig_hold(rig, 10000);
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);

    long keeper_kib = status_number(rig->guard, "smaps_rollup", "\nPss:");
    long freezer_kib = status_number(freezer, "smaps_rollup", "\nPss:");
    print_message("keeper %ld KiB, freezer %ld KiB PSS\n", keeper_kib, freezer_kib);
    assert_in_range(keeper_kib, 1, 1024);
    assert_in_range(keeper_kib + freezer_kib, 1, 1024);
}

static void both_processes_are_locked_and_last_to_be_killed(void **state)
{
    struct rig *rig = *state;
    pid_t pids[2] = {rig->guard, rig_freezer_pid(rig)};
    static const char *const names[2] = {"guard-keeper\n", "guard-freezer\n"};
    const char *caps = strstr(rig_read("/proc/self/status"), "\nCapEff:\t");
    bool may_lower =
        caps != NULL && (strtoull(caps + 9, NULL, 16) >> 24 & 1) != 0; /* SYS_RESOURCE */
    char path[64];

    rig_hold(rig, 10000); /* the freezer has come so far, then */
    assert_int_equal(rig_plain(rig, GUARD_OP_RESET), GUARD_OK);
    for (int i = 0; i < 2; i++) {
        rig_format(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pids[i]);
        if (may_lower)
            assert_string_equal(rig_read(path), "-1000\n");
        rig_format(path, sizeof(path), "/proc/%d/comm", (int)pids[i]);
        assert_string_equal(rig_read(path), names[i]);
        if (!rig_is_sanitized()) /* whose mlockall does nothing */
            assert_in_range(status_number(pids[i], "status", "\nVmLck:"), 64, 1024 * 1024);
    }
}

#define WITH_GUARD(test) cmocka_unit_test_setup_teardown(test, rig_before, rig_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GUARD(guard_says_who_it_is),
        WITH_GUARD(lease_freezes_in_order_and_thaws_in_reverse),
        WITH_GUARD(one_guard_can_hold_many_times),
        WITH_GUARD(many_mounts_are_held_together),
        WITH_GUARD(deadline_thaws_and_the_story_says_so),
        WITH_GUARD(deadline_is_cut_to_the_guards_own_cap),
        WITH_GUARD(deadline_in_the_past_freezes_nothing),
        WITH_GUARD(status_changes_nothing),
        WITH_GUARD(closed_socket_thaws),
        WITH_GUARD(frozen_by_somebody_else_is_refused_and_left_frozen),
        WITH_GUARD(thawed_by_somebody_else_is_not_whole),
        WITH_GUARD(one_that_can_not_be_frozen_lets_the_others_go),
        WITH_GUARD(sync_only_mount_is_synced_and_not_frozen),
        WITH_GUARD(sync_of_what_was_not_added_is_refused),
        WITH_GUARD(mount_point_that_is_a_file_can_be_frozen),
        WITH_GUARD(btrfs_is_known_by_its_mount),
        WITH_GUARD(manifest_is_on_every_mount_before_the_freeze),
        WITH_GUARD(manifest_replaces_the_last_one),
        WITH_GUARD(manifest_that_can_not_be_replaced_takes_the_last_one_with_it),
        WITH_GUARD(manifest_follows_no_planted_link),
        WITH_GUARD(manifest_that_can_not_be_written_names_the_mount),
        WITH_GUARD(manifest_that_finds_no_room_names_the_mount),
        WITH_GUARD(what_lies_in_the_manifests_way_is_named),
        WITH_GUARD(manifest_passes_over_read_only_mounts),
        WITH_GUARD(manifest_has_a_cap_and_no_gaps),
        WITH_GUARD(rcu_expedited_is_put_back_after_the_freeze),
        WITH_GUARD(rcu_expedited_of_somebody_else_stays),
        WITH_GUARD(idle_guard_wakes_for_nothing),
        WITH_GUARD(both_processes_weigh_less_than_a_mebibyte),
        WITH_GUARD(both_processes_are_locked_and_last_to_be_killed),
    };

    return cmocka_run_group_tests(tests, rig_open_two, rig_close_all);
}
