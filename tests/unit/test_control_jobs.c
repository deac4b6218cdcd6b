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

#include "agent/daemon/commands.h"
#include "tests/unit/control_rig.h"

/* More than a client's write queue and its socket take, less than a job waits for room with. */
enum { ITEMS = 9, ITEM_BYTES = 300 * 1024, PATIENCE_MS = 5000 };
/* More than the socket takes, less than stays with the job. */
enum { LAG_ITEMS = 2, ANSWER_BYTES = (LAG_ITEMS + 1) * ITEM_BYTES };

static atomic_bool flood_is_out, may_go;

static void nap(void)
{
    const struct timespec span = {0, 20 * 1000 * 1000};

    (void)nanosleep(&span, NULL);
}

static void tell_items(struct job *job, int count)
{
    char *text = calloc(1, ITEM_BYTES);

    memset(text, 'x', ITEM_BYTES - 1);
    for (int i = 0; i < count; i++)
        job_item(job, json_string(text));
    free(text);
    job_result(job, 0, json_null());
}

static void flood(struct job *job)
{
    tell_items(job, ITEMS);
    atomic_store(&flood_is_out, true);
}

/* Its thread ends when the loop has taken its last word already. */
static void lag(struct job *job)
{
    tell_items(job, LAG_ITEMS);
    for (int i = 0; i < 10; i++)
        nap();
}

static void park(struct job *job)
{
    for (int ms = 0; !atomic_load(&may_go) && ms < PATIENCE_MS; ms += 20)
        nap();
    job_result(job, 0, json_null());
}

static void answer(struct job *job)
{
    job_result(job, 0, json_null());
}

const struct command *command_find(const char *name)
{
    static const struct command all[] = {{"flood", flood, false},
                                         {"lag", lag, false},
                                         {"park", park, false},
                                         {"answer", answer, true}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(name, all[i].name) == 0)
            return &all[i];
    }
    return NULL;
}

const char *const *command_names(void)
{
    static const char *const names[] = {"flood", "lag", "park", "answer", NULL};

    return names;
}

static int join(const struct control_rig *rig)
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
    struct control_rig *rig = *state;
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
    control_rig_stop(rig);

    assert_null(rig->agent.jobs);
    assert_int_equal(rig->agent.job_count, 0);
}

static void a_client_that_reads_late_has_the_last_word_too(void **state)
{
    static const char request[] = "{\"v\":1,\"cmd\":\"lag\"}\n";
    char *all = calloc(1, ANSWER_BYTES);
    int fd = join(*state);
    size_t len = 0;
    ssize_t got;

    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    for (int i = 0; i < 25; i++)
        nap(); /* the job has ended */
    while (len < ANSWER_BYTES - 1 && (got = read(fd, all + len, ANSWER_BYTES - 1 - len)) > 0)
        len += (size_t)got;

    assert_true(len > LAG_ITEMS * ITEM_BYTES);
    assert_non_null(strstr(all + LAG_ITEMS * ITEM_BYTES, "\"event\":\"result\""));
    free(all);
    (void)close(fd);
}

static int ask(const struct control_rig *rig, const char *cmd)
{
    char request[64];
    int fd = join(rig), len = snprintf(request, sizeof(request), "{\"v\":1,\"cmd\":\"%s\"}\n", cmd);

    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
    return fd;
}

/* Reads the answer to its end. */
static void hear(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t got;

    while (len < size - 1 && (got = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    (void)close(fd);
}

static unsigned count_jobs(struct control_rig *rig)
{
    (void)pthread_mutex_lock(&rig->agent.mutex);
    unsigned count = rig->agent.job_count;
    (void)pthread_mutex_unlock(&rig->agent.mutex);
    return count;
}

static void where_all_places_are_taken_a_hold_can_still_be_let_go_of(void **state)
{
    struct control_rig *rig = *state;
    int fds[JOB_COUNT_MAX];
    char text[1000];

    for (int i = 0; i < JOB_COUNT_MAX; i++)
        fds[i] = ask(rig, "park");
    for (int ms = 0; count_jobs(rig) < JOB_COUNT_MAX && ms < PATIENCE_MS; ms += 20)
        nap();

    hear(ask(rig, "park"), text, sizeof(text));
    assert_non_null(strstr(text, "16 requests are running already"));
    hear(ask(rig, "answer"), text, sizeof(text));
    assert_non_null(strstr(text, "\"event\":\"result\""));

    atomic_store(&may_go, true);
    for (int i = 0; i < JOB_COUNT_MAX; i++) {
        hear(fds[i], text, sizeof(text));
        assert_non_null(strstr(text, "\"event\":\"result\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_that_ended_unread_is_gone_with_its_client,
                                        control_rig_set_up, control_rig_tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_reads_late_has_the_last_word_too,
                                        control_rig_set_up, control_rig_tear_down),
        cmocka_unit_test_setup_teardown(where_all_places_are_taken_a_hold_can_still_be_let_go_of,
                                        control_rig_set_up, control_rig_tear_down),
    };

    return cmocka_run_group_tests_name("control_jobs", tests, NULL, NULL);
}
