/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_chain.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"

/* A hook that writes down what it is called for. */
struct fake {
    char name[8];
    char *journal; /* shared by all, JOURNAL_BYTES */
    enum err_kind fails[HOOK_STEP_COUNT];
    bool lost; /* attest says that the hold had a gap */
    char outcome[16];
    struct cancel *cancels; /* asked from inside hold */
};

enum { JOURNAL_BYTES = 1024, FAKES = 3 };

struct world {
    char journal[JOURNAL_BYTES];
    struct fake fakes[FAKES];
    struct hook_chain chain;
    struct hook_job job;
};

static bool fake_step(struct fake *fake, enum hook_step step, struct err *err)
{
    size_t used = strlen(fake->journal);

    (void)snprintf(fake->journal + used, JOURNAL_BYTES - used, "%s-%s ", hook_step_name(step),
                   fake->name);
    if (fake->fails[step] == ERR_NONE)
        return true;
    return err_set(err, fake->fails[step], 0, "broken");
}

static bool fake_prepare(void *self, const struct hook_job *job, int64_t deadline_ms,
                         const struct cancel *cancel, struct err *err)
{
    (void)deadline_ms;
    (void)cancel;
    assert_string_equal(job->id, "sp-1");
    return fake_step(self, HOOK_STEP_PREPARE, err);
}

static bool fake_hold(void *self, int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    struct fake *fake = self;

    (void)deadline_ms;
    (void)cancel;
    if (fake->cancels != NULL)
        cancel_ask(fake->cancels);
    return fake_step(self, HOOK_STEP_HOLD, err);
}

static bool fake_attest(void *self, int64_t deadline_ms, struct proof *ret_proof, struct err *err)
{
    struct fake *fake = self;

    (void)deadline_ms;
    *ret_proof = (struct proof){.held = !fake->lost};
    if (fake->lost)
        (void)snprintf(ret_proof->reason, sizeof(ret_proof->reason), "the lock was lost");
    return fake_step(self, HOOK_STEP_ATTEST, err);
}

static bool fake_release(void *self, const char *outcome, int64_t deadline_ms, struct err *err)
{
    struct fake *fake = self;

    (void)deadline_ms;
    (void)snprintf(fake->outcome, sizeof(fake->outcome), "%s", outcome);
    return fake_step(self, HOOK_STEP_RELEASE, err);
}

static bool fake_finish(void *self, const char *outcome, int64_t deadline_ms, struct err *err)
{
    (void)outcome;
    (void)deadline_ms;
    return fake_step(self, HOOK_STEP_FINISH, err);
}

static void fake_free(void *self)
{
    struct fake *fake = self;
    size_t used = strlen(fake->journal);

    (void)snprintf(fake->journal + used, JOURNAL_BYTES - used, "free-%s ", fake->name);
}

static struct hook fake_hook(struct fake *fake)
{
    return (struct hook){.name = fake->name,
                         .self = fake,
                         .prepare = fake_prepare,
                         .hold = fake_hold,
                         .attest = fake_attest,
                         .release = fake_release,
                         .finish = fake_finish,
                         .free = fake_free};
}

static int make_world(void **state)
{
    static const char *const names[FAKES] = {"a", "b", "c"};
    struct world *world = test_calloc(1, sizeof(*world));
    struct err err = ERR_INIT;

    world->job = (struct hook_job){"sp-1", "test"};
    for (size_t i = 0; i < FAKES; i++) {
        struct fake *fake = &world->fakes[i];
        fake->journal = world->journal;
        (void)snprintf(fake->name, sizeof(fake->name), "%s", names[i]);
        if (!hook_chain_add(&world->chain, fake_hook(fake), &err))
            return -1;
    }
    *state = world;
    return 0;
}

static int drop_world(void **state)
{
    struct world *world = *state;

    hook_chain_free(&world->chain);
    test_free(world);
    return 0;
}

static int64_t soon(void)
{
    return clock_boot_ms() + 5000;
}

static void prepare_all(struct world *world)
{
    struct err err = ERR_INIT;

    assert_true(hook_chain_prepare(&world->chain, &world->job, soon(), NULL, &err));
    world->journal[0] = '\0';
}

