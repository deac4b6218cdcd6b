/* SPDX-License-Identifier: BSD-2-Clause */
/* After a cut whose answer was lost: nothing that EC2 shows is forgotten. */
#include "agent/daemon/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/plan.h"
#include "tests/unit/work_scene.h"

#define ONE                                                                                        \
    "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId>"                \
    "<volumeId>vol-1</volumeId><status>pending</status></item></snapshotSet>"                      \
    "</DescribeSnapshotsResponse>"
#define NONE    "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>"
#define DELETED "<DeleteSnapshotResponse><return>true</return></DeleteSnapshotResponse>"

/* The looks of the ten seconds that a cancel leaves: at 0, 1, 3 and 7. */
static void settle(struct work_scene *scene, struct verdict *verdict)
{
    struct plan plan = {.volume_count = 2};
    struct cut cut = {.sent = true};
    struct err cause = ERR_INIT;

    scene->work.plan = &plan;
    (void)err_set(&cause, ERR_CANCELLED, 0, "cut: cancelled");
    cancel_ask(&scene->job.cancel);
    assert_false(settle_cut(&scene->work, &cut, &cause, verdict, &scene->err));
    assert_int_equal(verdict->exit_code, 6);
    assert_string_equal(scene->err.text, "cut: cancelled");
    assert_non_null(strstr(scene->err.remedy, "stillpointd looks on"));
    assert_true(scene->work.journal.stays);
    cut_free(&cut);
}

static void a_part_that_was_found_goes_though_the_rest_is_unknown(void **state)
{
    static const char *const answers[] = {NONE, ONE, ONE, ONE, DELETED};
    struct work_scene scene;
    struct verdict verdict;
    (void)state;

    work_scene_open(&scene, answers, 5);
    settle(&scene, &verdict);

    fake_ec2_assert_has(&scene.fake, 4, "Action=DeleteSnapshot");
    fake_ec2_assert_has(&scene.fake, 4, "SnapshotId=snap-1");
    assert_string_equal(verdict.now,
                        "nothing is held by Stillpoint; 1 of the 1 snapshots that EC2 shows were "
                        "deleted, whether it made more is not known: `stillpoint list`, tag "
                        "stillpoint:id=sp-1");
    work_scene_close(&scene);
}

static void where_nothing_was_found_nothing_is_claimed(void **state)
{
    static const char *const answers[] = {NONE, NONE, NONE, NONE};
    struct work_scene scene;
    struct verdict verdict;
    (void)state;

    work_scene_open(&scene, answers, 4);
    settle(&scene, &verdict);

    assert_string_equal(verdict.now, "nothing is held by Stillpoint; whether EC2 made snapshots is "
                                     "not known: `stillpoint list`, tag stillpoint:id=sp-1");
    work_scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_that_was_found_goes_though_the_rest_is_unknown),
        cmocka_unit_test(where_nothing_was_found_nothing_is_claimed),
    };

    return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
