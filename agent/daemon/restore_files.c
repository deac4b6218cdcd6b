/* SPDX-License-Identifier: BSD-2-Clause */
/* Files out of a copy of a set, mounted read-only, into a folder that root has named. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/control_wire.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/copy_tree.h"
#include "agent/daemon/hook_ready.h"
#include "agent/daemon/loan.h"
#include "agent/daemon/loan_names.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/survey.h"
#include "agent/daemon/whole_set.h"
#include "agent/hookrun/copy_wire.h"

enum {
    FILES_MS = 23 * 60 * 60 * 1000, /* below COPY_SESSION_MS_MAX */
    FIND_MS = 120000,
    MOUNT_MS = 10 * 60 * 1000,
    LESS_EXIT = 3, /* the files are there, and a volume is not given back yet */
};

struct files {
    struct job *job;
    struct work work;
    struct whole_set set;
    struct loan loan;
    struct copy_tree tree;
    struct copy_progress done;
    const char *id, *to;
    const char *paths[COPY_PATHS_MAX];
    size_t path_count;
    bool dry_run;
};

/* --- asked for ------------------------------------------------------------------------------ */

/* PATH without doubled and trailing slashes and "."; CLEAN has as much room. False: it has "..". */
static bool clean_path(const char *path, char *clean)
{
    size_t len = 0;

    for (const char *at = path + strspn(path, "/"); *at != '\0'; at += strspn(at, "/")) {
        size_t part = strcspn(at, "/");
        if (part == 2 && strncmp(at, "..", part) == 0)
            return false;
        if (part != 1 || at[0] != '.') {
            clean[len++] = '/';
            memcpy(clean + len, at, part);
            len += part;
        }
        at += part;
    }
    if (len == 0)
        clean[len++] = '/';
    clean[len] = '\0';
    return true;
}

/* Element I of LIST, as clean_path has it. */
static bool read_path(json_t *list, size_t i, const char **ret_path, struct err *err)
{
    const char *path = json_string_value(json_array_get(list, i));

    if (path == NULL || path[0] != '/') {
        (void)err_set(err, ERR_USAGE, 0, "'%.100s' is no absolute path", path ? path : "?");
        return err_suggest(err, "name files as they are called on the node: /etc/hosts");
    }
    AUTO_FREE char *clean = strdup(path);
    if (clean == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (!clean_path(path, clean)) {
        (void)err_set(err, ERR_USAGE, 0, "'%.100s' has a '..' in it", path);
        return err_suggest(err, "name files as they are called on the node, without ..");
    }
    if (json_array_set_new(list, i, json_string(clean)) != 0)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *ret_path = json_string_value(json_array_get(list, i));
    return true;
}

static bool read_paths(struct files *files, struct err *err)
{
    json_t *list = json_object_get(files->job->args, "paths");
    size_t count = json_array_size(list);

    if (count == 0 || count > COPY_PATHS_MAX) {
        (void)err_set(err, ERR_USAGE, 0, "%zu paths", count);
        return err_suggest(err, "name 1 to %d, or the folders that they lie in", COPY_PATHS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_path(list, i, &files->paths[files->path_count], err))
            return false;
        files->path_count++;
    }
    return true;
}

static bool read_args(struct files *files, struct err *err)
{
    static const char *const keys[] = {"id", "paths", "to", "dry_run", NULL};
    const json_t *args = files->job->args;

    if (control_only_keys(args, keys, err) && control_get_string(args, "id", &files->id, err) &&
        control_get_string(args, "to", &files->to, err) &&
        control_opt_bool(args, "dry_run", &files->dry_run, err) && read_paths(files, err)) {
        if (files->to[0] == '/')
            return true;
        (void)err_set(err, ERR_USAGE, 0, "--to: '%.100s' is no absolute path", files->to);
    }
    err->kind = ERR_USAGE;
    return false;
}

/* --- before anything is made ---------------------------------------------------------------- */

static bool prepare(struct files *files, struct err *err)
{
    struct work *work = &files->work;
    int64_t deadline_ms = clock_boot_ms() + FIND_MS;

    job_set_step(files->job, "find");
    if (work->config->aws.identity == CONFIG_IDENTITY_NONE) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "this machine is no instance: [aws] identity = none");
        return err_suggest(err, "restore files on an instance in the region of the backup");
    }
    if (!survey_identity(work, deadline_ms, err) ||
        !whole_set_find(work, files->id, false, deadline_ms, &files->set, err))
        return false;
    job_set_id(files->job, files->set.backup->id);
    return hook_ready_to_write(work, files->set.backup->id, files->to, files->dry_run, err) &&
           survey_cloud(work, deadline_ms, err) &&
           loan_open(work, LOAN_FILES, files->set.backup, NULL, &files->loan, err) &&
           loan_place(work, work->instance, NULL, &files->loan, err);
}

