/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_launch.h"

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
#define ONE(inside)                                                                                \
    "<RunInstancesResponse><reservationId>r-1</reservationId><ownerId>123456789012</ownerId>"      \
    "<groupSet/><instancesSet>" inside "</instancesSet></RunInstancesResponse>"

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void instance_is_launched_with_all_that_was_asked(void **state)
{
    static const char *const answers[] = {
        ONE("<item><instanceId>i-1</instanceId><instanceState><code>0</code><name>pending</name>"
            "</instanceState><privateIpAddress>10.0.0.9</privateIpAddress><clientToken>t-1"
            "</clientToken></item>")};
    static const char *const want[] = {
        "Action=RunInstances",
        "ImageId=ami-1",
        "MinCount=1",
        "MaxCount=1",
        "InstanceType=m5.large",
        "KeyName=ops",
        "IamInstanceProfile.Arn=arn:aws:iam::1:instance-profile/p",
        "SubnetId=subnet-1",
        "Placement.AvailabilityZone=eu-west-1a",
        "Placement.Tenancy=dedicated",
        "PrivateIpAddress=10.0.0.9",
        "SecurityGroupId.1=sg-1",
        "SecurityGroupId.2=sg-2",
        "MetadataOptions.HttpTokens=required",
        "MetadataOptions.HttpEndpoint=enabled",
        "MetadataOptions.HttpProtocolIpv6=disabled",
        "MetadataOptions.InstanceMetadataTags=enabled",
        "MetadataOptions.HttpPutResponseHopLimit=2",
        "BlockDeviceMapping.1.DeviceName=/dev/sdf",
        "BlockDeviceMapping.1.Ebs.SnapshotId=snap-2",
        "TagSpecification.1.ResourceType=instance",
        "TagSpecification.1.Tag.1.Value=a",
        "TagSpecification.2.ResourceType=volume",
        "TagSpecification.2.Tag.1.Value=b",
        "ClientToken=t-1",
        "UserData=IyEvYmluL3No",
    };
    static const char *const groups[] = {"sg-1", "sg-2"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0}, volume_tags = {.count = 0};
    struct secret user_data = SECRET_INIT;
    struct ec2_mapping mapping = {
        .device = "/dev/sdf", .snapshot_id = "snap-2", .delete_on_termination = EC2_UNKNOWN};
    struct ec2_run_instance what = {.image_id = "ami-1",
                                    .type = "m5.large",
                                    .subnet_id = "subnet-1",
                                    .zone = "eu-west-1a",
                                    .tenancy = "dedicated",
                                    .private_ip = "10.0.0.9",
                                    .key_name = "ops",
                                    .profile = "arn:aws:iam::1:instance-profile/p",
                                    .user_data = &user_data,
                                    .security_group_ids = groups,
                                    .security_group_count = 2,
                                    .http_tokens = "required",
                                    .http_endpoint = "enabled",
                                    .http_protocol_ipv6 = "disabled",
                                    .instance_metadata_tags = "enabled",
                                    .http_hop_limit = 2,
                                    .mappings = &mapping,
                                    .mapping_count = 1,
                                    .instance_tags = &tags,
                                    .volume_tags = &volume_tags,
                                    .client_token = "t-1"};
    struct ec2_instance *instance = NULL;
    (void)state;
    assert_true(ec2_tags_set(&tags, "k", "a", &fake.err));
    assert_true(ec2_tags_set(&volume_tags, "k", "b", &fake.err));
    assert_true(secret_set(&user_data, "IyEvYmluL3No", 12, &fake.err));

    bool ok = ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        fake_ec2_assert_has(&fake, 0, want[i]);
    fake_ec2_assert_lacks(&fake, 0, "DeleteOnTermination");
    assert_string_equal(instance->id, "i-1");
    assert_string_equal(instance->state, "pending");
    assert_string_equal(instance->owner_id, "123456789012");
    assert_string_equal(instance->reservation_id, "r-1");
    assert_string_equal(instance->client_token, "t-1");
    ec2_instance_free(instance);
    ec2_tags_free(&tags);
    ec2_tags_free(&volume_tags);
    secret_free(&user_data);
    fake_ec2_stop(&fake);
}

