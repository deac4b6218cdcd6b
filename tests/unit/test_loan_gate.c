/* SPDX-License-Identifier: BSD-2-Clause */
/* Volumes that come and go, and the job that has the node: never at the same time. */
#include "agent/daemon/loan_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"

struct scene {
    struct agent agent;
    struct job backup, other;
    struct err err;
};

static void wake(struct agent *agent)
{
    (void)agent;
}

static void open_job(struct scene *scene, struct job *job)
{
    job->agent = &scene->agent;
    job->deaf = true;
    job->step = "hold";
    job->cancel = (struct cancel)CANCEL_INIT;
    assert_true(cancel_open(&job->cancel, &scene->err));
    assert_int_equal(pthread_mutex_init(&job->mutex, NULL), 0);
}

static struct scene *open_scene(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    scene->agent.wake = wake;
    assert_int_equal(pthread_mutex_init(&scene->agent.mutex, NULL), 0);
    open_job(scene, &scene->backup);
    open_job(scene, &scene->other);
    return scene;
}

static void close_scene(struct scene *scene)
{
    cancel_close(&scene->backup.cancel);
    cancel_close(&scene->other.cancel);
    strs_free(&scene->agent.on_loan);
}

static void a_move_waits_for_the_job_that_has_the_node(void **state)
{
    struct scene scene;
    bool waited = false;
    (void)state;

    (void)open_scene(&scene);
    assert_true(job_take_node(&scene.backup, &scene.err));
    assert_false(loan_gate_enter(&scene.agent, clock_boot_ms() + 120, NULL, &waited, &scene.err));
    assert_int_equal(scene.err.kind, ERR_DEADLINE);
    assert_int_equal(scene.agent.loan_moves, 0);
    job_leave_node(&scene.backup);
    assert_true(loan_gate_enter(&scene.agent, clock_boot_ms() + 120, NULL, &waited, &scene.err));
    assert_false(waited);
    loan_gate_leave(&scene.agent);
    close_scene(&scene);
}

static void a_job_that_takes_the_node_waits_for_the_move_and_lets_no_other_begin(void **state)
{
    struct scene scene;
    (void)state;

    (void)open_scene(&scene);
    assert_true(loan_gate_enter(&scene.agent, clock_boot_ms() + 120, NULL, NULL, &scene.err));
    cancel_ask(&scene.backup.cancel); /* else it would wait for minutes */
    assert_false(job_take_node(&scene.backup, &scene.err));
    assert_int_equal(scene.err.kind, ERR_CANCELLED);
    assert_null(scene.agent.node_holder); /* and has it no more */
    assert_false(loan_gate_settle(&scene.agent, clock_boot_ms() + 120, NULL, &scene.err));
    assert_int_equal(scene.err.kind, ERR_BUSY);
    assert_string_not_equal(scene.err.remedy, "");
    loan_gate_leave(&scene.agent);
    assert_true(job_take_node(&scene.other, &scene.err));
    close_scene(&scene);
}

static void what_is_on_loan_is_known_until_it_is_given_back(void **state)
{
    struct strs ids = {NULL, 0};
    struct scene scene;
    (void)state;

    (void)open_scene(&scene);
    assert_true(loan_gate_add(&scene.agent, "ln-1", &scene.err));
    assert_true(loan_gate_add(&scene.agent, "vol-1", &scene.err));
    assert_true(loan_gate_add(&scene.agent, "vol-2", &scene.err));
    loan_gate_remove(&scene.agent, "vol-1");
    loan_gate_remove(&scene.agent, "vol-7");
    assert_true(loan_gate_list(&scene.agent, &ids, &scene.err));
    assert_int_equal(ids.count, 2);
    assert_true(strs_has(&ids, "ln-1") && strs_has(&ids, "vol-2"));
    strs_free(&ids);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_waits_for_the_job_that_has_the_node),
        cmocka_unit_test(a_job_that_takes_the_node_waits_for_the_move_and_lets_no_other_begin),
        cmocka_unit_test(what_is_on_loan_is_known_until_it_is_given_back),
    };

    return cmocka_run_group_tests_name("loan_gate", tests, NULL, NULL);
}
