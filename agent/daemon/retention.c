/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000LL
#define NO_PERIOD INT64_MIN

enum { NONE = UINT32_MAX, DAY_S = 24 * 3600 };

/* Lists of sets by a number (of a volume, of a node), each newest first, in one array. */
struct lists {
    uint32_t count;
    uint32_t *begins; /* COUNT + 1 */
    uint32_t *items;
};

struct judging {
    const struct retention_set *sets;
    size_t count;
    const struct retention_policy *policy;
    int64_t now_utc_us;
    struct retention_verdict *verdicts; /* KEPT_NEWEST to KEPT_WITHIN once a series wants it */

    uint32_t *order;  /* all sets, newest first */
    uint32_t *ranks;  /* where in it each stands */
    int64_t *periods; /* RETENTION_RULE_COUNT of each set */
    struct lists of_volume;
    struct lists of_node; /* complete and proved ones alone */
    bool with_failed;     /* the round at hand: whether those that failed count */
    uint32_t turn;        /* a number for each volume of each round, from 1 */
    uint32_t *series;     /* scratch: the sets that count in the series at hand, newest first */
    uint32_t *seen;       /* scratch: of each node, the last turn it was taken up at */
    /* Scratch: of each node, the period of its last set that does not count, by rule, and the turn
     * that they are of. Other nodes' never stand in the way: which other sets there are changes
     * when something goes, and what stayed would go with it. */
    int64_t *others;
    uint32_t *others_of;
};

bool retention_is_set(const struct retention_policy *policy)
{
    for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        if (policy->keep[rule] > 0)
            return true;
    }
    return policy->within_ms > 0;
}

/* --- order and periods ------------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The number of the period that the moment lies in; each set is one of its own for keep_last. */
static int64_t period_of(enum retention_rule rule, int64_t utc_us)
{
    int64_t seconds = floor_div(utc_us, SECOND_US), day = floor_div(seconds, DAY_S);
    time_t when = (time_t)seconds;
    struct tm date = {.tm_year = 0};

    switch (rule) {
    case RETENTION_HOURLY:
        return floor_div(seconds, 3600);
    case RETENTION_DAILY:
        return day;
    case RETENTION_WEEKLY:
        return floor_div(day + 3, 7); /* 1970-01-01 was a Thursday: from Monday to Sunday */
    case RETENTION_MONTHLY:
    case RETENTION_YEARLY:
        (void)gmtime_r(&when, &date); /* fails for years beyond INT_MAX, which EC2 has not */
        return rule == RETENTION_YEARLY ? date.tm_year : date.tm_year * 12LL + date.tm_mon;
    case RETENTION_LAST:
    case RETENTION_RULE_COUNT:
        break;
    }
    return NO_PERIOD;
}

