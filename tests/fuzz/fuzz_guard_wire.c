/* SPDX-License-Identifier: BSD-2-Clause */
/* What others may write to the guard: a message on its socket, a record in RUN, a configuration,
 * and a request to the hook runner. The first byte chooses which, the rest is it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/guard_options.h"
#include "agent/guard/guard_record.h"
#include "agent/guard/guard_rules.h"
#include "agent/hookrun/hookrun_exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge_message(const uint8_t *bytes, size_t size)
{
    static union guard_request request;

    /* as received: what is longer is cut, but its length is known */
    memset(&request, 0xa5, sizeof(request));
    memcpy(&request, bytes, size < sizeof(request) ? size : sizeof(request));
    for (int state = 0; state < GUARD_STATE_COUNT; state++)
        for (int relation = GUARD_NOBODYS; relation <= GUARD_ANOTHERS; relation++) {
            enum guard_status status = guard_rules_judge(&request, size, (enum guard_state)state,
                                                         (enum guard_relation)relation);
            if (status == GUARD_BAD_MESSAGE)
                continue;
            assert(request.head.op > 0 && request.head.op < GUARD_OP_COUNT);
            if (request.head.op == GUARD_OP_ADD_MOUNT)
                assert(strnlen(request.add_mount.path, GUARD_MOUNT_PATH_BYTES) <
                       GUARD_MOUNT_PATH_BYTES);
            if (request.head.op == GUARD_OP_DEVICE_OF)
                assert(strnlen(request.device_of.path, GUARD_PATH_BYTES) < GUARD_PATH_BYTES);
            if (request.head.op == GUARD_OP_MANIFEST)
                assert(request.manifest.length <= GUARD_MANIFEST_CHUNK_BYTES);
        }
}

static void check_record(const uint8_t *bytes, size_t size)
{
    static struct guard_record record;
    static const char boot_id[GUARD_BOOT_ID_BYTES] = "boot";
    bool this_boot = false;

    /* sparse, so that a fuzzer reaches the mounts: a good head, then what it says */
    memset((void *)&record, 0, sizeof(record));
    memcpy(record.magic, GUARD_RECORD_MAGIC, 8);
    record.version = GUARD_RECORD_VERSION;
    record.bytes = sizeof(record);
    size_t head = offsetof(struct guard_record, boot_id);
    if (size > sizeof(record) - head)
        size = sizeof(record) - head;
    memcpy((char *)&record + head, bytes, size);
    if (guard_record_check(&record, sizeof(record), boot_id, &this_boot))
        for (uint32_t i = 0; i < record.mount_count; i++)
            assert(i < GUARD_MOUNTS_MAX && strlen(record.mounts[i].path) < GUARD_MOUNT_PATH_BYTES);
}

static void read_config(const uint8_t *bytes, size_t size)
{
    char run[92];
    char *text = malloc(size + 1);

    if (text == NULL)
        return;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (guard_options_find_run(text, run, sizeof(run)) == 1)
        assert(run[0] == '/' && strlen(run) < sizeof(run));
    free(text);
}

static void check_hook(const uint8_t *bytes, size_t size)
{
    static struct hook_request request;

    memset(&request, 0xa5, sizeof(request));
    memcpy(&request, bytes, size < sizeof(request) ? size : sizeof(request));
    if (hookrun_exec_check(&request, size))
        assert(strnlen(request.path, HOOK_PATH_BYTES) < HOOK_PATH_BYTES &&
               request.phase < HOOK_PHASE_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        judge_message(data + 1, size - 1);
        break;
    case 1:
        check_record(data + 1, size - 1);
        break;
    case 2:
        read_config(data + 1, size - 1);
        break;
    default:
        check_hook(data + 1, size - 1);
        break;
    }
    return 0;
}
