/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/clock.h"
#include "agent/base/grow.h"

/* --- ids ------------------------------------------------------------------------------ */

/* Crockford's base32 in lower case: no letter that is read for another. */
static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { MOMENT_CHARS = 3 + 16, RANDOM_CHARS = 5, ID_LEN = MOMENT_CHARS + 1 + RANDOM_CHARS };

bool catalog_id_new(int64_t now_utc_us, char *id, struct err *err)
{
    char stamp[CLOCK_TEXT_BYTES], tail[RANDOM_CHARS + 1] = "";
    uint32_t bits = 0;

    if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
        return err_set(err, ERR_SYS, errno, "getrandom");
    for (int i = 0; i < RANDOM_CHARS; i++, bits >>= 5)
        tail[i] = base32[bits & 31];
    (void)snprintf(id, BACKUP_ID_BYTES, "sp-%.16s-%s", clock_utc_compact(now_utc_us, stamp), tail);
    return true;
}

bool catalog_id_moment(const char *id, int64_t *ret_utc_us)
{
    char text[32];

    if (strnlen(id, ID_LEN + 1) != ID_LEN || strncmp(id, "sp-", 3) != 0 || id[19] != '-' ||
        strspn(id + 20, base32) != RANDOM_CHARS)
        return false;
    for (int i = 0; i < 16; i++) {
        char wanted = i == 8 ? 'T' : i == 15 ? 'Z' : '0';
        bool digit = id[3 + i] >= '0' && id[3 + i] <= '9';
        if (wanted == '0' ? !digit : id[3 + i] != wanted)
            return false;
    }
    (void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id + 3, id + 7, id + 9,
                   id + 12, id + 14, id + 16);
    return clock_utc_parse(text, ret_utc_us);
}

bool catalog_is_id(const char *text)
{
    int64_t moment_us;

    return catalog_id_moment(text, &moment_us);
}

/* --- grouping ------------------------------------------------------------------------- */

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

static struct backup *find_exact(const struct catalog *catalog, const char *id)
{
    for (size_t i = catalog->count; i > 0; i--) { /* a set's members tend to follow each other */
        if (strcmp(catalog->items[i - 1]->id, id) == 0)
            return catalog->items[i - 1];
    }
    return NULL;
}

/* State and label as the tags have them. */
static void tagged(const struct ec2_tags *tags, enum backup_state *ret_state, enum label *ret_label)
{
    const char *state = ec2_tags_get(tags, "stillpoint:state");
    const char *label = ec2_tags_get(tags, "stillpoint:consistency");

    *ret_state = BACKUP_HELD;
    *ret_label = LABEL_UNCONFIRMED;
    if (state != NULL)
        (void)backup_state_parse(state, ret_state);
    if (label != NULL)
        (void)label_parse(label, ret_label);
}

/* Members whose tags differ were raised in part only: the lowest counts, and failed is failed. */
static void merge(struct backup *backup, const struct ec2_tags *tags)
{
    enum backup_state state;
    enum label label;

    tagged(tags, &state, &label);
    backup->consistency = label_lower(backup->consistency, label);
    if (state == BACKUP_FAILED || (backup->state != BACKUP_FAILED && state < backup->state))
        backup->state = state;
}

static struct backup *open_backup(struct catalog *catalog, const struct ec2_tags *tags,
                                  const char *id, struct err *err)
{
    struct backup *backup = find_exact(catalog, id);

    if (backup != NULL) {
        merge(backup, tags);
        return backup;
    }
    backup = backup_new();
    struct backup **slot =
        backup ? grow_by_one(&catalog->items, &catalog->count, sizeof(*slot)) : NULL;
    if (slot == NULL) {
        backup_free(backup);
        (void)no_memory(err);
        return NULL;
    }
    *slot = backup;
    tagged(tags, &backup->state, &backup->consistency);
    if (strs_dup(&backup->id, id, err))
        return backup;
    catalog->count--; /* an entry has an id */
    backup_free(backup);
    return NULL;
}

