/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/prune_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/daemon/gather.h"
#include "agent/daemon/prune_record.h"

enum { REMOVE_MS = 300000, LOOK_MS = 600000, NAMED_MAX = 5 };

/* --- one after the other ---------------------------------------------------------------------- */

static void count_what_goes(const struct prune_look *look, size_t index, struct prune_sum *sum)
{
    const struct inventory_set *set = prune_set(look, index);
    const struct inventory_orphan *orphan = set ? NULL : prune_orphan(look, index);

    *(set ? &sum->gone : &sum->orphans_gone) += 1;
    if (set != NULL) {
        sum->snapshots += set->members + set->image_members;
        sum->images += set->images;
        sum->size_gib += set->size_gib;
    } else {
        *(orphan->is_image ? &sum->images : &sum->snapshots) += 1;
    }
}

/* Gives true. */
static bool tell_kept(const struct prune_look *look, size_t index, bool asked,
                      struct prune_sum *sum)
{
    char text[RETENTION_TEXT_BYTES], words[ERR_TEXT_BYTES];

    *(asked ? &sum->stuck : &sum->kept) += 1;
    job_item(look->work->job, prune_row_json(look, index, NULL));
    if (!asked)
        return true;
    (void)snprintf(words, sizeof(words), "%s was not removed: %s", prune_id(look, index),
                   retention_text(&look->verdicts[index], text));
    job_warn(look->work->job, words,
             "stillpoint show says what it is; delete it again if it is to "
             "go all the same");
    return true;
}

/*   false  the run is over */
static bool run_one(struct prune_look *look, size_t index, struct prune_sum *sum, struct err *err)
{
    bool asked = look->verdicts[index].why == RETENTION_GOES_ASKED;
    struct job *job = look->work->job;
    struct err why = ERR_INIT;
    bool touched = false;

    if (cancel_asked(&job->cancel))
        return err_set(err, ERR_CANCELLED, 0, "cancelled");
    if (prune_remove(look, index, clock_boot_ms() + REMOVE_MS, &touched, &why)) {
        if (!look->verdicts[index].goes)
            return tell_kept(look, index, asked, sum);
        count_what_goes(look, index, sum);
        job_item(job, prune_row_json(look, index, "gone"));
        return true;
    }
    *(prune_set(look, index) ? &sum->stuck : &sum->orphans_stuck) += 1;
    sum->touched = sum->touched || touched;
    job_item(job, prune_row_json(look, index, "failed"));
    if (why.kind == ERR_PRECONDITION) {
        job_warn(job, why.text, why.remedy);
        return true;
    }
    *err = why;
    return false;
}

bool prune_run(struct prune_look *look, bool dry_run, bool with_kept, struct prune_sum *ret_sum,
               struct err *err)
{
    struct job *job = look->work->job;
    int64_t total = 0, done = 0;
    bool ok = true;

    *ret_sum =
        (struct prune_sum){.sets = look->inventory.count, .orphans = look->inventory.orphan_count};
    for (size_t i = 0; i < look->sets.count; i++) {
        total += look->verdicts[i].goes;
        if (!look->verdicts[i].goes)
            *(prune_set(look, i) ? &ret_sum->kept : &ret_sum->orphans_kept) += 1;
        if (dry_run && look->verdicts[i].goes)
            count_what_goes(look, i, ret_sum);
        if (dry_run && (with_kept || look->verdicts[i].goes))
            job_item(job, prune_row_json(look, i, NULL));
    }
    if (!dry_run && total > 0)
        job_set_step(job, "prune");
    for (size_t i = look->sets.count; ok && !dry_run && i > 0; i--) { /* the oldest first */
        if (!look->verdicts[i - 1].goes)
            continue;
        ok = run_one(look, i - 1, ret_sum, err);
        job_progress(job, "prune", ++done, total, prune_id(look, i - 1));
    }
    return ok;
}

/* --- what was begun --------------------------------------------------------------------------- */

static bool is_listed(const struct prune_look *look, const char *id)
{
    for (size_t i = 0; i < look->inventory.count; i++) {
        if (strcmp(look->inventory.sets[i].id, id) == 0)
            return true;
    }
    return false;
}

/* The look may be of this node's sets alone: EC2 is asked for the one. */
static bool is_gone(const struct prune_look *look, const char *id, int64_t deadline_ms)
{
    struct gather gather = {.id = id};
    struct err ignored = ERR_INIT; /* it counts as there */

    bool gone =
        gather_catalog(look->work, &gather, deadline_ms, &ignored) && gather.inventory.count == 0;
    gather_free(&gather);
    return gone;
}

