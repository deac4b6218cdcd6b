/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_snapshots.h"

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

#define DRY_RUN_OK                                                                                 \
    "<Response><Errors><Error><Code>DryRunOperation</Code><Message>would</Message></Error>"        \
    "</Errors><RequestID>r</RequestID></Response>"
#define REFUSED(code)                                                                              \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>r</RequestID></Response>"
#define TWO_SNAPSHOTS                                                                              \
    "<CreateSnapshotsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"                 \
    "<requestId>r-2</requestId><snapshotSet>"                                                      \
    "<item><snapshotId>snap-01</snapshotId><volumeId>vol-01</volumeId><state>pending</state>"      \
    "<startTime>2026-11-24T08:15:31.400Z</startTime><progress>0%</progress>"                       \
    "<ownerId>123456789012</ownerId><volumeSize>8</volumeSize><encrypted>false</encrypted>"        \
    "<description>d</description><tagSet><item><key>stillpoint:id</key><value>sp-1</value>"        \
    "</item></tagSet></item>"                                                                      \
    "<item><snapshotId>snap-02</snapshotId><volumeId>vol-02</volumeId><state>pending</state>"      \
    "<startTime>2026-11-24T08:15:31.400Z</startTime><progress/>"                                   \
    "<volumeSize>100</volumeSize><encrypted>true</encrypted></item>"                               \
    "</snapshotSet></CreateSnapshotsResponse>"
#define EMPTY(action) "<" action "Response><return>true</return></" action "Response>"

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void one_call_takes_all_volumes_with_their_tags(void **state)
{
    static const char *const answers[] = {DRY_RUN_OK, TWO_SNAPSHOTS};
    static const char *const excluded[] = {"vol-0e", "vol-0f"};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    struct ec2_tags tags = {.count = 0};
    struct ec2_create_snapshots what = {.instance_id = INSTANCE,
                                        .description = "nightly",
                                        .exclude_volumes = excluded,
                                        .exclude_count = 2,
                                        .tags = &tags};
    struct ec2_snapshot_set set = {NULL, 0};
    (void)state;
    assert_true(ec2_tags_set(&tags, "stillpoint:id", "sp-1", &fake.err));

    bool allowed = ec2_create_snapshots_dry_run(fake.ec2, &what, 0, soon(), NULL, &fake.err);
    assert_true(ec2_connected(fake.ec2));
    bool ok = ec2_create_snapshots(fake.ec2, &what, true, 0, soon(), NULL, &set, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(allowed && ok);
    assert_int_equal(fake_http_connections(fake.http), 1);
    fake_ec2_assert_has(&fake, 0, "DryRun=true");
    fake_ec2_assert_lacks(&fake, 1, "DryRun");
    for (int n = 0; n < 2; n++) {
        fake_ec2_assert_has(&fake, n, "Action=CreateSnapshots");
        fake_ec2_assert_has(&fake, n, "InstanceSpecification.InstanceId=" INSTANCE);
        fake_ec2_assert_has(&fake, n, "InstanceSpecification.ExcludeDataVolumeId.1=vol-0e");
        fake_ec2_assert_has(&fake, n, "InstanceSpecification.ExcludeDataVolumeId.2=vol-0f");
        fake_ec2_assert_has(&fake, n, "Description=nightly");
        fake_ec2_assert_has(&fake, n, "TagSpecification.1.ResourceType=snapshot");
        fake_ec2_assert_has(&fake, n, "TagSpecification.1.Tag.1.Key=stillpoint:id");
        fake_ec2_assert_has(&fake, n, "TagSpecification.1.Tag.1.Value=sp-1");
    }
    assert_int_equal(set.count, 2);
    assert_string_equal(set.list[0].id, "snap-01");
    assert_string_equal(set.list[0].volume_id, "vol-01");
    assert_int_equal(set.list[0].state, EC2_SNAPSHOT_PENDING);
    assert_int_equal(set.list[0].progress_percent, 0);
    assert_int_equal(set.list[0].size_gib, 8);
    assert_int_equal(set.list[0].start_utc_us, 1795508131400000);
    assert_string_equal(ec2_tags_get(&set.list[0].tags, "stillpoint:id"), "sp-1");
    assert_int_equal(set.list[1].progress_percent, -1);
    assert_true(set.list[1].encrypted);
    const struct aws_outcome *outcome = ec2_outcome(fake.ec2);
    assert_true(outcome->sent && outcome->answered && outcome->reused);
    assert_true(outcome->begun_boot_us > 0 && outcome->begun_boot_us <= outcome->sent_boot_us);
    assert_true(outcome->sent_boot_us <= outcome->answered_boot_us);
    ec2_snapshot_set_free(&set);
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void hold_without_an_open_connection_sends_nothing(void **state)
{
    static const char *const answers[] = {TWO_SNAPSHOTS};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_create_snapshots what = {.instance_id = INSTANCE};
    struct ec2_snapshot_set set = {NULL, 0};
    (void)state;

    bool ok = ec2_create_snapshots(fake.ec2, &what, true, 0, soon(), NULL, &set, &fake.err);

    assert_false(ok);
    assert_int_equal(fake.err.kind, ERR_NET);
    assert_false(ec2_outcome(fake.ec2)->sent);
    assert_int_equal(fake_http_connections(fake.http), 0);
    fake_ec2_stop(&fake);
}

static void dry_run_that_was_none_is_an_error(void **state)
{
    static const char *const answers[] = {TWO_SNAPSHOTS};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct ec2_create_snapshots what = {.instance_id = INSTANCE};
    (void)state;

    bool ok = ec2_create_snapshots_dry_run(fake.ec2, &what, 0, soon(), NULL, &fake.err);

    assert_false(ok);
    assert_int_equal(fake.err.kind, ERR_PROTOCOL);
    fake_ec2_stop(&fake);
}

static void good_answer_that_makes_no_sense_counts_as_sent(void **state)
{
    static const char *const answers[] = {
        "<CreateSnapshotsResponse><snapshotSet/></CreateSnapshotsResponse>",
        "<CreateSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId></item>"
        "</snapshotSet></CreateSnapshotsResponse>",
        "<CreateSnapshotsResponse><snapshotSet><item><snapshotId>snap-1"};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_create_snapshots what = {.instance_id = INSTANCE};
    struct ec2_snapshot_set set = {NULL, 0};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        assert_false(
            ec2_create_snapshots(fake.ec2, &what, false, 0, soon(), NULL, &set, &fake.err));
        assert_int_equal(fake.err.kind, ERR_PROTOCOL);
        assert_true(ec2_outcome(fake.ec2)->sent);
        assert_null(set.list);
    }
    fake_ec2_stop(&fake);
}

static bool note_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    const char *id = ec2_tags_get(&snapshot->tags, "stillpoint:id");

    return buf_printf(self, err, "%s %s %s %d%% %s\n", snapshot->id, snapshot->volume_id,
                      ec2_snapshot_state_name(snapshot->state), snapshot->progress_percent,
                      id != NULL ? id : "-");
}

