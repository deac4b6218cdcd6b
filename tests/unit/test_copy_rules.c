/* SPDX-License-Identifier: BSD-2-Clause */
/* What a copy session takes: messages, a server's settings, blkid's words. */
#include "agent/hookrun/hookrun_copy_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/hookrun/copy_settings.h"
#include "agent/hookrun/hook_wire.h"
#include "agent/hookrun/hookrun_copy_groups.h"
#include "agent/hookrun/hookrun_copy_probe.h"
#include "agent/hookrun/hookrun_copy_slice.h"

#define N (1u << COPY_NEW)
#define I (1u << COPY_IDLE)
#define S (1u << COPY_SERVING)
#define V (1u << COPY_VERIFY)
#define F (1u << COPY_FILES)

/* The contract again, written apart from the table that is judged by it. */
static const struct expected {
    enum copy_op op;
    size_t bytes;
    unsigned states, purposes;
} contract[] = {
    {COPY_OP_OPEN, 1120, N, V | F},  {COPY_OP_ADD, 160, I, V | F},
    {COPY_OP_GROUPS, 24, I, V | F},  {COPY_OP_LOOK, 1056, I, V | F},
    {COPY_OP_CHECK, 1056, I, V | F}, {COPY_OP_MOUNT, 1056, I, V | F},
    {COPY_OP_SERVE, 10272, I, V},    {COPY_OP_STOP, 24, I | S, V | F},
    {COPY_OP_FILES, 32800, I, F},    {COPY_OP_CLOSE, 24, I | S, V | F},
    {COPY_OP_ASK, 1120, N, V | F},   {COPY_OP_PROGRAMS, 24, I, V},
};

enum { CONTRACT_COUNT = sizeof(contract) / sizeof(contract[0]) };

static union copy_request request;

static void make_good(enum copy_op op)
{
    memset(&request, 0, sizeof(request));
    request.head.version = COPY_WIRE_VERSION;
    request.head.op = op;
    switch (op) {
    case COPY_OP_OPEN:
        request.open.purpose = COPY_VERIFY;
        request.open.id[0] = 'x';
        break;
    case COPY_OP_ADD:
        memcpy(request.add.name, "nvme2n1", 8);
        memcpy(request.add.volume, "vol-1", 6);
        break;
    case COPY_OP_MOUNT:
        memcpy(request.item.at, "/var/lib/mysql", 15);
        break;
    case COPY_OP_SERVE:
        request.serve.memory_bytes = 64 << 20;
        memcpy(request.serve.datadir, "/var/lib/mysql", 15);
        memcpy(request.serve.program, "/usr/sbin/mysqld", 17);
        break;
    case COPY_OP_FILES:
        memcpy(request.files.paths, "/etc", 5);
        request.files.paths_bytes = 5;
        break;
    default:
        break;
    }
}

static void each_message_has_its_size_its_states_and_its_purposes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONTRACT_COUNT; i++) {
        const struct expected *one = &contract[i];
        make_good(one->op);
        for (int at = 0; at < COPY_STATE_COUNT; at++)
            for (int purpose = COPY_VERIFY; purpose < COPY_PURPOSE_COUNT; purpose++) {
                bool legal = (one->states & (1u << at)) != 0 &&
                             (at == COPY_NEW || (one->purposes & (1u << purpose)) != 0);
                enum copy_status status = copy_rules_judge(
                    &request, one->bytes, (enum copy_state)at, (enum copy_purpose)purpose);
                if (status != (legal ? COPY_OK : COPY_BAD_STATE))
                    fail_msg("op %d in state %d for %d: %d", (int)one->op, at, purpose,
                             (int)status);
                assert_int_equal(copy_rules_judge(&request, one->bytes - 1, (enum copy_state)at,
                                                  (enum copy_purpose)purpose),
                                 COPY_BAD_MESSAGE);
                assert_int_equal(copy_rules_judge(&request, one->bytes + 1, (enum copy_state)at,
                                                  (enum copy_purpose)purpose),
                                 COPY_BAD_MESSAGE);
            }
    }
    assert_int_equal(CONTRACT_COUNT, COPY_OP_COUNT - 1);
}

static bool is_first(enum copy_op op)
{
    return op == COPY_OP_OPEN || op == COPY_OP_ASK;
}

