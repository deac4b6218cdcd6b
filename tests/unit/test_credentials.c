/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "aws/credentials_file.h"
#include "aws/imds.h"
#include "tests/unit/fake_http.h"

#define TOKEN     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nTOKEN"
#define ROLE      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnode"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

enum { MINUTE_MS = 60 * 1000 };

/* The answer with keys that end so many minutes after EPOCH_US. To be freed. */
#define EPOCH_US INT64_C(1795000000000000)
static char *keys_until(const char *id, int minutes)
{
    char body[500], text[CLOCK_TEXT_BYTES];

    (void)snprintf(
        body, sizeof(body),
        "{\"Code\": \"Success\", \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"SECRET\", "
        "\"Token\": \"SESSION\", \"Expiration\": \"%s\"}",
        id, clock_utc_text(EPOCH_US + minutes * INT64_C(60000000), text));
    return fake_http_answer("200 OK", "", body);
}

struct play {
    struct fake_http *fake;
    struct credentials *credentials;
    struct credentials_key key;
    struct err err;
};

static struct play play(const struct fake_step *steps, size_t count)
{
    struct play play = {.key = CREDENTIALS_KEY_INIT, .err = ERR_INIT};
    struct credentials_options options = {.take_imds = NULL};

    play.fake = fake_http_start(false, steps, count);
    assert_true(imds_open(fake_http_url(play.fake), &options.take_imds, &play.err));
    assert_true(credentials_open(&options, &play.credentials, &play.err));
    return play;
}

/* Asks for keys as if so many minutes had gone by. */
static bool get_at(struct play *play, int64_t ms, int min_valid_minutes, bool no_refresh)
{
    play->err = (struct err)ERR_INIT;
    return credentials_get(play->credentials, EPOCH_US + ms * 1000,
                           (int64_t)min_valid_minutes * MINUTE_MS, no_refresh,
                           clock_boot_ms() + 5000, NULL, &play->key, &play->err);
}

static bool get(struct play *play, int minutes, int min_valid_minutes, bool no_refresh)
{
    return get_at(play, minutes * INT64_C(60000), min_valid_minutes, no_refresh);
}

static void play_end(struct play *play)
{
    credentials_key_free(&play->key);
    credentials_free(play->credentials);
    fake_http_stop(play->fake);
}

static void keys_of_the_role_are_fetched_once_while_fresh(void **state)
{
    char *keys = keys_until("ONE", 360);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},
                                {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 4);
    char source[64];
    (void)state;

    assert_true(get(&p, 0, 10, false));
    assert_true(get(&p, 300, 10, false));

    assert_string_equal(p.key.access_key_id, "ONE");
    assert_string_equal(p.key.secret_key.bytes, "SECRET");
    assert_string_equal(p.key.session_token.bytes, "SESSION");
    assert_string_equal(credentials_source(p.credentials, source, sizeof(source)), "role node");
    assert_int_equal(fake_http_requests(p.fake), 3);
    play_end(&p);
    free(keys);
}

static void keys_are_renewed_ahead_of_their_end(void **state)
{
    char *one = keys_until("ONE", 60), *two = keys_until("TWO", 420);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0}, {ROLE, FAKE_KEEP, 0, 0},
                                {one, FAKE_KEEP, 0, 0},   {ROLE, FAKE_KEEP, 0, 0},
                                {two, FAKE_KEEP, 0, 0},   {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 6);
    (void)state;
    assert_true(get(&p, 0, 1, false));

    assert_true(get(&p, 44, 1, false)); /* 16 minutes left */
    assert_string_equal(p.key.access_key_id, "ONE");
    bool ok = get(&p, 46, 1, false);

    assert_true(ok);
    assert_string_equal(p.key.access_key_id, "TWO");
    play_end(&p);
    free(one);
    free(two);
}

static void valid_keys_are_used_on_when_a_refresh_fails(void **state)
{
    char *keys = keys_until("ONE", 16);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},
                                {NOT_FOUND, FAKE_KEEP, 0, 0},
                                {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 5);
    (void)state;
    assert_true(get(&p, 0, 1, false));

    bool still = get(&p, 10, 5, false); /* 6 minutes left, the refresh meets 404 */
    assert_true(still);
    assert_int_equal(fake_http_requests(p.fake), 4);
    assert_string_equal(p.err.text, "");
    assert_string_equal(p.key.access_key_id, "ONE");

    assert_false(get(&p, 17, 0, false));
    assert_int_equal(p.err.kind, ERR_CREDENTIALS);
    assert_non_null(strstr(p.err.text, "no IAM role"));
    play_end(&p);
    free(keys);
}

