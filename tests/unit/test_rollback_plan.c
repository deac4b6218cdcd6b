/* SPDX-License-Identifier: BSD-2-Clause */
/* Which volumes a rollback exchanges, what is unmounted for it, and what it refuses. */
#include "agent/daemon/rollback_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SET  "sp-20261124T081530Z-k3f9x"
#define ROOT "vol-0aaaaaaaaaaaaaaaa"
#define DATA "vol-0bbbbbbbbbbbbbbbb"
#define LOGS "vol-0cccccccccccccccc"
#define MORE "vol-0dddddddddddddddd"

enum { VOLUMES = 4 };

static const char node_text[] = "20 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n"
                                "21 20 0:5 / /proc rw - proc proc rw\n"
                                "24 20 259:2 / /var/lib/mysql rw - ext4 /dev/nvme1n1 rw\n"
                                "25 24 259:3 / /var/lib/mysql/binlog rw - xfs /dev/nvme2n1p3 rw\n"
                                "26 20 259:2 /dump /srv/dump rw - ext4 /dev/nvme1n1 rw\n";

struct world {
    struct backup *set;
    struct ec2_instance instance;
    struct ec2_volume list[VOLUMES];
    struct ec2_volumes volumes;
    struct mounts mounts;
    struct mount_list mount_list;
    struct device_trace *traces;
    int *parts;
    struct rollback_plan_input input;
    struct rollback_plan plan;
    struct err err;
};

/* ---- the world: a node of three volumes, and a set of them ---- */

static void add_volume(struct world *world, const char *id, const char *device, bool in_set)
{
    size_t i = world->volumes.count++;
    struct ec2_device *to = &world->instance.devices[world->instance.device_count++];

    strcpy(world->list[i].id, id);
    strcpy(world->list[i].type, "gp3");
    world->list[i].size_gib = 20;
    strcpy(to->name, device);
    strcpy(to->volume_id, id);
    to->delete_on_termination = i == 0 ? EC2_YES : EC2_NO;
    if (!in_set)
        return;
    struct backup_snapshot *snapshot = backup_add_snapshot(world->set);
    assert_non_null(snapshot);
    assert_true(strs_dup(&snapshot->volume, id, &world->err));
    assert_true(strs_dup(&snapshot->device, device, &world->err));
    assert_true(strs_dup(&snapshot->id, "snap-0", &world->err));
    snapshot->size_gib = 20;
}

static struct device_trace *trace_at(struct world *world, const char *path, int **ret_part)
{
    for (size_t i = 0; i < world->mount_list.count; i++) {
        if (strcmp(world->mount_list.items[i].mount->path, path) != 0)
            continue;
        *ret_part = &world->parts[i];
        return &world->traces[i];
    }
    fail_msg("nothing is mounted at %s", path);
    return NULL;
}

static void lies_on(struct world *world, const char *path, const char *volume, int part)
{
    int *slot = NULL;
    struct device_trace *trace = trace_at(world, path, &slot);

    trace->kind = DEVICE_EBS;
    assert_true(strs_add(&trace->volumes, volume, &world->err));
    *slot = part;
}

static void set_mounts(struct world *world, const char *text)
{
    struct err *err = &world->err;

    if (world->traces != NULL)
        devices_traces_free(world->traces, world->mount_list.count);
    free(world->parts);
    mounts_list_free(&world->mount_list);
    mounts_free(&world->mounts);
    assert_true(mounts_parse(text, strlen(text), &world->mounts, err));
    assert_true(mounts_fold(&world->mounts, &world->mount_list, err));
    world->traces = calloc(world->mount_list.count + 1, sizeof(*world->traces));
    world->parts = calloc(world->mount_list.count + 1, sizeof(*world->parts));
    assert_true(world->traces != NULL && world->parts != NULL);
    for (size_t i = 0; i < world->mount_list.count; i++)
        world->traces[i].kind = DEVICE_OTHER;
    world->input.traces = world->traces;
    world->input.parts = world->parts;
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->set = backup_new();
    assert_non_null(world->set);
    assert_true(strs_dup(&world->set->id, SET, &world->err));
    assert_true(strs_dup(&world->set->instance, "i-1", &world->err));
    world->set->state = BACKUP_COMPLETE;
    world->set->consistency = LABEL_APPLICATION;
    strcpy(world->instance.id, "i-1");
    strcpy(world->instance.root_device_name, "/dev/sda1");
    world->volumes.list = world->list;
    add_volume(world, ROOT, "/dev/sda1", true);
    add_volume(world, DATA, "/dev/sdf", true);
    add_volume(world, LOGS, "/dev/sdg", true);
    world->input = (struct rollback_plan_input){.set = world->set,
                                                .instance = &world->instance,
                                                .volumes = &world->volumes,
                                                .mounts = &world->mounts,
                                                .list = &world->mount_list,
                                                .mode = ROLLBACK_DATA_ONLY};
    set_mounts(world, node_text);
    lies_on(world, "/", ROOT, 1);
    lies_on(world, "/var/lib/mysql", DATA, 0);
    lies_on(world, "/var/lib/mysql/binlog", LOGS, 3);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    rollback_plan_free(&world->plan);
    devices_traces_free(world->traces, world->mount_list.count);
    free(world->parts);
    mounts_list_free(&world->mount_list);
    mounts_free(&world->mounts);
    backup_free(world->set);
    free(world);
    return 0;
}

