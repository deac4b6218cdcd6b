/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_RETENTION_H
#define STILLPOINT_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/daemon/backup_record.h"

/* Which sets may go, from what there is and a policy. Pure: no clock, no EC2, no text of a tag.
 *
 * Whom to believe. Nodes write their own tags, so a node that was broken into can write anything on
 * what is its own, and can make snapshots of its own volumes that say they are another node's.
 * What EC2 itself says can't be forged: a snapshot's volume, its start, its state, and to which
 * instance a volume is attached now. So:
 *   - A set is judged once for each of its volumes, within the *series* of that volume: the good
 *     sets that have a snapshot of it, and those of the node that it says it is of which EC2 proves
 *     to be that node's (a volume of theirs is attached to it now: so a node's sets from before a
 *     volume was replaced are pushed out by those after). It stays if one of its volumes wants it.
 *     Sets that only say that they are of node B are in no series of B's: a thousand of them push
 *     nothing out.
 *   - Only complete sets count. Fewer others in a series never makes a set go that stayed, so what
 *     is missing in the list only lengthens lives, and what is left after all that goes has gone is
 *     judged as before.
 *   - `pinned` and `expires` only add reasons to stay.
 *   - So does what `verify` wrote. Each series is judged twice: over all that is complete, whatever
 *     was found, and over what is good, without those that failed. A set stays if one of the two
 *     keeps it: a failed one has the slot that it would have had, and takes none from a good one.
 *     And the newest that verify found good stays, whatever came after it.
 *   - What the tags alone call broken, while EC2 has every snapshot of it completed (RETENTION_
 *     DOUBTFUL), goes after a day only where something better is there: it stays as the only set
 *     that its volume has of a period which the policy keeps, and where the volume has no good set
 *     at all. So a node that marks all its backups as failed loses none to keep_hourly … _yearly.
 *
 * The slots are restic's: keep_daily = 7 keeps the newest good set of each of the seven newest days
 * *that have one* (after a gap nothing goes by its age alone); keep_within counts back from the
 * newest good set. Hours, days, ISO weeks, months and years are UTC's, the same on every machine
 * and in every season. */

enum retention_rule {
    RETENTION_LAST,
    RETENTION_HOURLY,
    RETENTION_DAILY,
    RETENTION_WEEKLY,
    RETENTION_MONTHLY,
    RETENTION_YEARLY,
    RETENTION_RULE_COUNT
};
const char *retention_rule_name(enum retention_rule rule); /* "daily"; static */

struct retention_policy {
    int64_t keep[RETENTION_RULE_COUNT]; /* how many; 0: none by this rule */
    int64_t within_ms;                  /* 0: none */
};
/* False: it keeps nothing at all, so nothing was configured, and nothing may be pruned by it. */
bool retention_is_set(const struct retention_policy *policy);

enum retention_class {
    RETENTION_GOOD,     /* complete, proved and nothing wrong with it */
    RETENTION_FAILED,   /* as good, but that `verify` failed */
    RETENTION_UNTOLD,   /* all there, but nobody finished it: judged as if good, never counts */
    RETENTION_DOUBTFUL, /* broken by its tags alone; or what belongs to no set */
    RETENTION_BROKEN,   /* EC2 says so */
    RETENTION_PENDING,  /* EC2 or somebody still works on it */
    RETENTION_DISPUTED, /* something is in it that does not belong: for a person to see */
};

/* After so long what is broken is nobody's work in progress any more. */
enum { RETENTION_BROKEN_S = 24 * 3600 };
/* An expiry further away than --keep can ask for. */
enum { RETENTION_FAR_DAYS = 3660 };

struct retention_set {
    uint32_t node;           /* the same for those whose tags name the same instance */
    const uint32_t *volumes; /* as EC2 says, by number, each once; borrowed */
    size_t volume_count;     /* 0: EC2 does not say (a copy): it stays */
    int64_t start_utc_us;    /* EC2's own; 0 not told: it stays */
    int64_t expires_utc_us;  /* BACKUP_UNKNOWN: no say of its own */
    enum retention_class kind;
    bool verified; /* good, and `verify` found it so */
    bool proved;   /* EC2: a volume of it is attached to that instance now */
    bool foreign;  /* of another node, and this run is about one */
    bool busy;     /* a job of this machine works on it */
    bool begun;    /* this machine began to remove it, by its own record of it */
    bool pinned, locked;
};

enum retention_why {
    /* stays */
    RETENTION_KEPT_FOREIGN,
    RETENTION_KEPT_BUSY,
    RETENTION_KEPT_ROLLBACK, /* a rollback of its node needs it; by prune.h, never from here */
    RETENTION_KEPT_LOCKED,
    RETENTION_KEPT_IN_USE, /* an image that is not of it is made of it; by prune.h, never from here
                            */
    RETENTION_KEPT_PINNED,
    RETENTION_KEPT_PINNED_SINCE, /* after a run looked at all; by prune.h, never from here */
    RETENTION_KEPT_PENDING,
    RETENTION_KEPT_DISPUTED,
    RETENTION_KEPT_NO_TIME,   /* EC2 does not say of when or of what it is */
    RETENTION_KEPT_YOUNG,     /* broken, for less than a day */
    RETENTION_KEPT_NONE_GOOD, /* not good, but its volume has no good one */
    RETENTION_KEPT_NEWEST,    /* the newest good one */
    RETENTION_KEPT_VERIFIED,  /* the newest that verify found good */
    RETENTION_KEPT_FAILED,    /* the newest complete one, and its verify failed */
    RETENTION_KEPT_RULE,      /* `rule`, number `nth` of `of` */
    RETENTION_KEPT_WITHIN,
    RETENTION_KEPT_EXPIRES,
    /* goes */
    RETENTION_GOES_POLICY,
    RETENTION_GOES_BROKEN,
    RETENTION_GOES_BEGUN,
    RETENTION_GOES_ASKED /* by `delete`, never from here */
};

struct retention_verdict {
    enum retention_why why;
    bool goes;
    bool far;    /* `expires` is further away than anybody can have asked for */
    bool failed; /* RETENTION_KEPT_RULE, _WITHIN: its verify failed, so it takes no one's place */
    enum retention_rule rule;
    int64_t nth, of;      /* RETENTION_KEPT_RULE; nth from 1 */
    int64_t until_utc_us; /* RETENTION_KEPT_EXPIRES */
    int64_t within_ms;    /* RETENTION_KEPT_WITHIN */
};

/* One verdict for each of COUNT sets.
 *   now_utc_us    by EC2's clock, for what is a day old and for `expires`
 *   ret_verdicts  COUNT of them, the caller's
 *   false         ERR_INTERNAL: no memory */
bool retention_judge(const struct retention_set *sets, size_t count,
                     const struct retention_policy *policy, int64_t now_utc_us,
                     struct retention_verdict *ret_verdicts, struct err *err);

enum { RETENTION_TEXT_BYTES = 160 };
/* "kept: daily 3 of 7", "goes: in no slot of the policy" into TEXT (RETENTION_TEXT_BYTES); returns
 * TEXT. */
char *retention_text(const struct retention_verdict *verdict, char *text);
/* "newest", "rule", "broken"…: the same for programs. Static. */
const char *retention_why_name(enum retention_why why);

#endif
