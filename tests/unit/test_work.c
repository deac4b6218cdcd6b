/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "aws/ec2_snapshots.h"
#include "tests/unit/fake_http.h"

/* A service that reads and never answers: how long one request waits is the configuration's. */
static void a_request_waits_as_long_as_the_configuration_says(void **state)
{
    static const struct fake_step steps[] = {{.end = FAKE_HANG}};
    static const struct credentials_options from_environment = {.use_environment = true};
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct config config = {.aws = {.region = "eu-west-1",
                                    .endpoint_ec2 = (char *)(uintptr_t)fake_http_url(fake),
                                    .ca_bundle = (char *)(uintptr_t) "",
                                    .connect_timeout_ms = 1000,
                                    .request_timeout_ms = 300}};
    struct ec2_create_snapshots request = {.instance_id = "i-0123456789abcdef0"};
    struct credentials *credentials = NULL;
    struct ec2_snapshot_set set = {.count = 0};
    struct ec2 *ec2 = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "a secret of the test", 1), 0);
    assert_true(credentials_open(&from_environment, &credentials, &err));
    assert_true(work_ec2(&config, NULL, credentials, &ec2, &err));
    int64_t begin_ms = clock_boot_ms();

    assert_false(ec2_create_snapshots(ec2, &request, false, 0, begin_ms + 5000, NULL, &set, &err));
    assert_in_range(clock_boot_ms() - begin_ms, 290, 4000);
    assert_non_null(strstr(err.text, "no answer within 300 ms"));
    ec2_free(ec2);
    credentials_free(credentials);
    fake_http_stop(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_waits_as_long_as_the_configuration_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