#define ASSERT_JUDGED(status, op, change)                                                          \
    do {                                                                                           \
        make_good(op);                                                                             \
        change;                                                                                    \
        assert_int_equal(copy_rules_judge(&request, contract[(op)-1].bytes,                        \
                                          is_first(op) ? COPY_NEW : COPY_IDLE,                     \
                                          (op) == COPY_OP_FILES ? COPY_FILES : COPY_VERIFY),       \
                         status);                                                                  \
    } while (0)

static void broken_messages_are_breaches(void **state)
{
    (void)state;
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_STOP, request.head.version++);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_STOP, request.head.op = COPY_OP_COUNT);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_OPEN, request.open.flags = COPY_PREVIEW);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_OPEN, memset(request.open.id, 'x', COPY_ID_BYTES));
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_ASK, request.open.flags = COPY_WRITABLE);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_ADD, memset(request.add.name, 'x', COPY_NAME_BYTES));
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_ADD, request.add.volume[1] = '\n');
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_MOUNT, memset(request.item.at, '/', COPY_PATH_BYTES));
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_MOUNT, request.item.flags = 4);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_SERVE,
                  memset(request.serve.settings, '\n', COPY_SETTINGS_BYTES));
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_SERVE, request.serve.datadir[4] = '\n');
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_FILES, request.files.paths_bytes = 0);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_FILES, request.files.paths_bytes = 4); /* no NUL */
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_FILES,
                  request.files.paths_bytes = COPY_PATHS_BYTES + 1);
    ASSERT_JUDGED(COPY_BAD_MESSAGE, COPY_OP_FILES, request.files.reserved = 1);
    assert_int_equal(copy_rules_judge(&request, 0, COPY_NEW, COPY_VERIFY), COPY_BAD_MESSAGE);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_OPEN, request.open.purpose = COPY_PURPOSE_COUNT);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_OPEN, request.open.purpose = COPY_FILES);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_OPEN, request.open.destination[0] = '/');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_OPEN, request.open.id[0] = '\0');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ASK, request.open.purpose = COPY_VERIFY);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ASK, request.open.id[0] = 'x');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ASK, request.open.destination[0] = '/');
    ASSERT_JUDGED(COPY_OK, COPY_OP_ASK, request.open.id[0] = request.open.destination[0] = '/');
    ASSERT_JUDGED(COPY_OK, COPY_OP_ASK, request.open.flags = COPY_PREVIEW);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ADD, memcpy(request.add.name, "../sda", 7));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ADD, memcpy(request.add.name, "..", 3));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_ADD, request.add.volume[0] = '\0');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_LOOK, request.item.flags = COPY_WRITABLE);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_LOOK, request.item.at[0] = '/');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_CHECK, request.item.item = COPY_ITEMS_MAX);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_MOUNT, request.item.flags = COPY_REPLAY);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_MOUNT, request.item.at[0] = 'v');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE, request.serve.memory_bytes--);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE, request.serve.memory_bytes = UINT64_MAX);
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE, memcpy(request.serve.program, "/bin/sh", 8));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE, request.serve.program[0] = '\0');
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE, memcpy(request.serve.program, "mysqld", 7));
    ASSERT_JUDGED(COPY_OK, COPY_OP_SERVE, memcpy(request.serve.program, "/opt/x/mysqld", 14));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE,
                  memcpy(request.serve.settings, "init_file=/x\n", 14));
    ASSERT_JUDGED(COPY_OK, COPY_OP_SERVE,
                  memcpy(request.serve.settings, "plugin_load_add=ha_archive\n", 28));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE,
                  memcpy(request.serve.settings, "plugin_load_add=ha_../x\n", 25));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_SERVE,
                  memcpy(request.serve.settings, "plugin_load_add=auth_pam\n", 26));
    ASSERT_JUDGED(COPY_BAD_ARGUMENT, COPY_OP_FILES, request.files.paths[0] = 'e');
    make_good(COPY_OP_MOUNT);
    request.item.flags = COPY_WRITABLE; /* files only come out of a copy */
    assert_int_equal(copy_rules_judge(&request, 1056, COPY_IDLE, COPY_FILES), COPY_BAD_ARGUMENT);
    assert_int_equal(copy_rules_judge(&request, 1056, COPY_IDLE, COPY_VERIFY), COPY_OK);
}

