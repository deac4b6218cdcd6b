/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/aws_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "agent/base/clock.h"
#include "aws/backoff.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    REQUEST_TIMEOUT_MS = 20 * 1000,
    BODY_MAX_BYTES = 8 * 1024 * 1024,
    SKEW_MAX_S = 60, /* AWS takes five minutes; what is off by less is not the reason */
    HEADERS_MAX = 24,
    URL_BYTES = 2048,
    NAME_BYTES = 64
};

struct aws_client {
    struct http *http;
    struct credentials *credentials; /* borrowed */
    char endpoint[256];
    char host[256]; /* as curl sends it: without the scheme's own port */
    char region[NAME_BYTES];
    char service[NAME_BYTES];
    int request_timeout_ms;
    size_t body_max_bytes;
    int64_t (*utc_us)(void);
    int64_t ahead_s; /* of the service's clock before ours */
    int64_t sends;
    struct aws_outcome outcome;
};

/* --- opening --- */

static bool copy_name(const char *from, const char *what, char *to, size_t size, struct err *err)
{
    if (from == NULL || *from == '\0' || strlen(from) >= size ||
        strspn(from, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(from))
        return err_set(err, ERR_CONFIG, 0, "%s \"%.100s\" is none", what, from ? from : "");
    (void)snprintf(to, size, "%s", from);
    return true;
}

/* "https://host:port" and nothing behind it but slashes. */
static bool split_endpoint(struct aws_client *client, const char *endpoint, struct err *err)
{
    bool tls = strncmp(endpoint, "https://", 8) == 0;
    const char *host = tls ? endpoint + 8 : endpoint + 7;

    if (!tls && strncmp(endpoint, "http://", 7) != 0)
        return err_set(err, ERR_CONFIG, 0, "endpoint \"%.200s\" is not a URL", endpoint);
    size_t len = strcspn(host, "/?#@ "), whole = (size_t)(host - endpoint) + len;
    if (len == 0 || host[len + strspn(host + len, "/")] != '\0' ||
        whole >= sizeof(client->endpoint))
        return err_set(err, ERR_CONFIG, 0, "endpoint \"%.200s\" is more than a host and a port",
                       endpoint);
    (void)snprintf(client->endpoint, sizeof(client->endpoint), "%.*s", (int)whole, endpoint);
    (void)snprintf(client->host, sizeof(client->host), "%.*s", (int)len, host);
    const char *own = tls ? ":443" : ":80";
    size_t own_len = strlen(own);
    if (len > own_len && strcmp(client->host + len - own_len, own) == 0)
        client->host[len - own_len] = '\0';
    return true;
}

bool aws_client_open(const struct aws_client_options *options, struct aws_client **ret_client,
                     struct err *err)
{
    struct aws_client *client = calloc(1, sizeof(*client));
    struct http_options http = {
        .ca_bundle = options->ca_bundle,
        .use_proxy = options->use_proxy,
        .connect_timeout_ms =
            options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS,
        .body_max_bytes = options->body_max_bytes > 0 ? options->body_max_bytes : BODY_MAX_BYTES};

    if (client == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    client->credentials = options->credentials;
    client->utc_us = options->utc_us != NULL ? options->utc_us : clock_utc_us;
    client->request_timeout_ms =
        options->request_timeout_ms > 0 ? options->request_timeout_ms : REQUEST_TIMEOUT_MS;
    client->body_max_bytes = http.body_max_bytes;
    if (!copy_name(options->region, "region", client->region, NAME_BYTES, err) ||
        !copy_name(options->service, "service", client->service, NAME_BYTES, err) ||
        !split_endpoint(client, options->endpoint, err) || !http_open(&http, &client->http, err)) {
        (void)err_suggest(err, "check [aws] in the configuration, and AWS_REGION and "
                               "AWS_ENDPOINT_URL_… in the environment");
        aws_client_free(client);
        return false;
    }
    *ret_client = client;
    return true;
}

void aws_client_free(struct aws_client *client)
{
    if (client == NULL)
        return;
    http_free(client->http);
    free(client);
}

const struct aws_outcome *aws_outcome(const struct aws_client *client)
{
    return &client->outcome;
}

int64_t aws_sends(const struct aws_client *client)
{
    return client->sends;
}

bool aws_client_alive(const struct aws_client *client)
{
    return http_alive(client->http);
}

int64_t aws_clock_ahead_s(const struct aws_client *client)
{
    return client->ahead_s;
}

/* --- one send --- */

static int64_t now_utc_us(const struct aws_client *client)
{
    return client->utc_us() + client->ahead_s * 1000000;
}

static void keep_outcome(struct aws_client *client, const struct http_answer *answer)
{
    struct aws_outcome *outcome = &client->outcome;

    outcome->sent = answer->sent;
    outcome->answered = answer->status != 0;
    outcome->reused = answer->reused;
    outcome->begun_boot_us = answer->begun_boot_us;
    outcome->begun_utc_us = answer->begun_utc_us;
    outcome->sent_boot_us = answer->sent_boot_us;
    outcome->sent_utc_us = answer->sent_utc_us;
    outcome->answered_boot_us = answer->answered_boot_us;
    outcome->answered_utc_us = answer->answered_utc_us;
    memset(&outcome->error, 0, sizeof(outcome->error));
    if (answer->sent) {
        outcome->sends++;
        client->sends++;
    }
    if (!http_answer_header(answer, "x-amzn-requestid", outcome->request_id,
                            sizeof(outcome->request_id)))
        (void)http_answer_header(answer, "x-amz-request-id", outcome->request_id,
                                 sizeof(outcome->request_id));
}

/* The request's own headers, host in front: they are signed; what signing adds comes behind. */
static bool gather_headers(const struct aws_client *client, const struct aws_request *request,
                           struct http_header *headers, struct sigv4_header *signed_headers,
                           struct err *err)
{
    if (request->header_count + 5 > HEADERS_MAX)
        return err_set(err, ERR_INTERNAL, 0, "more than %d headers", HEADERS_MAX);
    signed_headers[0] = (struct sigv4_header){"host", client->host};
    for (size_t i = 0; i < request->header_count; i++) {
        headers[i] = request->headers[i];
        signed_headers[i + 1] =
            (struct sigv4_header){request->headers[i].name, request->headers[i].value};
    }
    return true;
}

static bool send_signed(struct aws_client *client, const struct aws_request *request,
                        const struct credentials_key *key, const struct sigv4_signed *made,
                        struct http_header *headers, int64_t deadline_ms,
                        const struct cancel *cancel, struct http_answer *answer, struct err *err)
{
    char url[URL_BYTES];
    size_t count = request->header_count;
    bool query = request->query != NULL && *request->query != '\0';
    int len = snprintf(url, sizeof(url), "%s%s%s%s", client->endpoint, request->path,
                       query ? "?" : "", query ? request->query : "");

    if (len < 0 || (size_t)len >= sizeof(url))
        return err_set(err, ERR_LIMIT, 0, "a URL of more than %d bytes", URL_BYTES);
    headers[count++] = (struct http_header){"X-Amz-Date", made->date};
    headers[count++] = (struct http_header){"Authorization", made->authorization.data};
    if (request->rules == SIGV4_S3)
        headers[count++] = (struct http_header){"X-Amz-Content-Sha256", made->body_sha256};
    if (secret_is_set(&key->session_token))
        headers[count++] = (struct http_header){"X-Amz-Security-Token", key->session_token.bytes};
    struct http_request http = {.method = request->method,
                                .url = url,
                                .headers = headers,
                                .header_count = count,
                                .body = request->body,
                                .body_len = request->body_len,
                                .no_new_connection = request->kind == AWS_SINGLE};
    int64_t own_ms = deadline_sooner(deadline_ms, client->request_timeout_ms);
    if (http_send(client->http, &http, own_ms, cancel, answer, err))
        return true;
    /* This send's own time is up, not the caller's: what it means is what it means for a broken
     * connection. */
    if (err->kind == ERR_DEADLINE && own_ms < deadline_ms)
        return err_set(err, answer->sent ? ERR_SENT : ERR_NET, 0, "%s: no answer within %d ms",
                       client->endpoint, client->request_timeout_ms);
    return false;
}

/* ANSWER is the caller's to free in every case. */
static bool sign_and_send(struct aws_client *client, const struct aws_request *request,
                          const struct credentials_key *key, int64_t deadline_ms,
                          const struct cancel *cancel, struct http_answer *answer, struct err *err)
{
    struct http_header headers[HEADERS_MAX];
    struct sigv4_header signed_headers[HEADERS_MAX];
    struct sigv4_key signing = {key->access_key_id, &key->secret_key, &key->session_token};
    struct sigv4_request what = {.rules = request->rules,
                                 .method = request->method,
                                 .path = request->path,
                                 .query = request->query,
                                 .headers = signed_headers,
                                 .header_count = request->header_count + 1,
                                 .body = request->body,
                                 .body_len = request->body_len,
                                 .region = client->region,
                                 .service = client->service,
                                 .utc_s = now_utc_us(client) / 1000000};
    struct sigv4_signed made;

    if (!gather_headers(client, request, headers, signed_headers, err) ||
        !sigv4_sign(&what, &signing, &made, err))
        return false;
    bool ok = send_signed(client, request, key, &made, headers, deadline_ms, cancel, answer, err);
    sigv4_free(&made);
    return ok;
}

/* --- judging --- */

/* What a call has tried already. */
struct attempt {
    struct backoff backoff;
    bool clock_tried;
    bool keys_tried;
    char key_id[CREDENTIALS_ID_BYTES];
};

enum next {
    NEXT_DONE,
    NEXT_AT_ONCE,
    NEXT_LATER,
    NEXT_NOT_YET, /* not found, and just made: EC2 shows it some seconds later */
    NEXT_FAIL
};

/* The Date of an answer that was refused for its time, if it is off by more than a minute. */
static bool correct_clock(struct aws_client *client, const struct http_answer *answer)
{
    char text[64];

    if (!http_answer_header(answer, "Date", text, sizeof(text)))
        return false;
    int64_t theirs_s = (int64_t)curl_getdate(text, NULL);
    int64_t off_s = theirs_s - now_utc_us(client) / 1000000;
    if (theirs_s <= 0 || (off_s >= -SKEW_MAX_S && off_s <= SKEW_MAX_S))
        return false;
    client->ahead_s += off_s;
    return true;
}

static enum next after_refusal(struct aws_client *client, const struct aws_request *request,
                               const struct http_answer *answer, struct attempt *attempt,
                               struct err *err)
{
    struct aws_error *error = &client->outcome.error;
    char who[128];

    aws_parse_error(answer->status, buf_text(&answer->body), answer->body.len, error);
    if (error->request_id[0] == '\0')
        memcpy(error->request_id, client->outcome.request_id, sizeof(error->request_id));
    else
        memcpy(client->outcome.request_id, error->request_id, sizeof(error->request_id));
    enum aws_class class = aws_classify(error->http_status, error->code);
    if (class == AWS_CLASS_DRY_RUN_OK) {
        memset(error, 0, sizeof(*error));
        return NEXT_DONE;
    }
    (void)aws_explain(error, request->kind, client->service, request->action,
                      credentials_source(client->credentials, who, sizeof(who)), err);
    if (class == AWS_CLASS_CLOCK && !attempt->clock_tried && correct_clock(client, answer)) {
        attempt->clock_tried = true;
        err->remedy[0] = '\0'; /* this cause is the nearer one */
        (void)err_suggest(err, "this node's clock is %lld s %s: start a time service",
                          (long long)llabs(client->ahead_s),
                          client->ahead_s > 0 ? "behind" : "ahead");
        return request->kind == AWS_SINGLE ? NEXT_FAIL : NEXT_AT_ONCE;
    }
    if (class == AWS_CLASS_AUTH || class == AWS_CLASS_CLOCK) {
        bool again = !attempt->keys_tried && request->kind != AWS_SINGLE;
        credentials_doubt(client->credentials);
        attempt->keys_tried = true;
        return again ? NEXT_AT_ONCE : NEXT_FAIL;
    }
    if (class == AWS_CLASS_NOT_FOUND && request->just_made)
        return NEXT_NOT_YET;
    return aws_may_retry(request->kind, class) ? NEXT_LATER : NEXT_FAIL;
}

static enum next after_failure(const struct aws_request *request, struct err *err)
{
    bool repeatable = request->kind == AWS_SAFE || request->kind == AWS_IDEMPOTENT;

    (void)err_wrap(err, "%s", request->action);
    if (err->kind == ERR_NET && request->kind != AWS_SINGLE)
        return NEXT_LATER;
    return err->kind == ERR_SENT && repeatable ? NEXT_LATER : NEXT_FAIL;
}

static bool take_body(struct http_answer *answer, struct buf *ret_body, struct err *err)
{
    if (ret_body->data != NULL)
        return buf_add(ret_body, buf_text(&answer->body), answer->body.len, err);
    size_t max = ret_body->max;
    if (answer->body.len > max)
        return err_set(err, ERR_LIMIT, 0, "an answer of more than %zu bytes", max);
    *ret_body = answer->body; /* moved */
    ret_body->max = max;
    answer->body = (struct buf)BUF_INIT(0);
    return true;
}

/* One round: keys, send, verdict. */
static enum next attempt_once(struct aws_client *client, const struct aws_request *request,
                              struct attempt *attempt, int64_t deadline_ms,
                              const struct cancel *cancel, struct buf *ret_body, struct err *err)
{
    struct credentials_key key = CREDENTIALS_KEY_INIT;
    struct http_answer answer;
    enum next next;

    if (!credentials_get(client->credentials, now_utc_us(client), request->min_valid_ms,
                         request->kind == AWS_SINGLE, deadline_ms, cancel, &key, err)) {
        (void)err_wrap(err, "%s", request->action);
        return NEXT_FAIL;
    }
    /* Refused keys are tried again only where others have come since. */
    if (attempt->keys_tried && strcmp(attempt->key_id, key.access_key_id) == 0) {
        credentials_key_free(&key);
        return NEXT_FAIL; /* err still tells of the refusal */
    }
    memcpy(attempt->key_id, key.access_key_id, sizeof(attempt->key_id));
    memset(&answer, 0, sizeof(answer));
    bool ok = sign_and_send(client, request, &key, deadline_ms, cancel, &answer, err);
    keep_outcome(client, &answer);
    if (!ok)
        next = after_failure(request, err);
    else if (answer.status >= 200 && answer.status < 300)
        next = take_body(&answer, ret_body, err) ? NEXT_DONE : NEXT_FAIL;
    else
        next = after_refusal(client, request, &answer, attempt, err);
    http_answer_free(&answer);
    credentials_key_free(&key);
    return next;
}

bool aws_call(struct aws_client *client, const struct aws_request *request, int64_t deadline_ms,
              const struct cancel *cancel, struct buf *ret_body, struct err *err)
{
    struct attempt attempt = {.backoff = {0, 0}};
    struct err last = ERR_INIT;

    memset(&client->outcome, 0, sizeof(client->outcome));
    for (;;) {
        int64_t wait_ms = 0;
        enum next next =
            attempt_once(client, request, &attempt, deadline_ms, cancel, ret_body, &last);
        if (next == NEXT_DONE)
            return true;
        if (next == NEXT_AT_ONCE)
            continue;
        /* A wait that the deadline would end is not begun: the cause is worth more than
         * "deadline". */
        if (next == NEXT_FAIL ||
            !backoff_next(&attempt.backoff, next == NEXT_NOT_YET ? &backoff_eventual : &backoff_aws,
                          backoff_random(), &wait_ms) ||
            clock_boot_ms() + wait_ms >= deadline_ms)
            break;
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, cancel, &last))
            break;
    }
    *err = last;
    return false;
}
