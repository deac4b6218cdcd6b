/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands pin and unpin: one tag on all that makes a set. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/prune_record.h"
#include "aws/ec2_snapshots.h"

enum { PIN_MS = 120000, IDS_MAX = 400 };

struct pinning {
    bool pin, dry_run;
    const char *text; /* the id as it was given */
    const char *ids[IDS_MAX];
    size_t count;
    const char *now; /* once a tag may be written; NULL before */
};

static bool read_args(const json_t *args, struct pinning *pinning, struct err *err)
{
    static const char *const keys[] = {"id", "dry_run", NULL};

    if (control_only_keys(args, keys, err) && control_get_string(args, "id", &pinning->text, err) &&
        control_opt_bool(args, "dry_run", &pinning->dry_run, err))
        return true;
    err->kind = ERR_USAGE;
    return false;
}

static bool list_parts(const struct gather *gather, struct pinning *pinning, struct err *err)
{
    const struct inventory *inventory = &gather->inventory;
    const struct inventory_set *set = gather->set;

    if (set == NULL) {
        (void)err_set(err, ERR_NOT_FOUND, 0, "of %s nothing is left but a deregistered image",
                      gather->id);
        return err_suggest(err, "stillpoint list shows the backups that are there");
    }
    if ((size_t)set->members + set->images > IDS_MAX)
        return err_set(err, ERR_LIMIT, 0, "%s has more than %d snapshots and images", set->id,
                       IDS_MAX);
    for (uint32_t i = 0; i < set->members; i++)
        pinning->ids[pinning->count++] = inventory_members(inventory, set)[i].id;
    for (uint32_t i = 0; i < set->images; i++)
        pinning->ids[pinning->count++] = inventory_images(inventory, set)[i].id;
    return true;
}

/* By this machine's own record, as prune believes it: what is left goes, whatever a tag says. */
static bool check_begun(const struct work *work, const struct gather *gather, struct err *err)
{
    if (gather->set == NULL || gather->set->tagged != BACKUP_FAILED ||
        !prune_record_is(work->config->paths.state, gather->id,
                         work->identity.document.instance_id))
        return true;
    (void)err_set(err, ERR_BUSY, 0, "the removal of %s was begun: it is no backup any more",
                  gather->id);
    return err_suggest(err, "take another, as stillpoint list shows them; the next stillpoint "
                            "prune removes what is left");
}

/* Another machine, which marks before it looks for pins, may have begun before the tag was there.
 * A set that was marked before is told by WARN. */
static bool check_stays(struct work *work, struct pinning *pinning, const struct gather *before,
                        int64_t deadline_ms, struct err *err)
{
    struct gather gather = {.id = before->id};
    const struct inventory_set *set = before->set;

    if (!pinning->pin)
        return true;
    bool ok = gather_catalog(work, &gather, deadline_ms, err);
    bool stays = ok && gather.set != NULL && gather.set->members >= set->members &&
                 (gather.set->tagged != BACKUP_FAILED || set->tagged == BACKUP_FAILED);
    gather_free(&gather);
    if (!ok || stays)
        return ok;
    pinning->now = "whether it stays is not sure: what is left of it has the tag";
    (void)err_set(err, ERR_BUSY, 0, "the removal of %s was begun on another machine", before->id);
    return err_suggest(err, "see whether it is there (stillpoint show), and pin it again then");
}

static bool write_tag(struct work *work, struct pinning *pinning, int64_t deadline_ms,
                      struct err *err)
{
    struct ec2_tags tags = {.count = 0};

    pinning->now = "some of its snapshots may have the tag: one is enough to keep it";
    bool ok = ec2_tags_set(&tags, "stillpoint:pinned", pinning->pin ? "yes" : "no", err) &&
              ec2_create_tags(work->ec2, pinning->ids, pinning->count, &tags, deadline_ms,
                              &work->job->cancel, err);
    ec2_tags_free(&tags);
    return ok;
}

/* What EC2 refuses may be what a removal has left behind: that is the cause then. */
static bool tag(struct work *work, struct pinning *pinning, const struct gather *gather,
                int64_t deadline_ms, struct err *err)
{
    struct err why = ERR_INIT;

    if (write_tag(work, pinning, deadline_ms, err))
        return check_stays(work, pinning, gather, deadline_ms, err);
    if (!check_stays(work, pinning, gather, deadline_ms, &why) && why.kind == ERR_BUSY)
        *err = why;
    return false;
}

/* A failed set is not held up by a pin: it is told, since it may not be what was meant. */
static void warn(struct job *job, const struct pinning *pinning, const struct inventory_set *set)
{
    if (pinning->pin && !inventory_is_good(set) && set->state != BACKUP_PENDING)
        job_warn(
            job,
            "it is no good backup: pinned, it stays as it is, unless another machine has begun "
            "to remove it",
            "see what is wrong with it: stillpoint show");
}

static void pin(struct job *job, bool pin)
{
    struct pinning pinning = {.pin = pin};
    int64_t deadline_ms = clock_boot_ms() + PIN_MS;
    struct gather gather = {.use = true};
    const struct backup *backup = NULL;
    struct err err = ERR_INIT;
    struct work work;

    work_open(&work, job);
    bool ok = read_args(job->args, &pinning, &err) &&
              gather_find(&work, pinning.text, &gather, deadline_ms, &backup, &err) &&
              check_begun(&work, &gather, &err) && list_parts(&gather, &pinning, &err) &&
              (pinning.dry_run || tag(&work, &pinning, &gather, deadline_ms, &err));
    if (ok) {
        warn(job, &pinning, gather.set);
        job_result(job, 0,
                   json_pack("{s:s,s:b,s:b,s:b,s:I}", "id", gather.set->id, "pinned", (int)pin,
                             "was", (int)gather.set->pinned, "dry_run", (int)pinning.dry_run,
                             "resources", (json_int_t)pinning.count));
    } else {
        job_fail(job, work_begin_exit_code(&err), &err,
                 pinning.now ? pinning.now : "nothing was changed");
    }
    gather_free(&gather);
    work_close(&work);
}

void pin_command(struct job *job)
{
    pin(job, true);
}

void unpin_command(struct job *job)
{
    pin(job, false);
}
