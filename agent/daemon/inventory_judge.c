/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/inventory_judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/daemon/inventory.h"

enum {
    VOTERS_MAX = 256,            /* members that have a say in what the set is; more are surplus */
    APART_US = 60 * 1000 * 1000, /* EC2 takes all members of one call at one instant */
    SENTENCES_MAX = 12
};

/* --- what the set is ------------------------------------------------------------------ */

static size_t voters(size_t count)
{
    return count < VOTERS_MAX ? count : VOTERS_MAX;
}

/* The one that most members name; of two the smaller, so that no order of EC2's decides. */
static const char *commonest(const struct set_member *members, size_t count,
                             const char *(*text_of)(const struct set_member *member))
{
    const char *best = NULL;
    size_t best_votes = 0;

    for (size_t i = 0; i < voters(count); i++) {
        const char *text = text_of(&members[i]);
        size_t votes = 0;
        for (size_t j = 0; text != NULL && j < voters(count); j++)
            votes += text_of(&members[j]) == text;
        if (votes > best_votes || (votes > 0 && votes == best_votes && strcmp(text, best) < 0)) {
            best = text;
            best_votes = votes;
        }
    }
    return best;
}

static const char *instance_of(const struct set_member *member)
{
    return member->instance;
}

static const char *owner_of(const struct set_member *member)
{
    return member->owner;
}

/* A copy is made at a time of its own. */
static bool has_time(const struct set_member *member)
{
    return member->start_utc_us != 0 && member->volume != NULL;
}

/* The one in the middle; 0: there is none. */
static int64_t middle_start(const struct set_member *members, size_t count)
{
    size_t timed = 0;

    for (size_t i = 0; i < voters(count); i++)
        timed += has_time(&members[i]);
    for (size_t i = 0; timed > 0 && i < voters(count); i++) {
        size_t before = 0, same = 0;
        for (size_t j = 0; has_time(&members[i]) && j < voters(count); j++) {
            before += has_time(&members[j]) && members[j].start_utc_us < members[i].start_utc_us;
            same += has_time(&members[j]) && members[j].start_utc_us == members[i].start_utc_us;
        }
        if (before <= (timed - 1) / 2 && (timed - 1) / 2 < before + same)
            return members[i].start_utc_us;
    }
    return 0;
}

/* --- faults --------------------------------------------------------------------------- */

static bool apart(const struct set_member *member, int64_t middle_utc_us)
{
    int64_t off = member->start_utc_us - middle_utc_us;

    return has_time(member) && (off > APART_US || off < -APART_US);
}

/* What does not belong is said before what is wrong with it. */
static enum set_fault fault_of(const struct inventory_set *set, const struct set_member *member,
                               const struct set_member *before, const char *owner,
                               int64_t middle_utc_us)
{
    if (member->owner != NULL && member->owner != owner)
        return SET_FAULT_OWNER;
    if (member->instance != NULL && member->instance != set->instance)
        return SET_FAULT_INSTANCE;
    if (apart(member, middle_utc_us))
        return SET_FAULT_TIME;
    if (before != NULL && member->volume != NULL && member->volume == before->volume &&
        before->fault != SET_FAULT_OWNER && before->fault != SET_FAULT_INSTANCE &&
        before->fault != SET_FAULT_TIME)
        return SET_FAULT_VOLUME_TWICE;
    if (member->state == EC2_SNAPSHOT_ERROR)
        return SET_FAULT_ERROR;
    if (member->state == EC2_SNAPSHOT_RECOVERABLE || member->state == EC2_SNAPSHOT_RECOVERING)
        return SET_FAULT_RECYCLED;
    return SET_FAULT_NONE;
}

static bool belongs(const struct set_member *member)
{
    return (SET_FAULT_BIT(member->fault) & SET_FAULTS_DISPUTED) == 0;
}

/* How many members belong to it. */
static int64_t count_belonging(const struct set_member *members, size_t count)
{
    int64_t there = 0;

    for (size_t i = 0; i < count; i++)
        there += belongs(&members[i]);
    return there;
}

static unsigned faults_of_set(const struct inventory_set *set, const struct set_member *members,
                              size_t count)
{
    int64_t there = count_belonging(members, count);
    unsigned faults = 0;

    for (size_t i = 0; i < count; i++) {
        if (members[i].fault != SET_FAULT_NONE)
            faults |= SET_FAULT_BIT(members[i].fault);
    }
    if (set->tagged == BACKUP_FAILED)
        faults |= SET_FAULT_BIT(SET_FAULT_TAGGED);
    if (set->member_count == BACKUP_UNKNOWN || set->counts_differ)
        faults |= SET_FAULT_BIT(SET_FAULT_UNCOUNTED);
    if (set->member_count != BACKUP_UNKNOWN && there < set->member_count)
        faults |= SET_FAULT_BIT(SET_FAULT_MISSING);
    if (set->member_count != BACKUP_UNKNOWN && there > set->member_count)
        faults |= SET_FAULT_BIT(SET_FAULT_SURPLUS);
    return faults;
}

/* --- judging -------------------------------------------------------------------------- */

/* Members whose tags differ were raised in part only: the lowest counts, and failed is failed. What
 * does not belong has no say. */