static void the_whole_life_runs_in_order_and_releases_in_reverse(void **state)
{
    struct world *world = *state;
    struct hook_chain *chain = &world->chain;
    struct err err = ERR_INIT;

    assert_true(hook_chain_prepare(chain, &world->job, soon(), NULL, &err));
    assert_true(hook_chain_hold(chain, true, soon(), NULL, &err));
    assert_true(hook_chain_all_held(chain));
    assert_true(hook_chain_attest(chain, soon()));
    assert_true(hook_chain_release(chain, "complete", soon(), &err));
    assert_true(hook_chain_all_proved(chain));
    assert_false(hook_chain_all_held(chain));
    assert_true(hook_chain_finish(chain, "complete", soon(), &err));

    assert_string_equal(world->journal, "prepare-a prepare-b prepare-c hold-a hold-b hold-c "
                                        "attest-a attest-b attest-c release-c release-b release-a "
                                        "finish-a finish-b finish-c ");
    assert_string_equal(world->fakes[0].outcome, "complete");
    for (size_t i = 0; i < FAKES; i++)
        for (int step = 0; step < HOOK_STEP_COUNT; step++) {
            assert_true(chain->links[i].runs[step].begin_us > 0);
            assert_true(chain->links[i].runs[step].end_us >= chain->links[i].runs[step].begin_us);
            assert_true(chain->links[i].runs[step].ok);
        }
}

static void a_required_hook_that_cannot_hold_ends_the_hold_and_what_was_called_is_released(
    void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT, release_err = ERR_INIT;

    world->fakes[1].fails[HOOK_STEP_HOLD] = ERR_DB;
    world->chain.links[1].hook.required = true;
    prepare_all(world);

    assert_false(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_true(hook_chain_release(&world->chain, "failed", soon(), &release_err));

    assert_int_equal(err.kind, ERR_DB);
    assert_string_equal(err.text, "b: broken");
    assert_string_equal(world->journal, "hold-a hold-b release-b release-a ");
}

static void a_hook_that_is_not_required_is_passed_over_and_the_label_can_not_be_full(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[1].fails[HOOK_STEP_HOLD] = ERR_DB;
    prepare_all(world);

    assert_true(hook_chain_hold(&world->chain, false, soon(), NULL, &err));
    assert_true(hook_chain_attest(&world->chain, soon()));
    assert_true(hook_chain_release(&world->chain, "complete", soon(), &err));

    assert_false(hook_chain_all_proved(&world->chain));
    assert_string_equal(world->chain.links[1].runs[HOOK_STEP_HOLD].err.text, "b: broken");
    assert_string_equal(world->journal, "hold-a hold-b hold-c attest-a attest-c "
                                        "release-c release-b release-a ");
}

static void a_lock_wait_ends_the_hold_only_while_there_are_tries_left(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT, release_err = ERR_INIT;

    world->fakes[0].fails[HOOK_STEP_HOLD] = ERR_DB_LOCK;
    prepare_all(world);

    assert_false(hook_chain_hold(&world->chain, false, soon(), NULL, &err));
    assert_true(hook_chain_release(&world->chain, "failed", soon(), &release_err));
    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_true(hook_chain_release(&world->chain, "complete", soon(), &release_err));

    assert_string_equal(world->journal, "hold-a release-a hold-a hold-b hold-c "
                                        "release-c release-b release-a ");
}

static void a_hook_that_is_not_prepared_is_not_held(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[1].fails[HOOK_STEP_PREPARE] = ERR_DB;

    assert_true(hook_chain_prepare(&world->chain, &world->job, soon(), NULL, &err));
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_true(hook_chain_attest(&world->chain, soon()));
    assert_true(hook_chain_release(&world->chain, "complete", soon(), &err));

    assert_string_equal(world->journal, "prepare-a prepare-b prepare-c hold-a hold-c "
                                        "attest-a attest-c release-c release-a ");
    assert_false(hook_chain_all_held(&world->chain));
    assert_false(hook_chain_all_proved(&world->chain));
}

static void a_hook_whose_prepare_is_required_refuses_and_later_ones_are_not_finished(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT, finish_err = ERR_INIT;

    world->fakes[1].fails[HOOK_STEP_PREPARE] = ERR_HOOK;
    world->chain.links[1].hook.prepare_required = true;

    assert_false(hook_chain_prepare(&world->chain, &world->job, soon(), NULL, &err));
    assert_true(hook_chain_finish(&world->chain, "failed", soon(), &finish_err));

    assert_int_equal(err.kind, ERR_HOOK);
    assert_string_equal(world->journal, "prepare-a prepare-b finish-a finish-b ");
}

static void a_lost_hold_is_not_proved(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[2].lost = true;
    world->fakes[0].fails[HOOK_STEP_ATTEST] = ERR_DB;
    prepare_all(world);

    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_false(hook_chain_attest(&world->chain, soon()));

    assert_false(hook_chain_all_proved(&world->chain));
    assert_false(world->chain.links[0].proof.held);
    assert_string_equal(world->chain.links[0].proof.reason, "a: broken");
    assert_true(world->chain.links[1].proof.held);
    assert_string_equal(world->chain.links[2].proof.reason, "the lock was lost");
}

static void a_proof_does_not_outlive_the_next_hold(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    prepare_all(world);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_true(hook_chain_attest(&world->chain, soon()));
    assert_true(hook_chain_release(&world->chain, "failed", soon(), &err));
    assert_true(hook_chain_all_proved(&world->chain));

    world->chain.links[0].hook.required = true;
    world->fakes[0].fails[HOOK_STEP_HOLD] = ERR_DB;
    assert_false(hook_chain_hold(&world->chain, true, soon(), NULL, &err));

    for (size_t i = 0; i < FAKES; i++)
        assert_false(world->chain.links[i].proof.held);
}

static void a_release_that_fails_does_not_keep_the_others_from_theirs(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[2].fails[HOOK_STEP_RELEASE] = ERR_DB;
    world->fakes[1].fails[HOOK_STEP_RELEASE] = ERR_HOOK;
    prepare_all(world);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));

    assert_false(hook_chain_release(&world->chain, "complete", clock_boot_ms() - 1, &err));

    assert_int_equal(err.kind, ERR_DB);
    assert_string_equal(err.text, "2 hooks failed, the first: c: broken");
    assert_string_equal(world->journal, "hold-a hold-b hold-c release-c release-b release-a ");
}

