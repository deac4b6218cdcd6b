/* SPDX-License-Identifier: BSD-2-Clause */
/* The mysql hook in a program of its own, for tests that do things to the server meanwhile.
 *
 *   test_server facts SOCKET USER [METHOD]      what the server is, key=value a line
 *   test_server hold SOCKET USER [METHOD] [LEASE_MS] [exact]
 *                                               takes the lock, prints the position; then reads
 *                                               commands a line: attest, release, end of file
 *   test_server grants SOCKET USER              the statements that make USER, for this server
 *   test_server time SOCKET USER COUNT          so many holds; the median and the worst in us
 *
 * A step that fails prints "failed STEP KIND: text | remedy" and ends with 1. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "hooks/hook_mysql.h"

enum { STEP_MS = 10000, LEASE_MS = 10000, LOCK_WAIT_MS = 1000, HOLDS_MAX = 1000 };

struct arguments {
    const char *command, *socket, *user;
    enum db_method method;
    int64_t lease_ms;
    bool exact;
};

static int fail(const char *step, const struct err *err)
{
    printf("failed %s %s: %s | %s\n", step, err_kind_name(err->kind), err->text, err->remedy);
    return 1;
}

static void print_facts(const struct db_server *server)
{
    const struct db_choice *choice = &server->choice;

    printf("version=%s\nkind=%s\nmethod=%s\nftwrl=%d\ncommits_go_on=%d\nflush_engine_logs=%d\n"
           "other_tables=%lld\nreplica=%d\nlog_bin=%d\nwhy=%s\nnote=%s\n",
           server->version_text, db_kind_name(server->facts.version.kind),
           db_method_name(choice->method), choice->with_ftwrl, choice->commits_go_on,
           choice->flush_engine_logs, (long long)server->facts.other_tables, server->replica,
           server->facts.log_bin, choice->why, server->note);
    for (size_t i = 0; i < server->path_count; i++)
        printf("path %s=%s\n", db_path_role_name(server->paths[i].role), server->paths[i].path);
}

static void print_position(const struct db_position *position)
{
    printf("held file=%s pos=%lld exact=%d gtid=%s channels=%zu\n", position->binlog_file,
           (long long)position->binlog_pos, position->exact, position->gtid,
           position->channel_count);
    for (size_t i = 0; i < position->channel_count; i++)
        printf("channel name=%s host=%s file=%s exact=%d pos=%lld\n", position->channels[i].name,
               position->channels[i].source_host, position->channels[i].source_file,
               position->channels[i].exact, (long long)position->channels[i].source_pos);
    (void)fflush(stdout);
}

static bool attest(struct hook *hook, struct err *err)
{
    struct proof proof = {.held = false};

    if (!hook->attest(hook->self, clock_boot_ms() + STEP_MS, &proof, err))
        return false;
    printf("%s%s\n", proof.held ? "proved" : "not proved: ", proof.reason);
    (void)fflush(stdout);
    return true;
}

static int hold(struct hook *hook, const struct arguments *arguments, struct err *err)
{
    char line[64];

    if (!hook->hold(hook->self, clock_boot_ms() + arguments->lease_ms, NULL, err))
        return fail("hold", err);
    print_position(hook_mysql_position(hook));
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "attest\n") == 0 && !attest(hook, err))
            return fail("attest", err);
        if (strcmp(line, "release\n") == 0)
            break;
    }
    if (!hook->release(hook->self, "complete", clock_boot_ms() + STEP_MS, err))
        return fail("release", err);
    printf("released\n");
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static int time_holds(struct hook *hook, long count, struct err *err)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 20 * 1000000};
    static int64_t took_us[HOLDS_MAX];

    if (count < 1 || count > HOLDS_MAX)
        return 2;
    for (long i = 0; i < count; i++) {
        int64_t begin_us = clock_boot_us();
        if (!hook->hold(hook->self, clock_boot_ms() + LEASE_MS, NULL, err))
            return fail("hold", err);
        took_us[i] = clock_boot_us() - begin_us;
        if (!hook->release(hook->self, "complete", clock_boot_ms() + STEP_MS, err))
            return fail("release", err);
        (void)nanosleep(&pause, NULL);
    }
    qsort(took_us, (size_t)count, sizeof(took_us[0]), compare);
    printf("median_us=%lld worst_us=%lld\n", (long long)took_us[count / 2],
           (long long)took_us[count - 1]);
    return 0;
}

static int print_grants(const struct arguments *arguments, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(8192);
    char version_text[DB_VERSION_BYTES];
    struct db_version version;

    if (!db_peek_version(arguments->socket, clock_boot_ms() + STEP_MS, version_text, err))
        return fail("peek", err);
    if (!db_version_parse(version_text, "", &version) ||
        !db_grants_text(&version, arguments->user, false, &text, err))
        return fail("grants", err);
    printf("%s", buf_text(&text));
    return 0;
}

/* Ends at once, the lock with the connection; by _exit, at which a build with COVER=1 counts. */
static void on_term(int number)
{
    _exit(128 + number);
}

int main(int argc, char **argv)
{
    const struct hook_job job = {"sp-test", "tests/servers"};
    struct arguments arguments = {.lease_ms = LEASE_MS};
    struct err err = ERR_INIT;
    struct hook hook;
    int code = 0;

    (void)signal(SIGTERM, on_term);
    if (argc < 4)
        return 2;
    arguments.command = argv[1];
    arguments.socket = argv[2];
    arguments.user = argv[3];
    if (strcmp(arguments.command, "grants") == 0)
        return print_grants(&arguments, &err);
    bool timing = strcmp(arguments.command, "time") == 0;
    if (argc > 4 && !timing && !db_method_parse(argv[4], &arguments.method))
        return 2;
    if (argc > 5)
        arguments.lease_ms = strtol(argv[5], NULL, 10);
    arguments.exact = argc > 6 && strcmp(argv[6], "exact") == 0;
    const struct hook_mysql_config config = {.name = "mysql",
                                             .socket = arguments.socket,
                                             .user = arguments.user,
                                             .method = arguments.method,
                                             .exact_position = arguments.exact,
                                             .lock_wait_ms = LOCK_WAIT_MS};
    if (!hook_mysql_new(&config, &hook, &err))
        return fail("new", &err);
    if (!hook.prepare(hook.self, &job, clock_boot_ms() + STEP_MS, NULL, &err))
        code = fail("prepare", &err);
    else if (strcmp(arguments.command, "facts") == 0)
        print_facts(hook_mysql_server(&hook));
    else if (timing && argc > 4)
        code = time_holds(&hook, strtol(argv[4], NULL, 10), &err);
    else
        code = hold(&hook, &arguments, &err);
    hook.free(hook.self);
    return code;
}
