/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/inventory_json.h"

#define ID      "sp-20261124T081530Z-k3f9x"
#define OLDER   "sp-20261123T081530Z-aaaaa"
#define NODE    "i-0123456789abcdef0"
#define OTHER   "i-0fedcba9876543210"
#define T0      1795508130000000LL /* 2026-11-24T08:15:30Z */
#define SECOND  1000000LL
#define DAY     (86400 * SECOND)
#define ACCOUNT "111111111111"

static struct err err;

/* --- a cloud ----------------------------------------------------------------------------------
 */

enum { SNAPSHOTS_MAX = 64 };

struct scene {
    struct ec2_snapshot snapshots[SNAPSHOTS_MAX];
    size_t count;
    struct ec2_image images[4];
    size_t image_count;
    struct inventory inventory;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct scene));
    err = (struct err)ERR_INIT;
    return *state == NULL;
}

static void clear(struct scene *scene)
{
    inventory_free(&scene->inventory);
    for (size_t i = 0; i < scene->count; i++)
        ec2_tags_free(&scene->snapshots[i].tags);
    for (size_t i = 0; i < scene->image_count; i++)
        ec2_tags_free(&scene->images[i].tags);
    scene->count = scene->image_count = 0;
}

static int tear_down(void **state)
{
    clear(*state);
    free(*state);
    return 0;
}

static void tag(struct ec2_tags *tags, const char *key, const char *value)
{
    char whole[80];

    (void)snprintf(whole, sizeof(whole), "stillpoint:%s", key);
    assert_true(ec2_tags_set(tags, whole, value, &err));
}

/* A completed snapshot of a set that was whole. */
static struct ec2_snapshot *put(struct scene *scene, const char *set, const char *id,
                                const char *volume, const char *members)
{
    struct ec2_snapshot *snapshot = &scene->snapshots[scene->count++];

    assert_true(scene->count <= SNAPSHOTS_MAX);
    *snapshot = (struct ec2_snapshot){.state = EC2_SNAPSHOT_COMPLETED,
                                      .size_gib = 8,
                                      .start_utc_us = strcmp(set, OLDER) == 0 ? T0 - DAY : T0};
    (void)snprintf(snapshot->id, sizeof(snapshot->id), "%s", id);
    (void)snprintf(snapshot->volume_id, sizeof(snapshot->volume_id), "%s", volume);
    (void)snprintf(snapshot->owner_id, sizeof(snapshot->owner_id), ACCOUNT);
    tag(&snapshot->tags, "id", set);
    tag(&snapshot->tags, "instance", NODE);
    tag(&snapshot->tags, "node", "db1");
    tag(&snapshot->tags, "state", "complete");
    tag(&snapshot->tags, "consistency", "application");
    tag(&snapshot->tags, "members", members);
    return snapshot;
}

static struct ec2_image *put_image(struct scene *scene, const char *set, const char *id)
{
    struct ec2_image *image = &scene->images[scene->image_count++];

    *image = (struct ec2_image){.state = EC2_IMAGE_AVAILABLE, .creation_utc_us = T0 + 60 * SECOND};
    (void)snprintf(image->id, sizeof(image->id), "%s", id);
    tag(&image->tags, "id", set);
    tag(&image->tags, "instance", NODE);
    tag(&image->tags, "state", "complete");
    tag(&image->tags, "members", "2");
    return image;
}

static struct ec2_snapshot *put_pair(struct scene *scene)
{
    struct ec2_snapshot *first = put(scene, ID, "snap-0a", "vol-0a", "2");

    put(scene, ID, "snap-0b", "vol-0b", "2");
    return first;
}

/* As EC2 lists them; REVERSED: from the last on, and each one twice. */
static void take_all(struct scene *scene, bool reversed)
{
    struct inventory *inventory = &scene->inventory;

    inventory_free(inventory);
    assert_true(inventory_begin(inventory, "eu-west-1", &err));
    for (size_t n = 0; n < scene->count * (reversed ? 2 : 1); n++) {
        size_t i = reversed ? scene->count - 1 - n / 2 : n;
        assert_true(inventory_add_snapshot(inventory, &scene->snapshots[i], &err));
    }
    for (size_t i = 0; i < scene->image_count; i++)
        assert_true(inventory_add_image(inventory, &scene->images[i], &err));
    assert_true(inventory_settle(inventory, &err));
}

