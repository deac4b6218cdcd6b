/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's end of a copy session against a stillpoint-hook that says what it should not. The
 * real one's good answers are tested in tests/guard. */
#include "agent/daemon/copy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"

/* How the fake answers what comes after OPEN. */
struct script {
    enum copy_status status;
    int32_t os_errno, code, signal;
    const char *text;
    uint32_t item_count;
    unsigned more; /* so many COPY_MORE before it */
    bool close, silent, wrong_version, wrong_serial, half, lying_size;
};

struct scene {
    char path[64];
    int listener;
    pthread_t thread;
    struct script script;
    union copy_request heard; /* the last; read after an answer */
    struct copy *copy;
    struct err err;
};

static int64_t soon(void)
{
    return clock_boot_ms() + 2000;
}

static size_t compose(const struct scene *scene, struct copy_reply *reply)
{
    const struct script *script = &scene->script;

    reply->status = script->status;
    reply->os_errno = script->os_errno;
    reply->code = script->code;
    reply->signal = script->signal;
    reply->version += script->wrong_version;
    reply->serial += script->wrong_serial;
    if (script->text != NULL) {
        reply->data_bytes = (uint32_t)strlen(script->text);
        memcpy(reply->data.text, script->text, reply->data_bytes);
    }
    reply->item_count = script->item_count;
    if (script->item_count > 0)
        reply->data_bytes = script->item_count * (uint32_t)sizeof(struct copy_item);
    size_t size = COPY_REPLY_HEAD_BYTES + reply->data_bytes;
    reply->data_bytes += script->lying_size;
    return script->half ? COPY_REPLY_HEAD_BYTES / 2 : size;
}

static bool answer(struct scene *scene, int fd)
{
    static struct copy_reply reply;
    const struct script *script = &scene->script;
    size_t size = COPY_REPLY_HEAD_BYTES;

    memset(&reply, 0, sizeof(reply));
    reply.version = COPY_WIRE_VERSION;
    reply.op = scene->heard.head.op;
    reply.serial = scene->heard.head.serial;
    if (reply.op != COPY_OP_OPEN) {
        if (script->close)
            return false;
        if (script->silent)
            return true;
        reply.status = COPY_MORE;
        for (unsigned i = 0; i < script->more; i++)
            (void)send(fd, &reply, size, MSG_NOSIGNAL);
        size = compose(scene, &reply);
    }
    return send(fd, &reply, size, MSG_NOSIGNAL) >= 0;
}

static void *fake_hook(void *arg)
{
    struct scene *scene = arg;
    int fd = accept(scene->listener, NULL, NULL);

    while (recv(fd, &scene->heard, sizeof(scene->heard), 0) > 0 && answer(scene, fd)) {
    }
    (void)close(fd);
    return NULL;
}

static int listen_only(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(scene->path, sizeof(scene->path), "/tmp/stillpoint-copy.%d", getpid());
    strcpy(address.sun_path, scene->path);
    (void)unlink(scene->path);
    scene->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(scene->listener, 1), 0);
    assert_int_equal(pthread_create(&scene->thread, NULL, fake_hook, scene), 0);
    *state = scene;
    return 0;
}

static int set_up(void **state)
{
    (void)listen_only(state);
    struct scene *scene = *state;
    const struct copy_config config = {scene->path, "sp-1", COPY_VERIFY, NULL, soon()};
    if (!copy_open(&config, soon(), NULL, &scene->copy, &scene->err))
        fail_msg("%s", scene->err.text);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    copy_free(scene->copy);
    (void)pthread_join(scene->thread, NULL);
    (void)close(scene->listener);
    (void)unlink(scene->path);
    free(scene);
    return 0;
}

static bool add(struct scene *scene)
{
    const struct copy_device device = {"nvme1n1", 259, 1, "vol-1"};

    scene->err = (struct err)ERR_INIT;
    return copy_add_device(scene->copy, &device, soon(), NULL, &scene->err);
}

static void no_hook_is_an_error_with_the_remedy(void **state)
{
    struct scene *scene = *state;
    struct copy *copy = NULL;
    struct err err = ERR_INIT;
    const struct copy_config config = {"/tmp/no/such", "sp-1", COPY_VERIFY, NULL, soon()};

    (void)scene;
    assert_false(copy_open(&config, soon(), NULL, &copy, &err));
    assert_int_equal(err.kind, ERR_HOOK);
    assert_non_null(strstr(err.remedy, "systemctl start"));
    assert_null(copy);
}

