/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/manifest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/daemon/catalog.h"
#include "agent/daemon/catalog_json_read.h"

/* What is not known before the cut, or is no business of a disk's. */
static const char *const not_for_disks[] = {
    "state",    "consistency", "shortfall", "window",  "timing_ms", "image",
    "verified", "expires",     "pinned",    "members", "tags",      "launch",
};

/* Takes KEY away from every object of LIST. */
static void drop_from_each(json_t *list, const char *key)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        (void)json_object_del(json_array_get(list, i), key); /* -1: was not there */
}

static json_t *make(const struct backup *backup, int64_t written_utc_us)
{
    json_t *facts = catalog_json(backup), *whole = json_object();
    json_t *volumes = json_incref(json_object_get(facts, "snapshots"));
    char stamp[CLOCK_TEXT_BYTES];

    (void)json_object_del(facts, "snapshots");
    for (size_t i = 0; i < sizeof(not_for_disks) / sizeof(not_for_disks[0]); i++)
        (void)json_object_del(facts, not_for_disks[i]);
    drop_from_each(volumes, "id");
    drop_from_each(volumes, "state");
    drop_from_each(json_object_get(facts, "mounts"), "frozen");
    if (facts == NULL || volumes == NULL ||
        json_object_set_new(whole, "stillpoint", json_integer(MANIFEST_FORMAT)) != 0 ||
        json_object_set_new(whole, "written", json_string(clock_utc_text(written_utc_us, stamp))) !=
            0 ||
        json_object_update(whole, facts) != 0 || json_object_set(whole, "volumes", volumes) != 0) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(volumes);
    json_decref(facts);
    return whole;
}

bool manifest_text(const struct backup *backup, int64_t written_utc_us, struct buf *ret_text,
                   struct err *err)
{
    static const char *const give_up[] = {"left_out", "mounts"}; /* in this order, if it must be */
    json_t *whole = make(backup, written_utc_us);
    AUTO_FREE char *text = NULL;
    bool made = whole != NULL;

    for (size_t i = 0; made; i++) {
        free(text);
        text = json_dumps(whole, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
        if (text == NULL || strlen(text) + 1 <= MANIFEST_BYTES_MAX ||
            i == sizeof(give_up) / sizeof(give_up[0]))
            break;
        made = json_object_set_new(whole, give_up[i], json_null()) == 0;
    }
    json_decref(whole);
    if (!made || text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory for the manifest");
    size_t len = strlen(text);
    if (len + 1 > MANIFEST_BYTES_MAX)
        return err_set(err, ERR_LIMIT, 0, "a manifest of %zu bytes (at most %d)", len + 1,
                       MANIFEST_BYTES_MAX);
    text[len] = '\n'; /* in place of the NUL: a text file ends so */
    return buf_add(ret_text, text, len + 1, err);
}

/* --- reading ------------------------------------------------------------------------------ */

void manifest_free(struct manifest *manifest)
{
    backup_free(manifest->backup);
    strs_free(&manifest->volumes);
    *manifest = (struct manifest){.backup = NULL};
}

static bool read_volumes(const json_t *list, struct strs *volumes, struct err *err)
{
    if (!json_is_array(list))
        return err_set(err, ERR_PROTOCOL, 0, "volumes is no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "volume"));
        if (id == NULL)
            return err_set(err, ERR_PROTOCOL, 0, "volumes: one has no id");
        if (!strs_add_once(volumes, id, err))
            return false;
    }
    return true;
}

static bool read_object(json_t *object, struct manifest *manifest, struct err *err)
{
    const char *written = json_string_value(json_object_get(object, "written"));

    if (json_integer_value(json_object_get(object, "stillpoint")) != MANIFEST_FORMAT)
        return err_set(err, ERR_PROTOCOL, 0, "not of a format that this version knows");
    if (written == NULL || !clock_utc_parse(written, &manifest->written_utc_us))
        return err_set(err, ERR_PROTOCOL, 0, "it does not say when it was written");
    /* It was written in a hold. */
    if (json_object_set_new(object, "state", json_string(backup_state_name(BACKUP_HELD))) != 0)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (!read_volumes(json_object_get(object, "volumes"), &manifest->volumes, err) ||
        !catalog_from_json(object, &manifest->backup, err))
        return false;
    return (manifest->backup->id != NULL && catalog_is_id(manifest->backup->id)) ||
           err_set(err, ERR_PROTOCOL, 0, "it names no backup");
}

bool manifest_read(const char *text, size_t len, struct manifest *ret_manifest, struct err *err)
{
    struct manifest manifest = {.backup = NULL};
    json_error_t where;

    if (len > MANIFEST_BYTES_MAX)
        return err_set(err, ERR_LIMIT, 0, "a manifest of %zu bytes (at most %d)", len,
                       MANIFEST_BYTES_MAX);
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    bool ok = object != NULL ? read_object(object, &manifest, err)
                             : err_set(err, ERR_PROTOCOL, 0, "not JSON: %.100s", where.text);
    json_decref(object);
    if (!ok) {
        manifest_free(&manifest);
        return err_wrap(err, "manifest");
    }
    *ret_manifest = manifest;
    return true;
}
