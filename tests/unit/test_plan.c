/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/guard/guard_wire.h"

#define VOL_ROOT "vol-0aaaaaaaaaaaaaaaa"
#define VOL_DATA "vol-0bbbbbbbbbbbbbbbb"
#define VOL_LOGS "vol-0cccccccccccccccc"

/* A node of three volumes: the root, MySQL's data, its binary logs; beside them what every node
 * has. */
static const char node_text[] = "20 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n"
                                "21 20 0:5 / /proc rw - proc proc rw\n"
                                "22 20 0:6 / /run rw - tmpfs tmpfs rw\n"
                                "23 20 259:15 / /boot/efi rw - vfat /dev/nvme0n1p15 rw\n"
                                "24 20 259:2 / /var/lib/mysql rw - ext4 /dev/nvme1n1 rw\n"
                                "25 20 259:3 / /var/log/mysql rw - xfs /dev/nvme2n1 rw\n"
                                "26 20 0:50 / /opt/kaltura/web rw - nfs4 nas:/web rw\n"
                                "27 20 0:60 / /var/lib/docker/merged rw - overlay overlay rw\n"
                                "28 20 0:61 / /auto rw - autofs systemd-1 rw\n";

struct world {
    struct mounts mounts;
    struct mount_list list;
    struct device_trace *traces;
    struct device_attached attached[4];
    struct config_backup config;
    struct plan_path paths[8];
    struct plan_server server;
    struct plan_input input;
    struct plan *plan;
    struct err err;
};

static struct device_trace *trace_at(struct world *world, const char *path)
{
    for (size_t i = 0; i < world->list.count; i++) {
        if (strcmp(world->list.items[i].mount->path, path) == 0)
            return &world->traces[i];
    }
    fail_msg("nothing is mounted at %s", path);
    return NULL;
}

static void lies_on(struct world *world, const char *path, const char *volume)
{
    struct device_trace *trace = trace_at(world, path);

    trace->kind = DEVICE_EBS;
    assert_true(strs_add(&trace->volumes, volume, &world->err));
}

static void is_elsewhere(struct world *world, const char *path, enum device_kind kind,
                         const char *why)
{
    struct device_trace *trace = trace_at(world, path);

    devices_trace_free(trace);
    trace->kind = kind;
    assert_true(strs_dup(&trace->why, why, &world->err));
}

static void lies_in_file(struct world *world, const char *path, const char *file)
{
    struct device_trace *trace = trace_at(world, path);

    is_elsewhere(world, path, DEVICE_LOOP, "a loop device");
    assert_true(strs_add(&trace->backing, file, &world->err));
    assert_true(strs_add(&trace->unmapped_backing, file, &world->err));
}

/* The node's table with MORE lines behind it. */
static struct world *make_world(const char *more)
{
    struct world *world = calloc(1, sizeof(*world));
    char text[4096];

    assert_non_null(world);
    (void)snprintf(text, sizeof(text), "%s%s", node_text, more);
    if (!mounts_parse(text, strlen(text), &world->mounts, &world->err) ||
        !mounts_fold(&world->mounts, &world->list, &world->err))
        fail_msg("%s", world->err.text);
    world->traces = calloc(world->list.count, sizeof(*world->traces));
    assert_non_null(world->traces);
    for (size_t i = 0; i < world->list.count; i++)
        world->traces[i].kind = DEVICE_OTHER;
    world->attached[0] = (struct device_attached){VOL_ROOT, "/dev/sda1", 8, true, false};
    world->attached[1] = (struct device_attached){VOL_DATA, "/dev/sdf", 20, false, false};
    world->attached[2] = (struct device_attached){VOL_LOGS, "/dev/sdg", 30, false, false};
    lies_on(world, "/", VOL_ROOT);
    lies_on(world, "/boot/efi", VOL_ROOT);
    assert_true(
        strs_add(&trace_at(world, "/boot/efi")->stats, "/sys/dev/block/259:15/stat", &world->err));
    lies_on(world, "/var/lib/mysql", VOL_DATA);
    lies_on(world, "/var/log/mysql", VOL_LOGS);
    world->config.mounts_auto = true;
    world->input = (struct plan_input){
        .mounts = &world->mounts,
        .list = &world->list,
        .traces = world->traces,
        .attached = world->attached,
        .attached_count = 3,
        .config = &world->config,
        .asked = LABEL_APPLICATION,
    };
    return world;
}

