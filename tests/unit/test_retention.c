/* SPDX-License-Identifier: BSD-2-Clause */
/* What may go and why, on small histories; random ones against a second implementation:
 * tests/lab/cases/prune-model.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/retention.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SETS_MAX = 1100, NODE_A = 0, NODE_B = 1 };

static const uint32_t volumes_a[] = {1, 2}, volumes_b[] = {3, 4}, volume_new[] = {5};

struct history {
    struct retention_set sets[SETS_MAX];
    struct retention_verdict verdicts[SETS_MAX];
    size_t count;
    struct retention_policy policy;
};

static int64_t at(const char *text)
{
    int64_t utc_us = 0;

    assert_true(clock_utc_parse(text, &utc_us));
    return utc_us;
}

static struct retention_set *add(struct history *history, const char *start,
                                 enum retention_class kind)
{
    struct retention_set *set = &history->sets[history->count++];

    assert_true(history->count <= SETS_MAX);
    *set = (struct retention_set){.node = NODE_B,
                                  .volumes = volumes_b,
                                  .volume_count = COUNT(volumes_b),
                                  .start_utc_us = at(start),
                                  .expires_utc_us = BACKUP_UNKNOWN,
                                  .kind = kind,
                                  .proved = true};
    return set;
}

static void judge(struct history *history)
{
    struct err err = ERR_INIT;

    assert_true(retention_judge(history->sets, history->count, &history->policy,
                                at("2026-11-24T12:00:00Z"), history->verdicts, &err));
}

static void says(const struct history *history, size_t index, const char *wanted)
{
    char text[RETENTION_TEXT_BYTES];

    assert_string_equal(retention_text(&history->verdicts[index], text), wanted);
}

static struct history *scene(void **state)
{
    struct history *history = *state;

    memset(history, 0, sizeof(*history));
    return history;
}

static void each_set_is_told_why_it_stays_or_goes(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_DAILY] = 2;
    history->policy.keep[RETENTION_YEARLY] = 2;
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-23T20:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-23T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-22T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2025-03-01T08:00:00Z", RETENTION_GOOD);
    add(history, "2026-11-21T08:00:00Z", RETENTION_GOOD)->pinned = true;
    add(history, "2026-11-20T08:00:00Z", RETENTION_GOOD)->expires_utc_us =
        at("2026-12-20T08:00:00Z");

    judge(history);

    says(history, 0, "kept: newest good");
    says(history, 1, "kept: daily 2 of 2");
    says(history, 2, "goes: in no slot of the policy");
    says(history, 3, "goes: in no slot of the policy");
    says(history, 4, "kept: yearly 2 of 2");
    says(history, 5, "kept: pinned");
    says(history, 6, "kept: expires 2026-12-20, later than the policy says");
}

static void a_run_of_bad_sets_never_pushes_out_the_last_good_one(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 1;
    (void)add(history, "2024-01-01T08:00:00Z", RETENTION_GOOD);
    for (int i = 0; i < 30; i++)
        (void)add(history, "2026-11-20T08:00:00Z", i % 2 ? RETENTION_BROKEN : RETENTION_DOUBTFUL);
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_PENDING);
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_BROKEN);

    judge(history);

    says(history, 0, "kept: newest good");
    for (size_t i = 1; i <= 30; i++)
        says(history, i, "goes: broken and older than a day");
    says(history, 31, "kept: unfinished");
    says(history, 32, "kept: broken, but for less than a day");
}

static void a_set_that_failed_verify_takes_no_slot_and_loses_none(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_DAILY] = 2;
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_FAILED);
    (void)add(history, "2026-11-23T20:00:00Z", RETENTION_FAILED);
    (void)add(history, "2026-11-23T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-22T08:00:00Z", RETENTION_FAILED);
    (void)add(history, "2026-11-21T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-20T08:00:00Z", RETENTION_GOOD);

    judge(history);

    says(history, 0, "kept: newest (its verify failed: it takes no one's place)");
    says(history, 1, "kept: daily 2 of 2 (its verify failed: it takes no one's place)");
    says(history, 2, "kept: newest good");
    says(history, 3, "goes: in no slot of the policy");
    says(history, 4, "kept: daily 2 of 2");
    says(history, 5, "goes: in no slot of the policy");
}

/* As it was found: the newest failed, the next was looked into in part, and the only one that was
 * proved to restore went. */
static void the_newest_that_verify_found_good_stays_whatever_came_after(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 1;
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_FAILED);
    (void)add(history, "2026-11-23T08:00:00Z", RETENTION_GOOD);
    add(history, "2026-11-22T08:00:00Z", RETENTION_GOOD)->verified = true;
    add(history, "2026-11-21T08:00:00Z", RETENTION_GOOD)->verified = true;

    judge(history);

    says(history, 0, "kept: newest (its verify failed: it takes no one's place)");
    says(history, 1, "kept: newest good");
    says(history, 2, "kept: newest that verify found good");
    says(history, 3, "goes: in no slot of the policy");
}

static void where_all_failed_verify_none_goes(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 1;
    history->policy.within_ms = 1;
    for (int i = 0; i < 3; i++)
        (void)add(history, "2026-11-22T08:00:00Z", RETENTION_FAILED);

    judge(history);

    for (size_t i = 0; i < 3; i++)
        says(history, i, "kept: of a volume of it there is no good set");
}

static void nothing_goes_by_its_age_alone_after_a_gap(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_DAILY] = 3;
    history->policy.within_ms = 24 * 3600 * 1000;
    (void)add(history, "2025-01-03T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2025-01-02T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2025-01-01T08:00:00Z", RETENTION_GOOD);

    judge(history);

    says(history, 0, "kept: newest good");
    says(history, 1, "kept: daily 2 of 3");
    says(history, 2, "kept: daily 3 of 3");
}

