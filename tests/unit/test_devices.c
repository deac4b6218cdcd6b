/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/devices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

#define VOL_ROOT "vol-0aaaaaaaaaaaaaaaa"
#define VOL_DATA "vol-0bbbbbbbbbbbbbbbb"
#define VOL_LOGS "vol-0cccccccccccccccc"

static const struct device_attached attached[] = {
    {VOL_ROOT, "/dev/sda1", 8, true, false},
    {VOL_DATA, "/dev/sdf", 20, false, false},
    {VOL_LOGS, "/dev/sdg", 30, false, false},
};

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    assert_non_null(tree);
    tree_make(tree, "sysfs");
    tree_folder(tree, "dev/block");
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

/* --- a sysfs of one's own --- */

static void write_at(const struct tree *tree, const char *folder, const char *name,
                     const char *text)
{
    char path[TREE_PATH_BYTES];

    (void)tree_print(path, "%s/%s", folder, name);
    tree_write(tree, path, text);
}

/* A block device: its folder below devices/ and the two links to it. */
static void add_device(const struct tree *tree, const char *folder, const char *number,
                       const char *name)
{
    char text[TREE_PATH_BYTES];

    (void)tree_print(text, "%s\n", number);
    write_at(tree, folder, "dev", text);
    (void)tree_print(text, "MAJOR=1\nDEVNAME=%s\nDEVTYPE=disk\n", name);
    write_at(tree, folder, "uevent", text);
    (void)tree_print(text, "dev/block/%s", number);
    tree_link(tree, text, folder);
    (void)tree_print(text, "class/block/%s", name);
    tree_link(tree, text, folder);
}

static void add_nvme(const struct tree *tree, const char *name, const char *number,
                     const char *serial, const char *model)
{
    char folder[TREE_PATH_BYTES], text[TREE_PATH_BYTES];

    (void)tree_print(folder, "devices/pci0000:00/nvme/%s", name);
    add_device(tree, folder, number, name);
    (void)tree_print(text, "%s      \n", serial);
    write_at(tree, folder, "device/serial", text);
    (void)tree_print(text, "%-40s\n", model);
    write_at(tree, folder, "device/model", text);
}

static void add_ebs(const struct tree *tree, const char *name, const char *number,
                    const char *volume)
{
    char serial[64];

    (void)snprintf(serial, sizeof(serial), "vol%s", volume + 4);
    add_nvme(tree, name, number, serial, "Amazon Elastic Block Store");
}

static void add_part(const struct tree *tree, const char *disk_folder, const char *name,
                     const char *number)
{
    char folder[TREE_PATH_BYTES];

    (void)tree_print(folder, "%s/%s", disk_folder, name);
    add_device(tree, folder, number, name);
    write_at(tree, folder, "partition", "1\n");
}

static void add_slave(const struct tree *tree, const char *upper, const char *lower_name,
                      const char *lower_folder)
{
    char path[TREE_PATH_BYTES];

    (void)tree_print(path, "%s/slaves/%s", upper, lower_name);
    tree_link(tree, path, lower_folder);
}

static void add_virtual(const struct tree *tree, const char *name, const char *number,
                        const char *mapper)
{
    char folder[TREE_PATH_BYTES];

    (void)tree_print(folder, "devices/virtual/block/%s", name);
    add_device(tree, folder, number, name);
    if (mapper != NULL)
        write_at(tree, folder, "dm/name", mapper);
}

static void add_xen(const struct tree *tree, const char *name, const char *number,
                    const char *sectors)
{
    char folder[TREE_PATH_BYTES];

    (void)tree_print(folder, "devices/vbd-%s/block/%s", name, name);
    add_device(tree, folder, number, name);
    write_at(tree, folder, "size", sectors);
}

/* --- asking it --- */

struct ask {
    const struct tree *tree;
    const struct device_map *map;
    const char *fs, *source, *super_options;
    size_t attached_count; /* 0: all */
};

