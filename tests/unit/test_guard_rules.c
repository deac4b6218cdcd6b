/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define I (1u << GUARD_IDLE)
#define L (1u << GUARD_LOADED)
#define F (1u << GUARD_FREEZING)
#define H (1u << GUARD_HELD)
#define C (1u << GUARD_CLEARING)
#define E (1u << GUARD_ENDED)

/* The contract again, written apart from the table that is judged by it. */
static const struct expected {
    enum guard_op op;
    size_t bytes, reply_bytes;
    unsigned states;
    bool is_for_all; /* also while another connection owns the lease */
} contract[] = {
    {GUARD_OP_HELLO, 16, 56, I | L | F | H | C | E, true},
    {GUARD_OP_MOUNT_TABLE, 16, 40, I | L | E, true},
    {GUARD_OP_DEVICE_OF, 24 + 4096, 64 + 4096, I | L | E, true},
    {GUARD_OP_ADD_MOUNT, 40 + 1024, 48, I | L, false},
    {GUARD_OP_SYNC, 24, 40, L | E, false},
    {GUARD_OP_MANIFEST, 24 + 16384, 32, I | L | E, false},
    {GUARD_OP_WRITE_MANIFESTS, 24, 56 + 4 * 64, L | E, false},
    {GUARD_OP_FREEZE, 24, 112 + 48 * 64, L | E, false},
    {GUARD_OP_STATUS, 16, 112 + 48 * 64, I | L | F | H | C | E, true},
    {GUARD_OP_THAW, 16, 112 + 48 * 64, I | L | F | H | C | E, false},
    {GUARD_OP_RESET, 16, 112 + 48 * 64, I | L | F | H | C | E, false},
    {GUARD_OP_THAW_FORCE, 16, 112 + 48 * 64, I | L | F | H | C | E, true},
};

enum { CONTRACT_COUNT = sizeof(contract) / sizeof(contract[0]) };

static union guard_request good(enum guard_op op)
{
    union guard_request request;

    memset(&request, 0, sizeof(request));
    request.head.version = GUARD_WIRE_VERSION;
    request.head.op = op;
    switch (op) {
    case GUARD_OP_DEVICE_OF:
        request.device_of.path[0] = '/';
        break;
    case GUARD_OP_ADD_MOUNT:
        request.add_mount.path[0] = '/';
        break;
    case GUARD_OP_MANIFEST:
        request.manifest.length = 1;
        break;
    case GUARD_OP_FREEZE:
        request.freeze.deadline_ms = 1;
        break;
    default:
        break;
    }
    return request;
}

static void every_operation_has_its_line_in_the_contract(void **state)
{
    (void)state;
    assert_int_equal(CONTRACT_COUNT, GUARD_OP_COUNT - 1);
    for (size_t i = 0; i < CONTRACT_COUNT; i++) {
        assert_int_equal(contract[i].op, i + 1);
        assert_int_equal(guard_rules_reply_bytes(contract[i].op), contract[i].reply_bytes);
    }
    assert_int_equal(guard_rules_reply_bytes(0), sizeof(struct guard_reply_plain));
    assert_int_equal(guard_rules_reply_bytes(GUARD_OP_COUNT), sizeof(struct guard_reply_plain));
}

static void every_state_lets_just_its_operations_through(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONTRACT_COUNT; i++)
        for (unsigned s = 0; s < GUARD_STATE_COUNT; s++) {
            union guard_request request = good(contract[i].op);
            enum guard_status wanted =
                (contract[i].states & (1u << s)) != 0 ? GUARD_OK : GUARD_BAD_STATE;
            enum guard_status for_others = contract[i].is_for_all ? wanted : GUARD_NOT_OWNER;

            assert_int_equal(guard_rules_judge(&request, contract[i].bytes, s, GUARD_OWN), wanted);
            assert_int_equal(guard_rules_judge(&request, contract[i].bytes, s, GUARD_NOBODYS),
                             wanted);
            assert_int_equal(guard_rules_judge(&request, contract[i].bytes, s, GUARD_ANOTHERS),
                             for_others);
        }
}

static void every_other_size_is_a_breach(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONTRACT_COUNT; i++) {
        union guard_request request = good(contract[i].op);
        for (size_t bytes = 0; bytes < sizeof(request) + 64; bytes++)
            if (bytes != contract[i].bytes)
                assert_int_equal(guard_rules_judge(&request, bytes, GUARD_LOADED, GUARD_OWN),
                                 GUARD_BAD_MESSAGE);
    }
}

