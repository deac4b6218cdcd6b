/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/daemon/config.h"

enum {
    SPREAD_US = 10 * 1000 * 1000, /* members of one call are begun together */
    BEFORE_US =
        120 * 1000 * 1000, /* a manifest is written in the hold: at most a minute, and slack */
    AFTER_US = 1000 * 1000,
};

/* --- the members ---------------------------------------------------------------------------- */

static int compare_moments(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The moment that most of them were begun at; 0: not told. */
static int64_t middle_start(const struct set_member *members, size_t count)
{
    int64_t moments[EC2_DEVICES_MAX];
    size_t told = 0;

    for (size_t i = 0; i < count && told < EC2_DEVICES_MAX; i++) {
        if (members[i].start_utc_us != 0)
            moments[told++] = members[i].start_utc_us;
    }
    if (told == 0)
        return 0;
    qsort(moments, told, sizeof(moments[0]), compare_moments);
    return moments[told / 2];
}

/* Of two that differ, the one farther from the window is the stranger. */
static int64_t right_start(const struct backup *set, const struct set_member *members, size_t count)
{
    int64_t middle = middle_start(members, count), best = middle;

    if (count != 2 || set->window_begin_utc_us == BACKUP_UNKNOWN)
        return middle;
    for (size_t i = 0; i < count; i++) {
        int64_t start = members[i].start_utc_us;
        if (start != 0 &&
            llabs(start - set->window_begin_utc_us) < llabs(best - set->window_begin_utc_us))
            best = start;
    }
    return best;
}

bool verify_members_judge(const struct backup *set, const struct set_member *members, size_t count,
                          struct strs *ret_findings, struct err *err)
{
    int64_t start = right_start(set, members, count);

    for (size_t i = 0; i < count; i++) {
        const struct set_member *one = &members[i];
        for (size_t k = 0; k < i; k++) {
            if (members[k].volume != NULL && one->volume != NULL &&
                strcmp(members[k].volume, one->volume) == 0 &&
                !strs_printf(ret_findings, err, "%s and %s are both of %s", members[k].id, one->id,
                             one->volume))
                return false;
        }
        int64_t off_us = one->start_utc_us - start;
        if (one->start_utc_us == 0 || llabs(off_us) <= SPREAD_US)
            continue;
        if (!strs_printf(ret_findings, err,
                         "%s (%s) is of another instant: EC2 began it %" PRId64 " s %s the others",
                         one->id, one->volume ? one->volume : "a copy",
                         (int64_t)llabs(off_us) / 1000000, off_us < 0 ? "before" : "after"))
            return false;
    }
    return true;
}

/* --- what stands on the disk -------------------------------------------------------------- */

static bool judge_volumes(const struct backup *set, const struct manifest *manifest,
                          const char *volume, const char *where, struct strs *findings,
                          struct err *err)
{
    if (!strs_has(&manifest->volumes, volume) &&
        !strs_printf(findings, err, "the manifest on %s is of a set without %s", where, volume))
        return false;
    for (size_t i = 0; i < set->snapshot_count; i++) {
        const char *id = set->snapshots[i].volume;
        if (id != NULL && strcmp(id, volume) != 0 && !strs_has(&manifest->volumes, id) &&
            !strs_printf(findings, err,
                         "the manifest on %s knows nothing of %s, which is in the set", where, id))
            return false;
    }
    for (size_t i = 0; i < manifest->volumes.count; i++) {
        const char *id = manifest->volumes.items[i];
        if (backup_snapshot_of(set, id) == NULL &&
            !strs_printf(findings, err, "the manifest on %s has %s, which is not in the set", where,
                         id))
            return false;
    }
    return true;
}

static bool judge_moment(const struct backup *set, const struct manifest *manifest,
                         const char *where, struct strs *findings, struct err *err)
{
    char written[CLOCK_TEXT_BYTES], begin[CLOCK_TEXT_BYTES];
    int64_t window = set->window_begin_utc_us;

    if (window == BACKUP_UNKNOWN || (manifest->written_utc_us >= window - BEFORE_US &&
                                     manifest->written_utc_us <= window + AFTER_US))
        return true;
    return strs_printf(
        findings, err, "the manifest on %s was written at %s, the window of the tags begins at %s",
        where, clock_utc_text(manifest->written_utc_us, written), clock_utc_text(window, begin));
}

static const struct backup_database *database_named(const struct backup *backup, const char *name)
{
    for (size_t i = 0; name != NULL && i < backup->database_count; i++) {
        if (backup->databases[i].name != NULL && strcmp(backup->databases[i].name, name) == 0)
            return &backup->databases[i];
    }
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL || strcmp(a, b) == 0;
}

static bool judge_positions(const struct backup *set, const struct manifest *manifest,
                            const char *where, struct strs *findings, struct err *err)
{
    for (size_t i = 0; i < set->database_count; i++) {
        const struct backup_database *tagged = &set->databases[i];
        const struct backup_database *written = database_named(manifest->backup, tagged->name);
        if (written == NULL || tagged->binlog_file == NULL || written->binlog_file == NULL ||
            (same_text(tagged->binlog_file, written->binlog_file) &&
             tagged->binlog_pos == written->binlog_pos))
            continue;
        if (!strs_printf(findings, err,
                         "%s: the tags say %s:%" PRId64 ", the manifest on %s says %s:%" PRId64,
                         tagged->name, tagged->binlog_file, tagged->binlog_pos, where,
                         written->binlog_file, written->binlog_pos))
            return false;
    }
    return true;
}

bool verify_manifest_judge(const struct backup *set, const struct manifest *manifest,
                           const char *volume, const char *where, struct strs *ret_findings,
                           struct err *err)
{
    char written[CLOCK_TEXT_BYTES];

    if (strcmp(manifest->backup->id, set->id) != 0) /* then nothing else of it can fit */
        return strs_printf(ret_findings, err,
                           "the manifest on %s is of another backup: %s, written at %s", where,
                           manifest->backup->id, clock_utc_text(manifest->written_utc_us, written));
    if (!same_text(manifest->backup->instance, set->instance) &&
        !strs_printf(ret_findings, err, "the manifest on %s is of instance %s, the tags say %s",
                     where, manifest->backup->instance, set->instance))
        return false;
    return judge_volumes(set, manifest, volume, where, ret_findings, err) &&
           judge_moment(set, manifest, where, ret_findings, err) &&
           judge_positions(set, manifest, where, ret_findings, err);
}
