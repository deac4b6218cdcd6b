/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/guard/guard_rules.h"

#define IN(state)     (1u << (GUARD_##state))
#define ANY_STATE     ((1u << GUARD_STATE_COUNT) - 1)
#define NOTHING_FROZE (IN(IDLE) | IN(LOADED) | IN(ENDED))

enum who {
    WHO_ANYONE,       /* whoever owns the lease */
    WHO_NOT_ANOTHERS, /* the owner, or anyone where there is none */
    WHO_CLAIMS,       /* the same, and it becomes the owner */
};

static const struct rule {
    uint32_t bytes; /* exact, on the wire */
    uint32_t reply_bytes;
    unsigned states; /* where the request is legal; no rule where 0 */
    enum who who;
} rules[GUARD_OP_COUNT] = {
    [GUARD_OP_HELLO] = {sizeof(struct guard_msg_plain), sizeof(struct guard_reply_hello), ANY_STATE,
                        WHO_ANYONE},
    [GUARD_OP_MOUNT_TABLE] = {sizeof(struct guard_msg_plain),
                              sizeof(struct guard_reply_mount_table), NOTHING_FROZE, WHO_ANYONE},
    [GUARD_OP_DEVICE_OF] = {sizeof(struct guard_msg_device_of),
                            sizeof(struct guard_reply_device_of), NOTHING_FROZE, WHO_ANYONE},
    [GUARD_OP_ADD_MOUNT] = {sizeof(struct guard_msg_add_mount),
                            sizeof(struct guard_reply_add_mount), IN(IDLE) | IN(LOADED),
                            WHO_CLAIMS},
    [GUARD_OP_SYNC] = {sizeof(struct guard_msg_sync), sizeof(struct guard_reply_sync),
                       IN(LOADED) | IN(ENDED), WHO_NOT_ANOTHERS},
    [GUARD_OP_MANIFEST] = {sizeof(struct guard_msg_manifest), sizeof(struct guard_reply_plain),
                           NOTHING_FROZE, WHO_CLAIMS},
    [GUARD_OP_WRITE_MANIFESTS] = {sizeof(struct guard_msg_write_manifests),
                                  sizeof(struct guard_reply_manifests), IN(LOADED) | IN(ENDED),
                                  WHO_NOT_ANOTHERS},
    [GUARD_OP_FREEZE] = {sizeof(struct guard_msg_freeze), sizeof(struct guard_reply_lease),
                         IN(LOADED) | IN(ENDED), WHO_NOT_ANOTHERS},
    [GUARD_OP_STATUS] = {sizeof(struct guard_msg_plain), sizeof(struct guard_reply_lease),
                         ANY_STATE, WHO_ANYONE},
    [GUARD_OP_THAW] = {sizeof(struct guard_msg_plain), sizeof(struct guard_reply_lease), ANY_STATE,
                       WHO_NOT_ANOTHERS},
    [GUARD_OP_RESET] = {sizeof(struct guard_msg_plain), sizeof(struct guard_reply_lease), ANY_STATE,
                        WHO_NOT_ANOTHERS},
    [GUARD_OP_THAW_FORCE] = {sizeof(struct guard_msg_plain), sizeof(struct guard_reply_lease),
                             ANY_STATE, WHO_ANYONE},
};

static bool is_known(uint32_t op)
{
    return op < GUARD_OP_COUNT && rules[op].states != 0;
}

static bool ends_inside(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '\0')
            return true;
    return false;
}

/* Fields whose wrong value can only come from a broken or hostile client. */
static bool is_well_formed(const union guard_request *request)
{
    switch (request->head.op) {
    case GUARD_OP_DEVICE_OF:
        return request->device_of.reserved == 0 &&
               ends_inside(request->device_of.path, sizeof(request->device_of.path));
    case GUARD_OP_ADD_MOUNT:
        return (request->add_mount.flags & ~(uint32_t)(GUARD_ADD_SYNC_ONLY | GUARD_ADD_TOGETHER)) ==
                   0 &&
               ends_inside(request->add_mount.path, sizeof(request->add_mount.path));
    case GUARD_OP_MANIFEST:
        return request->manifest.length > 0 &&
               request->manifest.length <= GUARD_MANIFEST_CHUNK_BYTES;
    case GUARD_OP_WRITE_MANIFESTS:
        return request->write_manifests.reserved == 0;
    default:
        return true;
    }
}

static bool has_good_arguments(const union guard_request *request)
{
    switch (request->head.op) {
    case GUARD_OP_DEVICE_OF:
        return request->device_of.path[0] == '/' &&
               request->device_of.timeout_ms <= GUARD_TIMEOUT_MS_MAX;
    case GUARD_OP_ADD_MOUNT:
        return request->add_mount.path[0] == '/' &&
               request->add_mount.timeout_ms <= GUARD_TIMEOUT_MS_MAX;
    case GUARD_OP_SYNC:
        return request->sync.index < GUARD_MOUNTS_MAX &&
               request->sync.timeout_ms <= GUARD_TIMEOUT_MS_MAX;
    case GUARD_OP_MANIFEST:
        return request->manifest.offset <= GUARD_MANIFEST_BYTES_MAX;
    case GUARD_OP_WRITE_MANIFESTS:
        return request->write_manifests.timeout_ms <= GUARD_TIMEOUT_MS_MAX;
    case GUARD_OP_FREEZE:
        return request->freeze.deadline_ms > 0;
    default:
        return true;
    }
}

enum guard_status guard_rules_judge(const union guard_request *request, size_t bytes,
                                    enum guard_state state, enum guard_relation relation)
{
    if (bytes < sizeof(request->head) || request->head.version != GUARD_WIRE_VERSION ||
        !is_known(request->head.op) || bytes != rules[request->head.op].bytes ||
        !is_well_formed(request))
        return GUARD_BAD_MESSAGE;

    const struct rule *rule = &rules[request->head.op];
    if (rule->who != WHO_ANYONE && relation == GUARD_ANOTHERS)
        return GUARD_NOT_OWNER;
    if ((rule->states & (1u << state)) == 0)
        return GUARD_BAD_STATE;
    return has_good_arguments(request) ? GUARD_OK : GUARD_BAD_ARGUMENT;
}

size_t guard_rules_reply_bytes(uint32_t op)
{
    return is_known(op) ? rules[op].reply_bytes : sizeof(struct guard_reply_plain);
}

bool guard_rules_claims(uint32_t op)
{
    return is_known(op) && rules[op].who == WHO_CLAIMS;
}
