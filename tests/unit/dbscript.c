/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/dbscript.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

enum { PACKET_BYTES = 32768, SHORT_TEXT_BYTES = 250 };

/* --- the protocol ------------------------------------------------------------------------- */

struct packet {
    unsigned char bytes[PACKET_BYTES];
    size_t len;
};

static void put(struct packet *packet, const void *bytes, size_t len)
{
    assert_true(packet->len + len <= sizeof(packet->bytes));
    memcpy(packet->bytes + packet->len, bytes, len);
    packet->len += len;
}

static void put_text(struct packet *packet, const char *text, size_t len) /* its length in front */
{
    unsigned char head[] = {0xfc, (unsigned char)(len & 0xff), (unsigned char)(len >> 8 & 0xff)};
    unsigned char small = (unsigned char)len;

    if (len == 2 && memcmp(text, "\\N", 2) == 0) {
        put(packet, "\xfb", 1);
        return;
    }
    if (len <= SHORT_TEXT_BYTES)
        put(packet, &small, 1);
    else
        put(packet, head, sizeof(head));
    put(packet, text, len);
}

static bool send_packet(int fd, unsigned char *number, struct packet *packet)
{
    unsigned char head[4] = {(unsigned char)(packet->len & 0xff),
                             (unsigned char)(packet->len >> 8 & 0xff), 0, (*number)++};
    struct iovec parts[] = {{head, sizeof(head)}, {packet->bytes, packet->len}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof(head) + packet->len);
}

static bool send_bytes(int fd, unsigned char *number, const void *bytes, size_t len)
{
    struct packet packet = {.len = 0};

    put(&packet, bytes, len);
    return send_packet(fd, number, &packet);
}

static bool send_ok(int fd, unsigned char *number)
{
    return send_bytes(fd, number, "\0\0\0\2\0\0\0", 7);
}

static bool send_refusal(int fd, unsigned char *number, unsigned refused)
{
    struct packet packet = {.len = 0};
    unsigned char code[] = {(unsigned char)(refused & 0xff), (unsigned char)(refused >> 8)};

    put(&packet, "\xff", 1);
    put(&packet, code, sizeof(code));
    put(&packet, "#HY000no", 8);
    return send_packet(fd, number, &packet);
}

static bool send_greeting(int fd, const char *version)
{
    static const unsigned char id[] = {DBSCRIPT_ID, 0, 0, 0};
    struct packet packet = {.len = 0};
    unsigned char number = 0;

    put(&packet, "\x0a", 1);
    put(&packet, version, strlen(version) + 1);
    put(&packet, id, sizeof(id));
    put(&packet, "saltsalt\0", 9);
    put(&packet, "\x01\x82\x21\x02\0\x08\0\x15", 8); /* protocol 4.1, salted, plugins */
    put(&packet, "\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0", 23);
    put(&packet, "mysql_native_password", 22);
    return send_packet(fd, &number, &packet);
}

static bool ask_for_plugin(int fd, const char *plugin)
{
    struct packet packet = {.len = 0};
    unsigned char number = 2;

    put(&packet, "\xfe", 1);
    put(&packet, plugin, strlen(plugin) + 1);
    put(&packet, "saltsaltsaltsaltsalt", 21);
    return send_packet(fd, &number, &packet);
}

static ssize_t receive(int fd, char *payload, size_t size)
{
    unsigned char head[4];

    if (recv(fd, head, sizeof(head), MSG_WAITALL) != (ssize_t)sizeof(head))
        return -1;
    size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    if (len >= size)
        return -1;
    ssize_t got = len > 0 ? recv(fd, payload, len, MSG_WAITALL) : 0; /* of nothing it waits, too */
    if (got >= 0)
        payload[got] = '\0';
    return got;
}

/* Sends nothing more, and waits until the client has gone. */
static void await_leave(int fd)
{
    char bytes[256];

    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        continue;
}

/* --- answers ------------------------------------------------------------------------------ */

static bool send_columns(int fd, unsigned char *number, const char *names)
{
    unsigned char count = 1;

    for (const char *c = names; *c != '\0'; c++)
        count = (unsigned char)(count + (*c == '\t'));
    bool ok = send_bytes(fd, number, &count, 1);
    for (const char *name = names; ok && name != NULL;) {
        struct packet column = {.len = 0};
        size_t len = strcspn(name, "\t");
        put(&column, "\3def\0\0\0", 7);
        put_text(&column, name, len);
        put_text(&column, name, len);
        put(&column, "\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0", 13);
        ok = send_packet(fd, number, &column);
        name = name[len] == '\t' ? name + len + 1 : NULL;
    }
    return ok && send_bytes(fd, number, "\xfe\0\0\2\0", 5);
}

