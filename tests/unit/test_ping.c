/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/ping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_http.h"

enum { LOOK_US = 20000, LOOKS_MAX = 500 };

#define PATH "/a-path-that-nobody-may-see"

/* None of [aws] has a say in it, so none is the remedy. */
static void of_a_certificate_that_is_not_trusted_is_told_what_helps(void **state)
{
    struct fake_step steps[] = {{NULL, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct secret url = SECRET_INIT;
    struct err err = ERR_INIT;
    struct ping_told told = {.at_utc_us = 0};
    struct ping *ping = NULL;
    struct quiet quiet;
    char text[200];

    (void)state;
    (void)snprintf(text, sizeof(text), "%s" PATH, fake_http_url(fake));
    assert_true(secret_set(&url, text, strlen(text), &err));
    quiet_open(&quiet);
    assert_true(ping_open(&url, &quiet, &ping, &err));
    ping_add(ping, PING_FAIL, "sp-1", "");

    for (int i = 0; i < LOOKS_MAX && told.at_utc_us == 0; i++) {
        (void)usleep(LOOK_US);
        ping_tell(ping, &told);
    }

    assert_int_equal(told.err.kind, ERR_TLS);
    assert_null(strstr(told.err.text, PATH));
    assert_null(strstr(told.err.remedy, "name it as ca_bundle"));
    assert_non_null(strstr(told.err.remedy, "update-ca-certificates"));
    assert_true(ping_close(ping));
    quiet_close(&quiet);
    secret_free(&url);
    fake_http_stop(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_certificate_that_is_not_trusted_is_told_what_helps),
    };

    return cmocka_run_group_tests_name("ping", tests, NULL, NULL);
}
