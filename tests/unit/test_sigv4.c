/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/fileio.h"

/* Published cases, and for S3's rules some that an independent signer made. Run from the top of
 * the tree. */
#define CASES    "tests/unit/data/sigv4"
#define CASES_S3 "tests/unit/data/sigv4-s3"

enum { HEADERS_MAX = 32, TESTS_MAX = 64 };

struct text_request {
    char *text; /* owns all below */
    char *method, *path, *query, *body;
    struct sigv4_header headers[HEADERS_MAX];
    size_t header_count;
};

static char *read_text(const char *folder, const char *name)
{
    char path[600];
    struct buf buf = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!fileio_read(path, &buf, &err))
        fail_msg("%s (tests run from the top of the tree)", err.text);
    return buf.data != NULL ? buf.data : strdup("");
}

/* "GET /a b?x=y HTTP/1.1", headers (continued where a line begins with a space), body. */
static void read_request(const char *folder, struct text_request *ret)
{
    char *line, *rest;

    memset(ret, 0, sizeof(*ret));
    ret->text = read_text(folder, "request.txt");
    ret->body = strstr(ret->text, "\n\n");
    if (ret->body != NULL) {
        *ret->body = '\0';
        ret->body += 2;
    }
    rest = ret->text;
    line = strsep(&rest, "\n");
    ret->method = strsep(&line, " ");
    char *version = strstr(line, " HTTP/1.1");
    assert_non_null(version);
    *version = '\0';
    ret->path = strsep(&line, "?");
    ret->query = line;
    while (rest != NULL && *rest != '\0') {
        char *end = strchr(rest, '\n');
        while (end != NULL && (end[1] == ' ' || end[1] == '\t'))
            end = strchr(end + 1, '\n'); /* the line goes on */
        if (end != NULL)
            *end = '\0';
        char *value = strchr(rest, ':');
        assert_non_null(value);
        *value = '\0';
        assert_true(ret->header_count < HEADERS_MAX);
        ret->headers[ret->header_count].name = rest;
        ret->headers[ret->header_count++].value = value + 1;
        rest = end != NULL ? end + 1 : NULL;
    }
}

static void assert_same_text(const char *folder, const char *name, const char *have)
{
    char *want = read_text(folder, name);

    want[strcspn(want, "\r")] = '\0';
    size_t len = strlen(want);
    if (len > 0 && want[len - 1] == '\n' && have[strlen(have) - 1] != '\n')
        want[len - 1] = '\0';
    if (strcmp(want, have) != 0)
        fail_msg("%s/%s\nwant:\n%s\nhave:\n%s", folder, name, want, have);
    free(want);
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void case_is_signed_as_published(void **state)
{
    const char *folder = *state;
    char *context_text = read_text(folder, "context.json");
    json_t *context = json_loads(context_text, 0, NULL);
    struct text_request text;
    struct sigv4_signed made;
    struct secret secret = SECRET_INIT, token = SECRET_INIT;
    struct err err = ERR_INIT;
    int64_t utc_us = 0;
    read_request(folder, &text);
    assert_non_null(context);
    json_t *credentials = json_object_get(context, "credentials");
    const char *secret_text = text_of(credentials, "secret_access_key");
    const char *token_text = text_of(credentials, "token");
    assert_true(secret_set(&secret, secret_text, strlen(secret_text), &err));
    if (!json_is_true(json_object_get(context, "omit_session_token")))
        assert_true(secret_set(&token, token_text, strlen(token_text), &err));
    assert_true(clock_utc_parse(text_of(context, "timestamp"), &utc_us));
    struct sigv4_key key = {text_of(credentials, "access_key_id"), &secret, &token};
    struct sigv4_request request = {
        .rules = json_is_true(json_object_get(context, "s3"))          ? SIGV4_S3
                 : json_is_true(json_object_get(context, "normalize")) ? SIGV4_GENERAL
                                                                       : SIGV4_NO_NORMALIZE,
        .method = text.method,
        .path = text.path,
        .query = text.query,
        .headers = text.headers,
        .header_count = text.header_count,
        .body = text.body,
        .body_len = text.body != NULL ? strlen(text.body) : 0,
        .add_content_sha256 = json_is_true(json_object_get(context, "sign_body")),
        .region = text_of(context, "region"),
        .service = text_of(context, "service"),
        .utc_s = utc_us / 1000000};

    bool ok = sigv4_sign(&request, &key, &made, &err);

    assert_true(ok);
    assert_same_text(folder, "header-canonical-request.txt", made.canonical_request.data);
    assert_same_text(folder, "header-string-to-sign.txt", made.string_to_sign.data);
    assert_same_text(folder, "header-signature.txt", made.signature);
    assert_non_null(strstr(made.authorization.data, made.signature));
    sigv4_free(&made);
    secret_free(&secret);
    secret_free(&token);
    json_decref(context);
    free(context_text);
    free(text.text);
}

static void signing_refuses_too_many_headers(void **state)
{
    struct sigv4_header headers[80];
    struct secret secret = SECRET_INIT;
    struct sigv4_signed made;
    struct err err = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < 80; i++)
        headers[i] = (struct sigv4_header){"x", "y"};
    assert_true(secret_set(&secret, "s", 1, &err));
    struct sigv4_key key = {"AKID", &secret, NULL};
    struct sigv4_request request = {.method = "GET",
                                    .path = "/",
                                    .headers = headers,
                                    .header_count = 80,
                                    .region = "r",
                                    .service = "s"};

    bool ok = sigv4_sign(&request, &key, &made, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_null(made.canonical_request.data);
    secret_free(&secret);
}

static void signing_refuses_an_empty_secret_key(void **state)
{
    struct secret secret = SECRET_INIT;
    struct sigv4_signed made;
    struct err err = ERR_INIT;
    (void)state;
    struct sigv4_key key = {"AKID", &secret, NULL};
    struct sigv4_request request = {.method = "GET", .path = "/", .region = "r", .service = "s"};

    bool ok = sigv4_sign(&request, &key, &made, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_CREDENTIALS);
}

static void encoding_keeps_only_unreserved_characters(void **state)
{
    struct buf out = BUF_INIT(200);
    struct err err = ERR_INIT;
    (void)state;

    bool ok = sigv4_encode(&out, "Az09-._~ /+=&%\xc3\xa9*", 17, false, &err);

    assert_true(ok);
    assert_string_equal(out.data, "Az09-._~%20%2F%2B%3D%26%25%C3%A9%2A");
    buf_free(&out);
}

static size_t list_cases(const char *folder, struct CMUnitTest *tests, size_t count)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *path = NULL;
        if (entry->d_name[0] == '.' || asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
            continue;
        tests[count++] = (struct CMUnitTest){path, case_is_signed_as_published, NULL, NULL, path};
        if (count == TESTS_MAX)
            break;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

int main(void)
{
    static struct CMUnitTest tests[TESTS_MAX + 8] = {
        cmocka_unit_test(signing_refuses_too_many_headers),
        cmocka_unit_test(signing_refuses_an_empty_secret_key),
        cmocka_unit_test(encoding_keeps_only_unreserved_characters),
    };
    size_t own = 3, count = list_cases(CASES_S3, tests, list_cases(CASES, tests, own));

    if (count < own + 38 + 3) {
        print_error("only %zu signing cases found: run from the top of the tree\n", count - own);
        return 1;
    }
    int failed = _cmocka_run_group_tests("sigv4", tests, count, NULL, NULL);
    for (size_t i = own; i < count; i++)
        free(tests[i].initial_state);
    return failed;
}
