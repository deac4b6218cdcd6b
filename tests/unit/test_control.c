/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket from outside: a daemon's loop in a thread, clients that behave and that don't.
 * Commands that need no node: status (no guard, no identity), list without a region. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
#include "agent/base/control_wire.h"
#include "tests/unit/control_rig.h"

enum { ANSWER_MS = 15000, ANSWER_BYTES = 1 << 20 };

static int join(const struct control_rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", rig->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* All that comes until the daemon closes; freed by the caller. */
static char *hear_all(int fd)
{
    char *all = malloc(ANSWER_BYTES);
    int64_t end_ms = clock_boot_ms() + ANSWER_MS;
    size_t len = 0;

    for (;;) {
        struct pollfd one = {fd, POLLIN, 0};
        int left_ms = (int)(end_ms - clock_boot_ms());
        if (left_ms <= 0 || poll(&one, 1, left_ms) <= 0)
            fail_msg("the daemon neither answers nor closes");
        ssize_t got = read(fd, all + len, ANSWER_BYTES - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    all[len] = '\0';
    return all;
}

static char *ask(const struct control_rig *rig, const void *bytes, size_t len)
{
    int fd = join(rig);

    assert_true(fd >= 0);
    for (size_t at = 0; at < len;) {
        ssize_t put = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        if (put < 0)
            break; /* it had enough, and has said so */
        at += (size_t)put;
    }
    char *answer = hear_all(fd);
    (void)close(fd);
    return answer;
}

static char *ask_text(const struct control_rig *rig, const char *text)
{
    return ask(rig, text, strlen(text));
}

static void assert_says(char *answer, const char *part)
{
    if (strstr(answer, part) == NULL)
        fail_msg("wanted %s in: %s", part, answer);
}

static void a_request_is_answered_by_one_result(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"status\"}\n");

    assert_says(answer, "\"event\":\"result\"");
    assert_says(answer, "\"reachable\":false");
    assert_says(answer, "\"identity\":null");
    free(answer);
}

static void garbage_is_refused_with_exit_code_2(void **state)
{
    static const char *const lines[] = {"hello\n",
                                        "{}\n",
                                        "[]\n",
                                        "{\"v\":2,\"cmd\":\"status\"}\n",
                                        "{\"v\":1,\"cmd\":7}\n",
                                        "{\"v\":1,\"cmd\":\"status\",\"x\":1}\n",
                                        "\n",
                                        "{\"v\":1,\"cmd\":\"status\"} {}\n"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char *answer = ask_text(*state, lines[i]);
        assert_says(answer, "\"event\":\"error\",\"exit\":2");
        free(answer);
    }
}

static void an_unknown_command_names_the_nearest(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"bakcup\"}\n");

    assert_says(answer, "did you mean backup?");
    free(answer);
}

static void an_unknown_argument_is_refused(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"status\",\"args\":{\"force\":true}}\n");

    assert_says(answer, "\"exit\":2");
    assert_says(answer, "force");
    free(answer);
}

static void a_huge_line_is_refused_and_the_daemon_lives(void **state)
{
    size_t len = 3 * CONTROL_REQUEST_BYTES_MAX;
    char *huge = malloc(len);

    memset(huge, '{', len);
    char *answer = ask(*state, huge, len);
    free(huge);
    /* The answer may be lost to the reset that our unread bytes cause; the daemon may not be. */
    free(answer);
    a_request_is_answered_by_one_result(state);
}

static void deep_json_is_refused(void **state)
{
    char line[2048] = "{\"v\":1,\"cmd\":\"status\",\"args\":{\"a\":";

    for (int i = 0; i < 500; i++)
        strcat(line, "[");
    strcat(line, "\n");
    char *answer = ask_text(*state, line);
    assert_says(answer, "\"exit\":2");
    free(answer);
}

static void a_silent_client_is_dropped(void **state)
{
    int fd = join(*state);
    int64_t begin_ms = clock_boot_ms();

    char *answer = hear_all(fd);

    assert_string_equal(answer, "");
    assert_in_range(clock_boot_ms() - begin_ms, 9000, 14000);
    free(answer);
    (void)close(fd);
}

static void silent_clients_do_not_keep_others_out(void **state)
{
    int fds[40];

    for (size_t i = 0; i < 40; i++)
        fds[i] = join(*state);
    a_request_is_answered_by_one_result(state);
    for (size_t i = 0; i < 40; i++)
        (void)close(fds[i]);
}

static void too_many_clients_are_told_so(void **state)
{
    int fds[64];
    bool told = false;

    for (size_t i = 0; i < 64; i++)
        fds[i] = join(*state);
    for (int i = 0; i < 50 && !told; i++) {
        int fd = join(*state);
        char *answer = hear_all(fd);
        told = strstr(answer, "clients are connected already") != NULL;
        free(answer);
        (void)close(fd);
    }
    assert_true(told);
    for (size_t i = 0; i < 64; i++)
        (void)close(fds[i]);
}

