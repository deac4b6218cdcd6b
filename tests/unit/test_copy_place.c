/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of what lies on a set's volumes is which of its mounts. */
#include "agent/daemon/copy_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char *vol_1[] = {(char *)(uintptr_t) "vol-1"}, *vol_2[] = {(char *)(uintptr_t) "vol-2"};

static struct backup_mount mount_of(const char *path, const char *fs, const char *place,
                                    char **volumes)
{
    return (struct backup_mount){.path = (char *)(uintptr_t)path,
                                 .fs = (char *)(uintptr_t)fs,
                                 .place = (char *)(uintptr_t)place,
                                 .volumes = {volumes, 1}};
}

static struct copy_item item_of(uint32_t device, const char *where, const char *type,
                                uint64_t size_bytes)
{
    struct copy_item item = {
        .kind = COPY_ITEM_FILESYSTEM, .device = device, .size_bytes = size_bytes};

    strcpy(item.where, where);
    strcpy(item.type, type);
    return item;
}

static struct loan_volume volumes[] = {{.source_id = "vol-1", .source_device = "/dev/sda1"},
                                       {.source_id = "vol-2", .source_device = "/dev/sdf"}};
static const struct loan loan = {.volumes = volumes, .count = 2};

static void recorded_places_are_found_outer_mounts_first(void **state)
{
    const struct backup_mount mounts[] = {
        mount_of("/var/lib/mysql", "xfs", "lvm:data/mysql", vol_2),
        mount_of("/boot", "ext4", "p16", vol_1), mount_of("/", "ext4", "p1", vol_1)};
    const struct copy_item items[] = {item_of(0, "p16", "ext4", 9), item_of(0, "p1", "ext4", 5),
                                      item_of(0, "lvm:data/mysql", "xfs", 7)};
    struct places places = {.count = 0};
    struct err err = ERR_INIT;
    char words[PLACE_WORDS_BYTES];
    (void)state;

    assert_true(places_find(mounts, 3, &loan, items, 3, &places, &err));
    assert_int_equal(places.count, 3);
    assert_string_equal(places.list[0].mount->path, "/");
    assert_int_equal(places.list[0].item, 1);
    assert_string_equal(places.list[1].mount->path, "/boot");
    assert_int_equal(places.list[2].item, 2);
    assert_string_equal(place_words(&places.list[2], words), "/dev/sdf (/var/lib/mysql)");
    places_free(&places);
}

static void an_older_set_goes_by_type_and_size(void **state)
{
    const struct backup_mount mounts[] = {mount_of("/", "ext4", NULL, vol_1),
                                          mount_of("/data", "xfs", NULL, vol_2)};
    const struct copy_item items[] = {item_of(0, "p16", "ext4", 5), item_of(0, "p1", "ext4", 9),
                                      item_of(1, "", "xfs", 7)};
    struct places places = {.count = 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_true(places_find(mounts, 2, &loan, items, 3, &places, &err));
    assert_int_equal(places.list[0].item, 1);
    assert_int_equal(places.list[1].item, 2);
    places_free(&places);
}

static void a_mount_that_nothing_can_be_is_named(void **state)
{
    const struct backup_mount mounts[] = {mount_of("/data", "xfs", "disk", vol_2),
                                          mount_of("/else", "xfs", "disk", vol_2)};
    const struct copy_item items[] = {item_of(0, "", "xfs", 7)};
    static char *others[] = {(char *)(uintptr_t) "vol-3"};
    const struct backup_mount stranger = mount_of("/far", "xfs", "disk", others);
    struct places places = {.count = 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_true(places_find(mounts, 2, &loan, items, 1, &places, &err));
    assert_int_equal(places.count, 0);
    assert_int_equal(places.missing.count, 2);
    assert_string_equal(places.missing.items[0], "/data: nothing on /dev/sdf (disk) is its xfs");
    places_free(&places);
    assert_true(places_find(&stranger, 1, &loan, items, 1, &places, &err)); /* not asked for */
    assert_int_equal(places.missing.count, 0);
    places_free(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_places_are_found_outer_mounts_first),
        cmocka_unit_test(an_older_set_goes_by_type_and_size),
        cmocka_unit_test(a_mount_that_nothing_can_be_is_named),
    };

    return cmocka_run_group_tests_name("copy_place", tests, NULL, NULL);
}
