/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of an inventory that is settled. */
#include <stdio.h>
#include <string.h>

#include "agent/daemon/catalog.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/verify_verdict.h"

enum { LISTED_MAX = 3 };

/* An empty inventory has no array to point into. */
struct set_member *inventory_members(const struct inventory *inventory,
                                     const struct inventory_set *set)
{
    return inventory->members ? inventory->members + set->first_member : NULL;
}

struct inventory_image *inventory_images(const struct inventory *inventory,
                                         const struct inventory_set *set)
{
    return inventory->images ? inventory->images + set->first_image : NULL;
}

void inventory_lock(struct inventory *inventory, const char *snapshot_id)
{
    uint32_t index = 0;

    if (pool_index_get(&inventory->by_member, snapshot_id, &index) &&
        index < inventory->member_count && strcmp(inventory->members[index].id, snapshot_id) == 0) {
        inventory->members[index].locked = true;
        if (inventory->members[index].set < inventory->count)
            inventory->sets[inventory->members[index].set].locked = true;
    }
    for (size_t i = 0; i < inventory->orphan_count; i++) {
        if (strcmp(inventory->orphans[i].id, snapshot_id) == 0)
            inventory->orphans[i].locked = true;
    }
}

bool inventory_is_complete(const struct inventory_set *set)
{
    return set->state == BACKUP_COMPLETE && set->faults == 0 &&
           set->consistency != LABEL_UNCONFIRMED;
}

/* By the first word alone: a text of a later version tells as much. */
static bool was_found(const struct inventory_set *set, enum verify_result result)
{
    const char *name = verify_result_name(result);
    size_t len = strlen(name);

    return set->verified != NULL && strncmp(set->verified, name, len) == 0 &&
           (set->verified[len] == ' ' || set->verified[len] == '\0');
}

bool inventory_verify_failed(const struct inventory_set *set)
{
    return was_found(set, VERIFY_FAILED);
}

bool inventory_verify_ok(const struct inventory_set *set)
{
    return was_found(set, VERIFY_OK);
}

bool inventory_is_good(const struct inventory_set *set)
{
    return inventory_is_complete(set) && !inventory_verify_failed(set);
}

int64_t inventory_taken_us(const struct inventory_set *set)
{
    int64_t moment_us = 0;

    if (set->start_utc_us != 0 || !catalog_id_moment(set->id, &moment_us))
        return set->start_utc_us;
    return moment_us;
}

bool inventory_is_broken(const struct inventory_set *set)
{
    return set->state == BACKUP_FAILED && set->tagged != BACKUP_FAILED;
}

bool inventory_why(const struct inventory *inventory, const struct inventory_set *set,
                   struct strs *ret_why, struct err *err)
{
    return set_judge_why(set, inventory_members(inventory, set), set->members, ret_why, err);
}

/* --- finding -------------------------------------------------------------------------- */

static bool find_latest(const struct inventory *inventory, const char *instance,
                        const struct inventory_set **ret_set, struct err *err)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        bool theirs =
            instance == NULL || (set->instance != NULL && strcmp(set->instance, instance) == 0);
        if (theirs && (set->state == BACKUP_COMPLETE || set->state == BACKUP_PENDING)) {
            *ret_set = set;
            return true;
        }
    }
    (void)err_set(err, ERR_NOT_FOUND, 0, "there is no good backup yet");
    return err_suggest(err, "stillpoint backup makes one");
}

static bool begins(const char *id, const char *text)
{
    return strncmp(id, text, strlen(text)) == 0 || strncmp(id + 3, text, strlen(text)) == 0;
}

/* COUNT begin with TEXT. */
static bool ambiguous(const struct inventory *inventory, const char *text, size_t count,
                      struct err *err)
{
    char some[128] = "", more[40] = "";
    int listed = 0;

    for (size_t i = 0; i < inventory->count && listed < LISTED_MAX; i++) {
        if (!begins(inventory->sets[i].id, text))
            continue;
        (void)snprintf(some + strlen(some), sizeof(some) - strlen(some), "%s%s",
                       listed++ ? ", " : "", inventory->sets[i].id);
    }
    if (count > LISTED_MAX)
        (void)snprintf(more, sizeof(more), " and %zu more", count - LISTED_MAX);
    (void)err_set(err, ERR_USAGE, 0, "several backups begin with '%.40s': %s%s", text, some, more);
    return err_suggest(err, "write more of the id");
}

bool inventory_find(const struct inventory *inventory, const char *text, const char *instance,
                    const struct inventory_set **ret_set, struct err *err)
{
    const struct inventory_set *found = NULL;
    size_t count = 0;

    if (strcmp(text, "latest") == 0)
        return find_latest(inventory, instance, ret_set, err);
    for (size_t i = 0; *text != '\0' && i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        if (strcmp(set->id, text) == 0) {
            *ret_set = set;
            return true;
        }
        if (begins(set->id, text)) {
            found = set;
            count++;
        }
    }
    if (count > 1)
        return ambiguous(inventory, text, count, err);
    if (found == NULL) {
        (void)err_set(err, ERR_NOT_FOUND, 0, "no backup has the id '%.60s'", text);
        return err_suggest(err, "stillpoint list --all-nodes shows them all");
    }
    *ret_set = found;
    return true;
}