static const struct inventory_set *only_set(struct scene *scene)
{
    take_all(scene, false);
    assert_int_equal(scene->inventory.count, 1);
    return &scene->inventory.sets[0];
}

static void assert_why(struct scene *scene, const struct inventory_set *set, const char *sentence)
{
    struct strs why = {NULL, 0};

    assert_true(inventory_why(&scene->inventory, set, &why, &err));
    for (size_t i = 0; i < why.count; i++) {
        if (strcmp(why.items[i], sentence) == 0) {
            strs_free(&why);
            return;
        }
    }
    fail_msg("\"%s\" is not said; %zu sentences, \"%s\"", sentence, why.count,
             why.count ? why.items[0] : "");
}

/* --- whole sets -------------------------------------------------------------------------------
 */

static void a_whole_set_is_good_and_says_what_it_is(void **state)
{
    struct scene *scene = *state;
    struct ec2_snapshot *first = put_pair(scene);
    tag(&first->tags, "asked", "application");
    tag(&first->tags, "reason", "nightly");
    tag(&first->tags, "group", "site-a");
    tag(&first->tags, "window", "2026-11-24T08:15:31.206811Z/2026-11-24T08:15:31.507112Z/0.4ms");
    tag(&first->tags, "verified", "ok 2026-11-25T00:00:00Z");
    put_image(scene, ID, "ami-0a");

    const struct inventory_set *set = only_set(scene);

    assert_true(inventory_is_good(set));
    assert_int_equal(set->faults, 0);
    assert_string_equal(set->id, ID);
    assert_string_equal(set->instance, NODE);
    assert_string_equal(set->node, "db1");
    assert_string_equal(set->reason, "nightly");
    assert_string_equal(set->group, "site-a");
    assert_string_equal(set->verified, "ok 2026-11-25T00:00:00Z");
    assert_int_equal(set->state, BACKUP_COMPLETE);
    assert_int_equal(set->consistency, LABEL_APPLICATION);
    assert_int_equal(set->asked, LABEL_APPLICATION);
    assert_int_equal(set->members, 2);
    assert_int_equal(set->images, 1);
    assert_int_equal(set->size_gib, 16);
    assert_int_equal(set->start_utc_us, T0);
    assert_int_equal(set->window_begin_utc_us, T0 + SECOND + 206811);
    assert_int_equal(set->expires_utc_us, BACKUP_UNKNOWN);
    assert_string_equal(inventory_members(&scene->inventory, set)[1].id, "snap-0b");
    assert_string_equal(inventory_images(&scene->inventory, set)[0].id, "ami-0a");
}

