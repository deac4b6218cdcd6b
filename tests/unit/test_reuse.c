/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/reuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID     "sp-20261124T081530Z-k3f9x"
#define OLDER  "sp-20261124T071530Z-aaaaa"
#define NODE   "i-0123456789abcdef0"
#define T0     1795508130000000LL /* 2026-11-24T08:15:30Z */
#define MINUTE 60000000LL
#define HOUR   (60 * MINUTE)

enum { MINUTE_MS = 60000 };

/* Two sets of two volumes with an image each, ID made at T0 and OLDER an hour before; asked for ten
 * minutes after T0, for one that is at most half an hour old. A case changes what it is about. */
struct scene {
    struct ec2_snapshot snapshots[4];
    struct ec2_image images[2];
    struct work_options options;
    struct device_attached attached[3];
    size_t attached_count;
    int64_t now_utc_us;
    struct inventory inventory;
};

static struct err err;

static void tag(struct ec2_tags *tags, const char *key, const char *value)
{
    char whole[80];

    (void)snprintf(whole, sizeof(whole), "stillpoint:%s", key);
    assert_true(ec2_tags_set(tags, whole, value, &err));
}

static void tag_all(struct ec2_tags *tags, const char *id)
{
    tag(tags, "id", id);
    tag(tags, "instance", NODE);
    tag(tags, "state", "complete");
    tag(tags, "consistency", "application");
    tag(tags, "members", "2");
    tag(tags, "image", "register");
}

static int set_up(void **state)
{
    static struct scene scene;

    memset(&scene, 0, sizeof(scene));
    err = (struct err)ERR_INIT;
    for (int i = 0; i < 4; i++) {
        struct ec2_snapshot *snapshot = &scene.snapshots[i];
        snapshot->state = EC2_SNAPSHOT_COMPLETED;
        snapshot->start_utc_us = i < 2 ? T0 : T0 - HOUR;
        (void)snprintf(snapshot->id, sizeof(snapshot->id), "snap-0%d", i);
        (void)snprintf(snapshot->volume_id, sizeof(snapshot->volume_id), "vol-0%d", i % 2);
        tag_all(&snapshot->tags, i < 2 ? ID : OLDER);
    }
    for (int i = 0; i < 2; i++) {
        scene.images[i].state = EC2_IMAGE_AVAILABLE;
        (void)snprintf(scene.images[i].id, sizeof(scene.images[i].id), "ami-0%d", i);
        tag_all(&scene.images[i].tags, i == 0 ? ID : OLDER);
        scene.attached[i].volume_id = scene.snapshots[i].volume_id;
    }
    scene.attached[2].volume_id = "vol-02";
    scene.attached_count = 2;
    scene.options = (struct work_options){.asked = LABEL_APPLICATION,
                                          .wait_complete = true,
                                          .image = true,
                                          .max_age_ms = 30 * MINUTE_MS};
    scene.now_utc_us = T0 + 10 * MINUTE;
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    inventory_free(&scene->inventory);
    for (int i = 0; i < 4; i++)
        ec2_tags_free(&scene->snapshots[i].tags);
    for (int i = 0; i < 2; i++)
        ec2_tags_free(&scene->images[i].tags);
    return 0;
}

/* The id of the one that is chosen; "" for none. */
static const char *chosen(struct scene *scene)
{
    struct inventory *inventory = &scene->inventory;

    inventory_free(inventory);
    assert_true(inventory_begin(inventory, "eu-west-1", &err));
    for (int i = 0; i < 4; i++)
        assert_true(inventory_add_snapshot(inventory, &scene->snapshots[i], &err));
    for (int i = 0; i < 2; i++)
        assert_true(inventory_add_image(inventory, &scene->images[i], &err));
    assert_true(inventory_settle(inventory, &err));
    const struct inventory_set *set = reuse_choose(inventory, &scene->options, scene->attached,
                                                   scene->attached_count, scene->now_utc_us);
    return set ? set->id : "";
}

/* Of both members of ID. */
static void tag_both(struct scene *scene, const char *key, const char *value)
{
    tag(&scene->snapshots[0].tags, key, value);
    tag(&scene->snapshots[1].tags, key, value);
}

static void the_newest_that_is_young_enough_is_chosen(void **state)
{
    struct scene *scene = *state;

    assert_string_equal(chosen(scene), ID);
    scene->options.max_age_ms = 120 * MINUTE_MS;
    assert_string_equal(chosen(scene), ID);
    scene->options.max_age_ms = 10 * MINUTE_MS; /* not younger than that */
    assert_string_equal(chosen(scene), "");
    scene->options.max_age_ms = 10 * MINUTE_MS + 1;
    assert_string_equal(chosen(scene), ID);
}

static void its_age_is_ec2s_whatever_its_tags_say(void **state)
{
    struct scene *scene = *state;

    tag_both(scene, "window", "2026-11-24T08:25:00.000000Z/2026-11-24T08:25:01.000000Z");
    scene->now_utc_us = T0 + 31 * MINUTE;
    assert_string_equal(chosen(scene), "");
    scene->now_utc_us = T0 + MINUTE;
    scene->snapshots[0].start_utc_us = scene->snapshots[1].start_utc_us = 0;
    assert_string_equal(chosen(scene), "");
}

