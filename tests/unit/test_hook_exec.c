/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/hook_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

/* Stands in for stillpoint-hook: answers one connection with what the test put there. */
struct runner {
    char dir[64];
    struct sockaddr_un address;
    int listen_fd;
    pthread_t thread;
    struct hook_request request; /* what came */
    ssize_t request_len;
    struct hook_reply reply;
    size_t reply_len;
    bool deaf;             /* ends the connection with the request unread */
    int hang_ms;           /* silent so long, then the end of the connection, without a reply */
    bool client_went_away; /* while it was silent */
};

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static int make_runner(void **state)
{
    struct runner *runner = calloc(1, sizeof(*runner));

    (void)snprintf(runner->dir, sizeof(runner->dir), "/tmp/stillpoint-exec-XXXXXX");
    if (mkdtemp(runner->dir) == NULL)
        return -1;
    runner->address.sun_family = AF_UNIX;
    (void)snprintf(runner->address.sun_path, sizeof(runner->address.sun_path), "%s/hook.sock",
                   runner->dir);
    runner->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    runner->reply = (struct hook_reply){.version = HOOK_WIRE_VERSION, .result = HOOK_EXITED};
    runner->reply_len = sizeof(runner->reply);
    *state = runner;
    return bind(runner->listen_fd, (const struct sockaddr *)&runner->address,
                sizeof(runner->address)) == 0 &&
                   listen(runner->listen_fd, 4) == 0
               ? 0
               : -1;
}

static int drop_runner(void **state)
{
    struct runner *runner = *state;
    char path[96];

    (void)close(runner->listen_fd);
    (void)unlink(runner->address.sun_path);
    (void)snprintf(path, sizeof(path), "%s/hook", runner->dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/told", runner->dir);
    (void)unlink(path);
    (void)rmdir(runner->dir);
    free(runner);
    return 0;
}

static void *answer_one(void *arg)
{
    struct runner *runner = arg;
    int fd = accept(runner->listen_fd, NULL, NULL);
    char first = 0;

    if (runner->deaf) {
        (void)recv(fd, &first, 1, MSG_PEEK);
        (void)close(fd);
        return NULL;
    }
    runner->request_len = recv(fd, &runner->request, sizeof(runner->request), MSG_TRUNC);
    if (runner->hang_ms > 0) {
        struct timeval wait = {.tv_sec = runner->hang_ms / 1000,
                               .tv_usec = runner->hang_ms % 1000 * 1000};
        char byte = 0;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        runner->client_went_away = recv(fd, &byte, 1, 0) == 0;
    } else {
        (void)send(fd, &runner->reply, runner->reply_len, MSG_NOSIGNAL);
    }
    (void)close(fd);
    return NULL;
}

static void start_answer(struct runner *runner)
{
    assert_int_equal(pthread_create(&runner->thread, NULL, answer_one, runner), 0);
}

static void end_answer(struct runner *runner)
{
    assert_int_equal(pthread_join(runner->thread, NULL), 0);
}

static struct hook make_hook(const struct runner *runner, const char *path, unsigned phases)
{
    const struct hook_exec_config config = {.name = "index",
                                            .path = path,
                                            .socket = runner->address.sun_path,
                                            .phases = phases,
                                            .prepare_timeout_ms = 30000,
                                            .hold_timeout_ms = 400,
                                            .release_timeout_ms = 5000,
                                            .finish_timeout_ms = 70000};
    struct hook hook;
    struct err err = ERR_INIT;

    assert_true(hook_exec_new(&config, &hook, &err));
    return hook;
}

/* One hold against a reply; returns whether it held. */
static bool hold_once(struct runner *runner, const char *path, int64_t deadline_ms,
                      const struct cancel *cancel, struct err *err)
{
    struct hook hook = make_hook(runner, path, HOOK_EXEC_ALL);

    start_answer(runner);
    bool ok = hook.hold(hook.self, deadline_ms, cancel, err);
    end_answer(runner);
    hook.free(hook.self);
    return ok;
}

static void the_request_carries_the_job_and_the_earlier_deadline(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/etc/stillpoint/hooks.d/index", HOOK_EXEC_ALL);
    struct hook_job job = {"sp-20261124T081530Z-k3f9x", "before\nupgrade"};
    struct err err = ERR_INIT;

    start_answer(runner);
    int64_t deadline_ms = in_ms(2000);
    assert_true(hook.prepare(hook.self, &job, deadline_ms, NULL, &err));
    end_answer(runner);
    assert_int_equal(runner->request_len, sizeof(runner->request));
    assert_int_equal(runner->request.version, HOOK_WIRE_VERSION);
    assert_int_equal(runner->request.phase, HOOK_PREPARE);
    assert_int_equal(runner->request.deadline_ms, deadline_ms);
    assert_string_equal(runner->request.path, "/etc/stillpoint/hooks.d/index");
    assert_string_equal(runner->request.id, "sp-20261124T081530Z-k3f9x");
    assert_string_equal(runner->request.reason, "before upgrade");
    assert_string_equal(runner->request.outcome, "");

    start_answer(runner);
    int64_t begin_ms = clock_boot_ms();
    assert_true(hook.hold(hook.self, in_ms(60000), NULL, &err));
    end_answer(runner);
    assert_int_equal(runner->request.phase, HOOK_HOLD);
    assert_in_range(runner->request.deadline_ms, begin_ms + 400, begin_ms + 1400);
    hook.free(hook.self);
}

static void a_release_past_its_deadline_runs_all_the_same_and_carries_the_outcome(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_ALL);
    struct err err = ERR_INIT;

    start_answer(runner);
    assert_true(hook.release(hook.self, "failed", in_ms(-1), &err));
    end_answer(runner);

    assert_int_equal(runner->request.phase, HOOK_RELEASE);
    assert_string_equal(runner->request.outcome, "failed");
    assert_true(runner->request.deadline_ms > in_ms(4000));
    hook.free(hook.self);
}