static void free_world(struct world *world)
{
    plan_free(world->plan);
    devices_traces_free(world->traces, world->list.count);
    mounts_list_free(&world->list);
    mounts_free(&world->mounts);
    strs_free(&world->config.mounts);
    strs_free(&world->config.exclude_mounts);
    free(world);
}

static void add_path(struct world *world, enum plan_role role, const char *what, const char *path,
                     uint32_t major, uint32_t minor)
{
    world->paths[world->server.path_count++] = (struct plan_path){
        .what = what, .path = path, .role = role, .dev_major = major, .dev_minor = minor};
    world->server.name = "mysql";
    world->server.paths = world->paths;
    world->input.servers = &world->server;
    world->input.server_count = 1;
}

static void make(struct world *world)
{
    if (!plan_make(&world->input, &world->plan, &world->err))
        fail_msg("%s (%s)", world->err.text, world->err.remedy);
}

static void refuse(struct world *world, const char *words, const char *remedy)
{
    assert_false(plan_make(&world->input, &world->plan, &world->err));
    assert_null(world->plan);
    assert_int_equal(world->err.kind, ERR_PRECONDITION);
    if (strstr(world->err.text, words) == NULL || strstr(world->err.remedy, remedy) == NULL)
        fail_msg("\"%s\" (\"%s\") lacks \"%s\" or \"%s\"", world->err.text, world->err.remedy,
                 words, remedy);
}

static const struct plan_mount *mount_at(const struct world *world, const char *path)
{
    for (size_t i = 0; i < world->plan->mount_count; i++) {
        if (strcmp(world->plan->mounts[i].path, path) == 0)
            return &world->plan->mounts[i];
    }
    return NULL;
}

static const char *left_out_why(const struct world *world, const char *path)
{
    for (size_t i = 0; i < world->plan->left_out_count; i++) {
        if (strcmp(world->plan->left_out[i].path, path) == 0)
            return world->plan->left_out[i].why;
    }
    return "(not left out)";
}

static void assert_has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", text, words);
}

/* In the order of freezing; a "+" for what may be frozen together with the one before it. */
static void assert_order(const struct world *world, const char *expected)
{
    char text[1024] = "";

    for (size_t i = 0; i < world->plan->mount_count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s", i ? " " : "",
                       world->plan->mounts[i].together ? "+" : "", world->plan->mounts[i].path);
    assert_string_equal(text, expected);
}

/* One shortfall, which says WORDS. */
static void assert_falls(const struct world *world, enum label label, const char *words)
{
    assert_int_equal(world->plan->at_most, label);
    assert_int_equal(world->plan->shortfall_count, 1);
    assert_int_equal(world->plan->shortfalls[0].at_most, label);
    assert_has(world->plan->shortfalls[0].why, words);
}

/* --- the usual ---------------------------------------------------------------------------------
 */

static void a_plain_node_freezes_its_volumes_deepest_first_and_claims_everything(void **state)
{
    (void)state;
    struct world *world = make_world("");
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    assert_int_equal(world->plan->shortfall_count, 0);
    assert_int_equal(world->plan->volume_count, 3);
    assert_string_equal(world->plan->volumes[0].id, VOL_ROOT);
    assert_true(world->plan->volumes[0].root);
    assert_string_equal(world->plan->volumes[1].device_name, "/dev/sdf");
    assert_int_equal(world->plan->volumes[1].size_gib, 20);
    assert_order(world, "/var/lib/mysql +/var/log/mysql +/boot/efi /");
    assert_int_equal(world->plan->freeze_count, 3);
    const struct plan_mount *data = mount_at(world, "/var/lib/mysql");
    assert_int_equal(data->use, PLAN_FREEZE);
    assert_int_equal(data->dev_major, 259);
    assert_int_equal(data->dev_minor, 2);
    assert_int_equal(data->mnt_id, 24);
    assert_string_equal(data->fs, "ext4");
    assert_int_equal(data->volumes.count, 1);
    assert_string_equal(data->volumes.items[0], VOL_DATA);
    assert_int_equal(world->plan->warnings.count, 0);
    free_world(world);
}

