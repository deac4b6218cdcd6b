/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void on_wake(uv_async_t *async)
{
    struct control_rig *rig = async->data;

    control_pump(rig->control);
}

static void on_stop(uv_async_t *async)
{
    struct control_rig *rig = async->data;

    rig->agent.stopping = true;
    control_close(rig->control);
    uv_close((uv_handle_t *)&rig->wake, NULL);
    uv_close((uv_handle_t *)&rig->stop, NULL);
}

static void wake(struct agent *agent)
{
    struct control_rig *rig = agent->loop;

    (void)uv_async_send(&rig->wake);
}

static void *run(void *arg)
{
    struct control_rig *rig = arg;

    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void write_config(struct control_rig *rig)
{
    FILE *file = fopen(rig->config_path, "wxe");

    assert_non_null(file);
    assert_true(fprintf(file, "[aws]\nidentity = none\n[paths]\nrun = %s\nstate = %s\n",
                        rig->folder, rig->folder) > 0);
    assert_int_equal(fclose(file), 0);
}

int control_rig_set_up(void **state)
{
    static const struct credentials_options none = {.use_environment = false};
    struct control_rig *rig = calloc(1, sizeof(*rig));
    struct err err = ERR_INIT;

    assert_non_null(rig);
    strcpy(rig->folder, "/tmp/stillpoint-control.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    (void)snprintf(rig->config_path, sizeof(rig->config_path), "%s/stillpoint.conf", rig->folder);
    write_config(rig);
    rig->source = (struct config_source){.path = rig->config_path, .path_named = true};
    if (!config_load(&rig->source, &rig->config, &err) ||
        !credentials_open(&none, &rig->agent.credentials, &err))
        fail_msg("%s", err.text);
    (void)pthread_mutex_init(&rig->agent.mutex, NULL);
    rig->agent.config = rig->config;
    rig->agent.config_source = &rig->source;
    rig->agent.wake = wake;
    rig->agent.loop = rig;
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    (void)uv_async_init(&rig->loop, &rig->wake, on_wake);
    (void)uv_async_init(&rig->loop, &rig->stop, on_stop);
    rig->wake.data = rig->stop.data = rig;
    if (!control_open(&rig->loop, &rig->agent, &rig->control, &err))
        fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&rig->thread, NULL, run, rig), 0);
    *state = rig;
    return 0;
}

void control_rig_stop(struct control_rig *rig)
{
    if (rig->stopped)
        return;
    rig->stopped = true;
    (void)uv_async_send(&rig->stop);
    (void)pthread_join(rig->thread, NULL);
}

int control_rig_tear_down(void **state)
{
    struct control_rig *rig = *state;

    control_rig_stop(rig);
    while (rig->agent.jobs != NULL)
        job_end(rig->agent.jobs);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    control_free(rig->control);
    credentials_free(rig->agent.credentials);
    config_free(rig->config);
    (void)pthread_mutex_destroy(&rig->agent.mutex);
    (void)unlink(rig->config_path);
    assert_int_equal(rmdir(rig->folder), 0); /* the socket's file went with the daemon */
    free(rig);
    return 0;
}
