/* SPDX-License-Identifier: BSD-2-Clause */
/* stillpoint-hook, the program, on a socket as systemd would hand it over: real hooks, real
 * deadlines. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/hookrun/hook_wire.h"

/* Not below /tmp or /var/tmp: their own modes would refuse every hook. */
#define FOLDER_MARK "/var/lib/stillpoint-hook-test."

enum { ANSWER_MS = 15000 };

struct bench {
    char program[400], folder[100], hook[200];
    struct hook_reply reply;
    pid_t runner;
    int fd; /* our end of its connection; -1 = none */
};

static void __attribute__((format(printf, 3, 4)))
format(char *text, size_t bytes, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(text, bytes, fmt, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < bytes);
}

static void nap_ms(long ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL);
}

static void write_hook(const struct bench *bench, const char *body)
{
    (void)unlink(bench->hook);
    FILE *file = fopen(bench->hook, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(bench->hook, 0755), 0);
}

/* Starts a runner on one end of FDs; as descriptor 3 of a socket activation, or as stdin. */
static void start(struct bench *bench, int theirs, bool activated)
{
    bench->runner = fork();
    assert_true(bench->runner >= 0);
    if (bench->runner != 0)
        return;
    char pid[20];
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that is killed leaves no runner */
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (activated) {
        (void)setenv("LISTEN_PID", pid, 1);
        (void)setenv("LISTEN_FDS", "1", 1);
        (void)dup2(theirs, 3);
        if (theirs == 3)
            (void)fcntl(3, F_SETFD, 0);
    } else {
        (void)dup2(theirs, 0);
    }
    (void)setenv("SECRET_OF_THE_DAEMON", "must not be seen", 1);
    (void)execl(bench->program, bench->program, "--user", "nobody", (char *)NULL);
    _exit(127);
}

static void connect_runner(struct bench *bench, bool activated)
{
    int ends[2];
    struct timeval bound = {ANSWER_MS / 1000, 0};

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    (void)setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    start(bench, ends[1], activated);
    (void)close(ends[1]);
    bench->fd = ends[0];
}

static int wait_runner(struct bench *bench)
{
    int status = 0;

    if (bench->fd >= 0)
        (void)close(bench->fd);
    bench->fd = -1;
    assert_int_equal(waitpid(bench->runner, &status, 0), bench->runner);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static struct hook_request request_for(const struct bench *bench, enum hook_phase phase,
                                       int64_t for_ms)
{
    struct hook_request request;

    memset(&request, 0, sizeof(request));
    request.version = HOOK_WIRE_VERSION;
    request.phase = phase;
    request.deadline_ms = clock_boot_ms() + for_ms;
    memcpy(request.path, bench->hook, strlen(bench->hook) + 1);
    memcpy(request.id, "sp-1", 5);
    memcpy(request.reason, "nightly run", 12);
    return request;
}

static void ask(struct bench *bench, const void *request, size_t bytes)
{
    connect_runner(bench, true);
    assert_int_equal(send(bench->fd, request, bytes, MSG_NOSIGNAL), bytes);
    ssize_t got = recv(bench->fd, &bench->reply, sizeof(bench->reply), 0);
    assert_int_equal(got, sizeof(bench->reply));
    assert_int_equal(bench->reply.version, HOOK_WIRE_VERSION);
    assert_int_equal(wait_runner(bench), 0);
}

static enum hook_result run(struct bench *bench, enum hook_phase phase, int64_t for_ms)
{
    struct hook_request request = request_for(bench, phase, for_ms);

    ask(bench, &request, sizeof(request));
    return (enum hook_result)bench->reply.result;
}

static const char *output(const struct bench *bench)
{
    static char text[HOOK_OUTPUT_BYTES + 1];

    memcpy(text, bench->reply.output, bench->reply.output_bytes);
    text[bench->reply.output_bytes] = '\0';
    return text;
}

static enum hook_refusal refusal(struct bench *bench)
{
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_REFUSED);
    return (enum hook_refusal)bench->reply.refusal;
}

