/* SPDX-License-Identifier: BSD-2-Clause */
/* `restore instance`: a new node from a set's image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/restore_plan.h"
#include "agent/daemon/restore_remedy.h"

enum {
    TURN_MS = 180000, /* for another's launch */
    LOOK_MS = 120000, /* until the launch */
    LAUNCH_MS = 60000,
    RUN_MS = 15 * 60 * 1000, /* until it runs: EC2 takes a minute most often */
    CLEAN_MS = 120000,
    NOW_BYTES = 400
};

struct restore {
    struct work *work;
    struct restore_request request;
    struct whole_set set;
    struct restore_plan plan;
    struct ec2_instance *instance; /* once EC2 has named it */
    struct ec2_volumes volumes;    /* its own */
    bool existed;                  /* an earlier same command has made it */
    bool seen_pending;             /* so it has never run: what is left of it serves nobody */
    int exit_code;
    char now[NOW_BYTES];
};

static bool end(struct restore *restore, int exit_code, const char *now)
{
    restore->exit_code = exit_code;
    (void)snprintf(restore->now, sizeof(restore->now), "%s", now);
    return false;
}

/* --- one after the other --------------------------------------------------------------------- */

/* From the look for nodes in the way until EC2 shows what was launched: a second launch of the same
 * name would not see the first. */
static bool take_turn(struct restore *restore, struct err *err)
{
    struct job *job = restore->work->job;

    if (restore->request.dry_run ||
        job_wait_turn(job, &job->agent->launcher, "another launch", clock_boot_ms() + TURN_MS, err))
        return true;
    return end(restore, work_begin_exit_code(err), "nothing was launched");
}

static void leave_turn(struct restore *restore)
{
    struct job *job = restore->work->job;

    job_leave_turn(job, &job->agent->launcher);
}

/* --- the launch ----------------------------------------------------------------------------- */

static const struct restore_remedy remedies[] = {
    {"InvalidParameterValue", "rchitecture",
     "give a type of the image's architecture: --type (arm64: m7g, t4g, …; x86_64: m7i, t3, …)"},
    {"InvalidParameterValue", "nstance profile",
     "the instance profile is gone, or has another name: --profile"},
    {"InvalidParameterValue", "nstance Profile",
     "the instance profile is gone, or has another name: --profile"},
    {"InvalidParameterValue", "iamInstanceProfile",
     "the instance profile is gone, or has another name: --profile"},
    {"InvalidParameterValue", "subnet's address range",
     "give an address of the subnet: --private-ip"},
    {"InvalidInstanceType", NULL, "EC2 has no such type: --type"},
    {"InvalidParameterValue", "nstance type", "EC2 has no such type: --type"},
    {"InvalidKeyPair.NotFound", NULL, "the key pair is gone: name another with --key"},
    {"InvalidSubnetID.NotFound", NULL, "the subnet is gone, or of another region: --subnet"},
    {"InvalidGroup.NotFound", NULL,
     "the security group is gone, or of another VPC than the subnet: --security-group"},
    {"InvalidSecurityGroupID.NotFound", NULL,
     "the security group is gone, or of another VPC than the subnet: --security-group"},
    {"InvalidParameter", "belong to different networks",
     "give a security group of the subnet's VPC: --security-group"},
    {"InvalidIPAddress.InUse", NULL, "another interface has that address: --private-ip"},
    {"InvalidAMIID.NotFound", NULL, "the image was deregistered meanwhile: restore its volumes"},
    {"InvalidAMIID.Unavailable", NULL, "the image was deregistered meanwhile: restore its volumes"},
    {"InvalidSnapshot.NotFound", NULL, "a snapshot was deleted meanwhile: restore another backup"},
    {"InsufficientInstanceCapacity", NULL,
     "EC2 has none of that type in that zone now: later, --type, or a --subnet in another zone"},
    {"InsufficientFreeAddressesInSubnet", NULL, "the subnet is full: --subnet"},
    {"Unsupported", NULL, "that type is not to be had in that zone: --type, or another --subnet"},
    {"InstanceLimitExceeded", NULL, "have the account's limit raised, or terminate another"},
    {"VcpuLimitExceeded", NULL, "have the account's limit raised, or terminate another"},
    {"IdempotentParameterMismatch", NULL,
     "the original has changed since the same command was given: --another makes a new one"},
    {"IdempotentInstanceTerminated", NULL,
     "the instance of the same command is terminated: --another makes a new one"},
    {NULL, NULL, NULL},
};