static struct device_trace trace_of(const struct ask *ask, uint32_t major, uint32_t minor)
{
    char empty[] = "", path[] = "/mnt", options[] = "rw", fs[32], source[128], super[128];
    struct device_trace trace = {.kind = DEVICE_OTHER};
    struct err err = ERR_INIT;
    const struct device_query query = {
        .sysfs = ask->tree->root,
        .map = ask->map,
        .attached = attached,
        .attached_count = ask->attached_count ? ask->attached_count : 3,
    };

    (void)snprintf(fs, sizeof(fs), "%s", ask->fs ? ask->fs : "ext4");
    (void)snprintf(source, sizeof(source), "%s", ask->source ? ask->source : "/dev/x");
    (void)snprintf(super, sizeof(super), "%s", ask->super_options ? ask->super_options : "rw");
    const struct mount mount = {.major = major,
                                .minor = minor,
                                .root = empty,
                                .path = path,
                                .fs = fs,
                                .source = source,
                                .options = options,
                                .super_options = super};
    if (!devices_trace(&query, &mount, &trace, &err))
        fail_msg("%s", err.text);
    return trace;
}

static struct device_trace trace_number(const struct tree *tree, uint32_t major, uint32_t minor)
{
    const struct ask ask = {.tree = tree};

    return trace_of(&ask, major, minor);
}

/* The trace must be volumes, these and no others, in this order (NULL ends). */
static void assert_volumes(struct device_trace *trace, const char *first, const char *second)
{
    if (trace->kind != DEVICE_EBS)
        fail_msg("kind %d: %s", trace->kind, trace->why ? trace->why : "");
    assert_null(trace->why);
    assert_int_equal(trace->volumes.count, second ? 2 : 1);
    assert_string_equal(trace->volumes.items[0], first);
    if (second != NULL)
        assert_string_equal(trace->volumes.items[1], second);
    assert_int_equal(trace->elsewhere.count, 0);
    devices_trace_free(trace);
}

static void assert_kind(struct device_trace *trace, enum device_kind kind, const char *words)
{
    if (trace->kind != kind || trace->why == NULL || strstr(trace->why, words) == NULL)
        fail_msg("kind %d (not %d): %s (not %s)", trace->kind, kind, trace->why ? trace->why : "",
                 words);
    assert_int_equal(trace->volumes.count, 0);
    devices_trace_free(trace);
}

#define NVME0 "devices/pci0000:00/nvme/nvme0n1"
#define NVME1 "devices/pci0000:00/nvme/nvme1n1"
#define NVME2 "devices/pci0000:00/nvme/nvme2n1"

/* --- NVMe ------------------------------------------------------------------------------------- */

static void a_nitro_disk_is_known_by_its_serial_number(void **state)
{
    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);

    struct device_trace trace = trace_number(*state, 259, 3);

    assert_volumes(&trace, VOL_DATA, NULL);
}

static void a_partition_leads_to_its_disk_and_keeps_its_own_counters(void **state)
{
    char expected[TREE_PATH_BYTES];

    add_ebs(*state, "nvme0n1", "259:0", VOL_ROOT);
    add_part(*state, NVME0, "nvme0n1p15", "259:2");

    struct device_trace trace = trace_number(*state, 259, 2);

    assert_int_equal(trace.stats.count, 1);
    assert_string_equal(trace.stats.items[0], tree_path(*state, "dev/block/259:2/stat", expected));
    assert_volumes(&trace, VOL_ROOT, NULL);
}

static void instance_store_is_known_by_its_model(void **state)
{
    add_nvme(*state, "nvme2n1", "259:5", "AWS1234567890", "Amazon EC2 NVMe Instance Storage");

    struct device_trace trace = trace_number(*state, 259, 5);

    assert_kind(&trace, DEVICE_INSTANCE_STORE, "nvme2n1 is instance store");
}

