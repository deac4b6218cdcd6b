/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/prune.h"
#include "agent/daemon/prune_record.h"
#include "agent/daemon/set_use.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"

enum {
    TAG_IDS_MAX = 400,     /* of one CreateTags */
    IN_USE_MS = 30000,     /* a snapshot may count as used for so long after its image has gone */
    IN_USE_STEP_MS = 1000, /* between two tries */
};

/* One thing on its way out. No cancel is heard within: what was begun is brought to its end. */
struct removal {
    struct prune_look *look;
    struct ec2 *ec2;
    size_t index;
    int64_t deadline_ms;
    const char **snapshots, **images;
    size_t snapshot_count, image_count;
    struct prune_seen seen; /* of a set, before it is touched */
    size_t member_count;    /* of its snapshots, the first: what CreateImage made is none */
};

static bool list_parts(struct removal *removal, struct err *err)
{
    const struct inventory *inventory = &removal->look->inventory;
    const struct inventory_set *set = prune_set(removal->look, removal->index);
    const struct inventory_orphan *orphan =
        set ? NULL : prune_orphan(removal->look, removal->index);
    size_t snapshots = set ? set->members + set->image_members : 1;
    size_t images = set ? set->images : 1;

    removal->snapshots = calloc(snapshots + 1, sizeof(*removal->snapshots));
    removal->images = calloc(images + 1, sizeof(*removal->images));
    if (removal->snapshots == NULL || removal->images == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    for (size_t i = 0; set != NULL && i < snapshots; i++)
        removal->snapshots[removal->snapshot_count++] = inventory_members(inventory, set)[i].id;
    removal->member_count = set ? set->members : 0;
    for (size_t i = 0; set != NULL && i < images; i++)
        removal->images[removal->image_count++] = inventory_images(inventory, set)[i].id;
    if (orphan != NULL && orphan->is_image)
        removal->images[removal->image_count++] = orphan->id;
    else if (orphan != NULL)
        removal->snapshots[removal->snapshot_count++] = orphan->id;
    return true;
}

static bool add_state(struct ec2_tags *tags, enum backup_state state, struct err *err)
{
    return ec2_tags_set(tags, "stillpoint:state", backup_state_name(state), err);
}

/* --- may we? ---------------------------------------------------------------------------------- */

/* A part that has gone meanwhile is no reason to stop: the call itself takes it as done. */
static bool may(struct removal *removal, enum ec2_action action,
                const struct ec2_dry_run_target *target, struct err *err)
{
    struct err why = ERR_INIT;

    if (ec2_dry_run(removal->ec2, action, target, removal->deadline_ms, NULL, &why) ||
        why.kind == ERR_AWS_NOT_FOUND)
        return true;
    *err = why;
    return false;
}

/* Asked before anything is touched, so that no set stays half removed for a missing right. */
static bool may_remove(struct removal *removal, struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    const struct ec2_dry_run_target target = {
        .snapshot_id = removal->snapshot_count > 0 ? removal->snapshots[0] : NULL,
        .image_id = removal->image_count > 0 ? removal->images[0] : NULL,
        .tags = &tags,
    };

    /* A snapshot that CreateImage made is told by another tag than the set's. */
    bool of_image = removal->member_count > 0 && removal->snapshot_count > removal->member_count;
    const struct ec2_dry_run_target made_for_image = {
        .snapshot_id = of_image ? removal->snapshots[removal->member_count] : NULL};

    bool ok = add_state(&tags, BACKUP_FAILED, err) &&
              (target.image_id == NULL || may(removal, EC2_DEREGISTER_IMAGE, &target, err)) &&
              (target.snapshot_id == NULL || may(removal, EC2_DELETE_SNAPSHOT, &target, err)) &&
              (!of_image || may(removal, EC2_DELETE_SNAPSHOT, &made_for_image, err)) &&
              (removal->member_count == 0 || may(removal, EC2_CREATE_TAGS, &target, err));
    ec2_tags_free(&tags);
    return ok;
}

/* --- the steps -------------------------------------------------------------------------------- */

static bool mark_some(struct removal *removal, const char *const *ids, size_t count,
                      enum backup_state state, struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    bool ok = add_state(&tags, state, err);

    for (size_t from = 0; ok && from < count; from += TAG_IDS_MAX) {
        size_t some = count - from < TAG_IDS_MAX ? count - from : TAG_IDS_MAX;
        ok =
            ec2_create_tags(removal->ec2, ids + from, some, &tags, removal->deadline_ms, NULL, err);
    }
    ec2_tags_free(&tags);
    return ok;
}

/* As BACKUP_FAILED: from here nobody takes it for a backup. */
static bool mark(struct removal *removal, enum backup_state state, struct err *err)
{
    return mark_some(removal, removal->snapshots, removal->member_count, state, err) &&
           mark_some(removal, removal->images, removal->image_count, state, err);
}

struct user {
    const struct removal *removal;
    char id[EC2_ID_BYTES]; /* of an image that is not the set's own; "" */
};

static bool on_user(void *self, const struct ec2_image *image, struct err *err)
{
    struct user *user = self;

    (void)err;
    for (size_t i = 0; i < user->removal->image_count; i++) {
        if (strcmp(user->removal->images[i], image->id) == 0)
            return true; /* EC2 does not know yet that it has gone */
    }
    if (image->state != EC2_IMAGE_GONE)
        (void)snprintf(user->id, sizeof(user->id), "%s", image->id);
    return true;
}

/* Who uses the snapshot: false with ERR naming the image, unless it is but the set's own. */
static bool find_user(struct removal *removal, const char *snapshot_id, struct err *err)
{
    const struct ec2_filter filter = {"block-device-mapping.snapshot-id", &snapshot_id, 1};
    struct user user = {.removal = removal};

    if (!ec2_describe_images(removal->ec2, NULL, 0, &filter, 1, removal->deadline_ms, NULL, on_user,
                             &user, err))
        return false;
    if (user.id[0] == '\0')
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "image %s is made of snapshot %s", user.id,
                  snapshot_id);
    return err_suggest(err, "deregister the image if it is not needed; the rest goes with the next "
                            "prune");
}

