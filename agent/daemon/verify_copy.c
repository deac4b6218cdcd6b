/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/point.h"
#include "agent/daemon/verify.h"
#include "agent/daemon/verify_manifest.h"
#include "agent/daemon/verify_server.h"

enum {
    CHECK_MS = 12 * 60 * 60 * 1000,
    MOUNT_MS = 10 * 60 * 1000,
    NAME_BYTES = 460,
};

static const char *named(const char *what, const char *which, char *name)
{
    (void)snprintf(name, NAME_BYTES, "%s %.400s", what, which);
    return name;
}

/* --- members -------------------------------------------------------------------------------- */

static bool judge_members(struct verify *verify, struct err *err)
{
    const struct gather *gather = &verify->set.gather;
    const size_t count = gather->set->members;
    struct strs findings = {NULL, 0};
    int64_t begun_ms = clock_boot_ms();
    char text[120];

    (void)snprintf(text, sizeof(text),
                   count == 1 ? "%zu snapshot" : "%zu snapshots, all of one instant", count);
    bool ok =
        verify_members_judge(verify->set.backup, inventory_members(&gather->inventory, gather->set),
                             count, &findings, err) &&
        verify_report_judge(&verify->report, begun_ms, &findings, "members", text, err);
    strs_free(&findings);
    return ok;
}

/* --- manifests ------------------------------------------------------------------------------ */

static bool judge_manifest(struct verify *verify, const struct place *place, struct err *err)
{
    char where[PLACE_WORDS_BYTES], name[NAME_BYTES], why_not[ERR_TEXT_BYTES];
    struct manifest manifest = {.backup = NULL};
    struct strs findings = {NULL, 0};
    int64_t begun_ms = clock_boot_ms();
    bool found = false;

    if (!copy_tree_claims_frozen(&verify->tree, place->mount))
        return true; /* what an earlier backup wrote may lie there */
    (void)named("manifest", place->mount->path, name);
    bool ok = copy_tree_look(&verify->tree, place->item, &manifest, &found, why_not, err);
    if (ok && !found)
        return verify_report_add(&verify->report, VERIFY_CHECK_WARNING, begun_ms, err, name,
                                 "none: %s", why_not);
    ok = ok &&
         verify_manifest_judge(verify->set.backup, &manifest, place->volume->source_id,
                               place_words(place, where), &findings, err) &&
         verify_report_judge(&verify->report, begun_ms, &findings, name, "says what the tags say",
                             err);
    strs_free(&findings);
    manifest_free(&manifest);
    return ok;
}

/* Volumes that EC2 could make of it prove nothing of what is on them. */
static bool judge_places(struct verify *verify, struct err *err)
{
    const struct places *places = &verify->tree.places;

    if (places->missing.count > 0)
        return verify_report_judge(&verify->report, clock_boot_ms(), &places->missing, "mounts", "",
                                   err);
    return places->count > 0 ||
           verify_report_add(&verify->report, VERIFY_CHECK_SKIPPED, clock_boot_ms(), err, "mounts",
                             "no mount is recorded in this set: nothing on its volumes was looked "
                             "into");
}

static bool judge_manifests(struct verify *verify, struct err *err)
{
    if (!copy_tree_find(&verify->tree, err) || !judge_places(verify, err))
        return false;
    for (size_t i = 0; i < verify->tree.places.count; i++) {
        if (!judge_manifest(verify, &verify->tree.places.list[i], err))
            return false;
    }
    return true;
}

/* --- filesystems ---------------------------------------------------------------------------- */

static bool check_once(struct verify *verify, const struct place *place, uint32_t flags,
                       struct copy_check *ret_check, struct err *err)
{
    return copy_check(verify->tree.copy, place->item, flags, clock_boot_ms() + CHECK_MS,
                      &verify->job->cancel, ret_check, err);
}

/* freeze.md: a frozen filesystem shows files that were deleted and open, and XFS its log: both go
 * with one mount. An ext4 whose journal has to be replayed was not frozen. */
static bool check_place(struct verify *verify, const struct place *place, struct copy_check *check,
                        bool *ret_moved, struct err *err)
{
    bool frozen = copy_tree_claims_frozen(&verify->tree, place->mount);

    *ret_moved = false;
    if (!check_once(verify, place, frozen ? 0 : COPY_REPLAY, check, err))
        return false;
    if (check->clean || !frozen)
        return true;
    *ret_moved = strstr(check->text, "skipping journal recovery") != NULL;
    return check_once(verify, place, COPY_REPLAY, check, err);
}

/* The last lines of what the checker said, in one. */
static void one_line(const char *text, char *line, size_t size)
{
    size_t len = strlen(text), skip = len > 300 ? len - 300 : 0;

    (void)snprintf(line, size, "%s", text + skip);
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    }
}

