/* SPDX-License-Identifier: BSD-2-Clause */
/* The exchange of volumes, its state in tags and its end, against a scripted EC2: what is asked for
 * follows from what is there. */
#include "agent/daemon/rollback_swap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/rollback_cloud.h"
#include "tests/unit/work_scene.h"

#define RB  "rb-20261124T081530Z-k3f9x"
#define SET "sp-20261124T081530Z-k3f9x"
#define TAGS(role, instance)                                                                       \
    "<tagSet><item><key>stillpoint:rollback</key><value>" RB "</value></item><item><key>"          \
    "stillpoint:rollback-role</key><value>1 " role " " instance " /dev/sdf yes</value></item>"     \
    "<item><key>stillpoint:rollback-mount-0</key><value>0 /srv</value></item></tagSet>"
#define VOLUME(id, role, state, attachments)                                                       \
    "<item><volumeId>" id "</volumeId><status>" state "</status><attachmentSet>" attachments       \
    "</attachmentSet>" TAGS(role, "i-1") "</item>"
#define OLD(state, attachments) VOLUME("vol-old", "kept", state, attachments)
#define NEW(state, attachments) VOLUME("vol-new", "made", state, attachments)
#define AT(status)                                                                                 \
    "<item><instanceId>i-1</instanceId><device>/dev/sdf</device><status>" status "</status></"     \
    "item>"
#define ELSEWHERE                                                                                  \
    "<item><instanceId>i-2</instanceId><device>/dev/sdf</device><status>attached</status></item>"
#define VOLUMES(items)                                                                             \
    "<DescribeVolumesResponse><volumeSet>" items "</volumeSet></DescribeVolumesResponse>"
#define DONE(action) "<" action "Response><return>true</return></" action "Response>"
#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>r</RequestID></Response>"

struct scene {
    struct work_scene work;
    struct ec2_instance instance;
    struct rollback rollback;
};

static struct scene *open_scene(const char *const *answers, size_t count)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    work_scene_open(&scene->work, answers, count);
    strcpy(scene->work.work.identity.document.instance_id, "i-1");
    strcpy(scene->instance.id, "i-1");
    strcpy(scene->instance.root_device_name, "/dev/sda1");
    scene->work.work.instance = &scene->instance;
    assert_int_equal(pthread_mutex_init(&scene->work.agent.mutex, NULL), 0);
    scene->rollback.job = &scene->work.job;
    scene->rollback.work = &scene->work.work;
    scene->rollback.state = (struct rollback_state){.id = RB, .set = SET, .step = ROLLBACK_SWAP};
    return scene;
}

static void close_scene(struct scene *scene)
{
    json_decref(scene->work.agent.rollback);
    (void)pthread_mutex_destroy(&scene->work.agent.mutex);
    free(scene->rollback.volumes);
    work_scene_close(&scene->work);
    free(scene);
}

static int64_t soon(void)
{
    return clock_boot_ms() + 10000;
}

static void one_goes_and_the_other_comes_under_its_name(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("in-use", AT("attached")) NEW("available", "")),
        DONE("DetachVolume"),
        VOLUMES(OLD("in-use", AT("busy")) NEW("available", "")),
        VOLUMES(OLD("available", "") NEW("available", "")),
        DONE("AttachVolume"),
        VOLUMES(OLD("available", "") NEW("in-use", AT("attaching"))),
        VOLUMES(OLD("available", "") NEW("in-use", AT("attached"))),
        DONE("ModifyInstanceAttribute"),
    };
    struct scene *scene = open_scene(answers, 8);

    (void)unused;
    assert_true(rollback_swap(&scene->rollback, ROLLBACK_KEPT, soon(), &scene->work.err));

    fake_ec2_assert_has(&scene->work.fake, 0, "Filter.1.Name=tag:stillpoint:rollback");
    fake_ec2_assert_has(&scene->work.fake, 0, "Filter.1.Value.1=" RB);
    fake_ec2_assert_has(&scene->work.fake, 1, "Action=DetachVolume");
    fake_ec2_assert_has(&scene->work.fake, 1, "VolumeId=vol-old");
    fake_ec2_assert_lacks(&scene->work.fake, 1, "Force");
    fake_ec2_assert_has(&scene->work.fake, 4, "Action=AttachVolume");
    fake_ec2_assert_has(&scene->work.fake, 4, "VolumeId=vol-new");
    fake_ec2_assert_has(&scene->work.fake, 4, "Device=/dev/sdf");
    fake_ec2_assert_has(&scene->work.fake, 7, "BlockDeviceMapping.1.Ebs.DeleteOnTermination=true");
    assert_int_equal(scene->rollback.count, 2);
    assert_string_equal(scene->rollback.volumes[0].mounts[0].path, "/srv");
    assert_false(scene->rollback.less);
    close_scene(scene);
}

