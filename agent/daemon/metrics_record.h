/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_METRICS_RECORD_H
#define STILLPOINT_METRICS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/verify_verdict.h"

/* What monitoring is told of this node's backups, and how an event changes it. Pure; kept over a
 * restart as STATE/metrics.json. The rule of all of it: a success is never shown after a failure.
 * So an attempt is on record before it holds anything, and one that a record shows as running when
 * it is read has failed: its daemon died. */

#define METRICS_RECORD_NAME "metrics.json"

enum {
    METRICS_RUNNING_MAX = 16, /* attempts at once: as many as there are jobs */
    METRICS_STEPS_MAX = 12,
    METRICS_VOLUMES_MAX = 64,
    METRICS_WORD_BYTES = 32,
    METRICS_WHY_BYTES = 400,
    METRICS_BYTES_MAX = 64 * 1024,
};

enum metrics_result {
    METRICS_NONE,        /* no attempt has ended yet */
    METRICS_SUCCESS,     /* complete, and all that was asked: exit code 0 */
    METRICS_DEGRADED,    /* complete, and less than was asked: 3 */
    METRICS_FAILED,      /* there is no backup of it */
    METRICS_INTERRUPTED, /* the daemon died in it */
    METRICS_OPEN, /* its outcome is not known yet: 6, or somebody else brings it to its end */
};
const char *metrics_result_name(enum metrics_result result); /* "success", … Static */

struct metrics_attempt {
    char id[BACKUP_ID_BYTES]; /* "": none */
    int64_t begun_utc_us;
};

struct metrics_step {
    char name[METRICS_WORD_BYTES];
    int64_t took_ms;
};

struct metrics_volume {
    char id[METRICS_WORD_BYTES], device[64];
    int64_t size_bytes;
};

/* Of the last backup that has a set. */
struct metrics_set {
    char id[BACKUP_ID_BYTES]; /* "": there was none */
    enum label label, asked;
    int64_t instant_utc_us; /* of the cut, on the node's clock */
    struct backup_timing timing;
    struct metrics_volume volumes[METRICS_VOLUMES_MAX];
    size_t volume_count;
};

struct metrics_record {
    char instance[METRICS_WORD_BYTES]; /* whose this is; "": not known yet */
    char boot[40];                     /* journal_boot_id of when it was written */
    struct metrics_attempt running[METRICS_RUNNING_MAX];
    size_t running_count;
    struct metrics_attempt last;  /* the last that began */
    struct metrics_attempt ended; /* that of which the result is */
    enum metrics_result result;
    int exit_code; /* -1: none, its daemon died */
    bool waits;    /* OPEN, and no failure yet: its end comes, and is told and counted then */
    int64_t ended_utc_us;
    char why[METRICS_WHY_BYTES]; /* it is no success; "" */
    int64_t success_utc_us;      /* instant of the last success; 0: none */
    int64_t attempts,
        failures; /* all there were; failures: all that ended otherwise than in success */
    struct metrics_step steps[METRICS_STEPS_MAX]; /* of the attempt that ended last */
    size_t step_count;
    struct metrics_set set;
    /* This node's sets as EC2 had them; seen 0: they were never looked at. */
    int64_t seen_utc_us, good, broken, other;
    int64_t oldest_good_utc_us, newest_good_utc_us; /* 0: there is none */
    /* Holds for somebody else's snapshots: all, those that did not last until `release`, and the
     * last; lent_utc_us 0: there was none. */
    int64_t lent, lent_failures, lent_utc_us, lent_us;
    char verify_id[BACKUP_ID_BYTES]; /* "": nothing was verified */
    enum verify_result verify_result;
    int64_t verify_utc_us;
};

struct metrics_ending {
    const char *id;
    int exit_code;    /* INTERFACE.md */
    bool unfinished;  /* somebody else brings it to its end: resume.h */
    bool goes_on;     /* so, and 6 only since the daemon was told to end */
    enum label label; /* what is proved of its set */
    const char *why;  /* NULL: nothing to say */
    const struct metrics_step *steps;
    size_t step_count;
};

void metrics_record_begin(struct metrics_record *record, const char *id, int64_t now_utc_us);
/* The set exists and its label is proved; how it ends is told later. */
void metrics_record_cut(struct metrics_record *record, const struct backup *backup);
/* One that began before the one whose result stands can make it worse, never better.
 *   true  the result that is shown is now this one's */
bool metrics_record_end(struct metrics_record *record, const struct metrics_ending *ending,
                        int64_t now_utc_us);
/* What was left open came to its end: COMPLETE, or it is gone. As above; nothing where it is not
 * known or not open any more. */
bool metrics_record_settle(struct metrics_record *record, const struct backup *backup,
                           bool complete, bool as_asked, int64_t now_utc_us);
/* Everything that runs has died with its daemon.
 *   true  something did */
bool metrics_record_interrupt(struct metrics_record *record, int64_t now_utc_us);
/*   lasted   it was released by whoever asked for it, and all that was to be held was until then
 *   hold_us  0: it did not come to it */
void metrics_record_lent(struct metrics_record *record, bool lasted, int64_t hold_us,
                         int64_t now_utc_us);
void metrics_record_verified(struct metrics_record *record, const char *id,
                             const struct verify_verdict *verdict);
void metrics_record_sets(struct metrics_record *record, const struct inventory *inventory,
                         int64_t now_utc_us);
/* The node is INSTANCE: what another's record says is dropped, but for what runs here.
 *   true  something changed */
bool metrics_record_own(struct metrics_record *record, const char *instance);

bool metrics_record_write(const struct metrics_record *record, struct buf *ret_json,
                          struct err *err);
/*   ret_record  untouched on failure
 *   false  ERR_PROTOCOL: not one of ours */
bool metrics_record_read(const char *text, size_t len, struct metrics_record *ret_record,
                         struct err *err);

#endif
