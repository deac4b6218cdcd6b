/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/rollback_root.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/rollback_cloud.h"
#include "aws/ec2_launch.h"
#include "aws/ec2_root_task.h"
#include "aws/ec2_snapshots.h"

enum { TOKEN_BYTES = 65 };

static const struct rollback_volume *kept_root(const struct rollback *rollback)
{
    return rollback_find(rollback, ROLLBACK_KEPT, rollback->work->instance->root_device_name);
}

bool rollback_root_is(const struct rollback *rollback, enum rollback_role role)
{
    const struct rollback_volume *kept = kept_root(rollback);
    const char *root = rollback_root_volume(rollback);
    bool is_kept = kept != NULL && strcmp(kept->id, root) == 0;

    return role == ROLLBACK_KEPT ? is_kept : kept != NULL && root[0] != '\0' && !is_kept;
}

/* --- the tasks ------------------------------------------------------------------------------ */

struct tasks {
    const struct rollback *rollback;
    enum rollback_role role; /* of the volume that comes */
    int failed;
    bool open;                /* one is under way, or has succeeded */
    char state[EC2_ID_BYTES]; /* of the last that failed */
};

static bool on_task(void *self, const struct ec2_root_task *task, struct err *err)
{
    struct tasks *tasks = self;
    const char *id = ec2_tags_get(&task->tags, ROLLBACK_TAG);
    const char *role = ec2_tags_get(&task->tags, ROLLBACK_ROLE_TAG);
    struct rollback_part part;

    if (id == NULL || strcmp(id, tasks->rollback->state.id) != 0 || role == NULL)
        return true;
    if (!rollback_part_parse(role, &part, err))
        return err_wrap(err, "task %s", task->id);
    if (part.role != tasks->role)
        return true;
    bool failed = strcmp(task->state, "failed") == 0 || strcmp(task->state, "failed-detached") == 0;
    tasks->failed += failed;
    tasks->open = tasks->open || !failed;
    if (failed)
        memcpy(tasks->state, task->state, sizeof(tasks->state));
    return true;
}

static bool find_tasks(const struct rollback *rollback, enum rollback_role role,
                       int64_t deadline_ms, struct tasks *ret_tasks, struct err *err)
{
    const char *instance = rollback->work->instance->id;
    const struct ec2_filter filter = {"instance-id", &instance, 1};

    *ret_tasks = (struct tasks){.rollback = rollback, .role = role};
    return ec2_list_root_tasks(rollback->work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL, on_task,
                               ret_tasks, err);
}

/* The set's snapshot of the root: by its tags, since the journal that knew it may be gone. */
struct search {
    const char *device;
    char id[EC2_ID_BYTES];
};

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    struct search *search = self;
    const char *device = ec2_tags_get(&snapshot->tags, "stillpoint:device");

    (void)err;
    if (device != NULL && strcmp(device, search->device) == 0)
        memcpy(search->id, snapshot->id, sizeof(search->id));
    return true;
}

static bool find_snapshot(const struct rollback *rollback, int64_t deadline_ms, char *ret_id,
                          struct err *err)
{
    const char *set = rollback->state.set;
    const struct ec2_filter filter = {"tag:stillpoint:id", &set, 1};
    struct search search = {.device = rollback->work->instance->root_device_name, .id = ""};

    if (!ec2_describe_snapshots(rollback->work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL,
                                on_snapshot, &search, err))
        return false;
    memcpy(ret_id, search.id, sizeof(search.id));
    return search.id[0] != '\0' ||
           err_set(err, ERR_PRECONDITION, 0, "backup %s has no snapshot of the root volume", set);
}

static bool start_task(struct rollback *rollback, const struct tasks *tasks, int64_t deadline_ms,
                       struct err *err)
{
    const struct rollback_volume *kept = kept_root(rollback);
    bool back = tasks->role == ROLLBACK_KEPT;
    struct ec2_tags tags = {.count = 0};
    struct ec2_root_task task = {.id = ""};
    struct rollback_part part;
    char value[ROLLBACK_VALUE_BYTES], token[TOKEN_BYTES], what[24], snapshot[EC2_ID_BYTES] = "";

