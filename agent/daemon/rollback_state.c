/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_state.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/base/utf8.h"
#include "agent/daemon/catalog.h"

enum { VERSION = 1, WORDS_MAX = 6, WORD_BYTES = 64, TOKEN_BYTES = 65, VALUE_CHARS_MAX = 256 };

static const char *const step_names[ROLLBACK_STEP_COUNT] = {
    [ROLLBACK_VOLUMES] = "volumes",
    [ROLLBACK_STOP] = "stop",
    [ROLLBACK_SWAP] = "swap",
    [ROLLBACK_ROOT] = "root",
    [ROLLBACK_START] = "start",
    [ROLLBACK_DONE] = "done",
    [ROLLBACK_COMMIT] = "commit",
    [ROLLBACK_UNDO_STOP] = "undo-stop",
    [ROLLBACK_UNDO_SWAP] = "undo-swap",
    [ROLLBACK_UNDO_ROOT] = "undo-root",
    [ROLLBACK_UNDO_START] = "undo-start",
    [ROLLBACK_UNDO_CLEAN] = "undo-clean",
};
static const char *const mode_names[] = {
    [ROLLBACK_DATA_ONLY] = "data-only", [ROLLBACK_FULL] = "full"};
static const char *const role_names[] = {[ROLLBACK_KEPT] = "kept", [ROLLBACK_MADE] = "made"};

const char *rollback_step_name(enum rollback_step step)
{
    return step_names[step];
}

const char *rollback_mode_name(enum rollback_mode mode)
{
    return mode_names[mode];
}

bool rollback_is_under_way(enum rollback_step step)
{
    return step != ROLLBACK_DONE && step != ROLLBACK_COMMIT && step != ROLLBACK_UNDO_CLEAN;
}

/* --- ids ------------------------------------------------------------------------------------ */

/* As a backup's, with another beginning. */
bool rollback_id_new(int64_t now_utc_us, char *id, struct err *err)
{
    _Static_assert((int)ROLLBACK_ID_BYTES == (int)BACKUP_ID_BYTES, "one form of id");
    if (!catalog_id_new(now_utc_us, id, err))
        return false;
    id[0] = 'r';
    id[1] = 'b';
    return true;
}

bool rollback_is_id(const char *text)
{
    char twin[ROLLBACK_ID_BYTES];

    if (strncmp(text, "rb-", 3) != 0 || strlen(text) >= sizeof(twin))
        return false;
    (void)snprintf(twin, sizeof(twin), "sp%s", text + 2);
    return catalog_is_id(twin);
}

/* --- values --------------------------------------------------------------------------------- */

struct words {
    char list[WORDS_MAX][WORD_BYTES];
    size_t count;
};

static bool foreign(const char *where, struct err *err)
{
    (void)err_set(err, ERR_PROTOCOL, 0, "%sit is no value of Stillpoint's", where);
    return err_suggest(err,
                       "put back what somebody else has written over, or take the tag off where "
                       "no rollback was begun");
}

/* Exactly COUNT words with one space between them, the first of them our version.
 *   false  ERR_PRECONDITION, ERR_PROTOCOL */
static bool split(const char *value, size_t count, struct words *words, struct err *err)
{
    int64_t version = 0;
    struct err ignored = ERR_INIT;

    words->count = 0;
    for (const char *at = value; at != NULL && words->count < WORDS_MAX;) {
        size_t len = strcspn(at, " ");
        if (len == 0 || len >= WORD_BYTES)
            break;
        memcpy(words->list[words->count], at, len);
        words->list[words->count++][len] = '\0';
        at = at[len] == ' ' ? at + len + 1 : NULL;
        if (at == NULL && words->count == count && strcmp(words->list[0], "1") == 0)
            return true;
    }
    if (words->count > 0 &&
        parse_int64(words->list[0], VERSION + 1, INT32_MAX, &version, &ignored)) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "a later version of Stillpoint has begun a rollback here (its tags are of "
                      "format %lld, this one knows %d)",
                      (long long)version, VERSION);
        return err_suggest(err, "install that version again and let it end what it began");
    }
    return foreign("", err);
}

/* The index of WORD. False: it is none of them. */
static bool find_word(const char *word, const char *const *names, size_t count, int *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], word) == 0) {
            *ret_index = (int)i;
            return true;
        }
    }
    return false;
}

char *rollback_state_format(const struct rollback_state *state, char *value)
{
    (void)snprintf(value, ROLLBACK_VALUE_BYTES, "%d %s %s %s %s %s", VERSION, state->id, state->set,
                   mode_names[state->mode], step_names[state->step],
                   state->fresh[0] ? state->fresh : "-");
    return value;
}

