/* SPDX-License-Identifier: BSD-2-Clause */
/* What an earlier daemon left, against what EC2 has of it: adopted, removed or let stand. */
#include "agent/daemon/resume_left.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/tree.h"
#include "tests/unit/work_scene.h"

#define ID "sp-20261124T081530Z-k3f9x"
/* One snapshot: its number, EC2's state, our state and label. */
#define SNAPSHOT(n, status, state, label)                                                          \
    "<item><snapshotId>snap-" n "</snapshotId><volumeId>vol-" n "</volumeId><status>" status       \
    "</status><tagSet><item><key>stillpoint:id</key><value>" ID "</value></item>"                  \
    "<item><key>stillpoint:state</key><value>" state "</value></item>"                             \
    "<item><key>stillpoint:consistency</key><value>" label "</value></item></tagSet></item>"
#define SNAPSHOTS(items)                                                                           \
    "<DescribeSnapshotsResponse><snapshotSet>" items "</snapshotSet></DescribeSnapshotsResponse>"
#define BOTH(status, state, label)                                                                 \
    SNAPSHOTS(SNAPSHOT("1", status, state, label) SNAPSHOT("2", status, state, label))
#define ONE      SNAPSHOTS(SNAPSHOT("1", "completed", "held", "unconfirmed"))
#define NONE     SNAPSHOTS("")
#define NO_IMAGE "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"
#define TAGGED   "<CreateTagsResponse><return>true</return></CreateTagsResponse>"
#define DELETED  "<DeleteSnapshotResponse><return>true</return></DeleteSnapshotResponse>"
#define FORBIDDEN                                                                                  \
    "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"     \
    "</Errors><RequestID>r</RequestID></Response>"

struct scene {
    struct work_scene work;
    struct config config;
    struct tree tree;
    struct journal_entry entry;
    struct left_note note;
};

static void add_volume(struct scene *scene, const char *id)
{
    struct backup_snapshot *snapshot = backup_add_snapshot(scene->entry.backup);

    assert_non_null(snapshot);
    assert_true(strs_dup(&snapshot->volume, id, &scene->work.err));
}

/* A backup of two volumes that was asked to be application consistent, AGE_MS ago. */
static struct scene *open_scene(const char *const *answers, size_t count, enum journal_step step,
                                int64_t age_ms)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct err *err;

    assert_non_null(scene);
    err = &scene->work.err;
    work_scene_open(&scene->work, answers, count);
    tree_make(&scene->tree, "resume");
    assert_true(journal_open(scene->tree.root, err));
    scene->config.paths.state = scene->tree.root;
    scene->work.agent.config = &scene->config;
    backup_free(scene->work.work.backup);
    scene->work.work.backup = NULL;
    scene->work.work.config = &scene->config;
    strcpy(scene->work.work.identity.document.instance_id, "i-1");
    scene->entry = (struct journal_entry){.step = step,
                                          .keep = true,
                                          .written_boot_ms = clock_boot_ms() - age_ms,
                                          .written_utc_us = clock_utc_us() - age_ms * 1000,
                                          .backup = backup_new()};
    assert_non_null(scene->entry.backup);
    journal_boot_id(scene->entry.boot_id);
    scene->entry.backup->asked = LABEL_APPLICATION;
    assert_true(strs_dup(&scene->entry.backup->id, ID, err));
    assert_true(strs_dup(&scene->entry.backup->instance, "i-1", err));
    add_volume(scene, "vol-1");
    add_volume(scene, "vol-2");
    assert_true(journal_write(scene->tree.root, &scene->entry, err));
    return scene;
}

static enum left_fate settle(struct scene *scene)
{
    return left_settle(&scene->work.work, &scene->entry, clock_boot_ms() + 20000, &scene->note);
}

static bool has_entry(struct scene *scene, enum journal_step *ret_step)
{
    struct journal_entry read = {.step = JOURNAL_HOLD};
    struct err err = ERR_INIT;

    bool has = journal_read(scene->tree.root, ID, &read, &err);
    *ret_step = read.step;
    journal_entry_free(&read);
    return has;
}

static void close_scene(struct scene *scene)
{
    journal_entry_free(&scene->entry);
    scene->work.work.backup = NULL;
    tree_remove(&scene->tree);
    work_scene_close(&scene->work);
    free(scene);
}

/* Settled with OUTCOME, and no entry left. */
static void assert_settled(struct scene *scene, const char *outcome)
{
    enum journal_step step;

    assert_int_equal(settle(scene), LEFT_SETTLED);
    assert_string_equal(scene->note.outcome, outcome);
    assert_false(has_entry(scene, &step));
}

