/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/mounts_fold.h"
#include "agent/daemon/mounts_order.h"

#define ROOT "20 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"

struct table {
    struct mounts mounts;
    struct mount_list list;
};

static struct table read_table(const char *text)
{
    struct table table = {{NULL, 0}, {NULL, 0}};
    struct err err = ERR_INIT;

    if (!mounts_parse(text, strlen(text), &table.mounts, &err) ||
        !mounts_fold(&table.mounts, &table.list, &err))
        fail_msg("%s", err.text);
    return table;
}

static void free_table(struct table *table)
{
    mounts_list_free(&table->list);
    mounts_free(&table->mounts);
}

static const struct mount_pick *pick_at(const struct table *table, const char *path)
{
    for (size_t i = 0; i < table->list.count; i++) {
        if (strcmp(table->list.items[i].mount->path, path) == 0)
            return &table->list.items[i];
    }
    return NULL;
}

static const struct mount *mount_by_id(const struct table *table, uint64_t id)
{
    for (size_t i = 0; i < table->mounts.count; i++) {
        if (table->mounts.items[i].id == id)
            return &table->mounts.items[i];
    }
    return NULL;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void every_field_of_a_line_is_read(void **state)
{
    (void)state;
    struct table table = read_table("36 35 98:7 /mnt1 /mnt/2 ro,noatime master:1 shared:2 - ext3 "
                                    "/dev/root rw,errors=continue\n");
    const struct mount *mount = &table.mounts.items[0];

    assert_int_equal(table.mounts.count, 1);
    assert_int_equal(mount->id, 36);
    assert_int_equal(mount->parent_id, 35);
    assert_int_equal(mount->major, 98);
    assert_int_equal(mount->minor, 7);
    assert_string_equal(mount->root, "/mnt1");
    assert_string_equal(mount->path, "/mnt/2");
    assert_string_equal(mount->fs, "ext3");
    assert_string_equal(mount->source, "/dev/root");
    assert_string_equal(mount->options, "ro,noatime");
    assert_string_equal(mount->super_options, "rw,errors=continue");
    assert_true(mount->read_only);
    assert_false(mount->super_read_only);
    free_table(&table);
}

static void octal_escapes_become_the_characters_that_they_stand_for(void **state)
{
    (void)state;
    struct table table = read_table("1 0 8:1 / /a\\040b\\011c\\012d\\134e\\043f rw - ext4 "
                                    "/dev/x\\040y rw\n"
                                    "2 1 8:2 / /plain\\9\\04x rw - ext4 /dev/z rw\n");

    assert_string_equal(table.mounts.items[0].path, "/a b\tc\nd\\e#f");
    assert_string_equal(table.mounts.items[0].source, "/dev/x y");
    assert_string_equal(table.mounts.items[1].path, "/plain\\9\\04x");
    free_table(&table);
}

static void an_empty_source_and_missing_tags_are_fine(void **state)
{
    (void)state;
    struct table table = read_table("1 0 0:30 / /run rw - tmpfs  rw,size=64k\n"
                                    "2 1 0:31 / /x rw - tmpfs none ro");

    assert_string_equal(table.mounts.items[0].source, "");
    assert_string_equal(table.mounts.items[0].super_options, "rw,size=64k");
    assert_true(table.mounts.items[1].super_read_only);
    free_table(&table);
}

static void an_option_that_only_begins_with_ro_is_not_read_only(void **state)
{
    (void)state;
    struct table table =
        read_table("1 0 8:1 / / rw,rootcontext=x - ext4 /dev/x errors=remount-ro\n");

    assert_false(table.mounts.items[0].read_only);
    assert_false(table.mounts.items[0].super_read_only);
    free_table(&table);
}

static void lines_that_are_not_mountinfo_are_refused_with_their_number(void **state)
{
    static const char *const bad[] = {
        "1 0 8:1 / / rw - ext4 /dev/x",
        "1 0 8:1 / / rw ext4 /dev/x rw",
        "x 0 8:1 / / rw - ext4 /dev/x rw",
        "1 -1 8:1 / / rw - ext4 /dev/x rw",
        "1 0 8 / / rw - ext4 /dev/x rw",
        "1 0 8:x / / rw - ext4 /dev/x rw",
        "1 0 8:4294967296 / / rw - a b rw",
        "1 0 8:1 / relative rw - ext4 /dev/x rw",
        "1 0 8:1 / / rw -  /dev/x rw",
        "1 0 8:1  / rw - ext4 /dev/x rw",
        "99999999999999999999 0 8:1 / / rw - ext4 /dev/x rw",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mounts mounts = {NULL, 0};
        struct err err = ERR_INIT;
        char text[200];

        (void)snprintf(text, sizeof(text), ROOT "%s\n", bad[i]);
        if (mounts_parse(text, strlen(text), &mounts, &err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_non_null(strstr(err.text, "line 2"));
        assert_null(mounts.items);
    }
}

static void a_zero_byte_is_refused_and_nothing_is_an_empty_table(void **state)
{
    struct mounts mounts = {NULL, 0};
    struct err err = ERR_INIT;

    (void)state;
    assert_false(mounts_parse("1 0\0", 4, &mounts, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_true(mounts_parse("", 0, &mounts, &err));
    assert_int_equal(mounts.count, 0);
    mounts_free(&mounts);
}

/* --- what hides what ---------------------------------------------------------------------------
 */

static void a_mount_below_a_later_one_is_hidden(void **state)
{
    (void)state;
    /* /data was mounted, then another one over it; and /srv/a went out of sight under /srv. */
    struct table table = read_table(ROOT "21 20 8:1 / /data rw - ext4 /dev/sda1 rw\n"
                                         "22 21 8:2 / /data rw - ext4 /dev/sda2 rw\n"
                                         "23 20 8:3 / /srv/a rw - ext4 /dev/sda3 rw\n"
                                         "24 20 8:4 / /srv rw - ext4 /dev/sda4 rw\n"
                                         "25 24 8:5 / /srv/b rw - ext4 /dev/sda5 rw\n");

    assert_true(mount_by_id(&table, 21)->hidden);
    assert_false(mount_by_id(&table, 22)->hidden);
    assert_true(mount_by_id(&table, 23)->hidden);
    assert_false(mount_by_id(&table, 24)->hidden);
    assert_false(mount_by_id(&table, 25)->hidden);
    assert_false(mount_by_id(&table, 20)->hidden);
    free_table(&table);
}

static void what_is_mounted_on_a_hidden_mount_is_hidden_too(void **state)
{
    (void)state;
    struct table table = read_table(ROOT "21 20 8:1 / /a rw - ext4 /dev/sda1 rw\n"
                                         "22 21 8:2 / /a/b rw - ext4 /dev/sda2 rw\n"
                                         "23 21 8:3 / /a rw - ext4 /dev/sda3 rw\n");

    assert_true(mount_by_id(&table, 21)->hidden);
    assert_true(mount_by_id(&table, 22)->hidden);
    assert_false(mount_by_id(&table, 23)->hidden);
    free_table(&table);
}

static void a_name_that_only_begins_alike_hides_nothing(void **state)
{
    (void)state;
    struct table table = read_table(ROOT "21 20 8:1 / /a rw - ext4 /dev/sda1 rw\n"
                                         "22 20 8:2 / /ab rw - ext4 /dev/sda2 rw\n"
                                         "23 20 8:3 / /ab/c rw - ext4 /dev/sda3 rw\n");

    assert_false(mount_by_id(&table, 22)->hidden);
    assert_true(mount_by_id(&table, 23)->hidden);
    free_table(&table);
}

static void parents_in_a_circle_are_hidden_and_end(void **state)
{
    (void)state;
    struct table table = read_table("1 2 8:1 / /a rw - ext4 /dev/x rw\n"
                                    "2 1 8:2 / /b rw - ext4 /dev/y rw\n"
                                    "3 3 8:3 / / rw - ext4 /dev/z rw\n");

    assert_true(mount_by_id(&table, 1)->hidden);
    assert_false(mount_by_id(&table, 3)->hidden);
    free_table(&table);
    table = read_table("1 0 8:1 / /long/parent rw - ext4 /dev/x rw\n"
                       "2 1 8:2 / /b rw - ext4 /dev/y rw\n"); /* not below its parent */
    assert_false(mount_by_id(&table, 2)->hidden);
    free_table(&table);
}

/* --- one entry a superblock --------------------------------------------------------------------
 */

static void bind_mounts_and_containers_views_fold_into_one_entry(void **state)
{
    (void)state;
    struct table table =
        read_table(ROOT "21 20 259:2 / /srv/data rw - xfs /dev/nvme1n1 rw\n"
                        "22 20 259:2 /kaltura /opt/k rw - xfs /dev/nvme1n1 rw\n"
                        "23 20 259:2 / /ro ro - xfs /dev/nvme1n1 rw\n"
                        "24 20 259:1 /etc/hosts /var/lib/docker/containers/1/hosts rw - ext4 "
                        "/dev/nvme0n1p1 rw\n");
    const struct mount_pick *data = pick_at(&table, "/srv/data");

    assert_int_equal(table.list.count, 2);
    assert_non_null(data);
    assert_int_equal(data->mount_count, 3);
    assert_int_equal(pick_at(&table, "/")->mount_count, 2);
    free_table(&table);
}

static void the_best_way_in_is_seen_whole_writable_and_short(void **state)
{
    (void)state;
    struct table table = read_table(ROOT "21 20 8:1 / /hid rw - ext4 /dev/a rw\n"
                                         "22 21 8:9 / /hid rw - ext4 /dev/z rw\n"
                                         "23 20 8:1 /sub /s rw - ext4 /dev/a rw\n"
                                         "24 20 8:1 / /r ro - ext4 /dev/a rw\n"
                                         "25 20 8:1 / /long/way rw - ext4 /dev/a rw\n"
                                         "26 20 8:1 / /short rw - ext4 /dev/a rw\n");

    assert_non_null(pick_at(&table, "/short"));
    assert_int_equal(pick_at(&table, "/short")->mount_count, 5);
    free_table(&table);
}

static void filesystems_are_told_apart_by_what_holds_them(void **state)
{
    static const struct {
        const char *path;
        enum mount_class class;
        enum mount_freeze freeze;
    } expected[] = {
        {"/", MOUNT_BLOCK, MOUNT_FREEZE_YES},
        {"/proc", MOUNT_MEMORY, MOUNT_FREEZE_NO},
        {"/run", MOUNT_MEMORY, MOUNT_FREEZE_NO},
        {"/nfs", MOUNT_NETWORK, MOUNT_FREEZE_NO},
        {"/s3", MOUNT_NETWORK, MOUNT_FREEZE_NO},
        {"/merged", MOUNT_STACKED, MOUNT_FREEZE_NO},
        {"/fuse", MOUNT_STACKED, MOUNT_FREEZE_NO},
        {"/auto", MOUNT_AUTOFS, MOUNT_FREEZE_NO},
        {"/boot/efi", MOUNT_BLOCK, MOUNT_FREEZE_SYNC},
        {"/btrfs", MOUNT_BLOCK, MOUNT_FREEZE_YES},
        {"/zfs", MOUNT_BLOCK, MOUNT_FREEZE_NO},
        {"/snap/core/1", MOUNT_BLOCK, MOUNT_FREEZE_NO},
        {"/ntfs", MOUNT_BLOCK, MOUNT_FREEZE_NO},
    };

    (void)state;
    struct table table =
        read_table(ROOT "21 20 0:5 / /proc rw - proc proc rw\n"
                        "22 20 0:6 / /run rw - tmpfs tmpfs rw\n"
                        "23 20 0:50 / /nfs rw - nfs4 host:/export rw\n"
                        "24 20 0:51 / /s3 rw - fuse.s3fs s3fs rw\n"
                        "25 20 0:52 / /merged rw - overlay overlay rw,lowerdir=/a\n"
                        "26 20 0:53 / /fuse rw - fuse.lxcfs lxcfs rw\n"
                        "27 20 0:54 / /auto rw - autofs /etc/auto.misc rw\n"
                        "28 20 259:15 / /boot/efi rw - vfat /dev/nvme0n1p15 rw\n"
                        "29 20 0:55 /@ /btrfs rw - btrfs /dev/nvme2n1 rw\n"
                        "30 20 0:56 / /zfs rw - zfs tank rw\n"
                        "31 20 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n"
                        "32 20 259:9 / /ntfs rw - fuseblk /dev/nvme3n1 rw\n");

    assert_int_equal(table.list.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < table.list.count; i++) {
        assert_string_equal(table.list.items[i].mount->path, expected[i].path);
        assert_int_equal(table.list.items[i].class, expected[i].class);
        assert_int_equal(table.list.items[i].freeze, expected[i].freeze);
    }
    free_table(&table);
}

static void a_mount_is_found_by_its_number_first_then_by_its_device(void **state)
{
    (void)state;
    struct table table = read_table(ROOT "21 20 0:40 /@data /data rw - btrfs /dev/nvme1n1 rw\n");

    /* A btrfs file's st_dev is a number of its own, the mount's id leads to the right entry. */
    assert_ptr_equal(mounts_find(&table.mounts, &table.list, 21, 0, 77), pick_at(&table, "/data"));
    assert_ptr_equal(mounts_find(&table.mounts, &table.list, 0, 259, 1), pick_at(&table, "/"));
    assert_ptr_equal(mounts_find(&table.mounts, &table.list, 999, 259, 1), pick_at(&table, "/"));
    assert_null(mounts_find(&table.mounts, &table.list, 0, 0, 77));
    free_table(&table);
}

static void a_path_lies_on_the_nearest_mount_that_can_be_seen(void **state)
{
    (void)state;
    struct table table = read_table(ROOT "21 20 8:1 / /a rw - ext4 /dev/a rw\n"
                                         "22 20 8:2 / /a/b/c rw - ext4 /dev/b rw\n");

    assert_string_equal(mounts_holding(&table.mounts, &table.list, "/a/b/x")->mount->path, "/a");
    assert_string_equal(mounts_holding(&table.mounts, &table.list, "/a")->mount->path, "/a");
    assert_string_equal(mounts_holding(&table.mounts, &table.list, "/ab")->mount->path, "/");
    /* 22 is mounted on the root's folder /a/b/c, which 21 covers. */
    assert_string_equal(mounts_holding(&table.mounts, &table.list, "/a/b/c/d")->mount->path, "/a");
    free_table(&table);
}

/* --- the order ---------------------------------------------------------------------------------
 */

/* Orders the mounts of a table and gives their paths, joined by blanks. */
static const char *ordered(const struct table *table, struct mount_rule *rules, size_t rule_count,
                           char *text, size_t size)
{
    const struct mount *mounts[16];
    size_t order[16];
    struct err err = ERR_INIT;

    for (size_t i = 0; i < table->mounts.count; i++)
        mounts[i] = &table->mounts.items[i];
    if (!mounts_order(mounts, table->mounts.count, rules, rule_count, order, &err))
        return "refused";
    text[0] = '\0';
    for (size_t i = 0; i < table->mounts.count; i++)
        (void)snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? " " : "",
                       mounts[order[i]]->path);
    return text;
}

#define FOUR                                                                                       \
    ROOT "21 20 8:1 / /var/lib/mysql rw - ext4 /dev/a rw\n"                                        \
         "22 20 8:2 / /var/log rw - ext4 /dev/b rw\n"                                              \
         "23 22 8:3 / /var/log/mysql/binlog rw - ext4 /dev/c rw\n"

static void the_deepest_freezes_first_and_the_root_last(void **state)
{
    char text[200];

    (void)state;
    struct table table = read_table(FOUR);

    assert_string_equal(ordered(&table, NULL, 0, text, sizeof(text)),
                        "/var/log/mysql/binlog /var/lib/mysql /var/log /");
    free_table(&table);
}

static void a_wanted_order_is_kept_where_it_fits(void **state)
{
    char text[200];
    struct mount_rule rules[] = {{.before = 2, .after = 1, .wanted_only = true}};

    (void)state;
    struct table table = read_table(FOUR);

    assert_string_equal(ordered(&table, rules, 1, text, sizeof(text)),
                        "/var/log/mysql/binlog /var/log /var/lib/mysql /");
    assert_true(rules[0].met);
    free_table(&table);
}

static void a_wanted_order_against_nesting_or_the_root_is_reported_unmet(void **state)
{
    char text[200];
    struct mount_rule rules[] = {{.before = 2, .after = 3, .wanted_only = true},
                                 {.before = 0, .after = 1, .wanted_only = true}};

    (void)state;
    struct table table = read_table(FOUR);

    assert_string_equal(ordered(&table, rules, 2, text, sizeof(text)),
                        "/var/log/mysql/binlog /var/lib/mysql /var/log /");
    assert_false(rules[0].met);
    assert_false(rules[1].met);
    free_table(&table);
}

static void two_wanted_orders_that_exclude_each_other_keep_the_first(void **state)
{
    char text[200];
    struct mount_rule rules[] = {{.before = 1, .after = 2, .wanted_only = true},
                                 {.before = 2, .after = 1, .wanted_only = true}};

    (void)state;
    struct table table = read_table(FOUR);

    (void)ordered(&table, rules, 2, text, sizeof(text));
    assert_true(rules[0].met);
    assert_false(rules[1].met);
    free_table(&table);
}

static void a_loop_device_freezes_before_the_filesystem_that_has_its_file(void **state)
{
    char text[200];
    /* The file of /a (shallow) lies on /deep/er/still, which would otherwise come first. */
    struct mount_rule rules[] = {{.before = 1, .after = 2}};

    (void)state;
    struct table table = read_table(ROOT "21 20 7:0 / /a rw - ext4 /dev/loop0 rw\n"
                                         "22 20 8:2 / /deep/er/still rw - ext4 /dev/b rw\n");

    assert_string_equal(ordered(&table, rules, 1, text, sizeof(text)), "/a /deep/er/still /");
    assert_true(rules[0].met);
    free_table(&table);
}

static void a_firm_rule_wins_over_nesting_and_root_last(void **state)
{
    char text[200];
    /* The root is a loop device whose file lies on what is mounted below it. */
    struct mount_rule rules[] = {{.before = 0, .after = 1}};

    (void)state;
    struct table table = read_table("20 1 7:0 / / rw - ext4 /dev/loop0 rw\n"
                                    "21 20 8:1 / /host rw - ext4 /dev/a rw\n"
                                    "22 20 8:2 / /x rw - ext4 /dev/b rw\n");

    assert_string_equal(ordered(&table, rules, 1, text, sizeof(text)), "/x / /host");
    free_table(&table);
}

static void firm_rules_in_a_circle_are_refused(void **state)
{
    char text[200];
    struct mount_rule rules[] = {
        {.before = 1, .after = 2}, {.before = 2, .after = 3}, {.before = 3, .after = 1}};

    (void)state;
    struct table table = read_table(FOUR);

    assert_string_equal(ordered(&table, rules, 3, text, sizeof(text)), "refused");
    free_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_line_is_read),
        cmocka_unit_test(octal_escapes_become_the_characters_that_they_stand_for),
        cmocka_unit_test(an_empty_source_and_missing_tags_are_fine),
        cmocka_unit_test(an_option_that_only_begins_with_ro_is_not_read_only),
        cmocka_unit_test(lines_that_are_not_mountinfo_are_refused_with_their_number),
        cmocka_unit_test(a_zero_byte_is_refused_and_nothing_is_an_empty_table),
        cmocka_unit_test(a_mount_below_a_later_one_is_hidden),
        cmocka_unit_test(what_is_mounted_on_a_hidden_mount_is_hidden_too),
        cmocka_unit_test(a_name_that_only_begins_alike_hides_nothing),
        cmocka_unit_test(parents_in_a_circle_are_hidden_and_end),
        cmocka_unit_test(bind_mounts_and_containers_views_fold_into_one_entry),
        cmocka_unit_test(the_best_way_in_is_seen_whole_writable_and_short),
        cmocka_unit_test(filesystems_are_told_apart_by_what_holds_them),
        cmocka_unit_test(a_mount_is_found_by_its_number_first_then_by_its_device),
        cmocka_unit_test(a_path_lies_on_the_nearest_mount_that_can_be_seen),
        cmocka_unit_test(the_deepest_freezes_first_and_the_root_last),
        cmocka_unit_test(a_wanted_order_is_kept_where_it_fits),
        cmocka_unit_test(a_wanted_order_against_nesting_or_the_root_is_reported_unmet),
        cmocka_unit_test(two_wanted_orders_that_exclude_each_other_keep_the_first),
        cmocka_unit_test(a_loop_device_freezes_before_the_filesystem_that_has_its_file),
        cmocka_unit_test(a_firm_rule_wins_over_nesting_and_root_last),
        cmocka_unit_test(firm_rules_in_a_circle_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