static bool add_snapshot(struct catalog *catalog, const struct catalog_resource *from,
                         const char *id, struct err *err)
{
    struct backup *backup = open_backup(catalog, from->tags, id, err);
    struct backup_snapshot *snapshot = backup ? backup_add_snapshot(backup) : NULL;

    if (backup == NULL)
        return false;
    if (snapshot == NULL)
        return no_memory(err);
    snapshot->size_gib = from->size_gib;
    snapshot->progress = from->progress;
    return strs_dup(&snapshot->id, from->id, err) && strs_dup(&snapshot->state, from->state, err) &&
           strs_dup(&snapshot->volume, from->volume, err) &&
           strs_dup(&snapshot->device, ec2_tags_get(from->tags, "stillpoint:device"), err) &&
           (backup->region != NULL || strs_dup(&backup->region, from->region, err)) &&
           catalog_tags_read(from->tags, from->volume, backup, err);
}

/* After the snapshots: an image made by CreateImage has an instant, and a label, of its own. */
static bool add_image(struct catalog *catalog, const struct catalog_resource *from, const char *id,
                      struct err *err)
{
    struct backup *backup = find_exact(catalog, id);
    const char *method = ec2_tags_get(from->tags, "stillpoint:image");

    if (backup == NULL)
        backup = open_backup(catalog, from->tags, id, err);
    if (backup == NULL)
        return false;
    if (backup->image.id != NULL)
        return true; /* a second one, copied by hand with its tags: the first stays */
    if (method != NULL) {
        free(backup->image.method);
        backup->image.method = NULL;
    }
    return strs_dup(&backup->image.id, from->id, err) &&
           strs_dup(&backup->image.state, from->state, err) &&
           (method == NULL || strs_dup(&backup->image.method, method, err)) &&
           (backup->region != NULL || strs_dup(&backup->region, from->region, err)) &&
           catalog_tags_read(from->tags, NULL, backup, err);
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* By the second in the id; within it by the window, which a backup that is not cut has not. */
static int newest_first(const void *a, const void *b)
{
    const struct backup *x = *(struct backup *const *)a, *y = *(struct backup *const *)b;
    int second = strncmp(y->id, x->id, MOMENT_CHARS);

    if (second != 0)
        return second;
    if (x->window_begin_utc_us != y->window_begin_utc_us)
        return x->window_begin_utc_us < y->window_begin_utc_us ? 1 : -1;
    return compare_text(y->id, x->id);
}

static int by_device(const void *a, const void *b)
{
    const struct backup_snapshot *x = a, *y = b;
    int order = compare_text(x->device, y->device);

    return order != 0 ? order : compare_text(x->id, y->id);
}

static void put_in_order(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        struct backup *backup = catalog->items[i];
        if (backup->snapshot_count > 1)
            qsort(backup->snapshots, backup->snapshot_count, sizeof(*backup->snapshots), by_device);
    }
    if (catalog->count > 1)
        qsort(catalog->items, catalog->count, sizeof(struct backup *), newest_first);
}

bool catalog_group(const struct catalog_resource *resources, size_t count,
                   struct catalog *ret_catalog, struct err *err)
{
    struct catalog catalog = {NULL, 0};
    bool ok = true;

    for (int images = 0; images < 2; images++) {
        for (size_t i = 0; ok && i < count; i++) {
            const struct catalog_resource *from = &resources[i];
            const char *id = ec2_tags_get(from->tags, "stillpoint:id");
            if (id == NULL || !catalog_is_id(id) || from->is_image != (images == 1))
                continue;
            ok =
                images ? add_image(&catalog, from, id, err) : add_snapshot(&catalog, from, id, err);
        }
    }
    if (!ok) {
        catalog_free(&catalog);
        return false;
    }
    put_in_order(&catalog);
    *ret_catalog = catalog;
    return true;
}

void catalog_free(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        backup_free(catalog->items[i]);
    free(catalog->items);
    *catalog = (struct catalog){NULL, 0};
}
