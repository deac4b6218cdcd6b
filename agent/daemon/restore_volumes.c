/* SPDX-License-Identifier: BSD-2-Clause */
/* Volumes made of a set, for the operator to keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/loan.h"
#include "agent/daemon/loan_names.h"
#include "agent/daemon/restore_remedy.h"
#include "agent/daemon/restore_request.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "agent/daemon/volume_kind.h"
#include "agent/daemon/whole_set.h"

enum {
    FIND_MS = 120000,
    NUMBER_MAX = 1000000000, /* what EBS takes of each: volume_kind.h */
};

struct restore {
    struct job *job;
    struct work work;
    struct whole_set set;
    struct loan loan;
    struct ec2_instance *target; /* NULL: attached to nobody */
    struct loan_kind kind;
    char zone[EC2_NAME_BYTES];
    struct strs only;
    const char *id, *attach, *device;
    bool dry_run;
};

/* --- what EC2 refuses ------------------------------------------------------------------------- */

static const struct restore_remedy remedies[] = {
    {"InvalidParameterValue", "hroughput", "give less (or more --iops): --throughput"},
    {"InvalidParameterValue", "nitializationRate", "give another, or leave it out: --initialize"},
    {"InvalidParameterValue", "ops", "give a number that EC2's words allow: --iops"},
    {"InvalidParameterValue", "IOPS", "give a number that EC2's words allow: --iops"},
    {"InvalidParameterValue", "GiB", "give a type that has volumes of that size: --type"},
    {"InvalidParameterValue", "zone", "name a zone of this region: --zone"},
    {"InvalidParameterValue", "Zone", "name a zone of this region: --zone"},
    {"InvalidParameterValue", "nstance", "name an instance of this region: --attach"},
    {"InvalidParameterValue", "ype", "give another: --type"},
    {"InvalidParameterCombination", NULL,
     "give --iops and --throughput as the type takes them, or leave them out: --type"},
    {"InvalidZone.NotFound", NULL, "name a zone of this region: --zone"},
    {"UnknownVolumeType", NULL, "give another: --type"},
    {"VolumeTypeNotAvailableInZone", NULL, "give another, or another zone: --type, --zone"},
    {"InsufficientVolumeCapacity", NULL,
     "EC2 has none of that type in that zone now: later, --type, or another --zone"},
    {"VolumeLimitExceeded", NULL, "have the account's limit raised, or delete volumes"},
    {"MaxIOPSLimitExceeded", NULL, "have the account's limit raised, or ask for less: --iops"},
    {"InvalidSnapshot.NotFound", NULL, "a snapshot was deleted meanwhile: restore another backup"},
    {"InvalidInstanceID.NotFound", NULL,
     "name one that this account has in this region: --attach (aws ec2 describe-instances)"},
    {"InvalidInstanceID.Malformed", NULL, "write it as EC2 shows it: --attach i-0123456789abcdef0"},
    {"AttachmentLimitExceeded", NULL,
     "the instance takes no more: name fewer with --volume, or another with --attach"},
    {"IncorrectState", "nstance", "wait until the instance is running or stopped"},
    {NULL, NULL, NULL},
};

static bool explain(const struct restore *restore, struct err *err)
{
    (void)restore_remedy_suggest(remedies, restore->work.ec2, err);
    return err->kind == ERR_AWS || err->kind == ERR_AWS_NOT_FOUND
               ? err_suggest(err, "see EC2's words, and `stillpoint restore --help`")
               : false;
}

/* --- asked for ------------------------------------------------------------------------------ */

static bool read_only(const json_t *args, struct strs *only, struct err *err)
{
    const json_t *list = json_object_get(args, "volumes");

    if (list != NULL && !json_is_array(list))
        return err_set(err, ERR_USAGE, 0, "volumes: must be a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            return err_set(err, ERR_USAGE, 0, "volumes: must be a list of texts");
        if (!strs_add_once(only, text, err))
            return false;
    }
    return true;
}

static bool read_args(struct restore *restore, struct err *err)
{
    static const char *const keys[] = {"id",      "zone",      "type",   "iops",   "throughput",
                                       "kms_key", "encrypted", "attach", "device", "initialize",
                                       "volumes", "dry_run",   NULL};
    const json_t *args = restore->job->args;
    struct loan_kind *kind = &restore->kind;
    const char *zone = "";

    bool ok =
        control_only_keys(args, keys, err) && control_get_string(args, "id", &restore->id, err) &&
        control_opt_string(args, "zone", &zone, err) &&
        control_opt_string(args, "type", &kind->type, err) &&
        control_opt_int(args, "iops", 1, NUMBER_MAX, &kind->iops, err) &&
        control_opt_int(args, "throughput", 1, NUMBER_MAX, &kind->throughput_mibs, err) &&
        control_opt_string(args, "kms_key", &kind->kms_key_id, err) &&
        control_opt_bool(args, "encrypted", &kind->encrypted, err) &&
        control_opt_string(args, "attach", &restore->attach, err) &&
        control_opt_string(args, "device", &restore->device, err) &&
        control_opt_int(args, "initialize", 1, NUMBER_MAX, &kind->initialization_rate_mibs, err) &&
        control_opt_bool(args, "dry_run", &restore->dry_run, err) &&
        read_only(args, &restore->only, err) && volume_kind_check(kind, err) &&
        restore_text_check("attach", restore->attach, "i-", "0123456789abcdef", EC2_ID_BYTES,
                           "i-0123456789abcdef0", err);
    if (!ok) {
        if (err->kind != ERR_INTERNAL)
            err->kind = ERR_USAGE;
        return false;
    }
    kind->encrypted = kind->encrypted || kind->kms_key_id != NULL;
    (void)snprintf(restore->zone, sizeof(restore->zone), "%s", zone);
    if (restore->device == NULL || restore->attach != NULL)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--device without --attach");
    return err_suggest(err, "say to which instance: --attach INSTANCE");
}

