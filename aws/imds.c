/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "aws/backoff.h"
#include "aws/http.h"

#define IMDS_ENDPOINT "http://169.254.169.254"

enum {
    ANSWER_MAX_BYTES = 64 * 1024,
    CONNECT_TIMEOUT_MS = 1000,
    EXCHANGE_TIMEOUT_MS = 2000,
    TOKEN_TTL_S = 21600,
    TOKEN_MAX_BYTES = 1024,
    URL_BYTES = 400
};

struct imds {
    struct http *http;
    char *endpoint;
    struct secret token;
};

bool imds_open(const char *endpoint, struct imds **ret_imds, struct err *err)
{
    struct http_options options = {.use_proxy = false, /* link-local: a proxy can't know us */
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .body_max_bytes = ANSWER_MAX_BYTES};
    const char *use = endpoint != NULL && *endpoint != '\0' ? endpoint : IMDS_ENDPOINT;
    struct imds *imds = calloc(1, sizeof(*imds));

    if (imds == NULL || (imds->endpoint = strdup(use)) == NULL) {
        imds_free(imds);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    size_t len = strlen(imds->endpoint);
    while (len > 0 && imds->endpoint[len - 1] == '/')
        imds->endpoint[--len] = '\0';
    if ((strncmp(use, "http://", 7) != 0 && strncmp(use, "https://", 8) != 0) || len > 200) {
        (void)err_set(err, ERR_CONFIG, 0, "endpoint_imds \"%.200s\" is not a URL", use);
        (void)err_suggest(err, "write it as %s", IMDS_ENDPOINT);
        imds_free(imds);
        return false;
    }
    if (!http_open(&options, &imds->http, err)) {
        imds_free(imds);
        return false;
    }
    *ret_imds = imds;
    return true;
}

void imds_free(struct imds *imds)
{
    if (imds == NULL)
        return;
    http_free(imds->http);
    secret_free(&imds->token);
    free(imds->endpoint);
    free(imds);
}

/* --- one exchange --- */

/* What became of one exchange. */
enum verdict {
    DONE,   /* an answer that is used */
    AGAIN,  /* worth another try */
    RENEW,  /* 401: the token is not accepted any more */
    GIVE_UP /* err is set */
};

static enum verdict explain_transport(const struct imds *imds, bool for_token, int64_t deadline_ms,
                                      struct err *err)
{
    if (err->kind == ERR_DEADLINE && clock_boot_ms() >= deadline_ms)
        return GIVE_UP;
    if (err->kind == ERR_DEADLINE && for_token) {
        (void)err_set(err, ERR_IMDS, 0,
                      "the instance metadata service at %s took the request for a token and does "
                      "not answer",
                      imds->endpoint);
        (void)err_suggest(err, "inside a container the instance's hop limit must be 2: aws ec2 "
                               "modify-instance-metadata-options --instance-id ID "
                               "--http-put-response-hop-limit 2");
        return AGAIN;
    }
    if (err->kind == ERR_DEADLINE) {
        (void)err_set(err, ERR_IMDS, 0, "the instance metadata service at %s does not answer",
                      imds->endpoint);
        return AGAIN;
    }
    if (err->kind != ERR_NET && err->kind != ERR_SENT && err->kind != ERR_PROTOCOL &&
        err->kind != ERR_TLS)
        return GIVE_UP; /* cancelled, too large, our own fault */
    err->kind = ERR_IMDS;
    err->remedy[0] = '\0'; /* what is right for AWS's endpoints is not for this one */
    (void)err_wrap(err, "the instance metadata service can't be reached");
    (void)err_suggest(err, "check that this is an EC2 instance and that no firewall or container "
                           "network keeps 169.254.169.254 from it; elsewhere set identity = none "
                           "in [aws]");
    return AGAIN;
}

static enum verdict explain_status(const struct imds *imds, const char *path, int status,
                                   struct err *err)
{
    switch (status) {
    case 200:
        return DONE;
    case 401:
        (void)err_set(err, ERR_IMDS, 0,
                      "the instance metadata service refuses its own token (401)");
        (void)err_suggest(err,
                          "see whether something between this node and %s answers in its "
                          "place",
                          imds->endpoint);
        return RENEW;
    case 403:
        (void)err_set(err, ERR_IMDS, 0, "the instance metadata service is switched off (403)");
        (void)err_suggest(err, "switch it on: aws ec2 modify-instance-metadata-options "
                               "--instance-id ID --http-endpoint enabled --http-tokens required");
        return GIVE_UP;
    case 404:
        (void)err_set(err, ERR_NOT_FOUND, 0, "the instance metadata service has no %s", path);
        return GIVE_UP;
    default:
        break;
    }
    (void)err_set(err, ERR_IMDS, 0, "the instance metadata service answered %d to %s", status,
                  path);
    (void)err_suggest(err, "try again in a minute; if it stays so, stop and start the instance, or "
                           "ask AWS support");
    return status >= 500 || status == 429 ? AGAIN : GIVE_UP;
}

/* ANSWER is the caller's to free in every case. */
static enum verdict exchange(struct imds *imds, const char *method, const char *path,
                             const struct http_header *header, int64_t deadline_ms,
                             const struct cancel *cancel, struct http_answer *answer,
                             struct err *err)
{
    char url[URL_BYTES];
    struct http_request request = {
        .method = method, .url = url, .headers = header, .header_count = 1};
    int len = snprintf(url, sizeof(url), "%s/latest/%s", imds->endpoint, path);

    if (len < 0 || (size_t)len >= sizeof(url)) {
        (void)err_set(err, ERR_INTERNAL, 0, "metadata item \"%.100s\": too long", path);
        return GIVE_UP;
    }
    if (!http_send(imds->http, &request, deadline_sooner(deadline_ms, EXCHANGE_TIMEOUT_MS), cancel,
                   answer, err))
        return explain_transport(imds, strcmp(method, "PUT") == 0, deadline_ms, err);
    return explain_status(imds, path, answer->status, err);
}

static bool plain_line(const char *text, size_t len, size_t max)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] > '~')
            return false;
    return len > 0 && len <= max;
}

