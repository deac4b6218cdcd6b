/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_describe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "aws/ec2_snapshots.h"
#include "tests/unit/fake_ec2.h"
#include "tests/unit/fake_http.h"

#define INSTANCE "i-0123456789abcdef0"
#define XMLNS    " xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\""

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void instance_is_read_with_all_that_an_image_needs(void **state)
{
    static const char *const answers[] = {
        "<DescribeInstancesResponse" XMLNS "><requestId>r</requestId><reservationSet><item>"
        "<reservationId>r-1</reservationId><ownerId>123456789012</ownerId><groupSet/>"
        "<instancesSet><item><instanceId>" INSTANCE "</instanceId><imageId>ami-0a</imageId>"
        "<instanceState><code>16</code><name>running</name></instanceState>"
        "<instanceType>m6i.large</instanceType><launchTime>2026-11-19T16:32:11.000Z</launchTime>"
        "<placement><availabilityZone>eu-west-1a</availabilityZone></placement>"
        "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>"
        "<rootDeviceName>/dev/xvda</rootDeviceName>"
        "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs>"
        "<volumeId>vol-01</volumeId><status>attached</status>"
        "<attachTime>2026-11-19T16:32:12.000Z</attachTime>"
        "<deleteOnTermination>true</deleteOnTermination></ebs></item>"
        "<item><deviceName>ephemeral0</deviceName></item>"
        "<item><deviceName>/dev/sdf</deviceName><ebs><volumeId>vol-02</volumeId>"
        "<status>attaching</status></ebs></item></blockDeviceMapping>"
        "<virtualizationType>hvm</virtualizationType><hypervisor>xen</hypervisor>"
        "<productCodes><item><productCode>abc</productCode><type>marketplace</type></item>"
        "</productCodes>"
        "<tagSet><item><key>Name</key><value>db1</value></item>"
        "<item><key>aws:autoscaling:groupName</key><value>g</value></item>"
        "<item><key>empty</key><value/></item></tagSet>"
        "<iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/p</arn><id>x</id>"
        "</iamInstanceProfile><ebsOptimized>false</ebsOptimized><enaSupport>true</enaSupport>"
        "<sriovNetSupport>simple</sriovNetSupport><bootMode>uefi-preferred</bootMode>"
        "<currentInstanceBootMode>uefi</currentInstanceBootMode><tpmSupport>v2.0</tpmSupport>"
        "<platformDetails>Red Hat Enterprise Linux</platformDetails>"
        "<usageOperation>RunInstances:0010</usageOperation>"
        "<metadataOptions><state>applied</state><httpTokens>required</httpTokens>"
        "</metadataOptions></item></instancesSet></item></reservationSet>"
        "</DescribeInstancesResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_instance *instance = NULL;
    (void)state;

    bool ok = ec2_describe_instance(fake.ec2, INSTANCE, soon(), NULL, &instance, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    fake_ec2_assert_has(&fake, 0, "Action=DescribeInstances");
    fake_ec2_assert_has(&fake, 0, "InstanceId.1=" INSTANCE);
    assert_string_equal(instance->id, INSTANCE);
    assert_string_equal(instance->owner_id, "123456789012");
    assert_string_equal(instance->state, "running");
    assert_string_equal(instance->type, "m6i.large");
    assert_string_equal(instance->availability_zone, "eu-west-1a");
    assert_string_equal(instance->architecture, "x86_64");
    assert_string_equal(instance->virtualization_type, "hvm");
    assert_string_equal(instance->root_device_name, "/dev/xvda");
    assert_string_equal(instance->root_device_type, "ebs");
    assert_string_equal(instance->boot_mode, "uefi-preferred");
    assert_string_equal(instance->current_boot_mode, "uefi");
    assert_string_equal(instance->tpm_support, "v2.0");
    assert_string_equal(instance->sriov_net_support, "simple");
    assert_string_equal(instance->platform_details, "Red Hat Enterprise Linux");
    assert_string_equal(instance->usage_operation, "RunInstances:0010");
    assert_string_equal(instance->http_tokens, "required");
    assert_int_equal(instance->ena_support, EC2_YES);
    assert_int_equal(instance->ebs_optimized, EC2_NO);
    assert_int_equal(instance->launch_utc_us, 1795105931000000);
    assert_int_equal(instance->device_count, 2); /* the instance store is none */
    assert_string_equal(instance->devices[0].volume_id, "vol-01");
    assert_int_equal(instance->devices[0].delete_on_termination, EC2_YES);
    assert_string_equal(instance->devices[1].name, "/dev/sdf");
    assert_string_equal(instance->devices[1].status, "attaching");
    assert_int_equal(instance->devices[1].delete_on_termination, EC2_UNKNOWN);
    assert_int_equal(instance->product_code_count, 1);
    assert_string_equal(instance->product_codes[0], "abc");
    assert_int_equal(instance->tags.count, 2);
    assert_string_equal(ec2_tags_get(&instance->tags, "Name"), "db1");
    assert_string_equal(ec2_tags_get(&instance->tags, "empty"), "");
    ec2_instance_free(instance);
    fake_ec2_stop(&fake);
}

static void answer_about_another_instance_is_refused(void **state)
{
    static const char *const answers[] = {
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
        "<instanceId>i-other</instanceId></item></instancesSet></item></reservationSet>"
        "</DescribeInstancesResponse>",
        "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>",
        "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>no</Message>"
        "</Error></Errors><RequestID>r</RequestID></Response>"};
    static const enum err_kind kinds[] = {ERR_PROTOCOL, ERR_AWS_NOT_FOUND, ERR_AWS_NOT_FOUND};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_instance *instance = NULL;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        fake.err = (struct err)ERR_INIT;
        assert_false(ec2_describe_instance(fake.ec2, INSTANCE, soon(), NULL, &instance, &fake.err));
        assert_int_equal(fake.err.kind, kinds[i]);
        assert_null(instance);
    }
    fake_ec2_stop(&fake);
}

static void answers_of_another_shape_are_refused(void **state)
{
    static const char *const answers[] = {
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId><size>ten</size>"
        "</item></volumeSet></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId><size>-1</size>"
        "</item></volumeSet></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>"
        "<encrypted>yes</encrypted></item></volumeSet></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol 1; rm</volumeId></item>"
        "</volumeSet></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>"
        "vol-0123456789012345678901234567890123456789</volumeId></item></volumeSet>"
        "</DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><size>1</size></item></volumeSet>"
        "</DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>",
        "<OtherResponse/>",
        "<html><body>proxy</body></html>",
        ""};
    size_t count = sizeof(answers) / sizeof(answers[0]);
    struct fake_ec2 fake = fake_ec2_start(answers, count);
    struct ec2_volumes volumes = {NULL, 0};
    (void)state;

    for (size_t i = 0; i < count; i++) {
        fake.err = (struct err)ERR_INIT;
        if (ec2_describe_volumes(fake.ec2, INSTANCE, soon(), NULL, &volumes, &fake.err))
            fail_msg("taken: %s", answers[i]);
        assert_int_equal(fake.err.kind, ERR_PROTOCOL);
        assert_int_equal(strncmp(fake.err.text, "DescribeVolumes: ", 17), 0);
        assert_null(volumes.list);
    }
    fake_ec2_stop(&fake);
}

static void volumes_of_all_pages_come_in_order_of_their_ids(void **state)
{
    static const char *const answers[] = {
        "<DescribeVolumesResponse" XMLNS "><volumeSet><item><volumeId>vol-02</volumeId>"
        "<size>100</size><snapshotId/><availabilityZone>eu-west-1a</availabilityZone>"
        "<status>in-use</status><createTime>2026-11-19T16:32:11.123Z</createTime>"
        "<attachmentSet><item><volumeId>vol-02</volumeId><instanceId>" INSTANCE "</instanceId>"
        "<device>/dev/sdf</device><status>attached</status>"
        "<deleteOnTermination>false</deleteOnTermination></item></attachmentSet>"
        "<volumeType>gp3</volumeType><iops>3000</iops><throughput>125</throughput>"
        "<encrypted>true</encrypted><kmsKeyId>arn:aws:kms:eu-west-1:1:key/k</kmsKeyId>"
        "<multiAttachEnabled>false</multiAttachEnabled>"
        "<tagSet><item><key>Name</key><value>data</value></item></tagSet></item></volumeSet>"
        "<nextToken>next/page=</nextToken></DescribeVolumesResponse>",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-01</volumeId><size>8</size>"
        "<encrypted>false</encrypted></item></volumeSet></DescribeVolumesResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    struct ec2_volumes volumes = {NULL, 0};
    (void)state;

    bool ok = ec2_describe_volumes(fake.ec2, INSTANCE, soon(), NULL, &volumes, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    fake_ec2_assert_has(&fake, 0, "Filter.1.Name=attachment.instance-id");
    fake_ec2_assert_has(&fake, 0, "Filter.1.Value.1=" INSTANCE);
    fake_ec2_assert_lacks(&fake, 0, "NextToken");
    fake_ec2_assert_has(&fake, 1, "NextToken=next/page=");
    assert_int_equal(volumes.count, 2);
    assert_string_equal(volumes.list[0].id, "vol-01");
    const struct ec2_volume *volume = &volumes.list[1];
    assert_string_equal(volume->id, "vol-02");
    assert_int_equal(volume->size_gib, 100);
    assert_string_equal(volume->type, "gp3");
    assert_int_equal(volume->iops, 3000);
    assert_int_equal(volume->throughput_mibs, 125);
    assert_true(volume->encrypted);
    assert_string_equal(volume->kms_key_id, "arn:aws:kms:eu-west-1:1:key/k");
    assert_int_equal(volume->attachment_count, 1);
    assert_string_equal(volume->attachments[0].instance_id, INSTANCE);
    assert_string_equal(volume->attachments[0].device, "/dev/sdf");
    assert_int_equal(volume->attachments[0].delete_on_termination, EC2_NO);
    assert_string_equal(ec2_tags_get(&volume->tags, "Name"), "data");
    assert_int_equal(ec2_calls(fake.ec2), 2);
    ec2_volumes_free(&volumes);
    fake_ec2_stop(&fake);
}

#define PAGE(token)                                                                                \
    "<DescribeVolumesResponse><volumeSet/><nextToken>" token                                       \
    "</nextToken></DescribeVolumesResponse>"

static void pages_that_go_round_in_a_circle_end(void **state)
{
    static const char *const answers[] = {PAGE("a"), PAGE("b"), PAGE("c"), PAGE("a"), PAGE("b"),
                                          PAGE("c"), PAGE("a"), PAGE("b"), PAGE("c"), PAGE("a")};
    struct fake_ec2 fake = fake_ec2_start(answers, 10);
    struct ec2_volumes volumes = {NULL, 0};
    (void)state;

    bool ok = ec2_describe_volumes(fake.ec2, INSTANCE, soon(), NULL, &volumes, &fake.err);

    assert_false(ok);
    assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    assert_non_null(strstr(fake.err.text, "circle"));
    assert_true(ec2_calls(fake.ec2) < 10);
    fake_ec2_assert_has(&fake, 2, "NextToken=b");
    fake_ec2_assert_lacks(&fake, 2, "NextToken=a"); /* each page with its own token alone */
    fake_ec2_stop(&fake);
}

static void attribute_is_its_value_or_nothing(void **state)
{
    static const char *const answers[] = {
        "<DescribeInstanceAttributeResponse><instanceId>" INSTANCE "</instanceId>"
        "<enaSupport><value>true</value></enaSupport></DescribeInstanceAttributeResponse>",
        "<DescribeInstanceAttributeResponse><instanceId>" INSTANCE "</instanceId>"
        "<sriovNetSupport/></DescribeInstanceAttributeResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    char value[16] = "before";
    (void)state;

    assert_true(ec2_describe_instance_attribute(fake.ec2, INSTANCE, "enaSupport", soon(), NULL,
                                                value, sizeof(value), &fake.err));
    assert_string_equal(value, "true");
    assert_true(ec2_describe_instance_attribute(fake.ec2, INSTANCE, "sriovNetSupport", soon(), NULL,
                                                value, sizeof(value), &fake.err));
    assert_string_equal(value, "");
    fake_ec2_assert_has(&fake, 1, "Attribute=sriovNetSupport");
    fake_ec2_stop(&fake);
}

static void uefi_data_is_returned_or_empty(void **state)
{
    static const char *const answers[] = {
        "<GetInstanceUefiDataResponse><instanceId>" INSTANCE "</instanceId>"
        "<uefiData>QU1aTlVFRkk=</uefiData></GetInstanceUefiDataResponse>",
        "<GetInstanceUefiDataResponse><instanceId>" INSTANCE "</instanceId>"
        "</GetInstanceUefiDataResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    char *data = NULL;
    (void)state;

    assert_true(ec2_get_instance_uefi_data(fake.ec2, INSTANCE, soon(), NULL, &data, &fake.err));
    assert_string_equal(data, "QU1aTlVFRkk=");
    free(data);
    assert_true(ec2_get_instance_uefi_data(fake.ec2, INSTANCE, soon(), NULL, &data, &fake.err));
    assert_string_equal(data, "");
    free(data);
    fake_ec2_stop(&fake);
}

static bool note_tag(void *self, const struct ec2_described_tag *tag, struct err *err)
{
    return buf_printf(self, err, "%s/%s:%s=%s\n", tag->resource_type, tag->resource_id, tag->key,
                      tag->value);
}

static void tags_come_one_by_one(void **state)
{
    static const char *const answers[] = {
        "<DescribeTagsResponse><tagSet><item><resourceId>snap-1</resourceId>"
        "<resourceType>snapshot</resourceType><key>k</key><value>v</value></item>"
        "<item><resourceId>i-1</resourceId><resourceType>instance</resourceType><key>e</key>"
        "<value/></item></tagSet></DescribeTagsResponse>"};
    static const char *const id = "snap-1";
    struct ec2_filter filter = {"resource-id", &id, 1};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct buf notes = BUF_INIT(1000);
    (void)state;

    assert_true(ec2_describe_tags(fake.ec2, &filter, 1, soon(), NULL, note_tag, &notes, &fake.err));

    assert_string_equal(notes.data, "snapshot/snap-1:k=v\ninstance/i-1:e=\n");
    buf_free(&notes);
    fake_ec2_stop(&fake);
}

/* Asks without connecting: the error names where it would have gone. */
static void assert_endpoint(const struct ec2_options *options, const char *endpoint)
{
    struct ec2_create_snapshots what = {.instance_id = INSTANCE};
    struct ec2_snapshot_set set = {NULL, 0};
    struct ec2 *ec2 = NULL;
    struct err err = ERR_INIT;

    assert_true(ec2_open(options, &ec2, &err));
    assert_false(ec2_create_snapshots(ec2, &what, true, 0, soon(), NULL, &set, &err));
    if (strstr(err.text, endpoint) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, endpoint);
    assert_int_equal(err.kind, ERR_NET);
    ec2_free(ec2);
}

static void endpoint_follows_region_and_suffix(void **state)
{
    struct credentials_options keys = {.use_environment = true};
    struct ec2_options options = {.region = "eu-west-1"};
    struct ec2 *ec2 = NULL;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKIATEST", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1), 0);
    assert_true(credentials_open(&keys, &options.credentials, &err));

    assert_endpoint(&options, "https://ec2.eu-west-1.amazonaws.com:");
    options.region = "cn-north-1";
    assert_endpoint(&options, "https://ec2.cn-north-1.amazonaws.com.cn:");
    options.dns_suffix = "c2s.example";
    assert_endpoint(&options, "https://ec2.cn-north-1.c2s.example:");
    options.endpoint = "https://vpce-1.example:8443/";
    assert_endpoint(&options, "https://vpce-1.example:8443:");

    options.region = "evil.example/";
    assert_false(ec2_open(&options, &ec2, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    options.region = NULL;
    assert_false(ec2_open(&options, &ec2, &err));
    credentials_free(options.credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance_is_read_with_all_that_an_image_needs),
        cmocka_unit_test(answer_about_another_instance_is_refused),
        cmocka_unit_test(answers_of_another_shape_are_refused),
        cmocka_unit_test(volumes_of_all_pages_come_in_order_of_their_ids),
        cmocka_unit_test(pages_that_go_round_in_a_circle_end),
        cmocka_unit_test(attribute_is_its_value_or_nothing),
        cmocka_unit_test(uefi_data_is_returned_or_empty),
        cmocka_unit_test(tags_come_one_by_one),
        cmocka_unit_test(endpoint_follows_region_and_suffix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