static void a_finish_has_the_time_of_its_own_key(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_ALL);
    struct err err = ERR_INIT;

    start_answer(runner);
    int64_t begin_ms = clock_boot_ms();
    assert_true(hook.finish(hook.self, "complete", in_ms(30000), &err));
    end_answer(runner);

    assert_int_equal(runner->request.phase, HOOK_FINISH);
    assert_in_range(runner->request.deadline_ms, begin_ms + 70000, begin_ms + 70500);
    hook.free(hook.self);
}

static void a_phase_that_is_not_wanted_connects_to_nobody(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_BIT(HOOK_RELEASE));
    struct err err = ERR_INIT;

    assert_true(hook.hold(hook.self, in_ms(1000), NULL, &err));
    assert_true(hook.finish(hook.self, "complete", in_ms(1000), &err));

    assert_int_equal(fcntl(runner->listen_fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(accept(runner->listen_fd, NULL, NULL), -1);
    hook.free(hook.self);
}

static void output_is_kept_for_the_log_until_the_phase_runs_again(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_ALL);
    struct err err = ERR_INIT;
    size_t len = 99;

    memcpy(runner->reply.output, "stopped\n", 8);
    runner->reply.output_bytes = 8;
    start_answer(runner);
    assert_true(hook.hold(hook.self, in_ms(1000), NULL, &err));
    end_answer(runner);
    const char *output = hook_exec_output(&hook, HOOK_HOLD, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(output, "stopped\n", 8);
    (void)hook_exec_output(&hook, HOOK_RELEASE, &len);
    assert_int_equal(len, 0);

    runner->reply.output_bytes = 0;
    start_answer(runner);
    assert_true(hook.hold(hook.self, in_ms(1000), NULL, &err));
    end_answer(runner);
    (void)hook_exec_output(&hook, HOOK_HOLD, &len);
    assert_int_equal(len, 0);
    hook.free(hook.self);
}

static void each_verdict_is_told_with_its_remedy(void **state)
{
    static const struct {
        struct hook_reply reply;
        const char *text, *remedy;
    } verdicts[] = {
        {{.result = HOOK_EXITED, .code = 3}, "exited with 3", "daemon's log"},
        {{.result = HOOK_SIGNALLED, .code = 11}, "ended by signal 11", "daemon's log"},
        {{.result = HOOK_DEADLINE, .took_us = 400000}, "killed after 400 ms", "[hook index]"},
        {{.result = HOOK_FAILED, .os_errno = 12}, "could not be started: Cannot allocate", ""},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_OWNER, .component_bytes = 4},
         "/etc is not owned by root",
         "chown root"},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_WRITABLE},
         "/etc/hook can be written by others",
         "chmod go-w"},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_MISSING, .os_errno = 2},
         "/etc/hook can't be found: No such file",
         "put it back"},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_SYMLINK}, "symbolic link", "points to"},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_NOT_FILE}, "executable", "chmod u+x"},
        {{.result = HOOK_REFUSED, .refusal = HOOK_REFUSAL_PEER}, "may not ask", "user stillpoint"},
        {{.result = HOOK_REFUSED, .refusal = 77}, "not understood", "one version"},
    };
    struct runner *runner = *state;

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        struct err err = ERR_INIT;
        runner->reply = verdicts[i].reply;
        runner->reply.version = HOOK_WIRE_VERSION;

        assert_false(hold_once(runner, "/etc/hook", in_ms(2000), NULL, &err));

        assert_int_equal(err.kind, ERR_HOOK);
        assert_non_null(strstr(err.text, verdicts[i].text));
        assert_non_null(strstr(err.remedy, verdicts[i].remedy));
    }
}