static void a_whole_set_without_proof_is_adopted_as_crash(void **state)
{
    static const char *const answers[] = {BOTH("completed", "held", "unconfirmed"), NO_IMAGE,
                                          TAGGED, TAGGED, TAGGED};
    struct scene *scene = open_scene(answers, 5, JOURNAL_HOLD, 1000);
    (void)state;

    assert_settled(scene, "adopted");

    fake_ec2_assert_has(&scene->work.fake, 2, "ResourceId.1=snap-1");
    assert_non_null(strstr(scene->note.text, "complete, crash consistent"));
    assert_int_equal(scene->entry.backup->shortfall.count, 1);
    fake_ec2_assert_has(&scene->work.fake, 4, "ResourceId.2=snap-2");
    fake_ec2_assert_has(&scene->work.fake, 4, "Tag.1.Value=complete");
    close_scene(scene);
}

static void a_label_that_was_proved_is_written(void **state)
{
    static const char *const answers[] = {BOTH("pending", "held", "unconfirmed"), NO_IMAGE, TAGGED,
                                          TAGGED};
    struct scene *scene = open_scene(answers, 4, JOURNAL_RAISE, 1000);
    enum journal_step step;
    (void)state;

    scene->entry.backup->consistency = LABEL_APPLICATION;
    assert_int_equal(settle(scene), LEFT_OPEN);

    char *form = fake_ec2_form(&scene->work.fake, 2);
    assert_non_null(strstr(form, "=application"));
    assert_null(strstr(form, "=crash"));
    free(form);
    assert_string_equal(scene->note.text, "0 of 2 snapshots completed");
    assert_true(has_entry(scene, &step));
    close_scene(scene);
}

static void wanted_whole_or_not_at_all_it_goes(void **state)
{
    static const char *const answers[] = {BOTH("completed", "held", "unconfirmed"), NO_IMAGE,
                                          DELETED, DELETED};
    struct scene *scene = open_scene(answers, 4, JOURNAL_HOLD, 1000);
    (void)state;

    scene->entry.keep = false;
    assert_settled(scene, "removed");
    fake_ec2_assert_has(&scene->work.fake, 3, "SnapshotId=snap-2");
    close_scene(scene);
}

static void a_part_is_waited_for_and_then_removed(void **state)
{
    static const char *const early[] = {ONE, NO_IMAGE};
    static const char *const late[] = {ONE, NO_IMAGE, DELETED};
    struct scene *scene = open_scene(early, 2, JOURNAL_HOLD, 1000);
    enum journal_step step;
    (void)state;

    assert_int_equal(settle(scene), LEFT_OPEN);
    assert_string_equal(scene->note.text, "1 of its 2 snapshots show in EC2 so far");
    assert_true(has_entry(scene, &step));
    close_scene(scene);

    scene = open_scene(late, 3, JOURNAL_HOLD, 301000);
    assert_settled(scene, "removed");
    fake_ec2_assert_has(&scene->work.fake, 2, "Action=DeleteSnapshot");
    close_scene(scene);
}

static void absence_counts_after_five_minutes_and_is_looked_at_again_later(void **state)
{
    static const char *const answers[] = {NONE, NO_IMAGE};
    enum journal_step step;
    (void)state;

    struct scene *scene = open_scene(answers, 2, JOURNAL_HOLD, 299000);
    assert_int_equal(settle(scene), LEFT_OPEN);
    close_scene(scene);

    scene = open_scene(answers, 2, JOURNAL_HOLD, 301000);
    assert_int_equal(settle(scene), LEFT_QUIET);
    assert_true(has_entry(scene, &step));
    assert_int_equal(step, JOURNAL_ABSENT);
    close_scene(scene);

    static const char *const found[] = {ONE, NO_IMAGE, DELETED};
    scene = open_scene(found, 3, JOURNAL_ABSENT, 3600 * 1000);
    assert_settled(scene, "removed");
    close_scene(scene);

    scene = open_scene(answers, 2, JOURNAL_ABSENT, (int64_t)25 * 3600 * 1000);
    assert_settled(scene, "nothing");
    close_scene(scene);
}

/* A node rolled back to a set has that set's journal as it was before the cut. */
static void a_confirmed_set_is_never_touched_by_an_entry_from_before_its_cut(void **state)
{
    static const char *const complete[] = {BOTH("completed", "complete", "application"), NO_IMAGE};
    static const char *const broken[] = {
        SNAPSHOTS(SNAPSHOT("1", "completed", "complete", "application")
                      SNAPSHOT("2", "error", "complete", "application")),
        NO_IMAGE};
    static const char *const part[] = {
        SNAPSHOTS(SNAPSHOT("1", "completed", "complete", "application")), NO_IMAGE};
    (void)state;

    struct scene *scene = open_scene(complete, 2, JOURNAL_HOLD, 301000);
    assert_settled(scene, "finished");
    close_scene(scene);
    scene = open_scene(broken, 2, JOURNAL_HOLD, 301000);
    assert_settled(scene, "stands");
    close_scene(scene);
    scene = open_scene(part, 2, JOURNAL_HOLD, 301000);
    assert_settled(scene, "stands");
    close_scene(scene);
}