/* ---- what it runs ---- */

static void hook_gets_one_argument_and_a_clean_environment(void **state)
{
    struct bench *bench = *state;
    struct hook_request request;
    char deadline[64];

    write_hook(bench, "echo \"$# $1\"; pwd; /usr/bin/env -u PWD -u _ -u SHLVL -u OLDPWD | "
                      "/usr/bin/sort; echo err >&2; exit 7");
    request = request_for(bench, HOOK_HOLD, 5000);
    memcpy(request.outcome, "not in hold", 12);
    ask(bench, &request, sizeof(request));

    format(deadline, sizeof(deadline), "STILLPOINT_DEADLINE_MS=%lld\n",
           (long long)request.deadline_ms);
    char wanted[1000];
    format(wanted, sizeof(wanted),
           "1 hold\n/\nLANG=C\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
           "%sSTILLPOINT_ID=sp-1\nSTILLPOINT_PHASE=hold\nSTILLPOINT_REASON=nightly run\nerr\n",
           deadline);
    assert_string_equal(output(bench), wanted);
    assert_int_equal(bench->reply.result, HOOK_EXITED);
    assert_int_equal(bench->reply.code, 7);
    assert_true(bench->reply.took_us > 0);
}

static void outcome_is_told_in_release_and_finish(void **state)
{
    struct bench *bench = *state;
    struct hook_request request;

    write_hook(bench, "echo \"$1 $STILLPOINT_OUTCOME\"");
    request = request_for(bench, HOOK_RELEASE, 5000);
    memcpy(request.outcome, "failed", 7);
    ask(bench, &request, sizeof(request));
    assert_string_equal(output(bench), "release failed\n");
    request = request_for(bench, HOOK_FINISH, 5000);
    memcpy(request.outcome, "complete", 9);
    ask(bench, &request, sizeof(request));
    assert_string_equal(output(bench), "finish complete\n");
}

static void hook_has_no_descriptor_of_ours_and_signals_as_new(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "/bin/ls /proc/self/fd | /usr/bin/tr '\\n' ' '; /bin/cat; "
                      "/bin/grep -E '^Sig(Blk|Ign)' /proc/self/status; "
                      "/bin/cat /proc/self/oom_score_adj");
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_EXITED);
    (void)signal(SIGPIPE, SIG_DFL);

    assert_non_null(strstr(output(bench), "0 1 2 3 ")); /* 3 is the folder that ls itself reads */
    assert_null(strstr(output(bench), "0 1 2 3 4"));
    assert_non_null(strstr(output(bench), "SigBlk:\t0000000000000000"));
    /* But for 32 and 33, which are glibc's own, can't be reset, and come ignored from make. */
    const char *ignored = strstr(output(bench), "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~0x180000000ULL, 0);
    assert_non_null(strstr(output(bench), "\n0\n"));
}

static void output_is_its_last_four_kibibytes(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "i=0; while [ $i -lt 3000 ]; do echo \"line $i\"; i=$((i + 1)); done");
    assert_int_equal(run(bench, HOOK_PREPARE, 10000), HOOK_EXITED);

    assert_int_equal(bench->reply.output_bytes, HOOK_OUTPUT_BYTES);
    assert_int_equal(bench->reply.output_lost + HOOK_OUTPUT_BYTES,
                     10 * 7 + 90 * 8 + 900 * 9 + 2000 * 10);
    assert_string_equal(output(bench) + HOOK_OUTPUT_BYTES - 20, "line 2998\nline 2999\n");
}

static void signal_that_ends_it_is_told(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "kill -SEGV $$");
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_SIGNALLED);

    assert_int_equal(bench->reply.code, SIGSEGV);
}

