/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "aws/http_curl.h"

/* --- opening --- */

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_open(const struct http_options *options, struct http **ret_http, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* older versions are not safe to do it twice */
    struct http *http = calloc(1, sizeof(*http));

    if (http == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    (void)pthread_once(&once, init_curl);
    http->kept_fd = -1;
    http->use_proxy = options->use_proxy;
    http->connect_timeout_ms = options->connect_timeout_ms;
    http->body_max_bytes = options->body_max_bytes;
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    if (options->ca_bundle != NULL)
        http->ca_bundle = strdup(options->ca_bundle);
    if (http->multi == NULL || http->easy == NULL ||
        (options->ca_bundle != NULL && http->ca_bundle == NULL)) {
        http_free(http);
        return err_set(err, ERR_INTERNAL, 0, "cannot make an HTTP client");
    }
    if (http->ca_bundle != NULL && access(http->ca_bundle, R_OK) < 0) {
        (void)err_set(err, ERR_CONFIG, errno, "CA bundle %s", http->ca_bundle);
        (void)err_suggest(err, "check ca_bundle in [aws], and AWS_CA_BUNDLE");
        http_free(http);
        return false;
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
    *ret_http = http;
    return true;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    if (http->easy != NULL)
        curl_easy_cleanup(http->easy);
    if (http->multi != NULL)
        (void)curl_multi_cleanup(http->multi); /* closes the kept connection: close_socket */
    free(http->ca_bundle);
    free(http);
}

void http_answer_free(struct http_answer *answer)
{
    buf_wipe(&answer->body); /* may hold a role's keys */
    buf_free(&answer->headers);
}

/* --- one exchange --- */

/* Until the transfer is over, the deadline or a cancel. RET_CODE on true. */
static bool run(struct http *http, int64_t deadline_ms, const struct cancel *cancel,
                CURLcode *ret_code, struct err *err)
{
    struct curl_waitfd extra = {.fd = cancel ? cancel->event_fd : -1, .events = CURL_WAIT_POLLIN};
    unsigned extra_count = extra.fd >= 0 ? 1 : 0;

    for (;;) {
        int running = 0, left_ms = 0, left_messages = 0, ready = 0;
        CURLMsg *message;
        if (cancel_asked(cancel))
            return err_set(err, ERR_CANCELLED, 0, "cancelled");
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return false;
        http->now->perform_boot_us = clock_boot_us();
        http->now->perform_utc_us = clock_utc_us();
        CURLMcode code = curl_multi_perform(http->multi, &running);
        if (code != CURLM_OK)
            return err_set(err, ERR_INTERNAL, 0, "curl: %s", curl_multi_strerror(code));
        while ((message = curl_multi_info_read(http->multi, &left_messages)) != NULL)
            if (message->msg == CURLMSG_DONE) {
                *ret_code = message->data.result;
                return true;
            }
        if (!deadline_left_ms(deadline_ms, &left_ms, err))
            return false;
#if LIBCURL_VERSION_NUM >= 0x074200
        code = curl_multi_poll(http->multi, &extra, extra_count, left_ms, &ready);
#else
        code = curl_multi_wait(http->multi, &extra, extra_count, left_ms, &ready);
        if (code == CURLM_OK && ready == 0) /* no descriptor yet: a name is being looked up */
            (void)deadline_sleep(clock_boot_ms() + 5, deadline_ms, cancel, err);
#endif
        if (code != CURLM_OK)
            return err_set(err, ERR_INTERNAL, 0, "curl: %s", curl_multi_strerror(code));
    }
}

/* "https://host:port" of the URL, for messages. */
static const char *origin_of(const char *url, char *text, size_t size)
{
    const char *host = strstr(url, "://");
    size_t len = host != NULL ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : strlen(url);

    if (len >= size)
        len = size - 1;
    memcpy(text, url, len);
    text[len] = '\0';
    return text;
}

static bool judge_unsent(const struct http *http, const struct exchange *now, CURLcode code,
                         const char *origin, const char *said, struct err *err)
{
    if (now->refused_connect)
        return err_set(err, ERR_NET, 0, "%s: no open connection, and none may be made now", origin);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(err, ERR_CONFIG, 0, "%s: %s", origin, said);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        (void)err_set(err, ERR_TLS, 0, "%s: %s", origin, said);
        return err_suggest(err,
                           "%s%s; where a proxy or a private endpoint has a CA of its own, name "
                           "it as ca_bundle in [aws]",
                           "the certificate is not one that this node trusts: ",
                           http->ca_bundle ? http->ca_bundle : "the system's CA bundle");
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return err_set(err, ERR_INTERNAL, 0, "%s: %s", origin, said);
    default:
        break;
    }
    (void)err_set(err, ERR_NET, 0, "%s: %s", origin, said);
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        return err_suggest(err, "check this node's name resolution, and region and endpoints in "
                                "[aws]");
    return err_suggest(err, "check route, security groups and proxy from this node to %s", origin);
}

static bool judge(const struct http *http, const struct exchange *now, CURLcode code,
                  struct err *err)
{
    char origin[200];
    const char *said = now->said[0] != '\0' ? now->said : curl_easy_strerror(code);

    (void)origin_of(now->request->url, origin, sizeof(origin));
    if (now->failed) {
        *err = now->err;
        return err_wrap(err, "%s", origin);
    }
    if (!now->answer->sent)
        return judge_unsent(http, now, code, origin, said, err);
    if (now->refused_connect)
        return err_set(err, ERR_SENT, 0, "%s: the connection broke after the request was sent",
                       origin);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
        return err_set(err, ERR_PROTOCOL, 0, "%s: the answer is not HTTP: %s", origin, said);
    return err_set(err, ERR_SENT, 0, "%s: sent, but no whole answer: %s", origin, said);
}

static bool finish(struct http *http, struct exchange *now, CURLcode code, struct err *err)
{
    long status = 0, connects = 0;
    curl_socket_t fd = CURL_SOCKET_BAD;

    (void)curl_easy_getinfo(http->easy, CURLINFO_NUM_CONNECTS, &connects);
    now->answer->reused = connects == 0 && now->answer->sent;
    if (code != CURLE_OK)
        return judge(http, now, code, err);
    now->answer->answered_boot_us = clock_boot_us();
    now->answer->answered_utc_us = clock_utc_us();
    if (curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status < 200 || status > 599)
        return err_set(err, ERR_PROTOCOL, 0, "an answer with status %ld", status);
    now->answer->status = (int)status;
    if (curl_easy_getinfo(http->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
        fd != CURL_SOCKET_BAD)
        http->kept_fd = fd;
    return true;
}

bool http_alive(const struct http *http)
{
    char byte;

    /* Readable while nothing is owed: the peer's FIN, or TLS saying good-bye. */
    return http->kept_fd >= 0 && recv(http->kept_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* On a handle with all options set. */
static bool exchange(struct http *http, struct exchange *now, int64_t deadline_ms,
                     const struct cancel *cancel, struct err *err)
{
    CURLcode code = CURLE_OK;

    if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, 0, "curl refused the request");
    http->now = now;
    bool ok = run(http, deadline_ms, cancel, &code, err) && finish(http, now, code, err);
    (void)curl_multi_remove_handle(http->multi, http->easy); /* closes what was not finished */
    http->now = NULL;
    return ok;
}

bool http_send(struct http *http, const struct http_request *request, int64_t deadline_ms,
               const struct cancel *cancel, struct http_answer *ret_answer, struct err *err)
{
    struct exchange now = {.request = request, .answer = ret_answer, .err = ERR_INIT};
    struct curl_slist *list = NULL;

    *ret_answer = (struct http_answer){.body = BUF_INIT(http->body_max_bytes),
                                       .headers = BUF_INIT(HTTP_HEADERS_MAX_BYTES)};
    now.fresh = !http_alive(http);
    if (request->no_new_connection && now.fresh) {
        now.refused_connect = true;
        return judge(http, &now, CURLE_COULDNT_CONNECT, err);
    }
    curl_easy_reset(http->easy); /* connections stay */
    bool ok = http_curl_make_list(request, &list, err) && http_curl_set(http, &now, list, err) &&
              exchange(http, &now, deadline_ms, cancel, err);
    curl_easy_reset(http->easy); /* keeps no pointer to what goes out of scope here */
    http_curl_free_list(list);
    return ok;
}

bool http_answer_header(const struct http_answer *answer, const char *name, char *text, size_t size)
{
    size_t name_len = strlen(name);

    text[0] = '\0';
    for (const char *line = buf_text(&answer->headers); *line != '\0';) {
        size_t len = strcspn(line, "\r\n");
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            const char *end = line + len;
            while (value < end && (*value == ' ' || *value == '\t'))
                value++;
            while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            size_t value_len = (size_t)(end - value) < size ? (size_t)(end - value) : size - 1;
            memcpy(text, value, value_len);
            text[value_len] = '\0';
            return true;
        }
        line += len + strspn(line + len, "\r\n");
    }
    return false;
}