static void a_client_that_leaves_at_once_harms_nobody(void **state)
{
    for (int i = 0; i < 50; i++) {
        int fd = join(*state);
        const char *line = "{\"v\":1,\"cmd\":\"status\"}\n";
        if (i % 2 == 0)
            assert_true(send(fd, line, strlen(line), MSG_NOSIGNAL) > 0);
        (void)close(fd);
    }
    bool served =
        false; /* more than JOB_COUNT_MAX at once are refused: in a moment they are gone */
    for (int i = 0; i < 100 && !served; i++) {
        char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"status\"}\n");
        served = strstr(answer, "\"event\":\"result\"") != NULL;
        free(answer);
        (void)usleep(20000);
    }
    assert_true(served);
}

static void a_backup_without_identity_exits_5(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"backup\",\"args\":{}}\n");

    assert_says(answer, "\"event\":\"error\",\"exit\":5");
    assert_says(answer, "no instance");
    free(answer);
}

static void a_list_without_region_says_what_to_set(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"list\"}\n");

    assert_says(answer, "\"exit\":5");
    assert_says(answer, "[aws] region");
    free(answer);
}

static void a_cancel_with_nothing_running_says_so(void **state)
{
    char *answer = ask_text(*state, "{\"v\":1,\"cmd\":\"cancel\"}\n");

    assert_says(answer, "no backup is running");
    free(answer);
}

static void bad_backup_arguments_are_named(void **state)
{
    static const struct {
        const char *args, *part;
    } cases[] = {
        {"{\"consistency\":\"perfect\"}", "application, filesystem, crash"},
        {"{\"wait\":\"forever\"}", "one of cut, complete"},
        {"{\"keep_ms\":-1}", "keep_ms"},
        {"{\"max_age_ms\":0}", "max_age_ms"},
        {"{\"tags\":{\"aws:x\":\"y\"}}", "aws:"},
        {"{\"tags\":{\"stillpoint:id\":\"y\"}}", "stillpoint:"},
        {"{\"pin\":\"yes\"}", "pin"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];
        (void)snprintf(line, sizeof(line), "{\"v\":1,\"cmd\":\"backup\",\"args\":%s}\n",
                       cases[i].args);
        char *answer = ask_text(*state, line);
        assert_says(answer, "\"exit\":2");
        assert_says(answer, cases[i].part);
        free(answer);
    }
}

static void another_user_is_refused(void **state)
{
    struct control_rig *rig = *state;
    char path[96];

    if (geteuid() != 0)
        skip();
    (void)snprintf(path, sizeof(path), "%s/control.sock", rig->folder);
    assert_int_equal(chmod(rig->folder, 0755), 0);
    assert_int_equal(chmod(path, 0666), 0); /* past the file's mode: the daemon itself looks */
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(9);
        int fd = join(rig);
        char answer[4096] = "";
        ssize_t got = fd < 0 ? -1 : read(fd, answer, sizeof(answer) - 1);
        _exit(got > 0 && strstr(answer, "may not use this daemon") != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_second_daemon_is_refused(void **state)
{
    struct control_rig *rig = *state;
    struct control *second = NULL;
    struct err err = ERR_INIT;
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_false(control_open(&loop, &rig->agent, &second, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The loop of a daemon has other handles, which nobody closes for it. */
static void where_no_socket_can_be_it_says_so_and_does_not_wait(void **state)
{
    struct control_rig *rig = *state;
    struct config config = *rig->config;
    struct agent agent = {.config = &config};
    char socket_path[] = "/tmp/stillpoint-not-there/control.sock";
    struct control *control = NULL;
    struct err err = ERR_INIT;
    uv_async_t other;
    uv_loop_t loop;

    config.control_socket = socket_path;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_async_init(&loop, &other, NULL), 0);
    (void)alarm(10);
    assert_false(control_open(&loop, &agent, &control, &err));
    (void)alarm(0);
    assert_says(err.text, "listen at /tmp/stillpoint-not-there/control.sock");
    assert_says(err.remedy, "[paths] run must be there");
    uv_close((uv_handle_t *)&other, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, control_rig_set_up, control_rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_is_answered_by_one_result),
        CASE(garbage_is_refused_with_exit_code_2),
        CASE(an_unknown_command_names_the_nearest),
        CASE(an_unknown_argument_is_refused),
        CASE(a_huge_line_is_refused_and_the_daemon_lives),
        CASE(deep_json_is_refused),
        CASE(a_silent_client_is_dropped),
        CASE(silent_clients_do_not_keep_others_out),
        CASE(too_many_clients_are_told_so),
        CASE(a_client_that_leaves_at_once_harms_nobody),
        CASE(a_backup_without_identity_exits_5),
        CASE(a_list_without_region_says_what_to_set),
        CASE(a_cancel_with_nothing_running_says_so),
        CASE(bad_backup_arguments_are_named),
        CASE(another_user_is_refused),
        CASE(a_second_daemon_is_refused),
        CASE(where_no_socket_can_be_it_says_so_and_does_not_wait),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as main does: libuv writes to clients that have gone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
