/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db_lock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"

/* Percona Server is not to be had here: a scripted server that speaks the protocol just enough, and
 * writes down what it is asked, shows which statements are sent in which order. */

enum { LOG_BYTES = 4096, PACKET_BYTES = 2048 };

struct answer {
    const char *sql;      /* begins so */
    const char *names[3]; /* columns; none: done, without an answer */
    const char *cells[3]; /* one row */
    unsigned refused;     /* an error's number instead */
};

struct script {
    char dir[64];
    struct sockaddr_un address;
    const char *version;
    const struct answer *answers;
    size_t answer_count;
    int listen_fd;
    pthread_t thread;
    char log[LOG_BYTES]; /* statements, one a line; read after the thread's end */
};

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

static void put_text(struct packet *packet, const char *text) /* with its length in front */
{
    unsigned char len = (unsigned char)strlen(text);

    put(packet, &len, 1);
    put(packet, text, len);
}

static bool send_packet(int fd, unsigned char *number, const struct packet *packet)
{
    unsigned char head[4] = {(unsigned char)(packet->len & 0xff),
                             (unsigned char)(packet->len >> 8 & 0xff), 0, (*number)++};

    return send(fd, head, sizeof(head), MSG_NOSIGNAL) == (ssize_t)sizeof(head) &&
           send(fd, packet->bytes, packet->len, MSG_NOSIGNAL) == (ssize_t)packet->len;
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

static bool greet(int fd, const char *version)
{
    struct packet packet = {.len = 0};
    unsigned char number = 0;

    put(&packet, "\x0a", 1);
    put(&packet, version, strlen(version) + 1);
    put(&packet, "\7\0\0\0saltsalt\0", 13);
    put(&packet, "\x01\x82\x21\x02\0\x08\0\x15", 8); /* protocol 4.1, salted, plugins */
    put(&packet, "\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0", 23);
    put(&packet, "mysql_native_password", 22);
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
    ssize_t got = recv(fd, payload, len, MSG_WAITALL);
    if (got >= 0)
        payload[got] = '\0';
    return got;
}

static bool send_rows(int fd, const struct answer *answer)
{
    unsigned char number = 1, count = 0;
    struct packet row = {.len = 0};

    while (count < 3 && answer->names[count] != NULL)
        count++;
    if (!send_bytes(fd, &number, &count, 1))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct packet column = {.len = 0};
        put(&column, "\3def\0\0\0", 7);
        put_text(&column, answer->names[i]);
        put_text(&column, answer->names[i]);
        put(&column, "\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0", 13);
        if (!send_packet(fd, &number, &column))
            return false;
        put_text(&row, answer->cells[i]);
    }
    return send_bytes(fd, &number, "\xfe\0\0\2\0", 5) && send_packet(fd, &number, &row) &&
           send_bytes(fd, &number, "\xfe\0\0\2\0", 5);
}

static bool answer_sql(int fd, const struct script *script, const char *sql)
{
    unsigned char number = 1;

    for (size_t i = 0; i < script->answer_count; i++) {
        const struct answer *answer = &script->answers[i];
        if (strncmp(sql, answer->sql, strlen(answer->sql)) != 0)
            continue;
        if (answer->refused == 0)
            return send_rows(fd, answer);
        unsigned char refusal[] = {0xff,
                                   (unsigned char)(answer->refused & 0xff),
                                   (unsigned char)(answer->refused >> 8),
                                   '#',
                                   'H',
                                   'Y',
                                   '0',
                                   '0',
                                   '0',
                                   'n',
                                   'o'};
        return send_bytes(fd, &number, refusal, sizeof(refusal));
    }
    return send_ok(fd, &number);
}