static bool explain(struct restore *restore, struct err *err)
{
    if (err->kind != ERR_CANCELLED) { /* those were nobody's words but ours */
        (void)restore_remedy_suggest(remedies, restore->work->ec2, err);
        (void)err_suggest(err, "see EC2's words; the options of `stillpoint restore --help` take "
                               "the place of what the original had");
    }
    return err_wrap(err, "launching %s", restore->set.image->id);
}

/* By how far it came: an answer that was lost is one that the same command finds. */
static bool end_refused(struct restore *restore, const struct err *err)
{
    bool sent = ec2_outcome(restore->work->ec2)->sent;

    if (err->kind == ERR_SENT || err->kind == ERR_PROTOCOL ||
        (sent && (err->kind == ERR_DEADLINE || err->kind == ERR_CANCELLED)))
        return end(restore, 6,
                   "an instance may have been launched: the same command again finds it (it makes "
                   "no second one)");
    return end(restore, work_exit_code(err), "nothing was launched");
}

static bool find_running(struct restore *restore, struct err *err)
{
    struct work *work = restore->work;

    restore->existed = true;
    return ec2_describe_instance(work->ec2, restore->plan.running, clock_boot_ms() + LAUNCH_MS,
                                 &work->job->cancel, &restore->instance, err) ||
           end(restore, 6, "the instance that the same command has launched before is there");
}

static bool launch(struct restore *restore, struct err *err)
{
    const char *groups[EC2_SECURITY_GROUPS_MAX];
    struct work *work = restore->work;
    struct ec2_run_instance what;

    if (restore->plan.running[0] != '\0')
        return restore->request.dry_run || find_running(restore, err);
    job_set_step(work->job, "launch");
    restore_plan_launch(&restore->plan, &restore->set, groups, &what);
    /* Its parameters and our rights, while nothing is made. */
    if (!ec2_run_instance_dry_run(work->ec2, &what, clock_boot_ms() + LAUNCH_MS, &work->job->cancel,
                                  err)) {
        (void)explain(restore, err);
        return end(restore, work_exit_code(err), "nothing was launched");
    }
    if (restore->request.dry_run)
        return true;
    if (!ec2_run_instance(work->ec2, &what, clock_boot_ms() + LAUNCH_MS, &work->job->cancel,
                          &restore->instance, err)) {
        (void)end_refused(restore, err);
        return explain(restore, err);
    }
    log_event(LOG_LEVEL_NOTICE, "launched", "id=%s instance=%s image=%s token=%s",
              restore->set.backup->id, restore->instance->id, restore->set.image->id,
              restore->plan.token);
    return true;
}

/* --- what failed later ---------------------------------------------------------------------- */

struct left {
    struct work *work;
    struct strs free, bound; /* volumes that can be deleted, and that can't be yet */
};

static bool note_volume(void *self, const struct ec2_volume *volume, struct err *err)
{
    struct left *left = self;

    if (strcmp(volume->state, "deleting") == 0 || strcmp(volume->state, "deleted") == 0)
        return true;
    return strs_add(strcmp(volume->state, "available") == 0 || strcmp(volume->state, "error") == 0
                        ? &left->free
                        : &left->bound,
                    volume->id, err);
}

/* Volumes that don't go with an instance stay when it dies: those of this launch go. */
static bool delete_volumes(struct restore *restore, struct left *left, int64_t deadline_ms,
                           struct err *err)
{
    const char *token = restore->plan.token;
    const struct ec2_filter filter = {"tag:" RESTORE_TAG_LAUNCH, &token, 1};
    int64_t wait_ms = FINISH_POLL_MS;

    for (;;) {
        strs_free(&left->free);
        strs_free(&left->bound);
        if (!ec2_list_volumes(left->work->ec2, NULL, 0, &filter, 1, deadline_ms, NULL, note_volume,
                              left, err))
            return false;
        for (size_t i = 0; i < left->free.count; i++) {
            if (!ec2_delete_volume(left->work->ec2, left->free.items[i], deadline_ms, NULL, err))
                return false;
        }
        if (left->bound.count == 0)
            return true;
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, NULL, err))
            return false;
        wait_ms = wait_ms * 3 / 2;
    }
}