static void an_answer_that_is_none_is_refused(void **state)
{
    struct runner *runner = *state;
    const struct hook_reply good = runner->reply;
    struct err err = ERR_INIT;

    runner->reply.version = HOOK_WIRE_VERSION + 1;
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);

    runner->reply = good;
    runner->reply_len = sizeof(good) - 1;
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);

    runner->reply_len = sizeof(good);
    runner->reply.output_bytes = HOOK_OUTPUT_BYTES + 1;
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);

    runner->reply = good;
    runner->reply.result = 99;
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);

    runner->hang_ms = 20; /* then the end of the connection */
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_HOOK);
}

static void a_runner_that_ends_with_the_request_unread_is_told(void **state)
{
    struct runner *runner = *state;
    struct err err = ERR_INIT;

    runner->deaf = true;
    assert_false(hold_once(runner, "/hook", in_ms(2000), NULL, &err));

    assert_int_equal(err.kind, ERR_HOOK);
    assert_int_equal(err.os_errno, ECONNRESET);
    assert_non_null(strstr(err.text, "receiving"));
}

static void a_socket_whose_path_is_too_long_is_refused_and_not_cut(void **state)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1] = "";
    struct err err = ERR_INIT;

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    const struct hook_exec_config config = {
        .name = "index", .path = "/hook", .socket = path, .phases = HOOK_EXEC_ALL};
    struct hook hook;

    assert_true(hook_exec_new(&config, &hook, &err));
    assert_false(hook.hold(hook.self, in_ms(2000), NULL, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "longer than a socket's path can be"));
    hook.free(hook.self);
}

static void a_release_that_did_not_end_well_may_have_left_something_held(void **state)
{
    static const enum hook_result results[] = {HOOK_EXITED, HOOK_DEADLINE};
    struct runner *runner = *state;

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_ALL);
        struct err err = ERR_INIT;

        runner->reply.result = results[i];
        runner->reply.code = 1;
        start_answer(runner);
        assert_false(hook.release(hook.self, "complete", in_ms(2000), &err));
        end_answer(runner);
        hook.free(hook.self);

        assert_int_equal(err.kind, ERR_HOOK);
        assert_non_null(strstr(err.remedy, "may still be held"));
    }
}

static void a_silent_runner_is_left_soon_after_the_deadline(void **state)
{
    struct runner *runner = *state;
    struct err err = ERR_INIT;

    runner->hang_ms = 3000;
    int64_t begin_ms = clock_boot_ms();
    assert_false(hold_once(runner, "/hook", in_ms(60000), NULL, &err));
    int64_t took_ms = clock_boot_ms() - begin_ms;

    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(took_ms, 400, 1400);
    assert_true(runner->client_went_away);
}

static void a_cancel_closes_the_connection_at_once(void **state)
{
    struct runner *runner = *state;
    struct cancel cancel = CANCEL_INIT;
    struct err err = ERR_INIT;

    assert_true(cancel_open(&cancel, &err));
    cancel_ask(&cancel);
    runner->hang_ms = 3000;
    assert_false(hold_once(runner, "/hook", in_ms(60000), &cancel, &err));
    cancel_close(&cancel);

    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(runner->client_went_away);
}

static void nobody_at_the_socket_says_what_to_start(void **state)
{
    struct runner *runner = *state;
    struct hook hook = make_hook(runner, "/hook", HOOK_EXEC_ALL);
    struct hook_job job = {"sp-1", ""};
    struct err err = ERR_INIT;

    assert_int_equal(unlink(runner->address.sun_path), 0);
    assert_false(hook.prepare(hook.self, &job, in_ms(1000), NULL, &err));

    assert_int_equal(err.kind, ERR_HOOK);
    assert_non_null(strstr(err.remedy, "stillpoint-hook.socket"));
    assert_true(hook.prepare_required);
    hook.free(hook.self);
}

