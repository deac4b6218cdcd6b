/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/set_use.h"
#include "agent/daemon/survey.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"

enum { RESOURCES_MAX = 4096 }; /* of one id, which somebody may have put on what is not its */

/* The borrowed texts of a resource, kept. */
static bool keep(struct gather *gather, const struct catalog_resource *from, struct err *err)
{
    if (gather->count >= RESOURCES_MAX)
        return err_set(err, ERR_LIMIT, 0, "more than %d snapshots and images", RESOURCES_MAX);
    if ((gather->count & (gather->count - 1)) == 0) { /* room doubles at each power of two */
        size_t room = gather->count ? gather->count * 2 : 1;
        struct catalog_resource *list = realloc(gather->resources, room * sizeof(*list));
        if (list == NULL)
            return err_set(err, ERR_INTERNAL, 0, "out of memory");
        gather->resources = list;
    }
    struct ec2_tags *tags = calloc(1, sizeof(*tags));
    struct catalog_resource *to = &gather->resources[gather->count];
    *to = *from;
    to->id = strdup(from->id);
    to->state = strdup(from->state);
    to->volume = from->volume ? strdup(from->volume) : NULL;
    to->tags = tags;
    gather->count++;
    if (tags == NULL || to->id == NULL || to->state == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < from->tags->count; i++) {
        if (!ec2_tags_set(tags, from->tags->list[i].key, from->tags->list[i].value, err))
            return false;
    }
    return true;
}

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct gather *gather = self;
    const struct catalog_resource resource = {
        .is_image = false,
        .id = snapshot->id,
        .state = ec2_snapshot_state_name(snapshot->state),
        .volume = snapshot->volume_id,
        .size_gib = snapshot->size_gib,
        .progress = snapshot->progress_percent < 0 ? BACKUP_UNKNOWN : snapshot->progress_percent,
        .tags = &snapshot->tags,
    };

    return keep(gather, &resource, err) &&
           inventory_add_snapshot(&gather->inventory, snapshot, err);
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    struct gather *gather = self;
    const struct catalog_resource resource = {
        .is_image = true,
        .id = image->id,
        .state = ec2_image_state_name(image->state),
        .size_gib = BACKUP_UNKNOWN,
        .progress = BACKUP_UNKNOWN,
        .tags = &image->tags,
    };

    return keep(gather, &resource, err) &&
           (image->state == EC2_IMAGE_GONE || inventory_add_image(&gather->inventory, image, err));
}

/* The inventory judges, the catalogue tells. */
static bool group(struct gather *gather, const char *region, struct err *err)
{
    for (size_t i = 0; i < gather->count; i++)
        gather->resources[i].region = region;
    if (!inventory_settle(&gather->inventory, err) ||
        !catalog_group(gather->resources, gather->count, &gather->catalog, err))
        return false;
    if (gather->catalog.count > 0 && gather->inventory.count > 0) {
        gather->set = &gather->inventory.sets[0];
        gather->catalog.items[0]->state = gather->set->state;
    }
    return true;
}

bool gather_catalog(struct work *work, struct gather *gather, int64_t deadline_ms, struct err *err)
{
    const struct cancel *cancel = &work->job->cancel;
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;
    const struct ec2_filter filter = {"tag:stillpoint:id", &gather->id, 1};

    if (!inventory_open_ec2(work, deadline_ms, err))
        return false;
    const char *region = node ? work->identity.document.region : work->config->aws.region;
    if (!inventory_begin(&gather->inventory, region, err))
        return false;
    if (!ec2_describe_snapshots(work->ec2, NULL, 0, &filter, 1, deadline_ms, cancel, on_snapshot,
                                gather, err) ||
        !ec2_describe_images(work->ec2, NULL, 0, &filter, 1, deadline_ms, cancel, on_image, gather,
                             err))
        return err_wrap(err, "looking for backups");
    return group(gather, region, err);
}

/* The whole id of the backup that TEXT means. */
static bool find_id(struct work *work, const char *text, int64_t deadline_ms, char *ret_id,
                    struct err *err)
{
    const struct inventory_query query = {.all_nodes = strcmp(text, "latest") != 0};
    struct inventory inventory = {.count = 0};
    const struct inventory_set *set;

    bool ok = inventory_gather(work, &query, deadline_ms, &inventory, err) &&
              inventory_find(&inventory, text, NULL, &set, err);
    if (ok)
        (void)snprintf(ret_id, BACKUP_ID_BYTES, "%s", set->id);
    inventory_free(&inventory);
    return ok;
}

bool gather_find(struct work *work, const char *text, struct gather *gather, int64_t deadline_ms,
                 const struct backup **ret_backup, struct err *err)
{
    if (catalog_is_id(text))
        (void)snprintf(gather->found_id, sizeof(gather->found_id), "%s", text);
    else if (!find_id(work, text, deadline_ms, gather->found_id, err))
        return false;
    gather->id = gather->found_id;
    /* Before it is looked at: what is seen is there until the job ends. */
    if (gather->use && !set_use_begin(work->job, gather->id, err))
        return false;
    if (!gather_catalog(work, gather, deadline_ms, err))
        return false;
    if (gather->catalog.count == 0) {
        (void)err_set(err, ERR_NOT_FOUND, 0, "no backup has the id '%.60s'", gather->id);
        return err_suggest(err, "stillpoint list --all-nodes shows them all");
    }
    *ret_backup = gather->catalog.items[0];
    return true;
}

void gather_free(struct gather *gather)
{
    catalog_free(&gather->catalog);
    inventory_free(&gather->inventory);
    gather->set = NULL;
    for (size_t i = 0; i < gather->count; i++) {
        struct catalog_resource *resource = &gather->resources[i];
        free((char *)resource->id);
        free((char *)resource->state);
        free((char *)resource->volume);
        if (resource->tags != NULL)
            ec2_tags_free((struct ec2_tags *)resource->tags);
        free((struct ec2_tags *)resource->tags);
    }
    free(gather->resources);
    gather->resources = NULL;
    gather->count = 0;
}