static void plan(struct world *world)
{
    if (!rollback_plan_make(&world->input, &world->plan, &world->err))
        fail_msg("%s", world->err.text);
}

static void assert_refused(struct world *world, const char *why)
{
    assert_false(rollback_plan_make(&world->input, &world->plan, &world->err));
    assert_int_equal(world->err.kind, ERR_PRECONDITION);
    if (strstr(world->err.text, why) == NULL)
        fail_msg("'%s' says nothing of '%s'", world->err.text, why);
    assert_true(world->err.remedy[0] != '\0');
}

static void assert_says(const struct strs *strs, const char *what)
{
    for (size_t i = 0; i < strs->count; i++) {
        if (strstr(strs->items[i], what) != NULL)
            return;
    }
    fail_msg("nothing is said of '%s'", what);
}

/* ---- what it plans ---- */

static void data_volumes_are_matched_by_their_device(void **state)
{
    struct world *world = *state;

    strcpy(world->instance.devices[1].volume_id, MORE); /* of an earlier rollback */
    strcpy(world->list[1].id, MORE);
    strs_free(&world->traces[1].volumes);
    plan(world);

    assert_int_equal(world->plan.count, 2);
    assert_string_equal(world->plan.volumes[0].device, "/dev/sdf");
    assert_string_equal(world->plan.volumes[0].old->id, MORE);
    assert_string_equal(world->plan.volumes[0].snapshot->volume, DATA);
    assert_says(&world->plan.stays, ROOT);
    assert_int_equal(world->plan.missing.count, 0);
}

static void mounts_of_a_volume_are_the_deepest_first_with_their_partition(void **state)
{
    struct world *world = *state;

    plan(world);

    const struct rollback_plan_volume *data = &world->plan.volumes[0];
    const struct rollback_plan_volume *logs = &world->plan.volumes[1];
    assert_int_equal(data->mount_count, 2);
    assert_string_equal(data->mounts[0].mount.path, "/var/lib/mysql");
    assert_string_equal(data->mounts[1].mount.path, "/srv/dump");
    assert_int_equal(data->mounts[1].dev_minor, 2);
    assert_int_equal(data->mounts[0].mount.partition, 0);
    assert_int_equal(logs->mount_count, 1);
    assert_int_equal(logs->mounts[0].mount.partition, 3);
}

static void root_comes_last_and_without_mounts(void **state)
{
    struct world *world = *state;

    world->input.mode = ROLLBACK_FULL;
    plan(world);

    assert_int_equal(world->plan.count, 3);
    assert_true(world->plan.volumes[2].root);
    assert_true(world->plan.volumes[2].delete_on_termination);
    assert_false(world->plan.volumes[0].delete_on_termination);
    assert_int_equal(world->plan.volumes[2].mount_count, 0);
    assert_int_equal(world->plan.warnings.count, 0);
}

static void another_root_than_the_sets_is_warned_of(void **state)
{
    struct world *world = *state;

    world->input.mode = ROLLBACK_FULL;
    strcpy(world->instance.devices[0].volume_id, MORE);
    strcpy(world->list[0].id, MORE);
    plan(world);

    assert_says(&world->plan.warnings, "EC2 decides");
}

static void what_the_set_has_not_stays_and_what_is_gone_is_missing(void **state)
{
    struct world *world = *state;

    add_volume(world, MORE, "/dev/sdh", false);
    strcpy(world->instance.devices[2].name, "/dev/sdx");
    plan(world);

    assert_int_equal(world->plan.count, 1);
    assert_says(&world->plan.stays, "/dev/sdh (" MORE ")");
    assert_says(&world->plan.stays, "/dev/sdx");
    assert_says(&world->plan.missing, "/dev/sdg");
}

