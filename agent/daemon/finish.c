/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/finish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"

enum { POLL_MAX_MS = 30000 };

/* --- the proof into the tags ------------------------------------------------------------- */

static bool raise_one(struct work *work, const struct ec2_tags *was,
                      const struct backup_snapshot *snapshot, int64_t deadline_ms, struct err *err)
{
    struct ec2_tags common = {.count = 0}, own = {.count = 0}, send = {.count = 0};

    bool ok = catalog_tags_common(work->backup, &common, err) &&
              catalog_tags_of_volume(work->backup, snapshot->volume, &own, err) &&
              catalog_tags_changed(was, &common, &send, err);
    for (size_t i = 0; ok && i < own.count; i++)
        ok = ec2_tags_set(&send, own.list[i].key, own.list[i].value, err);
    const char *id = snapshot->id;
    if (ok)
        ok = ec2_create_tags(work->ec2, &id, 1, &send, deadline_ms, NULL, err) ||
             err_wrap(err, "tags of %s", id);
    ec2_tags_free(&common);
    ec2_tags_free(&own);
    ec2_tags_free(&send);
    return ok;
}

bool finish_raise(struct work *work, const struct ec2_tags *was, int64_t deadline_ms,
                  struct err *err)
{
    work->backup->state = BACKUP_PENDING;
    for (size_t i = 0; i < work->backup->snapshot_count; i++) {
        if (!raise_one(work, was, &work->backup->snapshots[i], deadline_ms, err))
            return false;
    }
    return true;
}

/* --- waiting ----------------------------------------------------------------------------- */

struct polled {
    struct backup *backup;
    size_t seen, completed;
    int64_t progress_sum;
    char failed[EC2_ID_BYTES], why[256];
};

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct polled *polled = self;
    struct backup_snapshot *known = backup_snapshot_of(polled->backup, snapshot->volume_id);

    if (known == NULL || known->id == NULL || strcmp(known->id, snapshot->id) != 0)
        return true;
    polled->seen++;
    polled->completed += snapshot->state == EC2_SNAPSHOT_COMPLETED;
    known->progress = snapshot->progress_percent < 0 ? BACKUP_UNKNOWN : snapshot->progress_percent;
    if (snapshot->state == EC2_SNAPSHOT_COMPLETED)
        polled->progress_sum += 100;
    else if (snapshot->progress_percent > 0)
        polled->progress_sum += snapshot->progress_percent;
    if (snapshot->state == EC2_SNAPSHOT_ERROR) {
        (void)snprintf(polled->failed, sizeof(polled->failed), "%s", snapshot->id);
        (void)snprintf(polled->why, sizeof(polled->why), "%s", snapshot->status_message);
    }
    return strs_set(&known->state, ec2_snapshot_state_name(snapshot->state), err);
}

static bool poll_snapshots(struct work *work, struct polled *polled, int64_t deadline_ms,
                           struct err *err)
{
    const char *ids[EC2_DEVICES_MAX];
    size_t count = work->backup->snapshot_count;

    *polled = (struct polled){.backup = work->backup};
    for (size_t i = 0; i < count; i++)
        ids[i] = work->backup->snapshots[i].id;
    return ec2_describe_snapshots(work->ec2, ids, count, NULL, 0, deadline_ms, &work->job->cancel,
                                  on_snapshot, polled, err);
}

bool finish_nap(struct work *work, int64_t *wait_ms, int64_t deadline_ms, struct err *err)
{
    if (!deadline_sleep(clock_boot_ms() + *wait_ms, deadline_ms, &work->job->cancel, err))
        return false;
    *wait_ms = *wait_ms * 3 / 2 < POLL_MAX_MS ? *wait_ms * 3 / 2 : POLL_MAX_MS;
    return true;
}

bool finish_passes(const struct work *work, const struct err *err)
{
    const struct aws_error *error = &ec2_outcome(work->ec2)->error;

    return err->kind == ERR_AWS_NOT_FOUND || err->kind == ERR_NET || err->kind == ERR_SENT ||
           err->kind == ERR_AWS_THROTTLED ||
           (err->kind == ERR_AWS &&
            aws_classify(error->http_status, error->code) == AWS_CLASS_RETRY);
}

bool finish_wait(struct work *work, int64_t deadline_ms, bool *ret_failed, struct err *err)
{
    size_t count = work->backup->snapshot_count;
    int64_t wait_ms = FINISH_POLL_MS, told = -1;
    struct polled polled;
    char text[80];

    *ret_failed = false;
    for (;;) {
        struct err why = ERR_INIT;
        if (poll_snapshots(work, &polled, deadline_ms, &why)) {
            *ret_failed = polled.failed[0] != '\0';
            if (*ret_failed) {
                (void)err_set(err, ERR_AWS, 0, "snapshot %s failed in EC2%s%s", polled.failed,
                              polled.why[0] ? ": " : "", polled.why);
                return err_suggest(err, "start the backup again; encrypted volumes need rights to "
                                        "their KMS key");
            }
            (void)snprintf(text, sizeof(text), "%zu of %zu snapshots completed", polled.completed,
                           count);
            if (polled.progress_sum != told)
                job_progress(work->job, "finish", polled.progress_sum, (int64_t)count * 100, text);
            told = polled.progress_sum;
            if (polled.completed == count)
                return true;
        } else if (!finish_passes(work, &why)) {
            *err = why;
            return err_wrap(err, "waiting for the snapshots");
        }
        if (!finish_nap(work, &wait_ms, deadline_ms, err))
            return err_wrap(err, "waiting for the snapshots");
    }
}

bool finish_complete(struct work *work, int64_t deadline_ms, struct err *err)
{
    const char *ids[EC2_DEVICES_MAX + 1];
    struct ec2_tags tags = {.count = 0};
    size_t count = 0;

    work->backup->state = BACKUP_COMPLETE;
    for (size_t i = 0; i < work->backup->snapshot_count; i++)
        ids[count++] = work->backup->snapshots[i].id;
    if (work->backup->image.id != NULL)
        ids[count++] = work->backup->image.id;
    bool ok = catalog_tags_put(&tags, "stillpoint:state", "complete", err) &&
              (work->backup->image.id == NULL ||
               catalog_tags_put(&tags, "stillpoint:image", work->backup->image.method, err)) &&
              ec2_create_tags(work->ec2, ids, count, &tags, deadline_ms, NULL, err);
    ec2_tags_free(&tags);
    return ok;
}