static void a_second_release_calls_nothing(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    prepare_all(world);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    assert_true(hook_chain_release(&world->chain, "complete", soon(), &err));
    world->journal[0] = '\0';

    assert_true(hook_chain_release(&world->chain, "complete", soon(), &err));

    assert_string_equal(world->journal, "");
}

static void finish_releases_what_was_forgotten(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    prepare_all(world);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    world->journal[0] = '\0';

    assert_true(hook_chain_finish(&world->chain, "failed", soon(), &err));

    assert_string_equal(world->journal,
                        "release-c release-b release-a finish-a finish-b finish-c ");
}

static void a_cancel_between_two_holds_ends_the_hold(void **state)
{
    struct world *world = *state;
    struct cancel cancel = CANCEL_INIT;
    struct err err = ERR_INIT, release_err = ERR_INIT;

    world->fakes[0].cancels = &cancel;
    prepare_all(world);

    assert_false(hook_chain_hold(&world->chain, true, soon(), &cancel, &err));
    assert_true(hook_chain_release(&world->chain, "failed", soon(), &release_err));

    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_string_equal(world->journal, "hold-a release-a ");
}

static void a_deadline_that_has_passed_holds_nothing(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    prepare_all(world);

    assert_false(hook_chain_hold(&world->chain, true, clock_boot_ms() - 1, NULL, &err));

    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_string_equal(world->journal, "");
}

static void a_deadline_that_has_passed_prepares_nothing(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    assert_false(hook_chain_prepare(&world->chain, &world->job, clock_boot_ms() - 1, NULL, &err));

    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_non_null(strstr(err.text, "before a was prepared"));
    assert_string_equal(world->journal, "");
}

