/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/imds.h"

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

#define HEAD(status, len) "HTTP/1.1 " status "\r\nContent-Length: " len "\r\n\r\n"
#define TOKEN             HEAD("200 OK", "6") "TOKEN1"
#define TOKEN2            HEAD("200 OK", "6") "TOKEN2"
#define ITEM              HEAD("200 OK", "13") "amazonaws.com"
#define NOT_FOUND         HEAD("404 Not Found", "0")
#define UNAUTHORIZED      HEAD("401 Unauthorized", "0")
#define FORBIDDEN         HEAD("403 Forbidden", "0")
#define BAD_REQUEST       HEAD("400 Bad Request", "0")
#define TROUBLE           HEAD("500 Internal Server Error", "0")

/* A script, the client that meets it, and what came of one item. */
struct play {
    struct fake_http *fake;
    struct imds *imds;
    struct buf text;
    struct err err;
    bool ok;
};

static struct play play(const struct fake_step *steps, size_t count)
{
    struct play play = {.text = BUF_INIT(2000 * 1000), .err = ERR_INIT};

    play.fake = fake_http_start(false, steps, count);
    assert_true(imds_open(fake_http_url(play.fake), &play.imds, &play.err));
    return play;
}

static void play_item(struct play *play)
{
    play->ok = imds_item(play->imds, "meta-data/services/domain", clock_boot_ms() + 10000, NULL,
                         &play->text, &play->err);
}

static void play_end(struct play *play)
{
    imds_free(play->imds);
    buf_free(&play->text);
    fake_http_stop(play->fake);
}

static void assert_fails(const struct play *play, enum err_kind kind, const char *says,
                         const char *remedy)
{
    assert_false(play->ok);
    if (strstr(play->err.text, says) == NULL || strstr(play->err.remedy, remedy) == NULL)
        fail_msg("\"%s\" / \"%s\" does not say \"%s\" / \"%s\"", play->err.text, play->err.remedy,
                 says, remedy);
    assert_int_equal(play->err.kind, kind);
}