static void clean_up(struct restore *restore)
{
    struct left left = {.work = restore->work};
    int64_t deadline_ms = clock_boot_ms() + CLEAN_MS;
    struct err err = ERR_INIT;

    /* The instance is over by itself. */
    if (delete_volumes(restore, &left, deadline_ms, &err)) {
        (void)end(restore, 1, "the instance is terminated and its volumes are deleted");
    } else {
        job_warn(left.work->job, err.text, err.remedy);
        (void)snprintf(
            restore->now, sizeof(restore->now),
            "the instance is terminated; delete its volumes, which have the tag " RESTORE_TAG_LAUNCH
            "=%s",
            restore->plan.token);
        restore->exit_code = 1;
    }
    strs_free(&left.free);
    strs_free(&left.bound);
}

/* --- until it runs -------------------------------------------------------------------------- */

static bool over(struct restore *restore, struct err *err)
{
    const struct ec2_instance *instance = restore->instance;

    if (!restore
             ->seen_pending) { /* the token's, of an earlier day: its volumes may be somebody's */
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "the same command has launched %s before, which is %s", instance->id,
                      instance->state);
        (void)err_suggest(err, "to launch another one: --another");
        return end(restore, 5, "nothing was launched");
    }
    (void)err_set(err, ERR_AWS, 0, "%s is %s and has never run%s%s", instance->id, instance->state,
                  instance->state_reason[0] ? ": " : "", instance->state_reason);
    (void)err_suggest(err, "most often a right to a volume's KMS key is missing (`stillpoint "
                           "iam-policy --kms-key ARN' has them), or the account's limits are "
                           "reached; once more: --another");
    clean_up(restore);
    return false;
}

static bool look(struct restore *restore, int64_t deadline_ms, struct err *err)
{
    struct work *work = restore->work;
    struct ec2_instance *seen = NULL;

    if (!ec2_describe_instance(work->ec2, restore->instance->id, deadline_ms, &work->job->cancel,
                               &seen, err))
        return finish_passes(work, err); /* a new one may not show yet */
    leave_turn(restore);
    ec2_instance_free(restore->instance);
    restore->instance = seen;
    return true;
}

static bool is_over(const struct ec2_instance *instance)
{
    return strcmp(instance->state, "terminated") == 0 ||
           strcmp(instance->state, "shutting-down") == 0;
}

static bool end_unseen(struct restore *restore)
{
    char now[NOW_BYTES];

    (void)snprintf(now, sizeof(now),
                   "%s is launched and was %s when last seen; the same command again waits for it, "
                   "and `aws ec2 terminate-instances --instance-ids %s` ends it",
                   restore->instance->id, restore->instance->state, restore->instance->id);
    return end(restore, 6, now);
}

static bool wait_until_it_runs(struct restore *restore, struct err *err)
{
    struct work *work = restore->work;
    int64_t deadline_ms = clock_boot_ms() + RUN_MS, wait_ms = FINISH_POLL_MS;
    char text[EC2_ID_BYTES * 2 + 8];

    job_set_step(work->job, "start");
    restore->seen_pending = strcmp(restore->instance->state, "pending") == 0;
    for (;;) {
        struct err why = ERR_INIT;
        if (!look(restore, deadline_ms, &why)) {
            *err = why;
            return end_unseen(restore);
        }
        restore->seen_pending |= strcmp(restore->instance->state, "pending") == 0;
        if (is_over(restore->instance))
            return over(restore, err);
        if (strcmp(restore->instance->state, "running") == 0 || !restore->request.wait)
            return true;
        if (strcmp(restore->instance->state, "pending") != 0) {
            (void)err_set(err, ERR_PRECONDITION, 0, "%s is %s", restore->instance->id,
                          restore->instance->state);
            (void)err_suggest(err, "start it: aws ec2 start-instances --instance-ids %s",
                              restore->instance->id);
            return end(restore, 5, "an earlier same command has launched it, nothing was changed");
        }
        (void)snprintf(text, sizeof(text), "%s is %s", restore->instance->id,
                       restore->instance->state);
        job_progress(work->job, "start", 0, 0, text);
        if (!finish_nap(work, &wait_ms, deadline_ms, err)) {
            (void)err_wrap(err, "waiting until %s runs", restore->instance->id);
            return end_unseen(restore);
        }
    }
}

