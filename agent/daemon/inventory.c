/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/daemon/catalog.h"
#include "agent/daemon/rollback_state.h"

#define OURS     CATALOG_OURS
#define IMAGE_OF OURS "image-of"

/* EC2 writes this where the volume that a snapshot is of is not known: of a copy. */
#define VOLUME_OF_COPIES "vol-ffffffff"

bool inventory_begin(struct inventory *inventory, const char *region, struct err *err)
{
    memset(inventory, 0, sizeof(*inventory));
    return pool_text(&inventory->texts, region, &inventory->region, err);
}

void inventory_free(struct inventory *inventory)
{
    pool_index_free(&inventory->by_id);
    pool_index_free(&inventory->by_member);
    pool_free(&inventory->texts);
    free(inventory->sets);
    free(inventory->members);
    free(inventory->images);
    free(inventory->orphans);
    memset(inventory, 0, sizeof(*inventory));
}

/* Room for one more element, all zero; it doubles at each power of two.
 *   slot  the address of the pointer to the array */
static void *add_one(void *slot, size_t *count, size_t size, struct err *err)
{
    char *array;

    memcpy(&array, slot, sizeof(array));
    if ((*count & (*count - 1)) == 0) {
        char *grown = reallocarray(array, *count ? *count * 2 : 1, size);
        if (grown == NULL) {
            (void)err_set(err, ERR_INTERNAL, 0, "out of memory");
            return NULL;
        }
        array = grown;
        memcpy(slot, &array, sizeof(array));
    }
    return memset(array + (*count)++ * size, 0, size);
}

/* --- facts of a set ------------------------------------------------------------------- */

/* Where members differ, no order of EC2's decides. */
static bool take_smaller(struct inventory *inventory, const struct ec2_tags *tags, const char *key,
                         const char **slot, struct err *err)
{
    const char *text = ec2_tags_get(tags, key);

    return text == NULL || *text == '\0' || (*slot != NULL && strcmp(*slot, text) <= 0) ||
           pool_text(&inventory->texts, text, slot, err);
}

static void take_count(struct inventory_set *set, const struct ec2_tags *tags)
{
    const char *text = ec2_tags_get(tags, OURS "members");
    struct err ignored = ERR_INIT; /* what can't be read is absent */
    int64_t count;

    if (text == NULL || !parse_int64(text, 1, INT32_MAX, &count, &ignored))
        return;
    if (set->member_count != BACKUP_UNKNOWN && set->member_count != count)
        set->counts_differ = true;
    if (set->member_count < count) /* BACKUP_UNKNOWN is less than all */
        set->member_count = count;
}

/* What a tag can only make longer. */
static void take_kept(struct inventory_set *set, const struct ec2_tags *tags)
{
    const char *expires = ec2_tags_get(tags, OURS "expires");
    const char *pinned = ec2_tags_get(tags, OURS "pinned");
    int64_t utc_us;

    if (expires != NULL && clock_utc_parse(expires, &utc_us) && utc_us > set->expires_utc_us)
        set->expires_utc_us = utc_us;
    set->pinned = set->pinned || (pinned != NULL && strcmp(pinned, "yes") == 0);
}

static bool take_rollback(struct inventory *inventory, struct inventory_set *set,
                          const struct ec2_tags *tags, struct err *err)
{
    const char *text = ec2_tags_get(tags, ROLLBACK_TAG);

    return text == NULL || !rollback_is_id(text) ||
           take_smaller(inventory, tags, ROLLBACK_TAG, &set->rollback, err);
}

static void take_window(struct inventory_set *set, const struct ec2_tags *tags)
{
    const char *window = ec2_tags_get(tags, OURS "window");
    size_t len = window ? strcspn(window, "/") : 0;
    char text[CLOCK_TEXT_BYTES];

    if (set->window_begin_utc_us != BACKUP_UNKNOWN || len == 0 || len >= sizeof(text))
        return;
    memcpy(text, window, len);
    text[len] = '\0';
    (void)clock_utc_parse(text, &set->window_begin_utc_us); /* else absent */
}

static enum backup_state tagged_state(const struct ec2_tags *tags)
{
    const char *text = ec2_tags_get(tags, OURS "state");
    enum backup_state state = BACKUP_HELD;

    if (text != NULL)
        (void)backup_state_parse(text, &state);
    return state;
}

static enum label tagged_label(const struct ec2_tags *tags, const char *key)
{
    const char *text = ec2_tags_get(tags, key);
    enum label label = LABEL_UNCONFIRMED;

    if (text != NULL)
        (void)label_parse(text, &label);
    return label;
}