static void network_mounts_are_left_out_with_the_reason_and_the_kernels_own_in_silence(void **state)
{
    (void)state;
    struct world *world = make_world("29 20 0:70 / /fuse rw - fuse.lxcfs lxcfs rw\n");
    make(world);

    assert_int_equal(world->plan->left_out_count, 2);
    assert_string_equal(left_out_why(world, "/opt/kaltura/web"),
                        "nfs4: not on a volume of this instance");
    assert_has(left_out_why(world, "/fuse"), "fuse.lxcfs");
    free_world(world);
}

static void the_vfat_boot_partition_is_synced_and_its_counters_are_named(void **state)
{
    (void)state;
    struct world *world = make_world("");
    make(world);
    const struct plan_mount *efi = mount_at(world, "/boot/efi");

    assert_int_equal(efi->use, PLAN_SYNC_ONLY);
    assert_int_equal(efi->stats.count, 1);
    assert_string_equal(efi->stats.items[0], "/sys/dev/block/259:15/stat");
    assert_int_equal(mount_at(world, "/")->stats.count, 0);
    free_world(world);
}

static void a_read_only_superblock_is_still_but_a_read_only_mount_is_frozen(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 259:8 / /still ro - ext2 /dev/nvme1n1p8 ro\n"
                                     "31 20 259:9 / /mount ro - ext4 /dev/nvme1n1p9 rw\n"
                                     "32 20 259:10 / /iso ro - iso9660 /dev/nvme1n1p10 ro\n");
    lies_on(world, "/still", VOL_DATA);
    lies_on(world, "/mount", VOL_DATA);
    lies_on(world, "/iso", VOL_DATA);
    make(world);

    assert_int_equal(mount_at(world, "/still")->use, PLAN_STILL);
    assert_int_equal(mount_at(world, "/iso")->use, PLAN_STILL);
    assert_int_equal(mount_at(world, "/mount")->use, PLAN_FREEZE);
    assert_order(world, "/var/lib/mysql +/var/log/mysql +/boot/efi +/mount / /still /iso");
    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

static void instance_store_and_other_disks_are_left_out_without_harm(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 259:8 / /scratch rw - xfs /dev/nvme3n1 rw\n"
                                     "31 20 43:0 / /nbd rw - ext4 /dev/nbd0 rw\n");
    is_elsewhere(world, "/scratch", DEVICE_INSTANCE_STORE, "nvme3n1 is instance store");
    is_elsewhere(world, "/nbd", DEVICE_OTHER, "nbd0 is not an EBS volume");
    make(world);

    assert_string_equal(left_out_why(world, "/scratch"), "xfs: nvme3n1 is instance store");
    assert_string_equal(left_out_why(world, "/nbd"), "ext4: nbd0 is not an EBS volume");
    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

/* --- what lowers the label ---------------------------------------------------------------------
 */

static void a_device_that_cant_be_seen_through_lowers_to_crash(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 253:0 / /thin rw - ext4 /dev/dm-0 rw\n");
    is_elsewhere(world, "/thin", DEVICE_UNKNOWN, "what lies below dm-0 can't be seen");
    make(world);

    assert_falls(world, LABEL_CRASH, "/thin (ext4) was not frozen: what lies below dm-0");
    assert_has(left_out_why(world, "/thin"), "dm-0");
    free_world(world);
}