/* --- where ------------------------------------------------------------------------------------ */

static bool find_target(struct restore *restore, int64_t deadline_ms, struct err *err)
{
    const char *state;

    if (restore->attach == NULL)
        return true;
    if (!ec2_describe_instance(restore->work.ec2, restore->attach, deadline_ms,
                               &restore->job->cancel, &restore->target, err)) {
        if (err->kind == ERR_AWS_NOT_FOUND || err->kind == ERR_AWS)
            err->kind = ERR_PRECONDITION;
        (void)restore_remedy_suggest(remedies, restore->work.ec2, err);
        return err_wrap(err, "--attach %s", restore->attach);
    }
    state = restore->target->state;
    if (strcmp(state, "running") == 0 || strcmp(state, "stopped") == 0)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is %s: nothing can be attached to it",
                  restore->attach, state);
    return err_suggest(err, "wait until it is running or stopped, or name another");
}

static bool check_zone(const struct restore *restore, struct err *err)
{
    const char *region = restore->set.backup->region;
    const char *target = restore->target ? restore->target->availability_zone : restore->zone;

    if (strcmp(restore->zone, target) != 0) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "%s is in %s: volumes of %s can't be attached to it", restore->attach, target,
                      restore->zone);
        return err_suggest(err, "leave --zone out: it is the instance's then");
    }
    if (region == NULL || strncmp(restore->zone, region, strlen(region)) == 0)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0, "%s is no zone of %s, where the backup is",
                  restore->zone, region);
    return err_suggest(err, "name one of its zones, %sa for instance", region);
}

/* EC2 takes a key of another region, and the volume then comes to nothing. */
static bool check_key(const struct restore *restore, struct err *err)
{
    const char *region = restore->set.backup->region, *at = restore->kind.kms_key_id;
    size_t length = region != NULL ? strlen(region) : 0;

    for (int i = 0; at != NULL && i < 3; i++) { /* arn:PARTITION:kms:REGION:… */
        at = strchr(at, ':');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || region == NULL || (strncmp(at, region, length) == 0 && at[length] == ':'))
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "--kms-key: %s is of another region than the backup, %s",
                  restore->kind.kms_key_id, region);
    return err_suggest(err, "name a key of %s: its ARN, id or alias there", region);
}

/* What was asked for; else where the instance is that it is for; else where we are. */
static bool choose_zone(struct restore *restore, struct err *err)
{
    const char *zone = restore->target ? restore->target->availability_zone
                                       : restore->work.identity.document.availability_zone;

    if (restore->zone[0] == '\0')
        (void)snprintf(restore->zone, sizeof(restore->zone), "%s", zone);
    if (restore->zone[0] == '\0') {
        (void)err_set(err, ERR_USAGE, 0, "in which zone is not known");
        return err_suggest(err, "name it: --zone ZONE, or an instance: --attach INSTANCE");
    }
    restore->kind.zone = restore->zone;
    return check_zone(restore, err);
}

static bool check_sizes(const struct restore *restore, struct err *err)
{
    for (size_t i = 0; i < restore->loan.count; i++) {
        const struct loan_volume *volume = &restore->loan.volumes[i];
        if (!volume_kind_fits(&restore->kind, volume->size_gib, volume->snapshot_id, err))
            return false;
    }
    return true;
}

static bool prepare(struct restore *restore, struct err *err)
{
    struct work *work = &restore->work;
    int64_t deadline_ms = clock_boot_ms() + FIND_MS;
    bool node = work->config->aws.identity == CONFIG_IDENTITY_IMDS;

    job_set_step(restore->job, "find");
    if ((node && !survey_identity(work, deadline_ms, err)) ||
        !whole_set_find(work, restore->id, false, deadline_ms, &restore->set, err))
        return false;
    job_set_id(restore->job, restore->set.backup->id);
    if (!find_target(restore, deadline_ms, err) || !choose_zone(restore, err) ||
        !check_key(restore, err) ||
        !loan_open(work, LOAN_RESTORE, restore->set.backup, &restore->only, &restore->loan, err) ||
        !check_sizes(restore, err))
        return false;
    return restore->target == NULL ||
           loan_place(work, restore->target, restore->device, &restore->loan, err);
}

