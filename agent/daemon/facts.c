/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/facts.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/daemon/launch_facts.h"
#include "hooks/hook_mysql.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, 0, "out of memory");
}

static bool put(char **ret_text, const char *text, struct err *err)
{
    free(*ret_text);
    *ret_text = NULL;
    return text == NULL || text[0] == '\0' || strs_dup(ret_text, text, err);
}

static bool put_head(struct work *work, struct backup *backup, struct err *err)
{
    const struct work_options *options = &work->options;

    backup->asked = options->asked;
    backup->pinned = options->pin;
    backup->member_count = (int64_t)work->plan->volume_count;
    if (options->keep_ms > 0)
        backup->expires_utc_us = clock_utc_us() + options->keep_ms * 1000;
    return put(&backup->id, work->job->id, err) &&
           put(&backup->instance, work->identity.document.instance_id, err) &&
           put(&backup->node, work->identity.hostname, err) &&
           put(&backup->region, work->identity.document.region, err) &&
           put(&backup->reason, options->reason, err) &&
           put(&backup->version, STILLPOINT_VERSION, err) &&
           strs_copy(&backup->tags, &options->tags, err);
}

static bool put_places(const struct plan *plan, struct backup *backup, struct err *err)
{
    for (size_t i = 0; i < plan->mount_count; i++) {
        struct backup_mount *mount = backup_add_mount(backup);
        if (mount == NULL)
            return no_memory(err);
        if (!put(&mount->path, plan->mounts[i].path, err) ||
            !put(&mount->fs, plan->mounts[i].fs, err) ||
            !put(&mount->place, plan->mounts[i].place, err) ||
            !strs_copy(&mount->volumes, &plan->mounts[i].volumes, err))
            return false;
    }
    for (size_t i = 0; i < plan->left_out_count; i++) {
        if (!backup_add_left_out(backup, plan->left_out[i].path, plan->left_out[i].why, err))
            return false;
    }
    return true;
}

/* Device and size are known before EC2 gives the snapshot its id. */
static bool put_volumes(const struct plan *plan, struct backup *backup, struct err *err)
{
    for (size_t i = 0; i < plan->volume_count; i++) {
        struct backup_snapshot *snapshot = backup_add_snapshot(backup);
        if (snapshot == NULL)
            return no_memory(err);
        snapshot->size_gib = plan->volumes[i].size_gib;
        if (!put(&snapshot->volume, plan->volumes[i].id, err) ||
            !put(&snapshot->device, plan->volumes[i].device_name, err))
            return false;
    }
    return true;
}

/* For the day when the instance can't be asked any more. */
static bool put_launch(const struct ec2_instance *instance, struct backup *backup, struct err *err)
{
    struct launch_facts launch = {.type = ""};

    launch_facts_of(instance, &launch);
    return launch_facts_text(&launch, &backup->launch, err);
}

bool facts_begin(struct work *work, struct err *err)
{
    work->backup = backup_new();
    if (work->backup == NULL)
        return no_memory(err);
    return put_head(work, work->backup, err) && put_places(work->plan, work->backup, err) &&
           put_launch(work->instance, work->backup, err) &&
           put_volumes(work->plan, work->backup, err);
}

static struct backup_database *database_named(struct backup *backup, const char *name)
{
    for (size_t i = 0; i < backup->database_count; i++) {
        if (strcmp(backup->databases[i].name, name) == 0)
            return &backup->databases[i];
    }
    return backup_add_database(backup);
}

/* POSITION NULL: the server was not held in this try; what an earlier one read is dropped. */
static bool put_position(struct backup_database *database, const struct db_position *position,
                         struct err *err)
{
    static const struct db_position none;

    if (position == NULL)
        position = &none;
    database->binlog_pos = database->source_pos = BACKUP_UNKNOWN;
    if (!put(&database->binlog_file, NULL, err) || !put(&database->source_file, NULL, err))
        return false;
    if (position->binlog) {
        database->binlog_pos = position->binlog_pos;
        database->binlog_exact = position->exact;
        if (!put(&database->binlog_file, position->binlog_file, err))
            return false;
    }
    if (position->channel_count > 0) {
        database->source_pos = position->channels[0].source_pos;
        if (!put(&database->source_file, position->channels[0].source_file, err))
            return false;
    }
    return put(&database->gtid, position->gtid, err);
}

/* Where a server on a copy finds its files, and with what settings. */
static bool put_server(struct backup_database *database, const struct db_server *server,
                       struct err *err)
{
    const char *line = server->settings;

    if (!put(&database->server, server->version_text, err) ||
        !put(&database->datadir, server->path_count > 0 ? server->paths[0].path : NULL, err))
        return false;
    strs_free(&database->settings);
    while (line != NULL && *line != '\0') {
        size_t len = strcspn(line, "\n");
        if (!strs_printf(&database->settings, err, "%.*s", (int)len, line))
            return false;
        line += len + (line[len] == '\n');
    }
    return true;
}

bool facts_server(struct work *work, const char *name, const struct db_server *server,
                  struct err *err)
{
    struct backup_database *database = database_named(work->backup, name);

    if (database == NULL)
        return no_memory(err);
    return put(&database->name, name, err) && put_server(database, server, err);
}

bool facts_positions(struct work *work, struct err *err)
{
    for (size_t i = 0; i < work->hooks.count; i++) {
        const struct hook_link *link = &work->hooks.links[i];
        if (!hook_is_mysql(&link->hook))
            continue;
        struct backup_database *database = database_named(work->backup, link->hook.name);
        const struct db_server *server = hook_mysql_server(&link->hook);
        const struct db_position *position = hook_mysql_position(&link->hook);
        if (database == NULL)
            return no_memory(err);
        if (!put(&database->name, link->hook.name, err) ||
            (server != NULL && !put_server(database, server, err)) ||
            !put(&database->method,
                 link->held && server != NULL ? db_method_name(server->choice.method) : NULL,
                 err) ||
            !put_position(database, link->held ? position : NULL, err))
            return false;
    }
    return true;
}