static void ec2s_order_and_pages_that_come_twice_change_nothing(void **state)
{
    struct scene *scene = *state;
    char *before, *after;
    tag(&put_pair(scene)->tags, "reason", "b");
    tag(&scene->snapshots[1].tags, "reason", "a");
    put(scene, OLDER, "snap-0c", "vol-0a", "1");
    put(scene, "sp-20261123T081530Z-bbbbb", "snap-0d", "vol-0a", "1")->start_utc_us = T0 - DAY;

    for (int set = 0; set < 3; set++) {
        take_all(scene, false);
        assert_int_equal(scene->inventory.count, 3);
        json_t *json = inventory_json(&scene->inventory, &scene->inventory.sets[set]);
        before = json_dumps(json, 0);
        json_decref(json);
        take_all(scene, true);
        json = inventory_json(&scene->inventory, &scene->inventory.sets[set]);
        after = json_dumps(json, 0);
        json_decref(json);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
    assert_string_equal(scene->inventory.sets[0].id, ID);
    assert_string_equal(scene->inventory.sets[0].reason, "a");
    assert_string_equal(scene->inventory.sets[1].id, "sp-20261123T081530Z-bbbbb");
}

static void the_state_is_the_tags_or_lower(void **state)
{
    struct scene *scene = *state;
    struct ec2_snapshot *first = put_pair(scene);
    struct ec2_image *image = put_image(scene, ID, "ami-0a");

    first->state = EC2_SNAPSHOT_PENDING;
    assert_int_equal(only_set(scene)->state, BACKUP_PENDING);
    first->state = EC2_SNAPSHOT_COMPLETED;
    image->state = EC2_IMAGE_PENDING;
    assert_int_equal(only_set(scene)->state, BACKUP_PENDING);
    image->state = EC2_IMAGE_FAILED; /* the set is none the worse for it */
    assert_int_equal(only_set(scene)->state, BACKUP_COMPLETE);
    tag(&first->tags, "state", "pending"); /* never raised by what EC2 says */
    assert_int_equal(only_set(scene)->state, BACKUP_PENDING);
    tag(&first->tags, "state", "cut");
    assert_int_equal(only_set(scene)->state, BACKUP_CUT);
    tag(&first->tags, "state", "nonsense");
    assert_int_equal(only_set(scene)->state, BACKUP_HELD);
    assert_false(inventory_is_broken(&scene->inventory.sets[0]));
}

static void a_label_raised_on_some_members_only_is_the_lowest(void **state)
{
    struct scene *scene = *state;
    tag(&put_pair(scene)->tags, "consistency", "unconfirmed");

    const struct inventory_set *set = only_set(scene);

    assert_int_equal(set->consistency, LABEL_UNCONFIRMED);
    assert_int_equal(set->state, BACKUP_COMPLETE);
    assert_false(inventory_is_good(set));
}

static void one_whose_verify_failed_is_complete_and_not_good(void **state)
{
    struct scene *scene = *state;
    tag(&put_pair(scene)->tags, "verified", "failed 2026-11-25T00:00:00Z: x");

    const struct inventory_set *set = only_set(scene);

    assert_int_equal(set->state, BACKUP_COMPLETE);
    assert_true(inventory_is_complete(set));
    assert_true(inventory_verify_failed(set));
    assert_false(inventory_is_good(set));
}

static void tags_that_differ_keep_it_the_longer(void **state)
{
    struct scene *scene = *state;
    struct ec2_snapshot *first = put_pair(scene);
    tag(&first->tags, "expires", "2026-12-24T08:15:31Z");
    tag(&scene->snapshots[1].tags, "expires", "2027-01-24T08:15:31Z");
    tag(&scene->snapshots[1].tags, "pinned", "no");
    tag(&first->tags, "verified", "ok 2026-11-25T00:00:00Z");
    tag(&scene->snapshots[1].tags, "verified", "failed 2026-11-26T00:00:00Z");

    const struct inventory_set *set = only_set(scene);
    assert_int_equal(set->expires_utc_us, T0 + SECOND + 61 * DAY);
    assert_string_equal(set->verified, "failed 2026-11-26T00:00:00Z");
    assert_false(set->pinned);

    tag(&put_image(scene, ID, "ami-0a")->tags, "pinned", "yes");
    assert_true(only_set(scene)->pinned);
}

static void set_that_a_rollback_goes_back_to_is_known(void **state)
{
    struct scene *scene = *state;
    (void)put_pair(scene);
    assert_null(only_set(scene)->rollback);
    tag(&scene->snapshots[1].tags, "rollback", "-"); /* it has, and is over */
    assert_null(only_set(scene)->rollback);
    tag(&scene->snapshots[1].tags, "rollback", "rb-20261124T081530Z-k3f9x");
    assert_string_equal(only_set(scene)->rollback, "rb-20261124T081530Z-k3f9x");
}

static void copies_have_no_volume_to_tell_them_apart_by(void **state)
{
    struct scene *scene = *state;
    put(scene, ID, "snap-0a", "vol-ffffffff", "2");
    put(scene, ID, "snap-0b", "vol-ffffffff", "2")->start_utc_us = T0 + 3600 * SECOND;

    assert_true(inventory_is_good(only_set(scene)));
}

/* --- broken sets ------------------------------------------------------------------------------
 */

static void assert_broken(struct scene *scene, enum set_fault fault, const char *sentence)
{
    const struct inventory_set *set = only_set(scene);

    assert_int_equal(set->state, BACKUP_FAILED);
    assert_true((set->faults & SET_FAULT_BIT(fault)) != 0);
    assert_false(inventory_is_good(set));
    assert_int_equal(inventory_is_broken(set), fault != SET_FAULT_TAGGED);
    assert_why(scene, set, sentence);
}

static void a_set_that_misses_a_member_is_broken(void **state)
{
    struct scene *scene = *state;
    put(scene, ID, "snap-0a", "vol-0a", "3");
    put(scene, ID, "snap-0b", "vol-0b", "3");

    assert_broken(scene, SET_FAULT_MISSING, "2 of 3 snapshots are there");
    assert_int_equal(scene->inventory.sets[0].faults & SET_FAULTS_DISPUTED, 0);
}

static void an_image_alone_is_a_set_that_misses_all(void **state)
{
    struct scene *scene = *state;
    put_image(scene, ID, "ami-0a");

    assert_broken(scene, SET_FAULT_MISSING, "0 of 2 snapshots are there");
    assert_int_equal(scene->inventory.sets[0].start_utc_us, T0 + 60 * SECOND);
}

static void a_member_in_error_or_deleted_breaks_it(void **state)
{
    struct scene *scene = *state;
    struct ec2_snapshot *first = put_pair(scene);

    first->state = EC2_SNAPSHOT_ERROR;
    assert_broken(scene, SET_FAULT_ERROR, "snapshot snap-0a is in error");
    first->state = EC2_SNAPSHOT_RECOVERABLE;
    assert_broken(scene, SET_FAULT_RECYCLED,
                  "snapshot snap-0a was deleted: it is in the Recycle Bin");
    assert_int_equal(scene->inventory.sets[0].faults & ~SET_FAULTS_OF_EC2, 0);
}

static void one_that_is_tagged_failed_fails_the_set(void **state)
{
    struct scene *scene = *state;
    tag(&put_pair(scene)->tags, "state", "failed");

    assert_broken(scene, SET_FAULT_TAGGED, "it is tagged as failed");
}

static void another_instances_member_is_named_and_does_not_count(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, ID, "snap-0c", "vol-0c", "3");
    for (size_t i = 0; i < 2; i++)
        tag(&scene->snapshots[i].tags, "members", "3");
    tag(&scene->snapshots[0].tags, "instance", OTHER);
    tag(&scene->snapshots[0].tags, "state", "failed"); /* it has no say */

    assert_broken(scene, SET_FAULT_INSTANCE,
                  "snapshot snap-0a does not belong: it is tagged as of " OTHER);
    assert_why(scene, &scene->inventory.sets[0], "2 of 3 snapshots are there");
    assert_string_equal(scene->inventory.sets[0].instance, NODE);
    assert_int_equal(scene->inventory.sets[0].tagged, BACKUP_COMPLETE);
}