static void snapshots_come_page_by_page(void **state)
{
    static const char *const answers[] = {
        "<DescribeSnapshotsResponse><snapshotSet>"
        "<item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>completed</status>"
        "<progress>100%</progress><tagSet><item><key>stillpoint:id</key><value>a</value></item>"
        "</tagSet></item>"
        "<item><snapshotId>snap-2</snapshotId><volumeId>vol-2</volumeId><status>error</status>"
        "<statusMessage>key gone</statusMessage><progress>3%</progress></item></snapshotSet>"
        "<nextToken>t</nextToken></DescribeSnapshotsResponse>",
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-3</snapshotId>"
        "<volumeId>vol-3</volumeId><status>brand-new</status></item></snapshotSet><nextToken/>"
        "</DescribeSnapshotsResponse>"};
    static const char *const value = "sp-1";
    struct ec2_filter filter = {"tag:stillpoint:id", &value, 1};
    struct fake_ec2 fake = fake_ec2_start(answers, 2);
    struct buf notes = BUF_INIT(1000);
    (void)state;

    bool ok = ec2_describe_snapshots(fake.ec2, NULL, 0, &filter, 1, soon(), NULL, note_snapshot,
                                     &notes, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    assert_string_equal(notes.data, "snap-1 vol-1 completed 100% a\nsnap-2 vol-2 error 3% -\n"
                                    "snap-3 vol-3 unknown -1% -\n");
    fake_ec2_assert_has(&fake, 0, "Owner.1=self");
    fake_ec2_assert_has(&fake, 0, "MaxResults=1000");
    fake_ec2_assert_has(&fake, 0, "Filter.1.Name=tag:stillpoint:id");
    fake_ec2_assert_has(&fake, 1, "NextToken=t");
    fake_ec2_assert_has(&fake, 1, "Filter.1.Value.1=sp-1");
    buf_free(&notes);
    fake_ec2_stop(&fake);
}

/* Of blanks: larger than what a client takes. */
static char *huge_answer(void)
{
    static const char head[] = "<DescribeSnapshotsResponse>",
                      tail[] = "</DescribeSnapshotsResponse>";
    size_t len = 9 * 1024 * 1024;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, ' ', len);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + len - sizeof(tail), tail, sizeof(tail));
    return text;
}

