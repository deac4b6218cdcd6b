/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/backup_record.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

struct backup *backup_new(void)
{
    struct backup *backup = calloc(1, sizeof(*backup));

    if (backup == NULL)
        return NULL;
    backup->state = BACKUP_HELD;
    backup->window_begin_utc_us = backup->window_end_utc_us = BACKUP_UNKNOWN;
    backup->clock_error_us = BACKUP_UNKNOWN;
    backup->timing = (struct backup_timing){BACKUP_UNKNOWN, BACKUP_UNKNOWN, BACKUP_UNKNOWN,
                                            BACKUP_UNKNOWN, BACKUP_UNKNOWN, BACKUP_UNKNOWN};
    backup->member_count = BACKUP_UNKNOWN;
    backup->expires_utc_us = BACKUP_UNKNOWN;
    return backup;
}

static void free_database(struct backup_database *database)
{
    free(database->name);
    free(database->server);
    free(database->method);
    free(database->binlog_file);
    free(database->gtid);
    free(database->source_file);
    free(database->datadir);
    strs_free(&database->settings);
}

static void free_snapshot(struct backup_snapshot *snapshot)
{
    free(snapshot->id);
    free(snapshot->volume);
    free(snapshot->device);
    free(snapshot->state);
}

static void free_lists(struct backup *backup)
{
    for (size_t i = 0; i < backup->mount_count; i++) {
        free(backup->mounts[i].path);
        free(backup->mounts[i].fs);
        free(backup->mounts[i].place);
        strs_free(&backup->mounts[i].volumes);
    }
    for (size_t i = 0; i < backup->left_out_count; i++) {
        free(backup->left_out[i].path);
        free(backup->left_out[i].why);
    }
    for (size_t i = 0; i < backup->database_count; i++)
        free_database(&backup->databases[i]);
    for (size_t i = 0; i < backup->snapshot_count; i++)
        free_snapshot(&backup->snapshots[i]);
    free(backup->mounts);
    free(backup->left_out);
    free(backup->databases);
    free(backup->snapshots);
    strs_free(&backup->shortfall);
    strs_free(&backup->roles);
    strs_free(&backup->versions);
    strs_free(&backup->tags);
}

void backup_free(struct backup *backup)
{
    if (backup == NULL)
        return;
    free_lists(backup);
    free(backup->id);
    free(backup->instance);
    free(backup->node);
    free(backup->region);
    free(backup->reason);
    free(backup->policy);
    free(backup->group);
    free(backup->image.id);
    free(backup->image.state);
    free(backup->image.method);
    free(backup->verified);
    free(backup->version);
    free(backup->launch);
    free(backup);
}

struct backup_mount *backup_add_mount(struct backup *backup)
{
    return grow_by_one(&backup->mounts, &backup->mount_count, sizeof(*backup->mounts));
}

struct backup_database *backup_add_database(struct backup *backup)
{
    struct backup_database *database =
        grow_by_one(&backup->databases, &backup->database_count, sizeof(*database));

    if (database != NULL)
        database->binlog_pos = database->source_pos = BACKUP_UNKNOWN;
    return database;
}

struct backup_snapshot *backup_add_snapshot(struct backup *backup)
{
    struct backup_snapshot *snapshot =
        grow_by_one(&backup->snapshots, &backup->snapshot_count, sizeof(*snapshot));

    if (snapshot != NULL)
        snapshot->size_gib = snapshot->progress = BACKUP_UNKNOWN;
    return snapshot;
}

bool backup_add_left_out(struct backup *backup, const char *path, const char *why, struct err *err)
{
    struct backup_left_out *entry =
        grow_by_one(&backup->left_out, &backup->left_out_count, sizeof(*entry));

    if (entry == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return strs_dup(&entry->path, path, err) && strs_dup(&entry->why, why, err);
}

const char *const backup_timing_names[BACKUP_TIMINGS] = {"hooks_hold", "freeze",        "exchange",
                                                         "thaw",       "hooks_release", "hold"};

int64_t *backup_timing_slot(struct backup_timing *timing, size_t index)
{
    int64_t *const slots[BACKUP_TIMINGS] = {&timing->hooks_hold_us,    &timing->freeze_us,
                                            &timing->exchange_us,      &timing->thaw_us,
                                            &timing->hooks_release_us, &timing->hold_us};

    return slots[index];
}

static const char *const state_names[] = {
    [BACKUP_HELD] = "held",         [BACKUP_CUT] = "cut",       [BACKUP_PENDING] = "pending",
    [BACKUP_COMPLETE] = "complete", [BACKUP_FAILED] = "failed",
};

const char *backup_state_name(enum backup_state state)
{
    return state_names[state];
}

bool backup_state_parse(const char *text, enum backup_state *ret_state)
{
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
        if (strcmp(text, state_names[i]) == 0) {
            *ret_state = (enum backup_state)i;
            return true;
        }
    }
    return false;
}

struct backup_snapshot *backup_snapshot_of(const struct backup *backup, const char *volume)
{
    for (size_t i = 0; i < backup->snapshot_count; i++) {
        const char *known = backup->snapshots[i].volume;
        if (known != NULL && strcmp(known, volume) == 0)
            return &backup->snapshots[i];
    }
    return NULL;
}

struct backup_mount *backup_mount_at(const struct backup *backup, const char *path)
{
    for (size_t i = 0; i < backup->mount_count; i++) {
        if (backup->mounts[i].path != NULL && strcmp(backup->mounts[i].path, path) == 0)
            return &backup->mounts[i];
    }
    return NULL;
}