static void another_accounts_member_is_named(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, ID, "snap-0c", "vol-0c", "2");
    strcpy(scene->snapshots[2].owner_id, "222222222222");

    assert_broken(scene, SET_FAULT_OWNER, "snapshot snap-0c belongs to the account 222222222222");
    assert_int_equal(scene->inventory.sets[0].faults, SET_FAULT_BIT(SET_FAULT_OWNER));
}

static void a_member_of_another_time_is_named(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, ID, "snap-0c", "vol-0c", "3")->start_utc_us = T0 - 3 * DAY;
    for (size_t i = 0; i < 2; i++)
        tag(&scene->snapshots[i].tags, "members", "3");

    assert_broken(scene, SET_FAULT_TIME,
                  "snapshot snap-0c does not belong: EC2 took it 3d earlier than the others");
}

static void one_volume_twice_and_one_member_too_many_are_told_apart(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, ID, "snap-0c", "vol-0b", "2");

    assert_broken(scene, SET_FAULT_VOLUME_TWICE,
                  "snapshot snap-0c is of volume vol-0b, of which there is another");
    strcpy(scene->snapshots[2].volume_id, "vol-0c");
    assert_broken(scene, SET_FAULT_SURPLUS, "3 snapshots are there where 2 make the set");
    assert_int_equal(scene->inventory.sets[0].faults & SET_FAULTS_DAMAGED, 0);
}