static void a_path_that_is_not_absolute_is_refused(void **state)
{
    const struct hook_exec_config config = {.name = "x", .path = "hook", .socket = "/s"};
    struct hook hook;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(hook_exec_new(&config, &hook, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
}

/* --- with the real one -------------------------------------------------------------------- */

static void *run_program(void *arg)
{
    struct runner *runner = arg;
    const char *build = getenv("BUILD");
    char program[256];
    int fd = accept(runner->listen_fd, NULL, NULL);

    (void)snprintf(program, sizeof(program), "%s/stillpoint-hook", build ? build : "build/plain");
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(fd, 0) == 0)
            execl(program, program, (char *)NULL);
        _exit(127);
    }
    (void)close(fd);
    (void)waitpid(pid, NULL, 0);
    return NULL;
}

static void write_script(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static bool real_phase(struct runner *runner, struct hook *hook, enum hook_phase phase,
                       struct err *err)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run_program, runner), 0);
    bool ok = phase == HOOK_HOLD ? hook->hold(hook->self, in_ms(5000), NULL, err)
                                 : hook->release(hook->self, "complete", in_ms(5000), err);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return ok;
}

static void the_real_runner_runs_a_program_and_ends_one_that_is_late(void **state)
{
    struct runner *runner = *state;
    const char *build = getenv("BUILD");
    char program[256], path[96];
    struct err err = ERR_INIT;
    size_t len = 0;

    (void)snprintf(program, sizeof(program), "%s/stillpoint-hook", build ? build : "build/plain");
    if (geteuid() != 0 || access(program, X_OK) != 0)
        skip();
    /* Below /tmp every path is refused, since others can write to it. */
    (void)snprintf(path, sizeof(path), "%s/hook", runner->dir);
    struct hook refused = make_hook(runner, path, HOOK_EXEC_ALL);
    write_script(path, "#!/bin/sh\nexit 0\n", 0700);
    assert_false(real_phase(runner, &refused, HOOK_HOLD, &err));
    assert_non_null(strstr(err.text, "/tmp can be written by others"));
    refused.free(refused.self);

    char folder[] = "/var/lib/stillpoint-exec-XXXXXX", script[64];
    if (mkdtemp(folder) == NULL)
        skip();
    (void)snprintf(script, sizeof(script), "%s/hook", folder);
    write_script(script,
                 "#!/bin/sh\n[ \"$1\" = hold ] && exec sleep 30\n"
                 "echo \"$1 $STILLPOINT_OUTCOME\"\n",
                 0700);
    struct hook hook = make_hook(runner, script, HOOK_EXEC_ALL);
    bool held = real_phase(runner, &hook, HOOK_HOLD, &err);
    bool released = real_phase(runner, &hook, HOOK_RELEASE, &err);
    (void)unlink(script);
    (void)rmdir(folder);

    assert_false(held);
    assert_non_null(strstr(err.text, "at its deadline"));
    assert_true(released);
    const char *output = hook_exec_output(&hook, HOOK_RELEASE, &len);
    assert_int_equal(len, 17);
    assert_memory_equal(output, "release complete\n", 17);
    hook.free(hook.self);
}

#define ON_RUNNER(test) cmocka_unit_test_setup_teardown(test, make_runner, drop_runner)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_RUNNER(the_request_carries_the_job_and_the_earlier_deadline),
        ON_RUNNER(a_release_past_its_deadline_runs_all_the_same_and_carries_the_outcome),
        ON_RUNNER(a_finish_has_the_time_of_its_own_key),
        ON_RUNNER(a_phase_that_is_not_wanted_connects_to_nobody),
        ON_RUNNER(output_is_kept_for_the_log_until_the_phase_runs_again),
        ON_RUNNER(each_verdict_is_told_with_its_remedy),
        ON_RUNNER(an_answer_that_is_none_is_refused),
        ON_RUNNER(a_runner_that_ends_with_the_request_unread_is_told),
        cmocka_unit_test(a_socket_whose_path_is_too_long_is_refused_and_not_cut),
        ON_RUNNER(a_release_that_did_not_end_well_may_have_left_something_held),
        ON_RUNNER(a_silent_runner_is_left_soon_after_the_deadline),
        ON_RUNNER(a_cancel_closes_the_connection_at_once),
        ON_RUNNER(nobody_at_the_socket_says_what_to_start),
        ON_RUNNER(a_path_that_is_not_absolute_is_refused),
        ON_RUNNER(the_real_runner_runs_a_program_and_ends_one_that_is_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
