/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/prune_rollback.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/daemon/rollback_state.h"
#include "aws/ec2_volumes.h"

enum { TEXT_BYTES_MAX = 64 * 1024 };

/* One rollback, and what EC2 still has of it. */
struct lost {
    struct prune_look *look;
    const char *set, *rollback;
    struct strs instances; /* that a tag says it is of */
    struct strs free;      /* volumes that can be deleted */
    struct buf named;      /* all that stay, in words */
};

static bool add_named(struct lost *lost, const struct ec2_volume *volume,
                      const struct rollback_part *part, struct err *err)
{
    const char *was = part->role == ROLLBACK_KEPT ? "of before it" : "made by it";
    const char *by = volume->attachment_count > 0 ? volume->attachments[0].instance_id : NULL;

    return buf_printf(&lost->named, err, "%s%s (%s, %s%s%s)", lost->named.len > 0 ? ", " : "",
                      volume->id, part->device, was, by ? ", attached to " : "", by ? by : "") &&
           (by != NULL || strs_add(&lost->free, volume->id, err));
}

/* One whose tags are not what they should be is not the rollback's. */
static bool on_volume(void *self, const struct ec2_volume *volume, struct err *err)
{
    const char *role = ec2_tags_get(&volume->tags, ROLLBACK_ROLE_TAG);
    struct err ignored = ERR_INIT;
    struct lost *lost = self;
    struct rollback_part part;

    if (strcmp(volume->state, "deleting") == 0 || strcmp(volume->state, "deleted") == 0 ||
        role == NULL || !rollback_part_parse(role, &part, &ignored))
        return true;
    return strs_add_once(&lost->instances, part.instance, err) &&
           add_named(lost, volume, &part, err);
}

static bool busy(const struct lost *lost, const char *instance, const char *state, struct err *err)
{
    (void)err_set(err, ERR_BUSY, 0, "%s is needed by the rollback %s of %s, which is %s", lost->set,
                  lost->rollback, instance, state);
    return err_suggest(err,
                       "there, `stillpoint rollback` says how far it is; --commit or --undo ends "
                       "it");
}

static bool check_gone(struct lost *lost, const char *instance, int64_t deadline_ms,
                       struct err *err)
{
    struct work *work = lost->look->work;
    struct ec2_instance *found = NULL;
    struct err why = ERR_INIT;

    if (!prune_is_instance(instance))
        return busy(lost, instance ? instance : "(unknown)", "no instance's id", err);
    if (!ec2_describe_instance(work->ec2, instance, deadline_ms, &work->job->cancel, &found,
                               &why)) {
        if (why.kind == ERR_AWS_NOT_FOUND)
            return true;
        *err = why;
        return err_wrap(err, "whether %s is there", instance);
    }
    bool gone = strcmp(found->state, "terminated") == 0 || busy(lost, instance, found->state, err);
    ec2_instance_free(found);
    return gone;
}

static bool tell(struct lost *lost, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX), remedy = BUF_INIT(TEXT_BYTES_MAX);
    size_t count = lost->free.count;

    bool ok = buf_printf(&text, err,
                         "%s is needed by the rollback %s of %s, which is gone: nobody can commit "
                         "it or take it back any more%s%s",
                         lost->set, lost->rollback, lost->instances.items[0],
                         lost->named.len > 0 ? "; its volumes stay: " : "",
                         lost->named.len > 0 ? buf_text(&lost->named) : "");
    if (ok && count > 0)
        ok = buf_add_text(&remedy, "where nothing of them is needed: for v in", err);
    for (size_t i = 0; ok && i < count; i++)
        ok = buf_printf(&remedy, err, " %s", lost->free.items[i]);
    if (ok && count > 0)
        ok = buf_add_text(&remedy, "; do aws ec2 delete-volume --volume-id $v; done", err);
    if (ok)
        job_warn(lost->look->work->job, buf_text(&text), count > 0 ? buf_text(&remedy) : NULL);
    buf_free(&text);
    buf_free(&remedy);
    return ok;
}

bool prune_rollback_give_up(struct prune_look *look, size_t index, int64_t deadline_ms,
                            struct err *err)
{
    const struct inventory_set *set = prune_set(look, index);
    struct lost lost = {
        .look = look, .set = set->id, .rollback = set->rollback, .named = BUF_INIT(TEXT_BYTES_MAX)};
    const struct ec2_filter filter = {"tag:" ROLLBACK_TAG, &lost.rollback, 1};

    bool ok = (set->instance != NULL || check_gone(&lost, NULL, deadline_ms, err)) &&
              strs_add(&lost.instances, set->instance, err) &&
              (ec2_list_volumes(look->work->ec2, NULL, 0, &filter, 1, deadline_ms,
                                &look->work->job->cancel, on_volume, &lost, err) ||
               err_wrap(err, "the volumes of the rollback %s", lost.rollback));
    for (size_t i = 0; ok && i < lost.instances.count; i++)
        ok = check_gone(&lost, lost.instances.items[i], deadline_ms, err);
    ok = ok && tell(&lost, err);
    if (ok)
        look->given_up[index] = set->rollback;
    strs_free(&lost.instances);
    strs_free(&lost.free);
    buf_free(&lost.named);
    return ok;
}

bool prune_rollback_refuse(const struct prune_look *look, size_t index, struct err *err)
{
    const struct inventory_set *set = prune_set(look, index);

    (void)err_set(err, ERR_BUSY, 0, "%s is needed by the rollback %s of %s", set->id, set->rollback,
                  set->instance ? set->instance : "(unknown)");
    return err_suggest(err, "commit it or take it back there (stillpoint rollback); where that "
                            "instance is gone for good: stillpoint delete --force");
}
