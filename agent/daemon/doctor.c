/* SPDX-License-Identifier: BSD-2-Clause */
/* Every precondition of a backup, one after the other, each with its remedy. Changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/base/parse.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/config_show.h"
#include "agent/daemon/control_group.h"
#include "agent/daemon/doctor_parts.h"
#include "agent/daemon/hook_ready.h"
#include "agent/daemon/metrics.h"
#include "agent/daemon/survey.h"
#include "hooks/db.h"
#include "hooks/hook_mysql.h"

enum {
    STEP_MS = 30000,
    METRICS_MS = 5000,
    TURN_MS = 90000, /* for another doctor; the client waits longer */
    CLOCK_ERROR_WARN_US = 500000,
    STATE_BYTES_MIN = 16 * 1024 * 1024,
    TEXT_BYTES = DOCTOR_TEXT_BYTES,
};

void doctor_say(struct doctor *doctor, const char *name, const char *result, const char *text,
                const char *remedy)
{
    doctor->failed += strcmp(result, "failed") == 0;
    doctor->warnings += strcmp(result, "warning") == 0;
    job_check(doctor->job, name, result, text, remedy);
}

/* One check by its outcome; TEXT is what is said where it is fine. Gives OK back. */
static bool outcome(struct doctor *doctor, const char *name, bool ok, const char *text,
                    const struct err *err)
{
    if (ok)
        doctor_say(doctor, name, "ok", text, NULL);
    else
        doctor_say(doctor, name, "failed", err->text, err->remedy);
    return ok;
}

int64_t doctor_soon(void)
{
    return clock_boot_ms() + STEP_MS;
}

/* The files as they are now, beside what the daemon has read at its start. */
static void check_config(struct doctor *doctor)
{
    const struct agent *agent = doctor->job->agent;
    struct config *now = NULL;
    struct err err = ERR_INIT;

    if (!config_load(agent->config_source, &now, &err)) {
        (void)err_wrap(&err, "the daemon goes on with what it read at its start");
        doctor_say(doctor, "configuration", "failed", err.text, err.remedy);
        return;
    }
    json_t *read = config_json(agent->config), *found = config_json(now);
    bool same = read != NULL && found != NULL && json_equal(read, found) == 1;
    json_decref(read);
    json_decref(found);
    config_free(now);
    if (same)
        doctor_say(doctor, "configuration", "ok", agent->config_source->path, NULL);
    else
        doctor_say(doctor, "configuration", "warning",
                   "the files, or hooks.d, have changed since the daemon's start",
                   "restart it: `systemctl restart stillpointd`");
}

/* Told only where members of the group are kept out. */
static void check_control(struct doctor *doctor)
{
    const struct config *config = doctor->work.config;
    struct err err = ERR_INIT;

    if (!control_group_check(config->daemon.group, config->control_socket, &err))
        doctor_say(doctor, "control socket", "warning", err.text, err.remedy);
}

/* --- one by one -------------------------------------------------------------------------- */

static bool check_identity(struct doctor *doctor)
{
    const struct imds_document *document = &doctor->work.identity.document;
    struct err err = ERR_INIT;
    char text[TEXT_BYTES];

    bool ok = survey_identity(&doctor->work, doctor_soon(), &err);
    (void)snprintf(text, sizeof(text), "%s in %s, account %s", document->instance_id,
                   document->availability_zone, document->account_id);
    return outcome(doctor, "identity", ok, text, &err);
}

static void check_clock(struct doctor *doctor)
{
    int64_t error_us = 0;
    bool synced = false;
    char text[TEXT_BYTES];

    int64_t ahead_s = doctor->work.ec2 ? ec2_clock_ahead_s(doctor->work.ec2) : 0;
    if (ahead_s != 0) {
        (void)snprintf(text, sizeof(text), "%" PRId64 " s %s EC2's",
                       ahead_s < 0 ? -ahead_s : ahead_s, ahead_s < 0 ? "ahead of" : "behind");
        doctor_say(doctor, "clock", "warning", text,
                   "run chronyd or systemd-timesyncd; signing corrects for it meanwhile");
    } else if (!clock_error_us(&error_us, &synced)) {
        doctor_say(doctor, "clock", "warning", "the kernel does not say how good the clock is",
                   NULL);
    } else if (!synced || error_us > CLOCK_ERROR_WARN_US) {
        (void)snprintf(text, sizeof(text), "within %.1f ms", (double)error_us / 1000);
        if (!synced)
            (void)snprintf(text, sizeof(text),
                           "nobody keeps it in step: how right it is, is not known");
        doctor_say(
            doctor, "clock", "warning", text,
            "run chronyd or systemd-timesyncd: a backup's window is only as good as the clock");
    } else {
        (void)snprintf(text, sizeof(text), "within %.3f ms", (double)error_us / 1000);
        doctor_say(doctor, "clock", "ok", text, NULL);
    }
}