static void no_new_volume_is_smaller_than_the_one_before(void **state)
{
    struct world *world = *state;

    world->list[1].size_gib = 50;
    world->list[2].size_gib = 10;
    plan(world);

    assert_int_equal(world->plan.volumes[0].size_gib, 50);
    assert_int_equal(world->plan.volumes[1].size_gib, 20);
    assert_says(&world->plan.warnings, "had 20 GiB then and has 50 now");
}

static void weak_set_is_warned_of(void **state)
{
    struct world *world = *state;

    world->set->consistency = LABEL_CRASH;
    plan(world);
    assert_says(&world->plan.warnings, "only crash consistent");
}

static void foreign_mount_below_is_warned_of(void **state)
{
    struct world *world = *state;
    char text[1000];

    (void)snprintf(text, sizeof(text),
                   "%s27 24 0:50 / /var/lib/mysql/share rw - nfs4 nas:/share rw\n", node_text);
    set_mounts(world, text);
    lies_on(world, "/var/lib/mysql", DATA, 0);
    plan(world);

    assert_says(&world->plan.warnings, "/var/lib/mysql/share (nfs4)");
}

/* ---- what it refuses ---- */

static void sets_of_others_are_refused(void **state)
{
    struct world *world = *state;

    assert_true(strs_set(&world->set->instance, "i-2", &world->err));
    assert_refused(world, "is of instance i-2, this is i-1");
}

static void nothing_in_common_is_refused(void **state)
{
    struct world *world = *state;

    strcpy(world->instance.devices[1].name, "/dev/sdx");
    strcpy(world->instance.devices[2].name, "/dev/sdy");
    assert_refused(world, "nothing to exchange");
}

static void set_without_the_root_is_refused_where_it_is_wanted(void **state)
{
    struct world *world = *state;

    world->input.mode = ROLLBACK_FULL;
    strcpy(world->instance.root_device_name, "/dev/xvda");
    strcpy(world->instance.devices[0].name, "/dev/xvda");
    assert_refused(world, "no snapshot of the root volume");
}

static void what_can_not_be_exchanged_is_refused(void **state)
{
    struct world *world = *state;
    int *part = NULL;
    struct device_trace *trace = trace_at(world, "/var/lib/mysql", &part);

    *part = ROLLBACK_PART_STACKED;
    assert_refused(world, "LVM, RAID or encryption");
    world->err = (struct err)ERR_INIT;
    *part = 0;
    assert_true(strs_add(&trace->volumes, LOGS, &world->err));
    assert_refused(world, "several disks");
}

static void shared_and_hidden_ones_are_refused(void **state)
{
    struct world *world = *state;
    char text[1000];

    world->list[1].multi_attach = true;
    assert_refused(world, "several instances");
    world->err = (struct err)ERR_INIT;
    world->list[1].multi_attach = false;
    (void)snprintf(text, sizeof(text), "%s28 26 0:60 / /srv/dump rw - tmpfs tmpfs rw\n", node_text);
    set_mounts(world, text);
    lies_on(world, "/var/lib/mysql", DATA, 0);
    assert_refused(world, "mounted over it");
}

static void path_that_no_tag_takes_is_refused(void **state)
{
    struct world *world = *state;
    char text[1000], path[300];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "%s29 20 259:2 /a /srv/%s rw - ext4 /dev/nvme1n1 rw\n",
                   node_text, path);
    set_mounts(world, text);
    lies_on(world, "/var/lib/mysql", DATA, 0);
    assert_refused(world, "longer than a tag takes");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(data_volumes_are_matched_by_their_device),
        T(mounts_of_a_volume_are_the_deepest_first_with_their_partition),
        T(root_comes_last_and_without_mounts),
        T(another_root_than_the_sets_is_warned_of),
        T(what_the_set_has_not_stays_and_what_is_gone_is_missing),
        T(no_new_volume_is_smaller_than_the_one_before),
        T(weak_set_is_warned_of),
        T(foreign_mount_below_is_warned_of),
        T(sets_of_others_are_refused),
        T(nothing_in_common_is_refused),
        T(set_without_the_root_is_refused_where_it_is_wanted),
        T(what_can_not_be_exchanged_is_refused),
        T(shared_and_hidden_ones_are_refused),
        T(path_that_no_tag_takes_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