static void *serve(void *arg)
{
    struct script *script = arg;
    int fd = accept(script->listen_fd, NULL, NULL);
    char payload[PACKET_BYTES];
    unsigned char number = 2;
    bool ok = fd >= 0 && greet(fd, script->version) && receive(fd, payload, sizeof(payload)) > 0 &&
              send_ok(fd, &number);

    while (ok && receive(fd, payload, sizeof(payload)) > 0 && payload[0] == 3) {
        size_t used = strlen(script->log);
        (void)snprintf(script->log + used, sizeof(script->log) - used, "%s\n", payload + 1);
        ok = answer_sql(fd, script, payload + 1);
    }
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

/* --- the lock on it ----------------------------------------------------------------------- */

static struct db *start(struct script *script, const char *version, const struct answer *answers,
                        size_t answer_count)
{
    struct db_target target = {.user = "root"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    memset(script, 0, sizeof(*script));
    script->version = version;
    script->answers = answers;
    script->answer_count = answer_count;
    (void)snprintf(script->dir, sizeof(script->dir), "/tmp/stillpoint-script-XXXXXX");
    assert_non_null(mkdtemp(script->dir));
    script->address.sun_family = AF_UNIX;
    (void)snprintf(script->address.sun_path, sizeof(script->address.sun_path), "%s/s", script->dir);
    script->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(script->listen_fd, (const struct sockaddr *)&script->address, sizeof(script->address)),
        0);
    assert_int_equal(listen(script->listen_fd, 1), 0);
    assert_int_equal(pthread_create(&script->thread, NULL, serve, script), 0);
    target.socket = script->address.sun_path;
    if (!db_open(&target, clock_boot_ms() + 5000, NULL, &db, &err))
        fail_msg("%s", err.text);
    return db;
}

static void end(struct script *script, struct db *db)
{
    db_close(db);
    assert_int_equal(pthread_join(script->thread, NULL), 0);
    (void)close(script->listen_fd);
    (void)unlink(script->address.sun_path);
    (void)rmdir(script->dir);
}

static struct db_server server_of(int number, bool exact, int flush)
{
    struct db_server server = {.facts = {.version = {DB_KIND_PERCONA, number},
                                         .exact_wanted = exact,
                                         .log_bin = true,
                                         .flush_at_commit = flush}};
    struct err err = ERR_INIT;

    assert_true(db_choose(&server.facts, &server.choice, &err));
    return server;
}

/* The statements that begin with one of these words, in order, one a line. */
static void assert_locks(const struct script *script, const char *wanted)
{
    char got[LOG_BYTES] = "", copy[LOG_BYTES], *rest = NULL;

    memcpy(copy, script->log, sizeof(copy));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t used = strlen(got);
        if (strncmp(line, "SET SESSION", 11) != 0)
            (void)snprintf(got + used, sizeof(got) - used, "%.60s\n", line);
    }
    assert_string_equal(got, wanted);
}

static const struct answer master_status = {
    .sql = "SHOW MASTER STATUS", .names = {"File", "Position"}, .cells = {"binlog.000007", "4711"}};
static const struct answer log_status = {
    .sql = "SELECT LOCAL",
    .names = {"LOCAL"},
    .cells = {"{\"gtid_executed\": \"a:1-5\", \"binary_log_file\": \"binlog.000003\", "
              "\"binary_log_position\": 157}"}};
static const struct answer connection_id = {
    .sql = "SELECT CONNECTION_ID()", .names = {"CONNECTION_ID()"}, .cells = {"7"}};

static void whole_life(int number, bool exact, int flush, struct db_position *ret_position,
                       const char *wanted)
{
    const struct answer answers[] = {master_status, log_status, connection_id};
    struct db_server server = server_of(number, exact, flush);
    struct proof proof = {.held = false};
    struct err err = ERR_INIT;
    struct script script;
    struct db *db = start(&script, "x", answers, sizeof(answers) / sizeof(answers[0]));
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    if (!db_lock_take(&lock, clock_boot_ms() + 5000, ret_position, &err))
        fail_msg("%s", err.text);
    assert_true(db_lock_prove(&lock, clock_boot_ms() + 5000, &proof, &err));
    assert_true(proof.held);
    assert_true(db_lock_release(&lock, clock_boot_ms() + 5000, &err));
    end(&script, db);
    assert_locks(&script, wanted);
}

static void percona_5_7_holds_tables_then_the_binary_log(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(50744, false, 1, &position,
               "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\nSHOW MASTER STATUS\n"
               "SELECT CONNECTION_ID()\nUNLOCK BINLOG\nUNLOCK TABLES\n");
    assert_true(position.exact);
    assert_string_equal(position.binlog_file, "binlog.000007");
    assert_int_equal(position.binlog_pos, 4711);
}

static void percona_5_7_flushes_the_engine_logs_before_the_position(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(50744, false, 2, &position,
               "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\n"
               "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS\nSHOW MASTER STATUS\n"
               "SELECT CONNECTION_ID()\nUNLOCK BINLOG\nUNLOCK TABLES\n");
}

