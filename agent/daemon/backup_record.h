/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_BACKUP_RECORD_H
#define STILLPOINT_BACKUP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/label.h"
#include "agent/daemon/strs.h"

/* What is known of one backup. Absent facts are NULL, BACKUP_UNKNOWN or an empty list, never
 * invented. Texts are owned by the struct (malloc). */

#define BACKUP_UNKNOWN INT64_MIN

enum { BACKUP_ID_BYTES = 32 }; /* "sp-20261124T081530Z-k3f9x" and NUL */

enum backup_state { BACKUP_HELD, BACKUP_CUT, BACKUP_PENDING, BACKUP_COMPLETE, BACKUP_FAILED };

struct backup_timing { /* microseconds, BACKUP_UNKNOWN where not measured */
    int64_t hooks_hold_us, freeze_us, exchange_us, thaw_us, hooks_release_us, hold_us;
};

/* The steps by name, in the order of the struct: "hooks_hold", "freeze", … "hold". */
enum { BACKUP_TIMINGS = 6 };
extern const char *const backup_timing_names[BACKUP_TIMINGS];
int64_t *backup_timing_slot(struct backup_timing *timing, size_t index);

struct backup_mount {
    char *path, *fs;
    char *place; /* on its (first) volume: "disk" the whole of it, "p1", "lvm:vg/lv"; NULL */
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
    char *datadir;        /* its own path, on the node */
    struct strs settings; /* "name=value" that its files depend on: hooks/db_settings.h */
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
    int64_t clock_error_us; /* BACKUP_UNKNOWN, too, where nobody kept the clock in step */
    struct backup_timing timing;
    struct backup_mount *mounts;
    size_t mount_count;
    struct backup_left_out *left_out;
    size_t left_out_count;
    int64_t left_out_more; /* how many more a tag had no room for */
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
    char *launch;     /* how its instance was launched, as launch_facts.h writes it */
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
const char *backup_state_name(enum backup_state state);                  /* static */
bool backup_state_parse(const char *text, enum backup_state *ret_state); /* false: no state */
/* The snapshot of VOLUME, the mount at PATH; or NULL. */
struct backup_snapshot *backup_snapshot_of(const struct backup *backup, const char *volume);
struct backup_mount *backup_mount_at(const struct backup *backup, const char *path);

#endif
