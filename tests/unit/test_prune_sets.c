/* SPDX-License-Identifier: BSD-2-Clause */
/* From what EC2 lists to verdicts, with every tag forged that there is. */
#include "agent/daemon/prune_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VICTIM "i-0123456789abcdef0"
#define FORGER "i-0fedcba9876543210"
#define NOW    1795508130000000LL /* 2026-11-24T08:15:30Z */
#define HOUR   (3600 * 1000000LL)
#define DAY    (24 * HOUR)

static struct err err;

struct scene {
    struct inventory inventory;
    struct prune_sets sets;
    struct retention_policy policy;
    struct retention_verdict *verdicts;
    int next;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    if (scene == NULL)
        return 1;
    err = (struct err)ERR_INIT;
    *state = scene;
    return !inventory_begin(&scene->inventory, "eu-west-1", &err);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    free(scene->verdicts);
    prune_sets_free(&scene->sets);
    inventory_free(&scene->inventory);
    free(scene);
    return 0;
}

static void tag(struct ec2_tags *tags, const char *key, const char *value)
{
    char whole[80];

    (void)snprintf(whole, sizeof(whole), "stillpoint:%s", key);
    if (value != NULL)
        assert_true(ec2_tags_set(tags, whole, value, &err));
}

/* A snapshot as a node makes and tags it. ID: of the set, NULL for none. */
struct made {
    const char *id, *instance, *volume, *state, *members, *expires, *verified, *consistency;
    enum ec2_snapshot_state ec2;
    int64_t start_utc_us;
};

static void put(struct scene *scene, struct made made)
{
    struct ec2_snapshot snapshot = {.state = made.ec2 ? made.ec2 : EC2_SNAPSHOT_COMPLETED,
                                    .size_gib = 8,
                                    .start_utc_us = made.start_utc_us};

    (void)snprintf(snapshot.id, sizeof(snapshot.id), "snap-%06d", ++scene->next);
    (void)snprintf(snapshot.volume_id, sizeof(snapshot.volume_id), "%s", made.volume);
    tag(&snapshot.tags, "id", made.id);
    tag(&snapshot.tags, "instance", made.instance ? made.instance : VICTIM);
    tag(&snapshot.tags, "state", made.state ? made.state : "complete");
    tag(&snapshot.tags, "members", made.members ? made.members : "2");
    tag(&snapshot.tags, "consistency", made.consistency ? made.consistency : "application");
    tag(&snapshot.tags, "expires", made.expires);
    tag(&snapshot.tags, "verified", made.verified);
    assert_true(inventory_add_snapshot(&scene->inventory, &snapshot, &err));
    ec2_tags_free(&snapshot.tags);
}

/* A set of two volumes, "vol-Xr" and "vol-Xd". */
static void put_set(struct scene *scene, char owner, struct made made)
{
    char volume[16];

    for (int i = 0; i < 2; i++) {
        (void)snprintf(volume, sizeof(volume), "vol-%c%c", owner, "rd"[i]);
        made.volume = volume;
        put(scene, made);
    }
}

static void judge(struct scene *scene)
{
    static const char *const victims[] = {"vol-vr", "vol-vd"}, *const forgers[] = {"vol-fr"};

    assert_true(inventory_settle(&scene->inventory, &err));
    assert_true(prune_sets_make(&scene->inventory, NULL, NOW, &scene->sets, &err));
    assert_true(prune_sets_prove(&scene->sets, VICTIM, victims, 2, &err));
    assert_true(prune_sets_prove(&scene->sets, FORGER, forgers, 1, &err));
    assert_true(prune_sets_prove(&scene->sets, "i-nobody", forgers, 1, &err));
    scene->verdicts = calloc(scene->sets.count + 1, sizeof(*scene->verdicts));
    assert_non_null(scene->verdicts);
    assert_true(retention_judge(scene->sets.list, scene->sets.count, &scene->policy, NOW,
                                scene->verdicts, &err));
}

static void says(const struct scene *scene, const char *id, const char *wanted)
{
    char text[RETENTION_TEXT_BYTES];

    for (size_t i = 0; i < scene->inventory.count; i++) {
        if (strcmp(scene->inventory.sets[i].id, id) != 0)
            continue;
        assert_string_equal(retention_text(&scene->verdicts[i], text), wanted);
        return;
    }
    fail_msg("no set %s", id);
}

