/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_secret_keeps_its_bytes_and_ends_them(void **state)
{
    struct secret secret = SECRET_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(secret_is_set(&secret));
    assert_true(secret_set(&secret, "key+rest", 3, &err));
    assert_true(secret_is_set(&secret));
    assert_int_equal(secret.len, 3);
    assert_string_equal(secret.bytes, "key");
    secret_free(&secret);
    secret_free(&secret);
    assert_false(secret_is_set(&secret));
    assert_null(secret.bytes);
}

static void setting_again_replaces_also_from_the_secret_itself(void **state)
{
    struct secret secret = SECRET_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_true(secret_set(&secret, "first", 5, &err));
    assert_true(secret_set(&secret, secret.bytes + 1, 4, &err));
    assert_string_equal(secret.bytes, "irst");
    secret_free(&secret);
}

static void a_copy_lives_by_itself(void **state)
{
    struct secret a = SECRET_INIT, b = SECRET_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_true(secret_set(&a, "key", 3, &err));
    assert_true(secret_copy(&b, &a, &err));
    secret_free(&a);
    assert_string_equal(b.bytes, "key");
    assert_true(secret_copy(&b, &a, &err)); /* of nothing is nothing */
    assert_false(secret_is_set(&b));
    secret_free(&b);
}

static void an_empty_secret_is_not_set_and_a_huge_one_refused(void **state)
{
    struct secret secret = SECRET_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_true(secret_set(&secret, "", 0, &err));
    assert_false(secret_is_set(&secret));
    assert_true(secret_set(&secret, "kept", 4, &err));
    assert_false(secret_set(&secret, "x", 64 * 1024 + 1, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_string_equal(secret.bytes, "kept");
    secret_free(&secret);
}

/* Its pages carry the flag of MADV_DONTDUMP ("dd" among VmFlags of proc_pid_smaps(5)). */
static void its_pages_are_kept_out_of_core_dumps(void **state)
{
    struct secret secret = SECRET_INIT;
    struct err err = ERR_INIT;
    char line[512], start[32];
    bool inside = false, found = false;

    (void)state;
    assert_true(secret_set(&secret, "key", 3, &err));
    (void)snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)secret.bytes);
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (strncmp(line, start, strlen(start)) == 0)
            inside = true;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, " dd") != NULL;
            break;
        }
    }
    (void)fclose(maps);
    secret_free(&secret);
    if (!inside)
        skip(); /* a sanitizer may merge mappings */
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_keeps_its_bytes_and_ends_them),
        cmocka_unit_test(setting_again_replaces_also_from_the_secret_itself),
        cmocka_unit_test(a_copy_lives_by_itself),
        cmocka_unit_test(an_empty_secret_is_not_set_and_a_huge_one_refused),
        cmocka_unit_test(its_pages_are_kept_out_of_core_dumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
