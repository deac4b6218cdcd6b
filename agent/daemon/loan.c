/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/point.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/device_find.h"
#include "agent/daemon/finish.h"
#include "agent/daemon/loan_gate.h"
#include "agent/daemon/loan_names.h"
#include "aws/ec2_volumes.h"

enum {
    GATE_MS = 15 * 60 * 1000,            /* for a backup that has the node */
    ATTACH_MS = LOAN_GATE_SETTLE_MS / 2, /* a backup waits for a move no longer than this twice */
    FIRST_WAIT_MS = 50,                  /* grows by half each time */
    GONE_MS = 15000,                     /* EC2 may show a new volume this much later */
    FIND_MS = 60000,                     /* the kernel, after EC2 says `attached` */
    FIND_LOOK_MS = 50,
    NAMES_MAX = 8, /* tried for one volume: others attach to the same instance */
};

/* --- naming ------------------------------------------------------------------------------- */

static bool is_wanted(const struct strs *only, const struct backup_snapshot *snapshot)
{
    return only == NULL || only->count == 0 ||
           (snapshot->volume != NULL && strs_has(only, snapshot->volume)) ||
           (snapshot->id != NULL && strs_has(only, snapshot->id)) ||
           (snapshot->device != NULL && strs_has(only, snapshot->device));
}

static bool all_known(const struct strs *only, const struct backup *backup, struct err *err)
{
    for (size_t i = 0; only != NULL && i < only->count; i++) {
        bool known = false;
        struct strs one = {&only->items[i], 1};
        for (size_t k = 0; k < backup->snapshot_count; k++)
            known = known || is_wanted(&one, &backup->snapshots[k]);
        if (known)
            continue;
        (void)err_set(err, ERR_USAGE, 0, "%.60s is not in %s", only->items[i], backup->id);
        return err_suggest(err, "stillpoint show %s has its volumes, snapshots and devices",
                           backup->id);
    }
    return true;
}

static void put_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text ? text : "");
}