static void a_volume_that_ec2_does_not_list_here_is_not_believed(void **state)
{
    add_ebs(*state, "nvme1n1", "259:3", "vol-0dddddddddddddddd");

    struct device_trace trace = trace_number(*state, 259, 3);

    assert_kind(&trace, DEVICE_UNKNOWN, "vol-0dddddddddddddddd, which EC2 does not list");
}

static void an_ebs_disk_with_a_strange_serial_number_is_unknown_not_left_out(void **state)
{
    add_nvme(*state, "nvme1n1", "259:3", "volume-7", "Amazon Elastic Block Store");

    struct device_trace trace = trace_number(*state, 259, 3);

    assert_kind(&trace, DEVICE_UNKNOWN, "volume-7");
}

static void another_makers_nvme_disk_is_no_volume(void **state)
{
    add_nvme(*state, "nvme1n1", "259:3", "S3X1NX0", "Samsung SSD");

    struct device_trace trace = trace_number(*state, 259, 3);

    assert_kind(&trace, DEVICE_OTHER, "nvme1n1 is not an EBS volume");
}

/* --- layers ------------------------------------------------------------------------------------
 */

static void lvm_on_two_partitions_leads_to_both_volumes(void **state)
{
    add_ebs(*state, "nvme1n1", "259:3", VOL_LOGS);
    add_ebs(*state, "nvme2n1", "259:5", VOL_DATA);
    add_part(*state, NVME1, "nvme1n1p1", "259:4");
    add_part(*state, NVME2, "nvme2n1p1", "259:6");
    add_virtual(*state, "dm-0", "253:0", "vg-data\n");
    add_slave(*state, "devices/virtual/block/dm-0", "nvme1n1p1", NVME1 "/nvme1n1p1");
    add_slave(*state, "devices/virtual/block/dm-0", "nvme2n1p1", NVME2 "/nvme2n1p1");

    struct device_trace trace = trace_number(*state, 253, 0);

    assert_volumes(&trace, VOL_DATA, VOL_LOGS);
}

static void dm_crypt_on_md_leads_through_both(void **state)
{
    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);
    add_ebs(*state, "nvme2n1", "259:5", VOL_LOGS);
    add_virtual(*state, "md127", "9:127", NULL);
    add_slave(*state, "devices/virtual/block/md127", "nvme1n1", NVME1);
    add_slave(*state, "devices/virtual/block/md127", "nvme2n1", NVME2);
    add_virtual(*state, "dm-1", "253:1", "luks-data\n");
    add_slave(*state, "devices/virtual/block/dm-1", "md127", "devices/virtual/block/md127");

    struct device_trace trace = trace_number(*state, 253, 1);

    assert_volumes(&trace, VOL_DATA, VOL_LOGS);
}

static void a_filesystem_partly_on_instance_store_says_what_is_elsewhere(void **state)
{
    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);
    add_nvme(*state, "nvme2n1", "259:5", "AWS1", "Amazon EC2 NVMe Instance Storage");
    add_virtual(*state, "dm-0", "253:0", "vg-cache\n");
    add_slave(*state, "devices/virtual/block/dm-0", "nvme1n1", NVME1);
    add_slave(*state, "devices/virtual/block/dm-0", "nvme2n1", NVME2);

    struct device_trace trace = trace_number(*state, 253, 0);

    assert_int_equal(trace.kind, DEVICE_EBS);
    assert_int_equal(trace.volumes.count, 1);
    assert_int_equal(trace.elsewhere.count, 1);
    assert_string_equal(trace.elsewhere.items[0], "nvme2n1 is instance store");
    devices_trace_free(&trace);
}

static void a_mapping_without_anything_below_is_unknown(void **state)
{
    add_virtual(*state, "dm-9", "253:9", "thin\n");
    add_virtual(*state, "drbd0", "147:0", NULL);

    struct device_trace trace = trace_number(*state, 253, 9);

    assert_kind(&trace, DEVICE_UNKNOWN, "dm-9 can't be seen");
    trace = trace_number(*state, 147, 0);
    assert_kind(&trace, DEVICE_UNKNOWN, "drbd0");
}