static void sets_are_of_the_kind_that_ec2_and_their_tags_make_them(void **state)
{
    struct scene *scene = *state;
    scene->policy.keep[RETENTION_LAST] = 1;
    put_set(scene, 'v', (struct made){"sp-20261124T071530Z-aaaaa", .start_utc_us = NOW - HOUR});
    put_set(scene, 'v',
            (struct made){"sp-20261124T061530Z-bbbbb", .start_utc_us = NOW - 2 * HOUR,
                          .state = "pending"});
    put_set(scene, 'v',
            (struct made){"sp-20261104T081530Z-ccccc", .start_utc_us = NOW - 20 * DAY,
                          .state = "pending"});
    put_set(scene, 'v',
            (struct made){"sp-20261122T081530Z-ddddd", .start_utc_us = NOW - 2 * DAY,
                          .state = "held", .consistency = "unconfirmed"});
    put_set(scene, 'v',
            (struct made){"sp-20261121T081530Z-eeeee", .start_utc_us = NOW - 3 * DAY,
                          .state = "cut", .consistency = "unconfirmed",
                          .ec2 = EC2_SNAPSHOT_PENDING});
    put_set(scene, 'v',
            (struct made){"sp-20261120T081530Z-fffff", .start_utc_us = NOW - 4 * DAY,
                          .ec2 = EC2_SNAPSHOT_ERROR});
    put_set(
        scene, 'v',
        (struct made){"sp-20261119T081530Z-ggggg", .start_utc_us = NOW - 5 * DAY, .members = "3"});
    put_set(scene, 'v',
            (struct made){"sp-20261118T081530Z-hhhhh", .start_utc_us = NOW - 6 * DAY,
                          .verified = "failed 2026-11-19"});
    put_set(scene, 'v',
            (struct made){"sp-20261117T081530Z-jjjjj", .start_utc_us = NOW - 7 * DAY,
                          .state = "nonsense"});

    judge(scene);

    says(scene, "sp-20261124T071530Z-aaaaa", "kept: newest good");
    says(scene, "sp-20261124T061530Z-bbbbb", "kept: unfinished");
    says(scene, "sp-20261104T081530Z-ccccc", "goes: in no slot of the policy");
    says(scene, "sp-20261122T081530Z-ddddd", "goes: broken and older than a day");
    says(scene, "sp-20261121T081530Z-eeeee", "kept: unfinished");
    says(scene, "sp-20261120T081530Z-fffff", "goes: broken and older than a day");
    says(scene, "sp-20261119T081530Z-ggggg", "goes: broken and older than a day");
    says(scene, "sp-20261118T081530Z-hhhhh", "goes: in no slot of the policy");
    says(scene, "sp-20261117T081530Z-jjjjj", "goes: broken and older than a day");
}

static void sets_that_fail_verify_push_out_nothing(void **state)
{
    struct scene *scene = *state;
    char id[BACKUP_ID_BYTES];
    scene->policy.keep[RETENTION_LAST] = 2;
    put_set(scene, 'v',
            (struct made){"sp-20260901T081530Z-zzzzz", .start_utc_us = NOW - 84 * DAY,
                          .verified = "ok 2026-09-02T00:00:00Z"});
    put_set(scene, 'v',
            (struct made){"sp-20261001T081530Z-aaaaa", .start_utc_us = NOW - 54 * DAY,
                          .verified = "partly 2026-11-24T00:00:00Z: no room"});
    for (int i = 1; i <= 20; i++) {
        (void)snprintf(id, sizeof(id), "sp-202611%02dT081530Z-bbbbb", i);
        put_set(scene, 'v',
                (struct made){id, .start_utc_us = NOW - (24 - i) * DAY,
                              .verified = "failed 2026-11-24"});
    }

    judge(scene);

    says(scene, "sp-20260901T081530Z-zzzzz", "kept: newest that verify found good");
    says(scene, "sp-20261001T081530Z-aaaaa", "kept: newest good");
    says(scene, "sp-20261119T081530Z-bbbbb",
         "kept: last 2 of 2 (its verify failed: it takes no one's place)");
    says(scene, "sp-20261118T081530Z-bbbbb", "goes: in no slot of the policy");
}

