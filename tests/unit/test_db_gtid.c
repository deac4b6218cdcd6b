/* SPDX-License-Identifier: BSD-2-Clause */
/* What was executed, compared: MariaDB's domains, MySQL's sets. */
#include "hooks/db_gtid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static void each_pair_compares_as_the_servers_would(void **state)
{
    static const struct {
        const char *a, *b;
        enum db_gtid_order order;
    } cases[] = {
        {"0-1-991", "0-1-991", DB_GTID_EQUAL},
        {"0-1-991", "0-1-992", DB_GTID_BEHIND},
        {"0-1-992", "0-1-991", DB_GTID_BEYOND},
        {"0-1-991", "0-2-991", DB_GTID_BEYOND}, /* another server's transaction of that number */
        {"0-1-5,3-1-9", "3-1-9, 0-1-5", DB_GTID_EQUAL},
        {"0-1-5", "0-1-5,3-1-9", DB_GTID_BEHIND},
        {"0-1-5,3-1-9", "0-1-5", DB_GTID_BEYOND},
        {"", "0-1-5", DB_GTID_BEHIND},
        {"", "", DB_GTID_EQUAL},
        {A ":1-991", A ":1-991", DB_GTID_EQUAL},
        {A ":1-5:6-9", A ":1-9", DB_GTID_EQUAL}, /* neighbours are one */
        {A ":1-5", A ":1-5:7", DB_GTID_BEHIND},
        {A ":1-5:7", A ":1-5", DB_GTID_BEYOND},
        {A ":1-5,\n" B ":3", A ":1-5," B ":1-9", DB_GTID_BEHIND},
        {A ":tag:1-3", A ":1-3", DB_GTID_BEYOND}, /* a tag counts for itself */
        {A ":1-3:tag:1-2", A ":1-3:tag:1-2", DB_GTID_EQUAL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum db_gtid_order order = DB_GTID_EQUAL;
        struct err err = ERR_INIT;
        if (!db_gtid_compare(cases[i].a, cases[i].b, &order, &err))
            fail_msg("%s, %s: %s", cases[i].a, cases[i].b, err.text);
        if (order != cases[i].order)
            fail_msg("%s, %s: %d", cases[i].a, cases[i].b, order);
    }
}

static void what_is_no_set_is_refused(void **state)
{
    static const char *const bad[] = {
        "0-1", "0-1-", "a-b-c",  "0-1-5-6",   "uuid:1-5",
        A,     A ":",  A ":1-x", A ":1-991…", "0-1-99999999999999999999"};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum db_gtid_order order;
        struct err err = ERR_INIT;
        if (db_gtid_compare(bad[i], "0-1-1", &order, &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_compares_as_the_servers_would),
        cmocka_unit_test(what_is_no_set_is_refused),
    };

    return cmocka_run_group_tests_name("db_gtid", tests, NULL, NULL);
}