static bool judge_filesystem(struct verify *verify, const struct place *place, struct err *err)
{
    char name[NAME_BYTES], line[320];
    struct copy_check check = {.clean = false};
    int64_t begun_ms = clock_boot_ms();
    struct err why = ERR_INIT;
    bool moved = false;

    (void)named("filesystem", place->mount->path, name);
    if (!check_place(verify, place, &check, &moved, &why)) {
        if (copy_tree_refused(&why))
            return verify_report_add(&verify->report, VERIFY_CHECK_SKIPPED, begun_ms, err, name,
                                     "not checked: %s", why.text);
        *err = why;
        return false;
    }
    if (check.clean && moved)
        return verify_report_add(&verify->report, VERIFY_CHECK_FAILED, begun_ms, err, name,
                                 "said to be frozen, and its journal has to be replayed");
    if (check.clean)
        return verify_report_add(&verify->report, VERIFY_CHECK_OK, begun_ms, err, name, "%s, clean",
                                 place->mount->fs ? place->mount->fs : "?");
    one_line(check.text, line, sizeof(line));
    return verify_report_add(&verify->report, VERIFY_CHECK_FAILED, begun_ms, err, name,
                             "%s needs fsck (code %d): %s",
                             place->mount->fs ? place->mount->fs : "?", check.exit_code, line);
}

/* A mount that can't be had is a finding, and what lies below it then another; one that the session
 * has no room for says nothing of the set. */
static bool mount_place(struct verify *verify, const struct place *place, struct err *err)
{
    int64_t begun_ms = clock_boot_ms();
    struct err why = ERR_INIT;
    char name[NAME_BYTES];

    if (copy_mount(verify->tree.copy, place->item, place->mount->path, COPY_WRITABLE,
                   clock_boot_ms() + MOUNT_MS, &verify->job->cancel, &why))
        return true;
    (void)named("mount", place->mount->path, name);
    if (why.kind == ERR_LIMIT)
        return verify_report_add(&verify->report, VERIFY_CHECK_SKIPPED, begun_ms, err, name,
                                 "not mounted: %s%s%s", why.text, why.remedy[0] != '\0' ? ": " : "",
                                 why.remedy);
    if (copy_tree_refused(&why))
        return verify_report_add(&verify->report, VERIFY_CHECK_FAILED, begun_ms, err, name, "%s",
                                 why.text);
    *err = why;
    return false;
}

static bool judge_filesystems(struct verify *verify, struct err *err)
{
    job_set_step(verify->job, "filesystems");
    for (size_t i = 0; i < verify->tree.places.count; i++) {
        if (!judge_filesystem(verify, &verify->tree.places.list[i], err))
            return false;
    }
    point_reach("verify-checked");
    for (size_t i = 0; i < verify->tree.places.count; i++) {
        if (!mount_place(verify, &verify->tree.places.list[i], err))
            return false;
    }
    return true;
}

/* --- databases ------------------------------------------------------------------------------ */

/* The tags have room for a few; the manifest has all. */
static const struct backup *databases_of(const struct verify *verify)
{
    const struct backup *written = verify->tree.manifest.backup;

    return written != NULL && written->database_count > verify->set.backup->database_count
               ? written
               : verify->set.backup;
}

/* It did not answer when the set was made, and nothing says where its files are. */
static bool is_unknown(const struct backup_database *database)
{
    return database->server == NULL && database->datadir == NULL && database->binlog_file == NULL;
}

static bool judge_servers(struct verify *verify, struct err *err)
{
    const struct backup *from = databases_of(verify);
    struct verify_server server = {
        .job = verify->job,
        .copy = verify->tree.copy,
        .set = verify->set.backup,
        .manifest = verify->tree.manifest.backup != NULL ? &verify->tree.manifest : NULL,
        .deep = verify->deep,
        .report = &verify->report,
    };

    if (from->database_count == 0)
        return verify_report_add(&verify->report, VERIFY_CHECK_WARNING, clock_boot_ms(), err,
                                 "server", "none is recorded in this set: none was started");
    for (size_t i = 0; i < from->database_count; i++) {
        char name[NAME_BYTES];
        json_t *facts = NULL;
        server.database = &from->databases[i];
        if (is_unknown(server.database)) {
            if (!verify_report_add(&verify->report, VERIFY_CHECK_WARNING, clock_boot_ms(), err,
                                   named("server",
                                         server.database->name ? server.database->name : "database",
                                         name),
                                   "it did not answer when this set was made: none was started"))
                return false;
            continue;
        }
        point_reach("verify-server");
        bool ok = verify_server_judge(&server, verify->deadline_ms, &facts, err);
        if (facts != NULL)
            (void)json_array_append_new(verify->databases, facts);
        if (!ok)
            return false;
    }
    return true;
}

bool verify_copy_judge(struct verify *verify, struct err *err)
{
    if (!judge_members(verify, err))
        return false;
    job_set_step(verify->job, "look");
    return copy_tree_open(&verify->tree, COPY_VERIFY, NULL, verify->deadline_ms, err) &&
           judge_manifests(verify, err) && judge_filesystems(verify, err) &&
           judge_servers(verify, err);
}
