/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"

enum {
    KEYS_BEYOND_HOLD_MS = 60000, /* freeze.md: credentials expire during the call */
    DISCARD_MS = 120000,
    FIND_FIRST_WAIT_MS = 1000,
    FIND_WAIT_MAX_MS = 20000,
    FIND_CANCELLED_MS = 10000,
    SET_MAX = EC2_DEVICES_MAX,
};

/* --- before the hold --------------------------------------------------------------------- */

/* The operator's description is for people who look at EC2's console. */
static bool build(struct work *work, struct cut *cut, struct err *err)
{
    work->backup->state = BACKUP_HELD;
    work->backup->consistency = LABEL_UNCONFIRMED;
    ec2_tags_free(&cut->tags);
    if (!catalog_tags_common(work->backup, &cut->tags, err))
        return false; /* not reached: no memory; the plan was asked whether they fit */
    (void)snprintf(cut->description, sizeof(cut->description), "Stillpoint %s of %s",
                   work->backup->id, work->backup->instance);
    cut->request =
        (struct ec2_create_snapshots){.instance_id = work->backup->instance,
                                      .description = cut->description,
                                      .exclude_volumes = (const char *const *)work->on_loan.items,
                                      .exclude_count = work->on_loan.count,
                                      .tags = &cut->tags};
    return true;
}

bool cut_prepare(struct work *work, struct cut *cut, int64_t deadline_ms, struct err *err)
{
    int64_t min_valid_ms = work->config->backup.hold_deadline_ms + KEYS_BEYOND_HOLD_MS;

    if (!build(work, cut, err) ||
        !ec2_create_snapshots_dry_run(work->ec2, &cut->request, min_valid_ms, deadline_ms,
                                      &work->job->cancel, err))
        return false;
    if (!ec2_connected(work->ec2)) {
        /* not reached: EC2 and the lab's keep it open */
        (void)err_set(err, ERR_NET, 0, "EC2 closes the connection after each answer");
        return err_suggest(err, "a proxy between here and EC2 must keep connections open");
    }
    return true;
}

/* --- the cut ----------------------------------------------------------------------------- */

bool cut_make(struct work *work, struct cut *cut, bool held, int64_t deadline_ms, struct err *err)
{
    point_reach("request");
    int64_t ahead_s = ec2_clock_ahead_s(work->ec2);

    cut->ok = ec2_create_snapshots(work->ec2, &cut->request, held, 0, deadline_ms,
                                   &work->job->cancel, &cut->set, err);
    point_reach("answered");
    const struct aws_outcome *outcome = ec2_outcome(work->ec2);
    cut->sent = outcome->sent;
    /* 3xx: whoever sends us elsewhere has not done it. */
    cut->answered =
        outcome->answered && outcome->error.http_status >= 300 && outcome->error.http_status < 500;
    if (err->kind == ERR_AWS_THROTTLED && outcome->answered)
        cut->answered = true; /* 503 RequestLimitExceeded: refused before it was acted on */
    cut->clock_corrected = cut->answered && ec2_clock_ahead_s(work->ec2) != ahead_s;
    cut->begun_us = outcome->begun_boot_us;
    cut->answered_us = outcome->answered_boot_us;
    cut->begun_utc_us = outcome->begun_utc_us;
    cut->answered_utc_us = outcome->answered_utc_us;
    return cut->ok || err_wrap(err, "cut");
}

/* --- a lost answer ----------------------------------------------------------------------- */

static bool keep_found(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct ec2_snapshot_set *set = self;

    if (set->count >= SET_MAX) /* not reached: an instance has fewer volumes */
        return err_set(err, ERR_LIMIT, 0, "more than %d snapshots of one backup", SET_MAX);
    struct ec2_snapshot *list = realloc(set->list, (set->count + 1) * sizeof(*list));
    if (list == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    set->list = list;
    list[set->count] = *snapshot;
    list[set->count].tags =
        (struct ec2_tags){.count = 0}; /* borrowed: theirs goes after the call */
    set->count++;
    return true;
}

static bool look(struct work *work, struct cut *cut, int64_t deadline_ms, struct err *err)
{
    const char *id = work->backup->id;
    const struct ec2_filter filter = {"tag:stillpoint:id", &id, 1};

    ec2_snapshot_set_free(&cut->set);
    return ec2_describe_snapshots(work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL, keep_found,
                                  &cut->set, err);
}

bool cut_find(struct work *work, struct cut *cut, int64_t deadline_ms, size_t *ret_found,
              struct err *err)
{
    const struct cancel *cancel = &work->job->cancel;
    int64_t wait_ms = FIND_FIRST_WAIT_MS;

    for (;;) {
        struct err now = ERR_INIT;
        /* Who is in a hurry still gets a short look: what was made must not be forgotten. */
        if (cancel != NULL && cancel_asked(cancel)) {
            deadline_ms = deadline_sooner(deadline_ms, FIND_CANCELLED_MS);
            cancel = NULL;
        }
        bool looked = look(work, cut, deadline_ms, &now);
        if (cut->set.count >= work->plan->volume_count)
            break;
        struct err nap_err = ERR_INIT;
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, cancel, &nap_err) &&
            nap_err.kind == ERR_DEADLINE) {
            if (cancel != NULL && looked)
                break;
            *err = looked ? nap_err : now; /* cut short: absence is no proof */
            return err_wrap(err, "looking for snapshots of %s", work->backup->id);
        }
        wait_ms = wait_ms * 2 < FIND_WAIT_MAX_MS ? wait_ms * 2 : FIND_WAIT_MAX_MS;
    }
    *ret_found = cut->set.count;
    return true;
}

/* --- a set that is not to be kept
 * ----------------------------------------------------------------- */

static bool tag_failed(struct work *work, const char *id, int64_t deadline_ms, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    bool ok = catalog_tags_put(&tags, "stillpoint:state", "failed", err) &&
              ec2_create_tags(work->ec2, &id, 1, &tags, deadline_ms, NULL, err);
    ec2_tags_free(&tags);
    return ok;
}

bool cut_discard(struct work *work, struct cut *cut, size_t *ret_left, bool *ret_tagged,
                 struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + DISCARD_MS;

    *ret_left = 0;
    *ret_tagged = true;
    for (size_t i = 0; i < cut->set.count; i++) {
        const char *id = cut->set.list[i].id;
        struct err why = ERR_INIT;
        /* Not cancellable: what was made is to go, whoever is in a hurry. */
        if (ec2_delete_snapshot(work->ec2, id, deadline_ms, NULL, &why))
            continue;
        if (++*ret_left == 1) {
            *err = why;
            (void)err_wrap(err, "could not be deleted");
        }
        struct err tag_err = ERR_INIT;
        if (!tag_failed(work, id, deadline_ms, &tag_err)) {
            *ret_tagged = false;
            log_err(LOG_LEVEL_WARNING, "not_tagged", &tag_err);
        }
    }
    ec2_snapshot_set_free(&cut->set);
    return *ret_left == 0;
}

void cut_free(struct cut *cut)
{
    ec2_snapshot_set_free(&cut->set);
    ec2_tags_free(&cut->tags);
}
