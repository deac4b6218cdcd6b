/* SPDX-License-Identifier: BSD-2-Clause */
/* thaw against a guard that answers by script, and against a record alone. Nothing is frozen. */
#include "agent/cli/cli_thaw.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
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

#include "agent/guard/guard_record.h"
#include "agent/guard/guard_wire.h"

struct world {
    char folder[64], socket[96], record[96], guard[96], told[96];
    int listener;
    struct guard_reply_lease reply;
    size_t reply_bytes;
    bool is_over;   /* nothing was held when it was asked */
    bool lets_go;   /* without a word of sense, but on record */
    char asked[64]; /* the operations that the guard was asked for */
    char *out, *err;
    size_t out_len, err_len;
};

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void add_to_record(struct guard_record *record, const char *path, uint32_t state)
{
    struct guard_record_mount *mount = &record->mounts[record->mount_count++];

    strcpy(mount->path, path);
    mount->state = state;
    mount->freeze_end_boot_us = 1000000;
}

/* A record of this boot with two mounts, or one of another boot. */
static void write_record(struct world *world, uint32_t state, bool this_boot)
{
    struct guard_record *record = calloc(1, sizeof(*record));
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

    assert_non_null(record);
    assert_non_null(file);
    memcpy(record->magic, GUARD_RECORD_MAGIC, 8);
    record->version = GUARD_RECORD_VERSION;
    record->bytes = sizeof(*record);
    assert_int_equal(fscanf(file, "%39s", record->boot_id), 1);
    (void)fclose(file);
    if (!this_boot)
        record->boot_id[0] = record->boot_id[0] == 'x' ? 'y' : 'x';
    add_to_record(record, "/srv/data", state);
    add_to_record(record, "/srv/log\033[2J", GUARD_MOUNT_ADDED);
    write_file(world->record, record, sizeof(*record), 0600);
    free(record);
}

/* What stands in for stillpoint-guard: writes down its arguments and environment. */
static void write_guard(struct world *world, int exit_code)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "#!/bin/sh\n{ echo \"$@\"; /usr/bin/env; } >%s\nexit %d\n",
                   world->told, exit_code);
    write_file(world->guard, text, strlen(text), 0755);
}

