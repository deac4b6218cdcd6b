/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/work_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void wake(struct agent *agent)
{
    (void)agent;
}

void work_scene_open(struct work_scene *scene, const char *const *answers, size_t count)
{
    memset(scene, 0, sizeof(*scene));
    scene->agent.wake = wake;
    scene->job.agent = &scene->agent;
    scene->job.deaf = true;
    scene->job.cancel = (struct cancel)CANCEL_INIT;
    assert_true(cancel_open(&scene->job.cancel, &scene->err));
    assert_int_equal(pthread_mutex_init(&scene->job.mutex, NULL), 0);
    scene->fake = fake_ec2_start(answers, count);
    scene->work.job = &scene->job;
    scene->work.ec2 = scene->fake.ec2;
    scene->work.backup = backup_new();
    assert_true(strs_dup(&scene->work.backup->id, "sp-1", &scene->err));
    struct backup_snapshot *snapshot = backup_add_snapshot(scene->work.backup);
    assert_non_null(snapshot);
    assert_true(strs_dup(&snapshot->id, "snap-1", &scene->err));
    assert_true(strs_dup(&snapshot->volume, "vol-1", &scene->err));
}

void work_scene_close(struct work_scene *scene)
{
    backup_free(scene->work.backup);
    fake_ec2_stop(&scene->fake);
    cancel_close(&scene->job.cancel);
    (void)pthread_mutex_destroy(&scene->job.mutex);
}
