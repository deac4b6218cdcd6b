/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CATALOG_H
#define STILLPOINT_CATALOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/label.h"
#include "agent/daemon/strs.h"
#include "aws/ec2.h"

/* What is known of a backup, as tags on its snapshots and image (INTERFACE.md, Tags) and as JSON.
 * Absent facts are NULL, BACKUP_UNKNOWN or an empty list, never invented. Texts are owned by the
 * struct (malloc). Pure, but for catalog_id_new. */

#define BACKUP_UNKNOWN INT64_MIN

enum {
    BACKUP_ID_BYTES = 32,        /* "sp-20261124T081530Z-k3f9x" and NUL */
    CATALOG_TAG_CHARS_MAX = 256, /* of a value */
    CATALOG_USER_TAGS_MAX = 15,  /* of the operator's own */
    CATALOG_DATABASES_MAX = 4,   /* that have tags; the manifest has all */
};

enum backup_state { BACKUP_HELD, BACKUP_CUT, BACKUP_PENDING, BACKUP_COMPLETE, BACKUP_FAILED };

struct backup_timing { /* microseconds, BACKUP_UNKNOWN where not measured */
    int64_t hooks_hold_us, freeze_us, exchange_us, thaw_us, hooks_release_us, hold_us;
};

struct backup_mount {
    char *path, *fs;
    struct strs volumes;
    bool frozen; /* or still without it: a read-only superblock, a vfat that nobody wrote to */
};

struct backup_left_out {
    char *path, *why;
};

struct backup_database {
    char *name;   /* of [mysql NAME] */
    char *server; /* "10.11.19-MariaDB"; NULL */
    char *method; /* "backup-stage"; NULL where it was not held */
    char *binlog_file;
    int64_t binlog_pos; /* BACKUP_UNKNOWN */
    bool binlog_exact;  /* only with binlog_file */
    char *gtid;
    char *source_file; /* a replica's: its source's coordinates, as executed */
    int64_t source_pos;
};

struct backup_snapshot {
    char *id, *volume, *device;
    int64_t size_gib; /* BACKUP_UNKNOWN */
    char *state;      /* EC2's: "pending", "completed", "error" */
    int64_t progress; /* percent; BACKUP_UNKNOWN */
};

struct backup_image {
    char *id;     /* NULL: there is no image */
    char *state;  /* EC2's: "pending", "available", "failed" */
    char *method; /* "register", "create" */
};

struct backup {
    char *id, *instance, *node, *region, *reason, *policy, *group;
    enum backup_state state;
    enum label asked;       /* LABEL_UNCONFIRMED: not known */
    enum label consistency; /* LABEL_UNCONFIRMED until proved */
    struct strs shortfall;
    int64_t window_begin_utc_us, window_end_utc_us; /* BACKUP_UNKNOWN */
    int64_t clock_error_us;
    struct backup_timing timing;
    struct backup_mount *mounts;
    size_t mount_count;
    struct backup_left_out *left_out;
    size_t left_out_count;
    struct backup_database *databases;
    size_t database_count;
    struct backup_snapshot *snapshots;
    size_t snapshot_count;
    int64_t member_count; /* how many snapshots make the set; BACKUP_UNKNOWN */
    struct backup_image image;
    struct strs roles;      /* Kaltura's; none: "kaltura" is null */
    struct strs versions;   /* "kaltura-base=20.1.0-1" */
    int64_t expires_utc_us; /* BACKUP_UNKNOWN: never */
    bool pinned;
    char *verified;   /* verdict, NULL: not verified */
    char *version;    /* of Stillpoint that made it */
    struct strs tags; /* the operator's own, KEY=VALUE */
};

/* All unknown, state held. NULL without memory. */
struct backup *backup_new(void);
void backup_free(struct backup *backup);
/* Adds an empty element (all unknown) and gives it; NULL without memory. */
struct backup_mount *backup_add_mount(struct backup *backup);
struct backup_database *backup_add_database(struct backup *backup);
struct backup_snapshot *backup_add_snapshot(struct backup *backup);
bool backup_add_left_out(struct backup *backup, const char *path, const char *why, struct err *err);
const char *backup_state_name(enum backup_state state); /* static */
/* The snapshot of VOLUME, or NULL. */
struct backup_snapshot *backup_snapshot_of(const struct backup *backup, const char *volume);