/* --- the result ------------------------------------------------------------------------------ */

static json_t *volume_json(const struct ec2_volume *volume)
{
    const char *device = volume->attachment_count > 0 ? volume->attachments[0].device : "";

    return json_pack("{s:s,s:s,s:s,s:I}", "id", volume->id, "device", device, "snapshot",
                     volume->snapshot_id, "size_gib", (json_int_t)volume->size_gib);
}

/* NULL: no memory. */
static json_t *result_json(const struct restore *restore)
{
    json_t *whole = restore_plan_json(&restore->plan, &restore->set), *volumes = json_array();
    const struct ec2_instance *instance = restore->instance;

    for (size_t i = 0; i < restore->volumes.count; i++)
        (void)json_array_append_new(volumes, volume_json(&restore->volumes.list[i]));
    if (json_object_set_new(whole, "instance", json_string(instance->id)) != 0 ||
        json_object_set_new(whole, "state", json_string(instance->state)) != 0 ||
        json_object_set_new(whole, "address", json_string(instance->private_ip)) != 0 ||
        json_object_set_new(whole, "zone", json_string(instance->availability_zone)) != 0 ||
        json_object_set_new(whole, "existed", json_boolean(restore->existed)) != 0 ||
        (restore->volumes.count > 0 && json_object_set(whole, "volumes", volumes) != 0)) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(volumes);
    return whole;
}

static void tell(struct restore *restore)
{
    struct work *work = restore->work;
    int exit_code = restore->plan.less ? 3 : 0;
    struct err ignored = ERR_INIT; /* the volumes are in the set's answer, too */

    if (restore->instance == NULL) { /* a dry run */
        job_result(work->job, exit_code, restore_plan_json(&restore->plan, &restore->set));
        return;
    }
    (void)ec2_describe_volumes(work->ec2, restore->instance->id, clock_boot_ms() + LAUNCH_MS,
                               &work->job->cancel, &restore->volumes, &ignored);
    job_result(work->job, exit_code, result_json(restore));
}

/* --- the straight line ------------------------------------------------------------------------ */

static bool run(struct restore *restore, struct err *err)
{
    struct work *work = restore->work;

    job_set_step(work->job, "look");
    if (!take_turn(restore, err))
        return false;
    int64_t deadline_ms = clock_boot_ms() + LOOK_MS;
    if (!whole_set_find(work, restore->request.id, false, deadline_ms, &restore->set, err) ||
        !whole_set_image(work, &restore->set, deadline_ms, err))
        return end(restore, work_begin_exit_code(err), "nothing was launched");
    job_set_id(work->job, restore->set.backup->id);
    if (!restore_plan_make(work, &restore->set, &restore->request, &restore->plan, deadline_ms,
                           err)) {
        (void)err_wrap(err, "backup %s", restore->set.backup->id);
        return end(restore, work_exit_code(err), "nothing was launched");
    }
    return launch(restore, err) && (restore->instance == NULL || wait_until_it_runs(restore, err));
}

void restore_instance_command(struct job *job)
{
    struct restore *restore = calloc(1, sizeof(*restore)); /* a plan has room for many volumes */
    struct err err = ERR_INIT;
    struct work work;

    if (restore == NULL) {
        (void)err_set(&err, ERR_INTERNAL, 0, "out of memory");
        job_fail(job, 1, &err, "nothing was launched");
        return;
    }
    work_open(&work, job);
    restore->work = &work;
    bool ok = restore_request_read(job->args, &restore->request, &err) ||
              end(restore, work_exit_code(&err), "nothing was launched");
    ok = ok && run(restore, &err);
    leave_turn(restore);
    if (ok)
        tell(restore);
    else
        job_fail(job, restore->exit_code, &err, restore->now);
    ec2_volumes_free(&restore->volumes);
    ec2_instance_free(restore->instance);
    restore_plan_free(&restore->plan);
    whole_set_free(&restore->set);
    work_close(&work);
    free(restore);
}