static int newest_first(const void *a, const void *b, void *sets)
{
    const struct retention_set *all = sets;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    if (all[x].start_utc_us != all[y].start_utc_us)
        return all[x].start_utc_us < all[y].start_utc_us ? 1 : -1;
    return x < y ? -1 : 1;
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool is_complete(const struct retention_set *set)
{
    return set->kind == RETENTION_GOOD || set->kind == RETENTION_FAILED;
}

static bool in_series(const struct retention_set *set)
{
    return set->volume_count > 0 && set->start_utc_us != 0 &&
           (is_complete(set) || set->kind == RETENTION_UNTOLD || set->kind == RETENTION_DOUBTFUL);
}

/* Of those in series. */
static bool counts(const struct judging *judging, const struct retention_set *set)
{
    return set->kind == RETENTION_GOOD || (set->kind == RETENTION_FAILED && judging->with_failed);
}

static bool links_node(const struct retention_set *set)
{
    return in_series(set) && is_complete(set) && set->proved;
}

static bool make_lists(struct lists *lists, uint32_t count, size_t total)
{
    lists->count = count;
    lists->begins = calloc((size_t)count + 2, sizeof(*lists->begins));
    lists->items = calloc(total + 1, sizeof(*lists->items));
    return lists->begins != NULL && lists->items != NULL;
}

/* Counting sort: how many each list has is counted two places on, so that once the starts are
 * summed up, filling moves each start to its list's end, where the next one's start belongs. */
static void sum_up(struct lists *lists)
{
    for (uint32_t i = 2; i < lists->count + 2; i++)
        lists->begins[i] += lists->begins[i - 1];
}

static void list_volumes(struct judging *judging)
{
    struct lists *lists = &judging->of_volume;

    for (size_t i = 0; i < judging->count; i++) {
        for (size_t v = 0; in_series(&judging->sets[i]) && v < judging->sets[i].volume_count; v++)
            lists->begins[judging->sets[i].volumes[v] + 2]++;
    }
    sum_up(lists);
    for (size_t at = 0; at < judging->count; at++) {
        const struct retention_set *set = &judging->sets[judging->order[at]];
        for (size_t v = 0; in_series(set) && v < set->volume_count; v++)
            lists->items[lists->begins[set->volumes[v] + 1]++] = judging->order[at];
    }
}

static void list_nodes(struct judging *judging)
{
    struct lists *lists = &judging->of_node;

    for (size_t i = 0; i < judging->count; i++) {
        if (links_node(&judging->sets[i]))
            lists->begins[judging->sets[i].node + 2]++;
    }
    sum_up(lists);
    for (size_t at = 0; at < judging->count; at++) {
        const struct retention_set *set = &judging->sets[judging->order[at]];
        if (links_node(set))
            lists->items[lists->begins[set->node + 1]++] = judging->order[at];
    }
}

static bool prepare(struct judging *judging)
{
    uint32_t volumes = 0, nodes = 0;
    size_t total = 0, count = judging->count;

    for (size_t i = 0; i < count; i++) {
        const struct retention_set *set = &judging->sets[i];
        nodes = set->node >= nodes ? set->node + 1 : nodes;
        total += set->volume_count;
        for (size_t v = 0; v < set->volume_count; v++)
            volumes = set->volumes[v] >= volumes ? set->volumes[v] + 1 : volumes;
    }
    judging->order = calloc(count + 1, sizeof(*judging->order));
    judging->ranks = calloc(count + 1, sizeof(*judging->ranks));
    judging->periods = calloc(count + 1, RETENTION_RULE_COUNT * sizeof(*judging->periods));
    judging->series = calloc(count + 1, sizeof(*judging->series));
    judging->seen = calloc((size_t)nodes + 1, sizeof(*judging->seen));
    judging->others_of = calloc((size_t)nodes + 1, sizeof(*judging->others_of));
    judging->others = calloc((size_t)nodes + 1, RETENTION_RULE_COUNT * sizeof(*judging->others));
    if (!make_lists(&judging->of_volume, volumes, total) ||
        !make_lists(&judging->of_node, nodes, count) || judging->order == NULL ||
        judging->ranks == NULL || judging->periods == NULL || judging->series == NULL ||
        judging->seen == NULL || judging->others_of == NULL || judging->others == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        judging->order[i] = (uint32_t)i;
        for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++)
            judging->periods[i * RETENTION_RULE_COUNT + (size_t)rule] =
                period_of((enum retention_rule)rule, judging->sets[i].start_utc_us);
    }
    qsort_r(judging->order, count, sizeof(*judging->order), newest_first, (void *)judging->sets);
    for (size_t i = 0; i < count; i++)
        judging->ranks[judging->order[i]] = (uint32_t)i;
    list_volumes(judging);
    list_nodes(judging);
    return true;
}

static void clean_up(struct judging *judging)
{
    free(judging->order);
    free(judging->ranks);
    free(judging->periods);
    free(judging->of_volume.begins);
    free(judging->of_volume.items);
    free(judging->of_node.begins);
    free(judging->of_node.items);
    free(judging->series);
    free(judging->seen);
    free(judging->others_of);
    free(judging->others);
}

