/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_last.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"

enum { LAST_VERSION = 1, LAST_BYTES_MAX = 16 * 1024 };

static const char *const names[ROLLBACK_OUTCOME_COUNT] = {
    [ROLLBACK_COMMITTED] = "committed",
    [ROLLBACK_UNDONE] = "undone",
    [ROLLBACK_TAKEN_BACK] = "taken back",
};

static bool make_path(char *path, const char *state_dir, struct err *err)
{
    return snprintf(path, PATH_MAX, "%s/rollback.json", state_dir) < PATH_MAX ||
           err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
}

static json_t *last_json(const struct rollback_last *last)
{
    char at[CLOCK_TEXT_BYTES];

    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", last->id, "set", last->set, "outcome",
                     names[last->outcome], "at", clock_utc_text(last->at_utc_us, at), "why",
                     last->why[0] != '\0' ? control_text(last->why) : json_null());
}

bool rollback_last_write(const char *state_dir, const char *instance,
                         const struct rollback_last *last, struct err *err)
{
    char path[PATH_MAX];

    if (!make_path(path, state_dir, err))
        return false;
    json_t *object = last_json(last);
    char *text = NULL;
    if (object != NULL && json_object_set_new(object, "version", json_integer(LAST_VERSION)) == 0 &&
        json_object_set_new(object, "instance", json_string(instance)) == 0 &&
        json_object_set_new(object, "over", json_boolean(last->over)) == 0)
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    bool ok = text != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
    ok = ok && (fileio_replace(path, text, strlen(text), 0600, err) ||
                fileio_suggest_room(state_dir, err));
    free(text);
    return ok;
}

/* False: it is missing, or longer than SIZE takes. */
static bool take_text(const json_t *object, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL && (size_t)snprintf(text, size, "%s", value) < size;
}

static bool read_object(const json_t *object, const char *instance, struct rollback_last *last)
{
    char wrote[EC2_ID_BYTES], outcome[16], at[CLOCK_TEXT_BYTES];

    if (json_integer_value(json_object_get(object, "version")) != LAST_VERSION ||
        !take_text(object, "instance", wrote, sizeof(wrote)) || strcmp(wrote, instance) != 0 ||
        !take_text(object, "id", last->id, sizeof(last->id)) ||
        !take_text(object, "set", last->set, sizeof(last->set)) ||
        !take_text(object, "outcome", outcome, sizeof(outcome)) ||
        !take_text(object, "at", at, sizeof(at)) || !clock_utc_parse(at, &last->at_utc_us))
        return false;
    last->over = json_is_true(json_object_get(object, "over"));
    (void)take_text(object, "why", last->why, sizeof(last->why)); /* null: there is none */
    for (int i = ROLLBACK_COMMITTED; i < ROLLBACK_OUTCOME_COUNT; i++) {
        if (strcmp(names[i], outcome) == 0)
            last->outcome = (enum rollback_outcome)i;
    }
    return last->outcome != ROLLBACK_OUTCOME_NONE;
}

bool rollback_last_read(const char *state_dir, const char *instance, struct rollback_last *ret_last)
{
    AUTO_BUF struct buf text = BUF_INIT(LAST_BYTES_MAX);
    struct rollback_last last = {.id = ""};
    struct err ignored = ERR_INIT;
    json_error_t where;
    char path[PATH_MAX];

    if (!make_path(path, state_dir, &ignored) || !fileio_read(path, &text, &ignored))
        return false;
    json_t *object = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    bool ok = read_object(object, instance, &last);
    json_decref(object);
    if (ok)
        *ret_last = last;
    return ok;
}

json_t *rollback_last_json(struct agent *agent)
{
    char instance[EC2_ID_BYTES], now[ROLLBACK_ID_BYTES] = "";
    struct rollback_last last;

    (void)pthread_mutex_lock(&agent->mutex);
    (void)snprintf(instance, sizeof(instance), "%s", agent->identity.document.instance_id);
    const char *id = json_string_value(json_object_get(agent->rollback, "id"));
    (void)snprintf(now, sizeof(now), "%s", id ? id : "");
    (void)pthread_mutex_unlock(&agent->mutex);
    if (!rollback_last_read(agent->config->paths.state, instance, &last) || !last.over ||
        strcmp(last.id, now) == 0)
        return json_null();
    json_t *object = last_json(&last);
    return object ? object : json_null();
}
