/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_copy_rules.h"

#include <string.h>

#include "agent/hookrun/copy_settings.h"

#define IN(state)      (1u << (COPY_##state))
#define FOR(purpose)   (1u << (COPY_##purpose))
#define OPENED         (IN(IDLE) | IN(SERVING))
#define ANY_PURPOSE    (FOR(VERIFY) | FOR(FILES))
#define MEMORY_MIN_MIB 64u
#define MEMORY_MAX_MIB (1024u * 1024u)

static const struct rule {
    size_t bytes;    /* exact, on the wire */
    unsigned states; /* where the request is legal; no rule where 0 */
    unsigned purposes;
} rules[COPY_OP_COUNT] = {
    [COPY_OP_OPEN] = {sizeof(struct copy_msg_open), IN(NEW), ANY_PURPOSE},
    [COPY_OP_ADD] = {sizeof(struct copy_msg_add), IN(IDLE), ANY_PURPOSE},
    [COPY_OP_GROUPS] = {sizeof(struct copy_msg_plain), IN(IDLE), ANY_PURPOSE},
    [COPY_OP_LOOK] = {sizeof(struct copy_msg_item), IN(IDLE), ANY_PURPOSE},
    [COPY_OP_CHECK] = {sizeof(struct copy_msg_item), IN(IDLE), ANY_PURPOSE},
    [COPY_OP_MOUNT] = {sizeof(struct copy_msg_item), IN(IDLE), ANY_PURPOSE},
    [COPY_OP_SERVE] = {sizeof(struct copy_msg_serve), IN(IDLE), FOR(VERIFY)},
    [COPY_OP_STOP] = {sizeof(struct copy_msg_plain), OPENED, ANY_PURPOSE},
    [COPY_OP_FILES] = {sizeof(struct copy_msg_files), IN(IDLE), FOR(FILES)},
    [COPY_OP_CLOSE] = {sizeof(struct copy_msg_plain), OPENED, ANY_PURPOSE},
    [COPY_OP_ASK] = {sizeof(struct copy_msg_open), IN(NEW), ANY_PURPOSE},
    [COPY_OP_PROGRAMS] = {sizeof(struct copy_msg_plain), IN(IDLE), FOR(VERIFY)},
};

bool copy_rules_is_ours(const void *message, size_t bytes)
{
    uint32_t version = 0;

    if (bytes < sizeof(version))
        return false;
    memcpy(&version, message, sizeof(version));
    return version == COPY_WIRE_VERSION;
}

bool copy_rules_is_plain(const char *path)
{
    if (path[0] != '/')
        return false;
    if (path[1] == '\0')
        return true;
    for (const char *at = path; *at != '\0';) {
        size_t length = strcspn(at + 1, "/");
        const char *name = at + 1;
        if (length == 0 || length > 255 || (length == 1 && name[0] == '.') ||
            (length == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        at = name + length;
    }
    return true;
}

/* Ends inside BYTES, and has no control character in it but those of ALLOWED. */
static bool is_text(const char *text, size_t bytes, const char *allowed)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char one = (unsigned char)text[i];
        if (one == '\0')
            return true;
        if ((one < ' ' || one == 0x7f) && strchr(allowed, one) == NULL)
            return false;
    }
    return false;
}

#define IS_TEXT(array) is_text((array), sizeof(array), "")

/* A list of at least one path, each with its NUL, and nothing behind the last. */
static bool is_list(const struct copy_msg_files *files)
{
    if (files->reserved != 0 || files->paths_bytes == 0 ||
        files->paths_bytes > sizeof(files->paths))
        return false;
    return files->paths[files->paths_bytes - 1] == '\0';
}

static uint32_t flags_of(uint32_t op)
{
    return op == COPY_OP_ASK ? COPY_PREVIEW : op == COPY_OP_OPEN ? 0 : COPY_REPLAY | COPY_WRITABLE;
}

