/* SPDX-License-Identifier: BSD-2-Clause */
/* What others may tell a copy session: a request on its socket, settings of a server in one, and
 * blkid's words of a disk that anybody may have written. The first byte chooses which, the rest is
 * it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hookrun/copy_settings.h"
#include "agent/hookrun/hookrun_copy_probe.h"
#include "agent/hookrun/hookrun_copy_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const union copy_request *request)
{
    switch (request->head.op) {
    case COPY_OP_OPEN:
    case COPY_OP_ASK:
        assert(strnlen(request->open.id, COPY_ID_BYTES) < COPY_ID_BYTES);
        assert(strnlen(request->open.destination, COPY_PATH_BYTES) < COPY_PATH_BYTES);
        break;
    case COPY_OP_ADD:
        assert(strnlen(request->add.name, COPY_NAME_BYTES) < COPY_NAME_BYTES);
        assert(strchr(request->add.name, '/') == NULL);
        break;
    case COPY_OP_MOUNT:
        assert(strnlen(request->item.at, COPY_PATH_BYTES) < COPY_PATH_BYTES);
        assert(request->item.at[0] == '/' && strstr(request->item.at, "/../") == NULL);
        break;
    case COPY_OP_FILES:
        assert(request->files.paths_bytes <= COPY_PATHS_BYTES);
        for (size_t at = 0; at < request->files.paths_bytes;
             at += strlen(request->files.paths + at) + 1)
            assert(request->files.paths[at] == '/');
        break;
    default:
        break;
    }
}

static void judge_message(const uint8_t *bytes, size_t size)
{
    static union copy_request request;

    /* as received: what is longer is cut, but its length is known */
    memset(&request, 0xa5, sizeof(request));
    memcpy(&request, bytes, size < sizeof(request) ? size : sizeof(request));
    for (int state = 0; state < COPY_STATE_COUNT; state++)
        for (int purpose = COPY_VERIFY; purpose < COPY_PURPOSE_COUNT; purpose++) {
            enum copy_status status = copy_rules_judge(&request, size, (enum copy_state)state,
                                                       (enum copy_purpose)purpose);
            if (status == COPY_OK)
                check_accepted(&request);
        }
}

/* A message whose head is right, so that a fuzzer reaches its fields: its operation, then them. */
static void judge_fields(const uint8_t *bytes, size_t size)
{
    static const size_t sizes[COPY_OP_COUNT] = {
        [COPY_OP_OPEN] = sizeof(struct copy_msg_open),
        [COPY_OP_ADD] = sizeof(struct copy_msg_add),
        [COPY_OP_MOUNT] = sizeof(struct copy_msg_item),
        [COPY_OP_SERVE] = sizeof(struct copy_msg_serve),
        [COPY_OP_FILES] = sizeof(struct copy_msg_files),
    };
    static union copy_request request;
    uint32_t op = size > 0 ? bytes[0] % COPY_OP_COUNT : 0;
    size_t room = sizes[op] > sizeof(request.head) ? sizes[op] - sizeof(request.head) : 0;

    if (size == 0 || room == 0)
        return;
    memset(&request, 0, sizeof(request));
    request.head.version = COPY_WIRE_VERSION;
    request.head.op = op;
    size = size - 1 < room ? size - 1 : room;
    memcpy((char *)&request + sizeof(request.head), bytes + 1, size);
    for (int state = 0; state < COPY_STATE_COUNT; state++)
        for (int purpose = COPY_VERIFY; purpose < COPY_PURPOSE_COUNT; purpose++)
            if (copy_rules_judge(&request, sizes[op], (enum copy_state)state,
                                 (enum copy_purpose)purpose) == COPY_OK)
                check_accepted(&request);
}

static void read_settings(const uint8_t *bytes, size_t size)
{
    static struct copy_setting list[COPY_SETTINGS_MAX];
    const char *bad = NULL;
    size_t count = 0, bad_bytes = 0;
    char *text = malloc(size + 1);

    if (text == NULL)
        return;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (copy_settings_read(text, list, &count, &bad, &bad_bytes)) {
        assert(count <= COPY_SETTINGS_MAX);
        for (size_t i = 0; i < count; i++)
            assert(list[i].text[list[i].value_at - 1] == '=' && list[i].text[0] != '-');
    } else {
        assert(bad >= text && bad + bad_bytes <= text + size);
    }
    free(text);
}

static void read_blkid(const uint8_t *bytes, size_t size)
{
    struct copy_item item;
    bool table = false;

    memset(&item, 0, sizeof(item));
    copy_probe_read((const char *)bytes, size, &item, &table);
    assert(item.kind >= COPY_ITEM_EMPTY && item.kind <= COPY_ITEM_OTHER);
    assert(strnlen(item.type, COPY_NAME_BYTES) < COPY_NAME_BYTES);
    assert(strnlen(item.uuid, COPY_NAME_BYTES) < COPY_NAME_BYTES);
    assert(strnlen(item.label, COPY_NAME_BYTES) < COPY_NAME_BYTES);
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
        judge_fields(data + 1, size - 1);
        break;
    case 2:
        read_settings(data + 1, size - 1);
        break;
    default:
        read_blkid(data + 1, size - 1);
        break;
    }
    return 0;
}
