/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_volumes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/fake_ec2.h"
#include "tests/unit/fake_http.h"

#define INSTANCE "i-0123456789abcdef0"

#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>r</RequestID></Response>"
#define EMPTY(action) "<" action "Response><return>true</return></" action "Response>"
#define ATTACHED(instance, device, status)                                                         \
    "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>"                         \
    "<status>in-use</status><attachmentSet><item><instanceId>" instance "</instanceId>"            \
    "<device>" device "</device><status>" status "</status></item></attachmentSet></item>"         \
    "</volumeSet></DescribeVolumesResponse>"
#define AVAILABLE                                                                                  \
    "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>"                         \
    "<status>available</status></item></volumeSet></DescribeVolumesResponse>"

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void volume_is_made_with_all_that_was_asked(void **state)
{
    static const char *const answers[] = {
        "<CreateVolumeResponse><volumeId>vol-0a</volumeId><status>creating</status>"
        "</CreateVolumeResponse>"};
    static const char *const want[] = {
        "Action=CreateVolume",
        "AvailabilityZone=eu-west-1b",
        "SnapshotId=snap-1",
        "Size=100",
        "VolumeType=gp3",
        "Iops=4000",
        "Throughput=250",
        "KmsKeyId=alias/k",
        "Encrypted=true",
        "VolumeInitializationRate=200",
        "TagSpecification.1.ResourceType=volume",
        "TagSpecification.1.Tag.1.Key=stillpoint:loan",
        "ClientToken=t-1",
    };
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0};
    struct ec2_create_volume what = {.availability_zone = "eu-west-1b",
                                     .snapshot_id = "snap-1",
                                     .size_gib = 100,
                                     .type = "gp3",
                                     .iops = 4000,
                                     .throughput_mibs = 250,
                                     .kms_key_id = "alias/k",
                                     .encrypted = true,
                                     .initialization_rate_mibs = 200,
                                     .tags = &tags,
                                     .client_token = "t-1"};
    char id[EC2_ID_BYTES];
    (void)state;
    assert_true(ec2_tags_set(&tags, "stillpoint:loan", "x", &fake.err));

    bool ok = ec2_create_volume(fake.ec2, &what, soon(), NULL, id, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    assert_string_equal(id, "vol-0a");
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        fake_ec2_assert_has(&fake, 0, want[i]);
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void what_is_not_asked_of_a_volume_is_left_to_ec2(void **state)
{
    static const char *const answers[] = {
        "<CreateVolumeResponse><volumeId>vol-0a</volumeId></CreateVolumeResponse>"};
    static const char *const lack[] = {"Size",     "VolumeType", "Iops",          "Throughput",
                                       "KmsKeyId", "Encrypted",  "Specification", "Rate"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_create_volume what = {
        .availability_zone = "z", .snapshot_id = "snap-1", .type = "", .client_token = "t"};
    char id[EC2_ID_BYTES];
    (void)state;

    assert_true(ec2_create_volume(fake.ec2, &what, soon(), NULL, id, &fake.err));

    for (size_t i = 0; i < sizeof(lack) / sizeof(lack[0]); i++)
        fake_ec2_assert_lacks(&fake, 0, lack[i]);
    fake_ec2_stop(&fake);
}

static void volume_without_a_token_is_never_asked_for(void **state)
{
    struct fake_ec2 fake = fake_ec2_start(NULL, 0);
    struct ec2_create_volume what = {.availability_zone = "z", .snapshot_id = "snap-1"};
    char id[EC2_ID_BYTES];
    (void)state;

    assert_false(ec2_create_volume(fake.ec2, &what, soon(), NULL, id, &fake.err));

    assert_int_equal(fake.err.kind, ERR_INTERNAL);
    assert_int_equal(ec2_calls(fake.ec2), 0);
    fake_ec2_stop(&fake);
}

static void lost_volume_is_asked_for_again_with_the_same_token(void **state)
{
    static const char *const answers[] = {
        REFUSED("InternalError"),
        "<CreateVolumeResponse><volumeId>vol-0a</volumeId></CreateVolumeResponse>",
        "<CreateVolumeResponse><volumeId>snap-1</volumeId></CreateVolumeResponse>",
        "<CreateVolumeResponse/>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 4);
    struct ec2_create_volume what = {
        .availability_zone = "z", .snapshot_id = "snap-1", .client_token = "t-7"};
    char id[EC2_ID_BYTES];
    (void)state;

    assert_true(ec2_create_volume(fake.ec2, &what, soon(), NULL, id, &fake.err));
    fake_ec2_assert_has(&fake, 0, "ClientToken=t-7");
    fake_ec2_assert_has(&fake, 1, "ClientToken=t-7");

    for (int n = 0; n < 2; n++) {
        assert_false(ec2_create_volume(fake.ec2, &what, soon(), NULL, id, &fake.err));
        assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    }
    fake_ec2_stop(&fake);
}

static void volume_that_is_attached_as_asked_counts_as_attached(void **state)
{
    static const char *const answers[] = {REFUSED("InvalidVolume.NotFound"),
                                          EMPTY("AttachVolume"),
                                          REFUSED("VolumeInUse"),
                                          ATTACHED(INSTANCE, "/dev/sdf", "attaching"),
                                          REFUSED("VolumeInUse"),
                                          ATTACHED(INSTANCE, "/dev/sdg", "attached"),
                                          REFUSED("VolumeInUse"),
                                          ATTACHED(INSTANCE, "/dev/sdf", "detaching")};
    struct fake_ec2 fake = fake_ec2_start(answers, 8);
    (void)state;

    assert_true(
        ec2_attach_volume(fake.ec2, "vol-1", INSTANCE, "/dev/sdf", soon(), NULL, &fake.err));
    fake_ec2_assert_has(&fake, 1, "Action=AttachVolume");
    fake_ec2_assert_has(&fake, 1, "VolumeId=vol-1");
    fake_ec2_assert_has(&fake, 1, "InstanceId=" INSTANCE);
    fake_ec2_assert_has(&fake, 1, "Device=/dev/sdf");
    assert_true(
        ec2_attach_volume(fake.ec2, "vol-1", INSTANCE, "/dev/sdf", soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_NONE);

    for (int n = 0; n < 2; n++) { /* elsewhere, or on its way out */
        assert_false(
            ec2_attach_volume(fake.ec2, "vol-1", INSTANCE, "/dev/sdf", soon(), NULL, &fake.err));
        assert_int_equal(fake.err.kind, ERR_AWS);
        assert_non_null(
            strstr(fake.err.text, "vol-1 as /dev/sdf of " INSTANCE ": AttachVolume: VolumeInUse"));
    }
    fake_ec2_stop(&fake);
}

static void volume_that_is_not_attached_counts_as_detached(void **state)
{
    static const char *const answers[] = {
        EMPTY("DetachVolume"),     REFUSED("InvalidVolume.NotFound"),
        REFUSED("IncorrectState"), AVAILABLE,
        REFUSED("IncorrectState"), ATTACHED(INSTANCE, "/dev/sdf", "detaching"),
        REFUSED("IncorrectState"), ATTACHED(INSTANCE, "/dev/sdf", "attached")};
    struct fake_ec2 fake = fake_ec2_start(answers, 8);
    (void)state;

    assert_true(
        ec2_detach_volume(fake.ec2, "vol-1", INSTANCE, "/dev/sdf", true, soon(), NULL, &fake.err));
    fake_ec2_assert_has(&fake, 0, "Device=/dev/sdf");
    fake_ec2_assert_has(&fake, 0, "Force=true");
    for (int n = 0; n < 3; n++)
        assert_true(
            ec2_detach_volume(fake.ec2, "vol-1", NULL, NULL, false, soon(), NULL, &fake.err));
    fake_ec2_assert_lacks(&fake, 1, "InstanceId");
    fake_ec2_assert_lacks(&fake, 1, "Force");
    assert_int_equal(fake.err.kind, ERR_NONE);

    assert_false(ec2_detach_volume(fake.ec2, "vol-1", NULL, NULL, false, soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_AWS);
    fake_ec2_stop(&fake);
}

static void volume_that_is_gone_counts_as_deleted(void **state)
{
    static const char *const answers[] = {EMPTY("DeleteVolume"), REFUSED("InvalidVolume.NotFound"),
                                          REFUSED("VolumeInUse")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    (void)state;

    assert_true(ec2_delete_volume(fake.ec2, "vol-1", soon(), NULL, &fake.err));
    assert_true(ec2_delete_volume(fake.ec2, "vol-1", soon(), NULL, &fake.err));
    assert_false(ec2_delete_volume(fake.ec2, "vol-1", soon(), NULL, &fake.err));

    assert_non_null(strstr(fake.err.text, "vol-1: DeleteVolume: VolumeInUse"));
    fake_ec2_stop(&fake);
}

struct seen {
    int count;
    struct ec2_volume last;
    char tag[80];
};

static bool note(void *self, const struct ec2_volume *volume, struct err *err)
{
    struct seen *seen = self;
    const char *tag = ec2_tags_get(&volume->tags, "stillpoint:loan");

    (void)err;
    seen->count++;
    seen->last = *volume;
    (void)snprintf(seen->tag, sizeof(seen->tag), "%s", tag ? tag : "");
    return true;
}

static void volumes_come_page_by_page(void **state)
{
    static const char *const answers[] = {
        "<DescribeVolumesResponse><nextToken>n2</nextToken><volumeSet><item>"
        "<volumeId>vol-1</volumeId><status>in-use</status><tagSet><item><key>stillpoint:loan</key>"
        "<value>a</value></item></tagSet><attachmentSet><item><instanceId>i-1</instanceId>"
        "</item></attachmentSet></item></volumeSet></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-2</volumeId>"
        "<status>error</status><size>3</size><encrypted>true</encrypted>"
        "<createTime>2026-11-24T08:15:31.000Z</createTime></item></volumeSet>"
        "</DescribeVolumesResponse>"};
    const char *key = "stillpoint:loan";
    struct ec2_filter filter = {"tag-key", &key, 1};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    struct seen seen = {.count = 0};
    (void)state;

    bool ok = ec2_list_volumes(fake.ec2, NULL, 0, &filter, 1, soon(), NULL, note, &seen, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    fake_ec2_assert_has(&fake, 0, "MaxResults=200");
    fake_ec2_assert_has(&fake, 0, "Filter.1.Name=tag-key");
    fake_ec2_assert_has(&fake, 1, "NextToken=n2");
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.last.state, "error");
    assert_string_equal(seen.tag, ""); /* nothing of the one before */
    assert_int_equal(seen.last.attachment_count, 0);
    assert_int_equal(seen.last.create_utc_us, 1795508131000000);
    assert_true(seen.last.encrypted);
    fake_ec2_stop(&fake);
}

static void volumes_by_id_are_asked_without_a_page_size(void **state)
{
    static const char *const answers[] = {AVAILABLE, REFUSED("InvalidVolume.NotFound"),
                                          "<DescribeVolumesResponse><volumeSet><item/></volumeSet>"
                                          "</DescribeVolumesResponse>"};
    static const char *const ids[] = {"vol-1"};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct seen seen = {.count = 0};
    (void)state;

    assert_true(ec2_list_volumes(fake.ec2, ids, 1, NULL, 0, soon(), NULL, note, &seen, &fake.err));
    fake_ec2_assert_has(&fake, 0, "VolumeId.1=vol-1");
    fake_ec2_assert_lacks(&fake, 0, "MaxResults");
    assert_false(ec2_list_volumes(fake.ec2, ids, 1, NULL, 0, soon(), NULL, note, &seen, &fake.err));
    assert_int_equal(fake.err.kind, ERR_AWS_NOT_FOUND);
    assert_false(ec2_list_volumes(fake.ec2, ids, 1, NULL, 0, soon(), NULL, note, &seen, &fake.err));
    assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    assert_false(
        ec2_list_volumes(fake.ec2, ids, 201, NULL, 0, soon(), NULL, note, &seen, &fake.err));
    assert_int_equal(fake.err.kind, ERR_LIMIT);
    fake_ec2_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volume_is_made_with_all_that_was_asked),
        cmocka_unit_test(what_is_not_asked_of_a_volume_is_left_to_ec2),
        cmocka_unit_test(volume_without_a_token_is_never_asked_for),
        cmocka_unit_test(lost_volume_is_asked_for_again_with_the_same_token),
        cmocka_unit_test(volume_that_is_attached_as_asked_counts_as_attached),
        cmocka_unit_test(volume_that_is_not_attached_counts_as_detached),
        cmocka_unit_test(volume_that_is_gone_counts_as_deleted),
        cmocka_unit_test(volumes_come_page_by_page),
        cmocka_unit_test(volumes_by_id_are_asked_without_a_page_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
