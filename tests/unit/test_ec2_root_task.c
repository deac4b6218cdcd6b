/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_root_task.h"

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
#define TASK(id, state)                                                                            \
    "<replaceRootVolumeTaskId>" id "</replaceRootVolumeTaskId><instanceId>" INSTANCE               \
    "</instanceId><taskState>" state "</taskState><startTime>2026-11-24T08:15:31Z</startTime>"     \
    "<snapshotId>snap-1</snapshotId><tagSet><item><key>k</key><value>v</value></item></tagSet>"
#define CREATED(inside)                                                                            \
    "<CreateReplaceRootVolumeTaskResponse>" inside "</CreateReplaceRootVolumeTaskResponse>"

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void root_is_replaced_from_a_snapshot(void **state)
{
    static const char *const answers[] = {CREATED(
        "<replaceRootVolumeTask>" TASK("replacevol-1", "pending") "</replaceRootVolumeTask>")};
    static const char *const want[] = {
        "Action=CreateReplaceRootVolumeTask",
        "InstanceId=i-0123456789abcdef0",
        "SnapshotId=snap-1",
        "DeleteReplacedRootVolume=false",
        "TagSpecification.1.ResourceType=replace-root-volume-task",
        "TagSpecification.1.Tag.1.Value=v",
        "ClientToken=t-1",
    };
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_tags tags = {.count = 0};
    struct ec2_replace_root what = {.instance_id = INSTANCE,
                                    .snapshot_id = "snap-1",
                                    .delete_replaced = EC2_NO,
                                    .tags = &tags,
                                    .client_token = "t-1"};
    struct ec2_root_task task;
    (void)state;
    assert_true(ec2_tags_set(&tags, "k", "v", &fake.err));

    bool ok = ec2_replace_root_volume(fake.ec2, &what, soon(), NULL, &task, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        fake_ec2_assert_has(&fake, 0, want[i]);
    fake_ec2_assert_lacks(&fake, 0, "ImageId");
    assert_string_equal(task.id, "replacevol-1");
    assert_string_equal(task.state, "pending");
    assert_string_equal(task.snapshot_id, "snap-1");
    assert_string_equal(task.complete_time, "");
    assert_string_equal(ec2_tags_get(&task.tags, "k"), "v");
    ec2_root_task_free(&task);
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void answer_without_the_one_task_is_an_error(void **state)
{
    static const char *const answers[] = {
        CREATED(""), CREATED("<replaceRootVolumeTask/>"),
        CREATED("<replaceRootVolumeTask>" TASK(
            "r-1", "pending") "</replaceRootVolumeTask>"
                              "<replaceRootVolumeTask>" TASK(
                                  "r-2", "pending") "</replaceRootVolumeTask>")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_replace_root what = {.instance_id = INSTANCE, .client_token = "t-1"};
    struct ec2_root_task task;
    (void)state;

    for (int n = 0; n < 3; n++) {
        assert_false(ec2_replace_root_volume(fake.ec2, &what, soon(), NULL, &task, &fake.err));
        assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    }
    what.client_token = NULL;
    assert_false(ec2_replace_root_volume(fake.ec2, &what, soon(), NULL, &task, &fake.err));
    assert_int_equal(fake.err.kind, ERR_INTERNAL);
    assert_int_equal(ec2_calls(fake.ec2), 3);
    fake_ec2_stop(&fake);
}

static bool note(void *self, const struct ec2_root_task *task, struct err *err)
{
    char *all = self;
    size_t len = strlen(all);

    (void)err;
    (void)snprintf(all + len, 100 - len, "%s=%s ", task->id, task->state);
    return true;
}

static void tasks_of_an_instance_come_page_by_page(void **state)
{
    static const char *const answers[] = {
        "<DescribeReplaceRootVolumeTasksResponse><replaceRootVolumeTaskSet><item>" TASK(
            "r-1", "failed") "</item></replaceRootVolumeTaskSet><nextToken>n</nextToken>"
                             "</DescribeReplaceRootVolumeTasksResponse>",
        "<DescribeReplaceRootVolumeTasksResponse><replaceRootVolumeTaskSet><item>" TASK(
            "r-2", "succeeded") "</item></replaceRootVolumeTaskSet>"
                                "</DescribeReplaceRootVolumeTasksResponse>"};
    const char *instance = INSTANCE;
    struct ec2_filter filter = {"instance-id", &instance, 1};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    char all[100] = "";
    (void)state;

    assert_true(
        ec2_list_root_tasks(fake.ec2, NULL, 0, &filter, 1, soon(), NULL, note, all, &fake.err));

    assert_string_equal(all, "r-1=failed r-2=succeeded ");
    fake_ec2_assert_has(&fake, 0, "Filter.1.Value.1=" INSTANCE);
    fake_ec2_assert_has(&fake, 0, "MaxResults=50");
    fake_ec2_assert_has(&fake, 1, "NextToken=n");
    fake_ec2_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_replaced_from_a_snapshot),
        cmocka_unit_test(answer_without_the_one_task_is_an_error),
        cmocka_unit_test(tasks_of_an_instance_come_page_by_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