static void take_start(struct inventory_set *set, int64_t start_utc_us)
{
    if (start_utc_us == 0)
        return;
    if (set->start_utc_us == 0 || start_utc_us < set->start_utc_us)
        set->start_utc_us = start_utc_us;
    if (start_utc_us > set->last_start_utc_us)
        set->last_start_utc_us = start_utc_us;
}

static bool take_facts(struct inventory *inventory, struct inventory_set *set, bool first,
                       const struct ec2_tags *tags, struct err *err)
{
    enum label label = tagged_label(tags, OURS "consistency");
    enum label asked = tagged_label(tags, OURS "asked");

    set->consistency = first ? label : label_lower(set->consistency, label);
    set->asked = asked > set->asked ? asked : set->asked;
    take_count(set, tags);
    take_kept(set, tags);
    take_window(set, tags);
    return take_smaller(inventory, tags, OURS "node", &set->node, err) &&
           take_smaller(inventory, tags, OURS "group", &set->group, err) &&
           take_smaller(inventory, tags, OURS "policy", &set->policy, err) &&
           take_smaller(inventory, tags, OURS "reason", &set->reason, err) &&
           take_smaller(inventory, tags, OURS "verified", &set->verified, err) &&
           take_rollback(inventory, set, tags, err);
}

/* The set ID, made where it is not there yet. */
static bool open_set(struct inventory *inventory, const char *id, uint32_t *ret_index,
                     struct err *err)
{
    if (pool_index_get(&inventory->by_id, id, ret_index))
        return true;
    struct inventory_set *set = add_one(&inventory->sets, &inventory->count, sizeof(*set), err);
    if (set == NULL)
        return false;
    *ret_index = (uint32_t)(inventory->count - 1);
    set->window_begin_utc_us = set->expires_utc_us = set->member_count = BACKUP_UNKNOWN;
    return pool_add(&inventory->texts, id, &set->id, err) &&
           pool_index_put(&inventory->by_id, set->id, *ret_index, err);
}

/* --- adding --------------------------------------------------------------------------- */

static bool count_one(struct inventory *inventory, struct err *err)
{
    if (inventory->seen >= INVENTORY_RESOURCES_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d snapshots and images",
                       INVENTORY_RESOURCES_MAX);
    inventory->seen++;
    return true;
}

/* Made by a backup: all that a backup makes says its state. What else has a tag of ours is somebody
 * else's, such as a snapshot that took over the tags of a volume which was restored. */
static bool is_of_backup(const struct ec2_tags *tags)
{
    return ec2_tags_get(tags, OURS "state") != NULL;
}

/* What belongs to no set. ITS: what EC2 says of it; its id is in the pool, its volume is not yet.
 */
static bool add_orphan(struct inventory *inventory, const struct inventory_orphan *its,
                       const struct ec2_tags *tags, struct err *err)
{
    const char *pinned = ec2_tags_get(tags, OURS "pinned");

    if (!is_of_backup(tags))
        return true;
    struct inventory_orphan *orphan =
        add_one(&inventory->orphans, &inventory->orphan_count, sizeof(*orphan), err);
    if (orphan == NULL)
        return false;
    *orphan = *its;
    orphan->why = ec2_tags_get(tags, OURS "id") ? INVENTORY_STRAY_BAD_ID : INVENTORY_STRAY_NO_ID;
    orphan->pinned = pinned != NULL && strcmp(pinned, "yes") == 0;
    return pool_text(&inventory->texts, its->volume, &orphan->volume, err) &&
           pool_text(&inventory->texts, ec2_tags_get(tags, OURS "instance"), &orphan->instance,
                     err) &&
           pool_text(&inventory->texts, ec2_tags_get(tags, OURS "node"), &orphan->node, err);
}

static bool is_copy(const struct ec2_snapshot *snapshot)
{
    return snapshot->volume_id[0] == '\0' || strcmp(snapshot->volume_id, VOLUME_OF_COPIES) == 0;
}

static bool add_member(struct inventory *inventory, const struct ec2_snapshot *snapshot,
                       const char *id, uint32_t set, bool of_image, struct err *err)
{
    struct pool *texts = &inventory->texts;
    struct set_member *member =
        add_one(&inventory->members, &inventory->member_count, sizeof(*member), err);

    if (member == NULL)
        return false;
    *member = (struct set_member){
        .id = id,
        .start_utc_us = snapshot->start_utc_us,
        .set = set,
        .size_gib = snapshot->size_gib < INT32_MAX ? (int32_t)snapshot->size_gib : INT32_MAX,
        .state = (uint8_t)snapshot->state,
        .tagged = (uint8_t)tagged_state(&snapshot->tags),
        .archived = strcmp(snapshot->storage_tier, "archive") == 0,
        .of_image = of_image,
    };
    return pool_text(texts, is_copy(snapshot) ? NULL : snapshot->volume_id, &member->volume, err) &&
           pool_text(texts, snapshot->owner_id[0] ? snapshot->owner_id : NULL, &member->owner,
                     err) &&
           pool_text(texts, ec2_tags_get(&snapshot->tags, OURS "instance"), &member->instance, err);
}