static void layers_in_a_circle_end(void **state)
{
    add_virtual(*state, "dm-0", "253:0", "a\n");
    add_virtual(*state, "dm-1", "253:1", "b\n");
    add_slave(*state, "devices/virtual/block/dm-0", "dm-1", "devices/virtual/block/dm-1");
    add_slave(*state, "devices/virtual/block/dm-1", "dm-0", "devices/virtual/block/dm-0");

    struct device_trace trace = trace_number(*state, 253, 0);

    assert_kind(&trace, DEVICE_UNKNOWN, "too many layers");
}

static void a_device_that_sysfs_does_not_have_is_unknown(void **state)
{
    struct device_trace trace = trace_number(*state, 8, 77);

    assert_kind(&trace, DEVICE_UNKNOWN, "no block device 8:77");
}

static void network_and_memory_disks_are_certainly_elsewhere(void **state)
{
    add_virtual(*state, "nbd0", "43:0", NULL);
    add_virtual(*state, "zram0", "252:0", NULL);
    add_virtual(*state, "sdb", "8:16", NULL);

    struct device_trace trace = trace_number(*state, 43, 0);

    assert_kind(&trace, DEVICE_OTHER, "nbd0");
    trace = trace_number(*state, 252, 0);
    assert_kind(&trace, DEVICE_OTHER, "zram0");
    /* /dev/sdf is EC2's name, but a SCSI disk (iSCSI) of that name is none of its volumes. */
    add_virtual(*state, "sdf", "8:80", NULL);
    trace = trace_number(*state, 8, 80);
    assert_kind(&trace, DEVICE_OTHER, "sdf is not an EBS volume");
}

/* --- loop devices ------------------------------------------------------------------------------
 */

static void a_loop_device_tells_its_file(void **state)
{
    add_virtual(*state, "loop3", "7:3", NULL);
    write_at(*state, "devices/virtual/block/loop3", "loop/backing_file", "/srv/disk one.img\n");

    struct device_trace trace = trace_number(*state, 7, 3);

    assert_int_equal(trace.backing.count, 1);
    assert_string_equal(trace.backing.items[0], "/srv/disk one.img");
    assert_int_equal(trace.unmapped_backing.count, 1);
    assert_kind(&trace, DEVICE_LOOP, "loop");
}

static void a_partition_of_a_loop_device_tells_its_file_too(void **state)
{
    add_virtual(*state, "loop3", "7:3", NULL);
    write_at(*state, "devices/virtual/block/loop3", "loop/backing_file", "/srv/disk.img\n");
    add_part(*state, "devices/virtual/block/loop3", "loop3p1", "259:77");

    struct device_trace trace = trace_number(*state, 259, 77);

    assert_string_equal(trace.backing.items[0], "/srv/disk.img");
    assert_kind(&trace, DEVICE_LOOP, "loop");
}

/* --- the map -----------------------------------------------------------------------------------
 */

static void the_map_overrides_by_name_number_or_mapper_name_and_keeps_the_file(void **state)
{
    char loop[] = "/dev/loop3", number[] = "253:0", mapper[] = "/dev/mapper/vg-x";
    char data[] = VOL_DATA, logs[] = VOL_LOGS, root[] = VOL_ROOT;
    struct device_map_entry entries[] = {{loop, data}, {number, logs}, {mapper, root}};
    const struct device_map map = {entries, 3};
    const struct ask ask = {.tree = *state, .map = &map};

    add_virtual(*state, "loop3", "7:3", NULL);
    write_at(*state, "devices/virtual/block/loop3", "loop/backing_file", "/srv/disk.img\n");
    add_virtual(*state, "dm-0", "253:0", "vg-a\n");
    add_virtual(*state, "dm-1", "253:1", "vg-x\n");

    struct device_trace trace = trace_of(&ask, 7, 3);

    assert_int_equal(trace.backing.count, 1);
    assert_int_equal(trace.unmapped_backing.count, 0);
    assert_volumes(&trace, VOL_DATA, NULL);
    trace = trace_of(&ask, 253, 0);
    assert_volumes(&trace, VOL_LOGS, NULL);
    trace = trace_of(&ask, 253, 1);
    assert_volumes(&trace, VOL_ROOT, NULL);
}