static void a_set_that_is_not_counted_or_miscounted_is_disputed(void **state)
{
    struct scene *scene = *state;
    put(scene, ID, "snap-0a", "vol-0a", "two");

    assert_broken(scene, SET_FAULT_UNCOUNTED, "no snapshot says how many make the set");
    put(scene, ID, "snap-0b", "vol-0b", "1");
    put(scene, ID, "snap-0c", "vol-0c", "3");
    assert_broken(scene, SET_FAULT_UNCOUNTED, "its snapshots differ on how many make the set");
}

static void hundreds_of_members_are_judged_and_not_all_named(void **state)
{
    struct scene *scene = *state;
    struct inventory *inventory = &scene->inventory;
    struct strs why = {NULL, 0};
    struct ec2_snapshot *one = put(scene, ID, "snap-0", "vol-0a", "1");

    assert_true(inventory_begin(inventory, NULL, &err));
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(one->id, sizeof(one->id), "snap-%08x", (unsigned)i);
        assert_true(inventory_add_snapshot(inventory, one, &err));
    }
    assert_true(inventory_settle(inventory, &err));
    assert_true(inventory_why(inventory, &inventory->sets[0], &why, &err));

    assert_true(why.count < 20);
    assert_string_equal(why.items[why.count - 1], "and 1987 more snapshots");
    strs_free(&why);
}

/* --- what belongs to no set -------------------------------------------------------------------
 */

static void what_has_no_id_or_a_bad_one_is_an_orphan(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, OLDER, "snap-0d", "vol-0a", "1");
    tag(&scene->snapshots[2].tags, "id", "not an id");
    tag(&scene->snapshots[2].tags, "pinned", "yes");
    struct ec2_snapshot *nameless = &scene->snapshots[scene->count++];
    strcpy(nameless->id, "snap-0e");
    nameless->start_utc_us = T0 - 2 * DAY;
    tag(&nameless->tags, "state", "failed");
    struct ec2_snapshot *foreign = &scene->snapshots[scene->count++];
    strcpy(foreign->id, "snap-0f");
    assert_true(ec2_tags_set(&foreign->tags, "Name", "somebody's", &err));
    struct ec2_snapshot *of_image = &scene->snapshots[scene->count++];
    strcpy(of_image->id, "snap-10");
    of_image->start_utc_us = T0;
    tag(&of_image->tags, "image-of", "sp-20200101T000000Z-zzzzz");
    tag(&put_image(scene, ID, "ami-0b")->tags, "id", "");

    take_all(scene, false);

    const struct inventory_orphan *orphans = scene->inventory.orphans;
    assert_int_equal(scene->inventory.count, 1);
    assert_int_equal(scene->inventory.orphan_count, 4);
    assert_string_equal(orphans[0].id, "snap-0e");
    assert_int_equal(orphans[0].why, INVENTORY_STRAY_NO_ID);
    assert_string_equal(orphans[1].id, "snap-0d");
    assert_int_equal(orphans[1].why, INVENTORY_STRAY_BAD_ID);
    assert_string_equal(orphans[1].instance, NODE);
    assert_true(orphans[1].pinned && !orphans[0].pinned);
    assert_string_equal(orphans[2].id, "snap-10");
    assert_int_equal(orphans[2].why, INVENTORY_STRAY_IMAGE_OF);
    assert_string_equal(orphans[3].id, "ami-0b");
    assert_true(orphans[3].is_image);
}

static void what_createimage_made_goes_with_the_set_and_does_not_count(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    struct ec2_snapshot *of_image = &scene->snapshots[scene->count++];
    strcpy(of_image->id, "snap-10");
    strcpy(of_image->volume_id, "vol-0a");
    tag(&of_image->tags, "image-of", ID);
    put_image(scene, ID, "ami-0a");

    take_all(scene, true);

    const struct inventory_set *set = &scene->inventory.sets[0];
    assert_true(inventory_is_good(set));
    assert_int_equal(set->members, 2);
    assert_int_equal(set->image_members, 1);
    assert_string_equal(inventory_members(&scene->inventory, set)[2].id, "snap-10");
    assert_int_equal(scene->inventory.orphan_count, 0);
}

