/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_locks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "aws/ec2_wire.h"

struct seen {
    char ids[256];
};

static bool on_lock(void *self, const char *snapshot_id, struct err *err)
{
    struct seen *seen = self;
    size_t len = strlen(seen->ids);

    (void)err;
    (void)snprintf(seen->ids + len, sizeof(seen->ids) - len, "%s ", snapshot_id);
    return true;
}

static bool ask(const char *items, struct seen *seen, struct err *err)
{
    char body[1024];
    struct ec2 *ec2 = NULL;

    *seen = (struct seen){""};
    (void)snprintf(body, sizeof(body),
                   "<DescribeLockedSnapshotsResponse><snapshotSet>%s</snapshotSet>"
                   "</DescribeLockedSnapshotsResponse>",
                   items);
    assert_true(ec2_open_canned(body, strlen(body), &ec2, err));
    bool ok = ec2_describe_locked_snapshots(ec2, clock_boot_ms() + 1000, NULL, on_lock, seen, err);
    ec2_free(ec2);
    return ok;
}

static void every_lock_counts_but_one_that_has_expired(void **state)
{
    struct err err = ERR_INIT;
    struct seen seen;

    (void)state;
    assert_true(ask("<item><snapshotId>snap-a</snapshotId><lockState>governance</lockState></item>"
                    "<item><snapshotId>snap-b</snapshotId><lockState>expired</lockState></item>"
                    "<item><snapshotId>snap-c</snapshotId><lockState>compliance</lockState></item>"
                    "<item><snapshotId>snap-d</snapshotId><lockState>compliance-cooloff</lockState>"
                    "</item><item><snapshotId>snap-e</snapshotId></item>",
                    &seen, &err));

    assert_string_equal(seen.ids, "snap-a snap-c snap-d snap-e ");
}

static void none_are_none_and_one_of_nothing_is_an_error(void **state)
{
    struct err err = ERR_INIT;
    struct seen seen;

    (void)state;
    assert_true(ask("", &seen, &err));
    assert_string_equal(seen.ids, "");

    assert_false(ask("<item><lockState>governance</lockState></item>", &seen, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lock_counts_but_one_that_has_expired),
        cmocka_unit_test(none_are_none_and_one_of_nothing_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