/* --- told --------------------------------------------------------------------------------------
 */

static json_t *mounts_json(const struct backup *set, const char *source)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->mount_count; i++) {
        if (strs_has(&set->mounts[i].volumes, source))
            (void)json_array_append_new(list, control_text(set->mounts[i].path));
    }
    return list;
}

/* 0: not asked for, EC2's own. */
static json_t *or_null(int64_t number)
{
    return number != 0 ? json_integer(number) : json_null();
}

static json_t *result_json(const struct restore *restore)
{
    const struct loan_kind *kind = &restore->kind;
    json_t *list = json_array();

    for (size_t i = 0; i < restore->loan.count; i++) {
        const struct loan_volume *volume = &restore->loan.volumes[i];
        json_t *item = json_pack("{s:s?,s:s,s:s,s:s,s:o,s:s?,s:I}", "volume",
                                 volume->volume_id[0] ? volume->volume_id : NULL, "snapshot",
                                 volume->snapshot_id, "source", volume->source_id, "source_device",
                                 volume->source_device, "mounts",
                                 mounts_json(restore->set.backup, volume->source_id), "device",
                                 volume->attach_device[0] ? volume->attach_device : NULL,
                                 "size_gib", (json_int_t)volume->size_gib);
        (void)json_array_append_new(list, item);
    }
    return json_pack(
        "{s:s,s:s,s:s?,s:s,s:o,s:o,s:b,s:s?,s:o,s:o}", "id", restore->set.backup->id, "zone",
        restore->zone, "attached", restore->attach, "type", kind->type ? kind->type : "gp3", "iops",
        or_null(kind->iops), "throughput_mibs", or_null(kind->throughput_mibs), "encrypted",
        kind->encrypted || kind->kms_key_id != NULL, "kms_key", kind->kms_key_id,
        "initialization_rate_mibs", or_null(kind->initialization_rate_mibs), "volumes", list);
}

/* --- the straight line --------------------------------------------------------------------------
 */

static bool hand_over(struct restore *restore, struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    bool ok = catalog_tags_put(&tags, LOAN_TAG_PURPOSE, "restored", err) &&
              loan_hand_over(&restore->work, &restore->loan, &tags, err);
    ec2_tags_free(&tags);
    return ok;
}

static bool make(struct restore *restore, struct err *err)
{
    struct work *work = &restore->work;

    job_set_step(restore->job, "make");
    if (!loan_make(work, &restore->loan, restore->set.backup, &restore->kind,
                   clock_boot_ms() + LOAN_MAKE_MS, err))
        return false;
    if (restore->target == NULL)
        return true;
    job_set_step(restore->job, "attach");
    return loan_attach(work, &restore->loan, restore->attach, clock_boot_ms() + LOAN_ATTACH_MS,
                       err);
}

static bool run(struct restore *restore, struct verdict *verdict, struct err *err)
{
    struct err back_err = ERR_INIT;

    if (!make(restore, err)) {
        (void)explain(restore, err);
        job_set_step(restore->job, "remove");
        bool back = loan_end(&restore->work, &restore->loan, &back_err);
        if (!back)
            job_warn(restore->job, back_err.text, back_err.remedy);
        return settle_end(verdict,
                          !back                           ? 6
                          : err->kind == ERR_PRECONDITION ? 5
                                                          : 1,
                          back ? "what was made is gone again"
                               : "the daemon still removes what was made");
    }
    if (!hand_over(restore, err)) /* from the record on it is kept, whatever comes */
        return settle_end(verdict, 6, "the volumes are there; the daemon still takes its tag off");
    job_result(restore->job, 0, result_json(restore));
    return true;
}

/* What EC2 would say, while nothing is made. */
static bool try_it(struct restore *restore, struct err *err)
{
    return loan_try(&restore->work, &restore->loan, restore->set.backup, &restore->kind,
                    clock_boot_ms() + FIND_MS, err) ||
           explain(restore, err);
}

void restore_volumes_command(struct job *job)
{
    struct restore restore = {.job = job};
    struct verdict verdict = {.exit_code = 1};
    struct err err = ERR_INIT;

    work_open(&restore.work, job);
    bool ok = read_args(&restore, &err) && prepare(&restore, &err) &&
              (!restore.dry_run || try_it(&restore, &err));
    if (!ok)
        (void)settle_end(&verdict, work_begin_exit_code(&err), "nothing was made");
    else if (restore.dry_run)
        job_result(job, 0, result_json(&restore));
    else
        ok = run(&restore, &verdict, &err);
    if (!ok)
        job_fail(job, verdict.exit_code, &err, verdict.now);
    loan_close(&restore.work, &restore.loan);
    strs_free(&restore.only);
    ec2_instance_free(restore.target);
    whole_set_free(&restore.set);
    work_close(&restore.work);
}