static void a_page_that_is_too_large_is_asked_for_in_smaller_ones(void **state)
{
    char *huge = huge_answer();
    const char *answers[] = {
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId></item>"
        "</snapshotSet><nextToken>t</nextToken></DescribeSnapshotsResponse>",
        huge, huge,
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-2</snapshotId></item>"
        "</snapshotSet><nextToken>u</nextToken></DescribeSnapshotsResponse>",
        "<DescribeSnapshotsResponse/>"};
    static const char *const items[] = {"1000", "1000", "250", "62", "62"};
    static const char *const tokens[] = {NULL, "t", "t", "t", "u"};
    struct fake_ec2 fake = fake_ec2_start(answers, 5);
    struct buf notes = BUF_INIT(1000);
    char wanted[40];
    (void)state;

    bool ok = ec2_describe_snapshots(fake.ec2, NULL, 0, NULL, 0, soon(), NULL, note_snapshot,
                                     &notes, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    assert_string_equal(notes.data, "snap-1  unknown -1% -\nsnap-2  unknown -1% -\n");
    for (int i = 0; i < 5; i++) {
        (void)snprintf(wanted, sizeof(wanted), "MaxResults=%s", items[i]);
        fake_ec2_assert_has(&fake, i, wanted);
        (void)snprintf(wanted, sizeof(wanted), "NextToken=%s", tokens[i] ? tokens[i] : "");
        if (tokens[i] != NULL)
            fake_ec2_assert_has(&fake, i, wanted);
    }
    buf_free(&notes);
    fake_ec2_stop(&fake);
    free(huge);
}

static void snapshots_by_id_are_asked_without_a_page_size(void **state)
{
    static const char *const answers[] = {REFUSED("InvalidSnapshot.NotFound")};
    static const char *const ids[] = {"snap-1", "snap-2"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    struct buf notes = BUF_INIT(1000);
    (void)state;

    bool ok = ec2_describe_snapshots(fake.ec2, ids, 2, NULL, 0, soon(), NULL, note_snapshot, &notes,
                                     &fake.err);

    assert_false(ok);
    assert_int_equal(fake.err.kind, ERR_AWS_NOT_FOUND);
    fake_ec2_assert_has(&fake, 0, "SnapshotId.2=snap-2");
    fake_ec2_assert_lacks(&fake, 0, "MaxResults");
    fake_ec2_stop(&fake);
}

static bool refuse_second(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    (void)snapshot;
    return ++*(int *)self < 2 || err_set(err, ERR_BUSY, 0, "enough");
}

static void callback_ends_the_listing_with_its_own_error(void **state)
{
    static const char *const answers[] = {
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId><tagSet>"
        "<item><key>k</key><value>v</value></item></tagSet></item><item><snapshotId>snap-2"
        "</snapshotId></item><item><snapshotId>snap-3</snapshotId></item></snapshotSet>"
        "<nextToken>t</nextToken></DescribeSnapshotsResponse>"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    int calls = 0;
    (void)state;

    bool ok = ec2_describe_snapshots(fake.ec2, NULL, 0, NULL, 0, soon(), NULL, refuse_second,
                                     &calls, &fake.err);

    assert_false(ok);
    assert_int_equal(fake.err.kind, ERR_BUSY);
    assert_int_equal(calls, 2);
    assert_int_equal(ec2_calls(fake.ec2), 1);
    fake_ec2_stop(&fake);
}

static void tags_wait_for_what_ec2_does_not_show_yet(void **state)
{
    static const char *const answers[] = {REFUSED("InvalidSnapshot.NotFound"),
                                          REFUSED("InvalidSnapshot.NotFound"), EMPTY("CreateTags")};
    static const char *const ids[] = {"snap-1", "snap-2"};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    struct ec2_tags tags = {.count = 0};
    (void)state;
    assert_true(ec2_tags_set(&tags, "stillpoint:state", "cut", &fake.err));

    bool ok = ec2_create_tags(fake.ec2, ids, 2, &tags, soon(), NULL, &fake.err);

    assert_string_equal(fake.err.text, "");
    assert_true(ok);
    fake_ec2_assert_has(&fake, 2, "ResourceId.1=snap-1");
    fake_ec2_assert_has(&fake, 2, "ResourceId.2=snap-2");
    fake_ec2_assert_has(&fake, 2, "Tag.1.Key=stillpoint:state");
    fake_ec2_assert_has(&fake, 2, "Tag.1.Value=cut");
    ec2_tags_free(&tags);
    fake_ec2_stop(&fake);
}

static void keys_are_taken_off_whatever_their_values(void **state)
{
    static const char *const answers[] = {EMPTY("DeleteTags")};
    static const char *const ids[] = {"snap-1", "i-1"}, *const keys[] = {"stillpoint:a", "b"};
    struct fake_ec2 fake = fake_ec2_start(answers, 1);
    (void)state;

    assert_true(ec2_delete_tags(fake.ec2, ids, 2, keys, 2, soon(), NULL, &fake.err));
    assert_false(ec2_delete_tags(fake.ec2, ids, 2, keys, 0, soon(), NULL, &fake.err));

    assert_int_equal(fake.err.kind, ERR_INTERNAL);
    assert_int_equal(ec2_calls(fake.ec2), 1);
    fake_ec2_assert_has(&fake, 0, "Action=DeleteTags");
    fake_ec2_assert_has(&fake, 0, "ResourceId.2=i-1");
    fake_ec2_assert_has(&fake, 0, "Tag.1.Key=stillpoint:a");
    fake_ec2_assert_has(&fake, 0, "Tag.2.Key=b");
    fake_ec2_assert_lacks(&fake, 0, "Value");
    fake_ec2_stop(&fake);
}

static void snapshot_that_is_gone_counts_as_deleted(void **state)
{
    static const char *const answers[] = {EMPTY("DeleteSnapshot"),
                                          REFUSED("InvalidSnapshot.NotFound"),
                                          REFUSED("InvalidSnapshot.InUse")};
    struct fake_ec2 fake = fake_ec2_start(answers, 3);
    (void)state;

    assert_true(ec2_delete_snapshot(fake.ec2, "snap-1", soon(), NULL, &fake.err));
    fake_ec2_assert_has(&fake, 0, "SnapshotId=snap-1");
    assert_true(ec2_delete_snapshot(fake.ec2, "snap-1", soon(), NULL, &fake.err));
    assert_int_equal(fake.err.kind, ERR_NONE);
    assert_false(ec2_delete_snapshot(fake.ec2, "snap-1", soon(), NULL, &fake.err));

    assert_int_equal(fake.err.kind, ERR_AWS);
    assert_non_null(strstr(fake.err.text, "snap-1: DeleteSnapshot: InvalidSnapshot.InUse"));
    fake_ec2_stop(&fake);
}

static void every_action_can_be_tried_dry(void **state)
{
    const char *answers[EC2_ACTION_COUNT];
    struct ec2_dry_run_target target = {.instance_id = INSTANCE,
                                        .snapshot_id = "snap-1",
                                        .image_id = "ami-1",
                                        .volume_id = "vol-1",
                                        .zone = "eu-west-1a"};
    char action[100];
    (void)state;
    for (int n = 0; n < EC2_ACTION_COUNT; n++)
        answers[n] = DRY_RUN_OK;
    struct fake_ec2 fake = fake_ec2_start(answers, EC2_ACTION_COUNT);

    for (int n = 0; n < EC2_ACTION_COUNT; n++) {
        enum ec2_action which = (enum ec2_action)n;
        assert_true(ec2_dry_run(fake.ec2, which, &target, soon(), NULL, &fake.err));
        (void)snprintf(action, sizeof(action), "Action=%s", ec2_action_name(which));
        fake_ec2_assert_has(&fake, n, action);
        fake_ec2_assert_has(&fake, n, "DryRun=true");
    }
    fake_ec2_stop(&fake);
}

static void dry_run_without_a_target_is_not_sent(void **state)
{
    struct ec2_dry_run_target nothing = {.instance_id = NULL};
    struct fake_ec2 fake = fake_ec2_start(NULL, 0);
    (void)state;

    assert_false(ec2_dry_run(fake.ec2, EC2_DELETE_SNAPSHOT, &nothing, soon(), NULL, &fake.err));

    assert_int_equal(fake.err.kind, ERR_USAGE);
    assert_int_equal(ec2_calls(fake.ec2), 0);
    fake_ec2_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_takes_all_volumes_with_their_tags),
        cmocka_unit_test(hold_without_an_open_connection_sends_nothing),
        cmocka_unit_test(dry_run_that_was_none_is_an_error),
        cmocka_unit_test(good_answer_that_makes_no_sense_counts_as_sent),
        cmocka_unit_test(snapshots_come_page_by_page),
        cmocka_unit_test(a_page_that_is_too_large_is_asked_for_in_smaller_ones),
        cmocka_unit_test(snapshots_by_id_are_asked_without_a_page_size),
        cmocka_unit_test(callback_ends_the_listing_with_its_own_error),
        cmocka_unit_test(tags_wait_for_what_ec2_does_not_show_yet),
        cmocka_unit_test(keys_are_taken_off_whatever_their_values),
        cmocka_unit_test(snapshot_that_is_gone_counts_as_deleted),
        cmocka_unit_test(every_action_can_be_tried_dry),
        cmocka_unit_test(dry_run_without_a_target_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
