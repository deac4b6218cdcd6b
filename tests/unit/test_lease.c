/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's end against a guard that says what it should not. The real guard's good answers are
 * tested in tests/guard and in the lab. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/lease.h"

/* How the fake guard answers what comes after HELLO. */
struct script {
    uint32_t status;
    int32_t os_errno, index;
    uint32_t end_cause; /* of a lease's story */
    bool close, silent, wrong_version, wrong_serial, half;
};

struct rig {
    char path[64];
    int listener;
    pthread_t thread;
    struct script script;
    unsigned heard; /* requests, HELLO apart; read after the join */
    struct lease *lease;
};

static size_t reply_size(uint32_t op)
{
    switch (op) {
    case GUARD_OP_HELLO:
        return sizeof(struct guard_reply_hello);
    case GUARD_OP_ADD_MOUNT:
        return sizeof(struct guard_reply_add_mount);
    case GUARD_OP_SYNC:
        return sizeof(struct guard_reply_sync);
    case GUARD_OP_DEVICE_OF:
        return sizeof(struct guard_reply_device_of);
    case GUARD_OP_MOUNT_TABLE:
        return sizeof(struct guard_reply_mount_table);
    case GUARD_OP_MANIFEST:
        return sizeof(struct guard_reply_plain);
    case GUARD_OP_WRITE_MANIFESTS:
        return sizeof(struct guard_reply_manifests);
    default:
        return sizeof(struct guard_reply_lease);
    }
}

static void *fake_guard(void *arg)
{
    struct rig *rig = arg;
    static union guard_request request;
    static union guard_reply reply;
    int fd = accept(rig->listener, NULL, NULL);

    while (recv(fd, &request, sizeof(request), 0) > 0) {
        const struct script *script = &rig->script;
        bool hello = request.head.op == GUARD_OP_HELLO;
        size_t size = reply_size(request.head.op);
        memset(&reply, 0, sizeof(reply));
        reply.head = (struct guard_reply_head){.version = GUARD_WIRE_VERSION,
                                               .op = request.head.op,
                                               .serial = request.head.serial,
                                               .index = -1};
        if (!hello) {
            rig->heard++;
            reply.head.status = script->status;
            reply.head.os_errno = script->os_errno;
            reply.head.index = script->index;
            if (request.head.op == GUARD_OP_FREEZE)
                reply.lease.end_cause = script->end_cause;
            if (script->close)
                break;
            if (script->silent)
                continue;
            reply.head.version += script->wrong_version;
            reply.head.serial += script->wrong_serial;
            size = script->half ? size / 2 : size;
        }
        if (send(fd, &reply, size, MSG_NOSIGNAL) < 0)
            break;
    }
    (void)close(fd);
    return NULL;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct err err = ERR_INIT;

    (void)snprintf(rig->path, sizeof(rig->path), "/tmp/stillpoint-lease.%d", getpid());
    strcpy(address.sun_path, rig->path);
    (void)unlink(rig->path);
    rig->script.index = -1;
    rig->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(rig->listener, 1), 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, fake_guard, rig), 0);
    if (!lease_open(rig->path, clock_boot_ms() + 2000, NULL, &rig->lease, &err))
        fail_msg("%s", err.text);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    lease_close(rig->lease);
    (void)pthread_join(rig->thread, NULL);
    (void)close(rig->listener);
    (void)unlink(rig->path);
    free(rig);
    return 0;
}

static bool add(struct rig *rig, struct err *err)
{
    return lease_add_mount(rig->lease, "/data", 7, 1, 0, 0, clock_boot_ms() + 2000, err);
}

static void no_guard_is_an_error_with_the_remedy(void **state)
{
    struct lease *lease = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_false(
        lease_open("/tmp/stillpoint-nobody.sock", clock_boot_ms() + 500, NULL, &lease, &err));
    assert_int_equal(err.kind, ERR_GUARD);
    assert_non_null(strstr(err.remedy, "systemctl start stillpoint-guard"));
}

static void a_guard_that_takes_no_connection_does_not_hold_us_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/stillpoint-deaf.sock"};
    const int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int listener = socket(AF_UNIX, type, 0), fds[8], count = 0;
    struct lease *lease = NULL;
    struct err err = ERR_INIT;

    (void)state;
    (void)unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    do
        fds[count] = socket(AF_UNIX, type, 0);
    while (connect(fds[count++], (struct sockaddr *)&address, sizeof(address)) == 0 && count < 8);

    (void)alarm(5); /* else the test would wait as long as the code does */
    bool ok = lease_open(address.sun_path, clock_boot_ms() + 500, NULL, &lease, &err);
    (void)alarm(0);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_GUARD);
    assert_non_null(strstr(err.remedy, "systemctl restart stillpoint-guard"));
    while (count > 0)
        (void)close(fds[--count]);
    (void)close(listener);
    (void)unlink(address.sun_path);
}

