/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/http.h"

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
#include "tests/unit/fake_http.h"

#define OK "HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 21:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi"

/* A client that talks to FAKE, and what one send of it left. */
struct client {
    struct http *http;
    struct http_answer answer;
    struct err err;
    bool ok;
    int64_t took_ms;
};

static struct client client_of(const char *ca)
{
    struct http_options options = {
        .ca_bundle = ca, .connect_timeout_ms = 2000, .body_max_bytes = 10000};
    struct client client = {.err = ERR_INIT};

    assert_true(http_open(&options, &client.http, &client.err));
    return client;
}

static void client_send(struct client *client, const char *url, bool no_new_connection,
                        int64_t timeout_ms, const struct cancel *cancel)
{
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .body = "Action=X",
                                   .body_len = 8,
                                   .no_new_connection = no_new_connection};
    int64_t begin_ms = clock_boot_ms();

    http_answer_free(&client->answer);
    client->ok = http_send(client->http, &request, begin_ms + timeout_ms, cancel, &client->answer,
                           &client->err);
    client->took_ms = clock_boot_ms() - begin_ms;
}

static void client_free(struct client *client)
{
    http_answer_free(&client->answer);
    http_free(client->http);
}

static void exchange_over_tls_reports_body_headers_and_times(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_KEEP, 50, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    char date[64];
    int64_t begin_us = clock_boot_us();
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_string_equal(client.err.text, "");
    assert_true(client.ok);
    assert_int_equal(client.answer.status, 200);
    assert_string_equal(client.answer.body.data, "hi");
    assert_true(http_answer_header(&client.answer, "date", date, sizeof(date)));
    assert_string_equal(date, "Wed, 25 Nov 2026 21:00:00 GMT");
    assert_false(http_answer_header(&client.answer, "dat", date, sizeof(date)));
    assert_true(client.answer.sent);
    assert_false(client.answer.reused);
    assert_true(begin_us < client.answer.begun_boot_us);
    assert_true(client.answer.begun_boot_us <= client.answer.sent_boot_us);
    assert_true(client.answer.answered_boot_us - client.answer.sent_boot_us >= 50000);
    assert_true(client.answer.answered_boot_us <= clock_boot_us());
    assert_true(client.answer.answered_utc_us > client.answer.begun_utc_us);
    assert_non_null(strstr(fake_http_request(fake, 0), "\r\n\r\nAction=X"));
    assert_null(strstr(fake_http_request(fake, 0), "Expect"));
    client_free(&client);
    fake_http_stop(fake);
}

static void second_exchange_uses_the_kept_connection(void **state)
{
    struct fake_step steps[] = {
        {OK, FAKE_KEEP, 0, 0}, {OK, FAKE_KEEP, 0, 0}, {OK, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 3);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;
    client_send(&client, fake_http_url(fake), false, 5000, NULL);
    assert_true(http_alive(client.http));

    client_send(&client, fake_http_url(fake), true, 5000, NULL);

    assert_true(client.ok);
    assert_true(client.answer.reused);
    assert_int_equal(fake_http_connections(fake), 1);
    assert_int_equal(fake_http_requests(fake), 2);
    assert_true(http_alive(client.http));
    client_free(&client);
    fake_http_stop(fake);
}

static void certificate_of_an_unknown_ca_is_refused_before_anything_is_sent(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_KEEP, 0, 0}};
    struct fake_http *other = fake_http_start(true, steps, 1);
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(other));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_TLS);
    assert_non_null(strstr(client.err.remedy, "ca_bundle"));
    assert_false(client.answer.sent);
    assert_int_equal(fake_http_requests(fake), 0);
    client_free(&client);
    fake_http_stop(fake);
    fake_http_stop(other);
}

static void certificate_for_another_name_is_refused(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    char url[100];
    (void)state;
    (void)snprintf(url, sizeof(url), "https://localhost:%s", strrchr(fake_http_url(fake), ':') + 1);

    client_send(&client, url, false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_TLS);
    assert_int_equal(fake_http_requests(fake), 0);
    client_free(&client);
    fake_http_stop(fake);
}

static void redirect_is_not_followed(void **state)
{
    struct fake_step target_steps[] = {{OK, FAKE_KEEP, 0, 0}};
    struct fake_http *target = fake_http_start(false, target_steps, 1);
    char answer[200];
    (void)state;
    (void)snprintf(answer, sizeof(answer),
                   "HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n",
                   fake_http_url(target));
    struct fake_step steps[] = {{answer, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct client client = client_of(NULL);

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_true(client.ok);
    assert_int_equal(client.answer.status, 302);
    assert_int_equal(fake_http_connections(target), 0);
    client_free(&client);
    fake_http_stop(fake);
    fake_http_stop(target);
}

static void huge_answer_is_cut_off(void **state)
{
    struct fake_step steps[] = {
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", FAKE_CLOSE, 0, 50 * 1000 * 1000}};
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct client client = client_of(NULL);
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_LIMIT);
    assert_true(client.answer.sent);
    assert_true(client.answer.body.len <= 10000);
    assert_false(http_alive(client.http));
    client_free(&client);
    fake_http_stop(fake);
}

static void endless_headers_are_cut_off(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    (void)state;
    assert_true(buf_add_text(&text, "HTTP/1.1 200 OK\r\n", &err));
    for (int i = 0; i < 200; i++)
        assert_true(buf_printf(&text, &err, "X-%d: %0500d\r\n", i, i));
    struct fake_step steps[] = {{text.data, FAKE_CLOSE, 0, 0}};
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct client client = client_of(NULL);

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_LIMIT);
    assert_true(client.answer.sent);
    assert_true(client.answer.headers.len <= 64 * 1024);
    client_free(&client);
    fake_http_stop(fake);
    buf_free(&text);
}

static void slow_answer_ends_at_the_deadline_and_says_sent(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_HANG, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 300, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_DEADLINE);
    assert_true(client.answer.sent);
    assert_int_equal(client.answer.answered_boot_us, 0);
    assert_in_range(client.took_ms, 295, 900); /* curl by itself looks once a second */
    assert_false(http_alive(client.http));
    client_free(&client);
    fake_http_stop(fake);
}

