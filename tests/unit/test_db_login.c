/* SPDX-License-Identifier: BSD-2-Clause */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "tests/unit/dbscript.h"

/* Up to the log-in, against a scripted server that greets as no real one does. */

enum { PATH_BYTES = 200, NAMELESS_UID = 54321 };

static int64_t in_ms(int64_t ms)
{
    return clock_boot_ms() + ms;
}

static void assert_not_let_in(struct dbscript *script, struct err *err)
{
    struct db_target target = {.socket = script->address.sun_path, .user = "root"};
    struct db *db = NULL;

    dbscript_start(script);
    assert_false(db_open(&target, in_ms(5000), NULL, &db, err));
    dbscript_end(script);
    assert_int_equal(err->kind, ERR_DB);
}

/* --- the greeting ------------------------------------------------------------------------- */

static void a_greeting_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } greetings[] = {
        {"", 0},
        {"\x05\0\0\0\x0a", 5},
        {"\x40\0\0\0\x0aMySQL without an end", 25},
        {"SSH-2.0-OpenSSH_9.2\r\n", 21},
        {"\x15\0\0\0\xff\x10\x04Too many connections", 27},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        struct dbscript script = {.greeting = greetings[i].bytes,
                                  .greeting_bytes = greetings[i].len};
        char version[DB_VERSION_BYTES];
        struct err err = ERR_INIT;

        dbscript_start(&script);
        assert_false(db_peek_version(script.address.sun_path, in_ms(2000), version, &err));
        dbscript_end(&script);

        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void a_version_is_shown_without_what_a_terminal_would_obey(void **state)
{
    struct dbscript script = {.version = "8.0.36\x1b[2J\nlog\x7f\xc3"};
    char version[DB_VERSION_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    dbscript_start(&script);
    assert_true(db_peek_version(script.address.sun_path, in_ms(2000), version, &err));
    dbscript_end(&script);
    assert_string_equal(version, "8.0.36?[2J?log??");
}

static void a_greeting_is_not_waited_for_beyond_the_deadline(void **state)
{
    struct dbscript script = {.mute = true};
    char version[DB_VERSION_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    dbscript_start(&script);
    int64_t deadline_ms = in_ms(200);
    assert_false(db_peek_version(script.address.sun_path, deadline_ms, version, &err));
    assert_in_range(clock_boot_ms() - deadline_ms, 0, 500);
    dbscript_end(&script);
    assert_int_equal(err.kind, ERR_DEADLINE);
    assert_non_null(strstr(err.text, "waiting for the greeting"));
}

static void a_path_that_no_socket_can_have_is_refused_and_not_cut(void **state)
{
    char path[PATH_BYTES], version[DB_VERSION_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = '\0';
    assert_false(db_peek_version(path, in_ms(2000), version, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "longer than a socket's path can be"));
}

static void a_socket_in_a_usual_place_is_found(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/mysql.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (db_find_socket() != NULL ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        (void)close(fd);
        skip(); /* this machine has one already */
    }
    const char *found = db_find_socket();
    (void)close(fd);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_string_equal(found, address.sun_path);
}

/* --- the log-in --------------------------------------------------------------------------- */

static void a_log_in_with_a_plugin_that_is_not_there_says_how_else(void **state)
{
    struct dbscript script = {.plugin = "stillpoint_no_such_plugin"};
    struct err err = ERR_INIT;

    (void)state;
    assert_not_let_in(&script, &err);
    assert_non_null(strstr(err.text, "stillpoint_no_such_plugin"));
    /* MariaDB's library has the server's number to it, MySQL's a number of its own. */
    assert_true(strstr(err.remedy, "doctor") != NULL || strstr(err.remedy, "auth_socket") != NULL);
}

static void a_server_that_turns_us_away_gives_its_own_reason_alone(void **state)
{
    struct dbscript script = {.turns_away = 1040};
    struct err err = ERR_INIT;

    (void)state;
    assert_not_let_in(&script, &err);
    assert_non_null(strstr(err.text, "(1040)"));
    assert_string_equal(err.remedy, "");
}

static void a_user_without_a_name_can_not_log_in_by_it(void **state)
{
    struct db_target target = {.socket = "/tmp/stillpoint-no-such.sock"};
    struct db *db = NULL;
    struct err err = ERR_INIT;

    (void)state;
    if (geteuid() != 0 || getpwuid(NAMELESS_UID) != NULL)
        skip();
    assert_int_equal(seteuid(NAMELESS_UID), 0);
    bool ok = db_open(&target, in_ms(5000), NULL, &db, &err);
    assert_int_equal(seteuid(0), 0);
    assert_false(ok);
    assert_int_equal(err.kind, ERR_SYS);
    assert_non_null(strstr(err.text, "user 54321 has no name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_that_is_none_is_refused),
        cmocka_unit_test(a_version_is_shown_without_what_a_terminal_would_obey),
        cmocka_unit_test(a_greeting_is_not_waited_for_beyond_the_deadline),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_refused_and_not_cut),
        cmocka_unit_test(a_socket_in_a_usual_place_is_found),
        cmocka_unit_test(a_log_in_with_a_plugin_that_is_not_there_says_how_else),
        cmocka_unit_test(a_server_that_turns_us_away_gives_its_own_reason_alone),
        cmocka_unit_test(a_user_without_a_name_can_not_log_in_by_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