/* Node A can only make snapshots of its own volumes, and writes on them what it likes. */
static void a_node_that_forges_pushes_out_no_other_node_s_sets(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 2;
    (void)add(history, "2026-11-02T08:00:00Z", RETENTION_GOOD);
    (void)add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD);
    add(history, "2026-10-01T08:00:00Z", RETENTION_GOOD)->volumes = volume_new; /* long detached */
    history->sets[2].volume_count = 1;
    history->sets[2].proved = false;
    for (int i = 0; i < 1000; i++) {
        struct retention_set *fake = add(history, "2026-11-24T08:00:00Z", RETENTION_GOOD);
        fake->volumes = volumes_a;
        fake->proved = false; /* its volumes are attached to A */
    }

    judge(history);

    says(history, 0, "kept: newest good");
    says(history, 1, "kept: last 2 of 2");
    says(history, 2, "goes: in no slot of the policy"); /* by B's own two */
}

static void sets_of_replaced_volumes_make_way_for_those_of_the_new_ones(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 1;
    struct retention_set *old = add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD);
    old->proved = false;
    struct retention_set *now = add(history, "2026-11-02T08:00:00Z", RETENTION_GOOD);
    now->volumes = volume_new;
    now->volume_count = 1;

    judge(history);
    says(history, 0, "goes: in no slot of the policy");

    now->proved = false; /* the node is gone: nothing links the two but what it wrote */
    judge(history);
    says(history, 0, "kept: newest good");
}

static void a_node_that_calls_all_its_sets_failed_keeps_what_the_policy_keeps(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_DAILY] = 3;
    (void)add(history, "2026-11-22T08:00:00Z", RETENTION_DOUBTFUL);
    (void)add(history, "2026-11-21T08:00:00Z", RETENTION_DOUBTFUL);

    judge(history);
    says(history, 0, "kept: of a volume of it there is no good set");

    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_GOOD); /* and leaves one */
    (void)add(history, "2026-11-20T08:00:00Z", RETENTION_DOUBTFUL);
    (void)add(history, "2026-11-22T07:00:00Z", RETENTION_DOUBTFUL);
    judge(history);
    says(history, 0, "kept: daily 2 of 3");
    says(history, 3, "kept: daily 2 of 3");
    says(history, 4, "goes: broken and older than a day");
}

static void an_expiry_only_lengthens_and_an_absurd_one_is_noted(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 2;
    add(history, "2026-11-24T08:00:00Z", RETENTION_GOOD)->expires_utc_us =
        at("2020-01-01T00:00:00Z");
    add(history, "2026-11-23T08:00:00Z", RETENTION_GOOD)->expires_utc_us =
        at("2020-01-01T00:00:00Z");
    add(history, "2026-11-22T08:00:00Z", RETENTION_GOOD)->expires_utc_us =
        at("2020-01-01T00:00:00Z");
    add(history, "2026-11-21T08:00:00Z", RETENTION_GOOD)->expires_utc_us =
        at("9999-12-31T00:00:00Z");

    judge(history);

    says(history, 0, "kept: newest good");
    says(history, 1, "kept: last 2 of 2");
    says(history, 2, "goes: in no slot of the policy");
    says(history, 3, "kept: expires 9999-12-31, later than the policy says");
    assert_true(history->verdicts[3].far);
    assert_false(history->verdicts[0].far);
}

static void what_may_not_be_touched_stays_whatever_the_policy(void **state)
{
    struct history *history = scene(state);
    history->policy.keep[RETENTION_LAST] = 1;
    (void)add(history, "2026-11-24T08:00:00Z", RETENTION_GOOD);
    add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD)->locked = true;
    add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD)->busy = true;
    add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD)->foreign = true;
    (void)add(history, "2026-11-01T08:00:00Z", RETENTION_DISPUTED);
    add(history, "2026-11-01T08:00:00Z", RETENTION_GOOD)->start_utc_us = 0;
    add(history, "2026-11-24T08:00:00Z", RETENTION_BROKEN)->begun = true;

    judge(history);

    says(history, 1, "kept: EC2 has it locked");
    says(history, 2, "kept: a job works on it");
    says(history, 3, "kept: of another node");
    says(history, 4, "kept: something in it does not belong there");
    says(history, 5, "kept: EC2 does not say when it was taken, or of what");
    says(history, 6, "goes: its removal was begun before");
}

static void a_policy_of_nothing_is_no_policy(void **state)
{
    struct history *history = scene(state);

    assert_false(retention_is_set(&history->policy));
    history->policy.within_ms = 1;
    assert_true(retention_is_set(&history->policy));
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct history));
    assert_non_null(*state);
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_set_is_told_why_it_stays_or_goes),
        cmocka_unit_test(a_run_of_bad_sets_never_pushes_out_the_last_good_one),
        cmocka_unit_test(a_set_that_failed_verify_takes_no_slot_and_loses_none),
        cmocka_unit_test(the_newest_that_verify_found_good_stays_whatever_came_after),
        cmocka_unit_test(where_all_failed_verify_none_goes),
        cmocka_unit_test(nothing_goes_by_its_age_alone_after_a_gap),
        cmocka_unit_test(a_node_that_forges_pushes_out_no_other_node_s_sets),
        cmocka_unit_test(sets_of_replaced_volumes_make_way_for_those_of_the_new_ones),
        cmocka_unit_test(a_node_that_calls_all_its_sets_failed_keeps_what_the_policy_keeps),
        cmocka_unit_test(an_expiry_only_lengthens_and_an_absurd_one_is_noted),
        cmocka_unit_test(what_may_not_be_touched_stays_whatever_the_policy),
        cmocka_unit_test(a_policy_of_nothing_is_no_policy),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
