/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/reuse.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/deadline.h"
#include "agent/base/log.h"
#include "agent/daemon/catalog_json.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/inventory_gather.h"
#include "agent/daemon/last_backup.h"
#include "agent/daemon/set_use.h"
#include "agent/daemon/survey.h"

enum {
    LAG_MS = 30000, /* EC2's lists, behind what it was told */
    LOOK_AGAIN_MS = 1000,
};

/* --- which ----------------------------------------------------------------------------- */

static bool has_volume(const struct inventory *inventory, const struct inventory_set *set,
                       const char *volume)
{
    const struct set_member *members = inventory_members(inventory, set);

    for (uint32_t i = 0; i < set->members; i++) {
        if (members[i].volume != NULL && strcmp(members[i].volume, volume) == 0)
            return true;
    }
    return false;
}

static bool has_image(const struct inventory *inventory, const struct inventory_set *set)
{
    const struct inventory_image *images = inventory_images(inventory, set);

    for (uint32_t i = 0; i < set->images; i++) {
        if (images[i].state == EC2_IMAGE_AVAILABLE && !images[i].lost && !images[i].disowned)
            return true;
    }
    return false;
}

/* Judged: where anything is wrong its state is failed; a label that was not proved is below all. */
static bool is_sound(const struct inventory_set *set, const struct work_options *options,
                     bool or_less)
{
    bool settled =
        set->state == BACKUP_COMPLETE || (set->state == BACKUP_PENDING && !options->wait_complete);

    bool enough = set->consistency >= options->asked ||
                  (or_less && set->asked >= options->asked && set->consistency >= LABEL_CRASH);

    return settled && enough && !inventory_verify_failed(set);
}

/* As long as asked for, but for the time by which it may be older than a new one. */
static bool is_kept(const struct inventory_set *set, const struct work_options *options,
                    int64_t now_utc_us)
{
    if (set->pinned || (options->keep_ms == 0 && !options->pin))
        return true;
    return !options->pin && set->expires_utc_us != BACKUP_UNKNOWN &&
           set->expires_utc_us >= now_utc_us + (options->keep_ms - options->max_age_ms) * 1000;
}

static bool fits(const struct inventory *inventory, const struct inventory_set *set,
                 const struct work_options *options, bool or_less,
                 const struct device_attached *attached, size_t count, int64_t now_utc_us)
{
    if (now_utc_us - set->start_utc_us >= options->max_age_ms * 1000 ||
        !is_sound(set, options, or_less) || !is_kept(set, options, now_utc_us))
        return false;
    if (options->image && set->state == BACKUP_COMPLETE && !has_image(inventory, set))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!has_volume(inventory, set, attached[i].volume_id))
            return false;
    }
    return true;
}

const struct inventory_set *reuse_choose(const struct inventory *inventory,
                                         const struct work_options *options,
                                         const struct device_attached *attached, size_t count,
                                         int64_t now_utc_us)
{
    const struct inventory_set *less = NULL;

    for (size_t i = 0; i < inventory->count; i++) { /* newest first */
        const struct inventory_set *set = &inventory->sets[i];
        if (fits(inventory, set, options, false, attached, count, now_utc_us))
            return set;
        if (less == NULL && options->or_less &&
            fits(inventory, set, options, true, attached, count, now_utc_us))
            less = set;
    }
    return less;
}

/* --- looking --------------------------------------------------------------------------- */

static json_t *told(const struct backup *backup, int64_t age_s)
{
    json_t *object = catalog_json(backup);

    if (object != NULL && json_object_set_new(object, "reused", json_true()) == 0 &&
        json_object_set_new(object, "age_s", json_integer(age_s)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* All that the tags tell of it; what has changed meanwhile counts. */
static bool take_whole(struct work *work, const struct work_options *options, const char *id,
                       int64_t deadline_ms, json_t **ret_backup, struct err *err)
{
    int64_t now_utc_us = clock_utc_us() + ec2_clock_ahead_s(work->ec2) * 1000000;
    struct gather gather = {.id = id};
    struct err busy = ERR_INIT;

    if (!set_use_begin(work->job, id, &busy))
        return true; /* it is being removed, which EC2 need not say yet: there is none */
    bool ok = gather_catalog(work, &gather, deadline_ms, err);
    const struct inventory_set *set = ok && gather.set != NULL
                                          ? reuse_choose(&gather.inventory, options, work->attached,
                                                         work->attached_count, now_utc_us)
                                          : NULL;
    if (set != NULL) {
        int64_t age_s = (now_utc_us - set->start_utc_us) / 1000000;
        *ret_backup = told(gather.catalog.items[0], age_s);
        ok = *ret_backup != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
        log_event(LOG_LEVEL_NOTICE, "reused", "id=%s age_s=%" PRId64, id, age_s);
    }
    gather_free(&gather);
    return ok;
}

/* EC2 does not show yet what it was just told of ("Eventual consistency", EC2's API reference). */
static bool lags(struct job *job, const struct work_options *options,
                 const struct inventory *inventory)
{
    char id[JOB_ID_BYTES];
    enum label label;

    if (!last_backup_since(job->agent, clock_boot_ms() - LAG_MS, id, &label) ||
        label < (options->or_less ? LABEL_CRASH : options->asked))
        return false;
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        if (strcmp(set->id, id) == 0)
            return set->consistency < label;
    }
    return true;
}

static bool look(struct work *work, const struct work_options *options, int64_t deadline_ms,
                 json_t **ret_backup, bool *ret_lags, struct err *err)
{
    const struct inventory_query query = {.step = "look"};
    struct inventory inventory = {.count = 0};
    const struct inventory_set *set = NULL;

    *ret_lags = false;
    bool ok = inventory_gather(work, &query, deadline_ms, &inventory, err);
    if (ok) {
        set = reuse_choose(&inventory, options, work->attached, work->attached_count,
                           clock_utc_us() + ec2_clock_ahead_s(work->ec2) * 1000000);
        *ret_lags = set == NULL && lags(work->job, options, &inventory);
    }
    if (set != NULL)
        ok = take_whole(work, options, set->id, deadline_ms, ret_backup, err);
    inventory_free(&inventory);
    return ok;
}

bool reuse_find(struct job *job, const struct work_options *options, int64_t deadline_ms,
                json_t **ret_backup, struct err *err)
{
    int64_t lag_end_ms = clock_boot_ms() + LAG_MS;
    bool again = true;
    struct work work;

    *ret_backup = NULL;
    work_open(&work, job);
    bool ok = survey_node(&work, deadline_ms, err) && survey_cloud(&work, deadline_ms, err);
    while (ok && again) {
        ok = look(&work, options, deadline_ms, ret_backup, &again, err);
        again = again && clock_boot_ms() < lag_end_ms;
        if (ok && again)
            ok = deadline_sleep(clock_boot_ms() + LOOK_AGAIN_MS, deadline_ms, &job->cancel, err);
    }
    work_close(&work);
    return ok;
}
