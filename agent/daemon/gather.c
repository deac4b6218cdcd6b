/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/gather.h"

#include <stdlib.h>
#include <string.h>

#include "agent/daemon/survey.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"

enum { RESOURCES_MAX = 200000, FILTERS_MAX = 3 };

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
    const struct catalog_resource resource = {
        .is_image = false,
        .id = snapshot->id,
        .state = ec2_snapshot_state_name(snapshot->state),
        .volume = snapshot->volume_id,
        .size_gib = snapshot->size_gib,
        .progress = snapshot->progress_percent < 0 ? BACKUP_UNKNOWN : snapshot->progress_percent,
        .tags = &snapshot->tags,
    };

    return keep(self, &resource, err);
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    const struct catalog_resource resource = {
        .is_image = true,
        .id = image->id,
        .state = ec2_image_state_name(image->state),
        .size_gib = BACKUP_UNKNOWN,
        .progress = BACKUP_UNKNOWN,
        .tags = &image->tags,
    };

    return keep(self, &resource, err);
}

bool gather_catalog(struct work *work, struct gather *gather, int64_t deadline_ms, struct err *err)
{
    const struct cancel *cancel = &work->job->cancel;
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;
    const char *key = "stillpoint:id", *instance = work->identity.document.instance_id;
    struct ec2_filter filters[FILTERS_MAX];
    size_t count = 0;

    /* Only looked for: a full state directory is no reason to know of no backup. */
    if (node && work->ec2 == NULL && !survey_node(work, deadline_ms, err))
        return false;
    if (!node && !work_ec2(work->config, NULL, work->job->agent->credentials, &work->ec2, err))
        return false;
    filters[count++] = gather->id ? (struct ec2_filter){"tag:stillpoint:id", &gather->id, 1}
                                  : (struct ec2_filter){"tag-key", &key, 1};
    if (node && !gather->all_nodes)
        filters[count++] = (struct ec2_filter){"tag:stillpoint:instance", &instance, 1};
    if (gather->group != NULL && gather->group[0] != '\0')
        filters[count++] = (struct ec2_filter){"tag:stillpoint:group", &gather->group, 1};
    for (int part = 0; part < 2; part++) {
        bool ok = part == 0 ? ec2_describe_snapshots(work->ec2, NULL, 0, filters, count,
                                                     deadline_ms, cancel, on_snapshot, gather, err)
                            : ec2_describe_images(work->ec2, NULL, 0, filters, count, deadline_ms,
                                                  cancel, on_image, gather, err);
        if (!ok)
            return err_wrap(err, "looking for backups");
    }
    for (size_t i = 0; i < gather->count; i++)
        gather->resources[i].region =
            node ? work->identity.document.region : work->config->aws.region;
    return catalog_group(gather->resources, gather->count, &gather->catalog, err);
}

void gather_free(struct gather *gather)
{
    catalog_free(&gather->catalog);
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