/* Fields whose wrong value can only come from a broken or hostile client. */
static bool is_well_formed(const union copy_request *request)
{
    switch (request->head.op) {
    case COPY_OP_OPEN:
    case COPY_OP_ASK:
        return (request->open.flags & ~flags_of(request->head.op)) == 0 &&
               IS_TEXT(request->open.id) && IS_TEXT(request->open.destination);
    case COPY_OP_ADD:
        return IS_TEXT(request->add.name) && IS_TEXT(request->add.volume);
    case COPY_OP_LOOK:
    case COPY_OP_CHECK:
    case COPY_OP_MOUNT:
        return (request->item.flags & ~flags_of(request->head.op)) == 0 &&
               IS_TEXT(request->item.at);
    case COPY_OP_SERVE:
        return IS_TEXT(request->serve.datadir) && IS_TEXT(request->serve.program) &&
               is_text(request->serve.settings, sizeof(request->serve.settings), "\n");
    case COPY_OP_FILES:
        return is_list(&request->files);
    default:
        return true;
    }
}

static bool is_good_open(const struct copy_msg_open *open)
{
    if (open->purpose == COPY_VERIFY)
        return open->id[0] != '\0' && open->destination[0] == '\0';
    return open->purpose == COPY_FILES && open->id[0] != '\0' && open->destination[0] != '\0';
}

/* A folder is asked about for the sake of a backup, and nothing else is. */
static bool is_good_ask(const struct copy_msg_open *open)
{
    return open->purpose == 0 && (open->id[0] == '\0') == (open->destination[0] == '\0');
}

static bool is_good_server(const struct copy_msg_serve *serve)
{
    const char *bad = NULL, *name = strrchr(serve->program, '/');
    size_t count = 0, bytes = 0;
    static struct copy_setting list[COPY_SETTINGS_MAX];

    if (!copy_rules_is_plain(serve->program) ||
        (strcmp(name, "/mysqld") != 0 && strcmp(name, "/mariadbd") != 0))
        return false;
    return serve->memory_bytes >> 20 >= MEMORY_MIN_MIB &&
           serve->memory_bytes >> 20 <= MEMORY_MAX_MIB && copy_rules_is_plain(serve->datadir) &&
           copy_settings_read(serve->settings, list, &count, &bad, &bytes);
}

static bool are_plain(const struct copy_msg_files *files)
{
    for (size_t at = 0; at < files->paths_bytes; at += strlen(files->paths + at) + 1)
        if (!copy_rules_is_plain(files->paths + at))
            return false;
    return true;
}

/* A kernel's name of a block device is one component of a path. */
static bool is_good_device(const struct copy_msg_add *add)
{
    return add->name[0] != '\0' && add->name[0] != '.' && strchr(add->name, '/') == NULL &&
           add->volume[0] != '\0';
}

static bool has_good_arguments(const union copy_request *request, enum copy_purpose purpose)
{
    switch (request->head.op) {
    case COPY_OP_OPEN:
        return is_good_open(&request->open);
    case COPY_OP_ASK:
        return is_good_ask(&request->open);
    case COPY_OP_ADD:
        return is_good_device(&request->add);
    case COPY_OP_LOOK:
    case COPY_OP_CHECK:
        return request->item.item < COPY_ITEMS_MAX && request->item.flags != COPY_WRITABLE &&
               request->item.at[0] == '\0';
    case COPY_OP_MOUNT:
        return request->item.item < COPY_ITEMS_MAX && copy_rules_is_plain(request->item.at) &&
               (request->item.flags & (uint32_t)COPY_REPLAY) == 0 &&
               (request->item.flags == 0 || purpose == COPY_VERIFY);
    case COPY_OP_SERVE:
        return is_good_server(&request->serve);
    case COPY_OP_FILES:
        return are_plain(&request->files);
    default:
        return true;
    }
}

enum copy_status copy_rules_judge(const union copy_request *request, size_t bytes,
                                  enum copy_state state, enum copy_purpose purpose)
{
    const struct copy_request_head *head = &request->head;

    if (bytes < sizeof(*head) || head->version != COPY_WIRE_VERSION || head->op >= COPY_OP_COUNT ||
        rules[head->op].states == 0 || bytes != rules[head->op].bytes || !is_well_formed(request))
        return COPY_BAD_MESSAGE;
    const struct rule *rule = &rules[head->op];
    if ((rule->states & (1u << state)) == 0 ||
        (state != COPY_NEW && (rule->purposes & (1u << purpose)) == 0))
        return COPY_BAD_STATE;
    return has_good_arguments(request, purpose) ? COPY_OK : COPY_BAD_ARGUMENT;
}
