/* SPDX-License-Identifier: BSD-2-Clause */
/* What a rollback reads of others: tags of the instance and its volumes, positions of databases, a
 * request to unmount, a line of the mount table. The first byte chooses which, the rest is it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/utf8.h"
#include "agent/daemon/rollback_lost.h"
#include "agent/daemon/rollback_state.h"
#include "agent/hookrun/hookrun_mount.h"
#include "agent/hookrun/hookrun_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

/* What is taken is what would be written. */
static void read_state(const char *text)
{
    struct rollback_state state;
    struct err err = ERR_INIT;
    char value[ROLLBACK_VALUE_BYTES], token[65];

    if (!rollback_state_parse(text, &state, &err)) {
        must(err.kind == ERR_PROTOCOL || err.kind == ERR_PRECONDITION);
        return;
    }
    must(strcmp(rollback_state_format(&state, value), text) == 0);
    must(strlen(rollback_token(&state, text, token)) < sizeof(token));
}

static void read_part(const char *text)
{
    struct rollback_part part;
    struct err err = ERR_INIT;
    char value[ROLLBACK_VALUE_BYTES];

    if (rollback_part_parse(text, &part, &err))
        must(strcmp(rollback_part_format(&part, value), text) == 0);
}

static void read_mount(const char *text)
{
    struct rollback_mount mount, again;
    char value[ROLLBACK_VALUE_BYTES];

    if (!rollback_mount_parse(text, &mount))
        return;
    must(mount.path[0] == '/' && mount.partition <= 255);
    if (rollback_mount_format(&mount, value))
        must(rollback_mount_parse(value, &again) && strcmp(again.path, mount.path) == 0 &&
             again.partition == mount.partition);
}

static void check_request(const uint8_t *bytes, size_t size)
{
    static struct mount_request request;

    memset(&request, 0xa5, sizeof(request));
    memcpy(&request, bytes, size < sizeof(request) ? size : sizeof(request));
    if (!hookrun_mount_check(&request, size))
        return;
    must(memchr(request.path, '\0', sizeof(request.path)) != NULL);
    must(request.op == MOUNT_RELEASED || request.path[0] == '/');
    must(strstr(request.path, "/../") == NULL && strstr(request.path, "//") == NULL);
}

static void read_line(char *text)
{
    static struct hookrun_mount_entry entry;

    if (!hookrun_table_line(text, &entry))
        return;
    must(memchr(entry.path, '\0', sizeof(entry.path)) != NULL);
    must(memchr(entry.root, '\0', sizeof(entry.root)) != NULL);
    must(memchr(entry.options, '\0', sizeof(entry.options)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? malloc(size) : NULL;
    int64_t count;

    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 6) {
    case 0:
        read_state(text);
        break;
    case 1:
        read_part(text);
        break;
    case 2:
        read_mount(text);
        break;
    case 3:
        if (rollback_lost_count(text, &count))
            must(count >= 0);
        break;
    case 4:
        check_request(data + 1, size - 1);
        break;
    default:
        read_line(text);
        break;
    }
    free(text);
    return 0;
}
