/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/aws_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "tests/unit/fake_http.h"

/* The node's clock in these tests: 2026-11-25T21:00:00Z. */
#define NOW_S   INT64_C(1795640400)
#define DATE_OK "Date: Wed, 25 Nov 2026 21:00:20 GMT\r\n"

enum { REQUEST_MS = 1500 }; /* a handshake on a busy machine, too */

static int64_t fixed_utc_us(void)
{
    return NOW_S * 1000000;
}

static char *ec2_error(const char *status, const char *date, const char *code, const char *message)
{
    char body[2000];

    (void)snprintf(body, sizeof(body),
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>%s"
                   "</Code><Message>%s</Message></Error></Errors><RequestID>req-1</RequestID>"
                   "</Response>",
                   code, message);
    return fake_http_answer(status, date, body);
}

#define GOOD                                                                                       \
    "HTTP/1.1 200 OK\r\n" DATE_OK "x-amzn-requestid: req-good\r\nContent-Length: 4\r\n\r\ngood"

/* A script, the client that meets it, and what came of one call. */
struct play {
    struct fake_http *fake;
    struct credentials *credentials;
    struct aws_client *client;
    struct buf body;
    struct err err;
    bool ok;
};

static struct play play(const struct fake_step *steps, size_t count)
{
    struct play play = {.body = BUF_INIT(10000), .err = ERR_INIT};
    struct credentials_options keys = {.use_environment = true};

    play.fake = fake_http_start(true, steps, count);
    assert_true(credentials_open(&keys, &play.credentials, &play.err));
    struct aws_client_options options = {.endpoint = fake_http_url(play.fake),
                                         .region = "eu-west-1",
                                         .service = "ec2",
                                         .credentials = play.credentials,
                                         .ca_bundle = fake_http_ca(play.fake),
                                         .request_timeout_ms = REQUEST_MS,
                                         .utc_us = fixed_utc_us};
    assert_true(aws_client_open(&options, &play.client, &play.err));
    return play;
}

