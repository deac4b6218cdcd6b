/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/volume_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_ebs_takes_passes(void **state)
{
    static const struct loan_kind good[] = {
        {.type = NULL},
        {.type = "gp3", .iops = 3000, .throughput_mibs = 750},
        {.type = "gp3", .iops = 80000, .throughput_mibs = 2000},
        {.type = "gp3", .throughput_mibs = 125, .initialization_rate_mibs = 100},
        {.type = "io1", .iops = 100},
        {.type = "io1", .iops = 64000},
        {.type = "io2", .iops = 256000, .initialization_rate_mibs = 300},
        {.type = "gp2"},
        {.type = "st1"},
        {.type = "sc1"},
        {.type = "standard"},
        {.kms_key_id = "alias/backup-keys_1"},
        {.kms_key_id = "1234abcd-12ab-34cd-56ef-1234567890ab"},
        {.kms_key_id = "mrk-1234abcd12ab34cd56ef1234567890ab"},
        {.kms_key_id =
             "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
        {.kms_key_id = "arn:aws-cn:kms:cn-north-1:123456789012:alias/aws/ebs"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err err = ERR_INIT;
        bool ok = volume_kind_check(&good[i], &err);
        assert_string_equal(err.text, "");
        assert_true(ok);
    }
}

static void the_rest_is_wrong_usage_by_the_options_name(void **state)
{
    static const struct {
        struct loan_kind kind;
        const char *text, *remedy;
    } bad[] = {
        {{.type = "gp9"}, "--type: EBS has no volumes of type 'gp9'", "did you mean gp"},
        {{.type = "ssd"}, "--type: EBS has no volumes of type 'ssd'", "gp3, gp2, io1"},
        {{.iops = 5}, "--iops: 5 is out of range", "from 3000 to 80000"},
        {{.iops = 80001}, "--iops: 80001", "from 3000 to 80000"},
        {{.type = "io1", .iops = 99}, "--iops: 99", "from 100 to 64000"},
        {{.type = "io2", .iops = 256001}, "--iops: 256001", "from 100 to 256000"},
        {{.type = "io2"}, "volumes of type io2 need --iops", "--iops N"},
        {{.type = "gp2", .iops = 3000}, "--iops: volumes of type gp2 take none", "gp3, io1 or io2"},
        {{.throughput_mibs = 124}, "--throughput: 124", "from 125 to 2000"},
        {{.iops = 80000, .throughput_mibs = 2001}, "--throughput: 2001", "from 125 to 2000"},
        {{.throughput_mibs = 751},
         "--throughput: 751 MiB/s need more than 3000 IOPS",
         "add --iops 3004, or write at most 750"},
        {{.type = "io1", .iops = 100, .throughput_mibs = 125},
         "--throughput: volumes of type io1 take none",
         "gp3"},
        {{.initialization_rate_mibs = 99}, "--initialize: 99", "from 100 to 300"},
        {{.initialization_rate_mibs = 301}, "--initialize: 301", "from 100 to 300"},
        {{.kms_key_id = "foo"}, "--kms-key: 'foo' is no key's id, alias or ARN", "alias/NAME"},
        {{.kms_key_id = "alias/"}, "--kms-key: ", "alias/NAME"},
        {{.kms_key_id = "1234abcd-12ab-34cd-56ef-1234567890a"}, "--kms-key: ", "alias/NAME"},
        {{.kms_key_id = "1234abcd-12ab-34cd-56ef-1234567890abc"}, "--kms-key: ", "alias/NAME"},
        {{.kms_key_id = "arn:aws:iam::123456789012:role/a"}, "--kms-key: ", "alias/NAME"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = ERR_INIT;
        assert_false(volume_kind_check(&bad[i].kind, &err));
        assert_int_equal(err.kind, ERR_USAGE);
        if (strstr(err.text, bad[i].text) == NULL)
            assert_string_equal(err.text, bad[i].text);
        if (strstr(err.remedy, bad[i].remedy) == NULL)
            assert_string_equal(err.remedy, bad[i].remedy);
    }
}

static void a_volume_has_the_size_that_its_type_and_its_iops_need(void **state)
{
    static const struct {
        struct loan_kind kind;
        int64_t size_gib;
        const char *text; /* NULL: it fits */
    } cases[] = {
        {{.type = NULL}, 1, NULL},
        {{.iops = 3000}, 1, NULL}, /* each gp3 has them */
        {{.iops = 4000}, 8, NULL},
        {{.iops = 4001}, 8, "--iops: snap-1 has 8 GiB"},
        {{.type = "io1", .iops = 500}, 10, NULL},
        {{.type = "io1", .iops = 501}, 10, "at most 50 a GiB"},
        {{.type = "io1", .iops = 100}, 3, "--type: snap-1 has 3 GiB"},
        {{.type = "io2", .iops = 4000}, 4, NULL},
        {{.type = "st1"}, 124, "--type: snap-1 has 124 GiB"},
        {{.type = "st1"}, 125, NULL},
        {{.type = "standard"}, 1025, "1 to 1024"},
        {{.type = "gp2"}, 16384, NULL},
        {{.type = "gp2"}, 0, NULL}, /* not known: EC2 judges */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        bool ok = volume_kind_fits(&cases[i].kind, cases[i].size_gib, "snap-1", &err);
        assert_true(ok == (cases[i].text == NULL));
        if (cases[i].text == NULL)
            continue;
        assert_int_equal(err.kind, ERR_PRECONDITION);
        assert_non_null(strstr(err.text, cases[i].text));
        assert_true(err.remedy[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ebs_takes_passes),
        cmocka_unit_test(the_rest_is_wrong_usage_by_the_options_name),
        cmocka_unit_test(a_volume_has_the_size_that_its_type_and_its_iops_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
