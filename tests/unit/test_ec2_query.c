/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void query_encodes_names_and_values(void **state)
{
    struct query query;
    struct err err = ERR_INIT;
    (void)state;

    query_begin(&query, "CreateTags");
    query_add(&query, "Name", "a b&c=d/\xc3\xa9");
    query_add(&query, "Left", NULL);
    query_add(&query, "Empty", "");
    query_add_bool(&query, "NoReboot", true);
    query_add_int(&query, "MaxResults", 200);

    assert_true(query_end(&query, &err));
    assert_string_equal(query.body.data,
                        "Action=CreateTags&Version=2016-11-15&Name=a%20b%26c%3Dd%2F%C3%A9&Empty=&"
                        "NoReboot=true&MaxResults=200");
    query_free(&query);
}

static void lists_tags_and_filters_are_numbered_from_one(void **state)
{
    static const char *const values[] = {"x", "y"};
    struct ec2_filter filter = {"tag:k", values, 2};
    struct ec2_tags tags = {.count = 0}, none = {.count = 0};
    struct query query;
    struct err err = ERR_INIT;
    (void)state;
    assert_true(ec2_tags_set(&tags, "k1", "v1", &err));
    assert_true(ec2_tags_set(&tags, "k2", "", &err));

    query_begin(&query, "A");
    query_add_list(&query, "SnapshotId", values, 2);
    query_add_tag_specification(&query, 1, "snapshot", &tags);
    query_add_tag_specification(&query, 2, "image", &none);
    query_add_filters(&query, &filter, 1);

    assert_true(query_end(&query, &err));
    assert_string_equal(query.body.data,
                        "Action=A&Version=2016-11-15&SnapshotId.1=x&SnapshotId.2=y&"
                        "TagSpecification.1.ResourceType=snapshot&TagSpecification.1.Tag.1.Key=k1&"
                        "TagSpecification.1.Tag.1.Value=v1&TagSpecification.1.Tag.2.Key=k2&"
                        "TagSpecification.1.Tag.2.Value=&Filter.1.Name=tag%3Ak&Filter.1.Value.1=x&"
                        "Filter.1.Value.2=y");
    query_free(&query);
    ec2_tags_free(&tags);
}

static void a_literal_filter_means_nothing_but_its_text(void **state)
{
    static const char *const cases[][2] = {
        {"kaltura-db1", "kaltura-db1"}, {"", ""}, {"a*b?c\\d", "a\\*b\\?c\\\\d"}, {NULL, NULL}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        char *value = NULL;

        assert_true(ec2_filter_literal(cases[i][0], &value, &err));

        if (cases[i][1] == NULL)
            assert_null(value);
        else
            assert_string_equal(value, cases[i][1]);
        free(value);
    }
}

static void too_long_a_query_is_told_at_its_end(void **state)
{
    char *big = calloc(1, 1 << 20);
    struct query query;
    struct err err = ERR_INIT;
    (void)state;
    assert_non_null(big);
    memset(big, 'x', (1 << 20) - 1);

    query_begin(&query, "A");
    query_add(&query, "B", big);
    query_add(&query, "C", "x"); /* does nothing any more */

    assert_false(query_end(&query, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    query_free(&query);
    free(big);
}

static void tags_replace_and_refuse(void **state)
{
    char long_key[200], long_value[600];
    struct ec2_tags tags = {.count = 0};
    struct err err = ERR_INIT;
    (void)state;
    memset(long_key, 'k', 129);
    long_key[129] = '\0';
    for (size_t i = 0; i < 256; i++)
        memcpy(long_value + 2 * i, "\xc3\xa9", 2);
    long_value[512] = '\0';

    assert_true(ec2_tags_set(&tags, "a", "1", &err));
    assert_true(ec2_tags_set(&tags, "a", "2", &err));
    assert_string_equal(ec2_tags_get(&tags, "a"), "2");
    assert_null(ec2_tags_get(&tags, "b"));
    assert_int_equal(tags.count, 1);
    assert_true(ec2_tags_set(&tags, "long", long_value, &err)); /* characters, not bytes */
    long_value[512] = 'x';
    long_value[513] = '\0';
    assert_false(ec2_tags_set(&tags, "long", long_value, &err));
    assert_false(ec2_tags_set(&tags, long_key, "", &err));
    assert_false(ec2_tags_set(&tags, "", "", &err));
    for (int i = 0; i < 48; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "t%d", i);
        assert_true(ec2_tags_set(&tags, key, "", &err));
    }
    assert_false(ec2_tags_set(&tags, "51st", "", &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    ec2_tags_free(&tags);
    ec2_tags_free(&tags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_encodes_names_and_values),
        cmocka_unit_test(lists_tags_and_filters_are_numbered_from_one),
        cmocka_unit_test(a_literal_filter_means_nothing_but_its_text),
        cmocka_unit_test(too_long_a_query_is_told_at_its_end),
        cmocka_unit_test(tags_replace_and_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
