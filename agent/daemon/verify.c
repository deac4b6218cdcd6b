/* SPDX-License-Identifier: BSD-2-Clause */
/* Proves that a set restores: volumes on loan, looked at, mounted, served, given back; the verdict
 * into its tags. */
#include "agent/daemon/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/log.h"
#include "agent/daemon/catalog_tags.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/hook_ready.h"
#include "agent/daemon/last_backup.h"
#include "agent/daemon/loan_names.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/metrics_look.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"

enum {
    VERIFY_MS = 23 * 60 * 60 * 1000, /* below COPY_SESSION_MS_MAX */
    FIND_MS = 120000,
    TAG_MS = 60000,
    LESS_EXIT = 3, /* the verdict is in no tag, or a volume is not given back yet */
};

#define NOTHING "nothing was made"

/* --- asked for ------------------------------------------------------------------------------ */

static bool read_args(struct verify *verify, struct err *err)
{
    static const char *const keys[] = {"id", "deep", "again", "dry_run", NULL};
    const json_t *args = verify->job->args;

    if (control_only_keys(args, keys, err) && control_get_string(args, "id", &verify->id, err) &&
        control_opt_bool(args, "deep", &verify->deep, err) &&
        control_opt_bool(args, "again", &verify->again, err) &&
        control_opt_bool(args, "dry_run", &verify->dry_run, err))
        return true;
    err->kind = ERR_USAGE;
    return false;
}

static bool take_turn(struct verify *verify, struct err *err)
{
    if (job_take_turn(verify->job, &verify->job->agent->verifier))
        return true;
    (void)err_set(err, ERR_BUSY, 0, "another verify runs");
    return err_suggest(err, "wait until it is over");
}

/* --- before anything is made ---------------------------------------------------------------- */

static bool prepare(struct verify *verify, struct err *err)
{
    struct work *work = &verify->work;
    int64_t deadline_ms = clock_boot_ms() + FIND_MS;

    job_set_step(verify->job, "find");
    if (work->config->aws.identity == CONFIG_IDENTITY_NONE) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "this machine is no instance: [aws] identity = none");
        return err_suggest(err, "verify on an instance in the region of the set");
    }
    if (!survey_identity(work, deadline_ms, err) ||
        !whole_set_find(work, verify->id, true, deadline_ms, &verify->set, err))
        return false;
    return survey_cloud(work, deadline_ms, err) &&
           loan_open(work, LOAN_VERIFY, verify->set.backup, NULL, &verify->loan, err) &&
           loan_place(work, work->instance, NULL, &verify->loan, err);
}

static json_t *volumes_json(const struct verify *verify)
{
    json_t *list = json_array();

    for (size_t i = 0; i < verify->loan.count; i++) {
        const struct loan_volume *volume = &verify->loan.volumes[i];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:I,s:s}", "snapshot", volume->snapshot_id, "source",
                            volume->source_id, "source_device", volume->source_device, "size_gib",
                            (json_int_t)volume->size_gib, "device", volume->attach_device));
    }
    return list;
}

static json_t *head_json(const struct verify *verify, const char *outcome)
{
    const struct backup *set = verify->set.backup;

    return json_pack("{s:s,s:o,s:o,s:s,s:s,s:b}", "id", set->id, "instance",
                     control_text(set->instance), "node", control_text(set->node), "consistency",
                     label_name(set->consistency), "outcome", outcome, "deep", verify->deep);
}

static bool tell_dry(struct verify *verify, struct err *err)
{
    const struct loan_kind kind = loan_kind_here(&verify->work);

    if (!loan_try(&verify->work, &verify->loan, verify->set.backup, &kind,
                  clock_boot_ms() + FIND_MS, err))
        return false;
    json_t *json = head_json(verify, "dry-run");
    (void)json_object_set_new(json, "skipped", json_false());
    (void)json_object_set_new(json, "plan",
                              json_pack("{s:s,s:s,s:o}", "instance",
                                        verify->work.identity.document.instance_id, "zone",
                                        verify->work.identity.document.availability_zone, "volumes",
                                        volumes_json(verify)));
    job_result(verify->job, 0, json);
    return true;
}

/* Never less deep than a verdict that is deep already: a plain one in its place would say less. */
static void keep_depth(struct verify *verify)
{
    struct verify_verdict verdict;

    if (!verify->again || verify->deep ||
        !verify_verdict_parse(verify->set.backup->verified, &verdict) || !verdict.deep)
        return;
    verify->deep = true;
    job_warn(verify->job, "its verdict is one of --deep: it is looked at as deep again", NULL);
}

/* True: an earlier verdict says as much as a new one would, none was asked for, and it was told. */
static bool tell_standing(struct verify *verify)
{
    const char *tag = verify->set.backup->verified;
    struct verify_verdict verdict;

    if (verify->again || !verify_verdict_parse(tag, &verdict) ||
        !verify_verdict_stands(&verdict, verify->deep))
        return false;
    bool dry = verify->dry_run;
    json_t *json = head_json(verify, dry ? "dry-run" : verify_result_name(verdict.result));
    (void)json_object_set_new(json, "verified", control_text(tag));
    (void)json_object_set_new(json, "skipped", json_true());
    job_result(verify->job, dry || verdict.result == VERIFY_OK ? 0 : 1, json);
    return true;
}

/* --- the volumes ------------------------------------------------------------------------------ */

static bool lend(struct verify *verify, struct err *err)
{
    int64_t begun_ms = clock_boot_ms();

    return loan_bring(&verify->work, &verify->loan, verify->set.backup, err) &&
           verify_report_add(&verify->report, VERIFY_CHECK_OK, begun_ms, err, "volumes",
                             "%zu made and attached", verify->loan.count);
}