static void unknown_versions_and_operations_are_breaches(void **state)
{
    union guard_request request = good(GUARD_OP_HELLO);

    (void)state;
    request.head.version = GUARD_WIRE_VERSION + 1;
    assert_int_equal(guard_rules_judge(&request, 16, GUARD_IDLE, GUARD_OWN), GUARD_BAD_MESSAGE);
    request.head.version = GUARD_WIRE_VERSION;
    for (uint64_t op = 0; op <= UINT32_MAX; op = op * 3 + 1) {
        request.head.op = (uint32_t)op;
        if (op == 0 || op >= GUARD_OP_COUNT)
            assert_int_equal(guard_rules_judge(&request, 16, GUARD_IDLE, GUARD_OWN),
                             GUARD_BAD_MESSAGE);
    }
}

static void paths_have_to_end_and_to_be_absolute(void **state)
{
    union guard_request request = good(GUARD_OP_ADD_MOUNT);
    const size_t bytes = sizeof(request.add_mount);

    (void)state;
    memset(request.add_mount.path, '/', sizeof(request.add_mount.path));
    assert_int_equal(guard_rules_judge(&request, bytes, GUARD_IDLE, GUARD_OWN), GUARD_BAD_MESSAGE);
    request.add_mount.path[sizeof(request.add_mount.path) - 1] = '\0';
    assert_int_equal(guard_rules_judge(&request, bytes, GUARD_IDLE, GUARD_OWN), GUARD_OK);
    request.add_mount.path[0] = 'a';
    assert_int_equal(guard_rules_judge(&request, bytes, GUARD_IDLE, GUARD_OWN), GUARD_BAD_ARGUMENT);
    request.add_mount.path[0] = '\0';
    assert_int_equal(guard_rules_judge(&request, bytes, GUARD_IDLE, GUARD_OWN), GUARD_BAD_ARGUMENT);
}

static void fields_out_of_range_are_refused(void **state)
{
    union guard_request request = good(GUARD_OP_ADD_MOUNT);

    (void)state;
    request.add_mount.flags = 4;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.add_mount), GUARD_IDLE, GUARD_OWN),
                     GUARD_BAD_MESSAGE);
    request = good(GUARD_OP_SYNC);
    request.sync.index = GUARD_MOUNTS_MAX;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.sync), GUARD_LOADED, GUARD_OWN),
                     GUARD_BAD_ARGUMENT);
    request = good(GUARD_OP_SYNC);
    request.sync.timeout_ms = GUARD_TIMEOUT_MS_MAX + 1;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.sync), GUARD_LOADED, GUARD_OWN),
                     GUARD_BAD_ARGUMENT);
    request = good(GUARD_OP_MANIFEST);
    request.manifest.length = GUARD_MANIFEST_CHUNK_BYTES + 1;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.manifest), GUARD_LOADED, GUARD_OWN),
                     GUARD_BAD_MESSAGE);
    request = good(GUARD_OP_MANIFEST);
    request.manifest.offset = GUARD_MANIFEST_BYTES_MAX + 1;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.manifest), GUARD_LOADED, GUARD_OWN),
                     GUARD_BAD_ARGUMENT);
    request = good(GUARD_OP_FREEZE);
    request.freeze.deadline_ms = INT64_MIN;
    assert_int_equal(guard_rules_judge(&request, sizeof(request.freeze), GUARD_LOADED, GUARD_OWN),
                     GUARD_BAD_ARGUMENT);
}

static void ownership_comes_with_mounts_and_manifest_alone(void **state)
{
    (void)state;
    for (uint32_t op = 0; op <= GUARD_OP_COUNT; op++)
        assert_int_equal(guard_rules_claims(op),
                         op == GUARD_OP_ADD_MOUNT || op == GUARD_OP_MANIFEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_its_line_in_the_contract),
        cmocka_unit_test(every_state_lets_just_its_operations_through),
        cmocka_unit_test(every_other_size_is_a_breach),
        cmocka_unit_test(unknown_versions_and_operations_are_breaches),
        cmocka_unit_test(paths_have_to_end_and_to_be_absolute),
        cmocka_unit_test(fields_out_of_range_are_refused),
        cmocka_unit_test(ownership_comes_with_mounts_and_manifest_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