static enum backup_state tagged_state(const struct inventory_set *set,
                                      const struct set_member *members, size_t count)
{
    enum backup_state lowest = BACKUP_COMPLETE;

    if (count == 0)
        return set->tagged; /* an image's */
    for (size_t i = 0; i < count; i++) {
        enum backup_state state = (enum backup_state)members[i].tagged;
        if (belongs(&members[i]) &&
            (state == BACKUP_FAILED || (lowest != BACKUP_FAILED && state < lowest)))
            lowest = state;
    }
    return lowest;
}

static enum backup_state judged_state(const struct inventory_set *set,
                                      const struct set_member *members, size_t count,
                                      bool image_pending)
{
    if (set->tagged != BACKUP_PENDING && set->tagged != BACKUP_COMPLETE)
        return set->tagged;
    if (set->faults != 0)
        return BACKUP_FAILED;
    for (size_t i = 0; i < count; i++) {
        if (members[i].state != EC2_SNAPSHOT_COMPLETED)
            return BACKUP_PENDING;
    }
    /* Never raised here: that all snapshots are completed says nothing of an image to come. */
    return image_pending ? BACKUP_PENDING : set->tagged;
}

void set_judge(struct inventory_set *set, struct set_member *members, size_t count,
               bool image_pending)
{
    const char *owner = commonest(members, count, owner_of);
    int64_t middle_utc_us = middle_start(members, count);

    if (count > 0)
        set->instance = commonest(members, count, instance_of);
    for (size_t i = 0; i < count; i++)
        members[i].fault = (uint8_t)fault_of(set, &members[i], i > 0 ? &members[i - 1] : NULL,
                                             owner, middle_utc_us);
    set->tagged = tagged_state(set, members, count);
    set->faults = faults_of_set(set, members, count);
    set->state = judged_state(set, members, count, image_pending);
}

/* --- in words ------------------------------------------------------------------------- */

static bool say_member(const struct set_member *member, int64_t middle_utc_us, struct strs *ret_why,
                       struct err *err)
{
    char duration[32];
    int64_t off_us = member->start_utc_us - middle_utc_us;

    switch ((enum set_fault)member->fault) {
    case SET_FAULT_ERROR:
        return strs_printf(ret_why, err, "snapshot %s is in error", member->id);
    case SET_FAULT_RECYCLED:
        return strs_printf(ret_why, err, "snapshot %s was deleted: it is in the Recycle Bin",
                           member->id);
    case SET_FAULT_VOLUME_TWICE:
        return strs_printf(ret_why, err, "snapshot %s is of volume %s, of which there is another",
                           member->id, member->volume);
    case SET_FAULT_OWNER:
        return strs_printf(ret_why, err, "snapshot %s belongs to the account %s", member->id,
                           member->owner);
    case SET_FAULT_INSTANCE:
        return strs_printf(ret_why, err, "snapshot %s does not belong: it is tagged as of %s",
                           member->id, member->instance);
    case SET_FAULT_TIME:
        return strs_printf(
            ret_why, err, "snapshot %s does not belong: EC2 took it %s %s than the others",
            member->id,
            parse_duration_text((off_us < 0 ? -off_us : off_us) / 1000000 * 1000, duration),
            off_us < 0 ? "earlier" : "later");
    case SET_FAULT_NONE:
    case SET_FAULT_TAGGED:
    case SET_FAULT_MISSING:
    case SET_FAULT_UNCOUNTED:
    case SET_FAULT_SURPLUS:
    case SET_FAULT_COUNT:
        break;
    }
    return true;
}

static bool say_set(const struct inventory_set *set, int64_t there, struct strs *ret_why,
                    struct err *err)
{
    const unsigned faults = set->faults;

    return ((faults & SET_FAULT_BIT(SET_FAULT_TAGGED)) == 0 ||
            strs_add(ret_why, "it is tagged as failed", err)) &&
           ((faults & SET_FAULT_BIT(SET_FAULT_MISSING)) == 0 ||
            strs_printf(ret_why, err, "%" PRId64 " of %" PRId64 " snapshots are there", there,
                        set->member_count)) &&
           ((faults & SET_FAULT_BIT(SET_FAULT_UNCOUNTED)) == 0 ||
            strs_add(ret_why,
                     set->counts_differ ? "its snapshots differ on how many make the set"
                                        : "no snapshot says how many make the set",
                     err)) &&
           ((faults & SET_FAULT_BIT(SET_FAULT_SURPLUS)) == 0 ||
            strs_printf(ret_why, err,
                        "%" PRId64 " snapshots are there where %" PRId64 " make the set", there,
                        set->member_count));
}

bool set_judge_why(const struct inventory_set *set, const struct set_member *members, size_t count,
                   struct strs *ret_why, struct err *err)
{
    int64_t middle_utc_us = middle_start(members, count);
    size_t faulty = 0;

    if (!say_set(set, count_belonging(members, count), ret_why, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (members[i].fault == SET_FAULT_NONE || ++faulty > SENTENCES_MAX)
            continue;
        if (!say_member(&members[i], middle_utc_us, ret_why, err))
            return false;
    }
    return faulty <= SENTENCES_MAX ||
           strs_printf(ret_why, err, "and %zu more snapshot%s", faulty - SENTENCES_MAX,
                       faulty - SENTENCES_MAX == 1 ? "" : "s");
}