bool rollback_state_parse(const char *value, struct rollback_state *ret_state, struct err *err)
{
    struct rollback_state state = {.fresh = ""};
    struct words words;
    int mode, step;

    if (!split(value, 6, &words, err))
        return err_wrap(err, "tag " ROLLBACK_TAG " of the instance");
    if (!rollback_is_id(words.list[1]) || !catalog_is_id(words.list[2]) ||
        !find_word(words.list[3], mode_names, 2, &mode) ||
        !find_word(words.list[4], step_names, ROLLBACK_STEP_COUNT, &step) ||
        (strcmp(words.list[5], "-") != 0 && !catalog_is_id(words.list[5])))
        return foreign("tag " ROLLBACK_TAG " of the instance: ", err);
    (void)snprintf(state.id, sizeof(state.id), "%.*s", ROLLBACK_ID_BYTES - 1, words.list[1]);
    (void)snprintf(state.set, sizeof(state.set), "%.*s", BACKUP_ID_BYTES - 1, words.list[2]);
    if (strcmp(words.list[5], "-") != 0)
        (void)snprintf(state.fresh, sizeof(state.fresh), "%.*s", BACKUP_ID_BYTES - 1,
                       words.list[5]);
    state.mode = (enum rollback_mode)mode;
    state.step = (enum rollback_step)step;
    *ret_state = state;
    return true;
}

char *rollback_part_format(const struct rollback_part *part, char *value)
{
    (void)snprintf(value, ROLLBACK_VALUE_BYTES, "%d %s %s %s %s", VERSION, role_names[part->role],
                   part->instance, part->device, part->delete_on_termination ? "yes" : "no");
    return value;
}

bool rollback_part_parse(const char *value, struct rollback_part *ret_part, struct err *err)
{
    struct rollback_part part = {.role = ROLLBACK_KEPT};
    struct words words;
    int role;

    if (!split(value, 5, &words, err))
        return err_wrap(err, "tag " ROLLBACK_ROLE_TAG);
    bool yes = strcmp(words.list[4], "yes") == 0;
    if (!find_word(words.list[1], role_names, 2, &role) || strncmp(words.list[2], "i-", 2) != 0 ||
        strlen(words.list[2]) >= sizeof(part.instance) ||
        (!yes && strcmp(words.list[4], "no") != 0))
        return foreign("tag " ROLLBACK_ROLE_TAG ": ", err);
    part.role = (enum rollback_role)role;
    part.delete_on_termination = yes;
    memcpy(part.instance, words.list[2], strlen(words.list[2]) + 1);
    _Static_assert((int)WORD_BYTES == (int)EC2_NAME_BYTES, "a device's name is a word");
    memcpy(part.device, words.list[3], strlen(words.list[3]) + 1);
    *ret_part = part;
    return true;
}

bool rollback_mount_format(const struct rollback_mount *mount, char *value)
{
    int length = snprintf(value, ROLLBACK_VALUE_BYTES, "%u %s", mount->partition, mount->path);

    return length > 0 && length < ROLLBACK_VALUE_BYTES && utf8_is_valid(value) &&
           utf8_count(value) <= VALUE_CHARS_MAX;
}

bool rollback_mount_parse(const char *value, struct rollback_mount *ret_mount)
{
    const char *space = strchr(value, ' ');
    struct err ignored = ERR_INIT;
    int64_t partition = 0;
    char number[12];

    if (space == NULL || (size_t)(space - value) >= sizeof(number) || space[1] != '/' ||
        strlen(space + 1) >= sizeof(ret_mount->path))
        return false;
    (void)snprintf(number, sizeof(number), "%.*s", (int)(space - value), value);
    if (!parse_int64(number, 0, 255, &partition, &ignored))
        return false;
    ret_mount->partition = (uint32_t)partition;
    (void)snprintf(ret_mount->path, sizeof(ret_mount->path), "%s", space + 1);
    return true;
}

char *rollback_token(const struct rollback_state *state, const char *what, char *token)
{
    size_t len = strlen(what);

    /* "rb-20261124T081530Z-k3f9x/dev/nvme1n1": of a long name its end, where names differ. */
    (void)snprintf(token, TOKEN_BYTES, "%s%s%.30s", state->id, what[0] == '/' ? "" : "-",
                   len > 30 ? what + len - 30 : what);
    return token;
}