void prune_forget(const struct prune_look *look, int64_t deadline_ms)
{
    const char *state_dir = look->work->config->paths.state;
    struct err ignored = ERR_INIT; /* a stale record names a set that is not there */
    struct strs ids = {NULL, 0};

    (void)prune_record_list(state_dir, &ids, &ignored);
    for (size_t i = 0; i < ids.count; i++) {
        if (!is_listed(look, ids.items[i]) && is_gone(look, ids.items[i], deadline_ms))
            (void)prune_record_remove(state_dir, ids.items[i], &ignored);
    }
    strs_free(&ids);
}

/* --- in words --------------------------------------------------------------------------------- */

static void warn_of(const struct prune_look *look, bool (*is)(const struct retention_verdict *),
                    const char *what, const char *remedy)
{
    char text[ERR_TEXT_BYTES];
    size_t count = 0, len;

    for (size_t i = 0; i < look->sets.count; i++)
        count += is(&look->verdicts[i]);
    if (count == 0)
        return;
    (void)snprintf(text, sizeof(text), "%zu set%s %s:", count, count == 1 ? "" : "s", what);
    for (size_t i = 0, named = 0; i < look->sets.count && named <= NAMED_MAX; i++) {
        if (!is(&look->verdicts[i]))
            continue;
        len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, " %s",
                       named++ < NAMED_MAX ? prune_id(look, i) : "…");
    }
    job_warn(look->work->job, text, remedy);
}

static bool is_far(const struct retention_verdict *verdict)
{
    return verdict->far;
}

static bool is_disputed(const struct retention_verdict *verdict)
{
    return verdict->why == RETENTION_KEPT_DISPUTED;
}

void prune_warn(const struct prune_look *look)
{
    warn_of(look, is_disputed, "with something that does not belong, never pruned",
            "see what it is (stillpoint show ID), and who wrote it; then stillpoint delete --force "
            "ID");
    warn_of(look, is_far, "to be kept for longer than --keep can say",
            "somebody wrote the tag stillpoint:expires by other means: see the node, then set the "
            "tag anew or delete the set");
}

json_t *prune_sum_json(const struct prune_sum *sum, bool dry_run)
{
    return json_pack("{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "dry_run", (int)dry_run,
                     "count", (json_int_t)sum->sets, "kept", (json_int_t)sum->kept, "gone",
                     (json_int_t)sum->gone, "stuck", (json_int_t)sum->stuck, "orphans",
                     (json_int_t)sum->orphans, "orphans_kept", (json_int_t)sum->orphans_kept,
                     "orphans_gone", (json_int_t)sum->orphans_gone, "orphans_stuck",
                     (json_int_t)sum->orphans_stuck, "snapshots", (json_int_t)sum->snapshots,
                     "images", (json_int_t)sum->images, "size_gib", (json_int_t)sum->size_gib);
}

int prune_exit_code(const struct prune_sum *sum, const struct err *err)
{
    return sum->gone == 0 && sum->orphans_gone == 0 && !sum->touched ? work_exit_code(err) : 1;
}

char *prune_now(const struct prune_sum *sum, char *text, size_t size)
{
    size_t gone = sum->gone + sum->orphans_gone;

    if (gone == 0 && !sum->touched)
        (void)snprintf(text, size, "nothing was removed");
    else
        (void)snprintf(text, size, "%zu removed whole%s", gone,
                       sum->touched ? "; what is half removed is marked as failed, and goes with "
                                      "the next prune on this machine"
                                    : "; the rest is as it was");
    return text;
}

/* --- alone ------------------------------------------------------------------------------------ */

bool prune_take_turn(struct job *job, struct err *err)
{
    if (job_take_turn(job, &job->agent->remover))
        return true;
    (void)err_set(err, ERR_BUSY, 0, "another job removes sets");
    return err_suggest(err, "wait until it is done (`stillpoint status` shows it), and try again");
}

void prune_leave_turn(struct job *job)
{
    job_leave_turn(job, &job->agent->remover);
}

/* --- after a backup --------------------------------------------------------------------------- */

void prune_after_backup(struct work *work)
{
    const struct config_retention *retention = &work->config->retention;
    int64_t deadline_ms = clock_boot_ms() + LOOK_MS;
    struct prune_look look = {.work = work};
    struct prune_sum sum = {.sets = 0};
    struct err err = ERR_INIT;

    if (!retention->after_backup || !retention_is_set(&retention->policy))
        return;
    if (!prune_take_turn(work->job, &err) ||
        !prune_look(work, false, &retention->policy, deadline_ms, &look, &err) ||
        !prune_look_in_the_way(&look, deadline_ms, &err) ||
        !prune_run(&look, false, false, &sum, &err)) {
        (void)err_wrap(&err, "after the backup: prune");
        job_warn(work->job, err.text, err.remedy);
    } else {
        prune_forget(&look, deadline_ms);
    }
    prune_leave_turn(work->job);
    prune_look_free(&look);
}
