/* SPDX-License-Identifier: BSD-2-Clause */
/* A rollback's state in tags: read back as written, and nothing else is believed. */
#include "agent/daemon/rollback_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/tag.h"
#include "agent/daemon/rollback_resume.h"

#define RB  "rb-20261124T081530Z-k3f9x"
#define SET "sp-20261124T081530Z-k3f9x"

static void state_is_read_as_it_was_written(void **unused)
{
    struct rollback_state state = {.id = RB, .set = SET, .mode = ROLLBACK_FULL};
    char value[ROLLBACK_VALUE_BYTES];

    (void)unused;
    for (int step = 0; step < ROLLBACK_STEP_COUNT; step++) {
        struct rollback_state again;
        struct err err = ERR_INIT;
        state.step = (enum rollback_step)step;
        (void)strcpy(state.fresh, step % 2 ? SET : "");
        assert_true(rollback_state_parse(rollback_state_format(&state, value), &again, &err));
        assert_string_equal(again.id, RB);
        assert_string_equal(again.set, SET);
        assert_string_equal(again.fresh, state.fresh);
        assert_int_equal(again.mode, ROLLBACK_FULL);
        assert_int_equal(again.step, step);
        assert_true(strlen(value) <= TAG_VALUE_CHARS_MAX);
    }
}

static void the_format_is_what_other_versions_read(void **unused)
{
    const struct rollback_state state = {
        .id = RB, .set = SET, .mode = ROLLBACK_DATA_ONLY, .step = ROLLBACK_UNDO_SWAP};
    const struct rollback_part part = {ROLLBACK_MADE, "i-0123", "/dev/sdf", true};
    char value[ROLLBACK_VALUE_BYTES];

    (void)unused;
    assert_string_equal(rollback_state_format(&state, value),
                        "1 " RB " " SET " data-only undo-swap -");
    assert_string_equal(rollback_part_format(&part, value), "1 made i-0123 /dev/sdf yes");
}

static void later_version_is_refused_as_such(void **unused)
{
    static const char *const values[] = {"2", "2 " RB " whatever it has",
                                         "17 " RB " " SET " full swap - and more than that"};
    struct rollback_state state;
    struct rollback_part part;

    (void)unused;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct err err = ERR_INIT, part_err = ERR_INIT;
        assert_false(rollback_state_parse(values[i], &state, &err));
        assert_int_equal(err.kind, ERR_PRECONDITION);
        assert_non_null(strstr(err.text, "later version"));
        assert_false(rollback_part_parse(values[i], &part, &part_err));
        assert_int_equal(part_err.kind, ERR_PRECONDITION);
    }
}