static void an_unknown_device_that_nobody_can_write_to_lowers_nothing(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 253:0 / /thin ro - ext4 /dev/dm-0 ro\n");
    is_elsewhere(world, "/thin", DEVICE_UNKNOWN, "what lies below dm-0 can't be seen");
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

static void an_excluded_mount_on_the_set_lowers_to_crash_with_the_reason(void **state)
{
    (void)state;
    struct world *world = make_world("");
    assert_true(strs_add(&world->config.exclude_mounts, "/var/log/mysql", &world->err));
    make(world);

    assert_falls(world, LABEL_CRASH, "/var/log/mysql (xfs) was not frozen: exclude_mounts");
    assert_null(mount_at(world, "/var/log/mysql"));
    assert_has(left_out_why(world, "/var/log/mysql"), "exclude_mounts names it");
    assert_int_equal(world->plan->volume_count, 3); /* its volume is taken all the same */
    free_world(world);
}

static void what_one_job_leaves_out_falls_as_what_is_excluded(void **state)
{
    (void)state;
    struct world *world = make_world("");
    struct strs paths = {NULL, 0};
    assert_true(strs_add(&paths, "/", &world->err));
    world->input.leave_out = &paths;
    make(world);

    assert_falls(world, LABEL_CRASH, "/ (ext4) was not frozen: it was to be left out");
    assert_null(mount_at(world, "/"));
    assert_non_null(mount_at(world, "/var/log/mysql"));
    free_world(world);
    strs_free(&paths);
}

static void a_mount_to_leave_out_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct world *world = make_world("");
    struct strs paths = {NULL, 0};
    assert_true(strs_add(&paths, "/typo", &world->err));
    world->input.leave_out = &paths;

    assert_false(plan_make(&world->input, &world->plan, &world->err));
    assert_int_equal(world->err.kind, ERR_PRECONDITION);
    assert_has(world->err.text, "nothing is mounted at /typo");
    free_world(world);
    strs_free(&paths);
}

static void excluding_by_a_bind_mount_excludes_the_filesystem(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 259:3 /x /bound rw - xfs /dev/nvme2n1 rw\n");
    assert_true(strs_add(&world->config.exclude_mounts, "/bound", &world->err));
    make(world);

    assert_falls(world, LABEL_CRASH, "exclude_mounts");
    free_world(world);
}

static void an_exclusion_that_hits_nothing_is_warned_of(void **state)
{
    (void)state;
    struct world *world = make_world("");
    assert_true(strs_add(&world->config.exclude_mounts, "/typo", &world->err));
    make(world);

    assert_int_equal(world->plan->warnings.count, 1);
    assert_has(world->plan->warnings.items[0], "/typo");
    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

static void a_mount_not_in_the_configured_list_lowers_to_crash(void **state)
{
    (void)state;
    struct world *world = make_world("");
    world->config.mounts_auto = false;
    assert_true(strs_add(&world->config.mounts, "/", &world->err));
    assert_true(strs_add(&world->config.mounts, "/var/lib/mysql", &world->err));
    assert_true(strs_add(&world->config.mounts, "/boot/efi", &world->err));
    make(world);

    assert_order(world, "/var/lib/mysql +/boot/efi /");
    assert_falls(world, LABEL_CRASH, "/var/log/mysql (xfs) was not frozen: it is not in the list");
    free_world(world);
}

static void a_filesystem_that_cant_be_frozen_on_the_set_lowers_to_crash(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 259:8 / /win rw - fuseblk /dev/nvme1n1p8 rw\n");
    lies_on(world, "/win", VOL_DATA);
    make(world);

    assert_falls(world, LABEL_CRASH, "/win (fuseblk) was not frozen: this kind of filesystem");
    free_world(world);
}

static void a_hidden_mount_on_the_set_lowers_to_crash(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 259:8 / /data rw - ext4 /dev/nvme1n1p8 rw\n"
                                     "31 30 0:90 / /data rw - tmpfs tmpfs rw\n");
    lies_on(world, "/data", VOL_DATA);
    make(world);

    assert_falls(world, LABEL_CRASH, "/data (ext4) was not frozen: another mount lies over it");
    free_world(world);
}