static void only_its_own_version_is_this_protocol(void **state)
{
    struct hook_request hook = {.version = HOOK_WIRE_VERSION};

    (void)state;
    make_good(COPY_OP_OPEN);
    assert_true(copy_rules_is_ours(&request, sizeof(request.open)));
    assert_true(copy_rules_is_ours(&request, 4)); /* and is refused as such */
    assert_false(copy_rules_is_ours(&request, 3));
    assert_false(copy_rules_is_ours(&hook, sizeof(hook)));
}

static void plain_paths_are_told_from_others(void **state)
{
    static const char *const plain[] = {"/", "/a", "/a/b.c", "/...", "/a/..b"};
    static const char *const other[] = {"",       "a",   "a/b",   "//",    "/a/",    "/a//b",
                                        "/a/./b", "/..", "/a/..", "/../a", "/a/../b"};
    char longest[300];

    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (!copy_rules_is_plain(plain[i]))
            fail_msg("%s is plain", plain[i]);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        if (copy_rules_is_plain(other[i]))
            fail_msg("%s is not plain", other[i]);
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[256] = '\0';
    assert_true(copy_rules_is_plain(longest));
    longest[256] = 'x';
    longest[257] = '\0';
    assert_false(copy_rules_is_plain(longest));
}

static void settings_are_a_few_names_with_plain_values(void **state)
{
    static const char *const bad[] = {
        "server_id\n",       "server_id=\n",
        "server_id=1x\n",    "=1\n",
        "init_file=/x\n",    "log_bin=binlog\n",
        "log_bin=/a/../b\n", "binlog_format=a b\n",
        "plugin_load=x\n",   "server_id=1",
        "log_bin=\n",        "binlog_format=--x=$(y)\n",
        "server_id=1\n\n",   "server_ids=1\n",
        "socket=/tmp/x\n",   "server_id=123456789012345678901\n",
    };
    static struct copy_setting list[COPY_SETTINGS_MAX];
    const char *at = NULL;
    size_t count = 9, bytes = 0;

    (void)state;
    assert_true(copy_settings_read("", list, &count, &at, &bytes));
    assert_int_equal(count, 0);
    assert_true(copy_settings_read("innodb_data-file_path=ibdata1:12M:autoextend\n"
                                   "log-bin=/var/lib/mysql/binlog\nserver_id=7\n",
                                   list, &count, &at, &bytes));
    assert_int_equal(count, 3);
    assert_string_equal(list[0].text, "innodb-data-file-path=ibdata1:12M:autoextend");
    assert_int_equal(list[0].kind, COPY_SETTING_WORD);
    assert_string_equal(list[1].text + list[1].value_at, "/var/lib/mysql/binlog");
    assert_int_equal(list[1].kind, COPY_SETTING_PATH);
    assert_int_equal(list[2].kind, COPY_SETTING_NUMBER);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (copy_settings_read(bad[i], list, &count, &at, &bytes))
            fail_msg("taken: %s", bad[i]);
    assert_false(copy_settings_read("server_id=1\nx=2\n", list, &count, &at, &bytes));
    assert_int_equal(bytes, 3);
    assert_memory_equal(at, "x=2", 3);
}

static void too_many_settings_are_refused(void **state)
{
    static struct copy_setting list[COPY_SETTINGS_MAX];
    char text[(COPY_SETTINGS_MAX + 1) * 12 + 1] = "";
    const char *at = NULL;
    size_t count = 0, bytes = 0;

    (void)state;
    for (size_t i = 0; i < COPY_SETTINGS_MAX; i++)
        memcpy(text + i * 12, "server_id=1\n", 13);
    assert_true(copy_settings_read(text, list, &count, &at, &bytes));
    memcpy(text + (size_t)COPY_SETTINGS_MAX * 12, "server_id=1\n", 13);
    assert_false(copy_settings_read(text, list, &count, &at, &bytes));
}