/* The copy away, the volumes given back; whatever came before. */
static bool give_back(struct verify *verify, struct err *err)
{
    job_set_step(verify->job, "remove");
    copy_tree_close(&verify->tree);
    return loan_end(&verify->work, &verify->loan, err);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static bool write_verdict(struct verify *verify, const char *text, struct err *err)
{
    const struct backup *set = verify->set.backup;
    const char *ids[EC2_DEVICES_MAX + 1];
    struct ec2_tags tags = {.count = 0};
    size_t count = 0;

    for (size_t i = 0; i < set->snapshot_count && i < EC2_DEVICES_MAX; i++)
        ids[count++] = set->snapshots[i].id;
    if (set->image.id != NULL)
        ids[count++] = set->image.id;
    bool ok =
        catalog_tags_put(&tags, CATALOG_OURS "verified", text, err) &&
        ec2_create_tags(verify->work.ec2, ids, count, &tags, clock_boot_ms() + TAG_MS, NULL, err);
    ec2_tags_free(&tags);
    if (ok)
        last_backup_update(verify->job->agent, set->id,
                           json_pack("{s:o}", "verified", control_text(text)));
    return ok || err_wrap(err, "the verdict is not in the tags");
}

/* 1 is said of a set, and only by a verdict. */
static int exit_before_all(const struct err *err)
{
    int exit_code = work_begin_exit_code(err);

    return exit_code == 1 ? 5 : exit_code;
}

static int exit_of(enum verify_result result)
{
    return result == VERIFY_OK ? 0 : result == VERIFY_PARTLY ? 3 : 1;
}

static void tell_verdict(struct verify *verify, bool back)
{
    char text[VERIFY_VERDICT_BYTES];
    struct verify_verdict verdict;
    struct err err = ERR_INIT;

    verify_report_conclude(&verify->report, verify->deep, clock_utc_us(), &verdict);
    (void)verify_verdict_text(&verdict, text);
    int exit_code = exit_of(verdict.result);
    if (!back && exit_code == 0)
        exit_code = LESS_EXIT;
    if (!write_verdict(verify, text, &err)) {
        job_warn(verify->job, err.text, err.remedy);
        exit_code = exit_code == 0 ? LESS_EXIT : exit_code;
    }
    log_event(verdict.result == VERIFY_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE, "verified",
              "id=%s result=%s took_ms=%lld", verify->set.backup->id,
              verify_result_name(verdict.result), (long long)(clock_boot_ms() - verify->begun_ms));
    verify->judged = true;
    metrics_verified(verify->job->agent->metrics, verify->set.backup->id, &verdict);
    json_t *json = head_json(verify, verify_result_name(verdict.result));
    (void)json_object_set_new(json, "verified", control_text(text));
    (void)json_object_set_new(json, "skipped", json_false());
    (void)json_object_set_new(json, "checks", verify_report_json(&verify->report));
    (void)json_object_set(json, "databases", verify->databases);
    (void)json_object_set_new(json, "took_ms", json_integer(clock_boot_ms() - verify->begun_ms));
    job_result(verify->job, exit_code, json);
}

/* --- the straight line ------------------------------------------------------------------------ */

static bool run(struct verify *verify, struct verdict *verdict, struct err *err)
{
    struct err back_err = ERR_INIT;

    /* It begins here: a verdict that stands begins none. */
    job_set_id(verify->job, verify->set.backup->id);
    verify->tree = (struct copy_tree){.job = verify->job,
                                      .socket = verify->work.config->hook_socket,
                                      .set = verify->set.backup,
                                      .loan = &verify->loan};
    bool ok = lend(verify, err) && verify_copy_judge(verify, err);
    bool back = give_back(verify, &back_err);
    if (!back)
        job_warn(verify->job, back_err.text, back_err.remedy);
    if (!ok && back)
        return settle_end(verdict, 5, "no verdict was written; all volumes are gone again");
    if (!ok)
        return settle_end(verdict, 6,
                          "no verdict was written; the daemon still gives volumes back: "
                          "`stillpoint status` says which");
    tell_verdict(verify, back);
    return true;
}

static bool answer(struct verify *verify, struct verdict *verdict, struct err *err)
{
    if (!read_args(verify, err))
        return settle_end(verdict, 2, NOTHING);
    if (!take_turn(verify, err))
        return settle_end(verdict, 4, NOTHING);
    bool ok = prepare(verify, err);

    if (ok)
        keep_depth(verify);
    if (ok && tell_standing(verify))
        return true;
    ok = ok && hook_ready(&verify->work, err) && (!verify->dry_run || tell_dry(verify, err));
    if (!ok)
        return settle_end(verdict, exit_before_all(err), NOTHING);
    return verify->dry_run || run(verify, verdict, err);
}

void verify_command(struct job *job)
{
    struct verify verify = {.job = job,
                            .begun_ms = clock_boot_ms(),
                            .deadline_ms = clock_boot_ms() + VERIFY_MS,
                            .report = {.job = job},
                            .databases = json_array()};
    struct verdict verdict = {.exit_code = 1};
    struct err err = ERR_INIT;

    work_open(&verify.work, job);
    if (!answer(&verify, &verdict, &err))
        job_fail(job, verdict.exit_code, &err, verdict.now);
    job_leave_turn(job, &job->agent->verifier);
    loan_close(&verify.work, &verify.loan);
    copy_tree_free(&verify.tree);
    verify_report_free(&verify.report);
    json_decref(verify.databases);
    whole_set_free(&verify.set);
    work_close(&verify.work);
    if (verify.judged)
        metrics_look(job);
}
