/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/inventory_gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/survey.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"

enum { FILTERS_MAX = 6, TELL_EACH = 500, ASKED_AGAIN_MAX = 100 };

struct gathering {
    struct inventory *inventory;
    const struct inventory_query *query;
    const char *instance; /* whose alone; NULL: any */
    struct job *job;
    char *node, *group; /* of the query, as a filter has them; NULL: any */
};

static bool is(const struct ec2_tags *tags, const char *key, const char *wanted)
{
    const char *value = wanted ? ec2_tags_get(tags, key) : NULL;

    return wanted == NULL || (value != NULL && strcmp(value, wanted) == 0);
}

/* Whatever EC2 makes of the filters. */
static bool wanted(const struct gathering *gathering, const struct ec2_tags *tags)
{
    const struct inventory_query *query = gathering->query;

    return is(tags, "stillpoint:instance", gathering->instance) &&
           is(tags, "stillpoint:node", query->node) && is(tags, "stillpoint:group", query->group);
}

static void tell(const struct gathering *gathering)
{
    const struct inventory *inventory = gathering->inventory;
    char text[80];

    if (gathering->query->step == NULL || inventory->seen % TELL_EACH != 0)
        return;
    (void)snprintf(text, sizeof(text), "%zu snapshots and images so far", inventory->seen);
    job_progress(gathering->job, gathering->query->step, (int64_t)inventory->seen, 0, text);
}

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct gathering *gathering = self;

    if (!wanted(gathering, &snapshot->tags))
        return true;
    if (!inventory_add_snapshot(gathering->inventory, snapshot, err))
        return false;
    tell(gathering);
    return true;
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    struct gathering *gathering = self;

    if (image->state == EC2_IMAGE_GONE || !wanted(gathering, &image->tags))
        return true;
    if (!inventory_add_image(gathering->inventory, image, err))
        return false;
    tell(gathering);
    return true;
}

/* The filters point into GATHERING. */
static size_t make_filters(const struct gathering *gathering, struct ec2_filter *filters)
{
    static const char *const ours = "stillpoint:*", *const id_key = "stillpoint:id";
    const struct inventory_query *query = gathering->query;
    size_t count = 0;

    filters[count++] = query->id
                           ? (struct ec2_filter){"tag:stillpoint:id", &query->id, 1}
                           : (struct ec2_filter){"tag-key", query->orphans ? &ours : &id_key, 1};
    if (gathering->instance != NULL)
        filters[count++] = (struct ec2_filter){"tag:stillpoint:instance", &gathering->instance, 1};
    if (query->node != NULL)
        filters[count++] =
            (struct ec2_filter){"tag:stillpoint:node", (const char *const *)&gathering->node, 1};
    if (query->group != NULL)
        filters[count++] =
            (struct ec2_filter){"tag:stillpoint:group", (const char *const *)&gathering->group, 1};
    return count;
}

/* An image alone may be of a set that was begun after the snapshots were asked for. */
static bool ask_again(struct work *work, struct gathering *gathering, int64_t deadline_ms,
                      struct err *err)
{
    const struct inventory *inventory = gathering->inventory;
    const char *ids[ASKED_AGAIN_MAX];
    struct ec2_filter filter = {"tag:stillpoint:id", ids, 0};

    for (size_t i = 0; i < inventory->count && filter.value_count < ASKED_AGAIN_MAX; i++) {
        if (inventory->sets[i].members == 0 && inventory->sets[i].images > 0)
            ids[filter.value_count++] = inventory->sets[i].id;
    }
    return filter.value_count == 0 ||
           ec2_describe_snapshots(work->ec2, NULL, 0, &filter, 1, deadline_ms, &work->job->cancel,
                                  on_snapshot, gathering, err);
}

bool inventory_open_ec2(struct work *work, int64_t deadline_ms, struct err *err)
{
    if (work->ec2 != NULL)
        return true;
    /* Only looked for: a full state directory is no reason to know of no backup. */
    return work->config->aws.identity == CONFIG_IDENTITY_IMDS
               ? survey_node(work, deadline_ms, err)
               : work_ec2(work->config, NULL, work->job->agent->credentials, &work->ec2, err);
}

static bool gather(struct work *work, struct gathering *gathering, int64_t deadline_ms,
                   struct err *err)
{
    const struct cancel *cancel = &work->job->cancel;
    struct ec2_filter filters[FILTERS_MAX];
    size_t count = make_filters(gathering, filters);

    return ec2_describe_snapshots(work->ec2, NULL, 0, filters, count, deadline_ms, cancel,
                                  on_snapshot, gathering, err) &&
           ec2_describe_images(work->ec2, NULL, 0, filters, count, deadline_ms, cancel, on_image,
                               gathering, err) &&
           ask_again(work, gathering, deadline_ms, err) &&
           inventory_settle(gathering->inventory, err);
}

bool inventory_gather(struct work *work, const struct inventory_query *query, int64_t deadline_ms,
                      struct inventory *ret_inventory, struct err *err)
{
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;
    struct gathering gathering = {
        .inventory = ret_inventory, .query = query, .instance = query->instance, .job = work->job};

    if (!inventory_open_ec2(work, deadline_ms, err) ||
        !inventory_begin(ret_inventory,
                         node ? work->identity.document.region : work->config->aws.region, err))
        return false;
    if (gathering.instance == NULL && node && !query->all_nodes)
        gathering.instance = work->identity.document.instance_id;
    bool ok = ec2_filter_literal(query->node, &gathering.node, err) &&
              ec2_filter_literal(query->group, &gathering.group, err) &&
              gather(work, &gathering, deadline_ms, err);
    free(gathering.node);
    free(gathering.group);
    return ok || err_wrap(err, "looking for backups");
}