static void what_is_not_asked_of_an_instance_is_left_out(void **state)
{
    static const char *const answers[] = {ONE("<item><instanceId>i-1</instanceId></item>")};
    static const char *const lack[] = {"InstanceType", "KeyName",   "Subnet",         "Placement",
                                       "PrivateIp",    "Group",     "Metadata",       "BlockDevice",
                                       "UserData",     "Profile.A", "Specification.2"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0};
    struct ec2_run_instance what = {
        .image_id = "ami-1", .profile = "p", .volume_tags = &tags, .client_token = "t-1"};
    struct ec2_instance *instance = NULL;
    (void)state;
    assert_true(ec2_tags_set(&tags, "k", "b", &fake.err));

    assert_true(ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err));

    fake_ec2_assert_has(&fake, 0, "IamInstanceProfile.Name=p");
    fake_ec2_assert_has(&fake, 0, "TagSpecification.1.ResourceType=volume");
    for (size_t i = 0; i < sizeof(lack) / sizeof(lack[0]); i++)
        fake_ec2_assert_lacks(&fake, 0, lack[i]);
    ec2_instance_free(instance);
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void launch_whose_answer_was_lost_is_sent_again_with_its_token(void **state)
{
    static const char *const answers[] = {REFUSED("InternalError"),
                                          ONE("<item><instanceId>i-1</instanceId></item>"),
                                          REFUSED("InsufficientInstanceCapacity")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_run_instance what = {.image_id = "ami-1", .client_token = "t-1"};
    struct ec2_instance *instance = NULL;
    (void)state;

    assert_true(ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err));
    ec2_instance_free(instance);
    fake_ec2_assert_has(&fake, 1, "ClientToken=t-1");

    /* A 500 that no retry helps. */
    assert_false(ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err));
    assert_int_equal(fake.err.kind, ERR_AWS);
    assert_int_equal(ec2_calls(fake.ec2), 3);
    fake_ec2_stop(&fake);
}

static void launch_that_gives_no_one_instance_is_an_error(void **state)
{
    static const char *const answers[] = {
        ONE(""), ONE("<item/>"),
        ONE("<item><instanceId>i-1</instanceId></item><item><instanceId>i-2</instanceId></item>"),
        ONE("<item><instanceId>i-1")};
    struct fake_ec2 fake = fake_ec2_start(answers, 4);
    struct ec2_run_instance what = {.image_id = "ami-1", .client_token = "t-1"};
    struct ec2_instance *instance = NULL;
    (void)state;

    for (int n = 0; n < 4; n++) {
        assert_false(ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err));
        assert_int_equal(fake.err.kind, ERR_PROTOCOL);
        assert_null(instance);
    }
    what.client_token = NULL;
    assert_false(ec2_run_instance(fake.ec2, &what, soon(), NULL, &instance, &fake.err));
    assert_int_equal(fake.err.kind, ERR_INTERNAL);
    fake_ec2_stop(&fake);
}