static void program_that_can_not_start_says_why(void **state)
{
    struct bench *bench = *state;
    FILE *file = fopen(bench->hook, "we");

    assert_non_null(file);
    assert_true(fputs("#!/no/such/interpreter\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(bench->hook, 0755), 0);
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_FAILED);

    assert_int_equal(bench->reply.os_errno, ENOENT);
}

static void stdin_serves_as_the_connection_too(void **state)
{
    struct bench *bench = *state;
    struct hook_request request;

    write_hook(bench, "echo here");
    request = request_for(bench, HOOK_PREPARE, 5000);
    connect_runner(bench, false);
    assert_int_equal(send(bench->fd, &request, sizeof(request), 0), sizeof(request));
    assert_int_equal(recv(bench->fd, &bench->reply, sizeof(bench->reply), 0), sizeof(bench->reply));

    assert_string_equal(output(bench), "here\n");
    assert_int_equal(wait_runner(bench), 0);
}

/* ---- how long ---- */

/* Does the process named in the file still run? A dead one that nobody has reaped does not. */
static bool is_running(const char *pid_file)
{
    char path[64], line[256] = "";
    int pid = 0;
    FILE *file = fopen(pid_file, "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    (void)fclose(file);
    format(path, sizeof(path), "/proc/%d/stat", pid);
    for (int i = 0; i < 1000; i++, nap_ms(5)) {
        file = fopen(path, "re");
        if (file == NULL)
            return false;
        char *got = fgets(line, sizeof(line), file);
        (void)fclose(file);
        const char *after = got == NULL ? NULL : strrchr(line, ')');
        if (after == NULL || after[2] == 'Z' || after[2] == 'X')
            return false;
    }
    return true;
}

static void deadline_ends_the_whole_group(void **state)
{
    struct bench *bench = *state;
    char pid_file[200], body[400];

    format(pid_file, sizeof(pid_file), "%s/pid", bench->folder);
    format(body, sizeof(body),
           "trap '' TERM; (trap '' TERM; sleep 30) & echo $! >%s; echo begun; sleep 30; wait",
           pid_file);
    write_hook(bench, body);
    int64_t begin_ms = clock_boot_ms();
    assert_int_equal(run(bench, HOOK_HOLD, 600), HOOK_DEADLINE);
    int64_t took_ms = clock_boot_ms() - begin_ms;

    assert_int_equal(bench->reply.code, SIGKILL);
    assert_in_range(took_ms, 550, 1600);
    assert_string_equal(output(bench), "begun\n");
    assert_false(is_running(pid_file));
}

static void hook_may_clean_up_before_its_deadline(void **state)
{
    struct bench *bench = *state;
    char pid_file[200], body[400];

    format(pid_file, sizeof(pid_file), "%s/pid", bench->folder);
    format(body, sizeof(body),
           "trap 'echo cleaned; exit 3' TERM; (trap '' TERM; sleep 30) & echo $! >%s; wait",
           pid_file);
    write_hook(bench, body);
    int64_t took_ms = 800;
    for (int i = 0; i < 5 && took_ms > 790; i++) { /* on a busy machine it may come to late */
        int64_t begin_ms = clock_boot_ms();
        assert_int_equal(run(bench, HOOK_HOLD, 800), HOOK_DEADLINE);
        took_ms = clock_boot_ms() - begin_ms;
    }

    /* A sanitizer's process takes its time to begin, before the deadline runs. */
#if defined(__SANITIZE_ADDRESS__)
    assert_in_range(took_ms, 550, 1600);
#else
    assert_in_range(took_ms, 550, 790);
#endif
    assert_string_equal(output(bench), "cleaned\n");
    assert_false(is_running(pid_file)); /* who stayed behind all the same is ended */
}

static void hook_that_writes_without_end_is_ended_in_time(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    int64_t begin_ms = clock_boot_ms();
    assert_int_equal(run(bench, HOOK_HOLD, 500), HOOK_DEADLINE);

    assert_in_range(clock_boot_ms() - begin_ms, 350, 1500);
    assert_int_equal(bench->reply.output_bytes, HOOK_OUTPUT_BYTES);
    assert_true(bench->reply.output_lost > 0);
}

static void client_that_goes_has_the_hook_killed(void **state)
{
    struct bench *bench = *state;
    struct hook_request request;
    char pid_file[200], body[300];

    format(pid_file, sizeof(pid_file), "%s/pid", bench->folder);
    format(body, sizeof(body), "trap '' TERM; echo $$ >%s.new; mv %s.new %s; sleep 30; sleep 30",
           pid_file, pid_file, pid_file);
    write_hook(bench, body);
    (void)unlink(pid_file);
    request = request_for(bench, HOOK_HOLD, 20000);
    connect_runner(bench, true);
    assert_int_equal(send(bench->fd, &request, sizeof(request), 0), sizeof(request));
    for (int i = 0; i < 1000 && access(pid_file, F_OK) < 0; i++)
        nap_ms(5);
    int64_t begin_ms = clock_boot_ms();
    (void)wait_runner(bench); /* closes */

    assert_in_range(clock_boot_ms() - begin_ms, 0, 1500);
    assert_false(is_running(pid_file));
}

static void background_of_a_finished_hook_is_not_waited_for(void **state)
{
    struct bench *bench = *state;
    char pid_file[200], body[300];

    format(pid_file, sizeof(pid_file), "%s/pid", bench->folder);
    format(body, sizeof(body), "sleep 5 & echo $! >%s; echo held", pid_file);
    write_hook(bench, body);
    int64_t begin_ms = clock_boot_ms();
    assert_int_equal(run(bench, HOOK_HOLD, 3000), HOOK_EXITED);
    assert_in_range(clock_boot_ms() - begin_ms, 0, 1500);

    assert_string_equal(output(bench), "held\n");
    FILE *file = fopen(pid_file, "re"); /* what holds in the background goes on */
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    (void)fclose(file);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void deadline_in_the_past_starts_nothing(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "echo ran");
    assert_int_equal(run(bench, HOOK_HOLD, -1), HOOK_REFUSED);

    assert_int_equal(bench->reply.refusal, HOOK_REFUSAL_DEADLINE);
    assert_int_equal(bench->reply.output_bytes, 0);
}

/* ---- what it refuses ---- */

static void file_that_others_own_or_write_is_refused(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "echo ran");
    assert_int_equal(chown(bench->hook, 65534, 0), 0);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_OWNER);
    assert_int_equal(bench->reply.component_bytes, strlen(bench->hook));
    assert_int_equal(chown(bench->hook, 0, 0), 0);
    assert_int_equal(chmod(bench->hook, 0775), 0);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_WRITABLE);
    assert_int_equal(chmod(bench->hook, 0757), 0);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_WRITABLE);
    assert_int_equal(chmod(bench->hook, 0644), 0);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_NOT_FILE);
    assert_int_equal(chmod(bench->hook, 0700), 0);
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_EXITED);
}