static enum verdict fetch_token(struct imds *imds, int64_t deadline_ms, const struct cancel *cancel,
                                struct err *err)
{
    char ttl[12];
    struct http_header header = {"X-aws-ec2-metadata-token-ttl-seconds", ttl};
    struct http_answer answer;

    (void)snprintf(ttl, sizeof(ttl), "%d", TOKEN_TTL_S);
    memset(&answer, 0, sizeof(answer));
    enum verdict verdict =
        exchange(imds, "PUT", "api/token", &header, deadline_ms, cancel, &answer, err);
    if (answer.status == 404 || answer.status == 400 || answer.status == 405) {
        (void)err_set(err, ERR_IMDS, 0,
                      "what answers at %s gives no tokens (%d): it is not the "
                      "instance metadata service, version 2",
                      imds->endpoint, answer.status);
        (void)err_suggest(err, "check endpoint_imds in [aws]; elsewhere than on EC2 set "
                               "identity = none");
    } else if (verdict == RENEW) {
        verdict = GIVE_UP;
    } else if (verdict == DONE &&
               !plain_line(buf_text(&answer.body), answer.body.len, TOKEN_MAX_BYTES)) {
        (void)err_set(err, ERR_IMDS, 0, "what answers at %s gives a token that is none",
                      imds->endpoint);
        verdict = GIVE_UP;
    } else if (verdict == DONE) {
        verdict = secret_set(&imds->token, answer.body.data, answer.body.len, err) ? DONE : GIVE_UP;
    }
    http_answer_free(&answer);
    return verdict;
}

static enum verdict fetch_item(struct imds *imds, const char *path, int64_t deadline_ms,
                               const struct cancel *cancel, struct buf *ret_text, struct err *err)
{
    struct http_header header = {"X-aws-ec2-metadata-token", NULL};
    struct http_answer answer;

    if (!secret_is_set(&imds->token)) {
        enum verdict verdict = fetch_token(imds, deadline_ms, cancel, err);
        if (verdict != DONE)
            return verdict;
    }
    header.value = imds->token.bytes;
    memset(&answer, 0, sizeof(answer));
    enum verdict verdict = exchange(imds, "GET", path, &header, deadline_ms, cancel, &answer, err);
    if (verdict == RENEW)
        secret_free(&imds->token);
    if (verdict == DONE && answer.body.len > 0 &&
        !buf_add(ret_text, answer.body.data, answer.body.len, err))
        verdict = GIVE_UP;
    http_answer_free(&answer);
    return verdict;
}