static bool is_in_use(const struct removal *removal, const struct err *why)
{
    return why->kind == ERR_AWS &&
           strcmp(ec2_outcome(removal->ec2)->error.code, "InvalidSnapshot.InUse") == 0;
}

static bool delete_one(struct removal *removal, const char *snapshot_id, struct err *err)
{
    int64_t until_ms = deadline_sooner(removal->deadline_ms, IN_USE_MS);

    for (;;) {
        struct err why = ERR_INIT;
        if (ec2_delete_snapshot(removal->ec2, snapshot_id, removal->deadline_ms, NULL, &why))
            return true;
        *err = why;
        if (!is_in_use(removal, &why))
            return false;
        if (!find_user(removal, snapshot_id, err))
            return false;
        if (!deadline_sleep(clock_boot_ms() + IN_USE_STEP_MS, until_ms, NULL, &why))
            return false;
    }
}

/* Says that the removal begins, then looks at what others say: whoever pins it from another machine
 * says so, then looks for the mark. */
static bool begin(struct removal *removal, bool *ret_touched, struct err *err)
{
    struct prune_look *look = removal->look;
    const char *id = prune_id(look, removal->index);
    const char *state_dir = look->work->config->paths.state;
    struct prune_seen marked;

    if (!prune_record_write(state_dir, id, look->instance, err))
        return false;
    *ret_touched = true;
    if (!removal->seen.there)
        return true;
    if (!mark(removal, BACKUP_FAILED, err) ||
        !prune_look_again(look, removal->index, removal->deadline_ms, &marked, err))
        return false;
    if (look->verdicts[removal->index].goes)
        return true;
    if (removal->seen.tagged != BACKUP_FAILED && !mark(removal, removal->seen.tagged, err))
        return err_wrap(err, "it is to stay, and its mark is to go again");
    *ret_touched = false;
    return prune_record_remove(state_dir, id, err);
}

static bool remove_parts(struct removal *removal, bool *ret_touched, struct err *err)
{
    const char *id = prune_id(removal->look, removal->index);
    const char *state_dir = removal->look->work->config->paths.state;
    bool set = prune_set(removal->look, removal->index) != NULL;

    if (set && !begin(removal, ret_touched, err))
        return false;
    if (!removal->look->verdicts[removal->index].goes)
        return true;
    *ret_touched = true;
    for (size_t i = 0; i < removal->image_count; i++) {
        if (!ec2_deregister_image(removal->ec2, removal->images[i], removal->deadline_ms, NULL,
                                  err))
            return false;
    }
    for (size_t i = 0; i < removal->snapshot_count; i++) {
        if (!delete_one(removal, removal->snapshots[i], err))
            return false;
    }
    return !set || prune_record_remove(state_dir, id, err);
}

/* A set that is kept by now is passed over. */
static bool look_and_remove(struct removal *removal, bool *ret_touched, struct err *err)
{
    const struct prune_look *look = removal->look;

    if (prune_set(look, removal->index) != NULL &&
        !prune_look_again(removal->look, removal->index, removal->deadline_ms, &removal->seen, err))
        return false;
    return !look->verdicts[removal->index].goes ||
           (list_parts(removal, err) && may_remove(removal, err) &&
            remove_parts(removal, ret_touched, err));
}

static void tell_removed(const struct removal *removal)
{
    const struct prune_look *look = removal->look;
    const struct retention_verdict *verdict = &look->verdicts[removal->index];
    char text[RETENTION_TEXT_BYTES], quoted[LOG_QUOTE_BYTES];

    log_event(LOG_LEVEL_NOTICE, verdict->goes ? "removed" : "kept_meanwhile",
              "id=%s snapshots=%zu images=%zu why=%s", prune_id(look, removal->index),
              removal->snapshot_count, removal->image_count,
              log_quote(retention_text(verdict, text), quoted));
}

bool prune_remove(struct prune_look *look, size_t index, int64_t deadline_ms, bool *ret_touched,
                  struct err *err)
{
    struct removal removal = {
        .look = look, .ec2 = look->work->ec2, .index = index, .deadline_ms = deadline_ms};
    struct agent *agent = look->work->job->agent;
    bool set = prune_set(look, index) != NULL;

    *ret_touched = false;
    if (set && !set_use_begin_removal(agent, prune_id(look, index))) {
        prune_keep(look, index, RETENTION_KEPT_BUSY);
        return true;
    }
    bool ok = look_and_remove(&removal, ret_touched, err);
    if (set)
        set_use_end_removal(agent);
    if (ok)
        tell_removed(&removal);
    free(removal.snapshots);
    free(removal.images);
    return ok || err_wrap(err, "%s", prune_id(look, index));
}