static void folder_that_others_own_or_write_is_refused(void **state)
{
    struct bench *bench = *state;

    write_hook(bench, "echo ran");
    assert_int_equal(chmod(bench->folder, 01777), 0); /* sticky is no excuse */
    assert_int_equal(refusal(bench), HOOK_REFUSAL_WRITABLE);
    assert_int_equal(bench->reply.component_bytes, strlen(bench->folder));
    assert_int_equal(chmod(bench->folder, 0755), 0);
    assert_int_equal(chown(bench->folder, 65534, 65534), 0);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_OWNER);
    assert_int_equal(chown(bench->folder, 0, 0), 0);
    assert_int_equal(run(bench, HOOK_PREPARE, 5000), HOOK_EXITED);
}

static void links_are_refused_anywhere_on_the_way(void **state)
{
    struct bench *bench = *state;
    char real[220], kept[sizeof(bench->hook)], link[220];

    write_hook(bench, "echo ran");
    memcpy(kept, bench->hook, sizeof(kept));
    format(real, sizeof(real), "%s.real", kept);
    assert_int_equal(rename(kept, real), 0);
    assert_int_equal(symlink(real, kept), 0);
    enum hook_refusal last = refusal(bench);
    assert_int_equal(unlink(kept), 0);
    assert_int_equal(rename(real, kept), 0);
    format(link, sizeof(link), "%s.link", bench->folder);
    assert_int_equal(symlink(bench->folder, link), 0);
    format(bench->hook, sizeof(bench->hook), "%s/hook", link);
    enum hook_refusal middle = refusal(bench);
    (void)unlink(link);
    memcpy(bench->hook, kept, sizeof(kept));

    assert_int_equal(last, HOOK_REFUSAL_SYMLINK);
    assert_int_equal(middle, HOOK_REFUSAL_SYMLINK);
    assert_int_equal(bench->reply.component_bytes, strlen(link));
}