bool imds_item(struct imds *imds, const char *path, int64_t deadline_ms,
               const struct cancel *cancel, struct buf *ret_text, struct err *err)
{
    struct backoff backoff = {0, 0};
    bool renewed = false;

    for (;;) {
        int64_t wait_ms = 0;
        enum verdict verdict = fetch_item(imds, path, deadline_ms, cancel, ret_text, err);
        if (verdict == DONE)
            return true;
        if (verdict == RENEW && !renewed) {
            renewed = true; /* the token had run out, or the service was restarted */
            continue;
        }
        if (verdict != AGAIN || !backoff_next(&backoff, &backoff_imds, backoff_random(), &wait_ms))
            return err_wrap(err, "metadata item %s", path);
        if (clock_boot_ms() + wait_ms >= deadline_ms)
            return err_wrap(err, "metadata item %s", path);
        if (!deadline_sleep(clock_boot_ms() + wait_ms, deadline_ms, cancel, err))
            return err_wrap(err, "metadata item %s", path);
    }
}

/* --- documents --- */

bool imds_document(struct imds *imds, int64_t deadline_ms, const struct cancel *cancel,
                   struct imds_document *ret_document, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX_BYTES);

    return imds_item(imds, "dynamic/instance-identity/document", deadline_ms, cancel, &text, err) &&
           imds_parse_document(buf_text(&text), text.len, ret_document, err);
}

/* IAM's own rule for names of roles: letters, digits and +=,.@-_ */
static bool role_name(const struct buf *text, char *name, size_t size, struct err *err)
{
    size_t len = strcspn(buf_text(text), "\n");
    size_t good = strspn(buf_text(text), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789+=,.@-_");

    if (len == 0 || len != good || len >= size) {
        (void)err_set(err, ERR_PROTOCOL, 0,
                      "the instance metadata service names a role that can't be one");
        return err_suggest(err, "see whether something else answers in its place ([aws] "
                                "endpoint_imds)");
    }
    memcpy(name, buf_text(text), len);
    name[len] = '\0';
    return true;
}

bool imds_role(struct imds *imds, int64_t deadline_ms, const struct cancel *cancel,
               struct imds_role *ret_role, struct err *err)
{
    static const char folder[] = "meta-data/iam/security-credentials/";
    AUTO_BUF struct buf name = BUF_INIT(ANSWER_MAX_BYTES);
    struct buf keys = BUF_INIT(ANSWER_MAX_BYTES);
    char path[sizeof(folder) + IMDS_NAME_BYTES];
    struct imds_role role;

    memset(&role, 0, sizeof(role));
    if (!imds_item(imds, folder, deadline_ms, cancel, &name, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        (void)err_set(err, ERR_CREDENTIALS, 0, "no IAM role is attached to this instance");
        return err_suggest(err, "attach an instance profile whose role may make snapshots: aws ec2 "
                                "associate-iam-instance-profile --instance-id ID "
                                "--iam-instance-profile Name=NAME");
    }
    if (!role_name(&name, role.name, sizeof(role.name), err))
        return false;
    (void)snprintf(path, sizeof(path), "%s%s", folder, role.name);
    bool ok = imds_item(imds, path, deadline_ms, cancel, &keys, err);
    if (!ok && err->kind == ERR_NOT_FOUND)
        err->kind = ERR_CREDENTIALS;
    ok = ok && imds_parse_role(buf_text(&keys), keys.len, &role, err);
    buf_wipe(&keys);
    if (!ok) {
        imds_role_free(&role);
        return err_wrap(err, "role %.64s", role.name);
    }
    *ret_role = role;
    return true;
}

void imds_role_free(struct imds_role *role)
{
    secret_free(&role->secret_key);
    secret_free(&role->session_token);
}