/* --- one series ------------------------------------------------------------------------------- */

/* Where the walk through a series, newest first, stands. */
struct walk {
    struct judging *judging;
    size_t count;                          /* of judging->series */
    size_t newer;                          /* how many of them are newer than the set at hand */
    bool verified_newer;                   /* verify found one of those good */
    int64_t periods[RETENTION_RULE_COUNT]; /* with one of them; keep_last: sets */
};

static int64_t period(const struct walk *walk, uint32_t set, int rule)
{
    return walk->judging->periods[(size_t)set * RETENTION_RULE_COUNT + (size_t)rule];
}

/* Whether the period of SET has one that counts among those that are newer. */
static bool taken_before(const struct walk *walk, uint32_t set, int rule)
{
    return rule != RETENTION_LAST && walk->newer > 0 &&
           period(walk, walk->judging->series[walk->newer - 1], rule) == period(walk, set, rule);
}

static bool taken_after(const struct walk *walk, uint32_t set, int rule)
{
    return walk->newer < walk->count &&
           period(walk, walk->judging->series[walk->newer], rule) == period(walk, set, rule);
}

/* The one that stands first in the list of reasons stays; of two rules the first. */
static void want(struct walk *walk, uint32_t set, struct retention_verdict why)
{
    struct retention_verdict *verdict = &walk->judging->verdicts[set];

    if (verdict->goes || why.why < verdict->why ||
        (why.why == RETENTION_KEPT_RULE && verdict->why == RETENTION_KEPT_RULE &&
         (why.rule < verdict->rule || (why.rule == verdict->rule && why.nth < verdict->nth))))
        *verdict = why;
}

static bool has_failed(const struct walk *walk, uint32_t set)
{
    return walk->judging->sets[set].kind == RETENTION_FAILED;
}

static void want_by_rule(struct walk *walk, uint32_t set, int rule)
{
    int64_t of = walk->judging->policy->keep[rule], nth = walk->periods[rule] + 1;

    if (nth <= of)
        want(walk, set,
             (struct retention_verdict){.why = RETENTION_KEPT_RULE,
                                        .rule = (enum retention_rule)rule,
                                        .nth = nth,
                                        .of = of,
                                        .failed = has_failed(walk, set)});
}

static void want_within(struct walk *walk, uint32_t set)
{
    const struct judging *judging = walk->judging;
    int64_t newest_us = judging->sets[judging->series[0]].start_utc_us;
    int64_t within_ms = judging->policy->within_ms;

    if (within_ms > 0 && (newest_us - judging->sets[set].start_utc_us) / 1000 <= within_ms)
        want(walk, set,
             (struct retention_verdict){.why = RETENTION_KEPT_WITHIN,
                                        .within_ms = within_ms,
                                        .failed = has_failed(walk, set)});
}

static void judge_counted(struct walk *walk, uint32_t set)
{
    if (walk->newer == 0)
        want(walk, set,
             (struct retention_verdict){.why = has_failed(walk, set) ? RETENTION_KEPT_FAILED
                                                                     : RETENTION_KEPT_NEWEST});
    if (walk->judging->sets[set].verified && !walk->verified_newer)
        want(walk, set, (struct retention_verdict){.why = RETENTION_KEPT_VERIFIED});
    for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        if (!taken_before(walk, set, rule))
            want_by_rule(walk, set, rule);
    }
    want_within(walk, set);
}

/* The periods of the last set before SET of its node that does not count, to be changed. */
static int64_t *others_before(struct walk *walk, uint32_t set)
{
    struct judging *judging = walk->judging;
    uint32_t node = judging->sets[set].node;
    int64_t *others = judging->others + (size_t)node * RETENTION_RULE_COUNT;

    for (int rule = 0; judging->others_of[node] != judging->turn && rule < RETENTION_RULE_COUNT;
         rule++)
        others[rule] = NO_PERIOD;
    judging->others_of[node] = judging->turn;
    return others;
}