static void item_is_read_with_a_session_token(void **state)
{
    struct fake_step steps[] = {
        {TOKEN, FAKE_KEEP, 0, 0}, {ITEM, FAKE_KEEP, 0, 0}, {ITEM, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    play_item(&p);

    assert_string_equal(p.err.text, "");
    assert_true(p.ok);
    assert_string_equal(p.text.data, "amazonaws.com");
    const char *put = fake_http_request(p.fake, 0), *get = fake_http_request(p.fake, 1);
    assert_int_equal(strncmp(put, "PUT /latest/api/token HTTP/1.1\r\n", 32), 0);
    assert_non_null(strstr(put, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    assert_int_equal(strncmp(get, "GET /latest/meta-data/services/domain HTTP/1.1\r\n", 48), 0);
    assert_non_null(strstr(get, "X-aws-ec2-metadata-token: TOKEN1\r\n"));

    play_item(&p); /* no second token */
    assert_true(p.ok);
    assert_int_equal(fake_http_requests(p.fake), 3);
    play_end(&p);
}

static void refused_token_is_renewed_once(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {UNAUTHORIZED, FAKE_KEEP, 0, 0},
                                {TOKEN2, FAKE_KEEP, 0, 0},
                                {ITEM, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 4);
    (void)state;

    play_item(&p);

    assert_true(p.ok);
    assert_non_null(strstr(fake_http_request(p.fake, 3), "X-aws-ec2-metadata-token: TOKEN2\r\n"));
    play_end(&p);
}

static void token_that_is_refused_twice_is_an_error(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {UNAUTHORIZED, FAKE_KEEP, 0, 0},
                                {TOKEN2, FAKE_KEEP, 0, 0},
                                {UNAUTHORIZED, FAKE_KEEP, 0, 0},
                                {TOKEN2, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 5);
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_IMDS, "refuses its own token (401)", "answers in its place");
    assert_int_equal(fake_http_requests(p.fake), 4);
    play_end(&p);
}

static void service_that_is_switched_off_says_so(void **state)
{
    struct fake_step steps[] = {{FORBIDDEN, FAKE_KEEP, 0, 0}, {TOKEN, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_IMDS, "switched off (403)", "--http-endpoint enabled");
    assert_int_equal(fake_http_requests(p.fake), 1);
    play_end(&p);
}

static void missing_item_is_not_found_at_once(void **state)
{
    struct fake_step steps[] = {
        {TOKEN, FAKE_KEEP, 0, 0}, {NOT_FOUND, FAKE_KEEP, 0, 0}, {ITEM, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_NOT_FOUND, "has no meta-data/services/domain", "");
    assert_int_equal(fake_http_requests(p.fake), 2);
    play_end(&p);
}

static void peer_that_gives_no_tokens_is_not_the_service(void **state)
{
    struct fake_step bad[] = {{BAD_REQUEST, FAKE_KEEP, 0, 0}, {TOKEN, FAKE_KEEP, 0, 0}};
    struct fake_step page[] = {{HEAD("200 OK", "18") "<html>login</html>", FAKE_KEEP, 0, 0},
                               {TOKEN, FAKE_KEEP, 0, 0}};
    struct fake_step empty[] = {{HEAD("200 OK", "0"), FAKE_KEEP, 0, 0}, {TOKEN, FAKE_KEEP, 0, 0}};
    struct fake_step spaces[] = {{HEAD("200 OK", "5") "a b\nc", FAKE_KEEP, 0, 0},
                                 {TOKEN, FAKE_KEEP, 0, 0}};
    struct play p = play(bad, 2);
    (void)state;

    play_item(&p);
    assert_fails(&p, ERR_IMDS, "gives no tokens (400)", "endpoint_imds");
    play_end(&p);

    struct fake_step *no_tokens[] = {empty, spaces};
    for (size_t i = 0; i < 2; i++) {
        p = play(no_tokens[i], 2);
        play_item(&p);
        assert_fails(&p, ERR_IMDS, "a token that is none", "");
        play_end(&p);
    }
    p = play(page, 2); /* printable: the item then fails, and nothing is believed */
    play_item(&p);
    play_end(&p);
}

static void trouble_is_tried_again(void **state)
{
    struct fake_step steps[] = {{TROUBLE, FAKE_KEEP, 0, 0},
                                {NULL, FAKE_RESET, 0, 0},
                                {TOKEN, FAKE_SPLIT, 0, 0},
                                {ITEM, FAKE_SPLIT, 0, 0}};
    struct play p = play(steps, 4);
    (void)state;

    play_item(&p);

    assert_true(p.ok);
    assert_string_equal(p.text.data, "amazonaws.com");
    play_end(&p);
}

static void trouble_that_stays_is_given_up_after_three_tries(void **state)
{
    struct fake_step steps[] = {{TROUBLE, FAKE_KEEP, 0, 0},
                                {TROUBLE, FAKE_KEEP, 0, 0},
                                {TROUBLE, FAKE_KEEP, 0, 0},
                                {TOKEN, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 4);
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_IMDS, "answered 500", "");
    assert_int_equal(fake_http_requests(p.fake), 3);
    play_end(&p);
}

static void answer_that_breaks_off_is_not_taken(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {HEAD("200 OK", "13") "amazon", FAKE_CLOSE, 0, 0},
                                {ITEM, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    (void)state;

    play_item(&p);

    assert_true(p.ok);
    assert_string_equal(p.text.data, "amazonaws.com");
    play_end(&p);
}

static void silence_to_the_token_request_names_the_hop_limit(void **state)
{
    struct fake_step steps[] = {
        {TOKEN, FAKE_HANG, 0, 0}, {TOKEN, FAKE_HANG, 0, 0}, {TOKEN, FAKE_HANG, 0, 0}};
    struct play p = play(steps, 3);
    int64_t begin_ms = clock_boot_ms();
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_IMDS, "does not answer", "--http-put-response-hop-limit 2");
    assert_in_range(clock_boot_ms() - begin_ms, 5900, 8000);
    play_end(&p);
}

static void deadline_is_kept_also_between_tries(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_HANG, 0, 0}, {TOKEN, FAKE_HANG, 0, 0}};
    struct play p = play(steps, 2);
    int64_t begin_ms = clock_boot_ms();
    (void)state;

    p.ok = imds_item(p.imds, "x", begin_ms + 300, NULL, &p.text, &p.err);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_DEADLINE);
    assert_in_range(clock_boot_ms() - begin_ms, 290, 1500); /* a try ends after two seconds */
    play_end(&p);
}

static void absent_service_names_identity_none(void **state)
{
    struct play p = play(NULL, 0);
    (void)state;

    play_item(&p);

    assert_fails(&p, ERR_IMDS, "can't be reached", "identity = none");
    play_end(&p);
}

static void proxy_of_the_environment_is_never_used(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0}, {ITEM, FAKE_KEEP, 0, 0}};
    struct fake_http *proxy = fake_http_start(false, steps, 2);
    struct play p = play(steps, 2);
    (void)state;
    assert_int_equal(setenv("http_proxy", fake_http_url(proxy), 1), 0);
    assert_int_equal(setenv("ALL_PROXY", fake_http_url(proxy), 1), 0);

    play_item(&p);

    assert_true(p.ok);
    assert_int_equal(fake_http_connections(proxy), 0);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    play_end(&p);
    fake_http_stop(proxy);
}