bool inventory_add_snapshot(struct inventory *inventory, const struct ec2_snapshot *snapshot,
                            struct err *err)
{
    const char *set_id = ec2_tags_get(&snapshot->tags, OURS "id");
    const char *image_of = set_id ? NULL : ec2_tags_get(&snapshot->tags, IMAGE_OF), *id;
    uint32_t index = (uint32_t)inventory->member_count;

    if (pool_index_get(&inventory->by_member, snapshot->id, &index))
        return true; /* a page that came twice */
    if (!count_one(inventory, err) || !pool_add(&inventory->texts, snapshot->id, &id, err) ||
        !pool_index_put(&inventory->by_member, id, index, err))
        return false;
    if (image_of != NULL && catalog_is_id(image_of))
        return open_set(inventory, image_of, &index, err) &&
               add_member(inventory, snapshot, id, index, true, err);
    if (set_id == NULL || !catalog_is_id(set_id))
        return add_orphan(
            inventory,
            &(struct inventory_orphan){.id = id,
                                       .volume = is_copy(snapshot) ? NULL : snapshot->volume_id,
                                       .start_utc_us = snapshot->start_utc_us,
                                       .state = (uint8_t)snapshot->state},
            &snapshot->tags, err);
    if (!open_set(inventory, set_id, &index, err) ||
        !add_member(inventory, snapshot, id, index, false, err))
        return false;
    struct inventory_set *set = &inventory->sets[index];
    take_start(set, snapshot->start_utc_us);
    set->size_gib += inventory->members[inventory->member_count - 1].size_gib;
    set->archived = set->archived || strcmp(snapshot->storage_tier, "archive") == 0;
    return take_facts(inventory, set, set->members++ == 0, &snapshot->tags, err);
}

static bool has_lost(const struct inventory *inventory, const struct ec2_image *image)
{
    const char *method = ec2_tags_get(&image->tags, OURS "image");
    uint32_t ignored;

    for (size_t i = 0; i < image->mapping_count; i++) {
        if (!pool_index_get(&inventory->by_member, image->mappings[i].snapshot_id, &ignored))
            return method != NULL && strcmp(method, "register") == 0;
    }
    return false;
}

/* Of a set without snapshots all that is known is what its image says. */
static bool take_image_facts(struct inventory *inventory, struct inventory_set *set,
                             const struct ec2_image *image, const char *instance, struct err *err)
{
    take_kept(set, &image->tags);
    if (set->members > 0)
        return take_rollback(inventory, set, &image->tags, err);
    take_start(set, image->creation_utc_us);
    set->tagged = tagged_state(&image->tags);
    set->instance = instance;
    return take_facts(inventory, set, set->images == 0, &image->tags, err);
}

bool inventory_add_image(struct inventory *inventory, const struct ec2_image *image,
                         struct err *err)
{
    const char *set_id = ec2_tags_get(&image->tags, OURS "id"), *id, *instance;
    uint32_t index = 0;

    if (pool_index_get(&inventory->by_member, image->id, &index))
        return true;
    if (!count_one(inventory, err) || !pool_add(&inventory->texts, image->id, &id, err) ||
        !pool_index_put(&inventory->by_member, id, 0, err))
        return false;
    if (set_id == NULL || !catalog_is_id(set_id))
        return add_orphan(inventory,
                          &(struct inventory_orphan){.id = id,
                                                     .start_utc_us = image->creation_utc_us,
                                                     .is_image = true,
                                                     .state = (uint8_t)image->state},
                          &image->tags, err);
    struct inventory_image *added =
        add_one(&inventory->images, &inventory->image_count, sizeof(*added), err);
    if (added == NULL || !open_set(inventory, set_id, &index, err) ||
        !pool_text(&inventory->texts, ec2_tags_get(&image->tags, OURS "instance"), &instance, err))
        return false;
    *added = (struct inventory_image){.id = id,
                                      .instance = instance,
                                      .start_utc_us = image->creation_utc_us,
                                      .set = index,
                                      .state = image->state,
                                      .lost = has_lost(inventory, image)};
    struct inventory_set *set = &inventory->sets[index];
    if (!take_image_facts(inventory, set, image, instance, err))
        return false;
    set->images++;
    return true;
}
