/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_INVENTORY_H
#define STILLPOINT_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/pool.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/inventory_judge.h"
#include "agent/daemon/strs.h"
#include "aws/ec2_images.h"
#include "aws/ec2_snapshots.h"

/* All sets that there are, in little memory (about 700 bytes for a set of four snapshots and an
 * image): what `list` shows of a set and what retention needs to know. Filled one snapshot and one
 * image at a time while EC2's pages stream by (inventory_gather.h asks for them). All facts of one
 * set: `struct backup`, gather.h.
 *
 * What EC2 says itself (id, volume, owner, start, state, tier, size) stands apart from what is
 * written in tags, which a node that was broken into can forge on all that it may tag. Pure. */

enum { INVENTORY_RESOURCES_MAX = 1000 * 1000 };

/* One resource that a backup made (it says its state) and that belongs to no set. */
enum inventory_stray {
    INVENTORY_STRAY_NO_ID,   /* no stillpoint:id */
    INVENTORY_STRAY_BAD_ID,  /* one that is no id */
    INVENTORY_STRAY_IMAGE_OF /* made by CreateImage for a set of which nothing else is there */
};

struct inventory_orphan {
    const char *id;              /* "snap-…", "ami-…" */
    const char *instance, *node; /* by its tags; NULL */
    const char *volume;          /* EC2's own; NULL: an image's, or a copy's */
    int64_t start_utc_us;        /* EC2's own; 0 where not told */
    enum inventory_stray why;
    uint8_t state; /* enum ec2_snapshot_state, enum ec2_image_state */
    bool is_image;
    bool pinned; /* stillpoint:pinned says so */
    bool locked; /* inventory_lock */
};

struct inventory_image {
    const char *id;
    const char *instance; /* by its tags; NULL */
    int64_t start_utc_us; /* EC2's own: when it was made; 0 where not told */
    uint32_t set;
    enum ec2_image_state state;
    bool lost;     /* its mapping names a snapshot that is not there */
    bool disowned; /* its tags say another instance than the set's */
};

struct inventory_set {
    const char *id;
    /* By the tags, NULL where no member has it: the instance of most members; of the other texts,
     * where members differ, the smallest in strcmp's order. */
    const char *instance, *node, *group, *policy, *reason;
    const char *verified;     /* so "failed …" is before "ok …" */
    const char *rollback;     /* that needs it: it is under way, or can be taken back; NULL */
    enum backup_state tagged; /* the lowest of its members; failed if one says so */
    enum backup_state state;  /* judged: failed where there is a fault, pending while EC2 works */
    enum label asked, consistency; /* the lowest */
    unsigned faults;               /* bits by enum set_fault; 0: nothing is wrong with it */
    int64_t window_begin_utc_us;   /* the node's clock; BACKUP_UNKNOWN */
    /* EC2's own: the earliest and the latest start of its snapshots, of an image alone when that
     * was made. 0 where not told. */
    int64_t start_utc_us, last_start_utc_us;
    int64_t expires_utc_us; /* the latest that a member says; BACKUP_UNKNOWN: never */
    int64_t size_gib;       /* of the volumes */
    int64_t member_count;   /* by stillpoint:members, the largest; BACKUP_UNKNOWN */
    bool counts_differ;     /* not all members say so */
    /* Its own snapshots, by volume, then those that CreateImage made for its image; and its
     * images. inventory_members, inventory_images. */
    uint32_t first_member, members, image_members;
    uint32_t first_image, images;
    bool pinned;   /* one member or image says so */
    bool locked;   /* one member is: inventory_lock */
    bool archived; /* one member is in the archive tier: a recall takes up to 72 h */
};

struct inventory {
    struct pool texts; /* of all */
    const char *region;
    struct inventory_set *sets; /* once settled: newest first, by EC2's start, then by id */
    size_t count;
    struct set_member *members; /* of all sets; settled: a set's stand together */
    size_t member_count;
    struct inventory_image *images;
    size_t image_count;
    struct inventory_orphan *orphans; /* settled: oldest first */
    size_t orphan_count;
    size_t seen; /* snapshots and images so far */
    struct pool_index by_id, by_member;
};

/* An empty one, in CALLER's memory; ended by inventory_free, also after a failure.
 *   region  copied; NULL: not known */
bool inventory_begin(struct inventory *inventory, const char *region, struct err *err);
void inventory_free(struct inventory *inventory); /* idempotent; {0} is fine */

/* As EC2 describes it; what was seen before (a page that came twice) is passed over. A tag that
 * can't be read is a fact that is absent. Snapshots before images: an image is held against them.
 *   false  ERR_LIMIT more than INVENTORY_RESOURCES_MAX; ERR_INTERNAL */
bool inventory_add_snapshot(struct inventory *inventory, const struct ec2_snapshot *snapshot,
                            struct err *err);
bool inventory_add_image(struct inventory *inventory, const struct ec2_image *image,
                         struct err *err);
/* Once all are there: puts them in order and judges. Nothing may be added afterwards. */
bool inventory_settle(struct inventory *inventory, struct err *err);

/* Of SET: set->members of its own, and behind them set->image_members. */
struct set_member *inventory_members(const struct inventory *inventory,
                                     const struct inventory_set *set);
struct inventory_image *inventory_images(const struct inventory *inventory,
                                         const struct inventory_set *set);

/* EC2 has a lock on this snapshot (DescribeLockedSnapshots): marks it, and its set or orphan. One
 * that is not there is passed over. After inventory_settle. */
void inventory_lock(struct inventory *inventory, const char *snapshot_id);

/* Complete, proved to be something, and nothing wrong with it but what `verify` may have found. */
bool inventory_is_complete(const struct inventory_set *set);
/* What `verify` wrote, as far as its tag can be believed: that it does not restore; that it does.
 */
bool inventory_verify_failed(const struct inventory_set *set);
bool inventory_verify_ok(const struct inventory_set *set);
/* Complete, and `verify` did not fail it: what every command means by a good backup. */
bool inventory_is_good(const struct inventory_set *set);
/* Failed, though its tags say nothing of it: judged so. */
bool inventory_is_broken(const struct inventory_set *set);
/* When it was taken by EC2's word; where EC2 does not say, by its id. */
int64_t inventory_taken_us(const struct inventory_set *set);

/* TEXT: an id, a unique prefix of one (with or without "sp-"), or "latest": the newest that is
 * complete or pending, of INSTANCE where that is not NULL.
 *   false  ERR_NOT_FOUND; ERR_USAGE: several begin so, named in the text */
bool inventory_find(const struct inventory *inventory, const char *text, const char *instance,
                    const struct inventory_set **ret_set, struct err *err);

/* What is wrong with SET, a sentence each, those that name a member last; nothing where faults is
 * 0. Adds to RET_WHY. */
bool inventory_why(const struct inventory *inventory, const struct inventory_set *set,
                   struct strs *ret_why, struct err *err);

#endif
