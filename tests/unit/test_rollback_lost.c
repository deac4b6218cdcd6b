/* SPDX-License-Identifier: BSD-2-Clause */
/* How many transactions a position stands for, and what stillpoint-hook's answers mean. */
#include "agent/daemon/rollback_lost.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/rollback_node.h"

#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"

static void transactions_are_counted_in_both_forms(void **unused)
{
    static const struct {
        const char *text;
        int64_t count;
    } cases[] = {
        {"0-1-991", 991},         {"0-1-991,1-7-3", 994},        {UUID ":1-5", 5},
        {UUID ":1-5:8:10-11", 8}, {UUID ":1-5,\n" UUID ":7", 6},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t count = 0;
        if (!rollback_lost_count(cases[i].text, &count) || count != cases[i].count)
            fail_msg("%s: %lld", cases[i].text, (long long)count);
    }
}

static void what_is_no_position_is_not_counted(void **unused)
{
    static const char *const texts[] = {"",
                                        "991",
                                        "0-991",
                                        "0-1-x",
                                        UUID,
                                        UUID ":5-1",
                                        UUID ":1-5:",
                                        ",",
                                        "0-1-",
                                        UUID ":x",
                                        "0-1-99999999999999999999"};

    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t count = 0;
        if (rollback_lost_count(texts[i], &count))
            fail_msg("'%s' counts %lld", texts[i], (long long)count);
    }
}

static void who_is_in_the_way_is_told_by_name_and_number(void **unused)
{
    struct mount_reply reply = {.result = MOUNT_BUSY, .os_errno = EBUSY, .holder_count = 10};
    struct err err = ERR_INIT;

    (void)unused;
    for (int i = 0; i < MOUNT_HOLDERS_MAX; i++)
        reply.holders[i] = (struct mount_holder){.pid = 100 + i, .name = "mariadbd"};
    reply.holders[1] = (struct mount_holder){.pid = 0, .name = "loop3"};

    assert_false(rollback_judge_reply(&reply, MOUNT_UNMOUNT, "/srv", &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.text, "/srv is in use by mariadbd (100), loop3, mariadbd (102)"));
    assert_non_null(strstr(err.text, "and 2 more"));
    assert_non_null(strstr(err.remedy, "phases = stop, start"));
}

static void name_that_does_not_end_is_cut(void **unused)
{
    struct mount_reply reply = {.result = MOUNT_BUSY, .holder_count = 1};
    struct err err = ERR_INIT;

    (void)unused;
    memset(reply.holders[0].name, 'x', MOUNT_NAME_BYTES);
    assert_false(rollback_judge_reply(&reply, MOUNT_UNMOUNT, "/srv", &err));
    assert_non_null(strstr(err.text, "in use by xxx"));
}

static void every_refusal_has_words(void **unused)
{
    (void)unused;
    for (uint32_t refusal = 0; refusal < 40; refusal++) {
        struct mount_reply reply = {.result = MOUNT_REFUSED, .refusal = refusal};
        struct err err = ERR_INIT;
        assert_false(rollback_judge_reply(&reply, MOUNT_MOUNT, "/srv", &err));
        assert_non_null(strstr(err.text, "/srv: "));
        bool waits = refusal == MOUNT_REFUSAL_UNKNOWN || refusal == MOUNT_REFUSAL_NO_WHOLE;
        assert_int_equal(err.kind, waits ? ERR_NOT_FOUND : ERR_PRECONDITION);
    }
}

static void failure_in_the_kernel_is_told_with_its_number(void **unused)
{
    struct mount_reply reply = {.result = MOUNT_FAILED, .os_errno = EUCLEAN};
    struct err err = ERR_INIT, other = ERR_INIT;

    (void)unused;
    assert_false(rollback_judge_reply(&reply, MOUNT_MOUNT, "/srv", &err));
    assert_int_equal(err.kind, ERR_SYS);
    assert_int_equal(err.os_errno, EUCLEAN);
    assert_non_null(strstr(err.remedy, "fsck"));
    reply.result = 77;
    assert_false(rollback_judge_reply(&reply, MOUNT_MOUNT, "/srv", &other));
    assert_int_equal(other.kind, ERR_PROTOCOL);
    reply.result = MOUNT_DONE;
    assert_true(rollback_judge_reply(&reply, MOUNT_MOUNT, "/srv", &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_are_counted_in_both_forms),
        cmocka_unit_test(what_is_no_position_is_not_counted),
        cmocka_unit_test(who_is_in_the_way_is_told_by_name_and_number),
        cmocka_unit_test(name_that_does_not_end_is_cut),
        cmocka_unit_test(every_refusal_has_words),
        cmocka_unit_test(failure_in_the_kernel_is_told_with_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