static void an_image_whose_snapshots_are_gone_or_of_another_node_is_marked(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    struct ec2_image *image = put_image(scene, ID, "ami-0a");
    tag(&image->tags, "image", "register");
    image->mapping_count = 1;
    strcpy(image->mappings[0].snapshot_id, "snap-0a");
    const struct inventory_set *set = only_set(scene);
    assert_false(inventory_images(&scene->inventory, set)[0].lost);

    strcpy(image->mappings[0].snapshot_id, "snap-gone");
    tag(&image->tags, "instance", OTHER);
    set = only_set(scene);
    assert_true(inventory_images(&scene->inventory, set)[0].lost);
    assert_true(inventory_images(&scene->inventory, set)[0].disowned);
}

static void a_lock_marks_member_set_and_orphan(void **state)
{
    struct scene *scene = *state;
    put_pair(scene);
    put(scene, OLDER, "snap-0c", "vol-0a", "1");
    put(scene, OLDER, "snap-0d", "vol-0a", "1");
    tag(&scene->snapshots[3].tags, "id", "?");
    take_all(scene, false);

    inventory_lock(&scene->inventory, "snap-0c");
    inventory_lock(&scene->inventory, "snap-0d");
    inventory_lock(&scene->inventory, "snap-unknown");

    assert_false(scene->inventory.sets[0].locked);
    assert_true(scene->inventory.sets[1].locked);
    assert_true(inventory_members(&scene->inventory, &scene->inventory.sets[1])[0].locked);
    assert_true(scene->inventory.orphans[0].locked);
}

/* --- order and finding ------------------------------------------------------------------------
 */

