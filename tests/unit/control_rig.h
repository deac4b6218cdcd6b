/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CONTROL_RIG_H
#define STILLPOINT_CONTROL_RIG_H

#include <pthread.h>
#include <uv.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/control.h"

/* A daemon's loop in a thread, with its control socket in a folder of its own and no identity. */
struct control_rig {
    char folder[64];
    char config_path[96];
    struct config_source source;
    struct config *config;
    struct agent agent;
    uv_loop_t loop;
    uv_async_t wake, stop;
    struct control *control;
    pthread_t thread;
    bool stopped;
};

int control_rig_set_up(void **state);    /* *state: the rig */
int control_rig_tear_down(void **state); /* stops it, unless the test has */
/* Ends the loop and its thread; what jobs it left is in rig->agent.jobs. */
void control_rig_stop(struct control_rig *rig);

#endif
