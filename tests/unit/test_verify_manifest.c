/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands on a disk, and what EC2 says of the members, against the tags of a set. */
#include "agent/daemon/verify_manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"

#define ID    "sp-20261129T081530Z-k3f9x"
#define OTHER "sp-20261128T081530Z-aaaaa"

enum { BEGIN_S = 1795940131 };

struct scene {
    struct backup *set;
    struct buf text;
    struct manifest manifest;
    struct strs findings;
    struct err err;
};

static struct backup *make_set(const char *id, struct err *err)
{
    static const char *const volumes[] = {"vol-1", "vol-2"};
    struct backup *set = backup_new();

    assert_non_null(set);
    assert_true(strs_dup(&set->id, id, err));
    assert_true(strs_dup(&set->instance, "i-1", err));
    set->window_begin_utc_us = BEGIN_S * 1000000LL;
    for (size_t i = 0; i < 2; i++) {
        struct backup_snapshot *snapshot = backup_add_snapshot(set);
        assert_non_null(snapshot);
        assert_true(strs_dup(&snapshot->volume, volumes[i], err));
    }
    struct backup_database *database = backup_add_database(set);
    assert_non_null(database);
    assert_true(strs_dup(&database->name, "mysql", err));
    assert_true(strs_dup(&database->binlog_file, "binlog.000007", err));
    database->binlog_pos = 73421;
    return set;
}

/* The manifest of a set like the scene's, with ID, written MS before the window. */
static void write_manifest(struct scene *scene, const char *id, int64_t before_us)
{
    struct backup *written = make_set(id, &scene->err);

    manifest_free(&scene->manifest);
    buf_clear(&scene->text);
    assert_true(manifest_text(written, scene->set->window_begin_utc_us - before_us, &scene->text,
                              &scene->err));
    assert_true(
        manifest_read(buf_text(&scene->text), scene->text.len, &scene->manifest, &scene->err));
    backup_free(written);
}

static struct scene open_scene(void)
{
    struct scene scene = {.text = BUF_INIT(MANIFEST_BYTES_MAX), .err = ERR_INIT};

    scene.set = make_set(ID, &scene.err);
    write_manifest(&scene, ID, 2000);
    return scene;
}

static void close_scene(struct scene *scene)
{
    backup_free(scene->set);
    buf_free(&scene->text);
    manifest_free(&scene->manifest);
    strs_free(&scene->findings);
}

static const char *judge(struct scene *scene, const char *volume)
{
    strs_free(&scene->findings);
    assert_true(verify_manifest_judge(scene->set, &scene->manifest, volume, "/dev/sdf (/x)",
                                      &scene->findings, &scene->err));
    return scene->findings.count > 0 ? scene->findings.items[0] : "";
}

static void a_manifest_of_the_set_has_no_finding(void **state)
{
    struct scene scene = open_scene();
    (void)state;

    assert_string_equal(judge(&scene, "vol-1"), "");
    close_scene(&scene);
}

static void one_of_another_backup_is_named_and_nothing_else_of_it(void **state)
{
    struct scene scene = open_scene();
    (void)state;

    write_manifest(&scene, OTHER, 86400000000LL);
    assert_non_null(strstr(judge(&scene, "vol-1"),
                           "the manifest on /dev/sdf (/x) is of another backup: " OTHER));
    assert_int_equal(scene.findings.count, 1);
    close_scene(&scene);
}

static void each_difference_is_named(void **state)
{
    struct scene scene = open_scene();
    (void)state;

    assert_non_null(strstr(judge(&scene, "vol-3"), "of a set without vol-3"));
    assert_true(strs_set(&scene.set->snapshots[1].volume, "vol-4", &scene.err));
    assert_non_null(strstr(judge(&scene, "vol-1"), "knows nothing of vol-4"));
    assert_non_null(strstr(scene.findings.items[1], "has vol-2, which is not in the set"));
    assert_true(strs_set(&scene.set->snapshots[1].volume, "vol-2", &scene.err));
    scene.set->databases[0].binlog_pos = 73400;
    assert_non_null(strstr(judge(&scene, "vol-1"), "the tags say binlog.000007:73400"));
    scene.set->databases[0].binlog_pos = 73421;
    write_manifest(&scene, ID, 3600000000LL);
    assert_non_null(strstr(judge(&scene, "vol-1"), "was written at"));
    close_scene(&scene);
}

static struct set_member member(const char *id, const char *volume, int64_t start_s)
{
    return (struct set_member){.id = id, .volume = volume, .start_utc_us = start_s * 1000000};
}

static void a_member_of_another_instant_is_named(void **state)
{
    struct scene scene = open_scene();
    struct set_member members[] = {member("snap-1", "vol-1", BEGIN_S),
                                   member("snap-2", "vol-2", BEGIN_S)};
    (void)state;

    assert_true(verify_members_judge(scene.set, members, 2, &scene.findings, &scene.err));
    assert_int_equal(scene.findings.count, 0);
    members[1] = member("snap-2", "vol-2", BEGIN_S - 3600);
    assert_true(verify_members_judge(scene.set, members, 2, &scene.findings, &scene.err));
    assert_int_equal(scene.findings.count, 1); /* of two, the one farther from the window */
    assert_non_null(strstr(scene.findings.items[0], "snap-2 (vol-2) is of another instant"));
    assert_non_null(strstr(scene.findings.items[0], "3600 s before"));
    close_scene(&scene);
}

static void two_of_one_volume_are_named(void **state)
{
    struct scene scene = open_scene();
    struct set_member members[] = {member("snap-1", "vol-1", BEGIN_S),
                                   member("snap-2", "vol-1", BEGIN_S)};
    (void)state;

    assert_true(verify_members_judge(scene.set, members, 2, &scene.findings, &scene.err));
    assert_string_equal(scene.findings.items[0], "snap-1 and snap-2 are both of vol-1");
    close_scene(&scene);
}

static void what_is_no_manifest_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"stillpoint\": 2}",
        "{\"stillpoint\": 1, \"written\": \"today\"}",
        "{\"stillpoint\": 1, \"written\": \"2026-11-29T08:15:31Z\", \"id\": \"" ID "\"}",
        "{\"stillpoint\": 1, \"written\": \"2026-11-29T08:15:31Z\", \"id\": \"x\", \"volumes\": "
        "[]}",
        "{\"stillpoint\": 1, \"written\": \"2026-11-29T08:15:31Z\", \"id\": \"" ID
        "\", \"volumes\": [{}]}",
        "{\"stillpoint\": 1, \"written\": \"2026-11-29T08:15:31Z\", \"id\": \"" ID
        "\", \"volumes\": [], \"mounts\": [{\"path\": 7}]}"};
    struct manifest manifest;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = ERR_INIT;
        if (manifest_read(bad[i], strlen(bad[i]), &manifest, &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_of_the_set_has_no_finding),
        cmocka_unit_test(one_of_another_backup_is_named_and_nothing_else_of_it),
        cmocka_unit_test(each_difference_is_named),
        cmocka_unit_test(a_member_of_another_instant_is_named),
        cmocka_unit_test(two_of_one_volume_are_named),
        cmocka_unit_test(what_is_no_manifest_is_refused),
    };

    return cmocka_run_group_tests_name("verify_manifest", tests, NULL, NULL);
}