/* One that does not count: it has a slot only where none that does has it, and where it is the
 * first of its like in it. One that failed had its slot in the round in which it counts. */
static void judge_other(struct walk *walk, uint32_t set)
{
    bool whole = walk->judging->sets[set].kind == RETENTION_UNTOLD;
    int64_t *others;

    if (walk->count == 0)
        want(walk, set, (struct retention_verdict){.why = RETENTION_KEPT_NONE_GOOD});
    if (walk->count == 0 || has_failed(walk, set))
        return;
    others = others_before(walk, set);
    for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        bool first = rule == RETENTION_LAST || others[rule] != period(walk, set, rule);
        bool taken = rule == RETENTION_LAST
                         ? !whole
                         : taken_before(walk, set, rule) || taken_after(walk, set, rule);
        if (first && !taken)
            want_by_rule(walk, set, rule);
        others[rule] = period(walk, set, rule);
    }
    if (whole)
        want_within(walk, set);
}

static void pass(struct walk *walk, uint32_t set)
{
    walk->verified_newer = walk->verified_newer || walk->judging->sets[set].verified;
    for (int rule = 0; rule < RETENTION_RULE_COUNT; rule++)
        walk->periods[rule] += !taken_before(walk, set, rule);
    walk->newer++;
}

/* Both lists are newest first; what is in both counts once. */
static size_t merge_counted(const struct judging *judging, const uint32_t *own, size_t own_count,
                            const uint32_t *proved, size_t proved_count)
{
    size_t count = 0, i = 0, j = 0;

    while (i < own_count || j < proved_count) {
        uint32_t a = i < own_count ? judging->ranks[own[i]] : NONE;
        uint32_t b = j < proved_count ? judging->ranks[proved[j]] : NONE;
        uint32_t set = a <= b ? own[i] : proved[j];
        i += a <= b;
        j += b <= a;
        if (counts(judging, &judging->sets[set]))
            judging->series[count++] = set;
    }
    return count;
}

static size_t list_length(const struct lists *lists, uint32_t number)
{
    return lists->begins[number + 1] - lists->begins[number];
}

/* Judges those sets of the volume that are of NODE; of NONE: of any that EC2 proves no set of. */
static void judge_series(struct judging *judging, uint32_t volume, uint32_t node)
{
    const uint32_t *own = judging->of_volume.items + judging->of_volume.begins[volume];
    size_t own_count = list_length(&judging->of_volume, volume);
    const struct lists *nodes = &judging->of_node;
    struct walk walk = {.judging = judging};

    walk.count = merge_counted(judging, own, own_count,
                               node == NONE ? NULL : nodes->items + nodes->begins[node],
                               node == NONE ? 0 : list_length(nodes, node));
    for (size_t i = 0; i < own_count; i++) {
        const struct retention_set *set = &judging->sets[own[i]];
        while (walk.newer < walk.count &&
               judging->ranks[judging->series[walk.newer]] < judging->ranks[own[i]])
            pass(&walk, judging->series[walk.newer]);
        if (node == NONE ? list_length(nodes, set->node) > 0 : set->node != node)
            continue;
        if (counts(judging, set))
            judge_counted(&walk, own[i]);
        else
            judge_other(&walk, own[i]);
    }
}

static void judge_volume(struct judging *judging, uint32_t volume)
{
    const uint32_t *own = judging->of_volume.items + judging->of_volume.begins[volume];
    size_t own_count = list_length(&judging->of_volume, volume);

    if (own_count == 0)
        return;
    judging->turn++;
    judge_series(judging, volume, NONE);
    for (size_t i = 0; i < own_count; i++) {
        uint32_t node = judging->sets[own[i]].node;
        if (judging->seen[node] == judging->turn || list_length(&judging->of_node, node) == 0)
            continue;
        judging->seen[node] = judging->turn;
        judge_series(judging, volume, node);
    }
}