/* --- ids ------------------------------------------------------------------------------------ */

/* "sp-20261124T081530Z-k3f9x" into ID (BACKUP_ID_BYTES): the moment and 25 random bits. */
bool catalog_id_new(int64_t now_utc_us, char *id, struct err *err);
bool catalog_is_id(const char *text);
/* The moment in an id. */
bool catalog_id_moment(const char *id, int64_t *ret_utc_us);

/* --- tags ----------------------------------------------------------------------------------- */

/* ret_tags is a set that ec2_tags_free can take ({0} at first); what it had is replaced. */

/* What every snapshot and the image of the set carry alike; what is not known yet has no tag. For
 * the one TagSpecification of CreateSnapshots, and again after the proof. Names: those of
 * INTERFACE.md and stillpoint:asked, :timing, :shortfall, :left-out, :database, :source and
 * :image (the method).
 * A second database's have its name behind: stillpoint:binlog:NAME.
 *   false  ERR_LIMIT: more than CATALOG_USER_TAGS_MAX own tags; ERR_INTERNAL */
bool catalog_tags_common(const struct backup *backup, struct ec2_tags *ret_tags, struct err *err);
/* What is this volume's alone: stillpoint:device, :mounts, Name. */
bool catalog_tags_of_volume(const struct backup *backup, const char *volume,
                            struct ec2_tags *ret_tags, struct err *err);
/* Those of NOW that WAS has not or has otherwise: what CreateTags must send. */
bool catalog_tags_changed(const struct ec2_tags *was, const struct ec2_tags *now,
                          struct ec2_tags *ret_tags, struct err *err);
/* Adds or replaces. The value is cut to CATALOG_TAG_CHARS_MAX, its last character then "…". */
bool catalog_tags_put(struct ec2_tags *tags, const char *key, const char *value, struct err *err);

/* One snapshot or image as EC2 describes it; all borrowed. */
struct catalog_resource {
    bool is_image;
    const char *id;
    const char *state;
    const char *volume; /* snapshots */
    int64_t size_gib;   /* BACKUP_UNKNOWN */
    int64_t progress;   /* percent; BACKUP_UNKNOWN */
    const char *region; /* NULL: not known */
    const struct ec2_tags *tags;
};

struct catalog {
    struct backup **items; /* newest first, by id */
    size_t count;
};

/* Groups by stillpoint:id; what has no such tag is passed over. A tag that can't be read is a fact
 * that is absent. The state follows the resources: complete only where every member is there and
 * completed (and an image, if there is one, available); a set that misses one, or has one in error,
 * is failed with the reason among its shortfalls. A set whose tags say failed or cut stays so.
 *   false  ERR_INTERNAL */
bool catalog_group(const struct catalog_resource *resources, size_t count,
                   struct catalog *ret_catalog, struct err *err);
void catalog_free(struct catalog *catalog); /* idempotent */
/* TEXT: an id, a unique prefix of one (with or without "sp-"), or "latest": the newest that is
 * complete or pending.
 *   ret_backup  borrowed from CATALOG
 *   false       ERR_NOT_FOUND; ERR_USAGE: several begin so, named in the text */
bool catalog_find(const struct catalog *catalog, const char *text, struct backup **ret_backup,
                  struct err *err);

/* --- JSON ----------------------------------------------------------------------------------- */

/* As INTERFACE.md shows it, in its order of keys, then policy, group, members, version. NULL
 * without memory. */
json_t *catalog_json(const struct backup *backup);
/* Strict in types, passes over unknown keys (a later version's).
 *   false  ERR_PROTOCOL names the key */
bool catalog_from_json(const json_t *json, struct backup **ret_backup, struct err *err);

#endif