static void a_filesystem_partly_outside_of_the_set_is_frozen_but_lowers_to_crash(void **state)
{
    (void)state;
    struct world *world = make_world("");
    assert_true(strs_add(&trace_at(world, "/var/lib/mysql")->elsewhere, "nvme3n1 is instance store",
                         &world->err));
    make(world);

    assert_non_null(mount_at(world, "/var/lib/mysql"));
    assert_falls(world, LABEL_CRASH, "in part outside of the set: nvme3n1 is instance store");
    free_world(world);
}

static void a_filesystem_with_one_of_its_volumes_left_out_of_the_cut_lowers_to_crash(void **state)
{
    struct strs exclude = {NULL, 0};

    (void)state;
    struct world *world = make_world("");
    lies_on(world, "/var/lib/mysql", VOL_LOGS);
    assert_true(strs_add(&exclude, VOL_LOGS, &world->err));
    world->input.exclude_volumes = &exclude;
    make(world);

    assert_int_equal(world->plan->volume_count, 2);
    assert_falls(world, LABEL_CRASH, VOL_LOGS ", which is left out of the cut");
    assert_has(left_out_why(world, "/var/log/mysql"), "left out of the cut");
    strs_free(&exclude);
    free_world(world);
}

static void nothing_found_on_the_volumes_lowers_to_crash(void **state)
{
    static const char *const all[] = {"/", "/boot/efi", "/var/lib/mysql", "/var/log/mysql"};

    (void)state;
    struct world *world = make_world("");
    for (size_t i = 0; i < 4; i++)
        is_elsewhere(world, all[i], DEVICE_OTHER, "vda is not an EBS volume");
    make(world);

    assert_falls(world, LABEL_CRASH, "no mounted filesystem was found");
    free_world(world);
}

static void what_was_left_out_was_found_all_the_same(void **state)
{
    static const char *const all[] = {"/", "/boot/efi", "/var/lib/mysql", "/var/log/mysql"};

    (void)state;
    struct world *world = make_world("");
    for (size_t i = 0; i < 4; i++)
        assert_true(strs_add(&world->config.exclude_mounts, all[i], &world->err));
    make(world);

    assert_int_equal(world->plan->mount_count, 0);
    assert_int_equal(world->plan->at_most, LABEL_CRASH);
    assert_int_equal(world->plan->shortfall_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_has(world->plan->shortfalls[i].why, "exclude_mounts names it");
    free_world(world);
}

/* --- loop devices ------------------------------------------------------------------------------
 */

static void a_filesystem_in_a_file_lies_where_the_file_lies_and_freezes_first(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 7:0 / /a rw - ext4 /dev/loop0 rw\n"
                                     "31 30 7:1 / /a/b rw - xfs /dev/loop1 rw\n");
    lies_in_file(world, "/a", "/var/lib/mysql/disk.img");
    lies_in_file(world, "/a/b", "/a/inner.img");
    make(world);

    assert_string_equal(mount_at(world, "/a/b")->volumes.items[0], VOL_DATA);
    assert_order(world, "/var/log/mysql +/a/b +/boot/efi /a /var/lib/mysql /");
    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

static void a_file_elsewhere_or_gone_is_judged_by_what_is_known_of_it(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 7:0 / /nfsfile rw - ext4 /dev/loop0 rw\n"
                                     "31 20 7:1 / /gone rw - ext4 /dev/loop1 rw\n");
    lies_in_file(world, "/nfsfile", "/opt/kaltura/web/disk.img");
    lies_in_file(world, "/gone", "/srv/disk.img (deleted)");
    make(world);

    assert_has(left_out_why(world, "/nfsfile"), "a file on /opt/kaltura/web (nfs4)");
    assert_falls(world, LABEL_CRASH, "/gone (ext4) was not frozen");
    free_world(world);
}