static void huge_item_is_refused(void **state)
{
    struct fake_step steps[] = {
        {TOKEN, FAKE_KEEP, 0, 0},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", FAKE_CLOSE, 0, 1000 * 1000}};
    struct play p = play(steps, 2);
    (void)state;

    play_item(&p);

    assert_false(p.ok);
    assert_int_equal(p.err.kind, ERR_LIMIT);
    assert_int_equal(p.text.len, 0);
    play_end(&p);
}

static void endpoint_that_is_no_url_is_refused(void **state)
{
    struct imds *imds = NULL;
    struct err err = ERR_INIT;
    (void)state;

    assert_false(imds_open("169.254.169.254", &imds, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_null(imds);
}

/* --- documents --- */

#define DOCUMENT                                                                                   \
    "{\"accountId\": \"123456789012\", \"architecture\": \"x86_64\", "                             \
    "\"availabilityZone\": \"eu-west-1a\", \"billingProducts\": [\"bp-6fa54006\"], "               \
    "\"devpayProductCodes\": null, \"marketplaceProductCodes\": [\"1abc2defghij3klm\"], "          \
    "\"imageId\": \"ami-0a1b2c3d\", \"instanceId\": \"i-0123456789abcdef0\", "                     \
    "\"instanceType\": \"m6i.large\", \"kernelId\": null, "                                        \
    "\"pendingTime\": \"2026-11-19T16:32:11Z\", \"privateIp\": \"10.0.0.7\", "                     \
    "\"ramdiskId\": null, \"region\": \"eu-west-1\", \"version\": \"2017-09-30\"}"

static void identity_document_is_read(void **state)
{
    struct imds_document document;
    struct err err = ERR_INIT;
    (void)state;

    bool ok = imds_parse_document(DOCUMENT, strlen(DOCUMENT), &document, &err);

    assert_string_equal(err.text, "");
    assert_true(ok);
    assert_string_equal(document.instance_id, "i-0123456789abcdef0");
    assert_string_equal(document.region, "eu-west-1");
    assert_string_equal(document.availability_zone, "eu-west-1a");
    assert_string_equal(document.account_id, "123456789012");
    assert_string_equal(document.instance_type, "m6i.large");
    assert_int_equal(document.billing_product_count, 1);
    assert_string_equal(document.billing_products[0], "bp-6fa54006");
    assert_int_equal(document.product_code_count, 1);
    assert_string_equal(document.product_codes[0], "1abc2defghij3klm");
    assert_int_equal(document.pending_utc_us, 1795105931000000);
}

static void identity_document_of_another_shape_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"instanceId\": 7}",
        "{\"instanceId\": \"i-0123456789abcdef0\", \"region\": \"eu-west-1\"",
        "{\"instanceId\": \"i-0123456789abcdef0\", \"region\": \"eu-west-1\"}",
        "{\"instanceId\":\"i-x\",\"region\":\"r\",\"availabilityZone\":\"a\",\"accountId\":\"1\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"evil.example/\","
        "\"availabilityZone\":\"a\",\"accountId\":\"1\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":\"a\","
        "\"accountId\":\"1\",\"billingProducts\":\"bp\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":\"a\","
        "\"accountId\":\"1\",\"billingProducts\":[1]}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":\"a\","
        "\"accountId\":\"1\",\"pendingTime\":\"yesterday\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":\"a\","
        "\"accountId\":\"1\",\"instanceId\":\"i-0123456789abcdef1\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":\"a\","
        "\"accountId\":\"1\",\"imageId\":7}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":"
        "\"a\\u0007\","
        "\"accountId\":\"1\"}",
        "{\"instanceId\":\"i-0123456789abcdef0\",\"region\":\"r\",\"availabilityZone\":"
        "\"0123456789012345678901234567890123456789\",\"accountId\":\"1\"}",
    };
    struct imds_document document;
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct err err = ERR_INIT;
        if (imds_parse_document(texts[i], strlen(texts[i]), &document, &err))
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
}

static void deep_document_is_refused(void **state)
{
    char text[10001];
    struct imds_document document;
    struct err err = ERR_INIT;
    (void)state;
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    assert_false(imds_parse_document(text, sizeof(text) - 1, &document, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

#define ROLE_KEYS                                                                                  \
    "{\"Code\": \"Success\", \"LastUpdated\": \"2026-11-25T20:00:00Z\", \"Type\": \"AWS-HMAC\", "  \
    "\"AccessKeyId\": \"ASIAEXAMPLE\", \"SecretAccessKey\": \"SECRET/KEY\", "                      \
    "\"Token\": \"TOKEN==\", \"Expiration\": \"2026-11-26T02:00:00Z\"}"

static void keys_of_the_role_are_read(void **state)
{
    char *keys = fake_http_answer("200 OK", "", ROLE_KEYS);
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {HEAD("200 OK", "9") "node-role", FAKE_KEEP, 0, 0},
                                {keys, FAKE_SPLIT, 0, 0}};
    struct play p = play(steps, 3);
    struct imds_role role;
    (void)state;

    bool ok = imds_role(p.imds, clock_boot_ms() + 5000, NULL, &role, &p.err);

    assert_string_equal(p.err.text, "");
    assert_true(ok);
    assert_string_equal(role.name, "node-role");
    assert_string_equal(role.access_key_id, "ASIAEXAMPLE");
    assert_string_equal(role.secret_key.bytes, "SECRET/KEY");
    assert_string_equal(role.session_token.bytes, "TOKEN==");
    assert_int_equal(role.expires_utc_us, 1795658400000000);
    assert_non_null(strstr(fake_http_request(p.fake, 2),
                           "GET /latest/meta-data/iam/security-credentials/node-role "));
    imds_role_free(&role);
    play_end(&p);
    free(keys);
}

static void instance_without_a_role_says_so(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0}, {NOT_FOUND, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 2);
    struct imds_role role;
    (void)state;

    p.ok = imds_role(p.imds, clock_boot_ms() + 5000, NULL, &role, &p.err);

    assert_fails(&p, ERR_CREDENTIALS, "no IAM role is attached", "attach an instance profile");
    play_end(&p);
}

static void role_name_that_would_leave_its_folder_is_refused(void **state)
{
    struct fake_step steps[] = {{TOKEN, FAKE_KEEP, 0, 0},
                                {HEAD("200 OK", "14") "../../user-dat", FAKE_KEEP, 0, 0},
                                {ITEM, FAKE_KEEP, 0, 0}};
    struct play p = play(steps, 3);
    struct imds_role role;
    (void)state;

    p.ok = imds_role(p.imds, clock_boot_ms() + 5000, NULL, &role, &p.err);

    assert_fails(&p, ERR_PROTOCOL, "a role that can't be one", "");
    assert_int_equal(fake_http_requests(p.fake), 2);
    play_end(&p);
}

static void keys_of_another_shape_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum err_kind kind;
    } cases[] = {
        {"{\"Code\": \"AssumeRoleUnauthorizedAccess\", \"Message\": \"EC2 cannot assume\"}",
         ERR_CREDENTIALS},
        {"{\"Code\": \"Success\"}", ERR_PROTOCOL},
        {"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":7,\"Token\":\"T\","
         "\"Expiration\":\"2026-11-26T02:00:00Z\"}",
         ERR_PROTOCOL},
        {"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\\n\","
         "\"Expiration\":\"2026-11-26T02:00:00Z\"}",
         ERR_PROTOCOL},
        {"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
         "\"Expiration\":\"soon\"}",
         ERR_PROTOCOL},
        {"<html>", ERR_PROTOCOL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct imds_role role = {.name = ""};
        struct err err = ERR_INIT;
        if (imds_parse_role(cases[i].text, strlen(cases[i].text), &role, &err))
            fail_msg("taken: %s", cases[i].text);
        assert_int_equal(err.kind, cases[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_is_read_with_a_session_token),
        cmocka_unit_test(refused_token_is_renewed_once),
        cmocka_unit_test(token_that_is_refused_twice_is_an_error),
        cmocka_unit_test(service_that_is_switched_off_says_so),
        cmocka_unit_test(missing_item_is_not_found_at_once),
        cmocka_unit_test(peer_that_gives_no_tokens_is_not_the_service),
        cmocka_unit_test(trouble_is_tried_again),
        cmocka_unit_test(trouble_that_stays_is_given_up_after_three_tries),
        cmocka_unit_test(answer_that_breaks_off_is_not_taken),
        cmocka_unit_test(silence_to_the_token_request_names_the_hop_limit),
        cmocka_unit_test(deadline_is_kept_also_between_tries),
        cmocka_unit_test(absent_service_names_identity_none),
        cmocka_unit_test(proxy_of_the_environment_is_never_used),
        cmocka_unit_test(huge_item_is_refused),
        cmocka_unit_test(endpoint_that_is_no_url_is_refused),
        cmocka_unit_test(identity_document_is_read),
        cmocka_unit_test(identity_document_of_another_shape_is_refused),
        cmocka_unit_test(deep_document_is_refused),
        cmocka_unit_test(keys_of_the_role_are_read),
        cmocka_unit_test(instance_without_a_role_says_so),
        cmocka_unit_test(role_name_that_would_leave_its_folder_is_refused),
        cmocka_unit_test(keys_of_another_shape_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