static void percona_8_holds_tables_and_reads_one_consistent_position(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(80035, false, 1, &position,
               "LOCK TABLES FOR BACKUP\nSELECT LOCAL FROM performance_schema.log_status\n"
               "SELECT CONNECTION_ID()\nUNLOCK TABLES\n");
    assert_false(position.exact);
    assert_string_equal(position.binlog_file, "binlog.000003");
    assert_int_equal(position.binlog_pos, 157);
    assert_string_equal(position.gtid, "a:1-5");
}

static void percona_8_takes_ftwrl_where_the_position_must_be_exact(void **state)
{
    struct db_position position;

    (void)state;
    whole_life(80035, true, 1, &position,
               "SELECT ID, USER, DB, TIME, STATE FROM information_schema.PRO\n"
               "FLUSH TABLES WITH READ LOCK\nSELECT LOCAL FROM performance_schema.log_status\n"
               "SELECT CONNECTION_ID()\nUNLOCK TABLES\n");
    assert_true(position.exact);
}

static void a_refused_second_lock_lets_go_of_the_first(void **state)
{
    const struct answer answers[] = {
        {.sql = "LOCK BINLOG FOR BACKUP", .refused = 1205},
    };
    struct db_server server = server_of(50744, false, 1);
    struct db_position position;
    struct err err = ERR_INIT;
    struct script script;
    struct db *db = start(&script, "x", answers, 1);
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    (void)state;
    assert_false(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
    end(&script, db);
    assert_int_equal(err.kind, ERR_DB_LOCK);
    assert_locks(&script, "LOCK TABLES FOR BACKUP\nLOCK BINLOG FOR BACKUP\nUNLOCK BINLOG\n"
                          "UNLOCK TABLES\nSELECT ID, USER, DB, TIME, STATE FROM "
                          "information_schema.PRO\n");
}

static void an_answer_of_another_connection_proves_nothing(void **state)
{
    const struct answer answers[] = {
        master_status,
        {.sql = "SELECT CONNECTION_ID()", .names = {"CONNECTION_ID()"}, .cells = {"8"}},
    };
    struct db_server server = server_of(50744, false, 1);
    struct db_position position;
    struct proof proof = {.held = true};
    struct err err = ERR_INIT;
    struct script script;
    struct db *db = start(&script, "x", answers, 2);
    struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

    (void)state;
    assert_true(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
    assert_true(db_lock_prove(&lock, clock_boot_ms() + 5000, &proof, &err));
    assert_false(proof.held);
    end(&script, db);
}

/* What a server could send that is not what it is asked for. */
static void a_position_that_is_none_is_refused(void **state)
{
    static const struct answer nonsense[] = {
        {.sql = "SELECT LOCAL", .names = {"LOCAL"}, .cells = {"{\"binary_log_file\": "}},
        {.sql = "SELECT LOCAL", .names = {"LOCAL"}, .cells = {""}},
        {.sql = "SHOW MASTER", .names = {"File", "Position"}, .cells = {"binlog.1", "-5"}},
        {.sql = "SHOW MASTER", .names = {"File", "Position"}, .cells = {"binlog.1", "12x"}},
        {.sql = "SHOW MASTER", .names = {"File"}, .cells = {"binlog.1"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct db_server server = server_of(i < 2 ? 80035 : 50744, false, 1);
        struct db_position position;
        struct err err = ERR_INIT;
        struct script script;
        struct db *db = start(&script, "x", &nonsense[i], 1);
        struct db_lock lock = {.db = db, .server = &server, .lock_wait_ms = 2000};

        assert_false(db_lock_take(&lock, clock_boot_ms() + 5000, &position, &err));
        end(&script, db);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_non_null(strstr(script.log, "UNLOCK TABLES"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percona_5_7_holds_tables_then_the_binary_log),
        cmocka_unit_test(percona_5_7_flushes_the_engine_logs_before_the_position),
        cmocka_unit_test(percona_8_holds_tables_and_reads_one_consistent_position),
        cmocka_unit_test(percona_8_takes_ftwrl_where_the_position_must_be_exact),
        cmocka_unit_test(a_refused_second_lock_lets_go_of_the_first),
        cmocka_unit_test(an_answer_of_another_connection_proves_nothing),
        cmocka_unit_test(a_position_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