/* Whatever is out of step ends the session; every later call says so. */
static void answer_that_is_none_ends_the_session(void **state)
{
    const struct script scripts[] = {
        {.close = true},      {.wrong_version = true},       {.wrong_serial = true}, {.half = true},
        {.lying_size = true}, {.status = COPY_STATUS_COUNT}, {.silent = true},
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct scene *scene = *state;
        scene->script = scripts[i];
        const struct copy_device device = {"nvme1n1", 259, 1, "vol-1"};
        assert_false(copy_add_device(scene->copy, &device,
                                     clock_boot_ms() - (scripts[i].silent ? 4800 : 0), NULL,
                                     &scene->err));
        if (scene->err.kind != (scripts[i].silent  ? ERR_DEADLINE
                                : scripts[i].close ? ERR_HOOK
                                                   : ERR_PROTOCOL))
            fail_msg("%zu: %s", i, scene->err.text);
        assert_false(add(scene));
        assert_int_equal(scene->err.kind, ERR_HOOK);
        assert_true(copy_close(scene->copy, soon(), &scene->err)); /* over is over */
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void cancel_needs_no_remedy(void **state)
{
    const struct copy_device device = {"nvme1n1", 259, 1, "vol-1"};
    struct cancel cancel = CANCEL_INIT;
    struct scene *scene = *state;

    scene->script = (struct script){.silent = true};
    assert_true(cancel_open(&cancel, &scene->err));
    cancel_ask(&cancel);
    assert_false(copy_add_device(scene->copy, &device, soon(), &cancel, &scene->err));

    assert_int_equal(scene->err.kind, ERR_CANCELLED);
    assert_string_equal(scene->err.remedy, "");
    cancel_close(&cancel);
}

static void items_are_bounded_and_printable(void **state)
{
    struct scene *scene = *state;
    size_t count = 0;

    scene->script.item_count = COPY_ITEMS_MAX - 1;
    assert_true(add(scene));
    assert_false(add(scene));
    assert_int_equal(scene->err.kind, ERR_PROTOCOL);
    (void)copy_items(scene->copy, &count);
    assert_int_equal(count, COPY_ITEMS_MAX - 1);
    scene->script.item_count = 0;
    scene->script.text = "";
    AUTO_BUF struct buf text = BUF_INIT(100);
    assert_false(copy_look(scene->copy, COPY_ITEMS_MAX - 1, 0, soon(), NULL, &text, &scene->err));
    assert_int_equal(scene->err.kind, ERR_USAGE); /* an item that nobody told of */
    assert_true(copy_look(scene->copy, 0, 0, soon(), NULL, &text, &scene->err));
}

static void refusals_have_their_kind_and_words(void **state)
{
    static const struct {
        enum copy_status status;
        enum err_kind kind;
        const char *word;
    } all[] = {
        {COPY_BAD_MESSAGE, ERR_PROTOCOL, "not understood"},
        {COPY_PEER, ERR_HOOK, "may not ask"},
        {COPY_BAD_STATE, ERR_USAGE, "said"},
        {COPY_BAD_ARGUMENT, ERR_USAGE, "said"},
        {COPY_FULL, ERR_LIMIT, "said"},
        {COPY_DEADLINE, ERR_DEADLINE, "not done in time"},
        {COPY_FAILED, ERR_SYS, "No such"},
        {COPY_NO_TOOL, ERR_PRECONDITION, "not installed"},
        {COPY_TOOL_FAILED, ERR_HOOK, "exit code 3"},
        {COPY_WRONG_DEVICE, ERR_PRECONDITION, "another device"},
        {COPY_IN_USE, ERR_BUSY, "the node uses"},
        {COPY_UNREADABLE, ERR_PRECONDITION, "can't be looked into"},
        {COPY_NEEDED, ERR_LIMIT, "own programs"},
        {COPY_NO_FILE, ERR_NOT_FOUND, "not on the copy"},
        {COPY_OUTSIDE, ERR_PRECONDITION, "does not lie"},
        {COPY_NO_ROOM, ERR_PRECONDITION, "are needed"},
        {COPY_DEST_OWNER, ERR_PRECONDITION, "not owned"},
        {COPY_DEST_FULL, ERR_PRECONDITION, "not empty"},
        {COPY_DEST_PATH, ERR_PRECONDITION, "can't be reached: said"},
        {COPY_ABOVE_OWNER, ERR_PRECONDITION, "above the destination, is not owned"},
        {COPY_ABOVE_WRITABLE, ERR_PRECONDITION, "above the destination, can be written"},
    };
    struct scene *scene = *state;

    scene->script = (struct script){.os_errno = 2, .code = 3, .text = "said\x1b[31m\nmore\n"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        scene->script.status = all[i].status;
        assert_false(add(scene));
        if (scene->err.kind != all[i].kind || strstr(scene->err.text, all[i].word) == NULL)
            fail_msg("%d: %s", (int)all[i].status, scene->err.text);
        assert_null(strchr(scene->err.text, '\x1b'));
        assert_null(strchr(scene->err.text, '\n'));
    }
}

static void another_folder_is_the_remedy_only_where_one_was_answered_about(void **state)
{
    static const struct {
        struct script script;
        bool cancelled;
        enum err_kind kind;
        const char *remedy;
    } all[] = {
        {{.status = COPY_FAILED, .os_errno = 5, .text = "statfs"},
         false,
         ERR_SYS,
         "another folder"},
        {{.status = COPY_DEST_OWNER}, false, ERR_PRECONDITION, "an empty folder of root's"},
        {{.close = true}, false, ERR_HOOK, "journalctl"},
        {{.silent = true}, false, ERR_DEADLINE, "journalctl"},
        {{.silent = true}, true, ERR_CANCELLED, ""},
    };
    struct cancel cancel = {.event_fd = -1};
    struct err err = ERR_INIT;

    assert_true(cancel_open(&cancel, &err));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct scene *scene = *state;
        const struct copy_config config = {scene->path, "sp-1", COPY_FILES, "/root/to", 0};
        scene->script = all[i].script;
        if (all[i].cancelled)
            cancel_ask(&cancel);
        err = (struct err)ERR_INIT;
        assert_false(copy_ask(&config, false,
                              clock_boot_ms() + (all[i].script.silent ? -4800 : 2000), &cancel,
                              &err));
        if (err.kind != all[i].kind || strstr(err.remedy, all[i].remedy) == NULL ||
            (err.remedy[0] == '\0') != (all[i].remedy[0] == '\0'))
            fail_msg("%zu: %s: %s", i, err.text, err.remedy);
        (void)tear_down(state);
        (void)listen_only(state);
    }
    cancel_close(&cancel);
    struct scene *scene = *state; /* tear_down joins what waits for a connection */
    (void)shutdown(scene->listener, SHUT_RDWR);
}

static void folders_lose_the_slash_at_their_end(void **state)
{
    struct scene *scene = *state;
    struct copy_serving serving = {.ready = true};
    AUTO_BUF struct buf log = BUF_INIT(1000);
    const struct copy_server server = {"/var/lib/mysql/", "/usr/sbin/mysqld", 1 << 30,
                                       "log_bin=/a/b\ninnodb_undo_directory=/u/v//\n"};

    scene->script = (struct script){.status = COPY_SERVER_ENDED, .code = 1, .text = "why\n"};
    assert_true(copy_serve(scene->copy, &server, soon(), NULL, &serving, &log, &scene->err));
    assert_false(serving.ready);
    assert_int_equal(serving.exit_code, 1);
    assert_string_equal(buf_text(&log), "why\n");
    assert_string_equal(scene->heard.serve.datadir, "/var/lib/mysql");
    assert_string_equal(scene->heard.serve.settings, "log_bin=/a/b\ninnodb_undo_directory=/u/v\n");
}

static void server_without_its_socket_is_no_server(void **state)
{
    struct scene *scene = *state;
    struct copy_serving serving = {.ready = false};
    AUTO_BUF struct buf log = BUF_INIT(1000);
    const struct copy_server server = {"/d", "/usr/sbin/mysqld", 1 << 30, NULL};

    assert_false(copy_serve(scene->copy, &server, soon(), NULL, &serving, &log, &scene->err));
    assert_int_equal(scene->err.kind, ERR_PROTOCOL);
}

static void count_calls(void *context, const struct copy_progress *progress)
{
    (void)progress;
    ++*(int *)context;
}

static void files_report_until_the_last_answer(void **state)
{
    struct scene *scene = *state;
    const char *paths[] = {"/etc/mysql", "/var/lib/mysql"};
    struct copy_progress done;
    int calls = 0;

    scene->script.more = 3;
    assert_true(
        copy_files(scene->copy, paths, 2, count_calls, &calls, soon(), NULL, &done, &scene->err));
    assert_int_equal(calls, 3);
    assert_int_equal(scene->heard.files.paths_bytes,
                     sizeof("/etc/mysql") + sizeof("/var/lib/mysql"));
    assert_memory_equal(scene->heard.files.paths, "/etc/mysql\0/var/lib/mysql", 26);
    char *longest = malloc(COPY_PATHS_BYTES + 1);
    memset(longest, '/', COPY_PATHS_BYTES);
    longest[COPY_PATHS_BYTES] = '\0';
    paths[0] = longest;
    assert_false(copy_files(scene->copy, paths, 1, NULL, NULL, soon(), NULL, &done, &scene->err));
    assert_int_equal(scene->err.kind, ERR_LIMIT);
    free(longest);
    assert_false(copy_files(scene->copy, paths, 0, NULL, NULL, soon(), NULL, &done, &scene->err));
    assert_int_equal(scene->err.kind, ERR_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_hook_is_an_error_with_the_remedy),
        TEST(answer_that_is_none_ends_the_session),
        TEST(items_are_bounded_and_printable),
        TEST(refusals_have_their_kind_and_words),
        TEST(folders_lose_the_slash_at_their_end),
        TEST(server_without_its_socket_is_no_server),
        TEST(files_report_until_the_last_answer),
        cmocka_unit_test_setup_teardown(
            another_folder_is_the_remedy_only_where_one_was_answered_about, listen_only, tear_down),
        TEST(cancel_needs_no_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