static void a_guard_that_closes_breaks_the_lease_for_good(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT, again = ERR_INIT;

    rig->script.close = true;
    assert_false(add(rig, &err));
    assert_int_equal(err.kind, ERR_GUARD);
    assert_false(add(rig, &again));
    assert_int_equal(again.kind, ERR_GUARD);
}

static void an_answer_in_another_version_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT;

    rig->script.wrong_version = true;
    assert_false(add(rig, &err));
    assert_int_equal(err.kind, ERR_GUARD);
    assert_non_null(strstr(err.text, "version"));
}

static void an_answer_to_another_question_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT;

    rig->script.wrong_serial = true;
    assert_false(add(rig, &err));
    assert_int_equal(err.kind, ERR_GUARD);
}

static void half_an_answer_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT;

    rig->script.half = true;
    assert_false(add(rig, &err));
    assert_int_equal(err.kind, ERR_GUARD);
}

static void a_mount_that_stays_frozen_is_told_by_name(void **state)
{
    struct rig *rig = *state;
    struct guard_reply_lease story = {.mount_count = 1};
    struct err err = ERR_INIT;

    assert_true(add(rig, &err));
    story.mounts[0].state = GUARD_MOUNT_THAWED;
    assert_true(lease_all_loose(rig->lease, &story, &err));
    story.mounts[0].state = GUARD_MOUNT_FAILED; /* somebody else's freeze, maybe; not ours */
    assert_true(lease_all_loose(rig->lease, &story, &err));
    story.mounts[0].state = GUARD_MOUNT_FREEZING;
    assert_false(lease_all_loose(rig->lease, &story, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_non_null(strstr(err.text, "/data"));
    err = (struct err)ERR_INIT;
    story.mounts[0].state = GUARD_MOUNT_THAW_FAILED;
    story.mounts[0].thaw_errno = EIO;
    assert_false(lease_all_loose(rig->lease, &story, &err));
    assert_int_equal(err.os_errno, EIO);
    assert_non_null(strstr(err.text, "/data is still frozen"));
    assert_non_null(strstr(err.remedy, "fsfreeze -u /data"));
}

static void a_silent_guard_ends_at_the_deadline(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT;
    int64_t took_us, begin_ms = clock_boot_ms();

    rig->script.silent = true;
    assert_false(lease_sync(rig->lease, 0, begin_ms + 300, &took_us, &err));
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_in_range(clock_boot_ms() - begin_ms, 290, 800);
}

static void a_cancel_ends_the_wait_and_the_connection(void **state)
{
    struct rig *rig = *state;
    struct cancel cancel = CANCEL_INIT;
    struct guard_reply_lease story;
    struct lease *lease = NULL;
    struct err err = ERR_INIT;

    /* A lease with a cancel needs a connection of its own. */
    lease_close(rig->lease);
    rig->lease = NULL;
    (void)pthread_join(rig->thread, NULL);
    assert_true(cancel_open(&cancel, &err));
    rig->script.silent = true;
    assert_int_equal(pthread_create(&rig->thread, NULL, fake_guard, rig), 0);
    assert_true(lease_open(rig->path, clock_boot_ms() + 2000, &cancel, &lease, &err));
    cancel_ask(&cancel);
    assert_false(lease_freeze(lease, clock_boot_ms() + 10000, &story, &err));
    assert_int_equal(err.kind, ERR_CANCELLED);
    lease_close(lease);
    cancel_close(&cancel);
}

static void a_mount_frozen_by_somebody_else_is_busy_and_named(void **state)
{
    struct rig *rig = *state;
    struct guard_reply_lease story;
    struct err err = ERR_INIT;

    assert_true(add(rig, &err));
    rig->script = (struct script){.status = GUARD_SYSCALL_FAILED, .os_errno = EBUSY, .index = 0};
    assert_false(lease_freeze(rig->lease, clock_boot_ms() + 1000, &story, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.text, "/data is frozen already"));
    assert_non_null(strstr(err.remedy, "fsfreeze -u /data"));
}

static void who_ended_the_lease_while_it_froze_is_named(void **state)
{
    static const struct {
        uint32_t cause;
        const char *text, *remedy;
    } cases[] = {
        {GUARD_END_TWIN_GONE, "one of the guard's two processes died", "journalctl"},
        {GUARD_END_SIGNAL, "the guard was told to end", "systemctl status"},
        {GUARD_END_FORCED, "somebody had the guard let go", "who ran `stillpoint thaw`"},
    };
    struct rig *rig = *state;
    struct guard_reply_lease story;
    struct err err = ERR_INIT;

    assert_true(add(rig, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct err)ERR_INIT;
        rig->script =
            (struct script){.status = GUARD_CANCELLED, .index = -1, .end_cause = cases[i].cause};
        assert_false(lease_freeze(rig->lease, clock_boot_ms() + 1000, &story, &err));
        assert_int_equal(err.kind, ERR_GUARD);
        assert_non_null(strstr(err.text, cases[i].text));
        assert_non_null(strstr(err.remedy, cases[i].remedy));
    }
}

static void each_refusal_has_its_kind(void **state)
{
    static const struct {
        uint32_t status;
        enum err_kind kind;
    } cases[] = {
        {GUARD_NOT_OWNER, ERR_BUSY},
        {GUARD_BUSY, ERR_BUSY},
        {GUARD_BAD_STATE, ERR_BUSY},
        {GUARD_WRONG_DEVICE, ERR_PRECONDITION},
        {GUARD_RECORD_ON_MOUNT, ERR_PRECONDITION},
        {GUARD_TIMEOUT, ERR_DEADLINE},
        {GUARD_FULL, ERR_LIMIT},
        {GUARD_CANCELLED, ERR_CANCELLED},
        {GUARD_BAD_ARGUMENT, ERR_GUARD},
        {99, ERR_GUARD},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        rig->script.status = cases[i].status;
        assert_false(add(rig, &err));
        assert_int_equal(err.kind, cases[i].kind);
    }
}

static void an_index_from_the_wire_is_not_trusted(void **state)
{
    struct rig *rig = *state;
    struct guard_reply_lease story;
    struct err err = ERR_INIT;

    rig->script = (struct script){.status = GUARD_SYSCALL_FAILED, .os_errno = EIO, .index = 9999};
    assert_false(lease_freeze(rig->lease, clock_boot_ms() + 1000, &story, &err));
    assert_int_equal(err.kind, ERR_SYS);
}

static void a_path_too_long_is_not_sent(void **state)
{
    struct rig *rig = *state;
    struct err err = ERR_INIT;
    char path[GUARD_MOUNT_PATH_BYTES + 8];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_false(lease_add_mount(rig->lease, path, 1, 1, 0, 0, clock_boot_ms() + 500, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    lease_close(rig->lease);
    rig->lease = NULL;
    (void)pthread_join(rig->thread, NULL);
    assert_int_equal(rig->heard, 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, fake_guard, rig), 0);
    assert_true(lease_open(rig->path, clock_boot_ms() + 2000, NULL, &rig->lease, &err));
}

static void a_manifest_goes_in_pieces(void **state)
{
    struct rig *rig = *state;
    int32_t errnos[GUARD_MOUNTS_MAX];
    size_t len = 2 * GUARD_MANIFEST_CHUNK_BYTES + 1;
    char *text = malloc(len);
    struct err err = ERR_INIT;

    memset(text, 'x', len);
    assert_true(lease_write_manifest(rig->lease, text, len, clock_boot_ms() + 2000, errnos, &err));
    free(text);
    lease_close(rig->lease);
    rig->lease = NULL;
    (void)pthread_join(rig->thread, NULL);
    assert_int_equal(rig->heard, 4); /* three pieces and the word to write them */
    assert_int_equal(pthread_create(&rig->thread, NULL, fake_guard, rig), 0);
    assert_true(lease_open(rig->path, clock_boot_ms() + 2000, NULL, &rig->lease, &err));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_guard_is_an_error_with_the_remedy),
        cmocka_unit_test(a_guard_that_takes_no_connection_does_not_hold_us_up),
        CASE(a_guard_that_closes_breaks_the_lease_for_good),
        CASE(an_answer_in_another_version_is_refused),
        CASE(an_answer_to_another_question_is_refused),
        CASE(half_an_answer_is_refused),
        CASE(a_mount_that_stays_frozen_is_told_by_name),
        CASE(a_silent_guard_ends_at_the_deadline),
        CASE(a_cancel_ends_the_wait_and_the_connection),
        CASE(a_mount_frozen_by_somebody_else_is_busy_and_named),
        CASE(who_ended_the_lease_while_it_froze_is_named),
        CASE(each_refusal_has_its_kind),
        CASE(an_index_from_the_wire_is_not_trusted),
        CASE(a_path_too_long_is_not_sent),
        CASE(a_manifest_goes_in_pieces),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