static void what_was_done_before_a_crash_is_not_done_again(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("available", "") NEW("in-use", AT("attached"))),
        DONE("ModifyInstanceAttribute"),
    };
    struct scene *scene = open_scene(answers, 2);

    (void)unused;
    assert_true(rollback_swap(&scene->rollback, ROLLBACK_KEPT, soon(), &scene->work.err));
    close_scene(scene);
}

static void partner_that_ec2_does_not_list_yet_is_waited_for(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("in-use", AT("attached"))),
        VOLUMES(OLD("available", "") NEW("in-use", AT("attached"))),
        DONE("ModifyInstanceAttribute"),
    };
    struct scene *scene = open_scene(answers, 3);

    (void)unused;
    assert_true(rollback_swap(&scene->rollback, ROLLBACK_KEPT, soon(), &scene->work.err));
    fake_ec2_assert_has(&scene->work.fake, 1, "Action=DescribeVolumes");
    close_scene(scene);
}

static void volume_that_is_just_being_attached_is_let_settle(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("available", "") NEW("in-use", AT("attaching"))),
        VOLUMES(OLD("available", "") NEW("in-use", AT("attached"))),
        DONE("DetachVolume"),
        VOLUMES(OLD("available", "") NEW("available", "")),
        DONE("AttachVolume"),
        VOLUMES(OLD("in-use", AT("attached")) NEW("available", "")),
        DONE("ModifyInstanceAttribute"),
    };
    struct scene *scene = open_scene(answers, 7);

    (void)unused;
    assert_true(rollback_swap(&scene->rollback, ROLLBACK_MADE, soon(), &scene->work.err));
    fake_ec2_assert_has(&scene->work.fake, 2, "VolumeId=vol-new");
    fake_ec2_assert_has(&scene->work.fake, 4, "VolumeId=vol-old");
    close_scene(scene);
}

static void refusal_ends_it(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("available", "") NEW("available", "")),
        REFUSED("InvalidParameterValue"),
    };
    struct scene *scene = open_scene(answers, 2);

    (void)unused;
    assert_false(rollback_swap(&scene->rollback, ROLLBACK_KEPT, soon(), &scene->work.err));
    assert_int_equal(scene->work.err.kind, ERR_AWS);
    close_scene(scene);
}

static void volume_that_another_instance_has_is_left_to_it(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("in-use", AT("attached")) NEW("in-use", ELSEWHERE))};
    struct scene *scene = open_scene(answers, 1);

    (void)unused;
    assert_false(rollback_swap(&scene->rollback, ROLLBACK_KEPT, soon(), &scene->work.err));
    assert_int_equal(scene->work.err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(scene->work.err.text, "another instance"));
    close_scene(scene);
}