static void keys_in_doubt_are_asked_for_again_once_a_second(void **state)
{
    char *one = keys_until("ONE", 360), *two = keys_until("TWO", 360);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0}, {ROLE, FAKE_KEEP, 0, 0},
                                {one, FAKE_KEEP, 0, 0},   {ROLE, FAKE_KEEP, 0, 0},
                                {two, FAKE_KEEP, 0, 0},   {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 6);
    (void)state;
    assert_true(get_at(&p, 0, 1, false));
    credentials_doubt(p.credentials);

    assert_true(get_at(&p, 900, 1, false));
    assert_string_equal(p.key.access_key_id, "ONE");
    assert_true(get_at(&p, 1100, 1, false));

    assert_string_equal(p.key.access_key_id, "TWO");
    play_end(&p);
    free(one);
    free(two);
}

static void keys_that_end_too_soon_are_refused(void **state)
{
    char *keys = keys_until("ONE", 9);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0}, {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},  {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},  {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 6);
    (void)state;

    bool ok = get(&p, 0, 10, false);

    assert_false(ok);
    assert_int_equal(p.err.kind, ERR_CREDENTIALS);
    assert_non_null(strstr(p.err.text, "end in 9m, and are needed for 10m"));
    assert_false(secret_is_set(&p.key.secret_key));
    assert_true(get(&p, 0, 8, false));
    play_end(&p);
    free(keys);
}

static void in_a_hold_nothing_is_fetched(void **state)
{
    char *keys = keys_until("ONE", 60);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},
                                {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 4);
    (void)state;

    assert_false(get(&p, 0, 0, true)); /* none at hand */
    assert_int_equal(p.err.kind, ERR_CREDENTIALS);
    assert_int_equal(fake_http_requests(p.fake), 0);
    assert_true(get(&p, 0, 0, false));
    assert_true(get(&p, 50, 5, true)); /* 10 minutes left: else they would be renewed */
    assert_false(get(&p, 61, 0, true));

    assert_non_null(strstr(p.err.text, "have expired"));
    assert_int_equal(fake_http_requests(p.fake), 3);
    play_end(&p);
    free(keys);
}

static void *get_short(void *self)
{
    struct play *play = self;
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    struct err err = ERR_INIT;

    /* 14 minutes are needed, 10 are left: it has to fetch, and the service is slow. */
    (void)credentials_get(play->credentials, EPOCH_US + 50 * INT64_C(60000000), 14 * MINUTE_MS,
                          false, clock_boot_ms() + 1500, NULL, &key, &err);
    credentials_key_free(&key);
    return NULL;
}

static void hold_does_not_wait_for_somebody_else_fetching(void **state)
{
    char *keys = keys_until("ONE", 60);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {ROLE, FAKE_KEEP, 0, 0},
                                {keys, FAKE_KEEP, 0, 0},
                                {NULL, FAKE_HANG, 0, 0}};
    struct play p = play(steps, 4);
    pthread_t thread;
    (void)state;
    assert_true(get(&p, 0, 1, false));
    assert_int_equal(pthread_create(&thread, NULL, get_short, &p), 0);
    while (fake_http_requests(p.fake) < 4)
        (void)usleep(1000);
    int64_t begin_ms = clock_boot_ms();

    assert_true(get(&p, 50, 5, true));  /* in a hold */
    assert_true(get(&p, 50, 5, false)); /* valid keys will do while they are renewed */

    assert_true(clock_boot_ms() - begin_ms < 1000); /* the other one's deadline comes after 1500 */
    assert_int_equal(pthread_join(thread, NULL), 0);
    play_end(&p);
    free(keys);
}