static bool send_rows(int fd, const struct dbscript_answer *answer)
{
    unsigned char number = 1;
    bool ok = send_columns(fd, &number, answer->names);

    for (const char *at = answer->rows; ok && at != NULL && *at != '\0';) {
        struct packet row = {.len = 0};
        size_t len = 0;
        for (;; at += len + 1) {
            len = strcspn(at, "\t\n");
            put_text(&row, at, len);
            if (at[len] != '\t')
                break;
        }
        ok = send_packet(fd, &number, &row);
        at += at[len] == '\n' ? len + 1 : len;
    }
    return ok && send_bytes(fd, &number, "\xfe\0\0\2\0", 5);
}

static const struct dbscript_answer *find_answer(struct dbscript *script, const char *sql)
{
    for (size_t i = 0; i < script->answer_count; i++) {
        const struct dbscript_answer *answer = &script->answers[i];
        if (strncmp(sql, answer->sql, strlen(answer->sql)) == 0 &&
            (answer->times == 0 || script->used[i]++ < answer->times))
            return answer;
    }
    return NULL;
}

/* False: the connection is over. */
static bool answer_sql(int fd, struct dbscript *script, const char *sql)
{
    const struct dbscript_answer *answer = find_answer(script, sql);
    unsigned char number = 1;

    if (answer == NULL)
        return send_ok(fd, &number);
    struct timespec wait = {.tv_sec = answer->after_ms / 1000,
                            .tv_nsec = answer->after_ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
    if (answer->way == DBSCRIPT_IS_SILENT)
        await_leave(fd);
    if (answer->way != DBSCRIPT_ANSWERS)
        return false;
    if (answer->refused != 0)
        return send_refusal(fd, &number, answer->refused);
    return answer->names != NULL ? send_rows(fd, answer) : send_ok(fd, &number);
}

/* --- connections -------------------------------------------------------------------------- */

/* False: it stays at the door. */
static bool let_in(int fd, const struct dbscript *script, char *payload)
{
    unsigned char number = 0;

    if (script->greeting != NULL) {
        (void)send(fd, script->greeting, script->greeting_bytes, MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
    }
    if (script->turns_away != 0)
        (void)send_refusal(fd, &number, script->turns_away);
    if (script->greeting != NULL || script->mute || script->turns_away != 0) {
        await_leave(fd);
        return false;
    }
    if (!send_greeting(fd, script->version != NULL ? script->version : "x") ||
        receive(fd, payload, PACKET_BYTES) <= 0)
        return false;
    number = 2;
    if (script->plugin == NULL)
        return send_ok(fd, &number);
    number = 4; /* behind the client's answer, which may be one that it has no plugin for */
    if (ask_for_plugin(fd, script->plugin) && receive(fd, payload, PACKET_BYTES) >= 0)
        (void)send_refusal(fd, &number, 1045);
    return false;
}

static void *serve(void *arg)
{
    struct dbscript *script = arg;
    static const char query = 3;
    char payload[PACKET_BYTES];

    for (int fd = -1; (fd = accept(script->listen_fd, NULL, NULL)) >= 0; (void)close(fd)) {
        bool ok = let_in(fd, script, payload);
        while (ok && receive(fd, payload, sizeof(payload)) > 0 && payload[0] == query) {
            size_t used = strlen(script->log);
            (void)snprintf(script->log + used, sizeof(script->log) - used, "%s\n", payload + 1);
            ok = answer_sql(fd, script, payload + 1);
        }
    }
    return NULL;
}

void dbscript_start(struct dbscript *script)
{
    assert_true(script->answer_count <= DBSCRIPT_ANSWERS_MAX);
    (void)snprintf(script->dir, sizeof(script->dir), "/tmp/stillpoint-script-XXXXXX");
    assert_non_null(mkdtemp(script->dir));
    script->address.sun_family = AF_UNIX;
    (void)snprintf(script->address.sun_path, sizeof(script->address.sun_path), "%s/s", script->dir);
    script->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(script->listen_fd, (const struct sockaddr *)&script->address, sizeof(script->address)),
        0);
    assert_int_equal(listen(script->listen_fd, 4), 0);
    assert_int_equal(pthread_create(&script->thread, NULL, serve, script), 0);
}

struct db *dbscript_connect(const struct dbscript *script)
{
    struct db_target target = {.socket = script->address.sun_path, .user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    if (!db_open(&target, clock_boot_ms() + 5000, NULL, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

void dbscript_end(struct dbscript *script)
{
    (void)shutdown(script->listen_fd, SHUT_RDWR); /* ends the accept */
    assert_int_equal(pthread_join(script->thread, NULL), 0);
    (void)close(script->listen_fd);
    (void)unlink(script->address.sun_path);
    (void)rmdir(script->dir);
}

void dbscript_assert_asked(const struct dbscript *script, const char *wanted)
{
    char got[DBSCRIPT_LOG_BYTES] = "", copy[DBSCRIPT_LOG_BYTES], *rest = NULL;

    memcpy(copy, script->log, sizeof(copy));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t used = strlen(got);
        if (strncmp(line, "SET SESSION wait_timeout", 24) != 0)
            (void)snprintf(got + used, sizeof(got) - used, "%.60s\n", line);
    }
    assert_string_equal(got, wanted);
}