static void step_is_in_the_tag_before_it_is_known_here(void **unused)
{
    static const char *const good[] = {DONE("CreateTags")}, *const bad[] = {
                                                                REFUSED("UnauthorizedOperation")};
    struct scene *scene = open_scene(good, 1);

    (void)unused;
    assert_true(rollback_enter(&scene->rollback, ROLLBACK_START, &scene->work.err));
    fake_ec2_assert_has(&scene->work.fake, 0, "ResourceId.1=i-1");
    fake_ec2_assert_has(&scene->work.fake, 0, "Tag.1.Value=1 " RB " " SET " data-only start -");
    assert_int_equal(scene->rollback.state.step, ROLLBACK_START);
    assert_string_equal(json_string_value(json_object_get(scene->work.agent.rollback, "step")),
                        "start");
    close_scene(scene);

    scene = open_scene(bad, 1);
    assert_false(rollback_enter(&scene->rollback, ROLLBACK_START, &scene->work.err));
    assert_int_equal(scene->rollback.state.step, ROLLBACK_SWAP);
    close_scene(scene);
}

static void nothing_that_is_attached_is_deleted(void **unused)
{
    static const char *const answers[] = {
        VOLUMES(OLD("in-use", AT("attached")) NEW("in-use", AT("attached")))};
    struct scene *scene = open_scene(answers, 1);
    size_t count = 7;

    (void)unused;
    assert_true(rollback_look(&scene->rollback, soon(), &scene->work.err));
    assert_false(
        rollback_delete(&scene->rollback, ROLLBACK_KEPT, soon(), &count, &scene->work.err));
    assert_int_equal(scene->work.err.kind, ERR_PRECONDITION);
    assert_int_equal(count, 0);
    close_scene(scene);
}

static void only_volumes_of_that_role_are_deleted(void **unused)
{
    static const char *const answers[] = {VOLUMES(OLD("available", "") NEW("available", "")),
                                          DONE("DeleteVolume")};
    struct scene *scene = open_scene(answers, 2);
    size_t count = 0;

    (void)unused;
    assert_true(rollback_look(&scene->rollback, soon(), &scene->work.err));
    assert_true(rollback_delete(&scene->rollback, ROLLBACK_MADE, soon(), &count, &scene->work.err));
    fake_ec2_assert_has(&scene->work.fake, 1, "VolumeId=vol-new");
    assert_int_equal(count, 1);
    close_scene(scene);
}

static void volumes_of_another_instance_are_none_of_ours(void **unused)
{
    static const char *const answers[] = {
        VOLUMES("<item><volumeId>vol-x</volumeId><status>available</status>" TAGS(
            "kept", "i-2") "</item>")};
    struct scene *scene = open_scene(answers, 1);

    (void)unused;
    assert_true(rollback_look(&scene->rollback, soon(), &scene->work.err));
    assert_int_equal(scene->rollback.count, 0);
    close_scene(scene);
}

static void failed_look_leaves_what_was_known(void **unused)
{
    static const char *const answers[] = {VOLUMES(OLD("available", "")),
                                          REFUSED("UnauthorizedOperation")};
    struct scene *scene = open_scene(answers, 2);

    (void)unused;
    assert_true(rollback_look(&scene->rollback, soon(), &scene->work.err));
    assert_false(rollback_look(&scene->rollback, soon(), &scene->work.err));
    assert_int_equal(scene->rollback.count, 1);
    close_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_goes_and_the_other_comes_under_its_name),
        cmocka_unit_test(what_was_done_before_a_crash_is_not_done_again),
        cmocka_unit_test(partner_that_ec2_does_not_list_yet_is_waited_for),
        cmocka_unit_test(volume_that_is_just_being_attached_is_let_settle),
        cmocka_unit_test(refusal_ends_it),
        cmocka_unit_test(volume_that_another_instance_has_is_left_to_it),
        cmocka_unit_test(step_is_in_the_tag_before_it_is_known_here),
        cmocka_unit_test(nothing_that_is_attached_is_deleted),
        cmocka_unit_test(only_volumes_of_that_role_are_deleted),
        cmocka_unit_test(volumes_of_another_instance_are_none_of_ours),
        cmocka_unit_test(failed_look_leaves_what_was_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