bool loan_open(struct work *work, enum loan_purpose purpose, const struct backup *backup,
               const struct strs *only, struct loan *ret_loan, struct err *err)
{
    struct loan loan = {.purpose = purpose};

    if (!all_known(only, backup, err) || !loan_id_new(clock_utc_us(), loan.id, err))
        return false;
    loan.volumes = calloc(backup->snapshot_count + 1, sizeof(*loan.volumes));
    if (loan.volumes == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    put_text(loan.backup_id, sizeof(loan.backup_id), backup->id);
    put_text(loan.instance, sizeof(loan.instance), work->identity.document.instance_id);
    for (size_t i = 0; i < backup->snapshot_count; i++) {
        const struct backup_snapshot *from = &backup->snapshots[i];
        if (!is_wanted(only, from))
            continue;
        struct loan_volume *volume = &loan.volumes[loan.count++];
        put_text(volume->snapshot_id, sizeof(volume->snapshot_id), from->id);
        put_text(volume->source_id, sizeof(volume->source_id), from->volume);
        put_text(volume->source_device, sizeof(volume->source_device), from->device);
        volume->size_gib = from->size_gib;
    }
    *ret_loan = loan;
    return true;
}

/* --- making ------------------------------------------------------------------------------- */

/* What the operator's own are to be told by. */
static bool put_own(const struct loan_volume *volume, const struct backup *backup,
                    struct ec2_tags *tags, struct err *err)
{
    struct ec2_tags own = {.count = 0};

    bool ok = catalog_tags_of_volume(backup, volume->source_id, &own, err);
    for (size_t i = 0; ok && i < own.count; i++)
        ok = ec2_tags_set(tags, own.list[i].key, own.list[i].value, err);
    ec2_tags_free(&own);
    return ok;
}

static bool put_tags(const struct loan *loan, const struct loan_volume *volume,
                     const struct backup *backup, struct ec2_tags *tags, struct err *err)
{
    char name[300];

    (void)snprintf(name, sizeof(name), "%.100s %s %s %s", backup->node ? backup->node : "",
                   loan_purpose_name(loan->purpose), volume->source_device, backup->id);
    return catalog_tags_put(tags, LOAN_TAG, loan->id, err) &&
           catalog_tags_put(tags, LOAN_TAG_PURPOSE, loan_purpose_name(loan->purpose), err) &&
           catalog_tags_put(tags, CATALOG_TAG_FROM, backup->id, err) &&
           (loan->instance[0] == '\0' ||
            catalog_tags_put(tags, "stillpoint:instance", loan->instance, err)) &&
           put_own(volume, backup, tags, err) &&
           (loan->purpose == LOAN_RESTORE || catalog_tags_put(tags, "Name", name, err));
}

/* Whether EC2 may have made something although ERR came of it. */
static bool is_unknown(const struct err *err)
{
    return err->kind == ERR_SENT || err->kind == ERR_PROTOCOL || err->kind == ERR_DEADLINE ||
           err->kind == ERR_CANCELLED;
}

static struct ec2_create_volume order_for(const struct loan_kind *kind,
                                          const struct loan_volume *volume,
                                          const struct ec2_tags *tags)
{
    return (struct ec2_create_volume){
        .availability_zone = kind->zone,
        .snapshot_id = volume->snapshot_id,
        .type = kind->type ? kind->type : "gp3",
        .iops = kind->iops,
        .throughput_mibs = kind->throughput_mibs,
        .kms_key_id = kind->kms_key_id,
        .encrypted = kind->encrypted,
        .initialization_rate_mibs = kind->initialization_rate_mibs,
        .tags = tags,
    };
}

static bool refused(const struct loan_volume *volume, struct err *err)
{
    return err_wrap(err, "a volume of %s", volume->snapshot_id);
}

static bool try_one(struct work *work, const struct loan *loan, const struct loan_volume *volume,
                    const struct backup *backup, const struct loan_kind *kind, int64_t deadline_ms,
                    struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    struct ec2_create_volume what = order_for(kind, volume, &tags);

    bool ok = put_tags(loan, volume, backup, &tags, err) &&
              ec2_create_volume_dry_run(work->ec2, &what, deadline_ms, &work->job->cancel, err);
    ec2_tags_free(&tags);
    return ok || refused(volume, err);
}

bool loan_try(struct work *work, const struct loan *loan, const struct backup *backup,
              const struct loan_kind *kind, int64_t deadline_ms, struct err *err)
{
    for (size_t i = 0; i < loan->count; i++) {
        if (!try_one(work, loan, &loan->volumes[i], backup, kind, deadline_ms, err))
            return false;
    }
    return true;
}

static bool make_one(struct work *work, const struct loan *loan, struct loan_volume *volume,
                     const struct backup *backup, const struct loan_kind *kind, int64_t deadline_ms,
                     struct err *err)
{
    struct ec2_tags tags = {.count = 0};
    char token[EC2_CLIENT_TOKEN_MAX + 1];
    struct ec2_create_volume what = order_for(kind, volume, &tags);

    (void)snprintf(token, sizeof(token), "%.31s-%.32s", loan->id, volume->snapshot_id);
    what.client_token = token;
    bool ok = put_tags(loan, volume, backup, &tags, err);
    if (ok) {
        volume->asked = true;
        ok = ec2_create_volume(work->ec2, &what, deadline_ms, &work->job->cancel, volume->volume_id,
                               err);
        volume->asked = ok || is_unknown(err);
    }
    ec2_tags_free(&tags);
    if (ok)
        ok = loan_gate_add(work->job->agent, volume->volume_id, err);
    return ok || refused(volume, err);
}

static bool write_record(struct work *work, struct loan *loan, struct err *err)
{
    journal_boot_id(loan->boot_id);
    loan->written_boot_ms = clock_boot_ms();
    loan->written_utc_us = clock_utc_us();
    return loan_record_write(work->config->paths.state, loan, err);
}

/* --- waiting ------------------------------------------------------------------------------ */

/* What EC2 says of all of them, for one look. */
struct look {
    struct loan *loan;
    const char *instance; /* NULL: waits for `available`, else for `attached` to it */
    size_t ready, shown;
    char failed[EC2_ID_BYTES]; /* one that will never be ready */
};

static bool is_attached(const struct ec2_volume *volume, const char *instance)
{
    for (size_t i = 0; i < volume->attachment_count; i++) {
        if (strcmp(volume->attachments[i].instance_id, instance) == 0 &&
            strcmp(volume->attachments[i].status, "attached") == 0)
            return true;
    }
    return false;
}

static bool look_at(void *self, const struct ec2_volume *volume, struct err *err)
{
    struct look *look = self;

    (void)err;
    look->shown++;
    look->ready += look->instance == NULL ? strcmp(volume->state, "available") == 0
                                          : is_attached(volume, look->instance);
    if (strcmp(volume->state, "error") == 0)
        put_text(look->failed, sizeof(look->failed), volume->id);
    return true;
}

/* EC2 answers CreateVolume before it asks KMS: what it may not encrypt is gone again, or in error,
 * without a word. */
static bool fail_for_key(struct err *err)
{
    return err_suggest(err, "most often a right to the volume's KMS key is missing: add what "
                            "`stillpoint iam-policy --kms-key ARN' prints, and see the key's own "
                            "policy");
}

static bool check_look(const struct look *look, int64_t missed_ms, struct err *err)
{
    if (look->failed[0] != '\0') {
        (void)err_set(err, ERR_AWS, 0, "volume %s is in error", look->failed);
        return fail_for_key(err);
    }
    if (missed_ms < GONE_MS)
        return true;
    (void)err_set(err, ERR_AWS, 0, "%zu of %zu volumes are gone from EC2, which made them",
                  look->loan->count - look->shown, look->loan->count);
    return fail_for_key(err);
}

static bool wait_for(struct work *work, struct loan *loan, const char *instance,
                     int64_t deadline_ms, struct err *err)
{
    const char *step = instance ? "attach" : "make";
    const char *ids[LOAN_VOLUMES_MAX];
    int64_t wait_ms = FIRST_WAIT_MS, all_shown_ms = clock_boot_ms();
    char text[80];

    for (size_t i = 0; i < loan->count; i++)
        ids[i] = loan->volumes[i].volume_id;
    const struct ec2_filter filter = {"volume-id", ids, loan->count};
    for (;;) {
        struct look look = {.loan = loan, .instance = instance};
        struct err why = ERR_INIT;
        bool looked = ec2_list_volumes(work->ec2, NULL, 0, &filter, 1, deadline_ms,
                                       &work->job->cancel, look_at, &look, &why);
        if (!looked && !finish_passes(work, &why)) {
            *err = why;
            return false;
        }
        if (!looked || look.shown == loan->count)
            all_shown_ms = clock_boot_ms();
        if (!check_look(&look, clock_boot_ms() - all_shown_ms, err))
            return false;
        (void)snprintf(text, sizeof(text), "%zu of %zu volumes %s", look.ready, loan->count,
                       instance ? "attached" : "available");
        job_progress(work->job, step, (int64_t)look.ready, (int64_t)loan->count, text);
        if (look.ready == loan->count)
            return true;
        if (!finish_nap(work, &wait_ms, deadline_ms, err))
            return err_wrap(err, "%s", text);
    }
}

bool loan_make(struct work *work, struct loan *loan, const struct backup *backup,
               const struct loan_kind *kind, int64_t deadline_ms, struct err *err)
{
    if (!loan_gate_add(work->job->agent, loan->id, err) || !write_record(work, loan, err))
        return false;
    point_reach("loan-recorded");
    for (size_t i = 0; i < loan->count; i++) {
        if (!make_one(work, loan, &loan->volumes[i], backup, kind, deadline_ms, err))
            return false;
        point_reach_number("loan-made", (unsigned)i);
    }
    log_event(LOG_LEVEL_INFO, "lent", "loan=%s id=%s purpose=%s volumes=%zu", loan->id,
              loan->backup_id, loan_purpose_name(loan->purpose), loan->count);
    /* With their ids, which are no longer to be looked for. */
    return write_record(work, loan, err) && wait_for(work, loan, NULL, deadline_ms, err);
}

/* --- attaching ---------------------------------------------------------------------------- */

/* EC2 shows what is attached only once it is. */
static bool name_is_taken(const struct work *work, const struct err *err)
{
    const struct aws_error *error = &ec2_outcome(work->ec2)->error;

    return err->kind == ERR_AWS && strcmp(error->code, "InvalidParameterValue") == 0 &&
           strstr(error->message, "already in use") != NULL;
}

static bool attach_one(struct work *work, struct loan *loan, struct loan_volume *volume,
                       const char *instance_id, int64_t deadline_ms, struct err *err)
{
    struct err why = ERR_INIT;

    for (int tried = 1;; tried++) {
        volume->attached = true;
        if (ec2_attach_volume(work->ec2, volume->volume_id, instance_id, volume->attach_device,
                              deadline_ms, &work->job->cancel, &why))
            return true;
        if (loan->name_wanted || tried == NAMES_MAX || !name_is_taken(work, &why))
            break;
        log_event(LOG_LEVEL_INFO, "name_taken", "loan=%s volume=%s device=%s", loan->id,
                  volume->volume_id, volume->attach_device);
        if (!loan_place_next(work, instance_id, volume, deadline_ms, err))
            return err_wrap(err, "attach %s", volume->volume_id);
    }
    if (name_is_taken(work, &why))
        (void)err_suggest(&why, "%s",
                          loan->name_wanted ? "choose another name, or leave --device out"
                                            : "others attach to it just now: try again later");
    *err = why;
    return err_wrap(err, "attach %s as %s", volume->volume_id, volume->attach_device);
}

static bool attach_all(struct work *work, struct loan *loan, const char *instance_id,
                       int64_t deadline_ms, struct err *err)
{
    for (size_t i = 0; i < loan->count; i++) {
        if (!attach_one(work, loan, &loan->volumes[i], instance_id, deadline_ms, err))
            return false;
    }
    return wait_for(work, loan, instance_id, deadline_ms, err);
}

bool loan_attach(struct work *work, struct loan *loan, const char *instance_id, int64_t deadline_ms,
                 struct err *err)
{
    struct agent *agent = work->job->agent;
    bool here = strcmp(instance_id, work->identity.document.instance_id) == 0, waited = false;

    if (!here)
        return attach_all(work, loan, instance_id, deadline_ms, err);
    if (!loan_gate_enter(agent, deadline_sooner(deadline_ms, GATE_MS), &work->job->cancel, &waited,
                         err))
        return false;
    if (waited)
        log_event(LOG_LEVEL_INFO, "loan_waited", "loan=%s", loan->id);
    bool ok = attach_all(work, loan, instance_id, deadline_sooner(deadline_ms, ATTACH_MS), err);
    loan_gate_leave(agent);
    point_reach("loan-attached");
    return ok;
}

/* --- the kernel's side -------------------------------------------------------------------- */

static bool find_all(const struct device_query *query, struct loan *loan, struct err *err)
{
    for (size_t i = 0; i < loan->count; i++) {
        struct loan_volume *volume = &loan->volumes[i];
        struct sysfs_device device;
        if (!device_find_volume(query, volume->volume_id, &device, err))
            return false;
        (void)snprintf(volume->kernel_device, sizeof(volume->kernel_device), "/dev/%.50s",
                       device.name);
        volume->dev_major = device.major;
        volume->dev_minor = device.minor;
    }
    return true;
}

/* The map is read anew: whoever keeps it writes the volume into it once it is there. */
static bool look_for(struct work *work, struct loan *loan, const struct device_attached *attached,
                     struct err *err)
{
    struct device_map map = {NULL, 0};

    if (!devices_map_load(work->config->devices.map, &map, err))
        return false;
    const struct device_query query = {
        .sysfs = "/sys", .map = &map, .attached = attached, .attached_count = loan->count};
    bool ok = find_all(&query, loan, err);
    devices_map_free(&map);
    return ok;
}

bool loan_find(struct work *work, struct loan *loan, int64_t deadline_ms, struct err *err)
{
    struct device_attached attached[LOAN_VOLUMES_MAX];

    deadline_ms = deadline_sooner(deadline_ms, FIND_MS);
    for (size_t i = 0; i < loan->count; i++)
        attached[i] = (struct device_attached){.volume_id = loan->volumes[i].volume_id,
                                               .device_name = loan->volumes[i].attach_device};
    for (;;) {
        struct err why = ERR_INIT;
        if (look_for(work, loan, attached, &why))
            return true;
        if (why.kind == ERR_NOT_FOUND &&
            deadline_sleep(clock_boot_ms() + FIND_LOOK_MS, deadline_ms, &work->job->cancel, err))
            continue;
        if (why.kind != ERR_NOT_FOUND || err->kind != ERR_CANCELLED)
            *err = why;
        if (why.kind == ERR_NOT_FOUND && err->kind != ERR_CANCELLED) {
            err->kind = ERR_PRECONDITION;
            (void)err_suggest(err, "EC2 says that it is attached: see `lsblk -o NAME,SERIAL`; a "
                                   "stack that hides it needs [devices] map");
        }
        return false;
    }
}

/* --- on this node -------------------------------------------------------------------------- */

struct loan_kind loan_kind_here(const struct work *work)
{
    return (struct loan_kind){.zone = work->identity.document.availability_zone};
}

bool loan_bring(struct work *work, struct loan *loan, const struct backup *backup, struct err *err)
{
    const struct loan_kind kind = loan_kind_here(work);

    job_set_step(work->job, "make");
    if (!loan_make(work, loan, backup, &kind, clock_boot_ms() + LOAN_MAKE_MS, err))
        return false;
    job_set_step(work->job, "attach");
    return loan_attach(work, loan, work->identity.document.instance_id,
                       clock_boot_ms() + LOAN_ATTACH_MS, err) &&
           loan_find(work, loan, clock_boot_ms() + LOAN_ATTACH_MS, err);
}
