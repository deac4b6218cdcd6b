/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { READ_BYTES = 256 * 1024 };

/* stderr goes into a pipe for the time of a test; what came out of it is TEXT. */
struct pipe_end {
    int saved, read_fd;
    char text[READ_BYTES];
};

static int set_up(void **state)
{
    struct pipe_end *end = calloc(1, sizeof(*end));
    int ends[2];

    assert_non_null(end);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    end->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(end->saved >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(ends[1]);
    end->read_fd = ends[0];
    assert_int_equal(fcntl(end->read_fd, F_SETFL, O_NONBLOCK), 0);
    log_start("prog", LOG_LEVEL_INFO);
    *state = end;
    return 0;
}

static int tear_down(void **state)
{
    struct pipe_end *end = *state;

    log_release();
    (void)dup2(end->saved, STDERR_FILENO);
    (void)close(end->saved);
    (void)close(end->read_fd);
    free(end);
    return 0;
}

static const char *what_came(struct pipe_end *end)
{
    size_t len = 0;
    ssize_t got;

    while ((got = read(end->read_fd, end->text + len, READ_BYTES - 1 - len)) > 0)
        len += (size_t)got;
    end->text[len] = '\0';
    return end->text;
}

static void an_event_is_one_line_with_its_level(void **state)
{
    log_event(LOG_LEVEL_NOTICE, "cut", "snapshots=%d", 4);

    assert_string_equal(what_came(*state), "<5>prog: event=cut snapshots=4\n");
}

static void what_is_below_the_lowest_level_is_not_written(void **state)
{
    log_event(LOG_LEVEL_DEBUG, "detail", "x=%d", 1);

    assert_string_equal(what_came(*state), "");
}

static void an_error_is_written_quoted_with_kind_and_remedy(void **state)
{
    struct err err = ERR_INIT;

    (void)err_set(&err, ERR_DB, 0, "he said \"no\"\nevent=forged");
    (void)err_suggest(&err, "ask C:\\again");
    log_err(LOG_LEVEL_ERROR, "backup", &err);

    assert_string_equal(what_came(*state),
                        "<3>prog: event=backup kind=database error=\"he said \\\"no\\\"\\x0aevent="
                        "forged\" remedy=\"ask C:\\\\again\"\n");
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
    char words[4000];

    memset(words, 'w', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    log_event(LOG_LEVEL_INFO, "long", "%s", words);
    log_event(LOG_LEVEL_INFO, "next", "x=%d", 1);
    const char *text = what_came(*state);
    const char *newline = strchr(text, '\n');

    assert_non_null(newline);
    assert_true(newline - text > 1000);
    assert_string_equal(newline + 1, "<6>prog: event=next x=1\n");
}

static void in_a_hold_nothing_is_written_until_the_release(void **state)
{
    log_hold();
    log_event(LOG_LEVEL_INFO, "frozen", "mounts=%d", 2);
    log_event(LOG_LEVEL_INFO, "sent", "x=%d", 1);
    assert_string_equal(what_came(*state), "");
    log_release();
    const char *text = what_came(*state);

    assert_memory_equal(text, "<6>prog: event=frozen at=2", 26);
    assert_non_null(strstr(text, "Z mounts=2\n<6>prog: event=sent at=2"));
    log_release();
    assert_string_equal(what_came(*state), "");
}

static void what_a_hold_has_no_room_for_is_counted(void **state)
{
    log_hold();
    for (int i = 0; i < 40; i++)
        log_event(LOG_LEVEL_INFO, "many", "i=%d", i);
    log_release();
    log_event(LOG_LEVEL_INFO, "after", "x=%d", 1);
    const char *text = what_came(*state);

    assert_non_null(strstr(text, "i=0\n"));
    assert_non_null(strstr(text, "i=31\n"));
    assert_null(strstr(text, "i=32\n"));
    assert_non_null(strstr(text, "event=log_lost lines=8\n"));
}

static void a_reader_that_does_not_read_cant_block_us(void **state)
{
    struct pipe_end *end = *state;

    (void)alarm(20); /* ends the test by SIGALRM where a write blocks */
    for (int i = 0; i < 5000; i++)
        log_event(LOG_LEVEL_INFO, "flood", "i=%d", i);
    (void)alarm(0);
    (void)what_came(end);
    log_event(LOG_LEVEL_INFO, "after", "x=%d", 1);
    const char *text = what_came(end);

    assert_memory_equal(text, "<4>event=log_lost lines=", 24);
    assert_non_null(strstr(text, "event=after x=1\n"));
}

static void quoting_fits_its_room_whatever_comes(void **state)
{
    char words[4000], out[LOG_QUOTE_BYTES];

    (void)state;
    for (int c = 1; c < 256; c++) {
        memset(words, c, sizeof(words) - 1);
        words[sizeof(words) - 1] = '\0';
        assert_ptr_equal(log_quote(words, out), out);
        size_t len = strlen(out);
        assert_true(len < sizeof(out));
        assert_int_equal(out[0], '"');
        assert_int_equal(out[len - 1], '"');
        assert_null(strchr(out, '\n'));
    }
    assert_string_equal(log_quote("", out), "\"\"");
}

/* journald shows a line with other bytes as a blob, and grep calls the file binary. */
static void a_quoted_text_is_utf8_whatever_was_in_it(void **state)
{
    char out[LOG_QUOTE_BYTES];

    (void)state;
    assert_string_equal(log_quote("caf\xc3\xa9 \xff\xc3", out), "\"caf\xc3\xa9 \\xff\\xc3\"");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_event_is_one_line_with_its_level),
        T(what_is_below_the_lowest_level_is_not_written),
        T(an_error_is_written_quoted_with_kind_and_remedy),
        T(a_long_line_is_cut_and_still_ends),
        T(in_a_hold_nothing_is_written_until_the_release),
        T(what_a_hold_has_no_room_for_is_counted),
        T(a_reader_that_does_not_read_cant_block_us),
        T(quoting_fits_its_room_whatever_comes),
        T(a_quoted_text_is_utf8_whatever_was_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
