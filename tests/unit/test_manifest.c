/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/manifest.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"

static struct err err;

static char *text(const char *words)
{
    char *copy = strdup(words);

    assert_non_null(copy);
    return copy;
}

static struct backup *some_backup(void)
{
    struct backup *backup = backup_new();

    assert_non_null(backup);
    backup->id = text("sp-20261124T081530Z-k3f9x");
    backup->instance = text("i-0123456789abcdef0");
    backup->node = text("db1");
    backup->asked = LABEL_APPLICATION;
    backup->consistency = LABEL_APPLICATION; /* as if somebody had raised it too early */
    backup->version = text("0.1.0");
    struct backup_mount *mount = backup_add_mount(backup);
    mount->path = text("/var/lib/mysql");
    mount->fs = text("ext4");
    mount->frozen = true;
    struct backup_database *database = backup_add_database(backup);
    database->server = text("10.11.19-MariaDB");
    database->binlog_file = text("binlog.000007");
    database->binlog_pos = 73421;
    struct backup_snapshot *snapshot = backup_add_snapshot(backup);
    snapshot->id = text("snap-1");
    snapshot->volume = text("vol-0aaaaaaaaaaaaaaaa");
    snapshot->device = text("/dev/sdf");
    snapshot->size_gib = 20;
    snapshot->state = text("completed");
    return backup;
}

static json_t *make(const struct backup *backup, struct buf *ret_text)
{
    int64_t written_us = 0;

    assert_true(clock_utc_parse("2026-11-24T08:15:31.000001Z", &written_us));
    if (!manifest_text(backup, written_us, ret_text, &err))
        fail_msg("%s", err.text);
    json_t *json = json_loadb(ret_text->data, ret_text->len, 0, NULL);
    assert_non_null(json);
    return json;
}

static void it_says_what_the_disk_is_and_when_it_was_written(void **state)
{
    struct backup *backup = some_backup();
    struct buf written = BUF_INIT(MANIFEST_BYTES_MAX);

    (void)state;
    json_t *json = make(backup, &written);

    assert_int_equal(json_integer_value(json_object_get(json, "stillpoint")), MANIFEST_FORMAT);
    assert_string_equal(json_string_value(json_object_get(json, "written")),
                        "2026-11-24T08:15:31.000001Z");
    assert_string_equal(json_string_value(json_object_get(json, "id")), backup->id);
    assert_string_equal(json_string_value(json_object_get(json, "instance")), backup->instance);
    assert_string_equal(json_string_value(json_object_get(json, "version")), "0.1.0");
    const json_t *volume = json_array_get(json_object_get(json, "volumes"), 0);
    assert_string_equal(json_string_value(json_object_get(volume, "volume")),
                        "vol-0aaaaaaaaaaaaaaaa");
    assert_string_equal(json_string_value(json_object_get(volume, "device")), "/dev/sdf");
    const json_t *database = json_array_get(json_object_get(json, "databases"), 0);
    assert_int_equal(json_integer_value(json_object_get(database, "binlog_pos")), 73421);
    assert_int_equal(written.data[written.len - 1], '\n');
    json_decref(json);
    buf_free(&written);
    backup_free(backup);
}

static void it_claims_nothing_that_only_the_cut_can_tell(void **state)
{
    static const char *const absent[] = {"state",     "consistency", "shortfall", "window",
                                         "timing_ms", "image",       "verified",  "snapshots"};
    struct backup *backup = some_backup();
    struct buf written = BUF_INIT(MANIFEST_BYTES_MAX);

    (void)state;
    json_t *json = make(backup, &written);

    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (json_object_get(json, absent[i]) != NULL)
            fail_msg("it has \"%s\"", absent[i]);
    }
    const json_t *mount = json_array_get(json_object_get(json, "mounts"), 0);
    assert_null(json_object_get(mount, "frozen"));
    const json_t *volume = json_array_get(json_object_get(json, "volumes"), 0);
    assert_null(json_object_get(volume, "id"));
    assert_null(json_object_get(volume, "state"));
    json_decref(json);
    buf_free(&written);
    backup_free(backup);
}

static void too_much_gives_up_what_was_left_out_first_then_the_mounts(void **state)
{
    struct backup *backup = some_backup();
    struct buf written = BUF_INIT(MANIFEST_BYTES_MAX);

    (void)state;
    for (int i = 0; i < 600; i++)
        assert_true(backup_add_left_out(backup, "/a/rather/long/path/to/a/network/mount/point",
                                        "nfs4: not on a volume of this instance", &err));
    json_t *json = make(backup, &written);
    assert_true(json_is_null(json_object_get(json, "left_out")));
    assert_int_equal(json_array_size(json_object_get(json, "mounts")), 1);
    json_decref(json);
    buf_free(&written);

    for (int i = 0; i < 800; i++) {
        struct backup_mount *mount = backup_add_mount(backup);
        mount->path = text("/a/rather/long/path/to/a/mount/point/of/the/set");
        mount->fs = text("ext4");
    }
    json = make(backup, &written);
    assert_true(json_is_null(json_object_get(json, "mounts")));
    assert_int_equal(json_array_size(json_object_get(json, "databases")), 1);
    json_decref(json);
    buf_free(&written);
    backup_free(backup);
}

static void what_can_never_fit_is_refused_and_nothing_is_written(void **state)
{
    struct backup *backup = some_backup();
    struct buf written = BUF_INIT(4 * MANIFEST_BYTES_MAX);

    (void)state;
    char *reason = malloc(MANIFEST_BYTES_MAX);
    memset(reason, 'x', MANIFEST_BYTES_MAX - 1);
    reason[MANIFEST_BYTES_MAX - 1] = '\0';
    backup->reason = reason;

    assert_false(manifest_text(backup, 0, &written, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(written.len, 0);
    buf_free(&written);
    backup_free(backup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_disk_is_and_when_it_was_written),
        cmocka_unit_test(it_claims_nothing_that_only_the_cut_can_tell),
        cmocka_unit_test(too_much_gives_up_what_was_left_out_first_then_the_mounts),
        cmocka_unit_test(what_can_never_fit_is_refused_and_nothing_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