static void refused_connection_was_never_sent(void **state)
{
    struct fake_http *fake = fake_http_start(false, NULL, 0); /* refuses at once */
    struct client client = client_of(NULL);
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_NET);
    assert_false(client.answer.sent);
    client_free(&client);
    fake_http_stop(fake);
}

static void reset_during_the_handshake_was_never_sent(void **state)
{
    struct fake_step steps[] = {{NULL, FAKE_RESET_CONNECT, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_NET);
    assert_false(client.answer.sent);
    client_free(&client);
    fake_http_stop(fake);
}

static void reset_after_the_request_says_sent(void **state)
{
    struct fake_step steps[] = {{NULL, FAKE_RESET, 0, 0}, {OK, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 2);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_SENT);
    assert_true(client.answer.sent);
    assert_int_equal(fake_http_requests(fake), 1);
    client_free(&client);
    fake_http_stop(fake);
}

static void answer_that_ends_early_says_sent(void **state)
{
    struct fake_step steps[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FAKE_CLOSE, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_SENT);
    assert_int_equal(client.answer.status, 0);
    client_free(&client);
    fake_http_stop(fake);
}

static void peer_that_does_not_speak_http_is_a_protocol_error(void **state)
{
    struct fake_step steps[] = {{"220 mail.example ESMTP\r\n", FAKE_CLOSE, 0, 0}};
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct client client = client_of(NULL);
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_PROTOCOL);
    assert_true(client.answer.sent);
    client_free(&client);
    fake_http_stop(fake);
}

/* curl by itself would send it again on a new connection: for a call that makes something, twice.
 */
static void kept_connection_that_resets_is_not_replaced_silently(void **state)
{
    struct fake_step steps[] = {
        {OK, FAKE_KEEP, 0, 0}, {NULL, FAKE_RESET, 0, 0}, {OK, FAKE_KEEP, 0, 0}};
    (void)state;

    for (int hold = 0; hold < 2; hold++) {
        struct fake_http *fake = fake_http_start(true, steps, 3);
        struct client client = client_of(fake_http_ca(fake));
        client_send(&client, fake_http_url(fake), false, 5000, NULL);
        assert_true(client.ok);

        client_send(&client, fake_http_url(fake), hold == 1, 5000, NULL);

        assert_false(client.ok);
        assert_int_equal(client.err.kind, ERR_SENT);
        assert_true(client.answer.sent);
        assert_int_equal(fake_http_requests(fake), 2);
        assert_int_equal(fake_http_connections(fake), 1);
        client_free(&client);
        fake_http_stop(fake);
    }
}

static void in_a_hold_a_closed_connection_is_not_opened_again(void **state)
{
    struct fake_step steps[] = {
        {OK, FAKE_CLOSE, 0, 0}, {OK, FAKE_KEEP, 0, 0}, {OK, FAKE_KEEP, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 3);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;
    client_send(&client, fake_http_url(fake), false, 5000, NULL);
    assert_true(client.ok);
    for (int i = 0; i < 1000 && http_alive(client.http); i++) /* its end comes after the answer */
        (void)usleep(5000);
    assert_false(http_alive(client.http));

    client_send(&client, fake_http_url(fake), true, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_NET);
    assert_false(client.answer.sent);
    assert_int_equal(fake_http_connections(fake), 1);

    client_send(&client, fake_http_url(fake), false, 5000, NULL);
    assert_true(client.ok);
    assert_true(http_alive(client.http));
    client_free(&client);
    fake_http_stop(fake);
}

static void in_a_hold_no_name_is_looked_up(void **state)
{
    struct client client = client_of(NULL);
    (void)state;

    client_send(&client, "https://stillpoint.invalid/", true, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_NET);
    assert_true(client.took_ms < 1000);
    client_free(&client);
}

static void *ask_later(void *cancel)
{
    (void)usleep(400000); /* when curl has no timer of its own left */
    cancel_ask(cancel);
    return NULL;
}

static void cancel_ends_an_exchange_at_once(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_HANG, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    struct cancel cancel = CANCEL_INIT;
    pthread_t thread;
    (void)state;
    assert_true(cancel_open(&cancel, &client.err));
    assert_int_equal(pthread_create(&thread, NULL, ask_later, &cancel), 0);

    client_send(&client, fake_http_url(fake), false, 5000, &cancel);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_CANCELLED);
    assert_true(client.answer.sent);
    assert_in_range(client.took_ms, 395, 900);
    assert_int_equal(pthread_join(thread, NULL), 0);
    cancel_close(&cancel);
    client_free(&client);
    fake_http_stop(fake);
}