static bool check_volumes(struct doctor *doctor)
{
    struct err err = ERR_INIT;
    char text[TEXT_BYTES];

    bool ok = survey_cloud(&doctor->work, doctor_soon(), &err);
    (void)snprintf(text, sizeof(text), "%zu attached", doctor->work.attached_count);
    ok = outcome(doctor, "volumes", ok, text, &err);
    if (ok && !survey_stays(&doctor->work, doctor_soon(), &err))
        doctor_say(doctor, "instance", "failed", err.text, err.remedy);
    return ok;
}

static bool check_guard(struct doctor *doctor)
{
    struct err err = ERR_INIT;

    bool ok = lease_open(doctor->work.config->guard_socket, doctor_soon(), &doctor->job->cancel,
                         &doctor->work.lease, &err);
    return outcome(doctor, "guard", ok, "answers", &err);
}

static bool check_devices(struct doctor *doctor)
{
    struct err err = ERR_INIT;

    bool ok = survey_devices(&doctor->work, doctor_soon(), &err);
    return outcome(doctor, "devices", ok, "each filesystem is traced to its devices", &err);
}

/* The check is named like the hook already. */
static const char *without_name(const char *text, const char *name)
{
    size_t len = strlen(name);

    return strncmp(text, name, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2
                                                                              : text;
}

/* The very statements that make the user for this server. */
static void tell_grants(struct doctor *doctor, const struct hook_link *link, const struct err *why)
{
    const struct config *config = doctor->work.config;
    char version_text[DB_VERSION_BYTES], user[64] = "stillpoint";
    AUTO_BUF struct buf grants = BUF_INIT(8192);
    struct db_version version;
    struct err err = ERR_INIT;

    const char *text = without_name(why->text, link->hook.name);
    const char *socket = hook_mysql_socket(&link->hook);
    for (size_t i = 0; i < config->mysql_count; i++) {
        if (strcmp(config->mysql[i].name, link->hook.name) == 0 && config->mysql[i].user[0])
            (void)snprintf(user, sizeof(user), "%s", config->mysql[i].user);
    }
    if (why->kind != ERR_DB || socket == NULL ||
        !db_peek_version(socket, doctor_soon(), version_text, &err) ||
        !db_version_parse(version_text, "", &version) ||
        !db_grants_text(&version, user, false, &grants, &err)) {
        doctor_say(doctor, link->hook.name, "failed", text, why->remedy);
        return;
    }
    char remedy[TEXT_BYTES];
    const char *plain = strncmp(version_text, "5.5.5-", 6) == 0 ? version_text + 6 : version_text;
    (void)snprintf(remedy, sizeof(remedy), "on the server (%s) as its administrator:\n%s", plain,
                   buf_text(&grants));
    doctor_say(doctor, link->hook.name, "failed", text, remedy);
}

static void check_databases(struct doctor *doctor)
{
    struct work *work = &doctor->work;
    struct err err = ERR_INIT;
    char text[TEXT_BYTES];

    if (!survey_hooks(work, false, &err)) {
        doctor_say(doctor, "database", "failed", err.text, err.remedy);
        return;
    }
    if (work->hooks.count == 0)
        doctor_say(doctor, "database", "skipped", "no server found",
                   "name its socket in [mysql] socket");
    bool ok = hook_chain_prepare(&work->hooks, &work->hook_job, doctor_soon(), &doctor->job->cancel,
                                 &err);
    for (size_t i = 0; i < work->hooks.count; i++) {
        const struct hook_link *link = &work->hooks.links[i];
        const struct db_server *server = hook_mysql_server(&link->hook);
        if (link->prepared && server != NULL) {
            (void)snprintf(text, sizeof(text), "%s: %s, %s", server->version_text,
                           db_method_name(server->choice.method), server->choice.why);
            doctor_say(doctor, link->hook.name, "ok", text, NULL);
        } else if (link->runs[HOOK_STEP_PREPARE].begin_us != 0) {
            tell_grants(doctor, link, &link->runs[HOOK_STEP_PREPARE].err);
        } else if (!ok) {
            tell_grants(doctor, link, &err);
        }
    }
}

static void check_plan(struct doctor *doctor)
{
    struct work *work = &doctor->work;
    struct err err = ERR_INIT;
    char text[TEXT_BYTES];

    if (!survey_plan(work, doctor_soon(), &err)) {
        doctor_say(doctor, "plan", "failed", err.text, err.remedy);
        return;
    }
    for (size_t i = 0; i < work->plan->mount_count; i++) {
        static const char *const uses[] = {"to be frozen", "to be synced and watched",
                                           "is read-only"};
        const struct plan_mount *mount = &work->plan->mounts[i];
        (void)snprintf(text, sizeof(text), "%s (%s, %zu volume%s) %s", mount->path, mount->fs,
                       mount->volumes.count, mount->volumes.count == 1 ? "" : "s",
                       uses[mount->use]);
        doctor_say(doctor, "mount", "ok", text, NULL);
    }
    if (work->plan->freeze_count > 0)
        doctor_say(
            doctor, "freeze", "skipped",
            "only a freeze shows whether somebody else holds one of these: a backup tries it "
            "before anything waits, and refuses",
            NULL);
    for (size_t i = 0; i < work->plan->left_out_count; i++) {
        (void)snprintf(text, sizeof(text), "%s is left out: %s", work->plan->left_out[i].path,
                       work->plan->left_out[i].why);
        doctor_say(doctor, "mount", "skipped", text, NULL);
    }
    for (size_t i = 0; i < work->plan->shortfall_count; i++)
        doctor_say(doctor, "label", "warning", work->plan->shortfalls[i].why,
                   "see above; where less is enough, set [backup] consistency");
    enum label reach = work->plan->at_most;
    for (size_t i = 0; i < work->hooks.count; i++) {
        if (!work->hooks.links[i].prepared && reach > LABEL_FILESYSTEM)
            reach = LABEL_FILESYSTEM; /* its failure was told */
    }
    (void)snprintf(text, sizeof(text), "a backup can reach %s", label_name(reach));
    doctor_say(doctor, "label", reach >= work->options.asked ? "ok" : "warning", text, NULL);
}

/* A backup needs it for exec hooks alone; the ways back need it in any case. */
static void check_hook_program(struct doctor *doctor)
{
    bool needed = doctor->work.config->hook_count > 0;
    struct err err = ERR_INIT;

    if (hook_ready(&doctor->work, &err)) {
        doctor_say(doctor, "stillpoint-hook", "ok", "answers", NULL);
        return;
    }
    (void)err_wrap(&err, "%sverify, restore files and rollback can't be done",
                   needed ? "exec hooks, " : "");
    doctor_say(doctor, "stillpoint-hook", needed ? "failed" : "warning", err.text, err.remedy);
}

/* The same rules by which stillpoint-hook will judge, as far as we can see them unprivileged. */
static void check_hook_files(struct doctor *doctor)
{
    const struct config *config = doctor->work.config;
    char text[TEXT_BYTES];
    struct stat info;

    for (size_t i = 0; i < config->hook_count; i++) {
        const struct config_hook *hook = &config->hooks[i];
        const char *why = NULL, *remedy = "chown root:root and chmod 755 it, and see that its "
                                          "folders are root's alone";
        if (stat(hook->exec, &info) != 0) {
            why = strerror(errno);
            remedy = "put it back, or remove its [hook] section and restart the daemon";
        } else if (info.st_uid != 0)
            why = "not owned by root";
        else if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            why = "can be written by others than root";
        else if (!S_ISREG(info.st_mode) || (info.st_mode & S_IXUSR) == 0)
            why = "not an executable file";
        (void)snprintf(text, sizeof(text), "%s: %s: %s", hook->name, hook->exec,
                       why ? why : "fine");
        doctor_say(doctor, "hook", why ? "failed" : "ok", text, why ? remedy : NULL);
    }
}

static void check_state(struct doctor *doctor)
{
    const char *state = doctor->work.config->paths.state;
    struct statvfs fs;
    char text[TEXT_BYTES];

    if (access(state, W_OK | X_OK) != 0 || statvfs(state, &fs) != 0) {
        (void)snprintf(text, sizeof(text), "%s: %s", state, strerror(errno));
        doctor_say(doctor, "state directory", "failed", text,
                   "it must be there and belong to the daemon's user ([paths] state)");
        return;
    }
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    (void)snprintf(text, sizeof(text), "%s: %" PRIu64 " MiB free", state, free_bytes >> 20);
    bool enough = free_bytes >= STATE_BYTES_MIN;
    doctor_say(doctor, "state directory", enough ? "ok" : "failed", text,
               enough ? NULL : "make room");
}

/* By writing it: whether the daemon may is the sandbox's business as well as the folder's. */
static void check_metrics(struct doctor *doctor)
{
    struct metrics *metrics = doctor->job->agent->metrics;
    const char *textfile = doctor->work.config->metrics.textfile;
    char text[TEXT_BYTES];
    struct err err = ERR_INIT;

    if (metrics == NULL)
        return;
    if (!metrics_try(metrics, clock_boot_ms() + METRICS_MS, &err)) {
        if (err.kind == ERR_IMDS && err.remedy[0] == '\0')
            (void)err_suggest(&err, "mend what `identity` above says");
        (void)err_wrap(&err, "monitoring does not see what the last backup was");
        doctor_say(doctor, "metrics", "failed", err.text, err.remedy);
    } else if (textfile[0] != '\0') {
        (void)snprintf(text, sizeof(text), "%s can be written", textfile);
        doctor_say(doctor, "metrics", "ok", text, NULL);
    }
    if (!secret_is_set(&doctor->work.config->metrics.ping))
        return;
    if (!metrics_ping_went_well(metrics, &err))
        doctor_say(doctor, "ping", "warning", err.text, err.remedy);
    else
        doctor_say(doctor, "ping", "ok",
                   "the last one got through, or there was none since the start", NULL);
}

/* --- all --------------------------------------------------------------------------------- */

static void examine_node(struct doctor *doctor)
{
    bool cloud = check_identity(doctor) && doctor_check_backup_rights(doctor) &&
                 check_volumes(doctor) && doctor_check_image_rights(doctor) &&
                 doctor_check_restore_rights(doctor);

    check_clock(doctor);
    bool guard = check_guard(doctor);
    check_databases(doctor);
    if (cloud && guard && check_devices(doctor))
        check_plan(doctor);
    else
        doctor_say(doctor, "plan", "skipped", "needs what failed above", NULL);
    check_hook_program(doctor);
    check_hook_files(doctor);
    check_state(doctor);
    check_metrics(doctor);
    doctor_check_image(doctor);
    doctor_check_unsettled(doctor);
    if (cloud)
        doctor_check_last_backup(doctor);
}

/* No node, but a machine that looks after the backups of some. */
static void examine_far(struct doctor *doctor)
{
    doctor_say(doctor, "identity", "skipped", "[aws] identity = none: this is no node", NULL);
    doctor_check_far(doctor);
    check_clock(doctor);
    check_state(doctor);
}

void doctor_command(struct job *job)
{
    static const char *const keys[] = {NULL};
    struct doctor doctor = {.job = job};
    struct err err = ERR_INIT;

    if (!control_only_keys(job->args, keys, &err)) {
        job_fail(job, 2, &err, "nothing was changed");
        return;
    }
    work_open(&doctor.work, job);
    /* The backup stage of MariaDB and the guard's lease have one owner at a time. */
    if (!job_wait_turn(job, &job->agent->examiner, "another doctor", clock_boot_ms() + TURN_MS,
                       &err) ||
        !job_take_node(job, &err)) {
        job_leave_turn(job, &job->agent->examiner);
        job_fail(job, err.kind == ERR_CANCELLED ? 1 : 4, &err, "nothing was changed");
        work_close(&doctor.work);
        return;
    }
    check_config(&doctor);
    check_control(&doctor);
    if (doctor.work.config->aws.identity == CONFIG_IDENTITY_IMDS)
        examine_node(&doctor);
    else
        examine_far(&doctor);
    (void)hook_chain_finish(&doctor.work.hooks, "doctor", doctor_soon(), &err);
    inventory_free(&doctor.inventory);
    work_close(&doctor.work);
    job_leave_node(job);
    job_leave_turn(job, &job->agent->examiner);
    job_result(job, doctor.failed > 0 ? 5 : 0,
               json_pack("{s:i,s:i}", "failed", doctor.failed, "warnings", doctor.warnings));
}