static void images_of_snaps_are_nobodys_business(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n");
    lies_in_file(world, "/snap/core/1", "/var/lib/snapd/snaps/core_1.snap");
    make(world);

    assert_null(mount_at(world, "/snap/core/1"));
    assert_string_equal(left_out_why(world, "/snap/core/1"), "(not left out)");
    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

static void a_mapped_loop_device_still_freezes_before_the_filesystem_of_its_file(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 7:0 / /a rw - ext4 /dev/loop0 rw\n");
    lies_on(world, "/a", VOL_LOGS);
    assert_true(strs_add(&trace_at(world, "/a")->backing, "/var/lib/mysql/d.img", &world->err));
    make(world);

    assert_order(world, "/var/log/mysql +/boot/efi +/a /var/lib/mysql /");
    free_world(world);
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void without_an_attached_volume_there_is_no_backup(void **state)
{
    (void)state;
    struct world *world = make_world("");
    world->input.attached_count = 0;

    refuse(world, "no EBS volume is attached", "instance store");
    free_world(world);
}

static void a_configured_mount_must_be_there_and_on_the_set(void **state)
{
    (void)state;
    struct world *world = make_world("");
    world->config.mounts_auto = false;
    assert_true(strs_add(&world->config.mounts, "/not/there", &world->err));
    refuse(world, "nothing is mounted at /not/there", "auto");
    strs_free(&world->config.mounts);
    assert_true(strs_add(&world->config.mounts, "/opt/kaltura/web", &world->err));
    refuse(world, "/opt/kaltura/web (nfs4) is on no volume", "[devices] map");
    free_world(world);
}

static void with_discard_a_label_below_the_asked_one_refuses(void **state)
{
    (void)state;
    struct world *world = make_world("");
    assert_true(strs_add(&world->config.exclude_mounts, "/var/log/mysql", &world->err));
    world->config.on_shortfall = CONFIG_SHORTFALL_DISCARD;
    refuse(world, "/var/log/mysql (xfs) was not frozen", "--consistency crash");
    world->input.asked = LABEL_CRASH;
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_CRASH);
    free_world(world);
}

static void more_filesystems_than_the_guard_takes_are_refused(void **state)
{
    char more[3600] = "";

    (void)state;
    for (int i = 0; i < GUARD_MOUNTS_MAX - 3; i++)
        (void)snprintf(more + strlen(more), sizeof(more) - strlen(more),
                       "%d 20 8:%d / /m%d rw - xfs /dev/a rw\n", 100 + i, i, i);
    struct world *world = make_world(more);
    for (int i = 0; i < GUARD_MOUNTS_MAX - 3; i++) {
        char path[16];
        (void)snprintf(path, sizeof(path), "/m%d", i);
        lies_on(world, path, VOL_DATA);
    }

    refuse(world, "more than 64 filesystems", "[backup] mounts");
    assert_true(strs_add(&world->config.exclude_mounts, "/m0", &world->err));
    make(world);
    assert_int_equal(world->plan->mount_count, GUARD_MOUNTS_MAX);
    free_world(world);
}

static void a_volume_for_several_instances_is_warned_of(void **state)
{
    (void)state;
    struct world *world = make_world("");
    world->attached[1].multi_attach = true;
    make(world);

    assert_int_equal(world->plan->warnings.count, 1);
    assert_has(world->plan->warnings.items[0], VOL_DATA);
    free_world(world);
}

/* --- databases ---------------------------------------------------------------------------------
 */

static void folders_on_frozen_mounts_lower_nothing(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/log/mysql", 259, 3);
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    assert_int_equal(world->plan->server_count, 1);
    assert_false(world->plan->servers[0].outside);
    free_world(world);
}

static void a_folder_outside_of_the_set_lowers_to_filesystem(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/opt/kaltura/web/binlog", 0, 50);
    make(world);

    assert_falls(
        world, LABEL_FILESYSTEM,
        "mysql: the binary log directory /opt/kaltura/web/binlog is outside of the set, on "
        "/opt/kaltura/web (nfs4)");
    assert_true(world->plan->servers[0].outside);
    free_world(world);
}

static void a_folder_on_a_ram_disk_is_outside_too(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "InnoDB log directory", "/run/ib", 0, 6);
    make(world);

    assert_falls(world, LABEL_FILESYSTEM, "InnoDB log directory /run/ib is outside");
    free_world(world);
}

