/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_PLAN_H
#define STILLPOINT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/config.h"
#include "agent/daemon/devices.h"
#include "agent/daemon/label.h"
#include "agent/daemon/mounts.h"
#include "agent/daemon/mounts_fold.h"
#include "agent/daemon/strs.h"

/* What a backup takes and what it freezes, in which order; what is left out and why; how far the
 * label can reach. Pure: facts in, decisions out. */

enum plan_role {
    PLAN_DATA,   /* datadir, InnoDB's home, undo and log directories: redo logs are here */
    PLAN_BINLOG, /* binary log */
};

/* A folder of a database server, with what the guard's DEVICE_OF answered. */
struct plan_path {
    const char *what; /* "data directory", "binary log directory", … for messages */
    const char *path;
    enum plan_role role;
    uint32_t dev_major, dev_minor;
    uint64_t mnt_id; /* 0: unknown */
    bool not_found;  /* the guard could not look it up: why below */
    const char *why; /* NULL */
};

struct plan_server {
    const char *name;
    bool required;      /* [mysql] required */
    bool commits_go_on; /* the hold does not block commits: the binary log's mount comes first */
    struct plan_path *paths;
    size_t path_count;
};

struct plan_input {
    const struct mounts *mounts;
    const struct mount_list *list;     /* mounts_fold of them */
    const struct device_trace *traces; /* devices_trace_all of the list */
    const struct device_attached *attached;
    size_t attached_count;
    const struct strs *exclude_volumes; /* our own, of a verify beside us; NULL: none */
    const struct config_backup *config; /* mounts, exclude_mounts, on_shortfall */
    const struct strs *leave_out;       /* by this job alone, as exclude_mounts; NULL: none */
    enum label asked;
    const struct plan_server *servers;
    size_t server_count;
};

struct plan_volume {
    char *id;
    char *device_name;
    int64_t size_gib;
    bool root;
};

enum plan_use {
    PLAN_FREEZE,
    PLAN_SYNC_ONLY, /* vfat: syncfs; counts as still if no stat counter moved */
    PLAN_STILL      /* read-only superblock: nothing to do */
};

struct plan_mount {
    char *path;
    char *fs;
    char *place; /* backup_record.h */
    uint32_t dev_major, dev_minor;
    uint64_t mnt_id;
    enum plan_use use;
    bool together;       /* may be frozen at the same time as the one before it */
    struct strs volumes; /* of the set, below it */
    struct strs stats;   /* PLAN_SYNC_ONLY: stat files to compare before and after */
};

struct plan_left_out {
    char *path;
    char *why; /* "nfs4: not on a volume of this instance" */
};

/* Why the label can't be better than AT_MOST whatever happens in the hold. */
struct plan_shortfall {
    enum label at_most;
    char *why;
};

struct plan_server_verdict {
    bool must_block_commits; /* commits_go_on, but the order that it needs can't be had: take FTWRL
                              */
    char *why;               /* NULL unless must_block_commits */
    bool outside;            /* a folder lies outside of the set */
};

struct plan {
    struct plan_volume *volumes; /* the set: everything attached but exclude_volumes */
    size_t volume_count;
    struct plan_mount *mounts; /* in the order of freezing; the STILL ones behind */
    size_t mount_count;
    size_t freeze_count;            /* of use PLAN_FREEZE */
    struct plan_left_out *left_out; /* not the kernel's own (proc, sysfs, …), tmpfs neither */
    size_t left_out_count;
    struct plan_shortfall *shortfalls;
    size_t shortfall_count;
    struct plan_server_verdict *servers; /* in the order of the input */
    size_t server_count;
    struct strs warnings;
    enum label at_most; /* the lowest of the shortfalls; LABEL_APPLICATION without */
};

/*   ret_plan  given to the caller (plan_free)
 *   false     ERR_PRECONDITION with the remedy: nothing is attached; a configured mount is not
 * there or not on the set; the label would fall below ASKED and on_shortfall is discard; a required
 * server's folder lies outside; more mounts than the guard takes. ERR_INTERNAL */
bool plan_make(const struct plan_input *input, struct plan **ret_plan, struct err *err);
void plan_free(struct plan *plan);

#endif