static void a_set_that_ec2_failed_to_complete_goes(void **state)
{
    static const char *const answers[] = {
        SNAPSHOTS(SNAPSHOT("1", "completed", "pending", "application")
                      SNAPSHOT("2", "error", "pending", "application")),
        NO_IMAGE, DELETED, DELETED};
    struct scene *scene = open_scene(answers, 4, JOURNAL_RAISE, 1000);
    (void)state;

    assert_settled(scene, "removed");
    close_scene(scene);
}

static void without_the_right_to_delete_all_of_it_is_tagged_failed(void **state)
{
    static const char *const answers[] = {ONE, NO_IMAGE, FORBIDDEN, TAGGED};
    struct scene *scene = open_scene(answers, 4, JOURNAL_DISCARD, 301000);
    (void)state;

    assert_settled(scene, "failed");
    fake_ec2_assert_has(&scene->work.fake, 3, "Tag.1.Value=failed");
    assert_non_null(strstr(scene->note.text, "tagged failed"));
    close_scene(scene);
}

static void what_cannot_even_be_tagged_is_tried_again(void **state)
{
    static const char *const answers[] = {ONE, NO_IMAGE, FORBIDDEN, FORBIDDEN};
    struct scene *scene = open_scene(answers, 4, JOURNAL_DISCARD, 1000);
    enum journal_step step;
    (void)state;

    assert_int_equal(settle(scene), LEFT_OPEN);
    assert_true(has_entry(scene, &step));
    close_scene(scene);
}

static void a_whole_set_whose_label_may_not_be_written_stays(void **state)
{
    static const char *const answers[] = {BOTH("completed", "held", "unconfirmed"), NO_IMAGE,
                                          FORBIDDEN};
    struct scene *scene = open_scene(answers, 3, JOURNAL_HOLD, 301000);
    enum journal_step step;
    (void)state;

    assert_int_equal(settle(scene), LEFT_OPEN);
    assert_true(scene->note.trouble);
    assert_true(has_entry(scene, &step));
    assert_int_equal(step, JOURNAL_RAISE);
    close_scene(scene);
}

static void an_image_that_may_not_be_made_is_waited_for(void **state)
{
    static const char *const answers[] = {BOTH("completed", "pending", "application"), NO_IMAGE,
                                          FORBIDDEN};
    struct scene *scene = open_scene(answers, 3, JOURNAL_RAISE, 1000);
    enum journal_step step;
    (void)state;

    scene->entry.image = true;
    assert_int_equal(settle(scene), LEFT_OPEN);
    assert_true(scene->note.trouble);
    assert_true(has_entry(scene, &step));
    assert_true(scene->entry.image);
    close_scene(scene);
}

static void the_journal_of_another_instance_is_void(void **state)
{
    struct scene *scene = open_scene(NULL, 0, JOURNAL_DISCARD, 301000);
    (void)state;

    strcpy(scene->work.work.identity.document.instance_id, "i-2");
    assert_settled(scene, "void");
    assert_string_equal(scene->note.text, "it is of instance i-1, this is i-2");
    close_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_set_without_proof_is_adopted_as_crash),
        cmocka_unit_test(a_label_that_was_proved_is_written),
        cmocka_unit_test(wanted_whole_or_not_at_all_it_goes),
        cmocka_unit_test(a_part_is_waited_for_and_then_removed),
        cmocka_unit_test(absence_counts_after_five_minutes_and_is_looked_at_again_later),
        cmocka_unit_test(a_confirmed_set_is_never_touched_by_an_entry_from_before_its_cut),
        cmocka_unit_test(a_set_that_ec2_failed_to_complete_goes),
        cmocka_unit_test(without_the_right_to_delete_all_of_it_is_tagged_failed),
        cmocka_unit_test(what_cannot_even_be_tagged_is_tried_again),
        cmocka_unit_test(a_whole_set_whose_label_may_not_be_written_stays),
        cmocka_unit_test(an_image_that_may_not_be_made_is_waited_for),
        cmocka_unit_test(the_journal_of_another_instance_is_void),
    };

    return cmocka_run_group_tests_name("resume_left", tests, NULL, NULL);
}
