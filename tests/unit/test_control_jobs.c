/* SPDX-License-Identifier: BSD-2-Clause */
/* Jobs whose client does not read, behind the control socket: with commands of this test's own in
 * the place of the daemon's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/commands.h"
#include "agent/daemon/control.h"

/* More than a client's write queue and its socket take, less than a job waits for room with. */
enum { ITEMS = 9, ITEM_BYTES = 300 * 1024, PATIENCE_MS = 5000 };

static atomic_bool flood_is_out;

static void flood(struct job *job)
{
    char *text = calloc(1, ITEM_BYTES);

    memset(text, 'x', ITEM_BYTES - 1);
    for (int i = 0; i < ITEMS; i++)
        job_item(job, json_string(text));
    free(text);
    job_result(job, 0, json_null());
    atomic_store(&flood_is_out, true);
}

const struct command *command_find(const char *name)
{
    static const struct command command = {"flood", flood};

    return strcmp(name, command.name) == 0 ? &command : NULL;
}

const char *const *command_names(void)
{
    static const char *const names[] = {"flood", NULL};

    return names;
}

struct rig {
    struct config *config;
    struct agent agent;
    uv_loop_t loop;
    uv_async_t wake, stop;
    struct control *control;
    pthread_t thread;
};

static void on_wake(uv_async_t *async)
{
    control_pump(((struct rig *)async->data)->control);
}

static void on_stop(uv_async_t *async)
{
    struct rig *rig = async->data;

    control_close(rig->control);
    uv_close((uv_handle_t *)&rig->wake, NULL);
    uv_close((uv_handle_t *)&rig->stop, NULL);
}

static void wake(struct agent *agent)
{
    (void)uv_async_send(&((struct rig *)agent->loop)->wake);
}

static void *run(void *arg)
{
    (void)uv_run(&((struct rig *)arg)->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void nap(void)
{
    const struct timespec span = {0, 20 * 1000 * 1000};

    (void)nanosleep(&span, NULL);
}

static int join(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->config->control_socket);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_job_that_ended_unread_is_gone_with_its_client(void **state)
{
    static const char request[] = "{\"v\":1,\"cmd\":\"flood\"}\n";
    struct rig *rig = *state;
    int fd = join(rig);

    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    for (int ms = 0; !atomic_load(&flood_is_out) && ms < PATIENCE_MS; ms += 20)
        nap();
    assert_true(atomic_load(&flood_is_out));
    for (int i = 0; i < 10; i++)
        nap(); /* the loop has taken what it can, and waits for the client */
    (void)close(fd);
    for (int i = 0; i < 25; i++)
        nap();
    (void)uv_async_send(&rig->stop);
    (void)pthread_join(rig->thread, NULL);

    assert_null(rig->agent.jobs);
    assert_int_equal(rig->agent.job_count, 0);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    char folder[] = "/tmp/stillpoint-jobs.XXXXXX", path[64];
    struct err err = ERR_INIT;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/stillpoint.conf", folder);
    FILE *file = fopen(path, "wxe");
    assert_non_null(file);
    (void)fprintf(file, "[aws]\nidentity = none\n[paths]\nrun = %s\nstate = %s\n", folder, folder);
    assert_int_equal(fclose(file), 0);
    const struct config_source source = {.path = path, .path_named = true};
    if (!config_load(&source, &rig->config, &err))
        fail_msg("%s", err.text);
    assert_int_equal(unlink(path), 0);
    (void)pthread_mutex_init(&rig->agent.mutex, NULL);
    rig->agent.config = rig->config;
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

/* The loop was stopped by the test. */
static int tear_down(void **state)
{
    struct rig *rig = *state;

    while (rig->agent.jobs != NULL)
        job_end(rig->agent.jobs);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    control_free(rig->control);
    *strrchr(rig->config->control_socket, '/') = '\0';
    assert_int_equal(rmdir(rig->config->control_socket), 0);
    config_free(rig->config);
    (void)pthread_mutex_destroy(&rig->agent.mutex);
    free(rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_that_ended_unread_is_gone_with_its_client, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("control_jobs", tests, NULL, NULL);
}