static void paths_that_are_not_plain_are_refused(void **state)
{
    static const char *const bad[] = {
        "hook", "", "/", "//bin/true", "/usr/../usr/bin/env", "/usr/./bin/env", "/usr//bin/env"};
    struct bench *bench = *state;
    char kept[sizeof(bench->hook)];

    memcpy(kept, bench->hook, sizeof(kept));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(bench->hook, bad[i], strlen(bad[i]) + 1);
        assert_int_equal(refusal(bench), HOOK_REFUSAL_NOT_ABSOLUTE);
    }
    memcpy(bench->hook, "/usr/bin/env/", 14);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_NOT_FILE);
    memcpy(bench->hook, "/usr/bin", 9);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_NOT_FILE);
    memcpy(bench->hook, "/usr/nowhere/hook", 18);
    assert_int_equal(refusal(bench), HOOK_REFUSAL_MISSING);
    assert_int_equal(bench->reply.os_errno, ENOENT);
    assert_int_equal(bench->reply.component_bytes, strlen("/usr/nowhere"));
    memcpy(bench->hook, kept, sizeof(kept));
}

static void assert_refused_message(struct bench *bench, const void *bytes, size_t count)
{
    ask(bench, bytes, count);
    assert_int_equal(bench->reply.result, HOOK_REFUSED);
    assert_int_equal(bench->reply.refusal, HOOK_REFUSAL_MESSAGE);
}

static void messages_that_are_none_are_refused(void **state)
{
    struct bench *bench = *state;
    static char noise[60000];
    struct hook_request request;

    write_hook(bench, "echo ran");
    assert_refused_message(bench, noise, 1);
    assert_refused_message(bench, noise, sizeof(noise));
    request = request_for(bench, HOOK_PREPARE, 5000);
    assert_refused_message(bench, &request, sizeof(request) - 1);
    request.version++;
    assert_refused_message(bench, &request, sizeof(request));
    request = request_for(bench, HOOK_PHASE_COUNT, 5000);
    assert_refused_message(bench, &request, sizeof(request));
    request = request_for(bench, (enum hook_phase)0, 5000);
    assert_refused_message(bench, &request, sizeof(request));
    request = request_for(bench, HOOK_PREPARE, 5000);
    memset(request.reason, 'x', sizeof(request.reason));
    assert_refused_message(bench, &request, sizeof(request));
    request = request_for(bench, HOOK_PREPARE, 5000);
    memcpy(request.id, "a\nB=c", 6);
    assert_refused_message(bench, &request, sizeof(request));
}