/* --- the verdict ------------------------------------------------------------------------------ */

static struct retention_verdict stays(enum retention_why why)
{
    return (struct retention_verdict){.why = why};
}

static struct retention_verdict goes(enum retention_why why)
{
    return (struct retention_verdict){.why = why, .goes = true};
}

static bool is_old(const struct judging *judging, const struct retention_set *set)
{
    return judging->now_utc_us - set->start_utc_us >= RETENTION_BROKEN_S * SECOND_US;
}

/* BY_SERIES: what its series say of it. */
static struct retention_verdict judge_set(const struct judging *judging,
                                          const struct retention_set *set,
                                          struct retention_verdict by_series)
{
    bool expires =
        set->expires_utc_us != BACKUP_UNKNOWN && set->expires_utc_us > judging->now_utc_us;

    if (set->foreign)
        return stays(RETENTION_KEPT_FOREIGN);
    if (set->busy)
        return stays(RETENTION_KEPT_BUSY);
    if (set->locked)
        return stays(RETENTION_KEPT_LOCKED);
    if (set->pinned)
        return stays(RETENTION_KEPT_PINNED);
    if (set->begun)
        return goes(RETENTION_GOES_BEGUN);
    if (set->kind == RETENTION_PENDING)
        return stays(RETENTION_KEPT_PENDING);
    if (set->kind == RETENTION_DISPUTED)
        return stays(RETENTION_KEPT_DISPUTED);
    if (set->start_utc_us == 0 || (set->volume_count == 0 && set->kind != RETENTION_BROKEN))
        return stays(RETENTION_KEPT_NO_TIME);
    if ((set->kind == RETENTION_BROKEN || set->kind == RETENTION_DOUBTFUL) && !is_old(judging, set))
        return stays(RETENTION_KEPT_YOUNG);
    if (set->kind == RETENTION_BROKEN)
        return goes(RETENTION_GOES_BROKEN);
    if (!by_series.goes)
        return by_series;
    if (set->kind == RETENTION_DOUBTFUL)
        return goes(RETENTION_GOES_BROKEN);
    if (!expires)
        return goes(RETENTION_GOES_POLICY);
    return (struct retention_verdict){.why = RETENTION_KEPT_EXPIRES,
                                      .until_utc_us = set->expires_utc_us};
}

static bool has_any_failed(const struct judging *judging)
{
    for (size_t i = 0; i < judging->count; i++) {
        if (judging->sets[i].kind == RETENTION_FAILED)
            return true;
    }
    return false;
}

bool retention_judge(const struct retention_set *sets, size_t count,
                     const struct retention_policy *policy, int64_t now_utc_us,
                     struct retention_verdict *ret_verdicts, struct err *err)
{
    struct judging judging = {.sets = sets,
                              .count = count,
                              .policy = policy,
                              .now_utc_us = now_utc_us,
                              .verdicts = ret_verdicts};
    int64_t far_us = now_utc_us + RETENTION_FAR_DAYS * DAY_S * SECOND_US;

    bool ok = prepare(&judging);
    for (size_t i = 0; ok && i < count; i++)
        ret_verdicts[i] = goes(RETENTION_GOES_POLICY);
    int rounds = has_any_failed(&judging) ? 2 : 1; /* else both are the same */
    for (int round = 0; ok && round < rounds; round++) {
        judging.with_failed = round == 0;
        for (uint32_t volume = 0; volume < judging.of_volume.count; volume++)
            judge_volume(&judging, volume);
    }
    for (size_t i = 0; ok && i < count; i++) {
        ret_verdicts[i] = judge_set(&judging, &sets[i], ret_verdicts[i]);
        ret_verdicts[i].far =
            sets[i].expires_utc_us != BACKUP_UNKNOWN && sets[i].expires_utc_us > far_us;
    }
    clean_up(&judging);
    return ok || err_set(err, ERR_INTERNAL, 0, "out of memory");
}