static void a_required_servers_folder_outside_refuses(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/opt/kaltura/web/db", 0, 50);
    world->server.required = true;

    refuse(world, "the data directory /opt/kaltura/web/db is outside", "required = no");
    world->input.asked = LABEL_FILESYSTEM;
    make(world);
    free_world(world);
}

static void a_folder_that_the_guard_cant_find_lowers_to_filesystem(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/nowhere", 0, 0);
    world->paths[0].not_found = true;
    world->paths[0].why = "no such file";
    make(world);

    assert_falls(world, LABEL_FILESYSTEM, "/nowhere can't be placed: no such file");
    free_world(world);
}

static void a_folder_on_a_mount_of_the_set_that_is_not_frozen_adds_no_second_reason(void **state)
{
    (void)state;
    struct world *world = make_world("");
    assert_true(strs_add(&world->config.exclude_mounts, "/var/lib/mysql", &world->err));
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    make(world);

    assert_falls(world, LABEL_CRASH, "exclude_mounts");
    free_world(world);
}

static void a_folder_on_vfat_is_not_held_still_enough(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/boot/efi/db", 259, 15);
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_FILESYSTEM);
    free_world(world);
}

static void a_folder_on_btrfs_is_placed_by_mount_number_or_by_path(void **state)
{
    (void)state;
    struct world *world = make_world("30 20 0:70 /@db /db rw - btrfs /dev/nvme1n1p8 rw\n");
    lies_on(world, "/db", VOL_DATA);
    add_path(world, PLAN_DATA, "data directory", "/db/mysql", 0, 71);
    world->paths[0].mnt_id = 30;
    add_path(world, PLAN_BINLOG, "binary log directory", "/db/log", 0, 71);
    make(world);

    assert_int_equal(world->plan->at_most, LABEL_APPLICATION);
    free_world(world);
}

/* --- the binary log first ----------------------------------------------------------------------
 */

static void where_commits_go_on_the_binary_logs_mount_comes_first(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/log/mysql", 259, 3);
    world->server.commits_go_on = true;
    make(world);

    assert_order(world, "/var/log/mysql /var/lib/mysql +/boot/efi /");
    assert_false(world->plan->servers[0].must_block_commits);
    free_world(world);
}

static void a_binary_log_on_the_root_must_block_commits(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/binlog", 259, 1);
    world->server.commits_go_on = true;
    make(world);

    assert_true(world->plan->servers[0].must_block_commits);
    assert_has(world->plan->servers[0].why, "/ can't be frozen before /var/lib/mysql");
    assert_order(world, "/var/lib/mysql +/var/log/mysql +/boot/efi /");
    free_world(world);
}

static void a_data_directory_mounted_below_the_binary_logs_must_block_commits(void **state)
{
    (void)state;
    struct world *world = make_world("30 25 259:8 / /var/log/mysql/data rw - ext4 /dev/x rw\n");
    lies_on(world, "/var/log/mysql/data", VOL_DATA);
    add_path(world, PLAN_DATA, "data directory", "/var/log/mysql/data", 259, 8);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/log/mysql", 259, 3);
    world->server.commits_go_on = true;
    make(world);

    assert_true(world->plan->servers[0].must_block_commits);
    free_world(world);
}

static void one_filesystem_for_both_needs_no_order(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/lib/mysql", 259, 2);
    world->server.commits_go_on = true;
    make(world);

    assert_false(world->plan->servers[0].must_block_commits);
    assert_null(world->plan->servers[0].why);
    free_world(world);
}