static void *guard_main(void *data)
{
    struct world *world = data;
    struct guard_msg_plain request;
    int fd = accept(world->listener, NULL, NULL);

    while (fd >= 0 && recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
        struct guard_reply_lease reply = world->reply;
        size_t used = strlen(world->asked);
        (void)snprintf(world->asked + used, sizeof(world->asked) - used, "%u ", request.head.op);
        reply.head.version = GUARD_WIRE_VERSION;
        reply.head.op = request.head.op;
        reply.head.serial = request.head.serial;
        if (request.head.op == GUARD_OP_STATUS && !world->is_over)
            reply.mounts[0].state = GUARD_MOUNT_FROZEN;
        if (world->lets_go)
            write_record(world, GUARD_MOUNT_THAWED, true);
        (void)send(fd, &reply, world->reply_bytes, MSG_NOSIGNAL);
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static void listen_as_guard(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->socket);
    world->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(world->listener, 1), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    strcpy(world->folder, "/tmp/stillpoint-thaw.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->socket, sizeof(world->socket), "%s/guard.sock", world->folder);
    (void)snprintf(world->record, sizeof(world->record), "%s/guard.lease", world->folder);
    (void)snprintf(world->guard, sizeof(world->guard), "%s/stillpoint-guard", world->folder);
    (void)snprintf(world->told, sizeof(world->told), "%s/told", world->folder);
    world->listener = -1;
    world->reply_bytes = sizeof(world->reply);
    *state = world;
    return 0;
}

static int take_down(void **state)
{
    struct world *world = *state;

    if (world->listener >= 0)
        (void)close(world->listener);
    (void)unlink(world->socket);
    (void)unlink(world->record);
    (void)unlink(world->guard);
    (void)unlink(world->told);
    assert_int_equal(rmdir(world->folder), 0);
    free(world->out);
    free(world->err);
    free(world);
    return 0;
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static int thaw(struct world *world, const struct cli_options *options)
{
    pthread_t guard;
    bool served = world->listener >= 0;

    free(world->out);
    free(world->err);
    FILE *out = open_memstream(&world->out, &world->out_len);
    FILE *err = open_memstream(&world->err, &world->err_len);
    struct cli cli = {.options = options,
                      .out = out,
                      .err = err,
                      .look = {.columns = 80},
                      .err_look = {.columns = 80},
                      .signal_fd = -1,
                      .env = no_env,
                      .self_folder = world->folder};
    if (served)
        assert_int_equal(pthread_create(&guard, NULL, guard_main, world), 0);
    int exit_code = cli_thaw(&cli, world->folder);
    if (served)
        assert_int_equal(pthread_join(guard, NULL), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(err), 0);
    return exit_code;
}

static const struct cli_options forced = {.command = CLI_THAW, .force = true};
static const struct cli_options looking = {.command = CLI_THAW, .dry_run = true};
static const struct cli_options looking_json = {.command = CLI_THAW, .dry_run = true, .json = true};

#define NOTHING                                                                                    \
    "nothing is held by this node's guard; what somebody else froze lets go with fsfreeze -u "     \
    "MOUNTPOINT\n"

#define NO_RECORD                                                                                  \
    "no guard answers, and no record says that one holds anything; what is frozen all the same "   \
    "lets go with fsfreeze -u MOUNTPOINT\n"

static void needs_root(void)
{
    if (geteuid() != 0)
        skip();
}

static void the_guard_lets_go_and_each_mount_is_named(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    write_record(world, GUARD_MOUNT_FROZEN, true);
    world->reply.mount_count = 2;
    world->reply.mounts[0].state = GUARD_MOUNT_THAWED;
    world->reply.mounts[0].freeze_end_boot_us = 1000000;
    world->reply.mounts[0].thaw_end_boot_us = 1012500;
    world->reply.mounts[1].state = GUARD_MOUNT_FAILED;
    world->reply.mounts[1].freeze_errno = 16;

    assert_int_equal(thaw(world, &forced), 0);

    assert_string_equal(world->asked, "9 12 "); /* STATUS, THAW_FORCE */
    assert_string_equal(world->out,
                        "MOUNT            STATE                    FROZEN FOR  ERROR\n"
                        "/srv/data        thawed                      12.5 ms  -\n"
                        "/srv/log\\x1b[2J  not frozen by the guard           -  Device or resource "
                        "busy\n");
    assert_string_equal(world->err, "");
}

static void nothing_held_is_no_failure(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->reply.mount_count = 1; /* an earlier lease's story */
    world->reply.mounts[0].state = GUARD_MOUNT_THAWED;
    world->is_over = true;

    assert_int_equal(thaw(world, &forced), 0);

    assert_string_equal(world->asked, "9 12 "); /* it is told all the same */
    assert_string_equal(world->out, NOTHING);
}

static void a_dry_run_only_asks_what_is_held(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->reply.mount_count = 1;
    world->reply.mounts[0].state = GUARD_MOUNT_FROZEN;

    assert_int_equal(thaw(world, &looking_json), 0);

    assert_string_equal(world->asked, "9 "); /* STATUS */
    assert_string_equal(world->out,
                        "{\"dry_run\":true,\"guard\":true,\"mounts\":[{\"path\":\"mount 1 of the "
                        "lease\",\"state\":\"frozen\",\"frozen\":true,\"errno\":0}]}\n");
}

static void a_lease_that_is_over_is_not_told_as_held(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->is_over = true;
    world->reply.mount_count = 1;
    world->reply.mounts[0].state = GUARD_MOUNT_THAWED;

    assert_int_equal(thaw(world, &looking_json), 0);

    assert_string_equal(world->out, "{\"dry_run\":true,\"guard\":true,\"mounts\":[]}\n");
}

static void a_mount_that_is_still_held_is_a_failure(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->reply.mount_count = 2;
    world->reply.mounts[0].state = GUARD_MOUNT_THAWED;
    world->reply.mounts[1].state = GUARD_MOUNT_FREEZING;

    assert_int_equal(thaw(world, &forced), 1);
    assert_non_null(strstr(world->err, "stillpoint: 1 of 2 mounts are not thawed yet\n  do:  "));
}

static void without_a_guard_its_program_thaws_by_the_record(void **state)
{
    struct world *world = *state;
    char told[512] = "", want[256];

    needs_root();
    write_record(world, GUARD_MOUNT_FROZEN, true);
    write_guard(world, 0);

    assert_int_equal(thaw(world, &forced), 0);

    assert_non_null(strstr(world->err, "no guard at "));
    assert_non_null(strstr(world->out, "/srv/data        thawed "));
    FILE *file = fopen(world->told, "r");
    assert_non_null(file);
    (void)!fread(told, 1, sizeof(told) - 1, file);
    (void)fclose(file);
    (void)snprintf(want, sizeof(want), "--thaw --record %s\n", world->record);
    assert_memory_equal(told, want, strlen(want));
    assert_null(strstr(told, "HOME=")); /* root's environment is not handed on */
}

static void a_guard_that_answers_nonsense_counts_as_none(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->reply_bytes = 5;
    write_record(world, GUARD_MOUNT_FROZEN, true);
    write_guard(world, 0);

    assert_int_equal(thaw(world, &forced), 0);
    assert_non_null(strstr(world->err, "the guard's answer is of another version, or none"));
    assert_int_equal(access(world->told, F_OK), 0);
}

/* The keeper may be slow to say nothing, and the freezer has let go meanwhile. */
static void the_record_is_read_after_the_guard_was_asked(void **state)
{
    struct world *world = *state;

    needs_root();
    listen_as_guard(world);
    world->reply_bytes = 5;
    world->lets_go = true;
    write_record(world, GUARD_MOUNT_FROZEN, true);

    assert_int_equal(thaw(world, &looking), 0);
    assert_string_equal(world->out, NO_RECORD);
}

static void a_dry_run_without_a_guard_runs_nothing(void **state)
{
    struct world *world = *state;

    needs_root();
    write_record(world, GUARD_MOUNT_FROZEN, true);
    write_guard(world, 0);

    assert_int_equal(thaw(world, &looking), 0);
    assert_non_null(strstr(world->out, "/srv/data        frozen "));
    assert_int_equal(access(world->told, F_OK), -1);
}

static void a_record_of_another_boot_holds_nothing(void **state)
{
    struct world *world = *state;

    needs_root();
    write_record(world, GUARD_MOUNT_FROZEN, false);

    assert_int_equal(thaw(world, &looking), 0);
    assert_string_equal(world->out, NO_RECORD);
}

static void a_thaw_that_fails_says_what_to_do_by_hand(void **state)
{
    struct world *world = *state;

    needs_root();
    write_record(world, GUARD_MOUNT_FROZEN, true);
    write_guard(world, 1);

    assert_int_equal(thaw(world, &forced), 1);
    assert_non_null(strstr(world->err, "stillpoint-guard --thaw ended with exit code 1"));
    assert_non_null(strstr(world->err, "fsfreeze -u MOUNTPOINT"));
    assert_string_equal(world->out, "");
}

static void thaw_is_for_root_alone(void **state)
{
    struct world *world = *state;
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        int exit_code = thaw(world, &forced);
        _exit(strstr(world->err, "thaw needs root") ? exit_code : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CLI_EXIT_PRECONDITION);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(the_guard_lets_go_and_each_mount_is_named),
        WITH_WORLD(nothing_held_is_no_failure),
        WITH_WORLD(a_dry_run_only_asks_what_is_held),
        WITH_WORLD(a_lease_that_is_over_is_not_told_as_held),
        WITH_WORLD(a_mount_that_is_still_held_is_a_failure),
        WITH_WORLD(without_a_guard_its_program_thaws_by_the_record),
        WITH_WORLD(a_guard_that_answers_nonsense_counts_as_none),
        WITH_WORLD(the_record_is_read_after_the_guard_was_asked),
        WITH_WORLD(a_dry_run_without_a_guard_runs_nothing),
        WITH_WORLD(a_record_of_another_boot_holds_nothing),
        WITH_WORLD(a_thaw_that_fails_says_what_to_do_by_hand),
        WITH_WORLD(thaw_is_for_root_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
