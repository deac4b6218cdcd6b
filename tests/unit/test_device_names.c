/* SPDX-License-Identifier: BSD-2-Clause */
/* Free names for volumes that come. */
#include "agent/daemon/device_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct strs list(const char *const *names)
{
    struct strs strs = {NULL, 0};
    struct err err = ERR_INIT;

    for (; *names != NULL; names++)
        assert_true(strs_add(&strs, *names, &err));
    return strs;
}

static void the_recommended_names_come_first(void **state)
{
    static const char *const none[] = {NULL};
    struct strs taken = list(none), names = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_true(device_names_pick(&taken, 23, &names, &err));
    assert_string_equal(names.items[0], "/dev/sdf");
    assert_string_equal(names.items[10], "/dev/sdp");
    assert_string_equal(names.items[20], "/dev/sdz");
    assert_string_equal(names.items[21], "/dev/xvdba");
    strs_free(&names);
}

static void a_letter_is_taken_under_each_of_its_names(void **state)
{
    static const char *const some[] = {"/dev/sda1", "/dev/sdf", "xvdg1", "/dev/xvdh",
                                       "nvme0n1",   "loop3",    "sdi",   NULL};
    struct strs taken = list(some), names = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_true(device_names_pick(&taken, 2, &names, &err));
    assert_string_equal(names.items[0], "/dev/sdj");
    assert_string_equal(names.items[1], "/dev/sdk");
    assert_true(device_names_taken(&taken, "/dev/xvdf"));
    assert_true(device_names_taken(&taken, "/dev/sdg"));
    assert_false(device_names_taken(&taken, "/dev/sdn"));
    strs_free(&names);
    strs_free(&taken);
}

static void more_than_there_are_is_refused(void **state)
{
    static const char *const some[] = {"/dev/sdf", NULL};
    struct strs taken = list(some), names = {NULL, 0};
    struct err err = ERR_INIT;
    (void)state;

    assert_false(device_names_pick(&taken, 99, &names, &err));
    assert_int_equal(err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(err.text, "not enough free device names"));
    assert_non_null(strstr(err.text, "98 names"));
    assert_string_not_equal(err.remedy, "");
    strs_free(&names);
    strs_free(&taken);
}

static void names_that_ec2_takes_for_data_volumes_are_valid(void **state)
{
    static const char *const good[] = {"/dev/sdb", "/dev/sdz", "/dev/xvdb", "/dev/xvdba",
                                       "/dev/xvddz"};
    static const char *const bad[] = {"/dev/sda",     "/dev/sda1",  "/dev/sdf1",
                                      "sdf",          "/dev/xvdea", "/dev/xvdbaa",
                                      "/dev/nvme1n1", "/dev/sd",    ""};
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(device_names_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (device_names_valid(bad[i]))
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recommended_names_come_first),
        cmocka_unit_test(a_letter_is_taken_under_each_of_its_names),
        cmocka_unit_test(more_than_there_are_is_refused),
        cmocka_unit_test(names_that_ec2_takes_for_data_volumes_are_valid),
    };

    return cmocka_run_group_tests_name("device_names", tests, NULL, NULL);
}