static void a_finish_that_fails_is_told_and_the_others_are_finished(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[0].fails[HOOK_STEP_FINISH] = ERR_DB;
    prepare_all(world);

    assert_false(hook_chain_finish(&world->chain, "complete", soon(), &err));

    assert_int_equal(err.kind, ERR_DB);
    assert_string_equal(err.text, "a: broken");
    assert_string_equal(world->journal, "finish-a finish-b finish-c ");
}

static void a_release_that_fails_at_the_finish_is_told_and_all_are_finished(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    world->fakes[1].fails[HOOK_STEP_RELEASE] = ERR_HOOK;
    world->fakes[2].fails[HOOK_STEP_FINISH] = ERR_DB;
    prepare_all(world);
    assert_true(hook_chain_hold(&world->chain, true, soon(), NULL, &err));
    world->journal[0] = '\0';

    assert_false(hook_chain_finish(&world->chain, "failed", soon(), &err));

    assert_int_equal(err.kind, ERR_HOOK);
    assert_string_equal(err.text, "2 hooks failed, the first: b: broken");
    assert_string_equal(world->journal,
                        "release-c release-b release-a finish-a finish-b finish-c ");
}

static void two_hooks_of_one_name_are_refused_and_the_second_freed(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;

    assert_false(hook_chain_add(&world->chain, fake_hook(&world->fakes[0]), &err));

    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(world->chain.count, FAKES);
    assert_string_equal(world->journal, "free-a ");
}

static void a_hook_without_steps_counts_as_held_and_an_empty_chain_too(void **state)
{
    struct hook_chain chain = HOOK_CHAIN_INIT;
    struct hook_job job = {"sp-1", ""};
    struct err err = ERR_INIT;

    (void)state;
    assert_true(hook_chain_all_held(&chain));
    assert_true(hook_chain_all_proved(&chain));
    assert_true(hook_chain_add(&chain, (struct hook){.name = "none"}, &err));
    assert_false(hook_chain_all_proved(&chain));
    assert_true(hook_chain_prepare(&chain, &job, soon(), NULL, &err));
    assert_true(hook_chain_hold(&chain, true, soon(), NULL, &err));
    assert_true(hook_chain_all_held(&chain));
    assert_true(hook_chain_attest(&chain, soon()));
    assert_true(hook_chain_all_proved(&chain));
    assert_true(hook_chain_finish(&chain, "complete", soon(), &err));
    hook_chain_free(&chain);
}

#define ON_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, drop_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_WORLD(the_whole_life_runs_in_order_and_releases_in_reverse),
        ON_WORLD(a_required_hook_that_cannot_hold_ends_the_hold_and_what_was_called_is_released),
        ON_WORLD(a_hook_that_is_not_required_is_passed_over_and_the_label_can_not_be_full),
        ON_WORLD(a_lock_wait_ends_the_hold_only_while_there_are_tries_left),
        ON_WORLD(a_hook_that_is_not_prepared_is_not_held),
        ON_WORLD(a_hook_whose_prepare_is_required_refuses_and_later_ones_are_not_finished),
        ON_WORLD(a_lost_hold_is_not_proved),
        ON_WORLD(a_proof_does_not_outlive_the_next_hold),
        ON_WORLD(a_release_that_fails_does_not_keep_the_others_from_theirs),
        ON_WORLD(a_second_release_calls_nothing),
        ON_WORLD(finish_releases_what_was_forgotten),
        ON_WORLD(a_cancel_between_two_holds_ends_the_hold),
        ON_WORLD(a_deadline_that_has_passed_holds_nothing),
        ON_WORLD(a_deadline_that_has_passed_prepares_nothing),
        ON_WORLD(a_finish_that_fails_is_told_and_the_others_are_finished),
        ON_WORLD(a_release_that_fails_at_the_finish_is_told_and_all_are_finished),
        ON_WORLD(two_hooks_of_one_name_are_refused_and_the_second_freed),
        cmocka_unit_test(a_hook_without_steps_counts_as_held_and_an_empty_chain_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
