/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_WORK_SCENE_H
#define STILLPOINT_WORK_SCENE_H

#include "agent/daemon/agent.h"
#include "agent/daemon/work.h"
#include "tests/unit/fake_ec2.h"

/* A job whose client has gone, past its hold, before a scripted EC2: a set of one snapshot, snap-1
 * of vol-1, of the backup sp-1. */
struct work_scene {
    struct agent agent;
    struct job job;
    struct work work;
    struct fake_ec2 fake;
    struct err err;
};

void work_scene_open(struct work_scene *scene, const char *const *answers, size_t count);
void work_scene_close(struct work_scene *scene);

#endif