/* The peer of a socket is whoever connected it: a real connection, by another user. */
static void strangers_are_refused(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct hook_request request;
    const uid_t users[2] = {1, 65534}; /* the second is the one named */
    uint32_t results[2] = {0, 0}, refusals[2] = {0, 0};

    write_hook(bench, "echo ran");
    format(address.sun_path, sizeof(address.sun_path), "%s/sock", bench->folder);
    (void)unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(chmod(address.sun_path, 0666), 0);
    assert_int_equal(listen(listener, 1), 0);
    request = request_for(bench, HOOK_PREPARE, 10000);
    for (int i = 0; i < 2; i++) {
        int back[2];
        assert_int_equal(pipe2(back, O_CLOEXEC), 0);
        pid_t client = fork();
        if (client == 0) {
            int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
            if (setgroups(0, NULL) < 0 || setgid(users[i]) < 0 || setuid(users[i]) < 0 ||
                connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                send(fd, &request, sizeof(request), 0) < 0 ||
                recv(fd, &bench->reply, sizeof(bench->reply), 0) < 0)
                _exit(1);
            _exit(write(back[1], &bench->reply, sizeof(bench->reply)) < 0);
        }
        (void)close(back[1]);
        int theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        start(bench, theirs, true);
        (void)close(theirs);
        assert_int_equal(read(back[0], &bench->reply, sizeof(bench->reply)), sizeof(bench->reply));
        (void)close(back[0]);
        (void)waitpid(client, NULL, 0);
        (void)wait_runner(bench);
        results[i] = bench->reply.result;
        refusals[i] = bench->reply.refusal;
    }
    (void)close(listener);

    assert_int_equal(results[0], HOOK_REFUSED);
    assert_int_equal(refusals[0], HOOK_REFUSAL_PEER);
    assert_int_equal(results[1], HOOK_EXITED);
}

static void program_says_what_it_is_for(void **state)
{
    struct bench *bench = *state;
    char line[500];

    format(line, sizeof(line), "%s --version >/dev/null && %s --help | grep -q usage",
           bench->program, bench->program);
    assert_int_equal(system(line), 0);
    format(line, sizeof(line), "%s </dev/null 2>/dev/null", bench->program);
    int status = system(line);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    char own[300] = "";

    if (bench == NULL || geteuid() != 0) {
        (void)fprintf(stderr, "the hook runner's tests need root\n");
        exit(77);
    }
    (void)!system("for d in " FOLDER_MARK
                  "*; do kill -0 \"${d##*.}\" 2>/dev/null || rm -rf \"$d\"; done");
    format(bench->folder, sizeof(bench->folder), FOLDER_MARK "%d", (int)getpid());
    assert_int_equal(mkdir(bench->folder, 0755), 0);
    format(bench->hook, sizeof(bench->hook), "%s/hook", bench->folder);
    assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    for (int up = 0; up < 3; up++)
        *strrchr(own, '/') = '\0';
    format(bench->program, sizeof(bench->program), "%s/stillpoint-hook", own);
    bench->fd = -1;
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    char line[200];

    format(line, sizeof(line), "rm -rf %s", bench->folder);
    int status = system(line);
    free(bench);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hook_gets_one_argument_and_a_clean_environment),
        cmocka_unit_test(outcome_is_told_in_release_and_finish),
        cmocka_unit_test(hook_has_no_descriptor_of_ours_and_signals_as_new),
        cmocka_unit_test(output_is_its_last_four_kibibytes),
        cmocka_unit_test(signal_that_ends_it_is_told),
        cmocka_unit_test(program_that_can_not_start_says_why),
        cmocka_unit_test(stdin_serves_as_the_connection_too),
        cmocka_unit_test(deadline_ends_the_whole_group),
        cmocka_unit_test(hook_may_clean_up_before_its_deadline),
        cmocka_unit_test(hook_that_writes_without_end_is_ended_in_time),
        cmocka_unit_test(client_that_goes_has_the_hook_killed),
        cmocka_unit_test(background_of_a_finished_hook_is_not_waited_for),
        cmocka_unit_test(deadline_in_the_past_starts_nothing),
        cmocka_unit_test(file_that_others_own_or_write_is_refused),
        cmocka_unit_test(folder_that_others_own_or_write_is_refused),
        cmocka_unit_test(links_are_refused_anywhere_on_the_way),
        cmocka_unit_test(paths_that_are_not_plain_are_refused),
        cmocka_unit_test(messages_that_are_none_are_refused),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(program_says_what_it_is_for),
    };

    return cmocka_run_group_tests(tests, open_bench, close_bench);
}