static void environment_comes_before_the_role(void **state)
{
    struct credentials_options options = {.use_environment = true};
    struct credentials *credentials = NULL;
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    struct err err = ERR_INIT;
    (void)state;
    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "ENVSECRET", 1), 0);
    assert_int_equal(unsetenv("AWS_SESSION_TOKEN"), 0);

    bool ok = credentials_open(&options, &credentials, &err) &&
              credentials_get(credentials, EPOCH_US, 24 * 3600 * 1000, false,
                              clock_boot_ms() + 1000, NULL, &key, &err);

    assert_true(ok);
    assert_string_equal(key.access_key_id, "AKIAENV");
    assert_string_equal(key.secret_key.bytes, "ENVSECRET");
    assert_false(secret_is_set(&key.session_token));
    credentials_key_free(&key);
    credentials_free(credentials);

    assert_int_equal(unsetenv("AWS_SECRET_ACCESS_KEY"), 0);
    credentials = NULL;
    assert_false(credentials_open(&options, &credentials, &err));
    assert_int_equal(err.kind, ERR_CREDENTIALS);
    assert_null(credentials);
    assert_int_equal(unsetenv("AWS_ACCESS_KEY_ID"), 0);
}

static void no_source_names_the_ways_to_give_one(void **state)
{
    struct credentials_options options = {.use_environment = true};
    struct credentials *credentials = NULL;
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    struct err err = ERR_INIT;
    (void)state;
    assert_true(credentials_open(&options, &credentials, &err));

    bool ok =
        credentials_get(credentials, EPOCH_US, 0, false, clock_boot_ms() + 1000, NULL, &key, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_CREDENTIALS);
    assert_non_null(strstr(err.remedy, "profile in [aws]"));
    credentials_free(credentials);
}

static void profile_is_read_from_its_file(void **state)
{
    char path[] = "/tmp/stillpoint-test-XXXXXX", token[1501], source[64];
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct credentials_options options = {.profile = "backup", .profile_file = path};
    struct credentials *credentials = NULL;
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    struct err err = ERR_INIT;
    (void)state;
    assert_non_null(file);
    memset(token, 'T', sizeof(token) - 1); /* real session tokens are that long */
    token[sizeof(token) - 1] = '\0';
    (void)fprintf(file,
                  "# keys\n[default]\naws_access_key_id = WRONG\naws_secret_access_key = WRONG\n\n"
                  "[backup]\r\naws_access_key_id=AKIAFILE\r\n"
                  "aws_secret_access_key = FILE/SE+CRET=\naws_session_token = %s\n"
                  "[other]\naws_access_key_id = WRONG\n",
                  token);
    assert_int_equal(fclose(file), 0);

    bool ok =
        credentials_open(&options, &credentials, &err) &&
        credentials_get(credentials, EPOCH_US, 0, false, clock_boot_ms() + 1000, NULL, &key, &err);

    assert_string_equal(err.text, "");
    assert_true(ok);
    assert_string_equal(key.access_key_id, "AKIAFILE");
    assert_string_equal(key.secret_key.bytes, "FILE/SE+CRET=");
    assert_string_equal(key.session_token.bytes, token);
    assert_string_equal(credentials_source(credentials, source, sizeof(source)), "profile backup");

    assert_false(credentials_read_file(path, "absent", &key, &err));
    assert_non_null(strstr(err.text, "has no profile [absent]"));
    assert_false(credentials_read_file(path, "other", &key, &err));
    assert_non_null(strstr(err.text, "lacks"));
    assert_string_equal(key.access_key_id, "AKIAFILE"); /* untouched */
    assert_int_equal(unlink(path), 0);
    assert_false(credentials_read_file(path, "backup", &key, &err));
    assert_int_equal(err.kind, ERR_CREDENTIALS);
    credentials_key_free(&key);
    credentials_free(credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_the_role_are_fetched_once_while_fresh),
        cmocka_unit_test(keys_are_renewed_ahead_of_their_end),
        cmocka_unit_test(valid_keys_are_used_on_when_a_refresh_fails),
        cmocka_unit_test(keys_in_doubt_are_asked_for_again_once_a_second),
        cmocka_unit_test(keys_that_end_too_soon_are_refused),
        cmocka_unit_test(in_a_hold_nothing_is_fetched),
        cmocka_unit_test(hold_does_not_wait_for_somebody_else_fetching),
        cmocka_unit_test(environment_comes_before_the_role),
        cmocka_unit_test(no_source_names_the_ways_to_give_one),
        cmocka_unit_test(profile_is_read_from_its_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
