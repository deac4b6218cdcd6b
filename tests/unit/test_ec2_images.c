/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_images.h"

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

#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>r</RequestID></Response>"

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void image_is_registered_with_all_that_the_instance_was(void **state)
{
    static const char *const answers[] = {
        "<RegisterImageResponse><imageId>ami-0a1</imageId></RegisterImageResponse>"};
    static const char *const want[] = {
        "Action=RegisterImage",
        "Name=stillpoint sp-1",
        "Description=d",
        "Architecture=arm64",
        "VirtualizationType=hvm",
        "RootDeviceName=/dev/xvda",
        "BootMode=uefi",
        "TpmSupport=v2.0",
        "UefiData=QU1a",
        "ImdsSupport=v2.0",
        "SriovNetSupport=simple",
        "EnaSupport=true",
        "BlockDeviceMapping.1.DeviceName=/dev/xvda",
        "BlockDeviceMapping.1.Ebs.SnapshotId=snap-1",
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination=true",
        "BlockDeviceMapping.2.DeviceName=/dev/sdf",
        "BlockDeviceMapping.2.Ebs.VolumeType=gp3",
        "BlockDeviceMapping.2.Ebs.VolumeSize=100",
        "BlockDeviceMapping.2.Ebs.Iops=4000",
        "BlockDeviceMapping.2.Ebs.Throughput=250",
        "BlockDeviceMapping.2.Ebs.DeleteOnTermination=false",
        "TagSpecification.1.ResourceType=image",
        "TagSpecification.1.Tag.1.Key=k",
    };
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0};
    struct ec2_mapping mappings[] = {
        {.device = "/dev/xvda", .snapshot_id = "snap-1", .delete_on_termination = EC2_YES},
        {.device = "/dev/sdf",
         .snapshot_id = "snap-2",
         .volume_type = "gp3",
         .size_gib = 100,
         .iops = 4000,
         .throughput_mibs = 250,
         .delete_on_termination = EC2_NO}};
    struct ec2_register_image what = {.name = "stillpoint sp-1",
                                      .description = "d",
                                      .architecture = "arm64",
                                      .virtualization_type = "hvm",
                                      .root_device_name = "/dev/xvda",
                                      .boot_mode = "uefi",
                                      .tpm_support = "v2.0",
                                      .uefi_data = "QU1a",
                                      .imds_support = "v2.0",
                                      .sriov_net_support = "simple",
                                      .ena_support = EC2_YES,
                                      .mappings = mappings,
                                      .mapping_count = 2,
                                      .tags = &tags};
    char id[EC2_ID_BYTES];
    (void)state;
    assert_true(ec2_tags_set(&tags, "k", "v", &fake.err));

    bool ok = ec2_register_image(fake.ec2, &what, soon(), NULL, id, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    assert_string_equal(id, "ami-0a1");
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        fake_ec2_assert_has(&fake, 0, want[i]);
    fake_ec2_assert_lacks(&fake, 0, "BlockDeviceMapping.1.Ebs.Iops");
    fake_ec2_assert_lacks(&fake, 0, "BlockDeviceMapping.1.Ebs.VolumeType");
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void what_the_instance_did_not_say_is_left_out(void **state)
{
    static const char *const answers[] = {
        "<RegisterImageResponse><imageId>ami-0a1</imageId></RegisterImageResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_register_image what = {.name = "n", .boot_mode = "", .ena_support = EC2_UNKNOWN};
    char id[EC2_ID_BYTES], *form;
    (void)state;

    assert_true(ec2_register_image(fake.ec2, &what, soon(), NULL, id, &fake.err));

    form = fake_ec2_form(&fake, 0);
    assert_string_equal(form, "Action=RegisterImage&Version=2016-11-15&Name=n");
    free(form);
    fake_ec2_stop(&fake);
}

static void taken_name_and_odd_answers_are_errors(void **state)
{
    static const char *const answers[] = {
        REFUSED("InvalidAMIName.Duplicate"), "<RegisterImageResponse/>",
        "<RegisterImageResponse><imageId>vol-1</imageId></RegisterImageResponse>"};
    static const enum err_kind kinds[] = {ERR_AWS, ERR_PROTOCOL, ERR_PROTOCOL};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_register_image what = {.name = "n"};
    char id[EC2_ID_BYTES] = "untouched";
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        assert_false(ec2_register_image(fake.ec2, &what, soon(), NULL, id, &fake.err));
        assert_int_equal(fake.err.kind, kinds[i]);
        if (i == 0)
            assert_string_equal(ec2_outcome(fake.ec2)->error.code, "InvalidAMIName.Duplicate");
    }
    assert_string_equal(id, "untouched");
    fake_ec2_stop(&fake);
}

static void image_of_an_instance_is_made_without_reboot(void **state)
{
    static const char *const answers[] = {
        "<CreateImageResponse><imageId>ami-0b2</imageId></CreateImageResponse>"};
    static const char *const excluded[] = {"/dev/sdg"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0};
    struct ec2_create_image what = {.instance_id = "i-1",
                                    .name = "n",
                                    .exclude_devices = excluded,
                                    .exclude_count = 1,
                                    .image_tags = &tags,
                                    .snapshot_tags = &tags};
    char id[EC2_ID_BYTES];
    (void)state;
    assert_true(ec2_tags_set(&tags, "k", "v", &fake.err));

    assert_true(ec2_create_image(fake.ec2, &what, soon(), NULL, id, &fake.err));

    assert_string_equal(id, "ami-0b2");
    fake_ec2_assert_has(&fake, 0, "NoReboot=true");
    fake_ec2_assert_has(&fake, 0, "InstanceId=i-1");
    fake_ec2_assert_has(&fake, 0, "BlockDeviceMapping.1.DeviceName=/dev/sdg");
    fake_ec2_assert_has(&fake, 0, "BlockDeviceMapping.1.NoDevice=");
    fake_ec2_assert_has(&fake, 0, "TagSpecification.1.ResourceType=image");
    fake_ec2_assert_has(&fake, 0, "TagSpecification.2.ResourceType=snapshot");
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static bool note_image(void *self, const struct ec2_image *image, struct err *err)
{
    if (!buf_printf(self, err, "%s \"%s\" %s(%s) %s ena=%d", image->id, image->name,
                    ec2_image_state_name(image->state), image->state_text, image->boot_mode,
                    (int)image->ena_support))
        return false;
    for (size_t i = 0; i < image->mapping_count; i++)
        if (!buf_printf(self, err, " %s=%s", image->mappings[i].device,
                        image->mappings[i].snapshot_id))
            return false;
    return buf_printf(self, err, " tags=%zu\n", image->tags.count);
}

static void images_come_with_their_mappings(void **state)
{
    static const char *const answers[] = {
        "<DescribeImagesResponse><imagesSet><item><imageId>ami-1</imageId><name>one</name>"
        "<imageState>available</imageState><bootMode>uefi</bootMode><enaSupport>true</enaSupport>"
        "<creationDate>2026-11-24T08:20:00.000Z</creationDate><blockDeviceMapping>"
        "<item><deviceName>/dev/xvda</deviceName><ebs><snapshotId>snap-1</snapshotId>"
        "<volumeSize>8</volumeSize><deleteOnTermination>true</deleteOnTermination>"
        "<volumeType>gp3</volumeType><encrypted>false</encrypted></ebs></item>"
        "<item><deviceName>/dev/sdb</deviceName><virtualName>ephemeral0</virtualName></item>"
        "<item><deviceName>/dev/sdf</deviceName><ebs><snapshotId>snap-2</snapshotId></ebs></item>"
        "</blockDeviceMapping><tagSet><item><key>k</key><value>v</value></item></tagSet></item>"
        "<item><imageId>ami-2</imageId><name>two</name><imageState>failed</imageState>"
        "<stateReason><code>Client.X</code><message>why</message></stateReason></item>"
        "<item><imageId>ami-3</imageId><imageState>transient</imageState></item></imagesSet>"
        "</DescribeImagesResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct buf notes = BUF_INIT(1000);
    (void)state;

    bool ok = ec2_describe_images(fake.ec2, NULL, 0, NULL, 0, soon(), NULL, note_image, &notes,
                                  &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    assert_string_equal(notes.data, "ami-1 \"one\" available(available) uefi ena=1 "
                                    "/dev/xvda=snap-1 /dev/sdf=snap-2 tags=1\n"
                                    "ami-2 \"two\" failed(failed)  ena=-1 tags=0\n"
                                    "ami-3 \"\" unknown(transient)  ena=-1 tags=0\n");
    fake_ec2_assert_has(&fake, 0, "Owner.1=self");
    buf_free(&notes);
    fake_ec2_stop(&fake);
}

static void image_that_is_gone_counts_as_deregistered(void **state)
{
    static const char *const answers[] = {
        "<DeregisterImageResponse><return>true</return></DeregisterImageResponse>",
        REFUSED("InvalidAMIID.Unavailable"), REFUSED("InvalidAMIID.NotFound"),
        REFUSED("InvalidAMIID.Malformed")};
    struct fake_ec2 fake = fake_ec2_start(answers, 4);
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_true(ec2_deregister_image(fake.ec2, "ami-1", soon(), NULL, &fake.err));
    assert_false(ec2_deregister_image(fake.ec2, "ami-1", soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_AWS);
    fake_ec2_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_is_registered_with_all_that_the_instance_was),
        cmocka_unit_test(what_the_instance_did_not_say_is_left_out),
        cmocka_unit_test(taken_name_and_odd_answers_are_errors),
        cmocka_unit_test(image_of_an_instance_is_made_without_reboot),
        cmocka_unit_test(images_come_with_their_mappings),
        cmocka_unit_test(image_that_is_gone_counts_as_deregistered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