static void the_map_is_checked_against_what_is_attached(void **state)
{
    char loop[] = "/dev/loop3", gone[] = "vol-0eeeeeeeeeeeeeeee";
    struct device_map_entry entries[] = {{loop, gone}};
    const struct device_map map = {entries, 1};
    const struct ask ask = {.tree = *state, .map = &map};

    add_virtual(*state, "loop3", "7:3", NULL);

    struct device_trace trace = trace_of(&ask, 7, 3);

    assert_kind(&trace, DEVICE_UNKNOWN, "vol-0eeeeeeeeeeeeeeee");
}

static void a_map_file_is_read_strictly(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"/dev/loop1\": \"vol-1\"}",
        "{\"/dev/loop1\": 7}",
        "{\"loop1\": \"" VOL_DATA "\"}",
        "{\"7:x\": \"" VOL_DATA "\"}",
        "{\"/dev/loop1\": \"" VOL_DATA "\", \"/dev/loop1\": \"" VOL_LOGS "\"}",
        "{\"/dev/loop1\": \"" VOL_DATA "\"} x",
        "",
    };
    char path[TREE_PATH_BYTES];
    struct device_map map = {NULL, 0};
    struct err err = ERR_INIT;

    (void)tree_path(*state, "map.json", path);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tree_write(*state, "map.json", bad[i]);
        if (devices_map_load(path, &map, &err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_non_null(strstr(err.text, "map.json"));
    }
    tree_write(*state, "map.json",
               "{\"/dev/loop1\": \"" VOL_DATA "\", \"7:2\": \"vol-12345678\"}\n");
    assert_true(devices_map_load(path, &map, &err));
    assert_int_equal(map.count, 2);
    assert_string_equal(map.items[0].device, "/dev/loop1");
    assert_string_equal(map.items[1].volume_id, "vol-12345678");
    devices_map_free(&map);
    assert_true(devices_map_load("", &map, &err));
    assert_int_equal(map.count, 0);
    assert_false(devices_map_load("/nonexistent/map.json", &map, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(chmod(path, 0646), 0); /* who writes it decides what is backed up */
    assert_false(devices_map_load(path, &map, &err));
    assert_non_null(strstr(err.remedy, "chmod go-w"));
}

/* --- Xen ---------------------------------------------------------------------------------------
 */

enum { GIB_SECTORS = 1 << 21 };

static void add_xen_gib(const struct tree *tree, const char *name, const char *number, int gib)
{
    char sectors[32];

    (void)snprintf(sectors, sizeof(sectors), "%d\n", gib * GIB_SECTORS);
    add_xen(tree, name, number, sectors);
}

static void xen_disks_are_known_by_name(void **state)
{
    add_xen_gib(*state, "xvda", "202:0", 8);
    add_part(*state, "devices/vbd-xvda/block/xvda", "xvda1", "202:1");
    add_xen_gib(*state, "xvdf", "202:80", 20);
    add_xen_gib(*state, "xvdg", "202:96", 30);

    struct device_trace trace = trace_number(*state, 202, 1);

    assert_volumes(&trace, VOL_ROOT, NULL);
    trace = trace_number(*state, 202, 80);
    assert_volumes(&trace, VOL_DATA, NULL);
}

static void a_paravirtual_root_disk_has_a_number_but_no_partition(void **state)
{
    add_xen_gib(*state, "xvda1", "202:1", 8);
    add_xen_gib(*state, "xvda2", "202:2", 4);
    add_xen_gib(*state, "xvdf", "202:80", 20);
    add_xen_gib(*state, "xvdg", "202:96", 30);

    struct device_trace trace = trace_number(*state, 202, 1);

    assert_volumes(&trace, VOL_ROOT, NULL);
    trace = trace_number(*state, 202, 2);
    assert_kind(&trace, DEVICE_INSTANCE_STORE, "xvda2");
}

static void letters_shifted_by_four_are_undone_where_all_disks_are(void **state)
{
    add_xen_gib(*state, "xvde", "202:64", 8);
    add_xen_gib(*state, "xvdj", "202:144", 20);
    add_xen_gib(*state, "xvdk", "202:160", 30);

    struct device_trace trace = trace_number(*state, 202, 144);

    assert_volumes(&trace, VOL_DATA, NULL);
    trace = trace_number(*state, 202, 64);
    assert_volumes(&trace, VOL_ROOT, NULL);
}

static void a_xen_disk_of_another_size_is_not_believed(void **state)
{
    add_xen_gib(*state, "xvda", "202:0", 8);
    add_xen_gib(*state, "xvdf", "202:80", 21);
    add_xen_gib(*state, "xvdg", "202:96", 30);

    struct device_trace trace = trace_number(*state, 202, 80);

    assert_kind(&trace, DEVICE_UNKNOWN, "another size than " VOL_DATA);
}

static void what_is_left_over_is_instance_store_only_once_every_volume_is_placed(void **state)
{
    add_xen_gib(*state, "xvda", "202:0", 8);
    add_xen_gib(*state, "xvdb", "202:16", 40);
    add_xen_gib(*state, "xvdf", "202:80", 20);

    struct device_trace trace = trace_number(*state, 202, 16); /* sdg has no disk: is it xvdb? */

    assert_kind(&trace, DEVICE_UNKNOWN, "named like no attached volume");
    add_xen_gib(*state, "xvdg", "202:96", 30);
    trace = trace_number(*state, 202, 16);
    assert_kind(&trace, DEVICE_INSTANCE_STORE, "xvdb");
}

/* --- btrfs and kin -----------------------------------------------------------------------------
 */

#define UUID_A "1f2a0c2e-0000-4000-8000-00000000000a"
#define UUID_B "1f2a0c2e-0000-4000-8000-00000000000b"

static void add_member(const struct tree *tree, const char *uuid, const char *name,
                       const char *folder)
{
    char path[TREE_PATH_BYTES];

    (void)tree_print(path, "fs/btrfs/%s/devices/%s", uuid, name);
    tree_link(tree, path, folder);
}

static void btrfs_leads_to_all_its_members(void **state)
{
    const struct ask ask = {.tree = *state, .fs = "btrfs", .source = "/dev/nvme2n1"};

    add_ebs(*state, "nvme0n1", "259:0", VOL_ROOT);
    add_ebs(*state, "nvme1n1", "259:3", VOL_LOGS);
    add_ebs(*state, "nvme2n1", "259:5", VOL_DATA);
    tree_folder(*state, "fs/btrfs/features");
    add_member(*state, UUID_A, "nvme0n1", NVME0);
    add_member(*state, UUID_B, "nvme1n1", NVME1);
    add_member(*state, UUID_B, "nvme2n1", NVME2);

    struct device_trace trace = trace_of(&ask, 0, 44);

    assert_int_equal(trace.stats.count, 2);
    assert_volumes(&trace, VOL_DATA, VOL_LOGS);
}

static void btrfs_is_found_by_mapper_name_by_uuid_and_alone_by_any(void **state)
{
    struct ask ask = {.tree = *state, .fs = "btrfs", .source = "/dev/mapper/vg-pool"};

    add_ebs(*state, "nvme0n1", "259:0", VOL_ROOT);
    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);
    add_virtual(*state, "dm-0", "253:0", "vg-pool\n");
    add_slave(*state, "devices/virtual/block/dm-0", "nvme1n1", NVME1);
    add_member(*state, UUID_B, "dm-0", "devices/virtual/block/dm-0");
    add_member(*state, UUID_A, "nvme0n1", NVME0);

    struct device_trace trace = trace_of(&ask, 0, 44);

    assert_volumes(&trace, VOL_DATA, NULL);
    ask.source = "/dev/disk/by-uuid/" UUID_A;
    trace = trace_of(&ask, 0, 44);
    assert_volumes(&trace, VOL_ROOT, NULL);
    ask.source = "/dev/root";
    trace = trace_of(&ask, 0, 44);
    assert_kind(&trace, DEVICE_UNKNOWN, "/dev/root");
}

static void a_single_btrfs_needs_no_name(void **state)
{
    const struct ask ask = {.tree = *state, .fs = "btrfs", .source = "/dev/root"};

    add_ebs(*state, "nvme0n1", "259:0", VOL_ROOT);
    add_member(*state, UUID_A, "nvme0n1", NVME0);

    struct device_trace trace = trace_of(&ask, 0, 44);

    assert_volumes(&trace, VOL_ROOT, NULL);
}

static void zfs_is_unknown_and_bcachefs_names_its_members(void **state)
{
    struct ask ask = {.tree = *state, .fs = "zfs", .source = "tank/data"};

    add_ebs(*state, "nvme1n1", "259:3", VOL_LOGS);
    add_ebs(*state, "nvme2n1", "259:5", VOL_DATA);

    struct device_trace trace = trace_of(&ask, 0, 44);

    assert_kind(&trace, DEVICE_UNKNOWN, "tank/data");
    ask.fs = "bcachefs";
    ask.source = "/dev/nvme1n1:/dev/nvme2n1";
    trace = trace_of(&ask, 0, 44);
    assert_volumes(&trace, VOL_DATA, VOL_LOGS);
}

static void a_log_device_of_its_own_counts(void **state)
{
    struct ask ask = {
        .tree = *state, .fs = "xfs", .super_options = "rw,attr2,logdev=/dev/nvme2n1,noquota"};

    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);
    add_ebs(*state, "nvme2n1", "259:5", VOL_LOGS);

    struct device_trace trace = trace_of(&ask, 259, 3);

    assert_volumes(&trace, VOL_DATA, VOL_LOGS);
    ask.super_options = "rw,logdev=/dev/nvme9n1";
    trace = trace_of(&ask, 259, 3);
    assert_int_equal(trace.kind, DEVICE_EBS);
    assert_int_equal(trace.elsewhere.count, 1);
    assert_non_null(strstr(trace.elsewhere.items[0], "nvme9n1"));
    devices_trace_free(&trace);
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static void only_block_filesystems_of_a_list_are_traced(void **state)
{
    static const char text[] = "1 0 259:3 / / rw - ext4 /dev/nvme1n1 rw\n"
                               "2 1 0:5 / /proc rw - proc proc rw\n";
    struct mounts mounts = {NULL, 0};
    struct mount_list list = {NULL, 0};
    struct device_trace *traces = NULL;
    struct err err = ERR_INIT;
    const struct device_query query = {((struct tree *)*state)->root, NULL, attached, 3};

    add_ebs(*state, "nvme1n1", "259:3", VOL_DATA);
    assert_true(mounts_parse(text, strlen(text), &mounts, &err));
    assert_true(mounts_fold(&mounts, &list, &err));
    assert_true(devices_trace_all(&query, &list, &traces, &err));

    assert_int_equal(traces[0].kind, DEVICE_EBS);
    assert_int_equal(traces[1].kind, DEVICE_OTHER);
    assert_null(traces[1].why);
    devices_traces_free(traces, list.count);
    mounts_list_free(&list);
    mounts_free(&mounts);
}

static void a_sysfs_that_is_not_there_is_an_error(void **state)
{
    char text[] = "";
    const struct mount mount = {.major = 8, .path = text, .fs = text, .super_options = text};
    const struct device_query query = {"/nonexistent/sys", NULL, attached, 3};
    struct device_trace trace = {.kind = DEVICE_OTHER};
    struct err err = ERR_INIT;

    (void)state;
    assert_false(devices_trace(&query, &mount, &trace, &err));
    assert_int_equal(err.kind, ERR_SYS);
}

static void the_counters_move_with_writes_in_flight_and_done_and_with_discards(void **state)
{
    uint64_t before = 0, after = 0;

    (void)state;
    assert_true(
        devices_stat_writes("  10 0 80 4   7 1 56 9   0 12 13   2 0 16 0   0 0\n", &before));
    assert_int_equal(before, 9);
    assert_true(devices_stat_writes("  99 0 80 4   7 1 56 9   0 12 13   2 0 16 0   0 0\n", &after));
    assert_int_equal(after, before); /* reads don't count */
    assert_true(devices_stat_writes("  10 0 80 4   7 1 56 9   1 12 13   2 0 16 0   0 0\n", &after));
    assert_int_not_equal(after, before);
    assert_true(devices_stat_writes("10 0 80 4 8 1 56 9 0 12 13\n", &after)); /* before 4.18 */
    assert_int_equal(after, 8);
    assert_false(devices_stat_writes("10 0 80 4 8 1 56 9 0 12\n", &after));
    assert_false(devices_stat_writes("", &after));
    assert_false(devices_stat_writes("10 0 80 4 -8 1 56 9 0 12 13\n", &after));
}

static void volume_ids_are_told_from_other_words(void **state)
{
    (void)state;
    assert_true(devices_is_volume_id("vol-0123456789abcdef0"));
    assert_true(devices_is_volume_id("vol-12345678"));
    assert_false(devices_is_volume_id("vol-1234567"));
    assert_false(devices_is_volume_id("vol-0123456789abcdef01"));
    assert_false(devices_is_volume_id("vol-0123456789abcdeg0"));
    assert_false(devices_is_volume_id("snap-0123456789abcdef0"));
    assert_false(devices_is_volume_id(""));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_nitro_disk_is_known_by_its_serial_number),
        T(a_partition_leads_to_its_disk_and_keeps_its_own_counters),
        T(instance_store_is_known_by_its_model),
        T(a_volume_that_ec2_does_not_list_here_is_not_believed),
        T(an_ebs_disk_with_a_strange_serial_number_is_unknown_not_left_out),
        T(another_makers_nvme_disk_is_no_volume),
        T(lvm_on_two_partitions_leads_to_both_volumes),
        T(dm_crypt_on_md_leads_through_both),
        T(a_filesystem_partly_on_instance_store_says_what_is_elsewhere),
        T(a_mapping_without_anything_below_is_unknown),
        T(layers_in_a_circle_end),
        T(a_device_that_sysfs_does_not_have_is_unknown),
        T(network_and_memory_disks_are_certainly_elsewhere),
        T(a_loop_device_tells_its_file),
        T(a_partition_of_a_loop_device_tells_its_file_too),
        T(the_map_overrides_by_name_number_or_mapper_name_and_keeps_the_file),
        T(the_map_is_checked_against_what_is_attached),
        T(a_map_file_is_read_strictly),
        T(xen_disks_are_known_by_name),
        T(a_paravirtual_root_disk_has_a_number_but_no_partition),
        T(letters_shifted_by_four_are_undone_where_all_disks_are),
        T(a_xen_disk_of_another_size_is_not_believed),
        T(what_is_left_over_is_instance_store_only_once_every_volume_is_placed),
        T(btrfs_leads_to_all_its_members),
        T(btrfs_is_found_by_mapper_name_by_uuid_and_alone_by_any),
        T(a_single_btrfs_needs_no_name),
        T(zfs_is_unknown_and_bcachefs_names_its_members),
        T(a_log_device_of_its_own_counts),
        T(only_block_filesystems_of_a_list_are_traced),
        T(a_sysfs_that_is_not_there_is_an_error),
        T(the_counters_move_with_writes_in_flight_and_done_and_with_discards),
        T(volume_ids_are_told_from_other_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