static void answer_in_small_pieces_is_put_together(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_SPLIT, 0, 0}};
    struct fake_http *fake = fake_http_start(true, steps, 1);
    struct client client = client_of(fake_http_ca(fake));
    (void)state;

    client_send(&client, fake_http_url(fake), false, 5000, NULL);

    assert_true(client.ok);
    assert_string_equal(client.answer.body.data, "hi");
    client_free(&client);
    fake_http_stop(fake);
}

static void other_protocols_are_refused(void **state)
{
    struct client client = client_of(NULL);
    (void)state;

    client_send(&client, "file:///etc/passwd", false, 5000, NULL);

    assert_false(client.ok);
    assert_int_equal(client.err.kind, ERR_CONFIG);
    assert_int_equal(client.answer.body.len, 0);
    client_free(&client);
}

static void header_with_a_line_break_is_refused(void **state)
{
    struct client client = client_of(NULL);
    struct http_header header = {"X-Token", "a\r\nHost: evil"};
    struct http_request request = {
        .method = "GET", .url = "http://127.0.0.1:1/", .headers = &header, .header_count = 1};
    (void)state;

    bool ok =
        http_send(client.http, &request, clock_boot_ms() + 1000, NULL, &client.answer, &client.err);

    assert_false(ok);
    assert_int_equal(client.err.kind, ERR_INTERNAL);
    client_free(&client);
}

static void proxy_of_the_environment_is_used_only_where_asked(void **state)
{
    struct fake_step steps[] = {{OK, FAKE_KEEP, 0, 0}};
    struct fake_http *proxy = fake_http_start(false, steps, 1);
    struct fake_http *fake = fake_http_start(false, steps, 1);
    struct http_options options = {
        .use_proxy = true, .connect_timeout_ms = 2000, .body_max_bytes = 100};
    struct client without = client_of(NULL), with = {.err = ERR_INIT};
    (void)state;
    assert_true(http_open(&options, &with.http, &with.err));
    assert_int_equal(setenv("http_proxy", fake_http_url(proxy), 1), 0);

    client_send(&without, fake_http_url(fake), false, 5000, NULL);
    assert_int_equal(fake_http_connections(proxy), 0);
    client_send(&with, "http://stillpoint.invalid/", false, 5000, NULL);

    assert_true(without.ok);
    assert_true(with.ok);
    assert_int_equal(fake_http_requests(proxy), 1);
    assert_non_null(strstr(fake_http_request(proxy, 0), "POST http://stillpoint.invalid/ HTTP"));
    assert_int_equal(unsetenv("http_proxy"), 0);
    client_free(&with);
    client_free(&without);
    fake_http_stop(fake);
    fake_http_stop(proxy);
}

static void missing_ca_bundle_is_a_configuration_error(void **state)
{
    struct http_options options = {.ca_bundle = "/nonexistent/ca.pem"};
    struct http *http = NULL;
    struct err err = ERR_INIT;
    (void)state;

    bool ok = http_open(&options, &http, &err);

    assert_false(ok);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
    assert_null(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange_over_tls_reports_body_headers_and_times),
        cmocka_unit_test(second_exchange_uses_the_kept_connection),
        cmocka_unit_test(certificate_of_an_unknown_ca_is_refused_before_anything_is_sent),
        cmocka_unit_test(certificate_for_another_name_is_refused),
        cmocka_unit_test(redirect_is_not_followed),
        cmocka_unit_test(huge_answer_is_cut_off),
        cmocka_unit_test(endless_headers_are_cut_off),
        cmocka_unit_test(slow_answer_ends_at_the_deadline_and_says_sent),
        cmocka_unit_test(refused_connection_was_never_sent),
        cmocka_unit_test(reset_during_the_handshake_was_never_sent),
        cmocka_unit_test(reset_after_the_request_says_sent),
        cmocka_unit_test(answer_that_ends_early_says_sent),
        cmocka_unit_test(peer_that_does_not_speak_http_is_a_protocol_error),
        cmocka_unit_test(kept_connection_that_resets_is_not_replaced_silently),
        cmocka_unit_test(in_a_hold_a_closed_connection_is_not_opened_again),
        cmocka_unit_test(in_a_hold_no_name_is_looked_up),
        cmocka_unit_test(cancel_ends_an_exchange_at_once),
        cmocka_unit_test(answer_in_small_pieces_is_put_together),
        cmocka_unit_test(other_protocols_are_refused),
        cmocka_unit_test(header_with_a_line_break_is_refused),
        cmocka_unit_test(proxy_of_the_environment_is_used_only_where_asked),
        cmocka_unit_test(missing_ca_bundle_is_a_configuration_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