static json_t *result_json(const struct files *files)
{
    json_t *paths = json_array();

    for (size_t i = 0; i < files->path_count; i++)
        (void)json_array_append_new(paths, control_text(files->paths[i]));
    return json_pack("{s:s,s:o,s:o,s:I,s:I,s:I}", "id", files->set.backup->id, "to",
                     control_text(files->to), "paths", paths, "files",
                     (json_int_t)files->done.files_done, "bytes",
                     (json_int_t)files->done.bytes_done, "volumes", (json_int_t)files->loan.count);
}

/* --- copying ---------------------------------------------------------------------------------- */

/* What EC2 would say, while nothing is made. */
static bool try_it(struct files *files, struct err *err)
{
    const struct loan_kind kind = loan_kind_here(&files->work);

    return loan_try(&files->work, &files->loan, files->set.backup, &kind, clock_boot_ms() + FIND_MS,
                    err);
}

static bool mount_all(struct files *files, struct err *err)
{
    const struct places *places = &files->tree.places;

    if (places->count == 0) {
        (void)err_set(err, ERR_PRECONDITION, 0, "no filesystem of the backup was found%s%s",
                      places->missing.count ? ": " : "",
                      places->missing.count ? places->missing.items[0] : "");
        return err_suggest(err, "stillpoint restore volumes --attach, and look what is on them");
    }
    for (size_t i = 0; i < places->missing.count; i++)
        job_warn(files->job, places->missing.items[i], NULL);
    for (size_t i = 0; i < places->count; i++) {
        const struct place *place = &places->list[i];
        if (!copy_mount(files->tree.copy, place->item, place->mount->path, 0,
                        clock_boot_ms() + MOUNT_MS, &files->job->cancel, err))
            return err_wrap(err, "%s", place->mount->path);
    }
    return true;
}

static void tell_progress(void *context, const struct copy_progress *progress)
{
    struct job *job = context;
    char text[120];

    (void)snprintf(
        text, sizeof(text), "%llu of %llu files, %.1f of %.1f MiB",
        (unsigned long long)progress->files_done, (unsigned long long)progress->files_total,
        (double)progress->bytes_done / (1 << 20), (double)progress->bytes_total / (1 << 20));
    job_progress(job, "copy", (int64_t)progress->bytes_done, (int64_t)progress->bytes_total, text);
}

static bool copy_out(struct files *files, int64_t deadline_ms, struct err *err)
{
    job_set_step(files->job, "look");
    if (!copy_tree_open(&files->tree, COPY_FILES, files->to, deadline_ms, err) ||
        !copy_tree_find(&files->tree, err) || !mount_all(files, err))
        return false;
    job_set_step(files->job, "copy");
    if (copy_files(files->tree.copy, files->paths, files->path_count, tell_progress, files->job,
                   deadline_ms, &files->job->cancel, &files->done, err))
        return true;
    if (err->kind == ERR_NOT_FOUND)
        err->kind = ERR_PRECONDITION;
    return err_suggest(err, "name files as they were called on the node when the backup was taken");
}

static bool run(struct files *files, struct verdict *verdict, struct err *err)
{
    struct err back_err = ERR_INIT;

    files->tree = (struct copy_tree){.job = files->job,
                                     .socket = files->work.config->hook_socket,
                                     .set = files->set.backup,
                                     .loan = &files->loan};
    bool ok = loan_bring(&files->work, &files->loan, files->set.backup, err) &&
              copy_out(files, clock_boot_ms() + FILES_MS, err);
    job_set_step(files->job, "remove");
    copy_tree_close(&files->tree);
    bool back = loan_end(&files->work, &files->loan, &back_err);
    if (!back)
        job_warn(files->job, back_err.text, back_err.remedy);
    if (!ok)
        return settle_end(verdict, err->kind == ERR_PRECONDITION ? 5 : 1,
                          back ? "no file was copied; all volumes are gone again"
                               : "no file was copied; the daemon still gives volumes back");
    job_result(files->job, back ? 0 : LESS_EXIT, result_json(files));
    return true;
}

void restore_files_command(struct job *job)
{
    struct files *files = calloc(1, sizeof(*files)); /* large for a stack */
    struct verdict verdict = {.exit_code = 1};
    struct err err = ERR_INIT;

    if (files == NULL) {
        (void)err_set(&err, ERR_INTERNAL, 0, "out of memory");
        job_fail(job, 1, &err, "nothing was made");
        return;
    }
    files->job = job;
    work_open(&files->work, job);
    bool ok =
        read_args(files, &err) && prepare(files, &err) && (!files->dry_run || try_it(files, &err));
    if (!ok)
        (void)settle_end(&verdict, work_begin_exit_code(&err), "nothing was made");
    else if (files->dry_run)
        job_result(job, 0, result_json(files));
    else
        ok = run(files, &verdict, &err);
    if (!ok)
        job_fail(job, verdict.exit_code, &err, verdict.now);
    copy_tree_free(&files->tree);
    loan_close(&files->work, &files->loan);
    whole_set_free(&files->set);
    work_close(&files->work);
    free(files);
}