/* The victim's three sets are judged the same, whatever another node makes of its own volumes. */
static void a_forger_changes_no_verdict_of_another_nodes_sets(void **state)
{
    struct scene *scene = *state;
    char id[BACKUP_ID_BYTES];
    scene->policy.keep[RETENTION_LAST] = 2;
    scene->policy.keep[RETENTION_DAILY] = 2;
    put_set(scene, 'v', (struct made){"sp-20261110T081530Z-aaaaa", .start_utc_us = NOW - 14 * DAY});
    put_set(scene, 'v', (struct made){"sp-20261109T081530Z-bbbbb", .start_utc_us = NOW - 15 * DAY});
    put_set(scene, 'v', (struct made){"sp-20261108T081530Z-ccccc", .start_utc_us = NOW - 16 * DAY});
    for (int i = 0; i < 1000; i++) { /* fresh, good, of the victim: by the tags */
        (void)snprintf(id, sizeof(id), "sp-20261123T%02d%02d30Z-fffff", i / 60, i % 60);
        put_set(scene, 'f', (struct made){id, .start_utc_us = NOW - DAY + i * 60 * 1000000LL});
    }
    /* Its set's id on a snapshot of the forger's. */
    put(scene, (struct made){"sp-20261109T081530Z-bbbbb", .volume = "vol-fr",
                             .start_utc_us = NOW - 15 * DAY, .state = "failed"});

    judge(scene);

    says(scene, "sp-20261110T081530Z-aaaaa", "kept: newest good");
    says(scene, "sp-20261109T081530Z-bbbbb", "kept: something in it does not belong there");
    says(scene, "sp-20261108T081530Z-ccccc", "kept: last 2 of 2"); /* longer than without */
}

static void what_is_stripped_of_its_ids_stays_where_nothing_better_is(void **state)
{
    struct scene *scene = *state;
    scene->policy.keep[RETENTION_DAILY] = 3;
    put_set(scene, 'f',
            (struct made){"sp-20261123T081530Z-aaaaa", FORGER, .start_utc_us = NOW - DAY});
    put(scene, (struct made){NULL, FORGER, "vol-fr", .start_utc_us = NOW - DAY - HOUR});
    put(scene, (struct made){"no id", FORGER, "vol-fr", .start_utc_us = NOW - 2 * DAY});
    put(scene,
        (struct made){NULL, "i-0aaaaaaaaaaaaaaaa", "vol-other", .start_utc_us = NOW - 90 * DAY});
    put(scene, (struct made){NULL, FORGER, "vol-fr", .start_utc_us = NOW - 3 * DAY,
                             .ec2 = EC2_SNAPSHOT_ERROR});

    judge(scene);

    static const enum retention_why wanted[] = {/* oldest first */
                                                RETENTION_KEPT_NONE_GOOD, RETENTION_GOES_BROKEN,
                                                RETENTION_KEPT_RULE, RETENTION_GOES_BROKEN};
    assert_int_equal(scene->inventory.orphan_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(scene->verdicts[scene->inventory.count + i].why, wanted[i]);
}

static void only_this_nodes_sets_are_ours(void **state)
{
    struct scene *scene = *state;
    put_set(scene, 'v',
            (struct made){"sp-20261123T081530Z-aaaaa", VICTIM, .start_utc_us = NOW - DAY});
    put_set(scene, 'f',
            (struct made){"sp-20261122T081530Z-bbbbb", FORGER, .start_utc_us = NOW - DAY});

    assert_true(inventory_settle(&scene->inventory, &err));
    assert_true(prune_sets_make(&scene->inventory, VICTIM, NOW, &scene->sets, &err));

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(scene->sets.list[i].foreign,
                         strcmp(scene->inventory.sets[i].instance, VICTIM) != 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sets_are_of_the_kind_that_ec2_and_their_tags_make_them),
        T(sets_that_fail_verify_push_out_nothing),
        T(a_forger_changes_no_verdict_of_another_nodes_sets),
        T(what_is_stripped_of_its_ids_stays_where_nothing_better_is),
        T(only_this_nodes_sets_are_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