static void a_set_is_found_by_id_unique_prefix_or_latest(void **state)
{
    static const struct {
        const char *id, *state, *instance;
    } sets[] = {
        {"sp-20261124T081530Z-aaaaa", "complete", NODE},
        {"sp-20261124T081530Z-abbbb", "complete", OTHER},
        {"sp-20261125T000000Z-ccccc", "pending", OTHER},
        {"sp-20261126T000000Z-ddddd", "failed", NODE},
        {"sp-20261127T000000Z-eeeee", "cut", NODE},
    };
    struct scene *scene = *state;
    const struct inventory_set *set = NULL;
    for (size_t i = 0; i < 5; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "snap-%zu", i);
        struct ec2_snapshot *snapshot = put(scene, sets[i].id, id, "vol-0a", "1");
        snapshot->start_utc_us = T0 + (int64_t)i * DAY;
        tag(&snapshot->tags, "state", sets[i].state);
        tag(&snapshot->tags, "instance", sets[i].instance);
    }
    take_all(scene, false);
    const struct inventory *inventory = &scene->inventory;

    assert_true(inventory_find(inventory, "latest", NULL, &set, &err));
    assert_string_equal(set->id, sets[2].id);
    assert_true(inventory_find(inventory, "latest", NODE, &set, &err));
    assert_string_equal(set->id, sets[0].id);
    assert_true(inventory_find(inventory, sets[0].id, NULL, &set, &err));
    assert_string_equal(set->id, sets[0].id);
    assert_true(inventory_find(inventory, "sp-20261126", NULL, &set, &err));
    assert_string_equal(set->id, sets[3].id);
    assert_true(inventory_find(inventory, "20261124T081530Z-ab", NULL, &set, &err));
    assert_string_equal(set->id, sets[1].id);

    assert_false(inventory_find(inventory, "sp-20261124", NULL, &set, &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.text, "sp-20261124T081530Z-abbbb, sp-20261124T081530Z-aaaaa"));
    assert_null(strstr(err.text, "more"));
    assert_false(inventory_find(inventory, "2026112", NULL, &set, &err));
    assert_string_equal(err.text + strlen(err.text) - 38, ", sp-20261125T000000Z-ccccc and 2 more");
    assert_false(inventory_find(inventory, "2027", NULL, &set, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(inventory_find(inventory, "", NULL, &set, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_false(inventory_find(inventory, "latest", "i-0", &set, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void the_newest_is_so_by_ec2s_word_not_by_its_id(void **state)
{
    struct scene *scene = *state;
    put(scene, "sp-20991231T235959Z-fffff", "snap-0a", "vol-0a", "1")->start_utc_us = T0 - DAY;
    put(scene, ID, "snap-0b", "vol-0a", "1");

    take_all(scene, false);

    assert_string_equal(scene->inventory.sets[0].id, ID);
}

static void an_empty_inventory_has_nothing_to_find(void **state)
{
    struct scene *scene = *state;
    const struct inventory_set *set = NULL;

    take_all(scene, false);

    assert_int_equal(scene->inventory.count, 0);
    assert_false(inventory_find(&scene->inventory, "latest", NULL, &set, &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_null(set);
    inventory_lock(&scene->inventory, "snap-0a");
}

/* --- size -------------------------------------------------------------------------------------
 */

static void a_set_of_four_takes_less_than_a_kibibyte(void **state)
{
    struct scene *scene = *state;
    struct inventory *inventory = &scene->inventory;
    enum { SETS = 2000 };

    assert_true(inventory_begin(inventory, "eu-west-1", &err));
    for (unsigned i = 0; i < SETS; i++) {
        char id[32], name[32], volume[32];
        (void)snprintf(id, sizeof(id), "sp-20261101T%02u%02u%02uZ-%05u", i / 60 % 24, i % 60,
                       i * 7 % 60, i);
        for (unsigned n = 0; n < 4; n++) {
            (void)snprintf(name, sizeof(name), "snap-%09x%08x", n, i);
            (void)snprintf(volume, sizeof(volume), "vol-%017x", n + i / 100 * 4);
            assert_true(inventory_add_snapshot(inventory, put(scene, id, name, volume, "4"), &err));
            ec2_tags_free(&scene->snapshots[--scene->count].tags);
        }
        (void)snprintf(name, sizeof(name), "ami-%017x", i);
        assert_true(inventory_add_image(inventory, put_image(scene, id, name), &err));
        ec2_tags_free(&scene->images[--scene->image_count].tags);
    }
    assert_true(inventory_settle(inventory, &err));

    size_t bytes = inventory->texts.bytes + inventory->count * sizeof(*inventory->sets) +
                   inventory->member_count * sizeof(*inventory->members) +
                   inventory->image_count * sizeof(*inventory->images) +
                   (inventory->by_member.room + inventory->texts.known.room) * 16;
    assert_int_equal(inventory->count, SETS);
    assert_true(inventory_is_good(&inventory->sets[SETS - 1]));
    print_message("%zu bytes a set\n", bytes / SETS);
    assert_true(bytes / SETS < 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_set_is_good_and_says_what_it_is),
        TEST(ec2s_order_and_pages_that_come_twice_change_nothing),
        TEST(the_state_is_the_tags_or_lower),
        TEST(a_label_raised_on_some_members_only_is_the_lowest),
        TEST(one_whose_verify_failed_is_complete_and_not_good),
        TEST(tags_that_differ_keep_it_the_longer),
        TEST(set_that_a_rollback_goes_back_to_is_known),
        TEST(copies_have_no_volume_to_tell_them_apart_by),
        TEST(a_set_that_misses_a_member_is_broken),
        TEST(an_image_alone_is_a_set_that_misses_all),
        TEST(a_member_in_error_or_deleted_breaks_it),
        TEST(one_that_is_tagged_failed_fails_the_set),
        TEST(another_instances_member_is_named_and_does_not_count),
        TEST(another_accounts_member_is_named),
        TEST(a_member_of_another_time_is_named),
        TEST(one_volume_twice_and_one_member_too_many_are_told_apart),
        TEST(a_set_that_is_not_counted_or_miscounted_is_disputed),
        TEST(hundreds_of_members_are_judged_and_not_all_named),
        TEST(what_has_no_id_or_a_bad_one_is_an_orphan),
        TEST(what_createimage_made_goes_with_the_set_and_does_not_count),
        TEST(an_image_whose_snapshots_are_gone_or_of_another_node_is_marked),
        TEST(a_lock_marks_member_set_and_orphan),
        TEST(a_set_is_found_by_id_unique_prefix_or_latest),
        TEST(the_newest_is_so_by_ec2s_word_not_by_its_id),
        TEST(an_empty_inventory_has_nothing_to_find),
        TEST(a_set_of_four_takes_less_than_a_kibibyte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