static void blkid_is_read_as_what_it_is(void **state)
{
    static const char ext4[] = "DEVNAME=/dev/x\nLABEL=a\\ b\x1b\\\\\nUUID=u-1\nTYPE=ext4\n";
    static const char table[] = "PTUUID=1\nPTTYPE=gpt\n", luks[] = "TYPE=crypto_LUKS";
    struct copy_item item;
    bool is_table = true;
    char longest[200] = "LABEL=";

    (void)state;
    memset(&item, 0, sizeof(item));
    copy_probe_read(ext4, sizeof(ext4) - 1, &item, &is_table);
    assert_false(is_table);
    assert_int_equal(item.kind, COPY_ITEM_FILESYSTEM);
    assert_string_equal(item.label, "a b?\\");
    assert_string_equal(item.uuid, "u-1");
    memset(&item, 0, sizeof(item));
    copy_probe_read(table, sizeof(table) - 1, &item, &is_table);
    assert_true(is_table);
    assert_int_equal(item.kind, COPY_ITEM_EMPTY);
    copy_probe_read(luks, sizeof(luks) - 1, &item, &is_table); /* its line does not end */
    assert_int_equal(item.kind, COPY_ITEM_OTHER);
    assert_string_equal(item.type, "crypto_LUKS");
    memset(longest + 6, 'x', sizeof(longest) - 6);
    copy_probe_read(longest, sizeof(longest), &item, &is_table);
    assert_int_equal(strlen(item.label), COPY_NAME_BYTES - 1);
}

static void partitions_are_read_as_what_they_are(void **state)
{
    static const char *const bad[] = {"",         "1",
                                      "1 2",      "1 2 3 4",
                                      "0 2 3",    "-1 2 3",
                                      "1 -2 3",   "x 2 3",
                                      "1 2 3x",   "1 99999999999999999999 3",
                                      "2000 1 1", "1 18446744073709551615 3"};
    struct copy_slice slice;

    (void)state;
    assert_true(copy_slice_read("3 88064 16777216", &slice));
    assert_int_equal(slice.number, 3);
    assert_int_equal(slice.start_bytes, 88064 * 512);
    assert_int_equal(slice.size_bytes, 16777216);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (copy_slice_read(bad[i], &slice))
            fail_msg("taken: %s", bad[i]);
}

static void lvm_is_read_as_what_it_is(void **state)
{
    static const char line[] = "  LVM2_PV_NAME='/dev/loop0' LVM2_VG_NAME='node' LVM2_X='no end";
    char value[12];
    pid_t owner = 0;

    (void)state;
    assert_true(copy_groups_field(line, sizeof(line) - 1, "LVM2_PV_NAME", value, sizeof(value)));
    assert_string_equal(value, "/dev/loop0");
    assert_true(copy_groups_field(line, sizeof(line) - 1, "LVM2_VG_NAME", value, sizeof(value)));
    assert_string_equal(value, "node");
    assert_false(copy_groups_field(line, sizeof(line) - 1, "VG_NAME", value, sizeof(value)));
    assert_false(copy_groups_field(line, sizeof(line) - 1, "LVM2_X", value, sizeof(value)));
    assert_false(copy_groups_field(line, sizeof(line) - 1, "LVM2_PV_NAME", value, 10));
    assert_false(copy_groups_field("", 0, "LVM2_X", value, sizeof(value)));
    assert_true(copy_groups_owner("stillpoint_123_0-da--ta", &owner));
    assert_int_equal(owner, 123);
    assert_false(copy_groups_owner("stillpoint_-1_0-a", &owner));
    assert_false(copy_groups_owner("stillpoint__0-a", &owner));
    assert_false(copy_groups_owner("stillpoint_12", &owner));
    assert_false(copy_groups_owner("stillpoint-vg-a", &owner));
    assert_false(copy_groups_owner("vg0-root", &owner));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_has_its_size_its_states_and_its_purposes),
        cmocka_unit_test(broken_messages_are_breaches),
        cmocka_unit_test(arguments_that_make_no_sense_are_refused),
        cmocka_unit_test(only_its_own_version_is_this_protocol),
        cmocka_unit_test(plain_paths_are_told_from_others),
        cmocka_unit_test(settings_are_a_few_names_with_plain_values),
        cmocka_unit_test(too_many_settings_are_refused),
        cmocka_unit_test(blkid_is_read_as_what_it_is),
        cmocka_unit_test(partitions_are_read_as_what_they_are),
        cmocka_unit_test(lvm_is_read_as_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
