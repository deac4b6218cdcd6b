/* SPDX-License-Identifier: BSD-2-Clause */
/* Each right that a backup needs, by EC2's own DryRun. */
#include <stdio.h>

#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/finish.h"

struct right {
    enum ec2_action action;
    bool needed; /* or only for cleaning up */
};

/* A right that only cleaning up has a use for: the policy of iam-policy leaves it to the pruner's
 * role, where a node that was broken into can't use it. */
static void tell_deletion(struct doctor *doctor, const char *action, bool allowed)
{
    char text[200];

    (void)snprintf(text, sizeof(text),
                   allowed ? "ec2:%s is allowed; `stillpoint iam-policy' leaves it to the pruner"
                           : "ec2:%s is not allowed, nor needed by a node: what a failed backup "
                             "leaves is tagged for the pruner",
                   action);
    doctor_say(doctor, "right", "ok", text, NULL);
}

static bool check_right(struct doctor *doctor, const struct right *right,
                        const struct ec2_dry_run_target *target)
{
    const char *action = ec2_action_name(right->action);
    struct err err = ERR_INIT;
    char text[80];

    bool ok = ec2_dry_run(doctor->work.ec2, right->action, target, doctor_soon(),
                          &doctor->job->cancel, &err);
    if (!right->needed && (ok || err.kind == ERR_AWS_DENIED)) {
        tell_deletion(doctor, action, ok);
    } else if (ok) {
        (void)snprintf(text, sizeof(text), "ec2:%s is allowed", action);
        doctor_say(doctor, "right", "ok", text, NULL);
    } else if (err.kind == ERR_USAGE) {
        (void)snprintf(text, sizeof(text), "ec2:%s can't be tried before the first backup", action);
        doctor_say(doctor, "right", "skipped", text, NULL);
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
    (void)catalog_tags_put(&changed, "stillpoint:state", "complete", &ignored);
    for (size_t i = 0; usable && i < count; i++) {
        const struct ec2_dry_run_target target = {
            .instance_id = instance_id,
            /* What only a snapshot, or an image, can be tried on, if there is one. */
            .snapshot_id = inventory->member_count > 0 ? inventory->members[0].id : NULL,
            .image_id = inventory->image_count > 0 ? inventory->images[0].id : NULL,
            .tags = rights[i].action == EC2_CREATE_TAGS ? &changed : &made,
        };
        usable = check_right(doctor, &rights[i], &target);
    }
    ec2_tags_free(&made);
    ec2_tags_free(&changed);
    return usable;
}

bool doctor_check_backup_rights(struct doctor *doctor)
{
    static const struct right rights[] = {
        {EC2_DESCRIBE_INSTANCES, true}, {EC2_DESCRIBE_VOLUMES, true}, {EC2_CREATE_SNAPSHOTS, true},
        {EC2_DESCRIBE_SNAPSHOTS, true}, {EC2_DESCRIBE_IMAGES, true},  {EC2_CREATE_TAGS, true},
        {EC2_DELETE_SNAPSHOT, false},
    };

    doctor_find_backups(doctor);
    return check_rights(doctor, rights, sizeof(rights) / sizeof(rights[0]));
}

/* Which calls make the image depends on the instance. */
bool doctor_check_image_rights(struct doctor *doctor)
{
    const struct work *work = &doctor->work;
    const struct right rights[] = {
        {finish_is_billed(work) ? EC2_CREATE_IMAGE : EC2_REGISTER_IMAGE, true},
        {EC2_DEREGISTER_IMAGE, false},
        {EC2_GET_INSTANCE_UEFI_DATA, true},
    };

    if (!work->config->backup.image)
        return true;
    return check_rights(doctor, rights, finish_needs_uefi_data(work) ? 3 : 2);
}