static void call(struct play *play, enum aws_kind kind)
{
    struct http_header type = {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"};
    struct aws_request request = {.kind = kind,
                                  .action = "CreateSnapshots",
                                  .method = "POST",
                                  .path = "/",
                                  .headers = &type,
                                  .header_count = 1,
                                  .body = "Action=CreateSnapshots",
                                  .body_len = 22};

    play->err = (struct err)ERR_INIT;
    buf_free(&play->body);
    play->ok =
        aws_call(play->client, &request, clock_boot_ms() + 20000, NULL, &play->body, &play->err);
}

static void play_end(struct play *play)
{
    buf_free(&play->body);
    aws_client_free(play->client);
    credentials_free(play->credentials);
    fake_http_stop(play->fake);
}

/* --- the tables --- */

static void codes_have_their_class(void **state)
{
    static const struct {
        int status;
        const char *code;
        enum aws_class class;
    } cases[] = {
        {412, "DryRunOperation", AWS_CLASS_DRY_RUN_OK},
        {503, "RequestLimitExceeded", AWS_CLASS_THROTTLE},
        {400, "Throttling", AWS_CLASS_THROTTLE},
        {503, "SlowDown", AWS_CLASS_THROTTLE},
        {400, "SnapshotCreationPerVolumeRateExceeded", AWS_CLASS_THROTTLE},
        {429, "HTTP 429", AWS_CLASS_THROTTLE},
        {500, "InternalError", AWS_CLASS_RETRY},
        {503, "Unavailable", AWS_CLASS_RETRY},
        {503, "ServiceUnavailable", AWS_CLASS_RETRY},
        {502, "HTTP 502", AWS_CLASS_RETRY},
        {504, "HTTP 504", AWS_CLASS_RETRY},
        {400, "RequestExpired", AWS_CLASS_CLOCK},
        {401, "AuthFailure", AWS_CLASS_CLOCK},
        {403, "AuthFailure", AWS_CLASS_DENIED},
        {403, "RequestTimeTooSkewed", AWS_CLASS_CLOCK},
        {403, "SignatureDoesNotMatch", AWS_CLASS_CLOCK},
        {400, "ExpiredToken", AWS_CLASS_AUTH},
        {403, "InvalidClientTokenId", AWS_CLASS_AUTH},
        {401, "HTTP 401", AWS_CLASS_AUTH},
        {403, "UnauthorizedOperation", AWS_CLASS_DENIED},
        {403, "AccessDenied", AWS_CLASS_DENIED},
        {400, "InvalidSnapshot.NotFound", AWS_CLASS_NOT_FOUND},
        {400, "InvalidAMIID.NotFound", AWS_CLASS_NOT_FOUND},
        {400, "InvalidAMIID.Unavailable", AWS_CLASS_NOT_FOUND},
        {404, "NoSuchLifecycleConfiguration", AWS_CLASS_NOT_FOUND},
        {400, "InvalidParameterValue", AWS_CLASS_NEVER},
        {400, "InvalidAMIName.Duplicate", AWS_CLASS_NEVER},
        {400, "InvalidSnapshot.InUse", AWS_CLASS_NEVER},
        {400, "ConcurrentSnapshotLimitExceeded", AWS_CLASS_NEVER},
        {400, "SnapshotLimitExceeded", AWS_CLASS_NEVER},
        {301, "HTTP 301", AWS_CLASS_NEVER},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (aws_classify(cases[i].status, cases[i].code) != cases[i].class)
            fail_msg("%d %s: class %d", cases[i].status, cases[i].code,
                     (int)aws_classify(cases[i].status, cases[i].code));
}

static void only_what_cannot_have_been_done_is_repeated_for_calls_that_make(void **state)
{
    (void)state;

    assert_true(aws_may_retry(AWS_SAFE, AWS_CLASS_RETRY));
    assert_true(aws_may_retry(AWS_IDEMPOTENT, AWS_CLASS_RETRY));
    assert_false(aws_may_retry(AWS_ONCE_SENT, AWS_CLASS_RETRY));
    assert_true(aws_may_retry(AWS_ONCE_SENT, AWS_CLASS_THROTTLE));
    for (int class = 0; class <= AWS_CLASS_DRY_RUN_OK; class ++)
        assert_false(aws_may_retry(AWS_SINGLE, (enum aws_class) class));
    assert_false(aws_may_retry(AWS_SAFE, AWS_CLASS_NEVER));
    assert_false(aws_may_retry(AWS_SAFE, AWS_CLASS_DENIED));
    assert_false(aws_may_retry(AWS_SAFE, AWS_CLASS_NOT_FOUND));
}

static void error_bodies_of_ec2_and_s3_are_read(void **state)
{
    static const char ec2[] = "<Response><Errors><Error><Code>A.B</Code><Message>one\ntwo</Message>"
                              "</Error><Error><Code>C</Code></Error></Errors>"
                              "<RequestID>r-1</RequestID></Response>";
    static const char s3[] = "<Error><Code>NoSuchKey</Code><Message>gone</Message>"
                             "<RequestId>R2</RequestId><HostId>h</HostId></Error>";
    struct aws_error error;
    (void)state;

    aws_parse_error(400, ec2, strlen(ec2), &error);
    assert_string_equal(error.code, "A.B");
    assert_string_equal(error.message, "one two");
    assert_string_equal(error.request_id, "r-1");
    aws_parse_error(404, s3, strlen(s3), &error);
    assert_string_equal(error.code, "NoSuchKey");
    assert_string_equal(error.request_id, "R2");
    aws_parse_error(503, "<html><body>busy", 16, &error);
    assert_string_equal(error.code, "HTTP 503");
    assert_int_equal(error.http_status, 503);
    aws_parse_error(500, NULL, 0, &error);
    assert_string_equal(error.code, "HTTP 500");
}

/* --- calls --- */

static void good_answer_is_returned_with_its_request_id_and_times(void **state)
{
    struct fake_step steps[] = {{GOOD, FAKE_KEEP, 30, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_string_equal(p.err.text, "");
    assert_true(p.ok);
    assert_string_equal(p.body.data, "good");
    const struct aws_outcome *outcome = aws_outcome(p.client);
    assert_string_equal(outcome->request_id, "req-good");
    assert_true(outcome->sent && outcome->answered);
    assert_int_equal(outcome->sends, 1);
    assert_true(outcome->answered_boot_us - outcome->begun_boot_us >= 30000);
    assert_int_equal(aws_sends(p.client), 1);
    const char *request = fake_http_request(p.fake, 0);
    assert_non_null(strstr(request, "X-Amz-Date: 20261125T210000Z\r\n"));
    assert_non_null(strstr(request, "Authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20261125/"
                                    "eu-west-1/ec2/aws4_request, SignedHeaders=content-type;host;"
                                    "x-amz-date;x-amz-security-token, Signature="));
    assert_non_null(strstr(request, "X-Amz-Security-Token: SESSION\r\n"));
    assert_null(strstr(request, "SECRET"));
    assert_true(aws_client_alive(p.client));
    play_end(&p);
}

static void dry_run_operation_counts_as_success(void **state)
{
    char *refusal = ec2_error("412 Precondition Failed", DATE_OK, "DryRunOperation",
                              "Request would have succeeded, but DryRun flag is set.");
    struct fake_step steps[] = {{refusal, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 1);
    (void)state;

    call(&p, AWS_SAFE);

    assert_true(p.ok);
    assert_int_equal(p.body.len, 0);
    assert_int_equal(aws_outcome(p.client)->error.http_status, 0);
    play_end(&p);
    free(refusal);
}

static void throttled_call_is_tried_again(void **state)
{
    char *busy = ec2_error("503 Service Unavailable", DATE_OK, "RequestLimitExceeded",
                           "Request limit exceeded.");
    struct fake_step steps[] = {
        {busy, FAKE_KEEP, 0, 0}, {busy, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_true(p.ok);
    assert_int_equal(aws_outcome(p.client)->sends, 3);
    play_end(&p);
    free(busy);
}

static void throttled_call_in_a_hold_is_not_repeated(void **state)
{
    char *busy = ec2_error("503 Service Unavailable", DATE_OK, "RequestLimitExceeded", "slower");
    struct fake_step steps[] = {
        {GOOD, FAKE_KEEP, 0, 0}, {busy, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;
    call(&p, AWS_SAFE); /* opens the connection */

    call(&p, AWS_SINGLE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS_THROTTLED);
    assert_string_equal(aws_outcome(p.client)->error.code, "RequestLimitExceeded");
    assert_true(aws_outcome(p.client)->answered);
    assert_int_equal(fake_http_requests(p.fake), 2);
    play_end(&p);
    free(busy);
}

static void call_in_a_hold_does_not_connect(void **state)
{
    struct fake_step steps[] = {{GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 1);
    (void)state;

    call(&p, AWS_SINGLE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_NET);
    assert_false(aws_outcome(p.client)->sent);
    assert_int_equal(fake_http_connections(p.fake), 0);
    play_end(&p);
}

static void server_trouble_leaves_a_making_call_unknown(void **state)
{
    char *trouble = ec2_error("500 Internal Server Error", DATE_OK, "InternalError", "oops");
    struct fake_step steps[] = {{trouble, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_SENT);
    assert_non_null(strstr(p.err.text, "InternalError: oops (request id req-1)"));
    assert_int_equal(fake_http_requests(p.fake), 1);

    call(&p, AWS_SAFE);
    assert_true(p.ok);
    play_end(&p);
    free(trouble);
}

static void lost_answer_is_repeated_only_where_that_is_safe(void **state)
{
    struct fake_step steps[] = {
        {NULL, FAKE_RESET, 0, 0}, {NULL, FAKE_HANG, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    static const enum aws_kind kinds[] = {AWS_SAFE, AWS_IDEMPOTENT, AWS_ONCE_SENT};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        struct play p = play(steps, 3);
        call(&p, kinds[i]);
        assert_int_equal(p.ok, kinds[i] != AWS_ONCE_SENT);
        assert_int_equal(fake_http_requests(p.fake), kinds[i] != AWS_ONCE_SENT ? 3 : 1);
        if (!p.ok)
            assert_int_equal(p.err.kind, ERR_SENT);
        assert_true(aws_outcome(p.client)->sent);
        play_end(&p);
    }
}

static void time_out_of_one_send_counts_as_a_lost_answer(void **state)
{
    struct fake_step steps[] = {{NULL, FAKE_HANG, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_SENT);
    assert_non_null(strstr(p.err.text, "no answer within 1500 ms"));
    assert_int_equal(fake_http_requests(p.fake), 1);
    play_end(&p);
}

static void connection_that_fails_before_the_request_is_tried_again(void **state)
{
    struct fake_step steps[] = {{NULL, FAKE_RESET_CONNECT, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_true(p.ok);
    assert_int_equal(aws_outcome(p.client)->sends, 1);
    play_end(&p);
}

static void missing_right_is_named_with_its_remedy(void **state)
{
    char *denied = ec2_error("403 Forbidden", DATE_OK, "UnauthorizedOperation",
                             "You are not authorized to perform this operation. Encoded "
                             "authorization failure message: Qk1xyz");
    char *named = ec2_error("403 Forbidden", DATE_OK, "UnauthorizedOperation",
                            "You are not authorized to perform: ec2:CreateTags on resource: x");
    char *short_one = ec2_error("403 Forbidden", DATE_OK, "UnauthorizedOperation",
                                "You are not authorized to perform: ec2:RegisterImage.");
    struct fake_step steps[] = {
        {denied, FAKE_KEEP, 0, 0}, {named, FAKE_KEEP, 0, 0}, {short_one, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    call(&p, AWS_SAFE);
    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS_DENIED);
    assert_non_null(strstr(p.err.text, "ec2:CreateSnapshots is not allowed"));
    assert_non_null(strstr(p.err.text, "request id req-1"));
    assert_null(strstr(p.err.text, "Encoded"));
    assert_non_null(strstr(p.err.remedy, "add ec2:CreateSnapshots to the policies"));

    call(&p, AWS_SAFE);
    assert_non_null(strstr(p.err.text, "ec2:CreateTags is not allowed"));

    call(&p, AWS_SAFE); /* the sentence's full stop is not the right's */
    assert_non_null(strstr(p.err.text, "ec2:RegisterImage is not allowed"));
    play_end(&p);
    free(denied);
    free(named);
    free(short_one);
}

static void wrong_clock_is_corrected_and_told(void **state)
{
    char *expired = ec2_error("400 Bad Request", "Date: Wed, 25 Nov 2026 22:30:00 GMT\r\n",
                              "RequestExpired", "Request has expired.");
    struct fake_step steps[] = {
        {expired, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    call(&p, AWS_ONCE_SENT);

    assert_true(p.ok);
    assert_int_equal(aws_clock_ahead_s(p.client), 5400);
    assert_non_null(strstr(fake_http_request(p.fake, 1), "X-Amz-Date: 20261125T223000Z\r\n"));
    call(&p, AWS_SAFE); /* remembered */
    assert_non_null(strstr(fake_http_request(p.fake, 2), "X-Amz-Date: 20261125T223000Z\r\n"));
    play_end(&p);
    free(expired);
}

static void wrong_clock_in_a_hold_is_told_and_not_repeated(void **state)
{
    char *expired = ec2_error("400 Bad Request", "Date: Wed, 25 Nov 2026 19:00:00 GMT\r\n",
                              "RequestExpired", "Request has expired.");
    struct fake_step steps[] = {
        {GOOD, FAKE_KEEP, 0, 0}, {expired, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;
    call(&p, AWS_SAFE);

    call(&p, AWS_SINGLE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS_AUTH);
    assert_non_null(strstr(p.err.remedy, "this node's clock is 7200 s ahead"));
    assert_int_equal(fake_http_requests(p.fake), 2);
    play_end(&p);
    free(expired);
}

static void wrong_keys_are_not_taken_for_a_wrong_clock(void **state)
{
    char *refused = ec2_error("403 Forbidden", DATE_OK, "SignatureDoesNotMatch", "no match");
    struct fake_step steps[] = {{refused, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_SAFE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS_AUTH);
    assert_non_null(strstr(p.err.remedy, "check the keys of environment"));
    assert_int_equal(fake_http_requests(p.fake), 1); /* the same keys again are of no use */
    assert_int_equal(aws_clock_ahead_s(p.client), 0);
    play_end(&p);
    free(refused);
}

static void somebody_elses_resource_is_not_taken_for_wrong_keys(void **state)
{
    char *refused =
        ec2_error("403 Forbidden", DATE_OK, "AuthFailure", "Not authorized for volume:vol-1");
    struct fake_step steps[] = {{refused, FAKE_KEEP, 0, 0}, {GOOD, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    call(&p, AWS_SAFE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS_DENIED);
    assert_null(strstr(p.err.text, "is not allowed"));
    assert_non_null(strstr(p.err.text, "vol-1"));
    assert_non_null(strstr(p.err.remedy, "another account's"));
    assert_int_equal(fake_http_requests(p.fake), 1);
    play_end(&p);
    free(refused);
}

static void redirect_is_an_error_that_names_the_configuration(void **state)
{
    struct fake_step steps[] = {
        {"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
         FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 1);
    (void)state;

    call(&p, AWS_SAFE);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_AWS);
    assert_non_null(strstr(p.err.remedy, "check region and endpoints"));
    play_end(&p);
}

static void deadline_does_not_hide_the_cause(void **state)
{
    char *busy = ec2_error("503 Service Unavailable", DATE_OK, "Unavailable", "later");
    struct fake_step steps[8];
    struct aws_request request = {
        .kind = AWS_SAFE, .action = "DescribeVolumes", .method = "POST", .path = "/"};
    bool told = false;
    (void)state;
    for (size_t i = 0; i < 8; i++)
        steps[i] = (struct fake_step){busy, FAKE_KEEP, 0, 0};

    /* A wait may by luck end just before the deadline, and the send meet it: hence some tries. */
    for (int tries = 0; tries < 5 && !told; tries++) {
        struct play p = play(steps, 8);
        int64_t begin_ms = clock_boot_ms();
        p.ok = aws_call(p.client, &request, begin_ms + 60, NULL, &p.body, &p.err);
        assert_false(p.ok);
        assert_true(clock_boot_ms() - begin_ms < 160);
        told = p.err.kind == ERR_AWS && strstr(p.err.text, "Unavailable: later") != NULL;
        play_end(&p);
    }

    assert_true(told);
    free(busy);
}

static void endpoint_that_is_more_than_a_host_is_refused(void **state)
{
    static const char *const endpoints[] = {"ec2.amazonaws.com", "https://",
                                            "ftp://x",           "https://host/path",
                                            "https://user@host", "https://host?x=y"};
    struct aws_client *client = NULL;
    (void)state;

    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct err err = ERR_INIT;
        struct aws_client_options options = {
            .endpoint = endpoints[i], .region = "eu-west-1", .service = "ec2"};
        if (aws_client_open(&options, &client, &err))
            fail_msg("taken: %s", endpoints[i]);
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_true(err.remedy[0] != '\0');
    }
}

static int set_keys(void **state)
{
    (void)state;
    return setenv("AWS_ACCESS_KEY_ID", "AKIATEST", 1) |
           setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1) | setenv("AWS_SESSION_TOKEN", "SESSION", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_their_class),
        cmocka_unit_test(only_what_cannot_have_been_done_is_repeated_for_calls_that_make),
        cmocka_unit_test(error_bodies_of_ec2_and_s3_are_read),
        cmocka_unit_test(good_answer_is_returned_with_its_request_id_and_times),
        cmocka_unit_test(dry_run_operation_counts_as_success),
        cmocka_unit_test(throttled_call_is_tried_again),
        cmocka_unit_test(throttled_call_in_a_hold_is_not_repeated),
        cmocka_unit_test(call_in_a_hold_does_not_connect),
        cmocka_unit_test(server_trouble_leaves_a_making_call_unknown),
        cmocka_unit_test(lost_answer_is_repeated_only_where_that_is_safe),
        cmocka_unit_test(time_out_of_one_send_counts_as_a_lost_answer),
        cmocka_unit_test(connection_that_fails_before_the_request_is_tried_again),
        cmocka_unit_test(missing_right_is_named_with_its_remedy),
        cmocka_unit_test(wrong_clock_is_corrected_and_told),
        cmocka_unit_test(wrong_clock_in_a_hold_is_told_and_not_repeated),
        cmocka_unit_test(wrong_keys_are_not_taken_for_a_wrong_clock),
        cmocka_unit_test(somebody_elses_resource_is_not_taken_for_wrong_keys),
        cmocka_unit_test(redirect_is_an_error_that_names_the_configuration),
        cmocka_unit_test(deadline_does_not_hide_the_cause),
        cmocka_unit_test(endpoint_that_is_more_than_a_host_is_refused),
    };

    return cmocka_run_group_tests(tests, set_keys, NULL);
}