static void launch_can_be_tried_dry(void **state)
{
    static const char *const answers[] = {REFUSED("DryRunOperation"), REFUSED("Unsupported"),
                                          ONE("<item><instanceId>i-1</instanceId></item>")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_run_instance what = {.image_id = "ami-1", .client_token = "t-1"};
    (void)state;

    assert_true(ec2_run_instance_dry_run(fake.ec2, &what, soon(), NULL, &fake.err));
    fake_ec2_assert_has(&fake, 0, "DryRun=true");
    fake_ec2_assert_has(&fake, 0, "ImageId=ami-1");
    assert_false(ec2_run_instance_dry_run(fake.ec2, &what, soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_AWS);
    assert_false(ec2_run_instance_dry_run(fake.ec2, &what, soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    fake_ec2_stop(&fake);
}

static void instance_that_is_gone_counts_as_terminated(void **state)
{
    static const char *const answers[] = {EMPTY("TerminateInstances"),
                                          REFUSED("InvalidInstanceID.NotFound"),
                                          REFUSED("OperationNotPermitted")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    (void)state;

    assert_true(ec2_terminate_instance(fake.ec2, "i-1", soon(), NULL, &fake.err));
    fake_ec2_assert_has(&fake, 0, "InstanceId.1=i-1");
    assert_true(ec2_terminate_instance(fake.ec2, "i-1", soon(), NULL, &fake.err));
    assert_false(ec2_terminate_instance(fake.ec2, "i-1", soon(), NULL, &fake.err));

    assert_non_null(strstr(fake.err.text, "i-1: TerminateInstances: OperationNotPermitted"));
    fake_ec2_stop(&fake);
}

static void volume_is_told_whether_it_goes_with_its_instance(void **state)
{
    static const char *const answers[] = {EMPTY("ModifyInstanceAttribute")};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    (void)state;

    assert_true(
        ec2_set_delete_on_termination(fake.ec2, "i-1", "/dev/sdf", false, soon(), NULL, &fake.err));

    fake_ec2_assert_has(&fake, 0, "InstanceId=i-1");
    fake_ec2_assert_has(&fake, 0, "BlockDeviceMapping.1.DeviceName=/dev/sdf");
    fake_ec2_assert_has(&fake, 0, "BlockDeviceMapping.1.Ebs.DeleteOnTermination=false");
    fake_ec2_stop(&fake);
}

struct seen {
    int count;
    struct ec2_instance last;
    bool tagged;
};

static bool note(void *self, const struct ec2_instance *instance, struct err *err)
{
    struct seen *seen = self;

    (void)err;
    seen->count++;
    seen->last = *instance;
    seen->tagged = ec2_tags_get(&instance->tags, "Name") != NULL;
    return true;
}

static void instances_come_page_by_page_with_all_that_a_copy_needs(void **state)
{
    static const char *const answers[] = {
        "<DescribeInstancesResponse><reservationSet><item><reservationId>r-1</reservationId>"
        "<ownerId>1</ownerId><instancesSet><item><instanceId>i-1</instanceId><tagSet><item>"
        "<key>Name</key><value>n</value></item></tagSet></item></instancesSet></item>"
        "</reservationSet><nextToken>n2</nextToken></DescribeInstancesResponse>",
        "<DescribeInstancesResponse><reservationSet><item><reservationId>r-2</reservationId>"
        "<ownerId>2</ownerId><instancesSet><item><instanceId>i-2</instanceId>"
        "<instanceState><name>running</name></instanceState><keyName>ops</keyName>"
        "<privateDnsName>ip-10-0-0-9</privateDnsName><placement><tenancy>default</tenancy>"
        "</placement><groupSet><item><groupId>sg-1</groupId><groupName>a</groupName></item>"
        "<item><groupId>sg-2</groupId></item></groupSet><networkInterfaceSet><item><groupSet>"
        "<item><groupId>sg-9</groupId></item></groupSet></item></networkInterfaceSet>"
        "<metadataOptions><httpTokens>required</httpTokens><httpEndpoint>enabled</httpEndpoint>"
        "<httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpProtocolIpv6>disabled"
        "</httpProtocolIpv6><instanceMetadataTags>enabled</instanceMetadataTags>"
        "</metadataOptions><stateReason><code>c</code><message>why</message></stateReason></item>"
        "</instancesSet></item></reservationSet></DescribeInstancesResponse>"};
    const char *name = "n";
    struct ec2_filter filter = {"tag:Name", &name, 1};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    struct seen *seen = calloc(1, sizeof(*seen));
    (void)state;
    assert_non_null(seen);

    bool ok =
        ec2_list_instances(fake.ec2, NULL, 0, &filter, 1, soon(), NULL, note, seen, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    fake_ec2_assert_has(&fake, 0, "MaxResults=200");
    fake_ec2_assert_has(&fake, 1, "NextToken=n2");
    assert_int_equal(seen->count, 2);
    assert_false(seen->tagged);
    assert_string_equal(seen->last.owner_id, "2");
    assert_string_equal(seen->last.reservation_id, "r-2");
    assert_string_equal(seen->last.key_name, "ops");
    assert_string_equal(seen->last.tenancy, "default");
    assert_string_equal(seen->last.private_dns, "ip-10-0-0-9");
    assert_int_equal(seen->last.security_group_count, 2);
    assert_string_equal(seen->last.security_groups[1], "sg-2");
    assert_string_equal(seen->last.http_endpoint, "enabled");
    assert_string_equal(seen->last.http_protocol_ipv6, "disabled");
    assert_string_equal(seen->last.instance_metadata_tags, "enabled");
    assert_int_equal(seen->last.http_hop_limit, 2);
    assert_string_equal(seen->last.state_reason, "why");
    free(seen);
    fake_ec2_stop(&fake);
}

static void user_data_is_read_as_base64_or_not_at_all(void **state)
{
#define ATTRIBUTE(value)                                                                           \
    "<DescribeInstanceAttributeResponse><instanceId>i-1</instanceId><userData>" value              \
    "</userData></DescribeInstanceAttributeResponse>"
    static const char *const answers[] = {ATTRIBUTE("<value>IyEvYmluL3No</value>"), ATTRIBUTE(""),
                                          ATTRIBUTE("<value>rm -rf / #secret</value>")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct secret data = SECRET_INIT;
    (void)state;

    assert_true(ec2_describe_user_data(fake.ec2, "i-1", soon(), NULL, &data, &fake.err));
    fake_ec2_assert_has(&fake, 0, "Attribute=userData");
    assert_string_equal(data.bytes, "IyEvYmluL3No");
    assert_true(ec2_describe_user_data(fake.ec2, "i-1", soon(), NULL, &data, &fake.err));
    assert_false(secret_is_set(&data));
    assert_false(ec2_describe_user_data(fake.ec2, "i-1", soon(), NULL, &data, &fake.err));

    assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    assert_null(strstr(fake.err.text, "secret"));
    fake_ec2_stop(&fake);
}

static void user_data_longer_than_ec2_takes_is_refused(void **state)
{
    static char answer[32 * 1024];
    const char *answers[] = {answer};
    struct secret data = SECRET_INIT;
    (void)state;
    size_t len = (size_t)snprintf(answer, sizeof(answer),
                                  "<DescribeInstanceAttributeResponse><userData><value>");
    memset(answer + len, 'A', 24 * 1024);
    (void)snprintf(answer + len + 24 * 1024, sizeof(answer) - len - 24 * 1024,
                   "</value></userData></DescribeInstanceAttributeResponse>");
    struct fake_ec2 fake = fake_ec2_start(answers, 1);

    assert_false(ec2_describe_user_data(fake.ec2, "i-1", soon(), NULL, &data, &fake.err));

    assert_int_equal(fake.err.kind, ERR_LIMIT);
    fake_ec2_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance_is_launched_with_all_that_was_asked),
        cmocka_unit_test(what_is_not_asked_of_an_instance_is_left_out),
        cmocka_unit_test(launch_whose_answer_was_lost_is_sent_again_with_its_token),
        cmocka_unit_test(launch_that_gives_no_one_instance_is_an_error),
        cmocka_unit_test(launch_can_be_tried_dry),
        cmocka_unit_test(instance_that_is_gone_counts_as_terminated),
        cmocka_unit_test(volume_is_told_whether_it_goes_with_its_instance),
        cmocka_unit_test(instances_come_page_by_page_with_all_that_a_copy_needs),
        cmocka_unit_test(user_data_is_read_as_base64_or_not_at_all),
        cmocka_unit_test(user_data_longer_than_ec2_takes_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