static void where_commits_wait_the_order_is_free(void **state)
{
    (void)state;
    struct world *world = make_world("");
    add_path(world, PLAN_DATA, "data directory", "/var/lib/mysql", 259, 2);
    add_path(world, PLAN_BINLOG, "binary log directory", "/var/binlog", 259, 1);
    make(world);

    assert_false(world->plan->servers[0].must_block_commits);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_node_freezes_its_volumes_deepest_first_and_claims_everything),
        cmocka_unit_test(
            network_mounts_are_left_out_with_the_reason_and_the_kernels_own_in_silence),
        cmocka_unit_test(the_vfat_boot_partition_is_synced_and_its_counters_are_named),
        cmocka_unit_test(a_read_only_superblock_is_still_but_a_read_only_mount_is_frozen),
        cmocka_unit_test(instance_store_and_other_disks_are_left_out_without_harm),
        cmocka_unit_test(a_device_that_cant_be_seen_through_lowers_to_crash),
        cmocka_unit_test(an_unknown_device_that_nobody_can_write_to_lowers_nothing),
        cmocka_unit_test(an_excluded_mount_on_the_set_lowers_to_crash_with_the_reason),
        cmocka_unit_test(what_one_job_leaves_out_falls_as_what_is_excluded),
        cmocka_unit_test(a_mount_to_leave_out_that_is_not_there_is_refused),
        cmocka_unit_test(excluding_by_a_bind_mount_excludes_the_filesystem),
        cmocka_unit_test(an_exclusion_that_hits_nothing_is_warned_of),
        cmocka_unit_test(a_mount_not_in_the_configured_list_lowers_to_crash),
        cmocka_unit_test(a_filesystem_that_cant_be_frozen_on_the_set_lowers_to_crash),
        cmocka_unit_test(a_hidden_mount_on_the_set_lowers_to_crash),
        cmocka_unit_test(a_filesystem_partly_outside_of_the_set_is_frozen_but_lowers_to_crash),
        cmocka_unit_test(a_filesystem_with_one_of_its_volumes_left_out_of_the_cut_lowers_to_crash),
        cmocka_unit_test(nothing_found_on_the_volumes_lowers_to_crash),
        cmocka_unit_test(what_was_left_out_was_found_all_the_same),
        cmocka_unit_test(a_filesystem_in_a_file_lies_where_the_file_lies_and_freezes_first),
        cmocka_unit_test(a_file_elsewhere_or_gone_is_judged_by_what_is_known_of_it),
        cmocka_unit_test(images_of_snaps_are_nobodys_business),
        cmocka_unit_test(a_mapped_loop_device_still_freezes_before_the_filesystem_of_its_file),
        cmocka_unit_test(without_an_attached_volume_there_is_no_backup),
        cmocka_unit_test(a_configured_mount_must_be_there_and_on_the_set),
        cmocka_unit_test(with_discard_a_label_below_the_asked_one_refuses),
        cmocka_unit_test(more_filesystems_than_the_guard_takes_are_refused),
        cmocka_unit_test(a_volume_for_several_instances_is_warned_of),
        cmocka_unit_test(folders_on_frozen_mounts_lower_nothing),
        cmocka_unit_test(a_folder_outside_of_the_set_lowers_to_filesystem),
        cmocka_unit_test(a_folder_on_a_ram_disk_is_outside_too),
        cmocka_unit_test(a_required_servers_folder_outside_refuses),
        cmocka_unit_test(a_folder_that_the_guard_cant_find_lowers_to_filesystem),
        cmocka_unit_test(a_folder_on_a_mount_of_the_set_that_is_not_frozen_adds_no_second_reason),
        cmocka_unit_test(a_folder_on_vfat_is_not_held_still_enough),
        cmocka_unit_test(a_folder_on_btrfs_is_placed_by_mount_number_or_by_path),
        cmocka_unit_test(where_commits_go_on_the_binary_logs_mount_comes_first),
        cmocka_unit_test(a_binary_log_on_the_root_must_block_commits),
        cmocka_unit_test(a_data_directory_mounted_below_the_binary_logs_must_block_commits),
        cmocka_unit_test(one_filesystem_for_both_needs_no_order),
        cmocka_unit_test(where_commits_wait_the_order_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
