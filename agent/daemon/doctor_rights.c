/* SPDX-License-Identifier: BSD-2-Clause */
/* Each right that a backup needs, and what others are there, by EC2's own DryRun. */
#include <stdio.h>

#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/loan_record.h"

struct right {
    enum ec2_action action;
    const char *allowed, *denied; /* what follows from it; NULL: a backup needs it */
};

/* A right that backups have no use for: none is missed. What deletes is left to the pruner's role
 * by iam-policy, where a node that was broken into can't use it. */
static void tell_other(struct doctor *doctor, const struct right *right, const char *action,
                       bool allowed)
{
    char text[240];

    (void)snprintf(text, sizeof(text),
                   allowed ? "ec2:%s is allowed%s"
                           : "ec2:%s is not allowed, nor needed by a node%s",
                   action, allowed ? right->allowed : right->denied);
    doctor_say(doctor, "right", "ok", text, NULL);
}

static bool is_refused(const struct err *err)
{
    return err->kind == ERR_AWS || err->kind == ERR_AWS_NOT_FOUND;
}

static bool check_right(struct doctor *doctor, const struct right *right,
                        const struct ec2_dry_run_target *target)
{
    const char *action = ec2_action_name(right->action);
    struct err err = ERR_INIT;
    char text[80];

    bool ok = ec2_dry_run(doctor->work.ec2, right->action, target, doctor_soon(),
                          &doctor->job->cancel, &err);
    if (right->denied != NULL && (ok || err.kind == ERR_AWS_DENIED)) {
        tell_other(doctor, right, action, ok);
    } else if (ok) {
        (void)snprintf(text, sizeof(text), "ec2:%s is allowed", action);
        doctor_say(doctor, "right", "ok", text, NULL);
    } else if (err.kind == ERR_USAGE) {
        (void)snprintf(text, sizeof(text), "ec2:%s can't be tried before the first backup", action);
        doctor_say(doctor, "right", "skipped", text, NULL);
    } else if (right->denied != NULL && is_refused(&err)) {
        doctor_say(doctor, "right", "skipped", err.text, NULL);
    } else {
        doctor_say(doctor, "right", "failed", err.text, err.remedy);
        return err.kind == ERR_AWS_DENIED; /* of anything else the next ones would say the same */
    }
    return true;
}

/* EC2's DryRun of each, with the tags that the policy of iam-policy is bound to: of what is made
 * whose it is, of what is there only what may change. False: of anything more EC2 would say the
 * same as of the last one. */
static bool check_rights(struct doctor *doctor, const struct right *rights, size_t count)
{
    const char *instance_id = doctor->work.identity.document.instance_id;
    const struct inventory *inventory = &doctor->inventory;
    struct ec2_tags made = {.count = 0}, changed = {.count = 0};
    struct err ignored = ERR_INIT; /* no memory: EC2 says what is missing */
    bool usable = true;

    (void)catalog_tags_put(&made, "stillpoint:instance", instance_id, &ignored);
    (void)catalog_tags_put(&made, LOAN_TAG, "dry-run", &ignored);
    (void)catalog_tags_put(&changed, "stillpoint:state", "complete", &ignored);
    for (size_t i = 0; usable && i < count; i++) {
        const struct ec2_dry_run_target target = {
            .instance_id = instance_id,
            /* What only a snapshot, or an image, can be tried on, if there is one. */
            .snapshot_id = inventory->member_count > 0 ? inventory->members[0].id : NULL,
            .image_id = inventory->image_count > 0 ? inventory->images[0].id : NULL,
            .zone = doctor->work.identity.document.availability_zone,
            .tags = rights[i].action == EC2_CREATE_TAGS ? &changed : &made,
        };
        usable = check_right(doctor, &rights[i], &target);
    }
    ec2_tags_free(&made);
    ec2_tags_free(&changed);
    return usable;
}

#define LEFT_TO_PRUNER                                                                             \
    "; `stillpoint iam-policy' leaves it to the pruner",                                           \
        ": what a failed backup leaves is tagged for the pruner"

bool doctor_check_backup_rights(struct doctor *doctor)
{
    static const struct right rights[] = {
        {EC2_DESCRIBE_INSTANCES, NULL, NULL},  {EC2_DESCRIBE_VOLUMES, NULL, NULL},
        {EC2_CREATE_SNAPSHOTS, NULL, NULL},    {EC2_DESCRIBE_SNAPSHOTS, NULL, NULL},
        {EC2_DESCRIBE_IMAGES, NULL, NULL},     {EC2_CREATE_TAGS, NULL, NULL},
        {EC2_DELETE_SNAPSHOT, LEFT_TO_PRUNER},
    };

    doctor_find_backups(doctor);
    return check_rights(doctor, rights, sizeof(rights) / sizeof(rights[0]));
}

/* Which calls make the image depends on the instance. */
bool doctor_check_image_rights(struct doctor *doctor)
{
    const struct work *work = &doctor->work;
    const struct right rights[] = {
        {finish_is_billed(work) ? EC2_CREATE_IMAGE : EC2_REGISTER_IMAGE, NULL, NULL},
        {EC2_DEREGISTER_IMAGE, LEFT_TO_PRUNER},
        {EC2_GET_INSTANCE_UEFI_DATA, NULL, NULL},
    };

    if (!work->config->backup.image)
        return true;
    return check_rights(doctor, rights, finish_needs_uefi_data(work) ? 3 : 2);
}

bool doctor_check_restore_rights(struct doctor *doctor)
{
    /* Attaching, detaching and deleting could only be tried on a volume on loan: iam-policy gives
     * them where it gives CreateVolume. */
    static const struct right rights[] = {
        {EC2_CREATE_VOLUME, ": for verify, restore files and restore volumes",
         ": verify, restore files and restore volumes need it (iam-policy --with verify)"},
        {EC2_CREATE_REPLACE_ROOT_VOLUME_TASK, ": for rollback",
         ": rollback needs it (iam-policy --with rollback)"},
        {EC2_RUN_INSTANCES, ": for restore instance",
         ": restore instance needs it, on another machine (iam-policy --role restore)"},
    };

    return check_rights(doctor, rights, sizeof(rights) / sizeof(rights[0]));
}

#define FOR_REMOVAL                                                                                \
    ": for prune and delete", ": prune and delete need it (iam-policy --role pruner)"

bool doctor_check_removal_rights(struct doctor *doctor)
{
    static const struct right rights[] = {
        {EC2_DEREGISTER_IMAGE, FOR_REMOVAL},
        {EC2_DELETE_SNAPSHOT, FOR_REMOVAL},
    };

    return check_rights(doctor, rights, sizeof(rights) / sizeof(rights[0]));
}