static void what_is_no_state_is_not_believed(void **unused)
{
    static const char *const values[] = {
        "",
        "1",
        "0 " RB " " SET " full swap -",
        "-1 " RB " " SET " full swap -",
        "1  " RB " " SET " full swap -",
        "1 " RB " " SET " full swap",
        "1 " RB " " SET " full swap - -",
        "1 " RB " " SET " full swap ",
        "1 " SET " " SET " full swap -",
        "1 " RB " " RB " full swap -",
        "1 " RB " " SET " half swap -",
        "1 " RB " " SET " full jump -",
        "1 " RB " " SET " full swap x",
        "1\t" RB " " SET " full swap -",
    };
    struct rollback_state state;

    (void)unused;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct err err = ERR_INIT;
        assert_false(rollback_state_parse(values[i], &state, &err));
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void what_is_no_part_is_not_believed(void **unused)
{
    static const char *const values[] = {
        "1 kept i-1 /dev/sdf",
        "1 kept i-1 /dev/sdf maybe",
        "1 lent i-1 /dev/sdf yes",
        "1 kept vol-1 /dev/sdf no",
        "1 kept i-0123456789012345678901234567890123456789 /dev/sdf no",
    };
    struct rollback_part part;

    (void)unused;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct err err = ERR_INIT;
        assert_false(rollback_part_parse(values[i], &part, &err));
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void mounts_go_through_a_tag(void **unused)
{
    struct rollback_mount mount = {.partition = 2, .path = "/srv/with blank"}, again;
    char value[ROLLBACK_VALUE_BYTES];

    (void)unused;
    assert_true(rollback_mount_format(&mount, value));
    assert_string_equal(value, "2 /srv/with blank");
    assert_true(rollback_mount_parse(value, &again));
    assert_int_equal(again.partition, 2);
    assert_string_equal(again.path, mount.path);
    memset(mount.path, 'x', TAG_VALUE_CHARS_MAX - 1);
    mount.path[0] = '/';
    mount.path[TAG_VALUE_CHARS_MAX - 1] = '\0';
    assert_false(rollback_mount_format(&mount, value));
    mount.path[TAG_VALUE_CHARS_MAX - 2] = '\0';
    assert_true(rollback_mount_format(&mount, value));
    assert_false(rollback_mount_parse("/srv", &again));
    assert_false(rollback_mount_parse("x /srv", &again));
    assert_false(rollback_mount_parse("1 srv", &again));
    assert_false(rollback_mount_parse("999 /srv", &again));
}

static void tokens_are_short_and_differ(void **unused)
{
    const struct rollback_state state = {.id = RB, .set = SET};
    char one[65], other[65];

    (void)unused;
    assert_string_equal(rollback_token(&state, "/dev/sdf", one), RB "/dev/sdf");
    assert_string_equal(rollback_token(&state, "root-0", one), RB "-root-0");
    (void)rollback_token(&state, "/dev/a-very-long-name-that-no-instance-has-1", one);
    (void)rollback_token(&state, "/dev/a-very-long-name-that-no-instance-has-2", other);
    assert_true(strlen(one) <= 64);
    assert_string_not_equal(one, other);
}

static void ids_are_told_from_those_of_backups(void **unused)
{
    char id[ROLLBACK_ID_BYTES];
    struct err err = ERR_INIT;

    (void)unused;
    assert_true(rollback_id_new(1795508130000000, id, &err));
    assert_true(rollback_is_id(id));
    assert_false(rollback_is_id(SET));
    assert_false(rollback_is_id("rb-1"));
    assert_false(rollback_is_id(RB "x"));
}

static bool allows(const char *value, enum err_kind *ret_kind)
{
    struct ec2_tags tags = {.count = 0};
    struct err err = ERR_INIT;

    assert_true(value == NULL || ec2_tags_set(&tags, ROLLBACK_TAG, value, &err));
    bool ok = rollback_allows_backup(&tags, &err);
    *ret_kind = err.kind;
    ec2_tags_free(&tags);
    return ok;
}

static void backup_waits_for_a_rollback_in_the_middle(void **unused)
{
    enum err_kind kind;

    (void)unused;
    assert_true(allows(NULL, &kind));
    assert_true(allows("1 " RB " " SET " full done -", &kind));
    assert_true(allows("1 " RB " " SET " full commit -", &kind));
    assert_true(allows("somebody else's", &kind));
    assert_false(allows("1 " RB " " SET " full swap -", &kind));
    assert_int_equal(kind, ERR_BUSY);
    assert_false(allows("1 " RB " " SET " full undo-start -", &kind));
    assert_false(allows("2 " RB, &kind));
    assert_int_equal(kind, ERR_PRECONDITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_read_as_it_was_written),
        cmocka_unit_test(the_format_is_what_other_versions_read),
        cmocka_unit_test(later_version_is_refused_as_such),
        cmocka_unit_test(what_is_no_state_is_not_believed),
        cmocka_unit_test(what_is_no_part_is_not_believed),
        cmocka_unit_test(mounts_go_through_a_tag),
        cmocka_unit_test(tokens_are_short_and_differ),
        cmocka_unit_test(ids_are_told_from_those_of_backups),
        cmocka_unit_test(backup_waits_for_a_rollback_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
