/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the snapshots: what EC2's answers say of the set, and what they do not. */
#include "agent/daemon/finish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/work_scene.h"

#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>r</RequestID></Response>"
#define SHOWN(status)                                                                              \
    "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId>"                \
    "<volumeId>vol-1</volumeId><status>" status "</status><statusMessage>key gone</statusMessage>" \
    "</item></snapshotSet></DescribeSnapshotsResponse>"

static bool wait_for(struct work_scene *scene, bool *ret_failed)
{
    *ret_failed = false;
    return finish_wait(&scene->work, clock_boot_ms() + 20000, ret_failed, &scene->err);
}

static void trouble_in_ec2_is_waited_out(void **state)
{
    static const char *const answers[] = {REFUSED("InternalError"), REFUSED("InternalError"),
                                          REFUSED("InternalError"), REFUSED("InternalError"),
                                          REFUSED("InternalError"), SHOWN("completed")};
    struct work_scene scene;
    (void)state;

    work_scene_open(&scene, answers, 6); /* one call gives up after five */
    bool failed, ok = wait_for(&scene, &failed);

    assert_string_equal(scene.err.text, "");
    assert_true(ok);
    assert_false(failed);
    work_scene_close(&scene);
}

static void a_refused_question_says_nothing_against_the_set(void **state)
{
    static const char *const answers[] = {REFUSED("InvalidParameterValue")};
    struct work_scene scene;
    (void)state;

    work_scene_open(&scene, answers, 1);
    bool failed, ok = wait_for(&scene, &failed);

    assert_false(ok);
    assert_int_equal(scene.err.kind, ERR_AWS);
    assert_false(failed);
    work_scene_close(&scene);
}

static void a_snapshot_in_error_fails_the_set_by_name(void **state)
{
    static const char *const answers[] = {SHOWN("error")};
    struct work_scene scene;
    (void)state;

    work_scene_open(&scene, answers, 1);
    bool failed, ok = wait_for(&scene, &failed);

    assert_false(ok);
    assert_true(failed);
    assert_non_null(strstr(scene.err.text, "snap-1"));
    assert_non_null(strstr(scene.err.text, "key gone"));
    work_scene_close(&scene);
}

static void an_image_that_failed_is_removed_and_forgotten(void **state)
{
    static const char *const answers[] = {
        "<RegisterImageResponse><imageId>ami-0a1</imageId></RegisterImageResponse>",
        "<DescribeImagesResponse><imagesSet><item><imageId>ami-0a1</imageId>"
        "<imageState>failed</imageState><stateReason><message>no kernel</message></stateReason>"
        "</item></imagesSet></DescribeImagesResponse>",
        "<DeregisterImageResponse><return>true</return></DeregisterImageResponse>"};
    struct ec2_instance *instance = calloc(1, sizeof(*instance));
    struct work_scene scene;
    (void)state;

    assert_non_null(instance);
    strcpy(instance->id, "i-1");
    strcpy(instance->root_device_name, "/dev/xvda");
    work_scene_open(&scene, answers, 3);
    scene.work.instance = instance;
    bool ok = finish_image(&scene.work, clock_boot_ms() + 20000, &scene.err);

    assert_false(ok);
    assert_non_null(strstr(scene.err.text, "ami-0a1 is failed"));
    fake_ec2_assert_has(&scene.fake, 2, "Action=DeregisterImage");
    assert_null(scene.work.backup->image.id); /* and is not tagged complete with the set */
    work_scene_close(&scene);
    free(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trouble_in_ec2_is_waited_out),
        cmocka_unit_test(a_refused_question_says_nothing_against_the_set),
        cmocka_unit_test(a_snapshot_in_error_fails_the_set_by_name),
        cmocka_unit_test(an_image_that_failed_is_removed_and_forgotten),
    };

    return cmocka_run_group_tests_name("finish", tests, NULL, NULL);
}