    if (kept == NULL) {
        (void)err_set(err, ERR_PRECONDITION, 0, "the root volume of before is not to be found");
        return err_suggest(err, "see in EC2 whether it was deleted, or its tag " ROLLBACK_ROLE_TAG);
    }
    if (!back && !find_snapshot(rollback, deadline_ms, snapshot, err))
        return false;
    part = kept->part;
    part.role = tasks->role;
    (void)snprintf(what, sizeof(what), "%s-%d", back ? "back" : "root", tasks->failed);
    const struct ec2_replace_root request = {
        .instance_id = rollback->work->instance->id,
        .snapshot_id = snapshot,
        .volume_id = back ? kept->id : NULL,
        .delete_replaced = back ? EC2_YES : EC2_NO, /* one that the rollback made */
        .tags = &tags,
        .client_token = rollback_token(&rollback->state, what, token),
    };
    bool ok = ec2_tags_set(&tags, ROLLBACK_TAG, rollback->state.id, err) &&
              ec2_tags_set(&tags, ROLLBACK_ROLE_TAG, rollback_part_format(&part, value), err) &&
              ec2_tags_set(&tags, ROLLBACK_OWNER_TAG, part.instance, err) &&
              ec2_replace_root_volume(rollback->work->ec2, &request, deadline_ms, NULL, &task, err);
    if (ok)
        log_event(LOG_LEVEL_NOTICE, "rollback_root", "id=%s task=%s state=%s", rollback->state.id,
                  task.id, task.state);
    ec2_root_task_free(&task);
    ec2_tags_free(&tags);
    point_reach("rollback-task");
    return ok;
}

/* --- replacing ------------------------------------------------------------------------------ */

static bool has_failed(const struct tasks *tasks, struct err *err)
{
    (void)err_set(err, ERR_PRECONDITION, 0, "EC2 could not replace the root volume: its task is %s",
                  tasks->state);
    return err_suggest(err, "see `aws ec2 describe-replace-root-volume-tasks`");
}

/* One look. False: it has failed, or could not be looked at (which may pass).
 *   ret_done  the root volume is the one that was to come */
static bool look(struct rollback *rollback, enum rollback_role role, int failed_before,
                 int64_t deadline_ms, bool *ret_done, struct err *err)
{
    struct tasks tasks;

    if (!rollback_see_instance(rollback, deadline_ms, err))
        return false;
    *ret_done = rollback_root_is(rollback, role);
    if (*ret_done)
        return true;
    if (!find_tasks(rollback, role, deadline_ms, &tasks, err))
        return false;
    if (tasks.failed <= failed_before || tasks.open)
        return true;
    return has_failed(&tasks, err);
}

bool rollback_root_replace(struct rollback *rollback, bool back, int64_t deadline_ms,
                           struct err *err)
{
    enum rollback_role role = back ? ROLLBACK_KEPT : ROLLBACK_MADE;
    int64_t wait_ms = FINISH_POLL_MS;
    struct tasks tasks;
    bool done = false;

    if (!find_tasks(rollback, role, deadline_ms, &tasks, err))
        return err_wrap(err, "replacing the root volume");
    /* Each try may be a reboot: another one only when a person asks for it. */
    if (!tasks.open && tasks.failed > 0 && !rollback->ordered)
        return has_failed(&tasks, err);
    if (!tasks.open && !start_task(rollback, &tasks, deadline_ms, err))
        return err_wrap(err, "replacing the root volume");
    for (;;) {
        struct err why = ERR_INIT;
        job_progress(rollback->job, "root", 0, 0, "EC2 replaces the root volume and reboots");
        bool seen = look(rollback, role, tasks.failed, deadline_ms, &done, &why);
        if (done)
            return true;
        if (!seen && !finish_passes(rollback->work, &why)) {
            *err = why;
            return false;
        }
        if (!finish_nap(rollback->work, &wait_ms, deadline_ms, err))
            return err_wrap(err, "replacing the root volume");
    }
}

bool rollback_root_settle(struct rollback *rollback, int64_t deadline_ms, struct err *err)
{
    const struct rollback_volume *kept = kept_root(rollback);
    const char *id = rollback_root_volume(rollback);
    struct ec2_tags tags = {.count = 0};
    char value[ROLLBACK_VALUE_BYTES];
    struct err why = ERR_INIT;

    if (kept == NULL || id[0] == '\0')
        return true;
    struct rollback_part part = kept->part;
    part.role = ROLLBACK_MADE;
    bool ok = ec2_tags_set(&tags, ROLLBACK_TAG, rollback->state.id, err) &&
              ec2_tags_set(&tags, ROLLBACK_ROLE_TAG, rollback_part_format(&part, value), err) &&
              ec2_create_tags(rollback->work->ec2, &id, 1, &tags, deadline_ms, NULL, err);
    ec2_tags_free(&tags);
    if (ok && !ec2_set_delete_on_termination(rollback->work->ec2, part.instance, part.device,
                                             part.delete_on_termination, deadline_ms, NULL, &why))
        rollback_warn(rollback, why.text, why.remedy);
    if (!ok && err->kind == ERR_AWS_DENIED) { /* EC2 made it without whose it is: nobody needs it */
        log_event(LOG_LEVEL_NOTICE, "rollback_root_untagged", "id=%s volume=%s", rollback->state.id,
                  id);
        return true;
    }
    return ok || err_wrap(err, "tags of %s", id);
}