static void less_consistent_than_asked_for_is_not_enough(void **state)
{
    struct scene *scene = *state;

    tag_both(scene, "consistency", "filesystem");
    assert_string_equal(chosen(scene), "");
    scene->options.asked = LABEL_FILESYSTEM;
    assert_string_equal(chosen(scene), ID);
    scene->options.asked = LABEL_CRASH;
    assert_string_equal(chosen(scene), ID);
    tag_both(scene, "consistency", "unconfirmed");
    assert_string_equal(chosen(scene), "");
}

static void less_is_enough_where_that_was_said_and_none_is_as_asked(void **state)
{
    struct scene *scene = *state;

    scene->options.or_less = true;
    scene->options.max_age_ms = 120 * MINUTE_MS;
    tag_both(scene, "asked", "application");
    tag_both(scene, "consistency", "filesystem");
    assert_string_equal(chosen(scene), OLDER);
    scene->options.max_age_ms = 30 * MINUTE_MS;
    assert_string_equal(chosen(scene), ID);
    tag_both(scene, "consistency", "crash");
    assert_string_equal(chosen(scene), ID);
    tag_both(scene, "asked", "crash"); /* a new one is asked for more */
    assert_string_equal(chosen(scene), "");
    tag_both(scene, "asked", "application");
    tag_both(scene, "consistency", "unconfirmed");
    assert_string_equal(chosen(scene), "");
}

static void an_older_one_that_fits_is_better_than_a_newer_that_does_not(void **state)
{
    struct scene *scene = *state;

    scene->options.max_age_ms = 120 * MINUTE_MS;
    tag_both(scene, "consistency", "crash");
    assert_string_equal(chosen(scene), OLDER);
}

static void one_that_ec2_still_copies_is_enough_until_the_cut_alone(void **state)
{
    struct scene *scene = *state;

    tag_both(scene, "state", "pending");
    scene->snapshots[1].state = EC2_SNAPSHOT_PENDING;
    scene->images[0].state = EC2_IMAGE_PENDING;
    assert_string_equal(chosen(scene), "");
    scene->options.wait_complete = false;
    assert_string_equal(chosen(scene), ID);
    tag_both(scene, "state", "cut");
    assert_string_equal(chosen(scene), "");
    tag_both(scene, "state", "pending");
    tag_both(scene, "consistency", "unconfirmed");
    assert_string_equal(chosen(scene), "");
}

static void what_is_broken_or_failed_its_verification_is_none(void **state)
{
    struct scene *scene = *state;

    tag_both(scene, "members", "3");
    assert_string_equal(chosen(scene), "");
    tag_both(scene, "members", "2");
    tag_both(scene, "verified", "failed 2026-11-24T08:20:00Z");
    assert_string_equal(chosen(scene), "");
    tag_both(scene, "verified", "ok 2026-11-24T08:20:00Z");
    assert_string_equal(chosen(scene), ID);
    scene->snapshots[1].state = EC2_SNAPSHOT_ERROR;
    assert_string_equal(chosen(scene), "");
}

static void a_volume_that_came_since_is_missed(void **state)
{
    struct scene *scene = *state;

    scene->attached_count = 3;
    assert_string_equal(chosen(scene), "");
    scene->attached_count = 1; /* one that is gone is not */
    assert_string_equal(chosen(scene), ID);
}

static void an_image_is_missed_where_one_is_asked_for(void **state)
{
    struct scene *scene = *state;

    scene->images[0].state = EC2_IMAGE_FAILED;
    assert_string_equal(chosen(scene), "");
    scene->options.image = false;
    assert_string_equal(chosen(scene), ID);
}

static void it_is_kept_as_long_as_asked_for(void **state)
{
    struct scene *scene = *state;

    scene->options.keep_ms = 60 * MINUTE_MS;
    assert_string_equal(chosen(scene), ""); /* no expiry of its own: the policy's */
    tag_both(scene, "expires", "2026-11-24T09:15:30.000000Z"); /* as if asked for the same */
    assert_string_equal(chosen(scene), ID);
    scene->options.keep_ms = 120 * MINUTE_MS;
    assert_string_equal(chosen(scene), "");
    scene->options.keep_ms = 0;
    scene->options.pin = true;
    assert_string_equal(chosen(scene), "");
    tag_both(scene, "pinned", "yes");
    assert_string_equal(chosen(scene), ID);
    scene->options.pin = false;
    scene->options.keep_ms = 120 * MINUTE_MS;
    assert_string_equal(chosen(scene), ID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newest_that_is_young_enough_is_chosen),
        CASE(its_age_is_ec2s_whatever_its_tags_say),
        CASE(less_consistent_than_asked_for_is_not_enough),
        CASE(less_is_enough_where_that_was_said_and_none_is_as_asked),
        CASE(an_older_one_that_fits_is_better_than_a_newer_that_does_not),
        CASE(one_that_ec2_still_copies_is_enough_until_the_cut_alone),
        CASE(what_is_broken_or_failed_its_verification_is_none),
        CASE(a_volume_that_came_since_is_missed),
        CASE(an_image_is_missed_where_one_is_asked_for),
        CASE(it_is_kept_as_long_as_asked_for),
    };

    return cmocka_run_group_tests_name("reuse", tests, NULL, NULL);
}
