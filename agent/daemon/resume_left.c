/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/resume_left.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/cut.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "aws/ec2_images.h"

#define UNPROVED "stillpointd ended before it could prove what it held"

enum { HOOKS_MS = 30000, FORGET_ABSENT_MS = 24 * 3600 * 1000 };

struct left {
    struct work *work;
    struct journal_entry *entry;
    struct left_note *note;
    int64_t deadline_ms;
    struct gather gather;                 /* what EC2 has */
    size_t there, held, failed, complete; /* snapshots, and those by their tag :state */
    size_t in_error, completed;           /* by EC2's own state */
    const struct catalog_resource *image; /* borrowed from gather; NULL */
    bool whole;                           /* each volume has exactly one snapshot */
    char no_image[LEFT_TEXT_BYTES];       /* why there will be none, with a comma before; "" */
};

static enum left_fate end(struct left *left, enum left_fate fate, const char *outcome,
                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum left_fate end(struct left *left, enum left_fate fate, const char *outcome,
                          const char *fmt, ...)
{
    const char *state = left->work->config->paths.state;
    struct err err = ERR_INIT;
    va_list args;

    left->note->outcome = outcome;
    va_start(args, fmt);
    (void)vsnprintf(left->note->text, sizeof(left->note->text), fmt, args);
    va_end(args);
    if (fate == LEFT_SETTLED && !journal_remove(state, left->entry->backup->id, &err))
        log_err(LOG_LEVEL_WARNING, "journal_not_removed", &err);
    return fate;
}

static enum left_fate again(struct left *left, const struct err *err)
{
    left->note->trouble = true;
    return end(left, LEFT_OPEN, "", "%s", err->text);
}

/* What was decided is on the disk before it is done, so that the next start decides no other. */
static bool decide(struct left *left, enum journal_step step, struct err *err)
{
    left->entry->step = step;
    return journal_write(left->work->config->paths.state, left->entry, err);
}

/* --- what there is ------------------------------------------------------------------------ */

static bool count_one(struct left *left, const struct catalog_resource *resource, struct err *err)
{
    const char *tag = ec2_tags_get(resource->tags, "stillpoint:state");
    enum backup_state state = BACKUP_HELD;
    struct backup_snapshot *known;

    if (resource->is_image) {
        if (strcmp(resource->state, ec2_image_state_name(EC2_IMAGE_GONE)) != 0)
            left->image = resource;
        return true;
    }
    if (tag != NULL)
        (void)backup_state_parse(tag, &state);
    left->there++;
    left->held += state == BACKUP_HELD;
    left->failed += state == BACKUP_FAILED;
    left->complete += state == BACKUP_COMPLETE;
    left->in_error += strcmp(resource->state, "error") == 0;
    left->completed += strcmp(resource->state, "completed") == 0;
    known = resource->volume ? backup_snapshot_of(left->entry->backup, resource->volume) : NULL;
    if (known == NULL || known->id != NULL) { /* of no volume of ours, or its second */
        left->whole = false;
        return true;
    }
    return strs_set(&known->id, resource->id, err) && strs_set(&known->state, resource->state, err);
}

static bool look(struct left *left, struct err *err)
{
    struct backup *backup = left->entry->backup;

    left->gather.id = backup->id;
    if (!gather_catalog(left->work, &left->gather, left->deadline_ms, err))
        return false;
    for (size_t i = 0; i < backup->snapshot_count; i++) {
        free(backup->snapshots[i].id);
        backup->snapshots[i].id = NULL;
    }
    left->whole = backup->snapshot_count > 0;
    for (size_t i = 0; i < left->gather.count; i++) {
        if (!count_one(left, &left->gather.resources[i], err))
            return false;
    }
    left->whole = left->whole && left->there == backup->snapshot_count;
    return true;
}

static bool is_late(const struct left *left)
{
    return journal_age_ms(left->entry, left->work->job->agent->started_boot_ms) >= settle_lost_ms();
}

/* --- hooks --------------------------------------------------------------------------------- */

/* What a daemon that died had its exec hooks hold is let go of. Their release may come twice, or
 * without a hold: hooks are told so (stillpointd(8)). The node is taken for it, since a backup that
 * runs has them held by right. */
static bool release_hooks(struct left *left, struct err *err)
{
    struct job *job = left->work->job;
    bool take = left->entry->hooks.count > 0 && !job->node;
    const struct hook_job told = {left->entry->backup->id,
                                  left->entry->backup->reason ? left->entry->backup->reason : ""};
    int64_t deadline_ms = clock_boot_ms() + HOOKS_MS;
    struct hook_chain *chain;

    if (left->entry->hooks.count == 0)
        return true;
    if (take && !job_take_node(job, err))
        return false;
    if (take)
        job_set_step(job, JOB_STEP_SETTLE);
    chain = calloc(1, sizeof(*chain));
    bool ok = chain != NULL || err_set(err, ERR_INTERNAL, 0, "out of memory");
    /* Their prepare and hold are not called: made without these phases, they only take their place
     * in the chain. */
    ok = ok && survey_exec_hooks(left->work, &left->entry->hooks, chain, err) &&
         hook_chain_prepare(chain, &told, deadline_ms, NULL, err) &&
         (left->entry->step == JOURNAL_PREPARE ||
          hook_chain_hold(chain, true, deadline_ms, NULL, err)) &&
         hook_chain_finish(chain, "failed", deadline_ms, err);
    if (chain != NULL)
        hook_chain_free(chain);
    free(chain);
    if (take)
        job_leave_node(job);
    if (!ok)
        return false;
    strs_free(&left->entry->hooks);
    return decide(left, left->entry->step, err);
}

/* --- what is not to be kept ---------------------------------------------------------------- */

static bool take_set(struct left *left, struct cut *cut, struct err *err)
{
    cut->set.list = calloc(left->there + 1, sizeof(*cut->set.list));
    if (cut->set.list == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < left->gather.count; i++) {
        const struct catalog_resource *resource = &left->gather.resources[i];
        if (!resource->is_image)
            (void)snprintf(cut->set.list[cut->set.count++].id, EC2_ID_BYTES, "%s", resource->id);
    }
    return true;
}

static bool drop_image(struct left *left, struct err *err)
{
    return left->image == NULL ||
           ec2_deregister_image(left->work->ec2, left->image->id, left->deadline_ms, NULL, err);
}

static enum left_fate discard(struct left *left, const char *why)
{
    struct cut cut = {.ok = false};
    struct err err = ERR_INIT;
    size_t rest = 0, there = left->there;
    bool tagged = true;

    if ((left->entry->step != JOURNAL_DISCARD && !decide(left, JOURNAL_DISCARD, &err)) ||
        !drop_image(left, &err) || !take_set(left, &cut, &err)) {
        cut_free(&cut);
        return again(left, &err);
    }
    bool all = cut_discard(left->work, &cut, &rest, &tagged, &err);
    cut_free(&cut);
    if (!all && !tagged)
        return again(left, &err);
    if (there < left->entry->backup->snapshot_count && !is_late(left))
        return end(left, LEFT_OPEN, "", "%s: %zu snapshot%s deleted, more may show", why,
                   there - rest, there - rest == 1 ? "" : "s");
    if (!all)
        return end(left, LEFT_SETTLED, "failed",
                   "%s: %zu of its %zu snapshots are left in EC2, tagged failed: %.200s", why, rest,
                   there, err.text);
    return end(left, LEFT_SETTLED, "removed", "%s: %zu snapshot%s deleted", why, there,
               there == 1 ? "" : "s");
}

/* --- what is not there ---------------------------------------------------------------------- */

static enum left_fate absent(struct left *left)
{
    struct journal_entry *entry = left->entry;
    struct err err = ERR_INIT;
    int64_t age_ms = (clock_utc_us() - entry->written_utc_us) / 1000;

    if (entry->step == JOURNAL_DISCARD && is_late(left))
        return end(left, LEFT_SETTLED, "removed", "nothing of it is left in EC2");
    if (entry->step == JOURNAL_RAISE && is_late(left))
        return end(left, LEFT_SETTLED, "nothing", "its snapshots were deleted by somebody else");
    if (entry->step == JOURNAL_ABSENT)
        return age_ms > FORGET_ABSENT_MS
                   ? end(left, LEFT_SETTLED, "nothing", "EC2 made no snapshot")
                   : end(left, LEFT_QUIET, "nothing", "EC2 made no snapshot");
    if (!is_late(left))
        return end(left, LEFT_OPEN, "", "no snapshot of it shows in EC2 so far");
    if (!decide(left, JOURNAL_ABSENT, &err))
        return again(left, &err);
    return end(left, LEFT_QUIET, "nothing", "EC2 made no snapshot");
}

/* --- what is whole -------------------------------------------------------------------------- */

/* The label falls to what was proved: with the step `raise` the proof is in the entry, else nobody
 * knows whether the cut came within the hold. */
static bool adopt(struct left *left, struct err *err)
{
    struct backup *backup = left->entry->backup;
    const struct ec2_tags none = {.count = 0};

    if (left->entry->step != JOURNAL_RAISE) {
        backup->consistency = LABEL_CRASH;
        /* Who asked for no more than crash has what was asked for. */
        if ((backup->asked > LABEL_CRASH && !strs_add_once(&backup->shortfall, UNPROVED, err)) ||
            !decide(left, JOURNAL_RAISE, err))
            return false;
    }
    return finish_raise(left->work, &none, left->deadline_ms, err);
}

/* An image of other volumes than the set's would be another node's. */
static bool has_its_volumes(const struct left *left)
{
    const struct ec2_instance *instance = left->work->instance;
    const struct backup *backup = left->entry->backup;
    size_t found = 0;

    for (size_t i = 0; i < instance->device_count; i++)
        found += backup_snapshot_of(backup, instance->devices[i].volume_id) != NULL;
    return found == backup->snapshot_count;
}

/* Makes it, or says in the entry that there will be none.
 *   true  a look later tells more */
static bool make_image(struct left *left, struct err *err)
{
    struct work *work = left->work;

    if (work->instance == NULL && !survey_cloud(work, left->deadline_ms, err))
        return finish_passes(work, err);
    if (!has_its_volumes(left))
        return err_set(err, ERR_PRECONDITION, 0, "the instance has other volumes by now");
    if (finish_make_image(work, left->deadline_ms, err))
        return true;
    return finish_passes(work, err) ||
           strcmp(ec2_outcome(work->ec2)->error.code, "InvalidAMIName.Duplicate") == 0;
}

/* Without an image, for good. */
static bool do_without_image(struct left *left, const struct err *why, struct err *err)
{
    left->entry->image = false;
    (void)snprintf(left->no_image, sizeof(left->no_image), ", without an image: %.250s", why->text);
    return decide(left, left->entry->step, err);
}

/*   ret_ready  there is one, or none will be */
static bool see_to_image(struct left *left, bool *ret_ready, struct err *err)
{
    struct backup_image *image = &left->entry->backup->image;
    struct err why = ERR_INIT;

    *ret_ready = true;
    if (left->image != NULL) {
        if (!strs_set(&image->id, left->image->id, err) ||
            !strs_set(&image->state, left->image->state, err) ||
            (image->method == NULL && !strs_set(&image->method, "register", err)))
            return false;
        *ret_ready = strcmp(image->state, "pending") != 0;
        if (strcmp(image->state, "failed") != 0)
            return true;
        (void)err_set(&why, ERR_AWS, 0, "image %s failed in EC2", image->id);
        finish_drop_image(left->work, left->deadline_ms);
        return do_without_image(left, &why, err);
    }
    if (!left->entry->image)
        return true;
    if (!make_image(left, &why)) {
        if (why.kind != ERR_AWS_DENIED)
            return do_without_image(left, &why, err);
        *err = why; /* the right may come back */
        return false;
    }
    *ret_ready = false;
    return true;
}

static enum left_fate bring_to_end(struct left *left)
{
    struct backup *backup = left->entry->backup;
    struct err err = ERR_INIT;
    bool ready = false;

    if (left->completed < left->there)
        return end(left, LEFT_OPEN, "", "%zu of %zu snapshots completed", left->completed,
                   left->there);
    if (!see_to_image(left, &ready, &err))
        return again(left, &err);
    if (!ready)
        return end(left, LEFT_OPEN, "", "its image is being made");
    if (!finish_complete(left->work, left->deadline_ms, &err))
        return again(left, &err);
    return end(left, LEFT_SETTLED, strs_has(&backup->shortfall, UNPROVED) ? "adopted" : "finished",
               "complete, %s consistent%s%s%s", label_name(backup->consistency),
               backup->image.id ? ", with image " : "", backup->image.id ? backup->image.id : "",
               left->no_image);
}

/* --- one entry ------------------------------------------------------------------------------ */

static enum left_fate settle_whole(struct left *left, bool confirmed)
{
    const struct journal_entry *entry = left->entry;
    struct err err = ERR_INIT;

    if (left->complete == left->there)
        return end(left, LEFT_SETTLED, "finished", "it was complete already");
    if (!confirmed && entry->step != JOURNAL_RAISE && !entry->keep &&
        entry->backup->asked > LABEL_CRASH)
        return discard(left, "it can't be proved any more, and on_shortfall = discard");
    if (left->held > 0 && !adopt(left, &err))
        return again(left, &err); /* also where the right is missing: it may come back */
    return bring_to_end(left);
}

static enum left_fate settle_found(struct left *left)
{
    bool confirmed = left->held + left->failed < left->there; /* tags that are past the cut */
    bool after_cut = left->entry->step == JOURNAL_RAISE; /* so it is in none of its snapshots */

    if (left->entry->step == JOURNAL_DISCARD)
        return discard(left, "it was to go");
    if (confirmed && !after_cut && (!left->whole || left->in_error > 0))
        return end(left, LEFT_SETTLED, "stands", "it is as EC2's tags say");
    if (left->failed > 0)
        return discard(left, "it was given up before");
    if (left->in_error > 0)
        return discard(left, "a snapshot of it failed in EC2");
    if (left->whole)
        return settle_whole(left, confirmed);
    if (!is_late(left))
        return end(left, LEFT_OPEN, "", "%zu of its %zu snapshots show in EC2 so far", left->there,
                   left->entry->backup->snapshot_count);
    if (confirmed)
        return end(left, LEFT_SETTLED, "stands", "some of its snapshots were deleted since");
    return discard(left, "only a part of it was made");
}

static enum left_fate settle(struct left *left)
{
    struct journal_entry *entry = left->entry;
    const char *instance = left->work->identity.document.instance_id;
    struct err err = ERR_INIT;

    if (strcmp(entry->backup->instance, instance) != 0)
        return end(left, LEFT_SETTLED, "void", "it is of instance %s, this is %s",
                   entry->backup->instance, instance);
    if (!release_hooks(left, &err))
        return again(left, &err);
    if (entry->step == JOURNAL_PREPARE || entry->step == JOURNAL_LENT)
        return end(left, LEFT_SETTLED, "released", "its hooks were told of the end");
    if (!look(left, &err))
        return again(left, &err);
    return left->there == 0 ? absent(left) : settle_found(left);
}

enum left_fate left_settle(struct work *work, struct journal_entry *entry, int64_t deadline_ms,
                           struct left_note *ret_note)
{
    struct left left = {.work = work, .entry = entry, .note = ret_note, .deadline_ms = deadline_ms};

    *ret_note = (struct left_note){.outcome = ""};
    work->backup = entry->backup;
    enum left_fate fate = settle(&left);
    work->backup = NULL;
    gather_free(&left.gather);
    return fate;
}
